//! A command to any entity, and what comes back. This is all that crosses from the API to the entities, here or on another node.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::{
    Rejection, alarm, alarm_rule, channel, device_type, edge_device, model, organisation, thing,
    user,
};
use crate::event::Who;
use crate::ids::{
    CommandId, EntityId, EntityKind, InputDigest, OrganisationId, Position, Revision,
};
use crate::store::StoreError;

/// A command to one entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "command", rename_all = "snake_case")]
pub enum Command {
    Organisation(organisation::Command),
    User(user::Command),
    Thing(thing::Command),
    Channel(channel::Command),
    DeviceType(device_type::Command),
    EdgeDevice(edge_device::Command),
    AlarmRule(alarm_rule::Command),
    Alarm(alarm::Command),
    Model(model::Command),
    /// Writes the state of revision `to` again, as a new event. Any kind whose aggregate knows how.
    RollBack {
        to: Revision,
    },
}

impl Command {
    /// The kind of entity that it is for; `None` where any kind may be meant.
    pub const fn kind(&self) -> Option<EntityKind> {
        match self {
            Self::Organisation(_) => Some(EntityKind::Organisation),
            Self::User(_) => Some(EntityKind::User),
            Self::Thing(_) => Some(EntityKind::Thing),
            Self::Channel(_) => Some(EntityKind::Channel),
            Self::DeviceType(_) => Some(EntityKind::DeviceType),
            Self::EdgeDevice(_) => Some(EntityKind::EdgeDevice),
            Self::AlarmRule(_) => Some(EntityKind::AlarmRule),
            Self::Alarm(_) => Some(EntityKind::Alarm),
            Self::Model(_) => Some(EntityKind::Model),
            Self::RollBack { .. } => None,
        }
    }
}

/// What a command carries besides itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandContext {
    pub command_id: CommandId,
    pub who: Who,
    /// The organisation of the caller; kept beside each event for the audit time line.
    pub organisation: Option<OrganisationId>,
    /// The revision that the caller saw. `None`: whatever is there.
    pub expected_revision: Option<Revision>,
    pub note: Option<String>,
    /// What the sender asked for, if it may ask again with the same command id.
    pub input: Option<InputDigest>,
    /// How long the caller waits.
    pub timeout: Duration,
}

/// A command was taken and its events are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    pub revision: Revision,
    /// Where projections must be to have seen it.
    pub position: Position,
    /// True if this command had been taken before, or changed nothing.
    pub unchanged: bool,
}

/// Why a command was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error("revision {expected} was expected, but {actual} is there")]
    RevisionMismatch {
        expected: Revision,
        actual: Revision,
    },
    /// The command id was taken before, and its sender asked for something else then.
    #[error("command `{command}` was taken before with another input")]
    OtherInput { command: CommandId },
    #[error("too many commands wait for this entity; try again in {} ms", retry_after.as_millis())]
    Overloaded { retry_after: Duration },
    /// Whether it was taken is unknown. The same command id may be sent again.
    #[error("no answer in time; whether the command was taken is unknown")]
    TimedOut,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("tellee is stopping")]
    Stopping,
    /// A fault in Tellee itself: the entity could not handle the command. Nothing was written.
    #[error("entity `{entity}` failed: {reason}")]
    Failed { entity: EntityId, reason: String },
}

impl AskError {
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Rejected(_)
            | Self::RevisionMismatch { .. }
            | Self::OtherInput { .. }
            | Self::Failed { .. } => false,
            Self::Overloaded { .. } | Self::TimedOut | Self::Stopping => true,
            Self::Store(error) => error.is_retryable(),
        }
    }
}
