//! The event store: one trait, providers side by side, one conformance suite for all of them.

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;

use crate::event::{NewEvent, RecordedEvent};
use crate::ids::{Position, Revision};

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
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("stream `{stream}` is at revision {actual}, not {expected}")]
    WrongRevision {
        stream: String,
        expected: Revision,
        actual: Revision,
    },
    /// The same event id was written before with other content or to another stream.
    #[error("event `{id}` was written before to stream `{stream}`")]
    IdTaken { id: uuid::Uuid, stream: String },
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

/// Keeps events. Promised: order within a stream, at-least-once to each follower. Not promised: an order between streams.
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Appends all `events` or none. Durable when it returns. Events whose ids are there already are not written again.
    async fn append(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        events: Vec<NewEvent>,
    ) -> Result<Appended, StoreError>;

    /// At most `limit` events of `stream` after revision `after`, in order.
    async fn read_stream(
        &self,
        stream: &str,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError>;

    /// At most `limit` events of all streams after position `after`, in order of position.
    async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError>;

    /// The position of the newest durable event; changes whenever one is added.
    fn head(&self) -> watch::Receiver<Position>;

    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<(), StoreError>;

    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError>;
}
