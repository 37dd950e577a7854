//! Between the types of the domain and SQLite's columns: ids as 16-byte blobs, stamps as integers, structures as JSON text.

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Error, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tellee_actors::ids::{Position, Revision};
use tellee_actors::time::Timestamp;
use uuid::Uuid;

pub(crate) fn to_json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))
}

/// The bare word of an enum without content, as in `hi_hi`.
pub(crate) fn to_word(value: &impl Serialize) -> Result<String, Error> {
    Ok(to_json(value)?.trim_matches('"').to_owned())
}

pub(crate) fn get_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T, Error> {
    let index = row.as_ref().column_index(column)?;
    let text = row
        .get_ref(index)?
        .as_str()
        .map_err(|error| malformed(index, Type::Text, error))?;
    serde_json::from_str(text).map_err(|error| malformed(index, Type::Text, error))
}

pub(crate) fn get_word<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T, Error> {
    let index = row.as_ref().column_index(column)?;
    let text = row
        .get_ref(index)?
        .as_str()
        .map_err(|error| malformed(index, Type::Text, error))?;
    let value = serde_json::Value::String(text.to_owned());
    serde_json::from_value(value).map_err(|error| malformed(index, Type::Text, error))
}

pub(crate) fn get_id<I: From<Uuid>>(row: &Row<'_>, column: &str) -> Result<I, Error> {
    get_optional_id(row, column)?.ok_or_else(|| {
        let index = row.as_ref().column_index(column).unwrap_or_default();
        malformed(index, Type::Null, FromSqlError::InvalidType)
    })
}

pub(crate) fn get_optional_id<I: From<Uuid>>(
    row: &Row<'_>,
    column: &str,
) -> Result<Option<I>, Error> {
    let index = row.as_ref().column_index(column)?;
    let blob = row
        .get_ref(index)?
        .as_blob_or_null()
        .map_err(|error| malformed(index, Type::Blob, error))?;
    blob.map(|bytes| {
        Uuid::from_slice(bytes)
            .map(I::from)
            .map_err(|error| malformed(index, Type::Blob, error))
    })
    .transpose()
}

pub(crate) fn get_position(row: &Row<'_>, column: &str) -> Result<Position, Error> {
    get_count(row, column).map(Position)
}

pub(crate) fn get_revision(row: &Row<'_>, column: &str) -> Result<Revision, Error> {
    get_count(row, column).map(Revision)
}

pub(crate) fn get_stamp(row: &Row<'_>, column: &str) -> Result<Timestamp, Error> {
    row.get(column).map(Timestamp)
}

/// A number that is never negative; SQLite's integers are signed.
pub(crate) fn get_count(row: &Row<'_>, column: &str) -> Result<u64, Error> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn malformed(
    index: usize,
    kind: Type,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::FromSqlConversionFailure(index, kind, Box::new(error))
}
