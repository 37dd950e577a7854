//! What a batch must be like to be kept.

use super::model::{MessageBatch, Record, SeriesKey, Value};
use super::samples::{SampleBatch, SampleValues};
use super::store::TelemetryError;

/// Bytes of a name, a unit, a subtopic or a protocol.
pub const MAX_TEXT: usize = 1024;
/// Bytes of a text or data value.
pub const MAX_VALUE: usize = 1 << 20;
/// Records of one batch.
pub const MAX_RECORDS: usize = 100_000;
/// Bytes of one batch, by [`weight`].
pub const MAX_WEIGHT: usize = 16 << 20;

const NOT_FINITE: &str = "not a finite number";
// A range excludes its end, so the last stamp of all could never be read.
const BEYOND: &str = "beyond the years that a stamp can tell";

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
            // The name may have to be defined: once a series, with channel, thing and subtopic.
            128 + record.name.len()
                + record.unit.len()
                + batch.subtopic.len()
                + value_bytes(&record.value)
        })
        .sum();
    records + 128
}

pub fn check(batch: &MessageBatch) -> Result<(), TelemetryError> {
    if batch.records.len() > MAX_RECORDS {
        return Err(invalid("records", format!("more than {MAX_RECORDS}")));
    }
    check_subtopic(&batch.subtopic)?;
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

/// What a batch of samples takes in the queue and in the log, in bytes, without the definitions of new series.
pub fn sample_weight(batch: &SampleBatch) -> usize {
    let texts: usize = match &batch.values {
        SampleValues::Numbers(_) => 0,
        SampleValues::Any(values) => values.iter().map(value_bytes).sum(),
    };
    128 + batch.len() * 32 + texts
}

pub fn check_samples(batch: &SampleBatch) -> Result<(), TelemetryError> {
    let count = batch.len();
    if count > MAX_RECORDS {
        return Err(invalid("records", format!("more than {MAX_RECORDS}")));
    }
    if batch.times.len() != count || batch.values.len() != count {
        return Err(invalid("records", "columns of different lengths"));
    }
    if batch.times.iter().any(|time| time.0 == i64::MAX) {
        return Err(invalid("time", BEYOND));
    }
    match &batch.values {
        SampleValues::Numbers(numbers) if numbers.iter().all(|number| number.is_finite()) => {}
        SampleValues::Numbers(_) => return Err(invalid("value", NOT_FINITE)),
        SampleValues::Any(values) => values.iter().try_for_each(check_value)?,
    }
    if sample_weight(batch) > MAX_WEIGHT {
        return Err(invalid(
            "records",
            format!("together more than {MAX_WEIGHT} bytes"),
        ));
    }
    Ok(())
}

pub fn check_keys(keys: &[SeriesKey]) -> Result<(), TelemetryError> {
    if keys.len() > MAX_RECORDS {
        return Err(invalid("series", format!("more than {MAX_RECORDS}")));
    }
    for key in keys {
        check_name(&key.name)?;
        check_subtopic(&key.subtopic)?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), TelemetryError> {
    if name.is_empty() || name.len() > MAX_TEXT {
        return Err(invalid(
            "name",
            format!("empty or longer than {MAX_TEXT} bytes"),
        ));
    }
    Ok(())
}

fn check_subtopic(subtopic: &str) -> Result<(), TelemetryError> {
    if subtopic.len() > MAX_TEXT {
        return Err(invalid("subtopic", format!("longer than {MAX_TEXT} bytes")));
    }
    Ok(())
}

const fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Data(data) => data.len(),
        Value::Number(_) | Value::Boolean(_) => 0,
    }
}

fn check_value(value: &Value) -> Result<(), TelemetryError> {
    match value {
        Value::Number(number) if !number.is_finite() => Err(invalid("value", NOT_FINITE)),
        _ if value_bytes(value) > MAX_VALUE => {
            Err(invalid("value", format!("longer than {MAX_VALUE} bytes")))
        }
        _ => Ok(()),
    }
}

fn check_record(record: &Record) -> Result<(), TelemetryError> {
    check_name(&record.name)?;
    if record.unit.len() > MAX_TEXT {
        return Err(invalid("unit", format!("longer than {MAX_TEXT} bytes")));
    }
    if record.time.0 == i64::MAX {
        return Err(invalid("time", BEYOND));
    }
    let finite = |number: Option<f64>| number.is_none_or(f64::is_finite);
    check_value(&record.value)?;
    if !finite(record.sum) {
        return Err(invalid("sum", NOT_FINITE));
    }
    if !finite(record.update_time) {
        return Err(invalid("update_time", NOT_FINITE));
    }
    Ok(())
}
