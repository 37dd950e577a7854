//! Records to SenML JSON.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{SenmlError, SenmlErrorKind};
use crate::number::write_decimal_seconds;
use crate::record::{Record, Value};
use crate::resolve::{check_name, is_writable_time};

/// Writes records as a SenML JSON pack, resolved but for a base time where all of them have the same. Times keep every
/// nanosecond. The same records always give the same bytes.
///
/// # Errors
/// If there are no records, or one has an invalid name, a number that is not finite, neither value nor sum, or a time
/// before 1978-07-04 (SenML reads those as relative).
pub fn encode_json(records: &[Record]) -> Result<Vec<u8>, SenmlError> {
    if records.is_empty() {
        return Err(SenmlErrorKind::EmptyPack.whole());
    }
    let shared_time = common_time(records);
    let mut out = String::with_capacity(records.len() * 48);
    out.push('[');
    for (index, record) in records.iter().enumerate() {
        check_record(record, index)?;
        if index > 0 {
            out.push(',');
        }
        out.push('{');
        if index == 0
            && let Some(time) = shared_time
        {
            out.push_str("\"bt\":");
            write_decimal_seconds(&mut out, time);
            out.push(',');
        }
        write_record(&mut out, record, shared_time.is_none());
        out.push('}');
    }
    out.push(']');
    Ok(out.into_bytes())
}

/// The time that all records have, if they have it and there are several.
pub(crate) fn common_time(records: &[Record]) -> Option<i64> {
    let first = records.first()?.time?;
    (records.len() > 1 && records.iter().all(|record| record.time == Some(first))).then_some(first)
}

/// What both encoders refuse.
pub(crate) fn check_record(record: &Record, index: usize) -> Result<(), SenmlError> {
    check_name(&record.name).map_err(|kind| kind.in_field(index, "n"))?;
    if record.time.is_some_and(|time| !is_writable_time(time)) {
        return Err(SenmlErrorKind::TimeNotAbsolute.in_field(index, "t"));
    }
    if record.value.is_none() && record.sum.is_none() {
        return Err(SenmlErrorKind::NoValue.in_record(index));
    }
    if matches!(record.value, Some(Value::Number(number)) if !number.is_finite()) {
        return Err(SenmlErrorKind::NotFinite.in_field(index, "v"));
    }
    if record.sum.is_some_and(|sum| !sum.is_finite()) {
        return Err(SenmlErrorKind::NotFinite.in_field(index, "s"));
    }
    if record
        .update_time
        .is_some_and(|seconds| !seconds.is_finite())
    {
        return Err(SenmlErrorKind::NotFinite.in_field(index, "ut"));
    }
    Ok(())
}

fn write_record(out: &mut String, record: &Record, with_time: bool) {
    out.push_str("\"n\":");
    write_string(out, &record.name);
    if let Some(unit) = &record.unit {
        out.push_str(",\"u\":");
        write_string(out, unit);
    }
    if with_time && let Some(time) = record.time {
        out.push_str(",\"t\":");
        write_decimal_seconds(out, time);
    }
    match &record.value {
        None => {}
        Some(Value::Number(number)) => {
            out.push_str(",\"v\":");
            write_number(out, *number);
        }
        Some(Value::Text(text)) => {
            out.push_str(",\"vs\":");
            write_string(out, text);
        }
        Some(Value::Boolean(boolean)) => {
            out.push_str(if *boolean {
                ",\"vb\":true"
            } else {
                ",\"vb\":false"
            });
        }
        Some(Value::Data(data)) => {
            out.push_str(",\"vd\":\"");
            URL_SAFE_NO_PAD.encode_string(data, out);
            out.push('"');
        }
    }
    if let Some(sum) = record.sum {
        out.push_str(",\"s\":");
        write_number(out, sum);
    }
    if let Some(seconds) = record.update_time {
        out.push_str(",\"ut\":");
        write_number(out, seconds);
    }
}

/// The shortest form that reads back as the same number; an exponent where plain digits would be long.
fn write_number(out: &mut String, number: f64) {
    use std::fmt::Write as _;
    let magnitude = number.abs();
    // Writing to a String cannot fail.
    let _ = if magnitude != 0.0 && !(1e-7..1e16).contains(&magnitude) {
        write!(out, "{number:e}")
    } else {
        write!(out, "{number}")
    };
}

fn write_string(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if u32::from(control) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
