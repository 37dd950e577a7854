//! A thing: a piece of equipment or an application, with a key to sign in by.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::secret::SealedKey;
use crate::ids::{DeviceTypeId, OrganisationId, Revision};

/// A measured series that an engineer described.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// The name of the series in the messages, as in `vibration_de`.
    pub series: String,
    pub title: String,
    pub unit: String,
    /// The instrument's range, for indicators.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// Decimals to show.
    pub decimals: u8,
    /// A sample is stale when older than three times this.
    pub expected_interval_ms: Option<u64>,
}

/// What rollback and diff are about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub name: String,
    pub metadata: Map<String, Value>,
    #[serde(default)]
    pub device_type: Option<DeviceTypeId>,
    #[serde(default)]
    pub tags: Vec<Tag>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub removed: bool,
    pub organisation: Option<OrganisationId>,
    pub key: Option<SealedKey>,
    pub details: Details,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Create {
        organisation: OrganisationId,
        key: SealedKey,
        details: Details,
    },
    /// `None` leaves a part as it is.
    Update {
        name: Option<String>,
        metadata: Option<Map<String, Value>>,
        device_type: Option<Option<DeviceTypeId>>,
        tags: Option<Vec<Tag>>,
    },
    ChangeKey {
        key: SealedKey,
    },
    /// The key was shown to a person: an event, so that the audit time line has it.
    RecordKeyRevealed,
    Remove,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Event {
    Created {
        organisation: OrganisationId,
        key: SealedKey,
        details: Details,
    },
    /// All of the details after the change.
    Updated {
        details: Details,
    },
    RolledBack {
        to: Revision,
        details: Details,
    },
    KeyChanged {
        key: SealedKey,
    },
    KeyRevealed {},
    Removed {},
}
