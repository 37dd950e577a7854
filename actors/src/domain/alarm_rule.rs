//! An alarm rule: which series it watches, its limits, delays and texts, in the terms of ISA-18.2 / IEC 62682.

mod definition;

pub use definition::Side;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event_names::{decode_v1, event_names};
use super::{Rejection, presence};
use crate::command;
use crate::entity::{Aggregate, DecideContext, DecodeError};
use crate::ids::{ChannelId, DeviceTypeId, EntityKind, OrganisationId, Revision, ThingId};

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

impl State {
    /// Created and not removed.
    pub const fn is_there(&self) -> bool {
        self.exists && !self.removed
    }
}

/// The aggregate of an alarm rule.
#[derive(Debug, Clone, Copy)]
pub struct AlarmRule;

event_names!(AlarmRule, Event {
    Created => "alarm_rule.created",
    Updated => "alarm_rule.updated",
    RolledBack => "alarm_rule.rolled_back",
    Removed => "alarm_rule.removed",
});

impl Aggregate for AlarmRule {
    const KIND: EntityKind = EntityKind::AlarmRule;
    const SNAPSHOT_SCHEMA: u16 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;

    fn command(command: command::Command) -> Option<Command> {
        match command {
            command::Command::AlarmRule(command) => Some(command),
            _ => None,
        }
    }

    fn decide(
        state: &State,
        command: Command,
        context: &DecideContext,
    ) -> Result<Vec<Event>, Rejection> {
        if !matches!(command, Command::Create { .. }) {
            presence::must_be_there(state.is_there(), context)?;
        }
        let event = match command {
            Command::Create {
                organisation,
                definition,
            } => {
                presence::must_be_new(state.exists, context)?;
                definition.validate()?;
                Event::Created {
                    organisation,
                    definition,
                }
            }
            Command::Update { definition } => {
                definition.validate()?;
                if state.definition.as_ref() == Some(&definition) {
                    return Ok(Vec::new());
                }
                Event::Updated { definition }
            }
            Command::Remove => Event::Removed {},
        };
        Ok(vec![event])
    }

    fn apply(state: &mut State, event: &Event) {
        match event {
            Event::Created {
                organisation,
                definition,
            } => {
                *state = State {
                    exists: true,
                    removed: false,
                    organisation: Some(*organisation),
                    definition: Some(definition.clone()),
                };
            }
            Event::Updated { definition } | Event::RolledBack { definition, .. } => {
                state.definition = Some(definition.clone());
            }
            Event::Removed {} => state.removed = true,
        }
    }

    fn roll_back(state: &State, past: &State, to: Revision) -> Result<Vec<Event>, Rejection> {
        presence::must_have_been_there(state.is_there(), past.is_there(), to)?;
        match &past.definition {
            Some(definition) if past.definition != state.definition => {
                Ok(vec![Event::RolledBack {
                    to,
                    definition: definition.clone(),
                }])
            }
            _ => Ok(Vec::new()),
        }
    }

    fn event_type(event: &Event) -> &'static str {
        Self::name_of(event)
    }

    fn decode(event_type: &str, schema: u16, data: &Value) -> Result<Event, DecodeError> {
        decode_v1(Self::EVENT_TYPES, Self::name_of, event_type, schema, data)
    }
}

#[cfg(test)]
mod tests;
