//! The event store of one machine: tables in the [`Database`].

mod codec;
#[cfg(test)]
mod tests;

use std::path::Path;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Savepoint, params};
use tokio::sync::watch;
use uuid::Uuid;

use super::database::{Database, DatabaseConfig, WriteError};
use super::judge::{Encoded, encode, judge};
use super::{
    Appended, EventLocation, EventStore, ExpectedRevision, PAGE_LIMIT, Snapshot, StoreError,
};
use crate::event::{NewEvent, RecordedEvent};
use crate::ids::{Position, Revision};
use codec::{COLUMNS, collect_page, number, position_of, revision_of, snapshot_of};

/// The name of its tables among the components of the file.
const COMPONENT: &str = "events";

/// Each script once, in this order; never changed after a release.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE events (
        pos    INTEGER PRIMARY KEY,
        stream TEXT    NOT NULL,
        ver    INTEGER NOT NULL,
        id     BLOB    NOT NULL UNIQUE,
        type   TEXT    NOT NULL,
        schema INTEGER NOT NULL,
        meta   TEXT    NOT NULL,
        data   TEXT    NOT NULL,
        at     INTEGER NOT NULL,
        UNIQUE (stream, ver)
    ) STRICT;
    CREATE TABLE snapshots (
        stream TEXT    PRIMARY KEY,
        ver    INTEGER NOT NULL,
        schema INTEGER NOT NULL,
        state  TEXT    NOT NULL
    ) STRICT;
"];

/// Keeps events in SQLite. Clones share the file.
#[derive(Debug, Clone)]
pub struct EmbeddedEventStore {
    database: Database,
    head: watch::Sender<Position>,
}

impl EmbeddedEventStore {
    /// The event store in `database`; makes or upgrades its tables. Of one file, make one and clone it: only the one that
    /// wrote moves its [`head`](EventStore::head).
    ///
    /// # Errors
    /// [`StoreError::Newer`] if a newer version of Tellee wrote the tables, else what SQLite says.
    pub async fn new(database: Database) -> Result<Self, StoreError> {
        database.migrate(COMPONENT, MIGRATIONS).await?;
        let head: Option<i64> = database
            .read(|connection| {
                connection.query_row("SELECT max(pos) FROM events", [], |row| row.get(0))
            })
            .await?;
        let head = watch::Sender::new(head.map_or(Position::START, position_of));
        Ok(Self { database, head })
    }

    /// Opens the file at `path`, or makes it, and the event store in it.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open(path: &Path, config: DatabaseConfig) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || Database::open(&path, config)).await;
        let database = opened.unwrap_or_else(|error| Err(StoreError::Failed(error.to_string())))?;
        Self::new(database).await
    }

    /// The file that it is in.
    pub const fn database(&self) -> &Database {
        &self.database
    }

    async fn read_page<F>(&self, query: F) -> Result<Vec<RecordedEvent>, StoreError>
    where
        F: FnOnce(&Connection) -> Result<Result<Vec<RecordedEvent>, StoreError>, rusqlite::Error>
            + Send
            + 'static,
    {
        self.database.read(query).await?
    }
}

#[async_trait]
impl EventStore for EmbeddedEventStore {
    async fn append(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        events: Vec<NewEvent>,
    ) -> Result<Appended, StoreError> {
        let encoded = encode(&events)?;
        let stream = stream.to_owned();
        let head = self.head.clone();
        let appended = self
            .database
            .write_then(
                move |connection| append(connection, &stream, expected, &events, &encoded),
                move |appended: &Appended| {
                    head.send_if_modified(|head| {
                        let grew = appended.position > *head;
                        *head = appended.position.max(*head);
                        grew
                    });
                },
            )
            .await;
        appended.map_err(StoreError::from)
    }

    async fn read_stream(
        &self,
        stream: &str,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let stream = stream.to_owned();
        self.read_page(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM events WHERE stream = ?1 AND ver > ?2 ORDER BY ver LIMIT ?3"
            ))?;
            collect_page(statement.query(params![
                stream,
                number(after.0),
                limit.min(PAGE_LIMIT)
            ])?)
        })
        .await
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.read_page(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM events WHERE pos > ?1 ORDER BY pos LIMIT ?2"
            ))?;
            collect_page(statement.query(params![number(after.0), limit.min(PAGE_LIMIT)])?)
        })
        .await
    }

    async fn find_event(&self, id: Uuid) -> Result<Option<EventLocation>, StoreError> {
        self.database
            .read(move |connection| locate(connection, id))
            .await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<(), StoreError> {
        let stream = stream.to_owned();
        let saved: Result<(), WriteError<StoreError>> = self
            .database
            .write(move |connection| {
                let mut statement = connection.prepare_cached(
                    "INSERT INTO snapshots (stream, ver, schema, state) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (stream) DO UPDATE SET ver = excluded.ver, schema = excluded.schema, state = excluded.state
                     WHERE excluded.ver >= snapshots.ver",
                )?;
                let state = snapshot.state.to_string();
                statement.execute(params![stream, number(snapshot.revision.0), snapshot.schema, state])?;
                Ok(())
            })
            .await;
        saved.map_err(StoreError::from)
    }

    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError> {
        let stream = stream.to_owned();
        let found = self
            .database
            .read(move |connection| {
                let mut statement = connection
                    .prepare_cached("SELECT ver, schema, state FROM snapshots WHERE stream = ?1")?;
                statement
                    .query_row(params![stream], |row| Ok(snapshot_of(row)))
                    .optional()
            })
            .await?;
        found.transpose()
    }
}

fn append(
    connection: &Savepoint<'_>,
    stream: &str,
    expected: ExpectedRevision,
    events: &[NewEvent],
    encoded: &[Encoded],
) -> Result<Appended, WriteError<StoreError>> {
    let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
    let known = ids
        .iter()
        .map(|&id| locate(connection, id))
        .collect::<Result<Vec<_>, _>>()?;
    let (actual, last) = end_of(connection, stream)?;
    if let Some(repetition) =
        judge(stream, expected, actual, &ids, &known).map_err(WriteError::Refused)?
    {
        return Ok(repetition);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO events (stream, ver, id, type, schema, meta, data, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let (mut revision, mut position) = (actual, last);
    for (event, json) in events.iter().zip(encoded) {
        revision = revision.next();
        let row = params![
            stream,
            number(revision.0),
            event.id.as_bytes(),
            event.event_type,
            event.schema,
            json.meta,
            json.data,
            event.at.0,
        ];
        position = position_of(insert.insert(row)?);
    }
    Ok(Appended {
        revision,
        position,
        duplicate: false,
    })
}

/// The revision of `stream` and the position of its last event.
fn end_of(connection: &Connection, stream: &str) -> Result<(Revision, Position), rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT ver, pos FROM events WHERE stream = ?1 ORDER BY ver DESC LIMIT 1",
    )?;
    let end = statement
        .query_row(params![stream], |row| {
            Ok((revision_of(row.get(0)?), position_of(row.get(1)?)))
        })
        .optional()?;
    Ok(end.unwrap_or((Revision::NONE, Position::START)))
}

fn locate(connection: &Connection, id: Uuid) -> Result<Option<EventLocation>, rusqlite::Error> {
    let mut statement =
        connection.prepare_cached("SELECT stream, ver, pos FROM events WHERE id = ?1")?;
    statement
        .query_row(params![id.as_bytes()], |row| {
            Ok(EventLocation {
                stream: row.get(0)?,
                revision: revision_of(row.get(1)?),
                position: position_of(row.get(2)?),
            })
        })
        .optional()
}
