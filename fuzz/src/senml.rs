//! SenML in both encodings and plain JSON: no panic, bounds kept, and what was read can be written and read again.

use tellee_senml::{
    Limits, PlainJsonOptions, Record, TimeField, TimeFormat, Value, decode_cbor, decode_json,
    decode_plain_json, encode_cbor, encode_json,
};

/// 2026-01-01T00:00:00Z in nanoseconds.
const NOW: i64 = 1_767_225_600_000_000_000;

/// Small, so that inputs of a fuzzer reach them.
fn limits() -> Limits {
    Limits {
        max_body_bytes: 16 * 1024,
        max_records: 64,
        max_name_bytes: 64,
        max_unit_bytes: 16,
        max_value_bytes: 256,
        max_total_bytes: 4096,
        max_depth: 8,
    }
}

fn check(records: &[Record], limits: &Limits) {
    assert!(records.len() <= limits.max_records);
    for record in records {
        assert!(record.name.len() <= limits.max_name_bytes);
        assert!(record.value.is_some() || record.sum.is_some());
        for number in [record.sum, record.update_time].into_iter().flatten() {
            assert!(number.is_finite());
        }
        match &record.value {
            Some(Value::Number(number)) => assert!(number.is_finite()),
            Some(Value::Text(text)) => assert!(text.len() <= limits.max_value_bytes),
            Some(Value::Data(data)) => assert!(data.len() <= limits.max_value_bytes),
            Some(Value::Boolean(_)) | None => {}
        }
    }
}

/// Both encodings carry the records on as they are.
fn check_encodings(records: &[Record]) {
    let wide = Limits {
        max_depth: 16,
        ..Limits::default()
    };
    if let Ok(json) = encode_json(records) {
        let again = decode_json(&json, NOW, &wide);
        assert_eq!(again.as_deref(), Ok(records), "through JSON");
    }
    if let Ok(cbor) = encode_cbor(records) {
        let again = decode_cbor(&cbor, NOW, &wide);
        assert_eq!(again.as_deref(), Ok(records), "through CBOR");
    }
}

/// `application/senml+json`.
pub fn senml_json(input: &[u8]) {
    let limits = limits();
    if let Ok(records) = decode_json(input, NOW, &limits) {
        check(&records, &limits);
        check_encodings(&records);
    }
}

/// `application/senml+cbor`.
pub fn senml_cbor(input: &[u8]) {
    let limits = limits();
    if let Ok(records) = decode_cbor(input, NOW, &limits) {
        check(&records, &limits);
        check_encodings(&records);
    }
}

/// `application/json`. The first byte says how times are written.
pub fn plain_json(input: &[u8]) {
    let Some((how, body)) = input.split_first() else {
        return;
    };
    let format = match how % 6 {
        0 => None,
        1 => Some(TimeFormat::UnixSeconds),
        2 => Some(TimeFormat::UnixMilliseconds),
        3 => Some(TimeFormat::UnixMicroseconds),
        4 => Some(TimeFormat::UnixNanoseconds),
        _ => Some(TimeFormat::Rfc3339),
    };
    let options = PlainJsonOptions {
        time_field: format.map(|format| TimeField {
            name: "t".to_owned(),
            format,
        }),
    };
    let limits = limits();
    if let Ok(records) = decode_plain_json(body, &options, &limits) {
        check(&records, &limits);
    }
}
