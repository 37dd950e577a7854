//! An event store in memory, for tests and simulations. It forgets everything when it is dropped.

use std::collections::HashMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use super::judge::{Encoded, encode, judge};
use super::{
    Appended, EventLocation, EventStore, ExpectedRevision, PAGE_BYTES_LIMIT, PAGE_LIMIT, Snapshot,
    StoreError,
};
use crate::event::{NewEvent, RecordedEvent};
use crate::ids::{Position, Revision};

/// Keeps events in memory.
#[derive(Debug)]
pub struct MemoryEventStore {
    log: Mutex<Log>,
    head: watch::Sender<Position>,
}

#[derive(Debug, Default)]
struct Log {
    /// All events and what each weighs, in order: position `n` is at index `n - 1`.
    events: Vec<(RecordedEvent, usize)>,
    /// The indices of the events of each stream: revision `n` is at index `n - 1`.
    streams: HashMap<String, Vec<usize>>,
    ids: HashMap<Uuid, usize>,
    snapshots: HashMap<String, Snapshot>,
}

impl Default for MemoryEventStore {
    fn default() -> Self {
        Self {
            log: Mutex::default(),
            head: watch::Sender::new(Position::START),
        }
    }
}

impl MemoryEventStore {
    pub fn new() -> Self {
        Self::default()
    }
}

impl Log {
    fn revision(&self, stream: &str) -> Revision {
        Revision(
            self.streams
                .get(stream)
                .map_or(0, |indices| indices.len() as u64),
        )
    }

    fn locate(&self, id: Uuid) -> Option<EventLocation> {
        let (event, _) = self.events.get(*self.ids.get(&id)?)?;
        Some(EventLocation {
            stream: event.stream.clone(),
            revision: event.revision,
            position: event.position,
        })
    }

    fn last_position(&self, stream: &str) -> Position {
        let last = self.streams.get(stream).and_then(|indices| indices.last());
        last.map_or(Position::START, |&index| Position(index as u64 + 1))
    }

    fn push(&mut self, stream: &str, event: NewEvent, bytes: usize) -> (Revision, Position) {
        let revision = self.revision(stream).next();
        let index = self.events.len();
        let position = Position(index as u64 + 1);
        self.ids.insert(event.id, index);
        self.streams
            .entry(stream.to_owned())
            .or_default()
            .push(index);
        let recorded = RecordedEvent {
            position,
            stream: stream.to_owned(),
            revision,
            id: event.id,
            event_type: event.event_type,
            schema: event.schema,
            data: event.data,
            meta: event.meta,
            at: event.at,
        };
        self.events.push((recorded, bytes));
        (revision, position)
    }

    fn page(&self, indices: impl Iterator<Item = usize>, limit: usize) -> Vec<RecordedEvent> {
        let mut page = Vec::new();
        let mut weight = 0;
        for (event, bytes) in indices
            .filter_map(|index| self.events.get(index))
            .take(limit.min(PAGE_LIMIT))
        {
            weight += bytes;
            if weight > PAGE_BYTES_LIMIT && !page.is_empty() {
                break;
            }
            page.push(event.clone());
        }
        page
    }
}

/// How many entries lie before the one that follows number `after`.
fn skipped(after: u64) -> usize {
    usize::try_from(after).unwrap_or(usize::MAX)
}

#[async_trait]
impl EventStore for MemoryEventStore {
    async fn append(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        events: Vec<NewEvent>,
    ) -> Result<Appended, StoreError> {
        let weights: Vec<usize> = encode(&events)?.iter().map(Encoded::bytes).collect();
        let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
        let mut log = self.log.lock();
        let known: Vec<_> = ids.iter().map(|&id| log.locate(id)).collect();
        let actual = log.revision(stream);
        if let Some(repetition) = judge(stream, expected, actual, &ids, &known)? {
            return Ok(repetition);
        }
        let (mut revision, mut position) = (actual, log.last_position(stream));
        for (event, bytes) in events.into_iter().zip(weights) {
            (revision, position) = log.push(stream, event, bytes);
        }
        self.head.send_if_modified(|head| {
            let grew = position > *head;
            *head = position.max(*head);
            grew
        });
        Ok(Appended {
            revision,
            position,
            duplicate: false,
        })
    }

    async fn read_stream(
        &self,
        stream: &str,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let log = self.log.lock();
        let Some(indices) = log.streams.get(stream) else {
            return Ok(Vec::new());
        };
        Ok(log.page(indices.iter().copied().skip(skipped(after.0)), limit))
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let log = self.log.lock();
        Ok(log.page(skipped(after.0)..log.events.len(), limit))
    }

    async fn find_event(&self, id: Uuid) -> Result<Option<EventLocation>, StoreError> {
        Ok(self.log.lock().locate(id))
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<(), StoreError> {
        let mut log = self.log.lock();
        match log.snapshots.get_mut(stream) {
            Some(kept) if kept.revision > snapshot.revision => {}
            Some(kept) => *kept = snapshot,
            None => {
                log.snapshots.insert(stream.to_owned(), snapshot);
            }
        }
        Ok(())
    }

    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.log.lock().snapshots.get(stream).cloned())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::conformance::{Opened, conformance};

    async fn open() -> Opened {
        Opened {
            store: Arc::new(MemoryEventStore::new()),
            folder: None,
        }
    }

    conformance!(open);
}
