//! The entity shell: one generic actor that loads, decides, appends, applies and answers, for every aggregate.

mod diff;
mod handle;
pub mod history;
mod kinds;
mod recent;
mod redact;
mod replay;
mod shell;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command::{Accepted, AskError, Command, CommandContext};
use crate::domain::Rejection;
use crate::ids::{EntityId, EntityKind, Revision};
use crate::time::Timestamp;

pub use diff::{Change, diff};
pub use handle::{
    Ask, EntityConfig, EntityDeps, EntityHandle, EntityMessage, EntityStatus, Refused,
    wait_for_answer,
};
pub use history::{Moment, history, state_at};
pub use kinds::spawn_any;
pub use redact::{REDACTED, redact};
pub use shell::{EntityActor, spawn};

/// What `decide` may know besides the state and the command.
#[derive(Debug, Clone)]
pub struct DecideContext {
    pub entity: EntityId,
    pub at: Timestamp,
    pub who: crate::event::Who,
}

/// An aggregate: pure functions over its state.
pub trait Aggregate: Send + 'static {
    const KIND: EntityKind;
    /// The version of the shape of the state in snapshots.
    const SNAPSHOT_SCHEMA: u16;

    type State: Default + Clone + Send + Sync + Serialize + DeserializeOwned + 'static;
    type Command: Send + 'static;
    type Event: Clone + Send + Sync + Serialize + DeserializeOwned + 'static;

    /// The command of this kind out of a command to any entity.
    fn command(command: Command) -> Option<Self::Command>;

    /// The events that `command` causes in `state`. No events: already so, accepted without change.
    fn decide(
        state: &Self::State,
        command: Self::Command,
        context: &DecideContext,
    ) -> Result<Vec<Self::Event>, Rejection>;

    fn apply(state: &mut Self::State, event: &Self::Event);

    /// The events that write `past`, the state of revision `to`, again.
    fn roll_back(
        _state: &Self::State,
        _past: &Self::State,
        _to: Revision,
    ) -> Result<Vec<Self::Event>, Rejection> {
        Err(Rejection::Unsupported {
            what: "roll back".to_owned(),
        })
    }

    /// The stable name of the event, as in `thing.created`.
    fn event_type(event: &Self::Event) -> &'static str;

    /// The version of the event's shape that is written today.
    fn event_schema(_event: &Self::Event) -> u16 {
        1
    }

    /// Reads an event of any version that was ever written.
    fn decode(
        event_type: &str,
        schema: u16,
        data: &serde_json::Value,
    ) -> Result<Self::Event, DecodeError>;
}

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("unknown event type `{0}`")]
    UnknownType(String),
    #[error("event type `{event_type}` has no schema {schema}")]
    UnknownSchema { event_type: String, schema: u16 },
    #[error("event type `{event_type}`: {reason}")]
    Malformed { event_type: String, reason: String },
}

/// The one door to all entities. Where they live is the business of `cluster/`.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    async fn ask(
        &self,
        entity: EntityId,
        command: Command,
        context: CommandContext,
    ) -> Result<Accepted, AskError>;
}
