//! Makes all projections anew from the first event.
//!
//! The new tables grow in a temporary database of their own; what they hold then replaces the live rows in one
//! transaction. Readers see the old state or the new one, never a part, and a rebuild that is broken off changes nothing.

use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, Error, params_from_iter};
use tellee_actors::ids::Position;
use tellee_actors::store::database::{Database, WriteError};
use tellee_actors::store::{EventStore, StoreError};

use crate::follower::{ApplyError, Batch, OnFailure, PROJECTIONS, apply, prepare, prepare_empty};

/// Events in one step.
const BATCH: usize = 1_000;

/// How far a rebuild has come, in positions of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub done: Position,
    pub total: Position,
}

/// What a rebuild did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// Up to where the tables have seen the log.
    pub position: Position,
    pub events: u64,
    /// How often a projection could not take an event in; `Projections::skipped` lists them.
    pub skipped: u64,
}

/// Makes all projections in `database` anew from the events in `store`. Best run while no server uses the file; a follower
/// that runs meanwhile goes back to where the new tables stand and goes on from there.
///
/// # Errors
/// What the stores say. The tables are then as they were.
pub async fn rebuild(
    store: Arc<dyn EventStore>,
    database: &Database,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Rebuilt, StoreError> {
    prepare(database).await?;
    let empty = Connection::open("")?;
    let (mut fresh, ()) = on(empty, |connection| {
        // Nothing in this file outlives the rebuild.
        connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
        prepare_empty(connection)?;
        Ok(())
    })
    .await?;
    let mut rebuilt = Rebuilt {
        position: Position::START,
        events: 0,
        skipped: 0,
    };
    loop {
        let recorded = store.read_all(rebuilt.position, BATCH).await?;
        let Some(batch) = Batch::decode(rebuilt.position, &recorded) else {
            break;
        };
        let end = batch.end;
        let (connection, skipped) =
            on(fresh, move |connection| apply_batch(connection, &batch)).await?;
        fresh = connection;
        rebuilt.position = end;
        rebuilt.events += recorded.len() as u64;
        rebuilt.skipped += skipped;
        let total = (*store.head().borrow()).max(end);
        progress(Progress { done: end, total });
    }
    let switched: Result<(), WriteError<StoreError>> =
        database.write(move |live| Ok(switch(live, &fresh)?)).await;
    switched?;
    Ok(rebuilt)
}

fn apply_batch(connection: &Connection, batch: &Batch) -> Result<u64, StoreError> {
    connection.execute_batch("BEGIN")?;
    let applied = match apply(connection, batch, OnFailure::Skip) {
        Ok(skipped) => skipped,
        Err(ApplyError::Sql(error)) => return Err(error.into()),
        Err(error @ ApplyError::Gap { .. }) => return Err(StoreError::Failed(error.to_string())),
    };
    connection.execute_batch("COMMIT")?;
    Ok(applied)
}

/// Puts the rows of `fresh` in the place of those of `live`.
fn switch(live: &Connection, fresh: &Connection) -> Result<(), Error> {
    let tables = PROJECTIONS
        .iter()
        .flat_map(|projection| projection.tables.iter().copied());
    for table in tables.chain(["projection_checkpoints", "projection_skipped"]) {
        live.execute(&format!("DELETE FROM {table}"), [])?;
        let mut select = fresh.prepare(&format!("SELECT * FROM {table}"))?;
        let columns = select.column_count();
        let marks = vec!["?"; columns].join(",");
        let mut insert = live.prepare(&format!("INSERT INTO {table} VALUES ({marks})"))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let values = (0..columns)
                .map(|column| row.get::<_, Value>(column))
                .collect::<Result<Vec<_>, _>>()?;
            insert.execute(params_from_iter(values))?;
        }
    }
    Ok(())
}

/// Runs `work` on `connection` off the async threads and gives the connection back.
async fn on<T: Send + 'static>(
    connection: Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<(Connection, T), StoreError> {
    let task =
        tokio::task::spawn_blocking(move || work(&connection).map(|value| (connection, value)));
    task.await.unwrap_or_else(|error| {
        Err(StoreError::Failed(format!(
            "the rebuild ended early: {error}"
        )))
    })
}
