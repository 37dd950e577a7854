//! Folding a stream into a state.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Aggregate;
use crate::event::RecordedEvent;
use crate::ids::{Position, Revision};
use crate::store::{EventStore, Snapshot, StoreError};
use crate::time::Timestamp;

/// Events that are read at once.
const PAGE: usize = 512;

/// How far to fold a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Now,
    Revision(Revision),
    /// The events that had happened at this time.
    Time(Timestamp),
}

impl Until {
    const fn takes(self, event: &RecordedEvent) -> bool {
        match self {
            Self::Now => true,
            Self::Revision(revision) => event.revision.0 <= revision.0,
            Self::Time(time) => event.at.0 <= time.0,
        }
    }

    /// Whether a snapshot of `revision` may be the start. When its last event happened is not known.
    const fn allows(self, revision: Revision) -> bool {
        match self {
            Self::Now => true,
            Self::Revision(until) => revision.0 <= until.0,
            Self::Time(_) => false,
        }
    }
}

/// The state of an entity after its first `revision` events.
pub(super) struct Replay<A: Aggregate> {
    pub state: A::State,
    pub revision: Revision,
    /// The position of the last event; `None` if only a snapshot was read.
    pub position: Option<Position>,
    /// The revision of the snapshot that it began with; 0 if with none.
    pub snapshot: Revision,
}

impl<A: Aggregate> Replay<A> {
    fn empty() -> Self {
        Self {
            state: A::State::default(),
            revision: Revision::NONE,
            position: None,
            snapshot: Revision::NONE,
        }
    }

    /// Reads the snapshot of `stream`, if there is a fitting one, and the events behind it.
    pub(super) async fn load(
        store: &dyn EventStore,
        stream: &str,
        until: Until,
    ) -> Result<Self, StoreError> {
        let mut replay = Self::begin(store, stream, until).await?;
        replay.go_on(store, stream, until).await?;
        Ok(replay)
    }

    async fn begin(store: &dyn EventStore, stream: &str, until: Until) -> Result<Self, StoreError> {
        let snapshot = match store.load_snapshot(stream).await {
            Ok(snapshot) => snapshot,
            // The events are the truth; a snapshot that cannot be read is only lost time.
            Err(StoreError::Damaged(reason)) => {
                tracing::warn!(stream, reason, "a snapshot is damaged and is not used");
                None
            }
            Err(error) => return Err(error),
        };
        let fitting = snapshot.filter(|snapshot| {
            snapshot.schema == A::SNAPSHOT_SCHEMA && until.allows(snapshot.revision)
        });
        Ok(fitting
            .and_then(|snapshot| Self::from_snapshot(stream, snapshot))
            .unwrap_or_else(Self::empty))
    }

    fn from_snapshot(stream: &str, snapshot: Snapshot) -> Option<Self> {
        let revision = snapshot.revision;
        match serde_json::from_value(snapshot.state) {
            Ok(state) => Some(Self {
                state,
                revision,
                position: None,
                snapshot: revision,
            }),
            Err(error) => {
                tracing::warn!(stream, %error, "a snapshot does not fit and is not used");
                None
            }
        }
    }

    /// Applies the events that came after; true if there were any. A dropped future leaves the state of an earlier revision.
    pub(super) async fn go_on(
        &mut self,
        store: &dyn EventStore,
        stream: &str,
        until: Until,
    ) -> Result<bool, StoreError> {
        let before = self.revision;
        loop {
            let page = store.read_stream(stream, self.revision, PAGE).await?;
            if page.is_empty() {
                return Ok(self.revision > before);
            }
            for event in &page {
                if !until.takes(event) {
                    return Ok(self.revision > before);
                }
                self.fold(event)?;
            }
        }
    }

    fn fold(&mut self, event: &RecordedEvent) -> Result<(), StoreError> {
        if event.revision != self.revision.next() {
            return Err(StoreError::Damaged(format!(
                "stream `{}` has revision {} after {}",
                event.stream, event.revision, self.revision
            )));
        }
        let decoded = A::decode(&event.event_type, event.schema, &event.data).map_err(|error| {
            StoreError::Damaged(format!(
                "stream `{}`, revision {}: {error}",
                event.stream, event.revision
            ))
        })?;
        self.apply(&decoded).map_err(|Panicked| {
            StoreError::Damaged(format!(
                "stream `{}`, revision {}: cannot be applied",
                event.stream, event.revision
            ))
        })?;
        self.revision = event.revision;
        self.position = Some(event.position);
        Ok(())
    }

    /// Applies one event without counting it. After an error the state is of no use.
    pub(super) fn apply(&mut self, event: &A::Event) -> Result<(), Panicked> {
        catch_unwind(AssertUnwindSafe(|| A::apply(&mut self.state, event))).map_err(|_| Panicked)
    }
}

/// A pure function panicked; the hook has told where.
#[derive(Debug)]
pub(super) struct Panicked;
