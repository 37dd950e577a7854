//! How large things may be. Every check of the domain that compares with a size takes it from here.

use std::time::Duration;

/// Characters of a name, a title or a series name.
pub const NAME_CHARS: usize = 1_024;
/// Characters of a unit.
pub const UNIT_CHARS: usize = 64;
/// Characters of a text that a person writes: note, reason, comment, message, action.
pub const TEXT_CHARS: usize = 4_096;
/// Bytes of metadata, or of a model's parameters, as JSON.
pub const METADATA_BYTES: usize = 64 * 1_024;
/// Levels of objects and arrays within each other in metadata. JSON readers stop at 128, and events wrap it in a few more.
pub const METADATA_DEPTH: usize = 32;
/// Tags of one thing or device type.
pub const TAGS: usize = 1_000;
/// Decimals that an indicator may show.
pub const DECIMALS: u8 = 15;
/// Things that one channel connects.
pub const THINGS_PER_CHANNEL: usize = 10_000;
/// Channels of one bootstrap config.
pub const CHANNELS_PER_CONFIG: usize = 1_000;
/// Characters of an external id.
pub const EXTERNAL_ID_CHARS: usize = 255;
/// Bytes of a bootstrap config's content.
pub const CONTENT_BYTES: usize = 256 * 1_024;
/// Bytes of a certificate or of a sealed private key.
pub const CERTIFICATE_BYTES: usize = 64 * 1_024;
/// Bytes of a thing's sealed key.
pub const SEALED_KEY_BYTES: usize = 4_096;
/// On-delay and off-delay of an alarm rule, and the time to respond.
pub const DELAY: Duration = Duration::from_hours(24);
/// The period of a deadman.
pub const DEADMAN_PERIOD: Duration = Duration::from_hours(7 * 24);
/// How far ahead an alarm may be shelved.
pub const SHELVING: Duration = Duration::from_hours(12);
/// Signals in a model's contributions, and inputs of a model.
pub const SIGNALS: usize = 256;
/// The grid of a model's samples.
pub const SAMPLE_PERIOD: Duration = Duration::from_hours(24);
/// Samples per window of a model.
pub const WINDOW_SAMPLES: u32 = 65_536;
/// Windows in a row before a model raises an alarm.
pub const PERSISTENCE_WINDOWS: u32 = 10_000;
/// Versions of one model.
pub const VERSIONS: usize = 1_000;
/// Metrics of one model version.
pub const METRICS: usize = 256;
