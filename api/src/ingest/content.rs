//! From the bytes of a message to its records.

use hashbrown::HashMap;
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{Quality, Record, Value};
use tellee_senml::{Limits, PlainJsonOptions};

use super::error::IngestError;

/// The name of the one record of a message that holds no records: its bytes as they came.
pub const RAW_NAME: &str = "raw";

/// What a sender says its message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// `application/senml+json`
    SenmlJson,
    /// `application/senml+cbor`
    SenmlCbor,
    /// `application/json`: flattened to records without a time.
    Json,
    /// `application/octet-stream`, and whatever is none of the above: kept as one record named [`RAW_NAME`].
    Opaque,
    /// Nothing was said. The first byte decides: `[` is SenML JSON, `{` plain JSON, a CBOR array SenML CBOR if it reads
    /// as such; all else is opaque.
    Undeclared,
}

impl ContentType {
    /// The content type of a media type such as `application/senml+json; charset=utf-8`; `None` if it is not one that
    /// Tellee reads. An empty text is [`ContentType::Undeclared`].
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let known = [
            ("application/senml+json", Self::SenmlJson),
            ("application/senml+cbor", Self::SenmlCbor),
            ("application/json", Self::Json),
            ("application/octet-stream", Self::Opaque),
            ("", Self::Undeclared),
        ];
        known
            .into_iter()
            .find(|(name, _)| essence.eq_ignore_ascii_case(name))
            .map(|(_, content)| content)
    }
}

/// The records of `payload`, complete: each has a time and a place among its equals. An empty payload has none.
///
/// # Errors
/// [`IngestError::Malformed`] or [`IngestError::TooLarge`] if the payload is not what `content` says.
pub(super) fn records(
    content: ContentType,
    payload: &[u8],
    received_at: Timestamp,
    limits: &Limits,
) -> Result<Vec<Record>, IngestError> {
    if payload.is_empty() {
        return Ok(Vec::new());
    }
    let decoded = match content {
        ContentType::SenmlJson => tellee_senml::decode_json(payload, received_at.0, limits),
        ContentType::SenmlCbor => tellee_senml::decode_cbor(payload, received_at.0, limits),
        ContentType::Json => {
            tellee_senml::decode_plain_json(payload, &PlainJsonOptions::default(), limits)
        }
        ContentType::Opaque => return raw(payload, received_at, limits),
        ContentType::Undeclared => return undeclared(payload, received_at, limits),
    };
    Ok(complete(
        decoded.map_err(IngestError::of_decoder)?,
        received_at,
    ))
}

fn undeclared(
    payload: &[u8],
    received_at: Timestamp,
    limits: &Limits,
) -> Result<Vec<Record>, IngestError> {
    let first = payload.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        Some(b'[') => records(ContentType::SenmlJson, payload, received_at, limits),
        Some(b'{') => records(ContentType::Json, payload, received_at, limits),
        // Bytes that are no UTF-8 text may start like a CBOR array by chance.
        Some(0x80..=0x9b | 0x9f) => records(ContentType::SenmlCbor, payload, received_at, limits)
            .or_else(|_| raw(payload, received_at, limits)),
        _ => raw(payload, received_at, limits),
    }
}

fn raw(
    payload: &[u8],
    received_at: Timestamp,
    limits: &Limits,
) -> Result<Vec<Record>, IngestError> {
    if payload.len() > limits.max_value_bytes {
        return Err(IngestError::TooLarge {
            size: payload.len(),
            limit: limits.max_value_bytes,
        });
    }
    Ok(vec![Record {
        name: RAW_NAME.to_owned(),
        unit: String::new(),
        time: received_at,
        seq: 0,
        value: Value::Data(payload.to_vec()),
        sum: None,
        update_time: None,
        quality: Quality::GOOD,
    }])
}

fn complete(decoded: Vec<tellee_senml::Record>, received_at: Timestamp) -> Vec<Record> {
    let mut records: Vec<Record> = decoded
        .into_iter()
        .map(|record| complete_one(record, received_at))
        .collect();
    number_equals(&mut records);
    records
}

