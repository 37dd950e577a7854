//! What a batch must be like to be kept.

use super::model::{MessageBatch, Record, Value};
use super::store::TelemetryError;

/// Bytes of a name, a unit, a subtopic or a protocol.
pub const MAX_TEXT: usize = 1024;
/// Bytes of a text or data value.
pub const MAX_VALUE: usize = 1 << 20;
/// Records of one batch.
pub const MAX_RECORDS: usize = 100_000;
/// Bytes of one batch, by [`weight`].
pub const MAX_WEIGHT: usize = 16 << 20;

fn invalid(field: &'static str, reason: impl Into<String>) -> TelemetryError {
    TelemetryError::Invalid {
        field,
        reason: reason.into(),
    }
}

/// What a batch takes in the queue and, at most, in the log, in bytes.
pub fn weight(batch: &MessageBatch) -> usize {
    let records: usize = batch
        .records
        .iter()
        .map(|record| {
            let value = match &record.value {
                Value::Text(text) => text.len(),
                Value::Data(data) => data.len(),
                Value::Number(_) | Value::Boolean(_) => 0,
            };
            // The name may have to be defined: once a series, with channel, thing and subtopic.
            128 + record.name.len() + record.unit.len() + batch.subtopic.len() + value
        })
        .sum();
    records + 128
}

pub fn check(batch: &MessageBatch) -> Result<(), TelemetryError> {
    if batch.records.len() > MAX_RECORDS {
        return Err(invalid("records", format!("more than {MAX_RECORDS}")));
    }
    if batch.subtopic.len() > MAX_TEXT {
        return Err(invalid("subtopic", format!("longer than {MAX_TEXT} bytes")));
    }
    for record in &batch.records {
        check_record(record)?;
    }
    if weight(batch) > MAX_WEIGHT {
        return Err(invalid(
            "records",
            format!("together more than {MAX_WEIGHT} bytes"),
        ));
    }
    Ok(())
}

fn check_record(record: &Record) -> Result<(), TelemetryError> {
    if record.name.is_empty() || record.name.len() > MAX_TEXT {
        return Err(invalid(
            "name",
            format!("empty or longer than {MAX_TEXT} bytes"),
        ));
    }
    if record.unit.len() > MAX_TEXT {
        return Err(invalid("unit", format!("longer than {MAX_TEXT} bytes")));
    }
    // A range excludes its end, so the last stamp of all could never be read.
    if record.time.0 == i64::MAX {
        return Err(invalid("time", "beyond the years that a stamp can tell"));
    }
    let finite = |number: Option<f64>| number.is_none_or(f64::is_finite);
    match &record.value {
        Value::Number(number) if !number.is_finite() => {
            return Err(invalid("value", "not a finite number"));
        }
        Value::Text(text) if text.len() > MAX_VALUE => {
            return Err(invalid("value", format!("longer than {MAX_VALUE} bytes")));
        }
        Value::Data(data) if data.len() > MAX_VALUE => {
            return Err(invalid("value", format!("longer than {MAX_VALUE} bytes")));
        }
        _ => {}
    }
    if !finite(record.sum) {
        return Err(invalid("sum", "not a finite number"));
    }
    if !finite(record.update_time) {
        return Err(invalid("update_time", "not a finite number"));
    }
    Ok(())
}
