//! Events as the store keeps them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::ids::{CommandId, InputDigest, OrganisationId, Position, Revision, ThingId, UserId};
use crate::time::Timestamp;

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Who {
    User(UserId),
    Thing(ThingId),
    /// A part of Tellee, named: `alarm_watch`, `setup`, `ml`.
    System(String),
}

/// What is kept beside each event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventMeta {
    pub who: Who,
    pub organisation: Option<OrganisationId>,
    pub command: CommandId,
    /// Why, in the words of the person who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the sender of the command asked for, if it may ask again with the same command id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<InputDigest>,
}

/// An event on its way into the store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Deterministic: [`CommandId::event_id`]. A second append of the same id is answered as the first was.
    pub id: Uuid,
    /// For example `thing.created`.
    pub event_type: String,
    /// The version of the shape of `data`, from 1.
    pub schema: u16,
    pub data: Value,
    pub meta: EventMeta,
    pub at: Timestamp,
}

/// An event as read from the store.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedEvent {
    pub position: Position,
    pub stream: String,
    pub revision: Revision,
    pub id: Uuid,
    pub event_type: String,
    pub schema: u16,
    pub data: Value,
    pub meta: EventMeta,
    pub at: Timestamp,
}
