//! An alarm rule: which series it watches, its limits, delays and texts. See `hmi` terms of ISA-18.2 / IEC 62682.

use serde::{Deserialize, Serialize};

use crate::ids::{ChannelId, DeviceTypeId, OrganisationId, Revision, ThingId};

/// P1 is the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    P1,
    P2,
    P3,
    P4,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    HiHi,
    Hi,
    Lo,
    LoLo,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    pub kind: LimitKind,
    pub limit: f64,
    pub priority: Priority,
}

/// Raises when no good sample came for `period_ms` of processing time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deadman {
    pub period_ms: u64,
    pub priority: Priority,
}

/// Which series the rule watches. Every given part must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    pub thing: Option<ThingId>,
    pub device_type: Option<DeviceTypeId>,
    pub channel: Option<ChannelId>,
    pub subtopic: Option<String>,
    /// The name of the series, exact.
    pub series: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmClass {
    #[default]
    Process,
    /// From a model: its own group, never sounds, stays out of the rates.
    Predictive,
    /// A device or input fault.
    Instrument,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub name: String,
    pub scope: Scope,
    /// At most one of each kind, in the order LOLO < LO < HI < HIHI.
    pub levels: Vec<Level>,
    #[serde(default)]
    pub deadman: Option<Deadman>,
    /// In units of the series; the condition ends beyond limit ∓ deadband.
    #[serde(default)]
    pub deadband: f64,
    /// In event time.
    #[serde(default)]
    pub on_delay_ms: u64,
    #[serde(default)]
    pub off_delay_ms: u64,
    #[serde(default)]
    pub class: AlarmClass,
    #[serde(default)]
    pub latching: bool,
    #[serde(default = "yes")]
    pub acknowledge_required: bool,
    /// What the operator reads, as in `Drive-end vibration high`.
    pub message: String,
    #[serde(default)]
    pub consequence: String,
    /// What to do. A rule without one can only be published as an event, not as an alarm.
    pub action: String,
    #[serde(default)]
    pub time_to_respond_ms: Option<u64>,
    #[serde(default = "yes")]
    pub enabled: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub removed: bool,
    pub organisation: Option<OrganisationId>,
    pub definition: Option<Definition>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Command {
    Create {
        organisation: OrganisationId,
        definition: Definition,
    },
    Update {
        definition: Definition,
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
    Updated {
        definition: Definition,
    },
    RolledBack {
        to: Revision,
        definition: Definition,
    },
    Removed {},
}
