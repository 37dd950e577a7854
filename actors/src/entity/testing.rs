//! A small aggregate and a store with faults, to test the shell with.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use super::{Aggregate, DecideContext, DecodeError};
use crate::command::Command;
use crate::domain::{Rejection, thing};
use crate::event::{NewEvent, RecordedEvent};
use crate::ids::{EntityKind, Position, Revision};
use crate::store::{
    Appended, EventLocation, EventStore, ExpectedRevision, MemoryEventStore, Snapshot, StoreError,
};

/// A list of notes. What a note says decides what becomes of it.
pub struct Notes;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotesState {
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum NotesEvent {
    Noted { text: String },
    Replaced { notes: Vec<String> },
}

/// The command that adds `text`.
pub fn note(text: &str) -> Command {
    Command::Thing(thing::Command::Update {
        name: Some(text.to_owned()),
        metadata: None,
        device_type: None,
        tags: None,
    })
}

impl Aggregate for Notes {
    const KIND: EntityKind = EntityKind::Thing;
    const SNAPSHOT_SCHEMA: u16 = 3;

    type State = NotesState;
    type Command = String;
    type Event = NotesEvent;

    fn command(command: Command) -> Option<String> {
        match command {
            Command::Thing(thing::Command::Update { name, .. }) => name,
            _ => None,
        }
    }

    fn decide(
        state: &NotesState,
        text: String,
        _context: &DecideContext,
    ) -> Result<Vec<NotesEvent>, Rejection> {
        let noted = |text: &str| NotesEvent::Noted {
            text: text.to_owned(),
        };
        match text.as_str() {
            "panic" => panic!("a decision that panics on purpose"),
            "refuse" => Err(Rejection::conflict("no")),
            "nothing" => Ok(Vec::new()),
            "two" => Ok(vec![noted("one"), noted("two")]),
            once if once.starts_with("once") && state.notes.iter().any(|note| note == once) => {
                Err(Rejection::AlreadyExists { what: text })
            }
            _ => Ok(vec![noted(&text)]),
        }
    }

    fn apply(state: &mut NotesState, event: &NotesEvent) {
        match event {
            NotesEvent::Noted { text } if text == "poison" => {
                panic!("an event that cannot be applied, on purpose")
            }
            NotesEvent::Noted { text } => state.notes.push(text.clone()),
            NotesEvent::Replaced { notes } => state.notes.clone_from(notes),
        }
    }

    fn roll_back(
        state: &NotesState,
        past: &NotesState,
        _to: Revision,
    ) -> Result<Vec<NotesEvent>, Rejection> {
        if state == past {
            return Ok(Vec::new());
        }
        Ok(vec![NotesEvent::Replaced {
            notes: past.notes.clone(),
        }])
    }

    fn event_type(event: &NotesEvent) -> &'static str {
        match event {
            NotesEvent::Noted { .. } => "notes.noted",
            NotesEvent::Replaced { .. } => "notes.replaced",
        }
    }

    fn decode(
        event_type: &str,
        _schema: u16,
        data: &serde_json::Value,
    ) -> Result<NotesEvent, DecodeError> {
        serde_json::from_value(data.clone()).map_err(|error| DecodeError::Malformed {
            event_type: event_type.to_owned(),
            reason: error.to_string(),
        })
    }
}

/// What goes wrong with an append.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is not written.
    Before(StoreError),
    /// It is written, and the writer hears that it failed.
    After(StoreError),
}

/// A store in memory whose appends wait at a gate and fail on demand.
pub struct FaultyStore {
    pub inner: MemoryEventStore,
    /// Each append takes a permit away; start with many.
    pub gate: Semaphore,
    pub faults: Mutex<VecDeque<Fault>>,
    /// Events read from streams.
    pub read: AtomicUsize,
}

impl FaultyStore {
    pub fn new() -> Self {
        Self {
            inner: MemoryEventStore::new(),
            gate: Semaphore::new(1_000_000),
            faults: Mutex::default(),
            read: AtomicUsize::new(0),
        }
    }

    pub fn close_gate(&self) {
        self.gate.forget_permits(1_000_000);
    }

    pub fn open_gate(&self) {
        self.gate.add_permits(1_000_000);
    }
}

#[async_trait]
impl EventStore for FaultyStore {
    async fn append(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        events: Vec<NewEvent>,
    ) -> Result<Appended, StoreError> {
        self.gate.acquire().await.unwrap().forget();
        let fault = self.faults.lock().pop_front();
        match fault {
            Some(Fault::Before(error)) => Err(error),
            Some(Fault::After(error)) => self
                .inner
                .append(stream, expected, events)
                .await
                .and(Err(error)),
            None => self.inner.append(stream, expected, events).await,
        }
    }

    async fn read_stream(
        &self,
        stream: &str,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let page = self.inner.read_stream(stream, after, limit).await?;
        self.read.fetch_add(page.len(), Ordering::SeqCst);
        Ok(page)
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.read_all(after, limit).await
    }

    async fn find_event(&self, id: Uuid) -> Result<Option<EventLocation>, StoreError> {
        self.inner.find_event(id).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.inner.head()
    }

    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<(), StoreError> {
        self.inner.save_snapshot(stream, snapshot).await
    }

    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError> {
        self.inner.load_snapshot(stream).await
    }
}