fn complete_one(record: tellee_senml::Record, received_at: Timestamp) -> Record {
    let mut name = record.name;
    let value = match record.value {
        Some(tellee_senml::Value::Number(number)) => Value::Number(number),
        Some(tellee_senml::Value::Text(text)) => Value::Text(text),
        Some(tellee_senml::Value::Boolean(boolean)) => Value::Boolean(boolean),
        Some(tellee_senml::Value::Data(data)) => Value::Data(data),
        // A sum without a value is a series of its own; under the plain name it would pass for the value.
        None => {
            name.push_str("/sum");
            Value::Number(record.sum.unwrap_or_default())
        }
    };
    Record {
        name,
        unit: record.unit.unwrap_or_default(),
        time: record.time.map_or(received_at, Timestamp),
        seq: 0,
        value,
        sum: record.sum,
        update_time: record.update_time,
        quality: Quality::GOOD,
    }
}

/// Gives records of one name and time the numbers 0, 1, … in the order of the message.
fn number_equals(records: &mut [Record]) {
    if records.len() < 2 {
        return;
    }
    let mut numbers: Vec<u32> = Vec::with_capacity(records.len());
    let mut seen: HashMap<(&str, Timestamp), u32> = HashMap::with_capacity(records.len());
    for record in records.iter() {
        let next = seen.entry((record.name.as_str(), record.time)).or_insert(0);
        numbers.push(*next);
        *next += 1;
    }
    drop(seen);
    for (record, number) in records.iter_mut().zip(numbers) {
        record.seq = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

    fn read(content: ContentType, payload: &[u8]) -> Result<Vec<Record>, IngestError> {
        records(content, payload, NOW, &Limits::default())
    }

    #[test]
    fn media_types_are_known_by_their_essence() {
        assert_eq!(
            ContentType::from_media_type("Application/SenML+JSON; charset=utf-8"),
            Some(ContentType::SenmlJson)
        );
        assert_eq!(
            ContentType::from_media_type(""),
            Some(ContentType::Undeclared)
        );
        assert_eq!(ContentType::from_media_type("text/html"), None);
    }

    #[test]
    fn records_of_one_name_and_time_are_numbered() {
        let pack = br#"[{"bt":1600000000,"n":"a","v":1},{"n":"b","v":2},{"n":"a","v":3},{"n":"a","t":1,"v":4}]"#;
        let read = read(ContentType::SenmlJson, pack).unwrap();
        let seqs: Vec<u32> = read.iter().map(|record| record.seq).collect();
        assert_eq!(seqs, [0, 0, 1, 0]);
    }

    #[test]
    fn a_record_without_a_time_takes_the_time_of_receipt() {
        let read = read(
            ContentType::Undeclared,
            br#" {"pump":{"speed":1480,"on":true}}"#,
        )
        .unwrap();
        assert_eq!(read.len(), 2);
        assert!(read.iter().all(|record| record.time == NOW));
        assert_eq!(read[0].name, "pump/speed");
    }

    #[test]
    fn what_looks_like_json_must_be_json() {
        for payload in [&b"[{\"n\":\"a\"}]"[..], b"[1,", b"{\"a\":", b"[]"] {
            assert!(matches!(
                read(ContentType::Undeclared, payload),
                Err(IngestError::Malformed(_))
            ));
        }
    }

    #[test]
    fn other_bytes_are_kept_as_they_came() {
        for payload in [&b"on"[..], &[0x9f, 0x01], &[0xff, 0xd8], b"   "] {
            let read = read(ContentType::Undeclared, payload).unwrap();
            assert_eq!(read.len(), 1);
            assert_eq!(read[0].name, RAW_NAME);
            assert_eq!(read[0].value, Value::Data(payload.to_vec()));
        }
        assert!(read(ContentType::Undeclared, b"").unwrap().is_empty());
    }

    #[test]
    fn a_sum_without_a_value_is_a_series_of_its_own() {
        let read = read(ContentType::SenmlJson, br#"[{"n":"energy","s":12.5}]"#).unwrap();
        assert_eq!(read[0].name, "energy/sum");
        assert_eq!(read[0].value, Value::Number(12.5));
        assert_eq!(read[0].sum, Some(12.5));
    }
}
