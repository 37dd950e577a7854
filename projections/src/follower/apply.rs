//! One batch of events into all tables, in one transaction.

use rusqlite::{Connection, Error, params};
use tellee_actors::event::RecordedEvent;
use tellee_actors::ids::Position;
use tellee_actors::time::Timestamp;

use super::projection::{checkpoint, set_checkpoint};
use super::{DecodedEvent, PROJECTIONS, decode};

/// An event that means nothing to this version.
#[derive(Debug, Clone)]
pub(crate) struct Undecodable {
    position: Position,
    stream: String,
    event_type: String,
    reason: String,
    at: Timestamp,
}

/// Events that follow each other in the log.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// The batch holds everything after this position …
    pub after: Position,
    /// … up to this one.
    pub end: Position,
    /// In order of position.
    pub events: Vec<DecodedEvent>,
    pub undecodable: Vec<Undecodable>,
}

impl Batch {
    /// The batch of `recorded`, which were read after `after`; `None` if there are none.
    pub(crate) fn decode(after: Position, recorded: &[RecordedEvent]) -> Option<Self> {
        let end = recorded.last()?.position;
        let mut batch = Self {
            after,
            end,
            events: Vec::with_capacity(recorded.len()),
            undecodable: Vec::new(),
        };
        for event in recorded {
            match decode(event) {
                Ok(Some(decoded)) => batch.events.push(decoded),
                Ok(None) => {}
                Err(error) => batch.undecodable.push(Undecodable {
                    position: event.position,
                    stream: event.stream.clone(),
                    event_type: event.event_type.clone(),
                    reason: error.to_string(),
                    at: event.at,
                }),
            }
        }
        Some(batch)
    }

    /// The events after `position`.
    pub(crate) fn events_after(&self, position: Position) -> &[DecodedEvent] {
        let first = self
            .events
            .partition_point(|event| event.position <= position);
        &self.events[first..]
    }
}

/// How events that cannot be applied are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// The whole batch fails: the quick way, and nearly always the only one needed.
    Fail,
    /// Each event is tried by itself and kept as skipped if it fails.
    Skip,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// The tables stand elsewhere than the caller believes: another follower or a rebuild moved them.
    #[error("projection `{projection}` is at {found}, before {after}")]
    Gap {
        projection: &'static str,
        found: Position,
        after: Position,
    },
    #[error(transparent)]
    Sql(#[from] Error),
}

/// Applies `batch` to every projection that has not seen it. Gives the events that were skipped in doing so.
pub(crate) fn apply(
    connection: &Connection,
    batch: &Batch,
    on_failure: OnFailure,
) -> Result<u64, ApplyError> {
    let mut skipped = 0;
    for projection in &PROJECTIONS {
        let seen = checkpoint(connection, projection.name)?;
        if seen < batch.after {
            return Err(ApplyError::Gap {
                projection: projection.name,
                found: seen,
                after: batch.after,
            });
        }
        if seen >= batch.end {
            continue;
        }
        for event in batch.events_after(seen) {
            let applied = match on_failure {
                OnFailure::Fail => (projection.apply)(connection, event),
                OnFailure::Skip => apply_alone(connection, event, projection.apply),
            };
            match applied {
                Ok(()) => {}
                Err(error) if on_failure == OnFailure::Skip && !is_of_the_disk(&error) => {
                    let event = Undecodable {
                        position: event.position,
                        stream: event.entity.stream(),
                        event_type: event.event_type.clone(),
                        reason: error.to_string(),
                        at: event.at,
                    };
                    skip(connection, projection.name, &event)?;
                    skipped += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
        for event in batch
            .undecodable
            .iter()
            .filter(|event| event.position > seen)
        {
            skip(connection, projection.name, event)?;
            skipped += 1;
        }
        set_checkpoint(connection, projection.name, batch.end)?;
    }
    Ok(skipped)
}

fn apply_alone(
    connection: &Connection,
    event: &DecodedEvent,
    apply: fn(&Connection, &DecodedEvent) -> Result<(), Error>,
) -> Result<(), Error> {
    connection.execute_batch("SAVEPOINT one_event")?;
    let applied = apply(connection, event);
    if applied.is_err() {
        connection.execute_batch("ROLLBACK TO one_event")?;
    }
    connection.execute_batch("RELEASE one_event")?;
    applied
}

/// Errors that say nothing about the event.
pub(crate) fn is_of_the_disk(error: &Error) -> bool {
    use rusqlite::ErrorCode;
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
        )
    )
}

fn skip(connection: &Connection, projection: &str, event: &Undecodable) -> Result<(), Error> {
    tracing::error!(
        projection,
        position = event.position.0,
        stream = event.stream,
        event_type = event.event_type,
        reason = event.reason,
        "an event was skipped"
    );
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO projection_skipped VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            projection,
            event.position.0.cast_signed(),
            event.stream,
            event.event_type,
            event.reason,
            event.at.0
        ])?;
    Ok(())
}
