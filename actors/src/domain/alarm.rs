//! An alarm: the ISA-18.2 state machine of one rule's condition on one series of one thing.
//!
//! Four independent memories (condition, acknowledgement, latch, suppression) are kept; the state letter is derived from
//! them and never stored.

mod apply;
mod decide;
mod letter;
mod severity;

pub use severity::Severity;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Rejection;
use super::alarm_rule::{AlarmClass, LimitKind, Priority};
use super::event_names::{decode_v1, event_names};
use crate::command;
use crate::entity::{Aggregate, DecideContext, DecodeError};
use crate::ids::{AlarmRuleId, ChannelId, EntityKind, OrganisationId, ThingId, UserId};
use crate::time::Timestamp;

/// Which series the alarm is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub organisation: OrganisationId,
    pub rule: AlarmRuleId,
    pub thing: ThingId,
    pub channel: ChannelId,
    pub subtopic: String,
    pub series: String,
}

/// What made the condition true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Limit(LimitKind),
    /// No sample came.
    Deadman,
    /// A model's score crossed its limit.
    Score,
}

/// How large a part each signal has in a model's score, largest first; shares sum to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    pub series: String,
    pub share: f64,
    pub expected: Option<f64>,
    pub actual: Option<f64>,
}

/// Everything that is fixed when the condition becomes true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activation {
    pub cause: Cause,
    pub priority: Priority,
    pub class: AlarmClass,
    pub latching: bool,
    pub acknowledge_required: bool,
    pub message: String,
    pub consequence: String,
    pub action: String,
    pub time_to_respond_ms: Option<u64>,
    pub unit: String,
    /// `None` for a deadman.
    pub value: Option<f64>,
    pub limit: Option<f64>,
    /// OPC UA-like quality of the sample, 192 good.
    pub quality: u8,
    pub source_time: Timestamp,
    pub received_at: Timestamp,
    #[serde(default)]
    pub contributions: Vec<Contribution>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelving {
    pub by: UserId,
    pub reason: String,
    pub until: Timestamp,
    /// Ends when the alarm returns.
    pub one_shot: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// The design logic that suppresses: a rule, a state, a first-out group.
    pub by: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutOfService {
    pub by: UserId,
    pub work_order: String,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    pub by: UserId,
    pub at: Timestamp,
    pub text: String,
}

/// The ISA-18.2 state, derived. Display precedence: I > H > G > A..F.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Letter {
    /// Normal.
    A,
    /// Unacknowledged alarm.
    B,
    /// Acknowledged alarm.
    C,
    /// Returned to normal, unacknowledged.
    D,
    /// Latched, unacknowledged.
    E,
    /// Latched, acknowledged.
    F,
    /// Shelved.
    G,
    /// Suppressed by design.
    H,
    /// Out of service.
    I,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub source: Option<Source>,
    /// The number of the present or last occurrence; 0 before the first.
    pub occurrence: u64,
    pub condition_abnormal: bool,
    pub acknowledged: bool,
    pub latched: bool,
    pub shelved: Option<Shelving>,
    pub suppressed: Option<Suppression>,
    pub out_of_service: Option<OutOfService>,
    /// Of the present or last occurrence.
    pub activation: Option<Activation>,
    /// In event time, as is `returned_at`: their difference is how long the condition lasted.
    pub raised_at: Option<Timestamp>,
    pub returned_at: Option<Timestamp>,
    pub acknowledged_at: Option<Timestamp>,
    pub acknowledged_by: Option<UserId>,
    pub re_alarm_count: u64,
    /// Of the present or last occurrence; at most [`COMMENTS_LIMIT`], the oldest go first.
    pub comments: Vec<Comment>,
}

/// How many comments of an occurrence the state keeps. The event log keeps all.
pub const COMMENTS_LIMIT: usize = 50;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Command {
    /// The condition is true after deadband and on-delay, or became worse.
    Activate {
        source: Source,
        activation: Activation,
    },
    /// The condition is false after deadband and off-delay.
    Return {
        source_time: Timestamp,
        value: Option<f64>,
    },
    Acknowledge {
        occurrence: u64,
        note: Option<String>,
    },
    /// Clears the latch of an acknowledged alarm whose condition is normal.
    Reset,
    Shelve {
        reason: String,
        until: Timestamp,
        one_shot: bool,
    },
    Unshelve,
    /// The time of shelving is up: from the timer, not from a person.
    ExpireShelving,
    Suppress {
        by: String,
    },
    Unsuppress,
    TakeOutOfService {
        work_order: String,
        reason: String,
    },
    ReturnToService,
    Comment {
        text: String,
    },
    /// The re-alarm timer ran out.
    ReAlarm,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Event {
    /// A new occurrence.
    Activated {
        source: Source,
        occurrence: u64,
        activation: Activation,
    },
    /// The same occurrence, worse: annunciated again.
    Escalated {
        occurrence: u64,
        activation: Activation,
    },
    Returned {
        occurrence: u64,
        source_time: Timestamp,
        value: Option<f64>,
        at: Timestamp,
    },
    Acknowledged {
        occurrence: u64,
        by: UserId,
        note: Option<String>,
        at: Timestamp,
    },
    Reset {
        occurrence: u64,
        by: UserId,
    },
    Shelved {
        shelving: Shelving,
    },
    Unshelved {
        automatic: bool,
    },
    Suppressed {
        suppression: Suppression,
    },
    Unsuppressed {},
    TakenOutOfService {
        out_of_service: OutOfService,
    },
    ReturnedToService {},
    Commented {
        comment: Comment,
    },
    ReAlarmed {
        occurrence: u64,
    },
}

/// The aggregate of an alarm.
#[derive(Debug, Clone, Copy)]
pub struct Alarm;

event_names!(Alarm, Event {
    Activated => "alarm.activated",
    Escalated => "alarm.escalated",
    Returned => "alarm.returned",
    Acknowledged => "alarm.acknowledged",
    Reset => "alarm.reset",
    Shelved => "alarm.shelved",
    Unshelved => "alarm.unshelved",
    Suppressed => "alarm.suppressed",
    Unsuppressed => "alarm.unsuppressed",
    TakenOutOfService => "alarm.taken_out_of_service",
    ReturnedToService => "alarm.returned_to_service",
    Commented => "alarm.commented",
    ReAlarmed => "alarm.re_alarmed",
});

impl Aggregate for Alarm {
    const KIND: EntityKind = EntityKind::Alarm;
    const SNAPSHOT_SCHEMA: u16 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;

    fn command(command: command::Command) -> Option<Command> {
        match command {
            command::Command::Alarm(command) => Some(command),
            _ => None,
        }
    }

    fn decide(
        state: &State,
        command: Command,
        context: &DecideContext,
    ) -> Result<Vec<Event>, Rejection> {
        decide::decide(state, command, context)
    }

    fn apply(state: &mut State, event: &Event) {
        apply::apply(state, event);
    }

    fn event_type(event: &Event) -> &'static str {
        Self::name_of(event)
    }

    fn decode(event_type: &str, schema: u16, data: &Value) -> Result<Event, DecodeError> {
        decode_v1(Self::EVENT_TYPES, Self::name_of, event_type, schema, data)
    }
}

#[cfg(test)]
mod random_lives;
#[cfg(test)]
mod state_table;
#[cfg(test)]
mod tests;
