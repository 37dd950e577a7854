//! What the server and the worker say to each other over the worker's standard input and output.
//!
//! One frame per message: a JSON header and a payload of little-endian `f32`. The server asks, the worker answers each
//! request with one reply of the same id. Floats travel in the payload and never in the JSON.

pub mod frame;
pub mod message;

pub use frame::{Decoder, Frame, FrameError, FrameLimits, encode};
pub use message::{
    Failure, FailureCode, Loaded, Reply, ReplyBody, Request, RequestBody, ScoreShape, Scored,
    TrainReport, TrainSpec, ValidationReport,
};

/// The version of the protocol. Both sides must have the same.
pub const PROTOCOL_VERSION: u8 = 1;
/// The largest batch that a request may score.
pub const MAX_BATCH: u32 = 256;
/// The most signals of a model.
pub const MAX_SIGNALS: u32 = 256;
/// The most samples of a window.
pub const MAX_WINDOW: u32 = 1_024;
/// The most values (samples × signals) of a window.
pub const MAX_WINDOW_VALUES: usize = 16_384;
/// The most values (rows × signals) of one training.
pub const MAX_TRAINING_VALUES: usize = 16 * 1024 * 1024;
