//! What a projection is to the follower: its tables, their version and how an event changes them.

use rusqlite::{Connection, Error, OptionalExtension, params};
use tellee_actors::ids::Position;
use tellee_actors::store::StoreError;
use tellee_actors::store::database::{Database, WriteError};
use tellee_actors::time::Timestamp;

use super::DecodedEvent;
use super::sql::{get_count, get_position, get_stamp};

/// A read model in tables of its own.
pub(crate) struct Projection {
    pub name: &'static str,
    /// Raised with each change of `schema` or of what `apply` does; the tables are then made anew from the first event.
    pub version: u32,
    pub tables: &'static [&'static str],
    pub schema: &'static str,
    pub apply: fn(&Connection, &DecodedEvent) -> Result<(), Error>,
}

pub(crate) const PROJECTIONS: [Projection; 3] = [
    crate::registry::PROJECTION,
    crate::alarms::PROJECTION,
    crate::audit::PROJECTION,
];

/// Tables of the follower itself. Released scripts never change.
const MIGRATIONS: &[&str] = &["
CREATE TABLE projection_checkpoints (
    name TEXT PRIMARY KEY, version INTEGER NOT NULL, position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE projection_skipped (
    projection TEXT NOT NULL, position INTEGER NOT NULL, stream TEXT NOT NULL, event_type TEXT NOT NULL,
    reason TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (projection, position)
) STRICT, WITHOUT ROWID;
"];

/// Makes the tables that are missing or of another version.
///
/// # Errors
/// What the database says.
pub(crate) async fn prepare(database: &Database) -> Result<(), StoreError> {
    database.migrate("projections", MIGRATIONS).await?;
    let prepared: Result<(), WriteError<StoreError>> = database
        .write(|connection| {
            for projection in &PROJECTIONS {
                if version(connection, projection.name)? != Some(projection.version) {
                    create(connection, projection)?;
                }
            }
            Ok(())
        })
        .await;
    Ok(prepared?)
}

/// As [`prepare`], on a connection that holds nothing yet.
pub(crate) fn prepare_empty(connection: &Connection) -> Result<(), Error> {
    for script in MIGRATIONS {
        connection.execute_batch(script)?;
    }
    for projection in &PROJECTIONS {
        create(connection, projection)?;
    }
    Ok(())
}

fn version(connection: &Connection, name: &str) -> Result<Option<u32>, Error> {
    connection
        .query_row(
            "SELECT version FROM projection_checkpoints WHERE name = ?1",
            [name],
            |row| row.get(0),
        )
        .optional()
}

fn create(connection: &Connection, projection: &Projection) -> Result<(), Error> {
    for table in projection.tables {
        connection.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
    }
    connection.execute_batch(projection.schema)?;
    connection.execute(
        "DELETE FROM projection_skipped WHERE projection = ?1",
        [projection.name],
    )?;
    connection.execute(
        "INSERT OR REPLACE INTO projection_checkpoints (name, version, position) VALUES (?1, ?2, 0)",
        params![projection.name, projection.version],
    )?;
    Ok(())
}

pub(crate) fn checkpoint(connection: &Connection, name: &str) -> Result<Position, Error> {
    connection
        .prepare_cached("SELECT position FROM projection_checkpoints WHERE name = ?1")?
        .query_row([name], |row| get_position(row, "position"))
}

pub(super) fn set_checkpoint(
    connection: &Connection,
    name: &str,
    position: Position,
) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE projection_checkpoints SET position = ?2 WHERE name = ?1")?
        .execute(params![name, position.0.cast_signed()])?;
    Ok(())
}

/// Where one projection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionStatus {
    pub name: String,
    pub version: u32,
    pub position: Position,
    /// Events that it could not take in.
    pub skipped: u64,
}

/// An event that a projection could not take in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedEvent {
    pub projection: String,
    pub position: Position,
    pub stream: String,
    pub event_type: String,
    pub reason: String,
    pub at: Timestamp,
}

pub(super) async fn status(database: &Database) -> Result<Vec<ProjectionStatus>, StoreError> {
    database
        .read(|connection| {
            connection
                .prepare_cached(
                    "SELECT name, version, position,
                            (SELECT count(*) FROM projection_skipped WHERE projection = name) AS skipped
                     FROM projection_checkpoints ORDER BY name",
                )?
                .query_map([], |row| {
                    Ok(ProjectionStatus {
                        name: row.get("name")?,
                        version: row.get("version")?,
                        position: get_position(row, "position")?,
                        skipped: get_count(row, "skipped")?,
                    })
                })?
                .collect()
        })
        .await
}

pub(super) async fn skipped(
    database: &Database,
    limit: u32,
) -> Result<Vec<SkippedEvent>, StoreError> {
    database
        .read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT * FROM projection_skipped ORDER BY position DESC, projection LIMIT ?1",
                )?
                .query_map([limit.min(crate::registry::PAGE_LIMIT)], |row| {
                    Ok(SkippedEvent {
                        projection: row.get("projection")?,
                        position: get_position(row, "position")?,
                        stream: row.get("stream")?,
                        event_type: row.get("event_type")?,
                        reason: row.get("reason")?,
                        at: get_stamp(row, "at")?,
                    })
                })?
                .collect()
        })
        .await
}
