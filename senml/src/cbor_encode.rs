//! Records to SenML CBOR.

use crate::cbor::{TAG_DECIMAL_FRACTION, Writer};
use crate::error::{SenmlError, SenmlErrorKind};
use crate::json_encode::{check_record, common_time};
use crate::number::Number;
use crate::record::{Record, Value};

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

/// Writes records as a SenML CBOR pack, resolved but for a base time where all of them have the same. Whole seconds
/// are integers; a time is a float where that float's shortest decimal form is the exact time, else a decimal fraction.
///
/// # Errors
/// As [`encode_json`](crate::encode_json).
pub fn encode_cbor(records: &[Record]) -> Result<Vec<u8>, SenmlError> {
    if records.is_empty() {
        return Err(SenmlErrorKind::EmptyPack.whole());
    }
    let shared_time = common_time(records);
    let mut writer = Writer::default();
    writer.array(records.len());
    for (index, record) in records.iter().enumerate() {
        check_record(record, index)?;
        let base_time = shared_time.filter(|_| index == 0);
        let own_time = record.time.filter(|_| shared_time.is_none());
        write_record(&mut writer, record, base_time, own_time);
    }
    Ok(writer.out)
}

fn write_record(
    writer: &mut Writer,
    record: &Record,
    base_time: Option<i64>,
    own_time: Option<i64>,
) {
    let fields = 1
        + usize::from(base_time.is_some())
        + usize::from(record.unit.is_some())
        + usize::from(own_time.is_some())
        + usize::from(record.value.is_some())
        + usize::from(record.sum.is_some())
        + usize::from(record.update_time.is_some());
    writer.map(fields);
    if let Some(time) = base_time {
        writer.integer(-3);
        write_time(writer, time);
    }
    writer.integer(0);
    writer.text(&record.name);
    if let Some(unit) = &record.unit {
        writer.integer(1);
        writer.text(unit);
    }
    if let Some(time) = own_time {
        writer.integer(6);
        write_time(writer, time);
    }
    match &record.value {
        None => {}
        Some(Value::Number(number)) => {
            writer.integer(2);
            writer.float(*number);
        }
        Some(Value::Text(text)) => {
            writer.integer(3);
            writer.text(text);
        }
        Some(Value::Boolean(boolean)) => {
            writer.integer(4);
            writer.boolean(*boolean);
        }
        Some(Value::Data(data)) => {
            writer.integer(8);
            writer.bytes(data);
        }
    }
    if let Some(sum) = record.sum {
        writer.integer(5);
        writer.float(sum);
    }
    if let Some(seconds) = record.update_time {
        writer.integer(7);
        writer.float(seconds);
    }
}

fn write_time(writer: &mut Writer, nanoseconds: i64) {
    if nanoseconds % NANOSECONDS_PER_SECOND == 0 {
        writer.integer(nanoseconds / NANOSECONDS_PER_SECOND);
        return;
    }
    let seconds = nanoseconds as f64 / 1e9;
    // Never narrowed: the reader takes a 32-bit float at its own, shorter decimal form.
    if Number::Float(seconds).as_nanoseconds() == Ok(i128::from(nanoseconds)) {
        writer.out.push(0xfb);
        writer
            .out
            .extend_from_slice(&seconds.to_bits().to_be_bytes());
        return;
    }
    writer.tag(TAG_DECIMAL_FRACTION);
    writer.array(2);
    writer.integer(-9);
    writer.integer(nanoseconds);
}
