//! A model with its versions: what it was trained on, what it scores, which version is live.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ChannelId, OrganisationId, ThingId};
use crate::time::Timestamp;

/// One input signal of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    pub channel: ChannelId,
    #[serde(default)]
    pub subtopic: String,
    pub series: String,
}

/// What the model watches, fixed for all of its versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub name: String,
    pub thing: ThingId,
    pub signals: Vec<Signal>,
    /// The grid that signals are resampled to.
    pub sample_period_ms: u64,
    /// Samples per window.
    pub window: u32,
    /// The name of the series that the score is written to; its channel is that of the first signal.
    pub score_series: String,
    /// Raises an alarm of class predictive when the score is above its limit for this many windows in a row.
    pub persistence: u32,
}

/// How a version came about. With it the same version can be made again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    pub trained_from: Timestamp,
    pub trained_to: Timestamp,
    pub rows: u64,
    /// Hex SHA-256 over the training rows.
    pub data_hash: String,
    pub seed: u64,
    pub parameters: serde_json::Value,
    pub code_version: String,
    pub parent: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    pub version: u32,
    /// Hex SHA-256 of the artifact file in the model folder.
    pub artifact: String,
    /// `torchscript`.
    pub format: String,
    /// Scores above it are abnormal.
    pub score_limit: f64,
    pub metrics: BTreeMap<String, f64>,
    pub lineage: Lineage,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub removed: bool,
    pub organisation: Option<OrganisationId>,
    pub definition: Option<Definition>,
    pub versions: Vec<Version>,
    pub live: Option<u32>,
    pub retired: Vec<u32>,
    /// Why the last training failed, until one succeeds.
    pub last_failure: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Command {
    Create {
        organisation: OrganisationId,
        definition: Definition,
    },
    /// `version.version` must be the next number.
    RegisterVersion {
        version: Version,
    },
    RecordTrainingFailure {
        reason: String,
    },
    Promote {
        version: u32,
    },
    Retire {
        version: u32,
    },
    Remove,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Event {
    Created {
        organisation: OrganisationId,
        definition: Definition,
    },
    VersionRegistered {
        version: Version,
    },
    TrainingFailed {
        reason: String,
    },
    Promoted {
        version: u32,
        previous: Option<u32>,
    },
    Retired {
        version: u32,
    },
    Removed {},
}
