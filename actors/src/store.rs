//! The event store: one trait, providers side by side, one conformance suite for all of them.

#[cfg(test)]
mod conformance;
pub mod database;
pub mod embedded;
pub mod follow;
mod judge;
pub mod memory;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use crate::event::{NewEvent, RecordedEvent};
use crate::ids::{Position, Revision};

pub use database::{Database, DatabaseConfig, WriteError};
pub use embedded::EmbeddedEventStore;
pub use follow::{Follower, follow_all};
pub use memory::MemoryEventStore;

/// What one event may weigh: its data and what is kept beside it, as JSON.
pub const EVENT_BYTES_LIMIT: usize = 8 * 1024 * 1024;

/// Events in one append, at most; more than any command causes.
pub const APPEND_LIMIT: usize = 16_384;

/// What the events of one append may weigh together.
pub const APPEND_BYTES_LIMIT: usize = 16 * 1024 * 1024;

/// Events in one page of a read, at most, whatever the caller asks for.
pub const PAGE_LIMIT: usize = 4096;

/// A page ends early once its events weigh this much, so that a page of large events does not fill the memory.
pub const PAGE_BYTES_LIMIT: usize = 8 * 1024 * 1024;

/// What the writer of an append knows of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedRevision {
    /// Whatever is there.
    Any,
    /// Exactly this many events; 0 is a stream that does not exist.
    Exact(Revision),
}

/// Where an append ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The revision of the stream after the append.
    pub revision: Revision,
    /// The position of the last event written.
    pub position: Position,
    /// True if these events were there already and nothing was written.
    pub duplicate: bool,
}

/// Why the event store could not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("stream `{stream}` is at revision {actual}, not {expected}")]
    WrongRevision {
        stream: String,
        expected: Revision,
        actual: Revision,
    },
    /// The id was written before to another stream, or only some events of the append were, or an id stands in it twice.
    #[error("event `{id}` was written before to stream `{stream}`")]
    IdTaken { id: Uuid, stream: String },
    #[error("{bytes} bytes are more than the {limit} that the event store takes at once")]
    TooLarge { bytes: usize, limit: usize },
    #[error("{events} events are more than the {limit} that the event store takes at once")]
    TooMany { events: usize, limit: usize },
    #[error("the event store takes no more work at the moment")]
    Overloaded,
    #[error("the disk of the event store is full")]
    DiskFull,
    #[error("the event store was written by a newer version: schema {found}, known up to {known}")]
    Newer { found: u32, known: u32 },
    #[error("the event store is damaged: {0}")]
    Damaged(String),
    #[error("the event store is closed")]
    Closed,
    #[error("the event store failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// Whether the same call may succeed later without a change by the caller.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Overloaded | Self::DiskFull | Self::Failed(_))
    }
}

/// A snapshot of an entity's state: what replaying its first `revision` events gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub revision: Revision,
    /// The version of the shape of `state`. A snapshot of another version is ignored.
    pub schema: u16,
    pub state: Value,
}

/// Where an event is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLocation {
    pub stream: String,
    pub revision: Revision,
    pub position: Position,
}

/// Keeps events. Promised: order within a stream, at-least-once to each follower. Not promised: an order between streams.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Appends all `events` or none. Durable when it returns.
    ///
    /// If all of their ids are in `stream` already, in this order and one behind the other, nothing is written and the
    /// answer is [`Appended::duplicate`] with the place of the last of them, whatever `expected` says. No events: only
    /// `expected` is checked.
    ///
    /// # Errors
    /// [`StoreError::WrongRevision`], [`StoreError::IdTaken`], [`StoreError::TooLarge`], [`StoreError::TooMany`]: nothing
    /// was written. After
    /// [`StoreError::Failed`] or a dropped future it is unknown; the same append may be sent again.
    async fn append(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        events: Vec<NewEvent>,
    ) -> Result<Appended, StoreError>;

    /// At most `limit` events of `stream` after revision `after`, in order. A page may be shorter although there are
    /// more events ([`PAGE_LIMIT`], [`PAGE_BYTES_LIMIT`]); only an empty one says that there are none.
    async fn read_stream(
        &self,
        stream: &str,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError>;

    /// At most `limit` events of all streams after position `after`, in order of position. Pages as in
    /// [`read_stream`](Self::read_stream).
    async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError>;

    /// Where the event `id` is, if it was ever written.
    async fn find_event(&self, id: Uuid) -> Result<Option<EventLocation>, StoreError>;

    /// The position of the newest durable event; changes whenever one is added.
    fn head(&self) -> watch::Receiver<Position>;

    /// Keeps `snapshot` unless a newer one of the stream is kept.
    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<(), StoreError>;

    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError>;
}
