//! Rows to events and back.

use rusqlite::{Row, Rows};
use uuid::Uuid;

use crate::event::RecordedEvent;
use crate::ids::{Position, Revision};
use crate::store::{PAGE_BYTES_LIMIT, Snapshot, StoreError};
use crate::time::Timestamp;

/// The columns of an event, in the order that [`collect_page`] reads them in.
pub(super) const COLUMNS: &str = "pos, stream, ver, id, type, schema, data, meta, at";

/// SQLite's integers are signed; ours, counted from zero one by one, never come near the top.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn position_of(pos: i64) -> Position {
    Position(u64::try_from(pos).unwrap_or(0))
}

pub(super) fn revision_of(ver: i64) -> Revision {
    Revision(u64::try_from(ver).unwrap_or(0))
}

/// Reads rows until there are none or the page is heavy enough. The inner error is a row that makes no sense.
pub(super) fn collect_page(
    mut rows: Rows<'_>,
) -> Result<Result<Vec<RecordedEvent>, StoreError>, rusqlite::Error> {
    let mut page = Vec::new();
    let mut weight = 0;
    while let Some(row) = rows.next()? {
        let data = row.get_ref(6)?.as_str()?;
        let meta = row.get_ref(7)?.as_str()?;
        weight += data.len() + meta.len();
        if weight > PAGE_BYTES_LIMIT && !page.is_empty() {
            break;
        }
        match event_of(row, data, meta) {
            Ok(event) => page.push(event),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(page))
}

fn event_of(row: &Row<'_>, data: &str, meta: &str) -> Result<RecordedEvent, StoreError> {
    let position = position_of(row.get(0)?);
    let damaged = |what: &str, error: &dyn std::fmt::Display| {
        StoreError::Damaged(format!(
            "the {what} of the event at position {position}: {error}"
        ))
    };
    let id: Vec<u8> = row.get(3)?;
    Ok(RecordedEvent {
        position,
        stream: row.get(1)?,
        revision: revision_of(row.get(2)?),
        id: Uuid::from_slice(&id).map_err(|error| damaged("id", &error))?,
        event_type: row.get(4)?,
        schema: row.get(5)?,
        data: serde_json::from_str(data).map_err(|error| damaged("data", &error))?,
        meta: serde_json::from_str(meta).map_err(|error| damaged("meta", &error))?,
        at: Timestamp(row.get(8)?),
    })
}

/// The columns `ver, schema, state`.
pub(super) fn snapshot_of(row: &Row<'_>) -> Result<Snapshot, StoreError> {
    let state: String = row.get(2)?;
    Ok(Snapshot {
        revision: revision_of(row.get(0)?),
        schema: row.get(1)?,
        state: serde_json::from_str(&state)
            .map_err(|error| StoreError::Damaged(format!("a snapshot is no JSON: {error}")))?,
    })
}
