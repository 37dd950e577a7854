//! SenML CBOR (RFC 8428 §6) to records.

use std::borrow::Cow;

use crate::cbor::{Head, Reader, integer};
use crate::error::{SenmlError, SenmlErrorKind};
use crate::json_decode::{check_body, set};
use crate::limits::Limits;
use crate::record::Record;
use crate::resolve::{Label, RawRecord, Resolver};

/// Reads a SenML CBOR pack. Labels are the integers of RFC 8428's table 4; text labels are extensions. Numbers may be
/// integers, floats of 16, 32 or 64 bits, or decimal fractions (tag 4). `now_ns` is what relative times count from.
///
/// # Errors
/// A [`SenmlError`] that names record and field. Nothing of a faulty pack is returned.
pub fn decode_cbor(body: &[u8], now_ns: i64, limits: &Limits) -> Result<Vec<Record>, SenmlError> {
    check_body(body, limits)?;
    let mut reader = Reader::new(body);
    let mut resolver = Resolver::new(now_ns, limits);
    let Head::Array(length) = reader.head().map_err(SenmlErrorKind::whole)? else {
        return Err(SenmlErrorKind::NotAPack.whole());
    };
    let mut left = length;
    while left != Some(0) {
        let index = resolver.index();
        let head = reader.head().map_err(|kind| kind.in_record(index))?;
        if left.is_none() && head == Head::Break {
            break;
        }
        resolver.check_room()?;
        let Head::Map(fields) = head else {
            return Err(SenmlErrorKind::NotARecord.in_record(index));
        };
        let raw = read_record(&mut reader, fields, index, limits)?;
        resolver.push(raw)?;
        left = left.map(|left| left - 1);
    }
    if !reader.is_at_end() {
        return Err(reader.trailing().whole());
    }
    resolver.finish()
}

fn read_record<'a>(
    reader: &mut Reader<'a>,
    fields: Option<u64>,
    index: usize,
    limits: &Limits,
) -> Result<RawRecord<'a>, SenmlError> {
    let mut raw = RawRecord::default();
    let mut left = fields;
    while left != Some(0) {
        let key = reader.head().map_err(|kind| kind.in_record(index))?;
        if left.is_none() && key == Head::Break {
            break;
        }
        read_field(reader, key, &mut raw, index, limits)?;
        left = left.map(|left| left - 1);
    }
    Ok(raw)
}

fn read_field<'a>(
    reader: &mut Reader<'a>,
    key: Head,
    raw: &mut RawRecord<'a>,
    index: usize,
    limits: &Limits,
) -> Result<(), SenmlError> {
    if let Head::Text(length) = key {
        let label = reader.text(length).map_err(|kind| kind.in_record(index))?;
        if Label::from_json(label).is_some() {
            return Err(SenmlErrorKind::TextLabel.in_field(index, label));
        }
        if label.ends_with('_') {
            return Err(SenmlErrorKind::MustUnderstand.in_field(index, label));
        }
        return reader
            .head()
            // The pack and the record are two levels.
            .and_then(|value| reader.skip(value, limits.max_depth.saturating_sub(2)))
            .map_err(|kind| {
                let kind = match kind {
                    SenmlErrorKind::TooDeep { .. } => SenmlErrorKind::TooDeep {
                        limit: limits.max_depth,
                    },
                    other => other,
                };
                kind.in_field(index, label)
            });
    }
    let Some(number) = integer(key) else {
        return Err(SenmlErrorKind::UnknownLabel.in_record(index));
    };
    let Some(label) = Label::from_cbor(number) else {
        return Err(SenmlErrorKind::UnknownLabel.in_field(index, number.to_string()));
    };
    fill(reader, label, raw).map_err(|kind| kind.in_field(index, label.as_json()))
}

fn fill<'a>(
    reader: &mut Reader<'a>,
    label: Label,
    raw: &mut RawRecord<'a>,
) -> Result<(), SenmlErrorKind> {
    let head = reader.head()?;
    match label {
        Label::BaseName => set(&mut raw.base_name, text(reader, head)?),
        Label::BaseTime => set(&mut raw.base_time, reader.number(head)?),
        Label::BaseUnit => set(&mut raw.base_unit, text(reader, head)?),
        Label::BaseValue => set(&mut raw.base_value, reader.number(head)?),
        Label::BaseSum => set(&mut raw.base_sum, reader.number(head)?),
        Label::BaseVersion => set(&mut raw.base_version, reader.number(head)?),
        Label::Name => set(&mut raw.name, text(reader, head)?),
        Label::Unit => set(&mut raw.unit, text(reader, head)?),
        Label::Value => set(&mut raw.value, reader.number(head)?),
        Label::TextValue => set(&mut raw.text, text(reader, head)?),
        Label::Sum => set(&mut raw.sum, reader.number(head)?),
        Label::Time => set(&mut raw.time, reader.number(head)?),
        Label::UpdateTime => set(&mut raw.update_time, reader.number(head)?),
        Label::BooleanValue => match head {
            Head::Boolean(boolean) => set(&mut raw.boolean, boolean),
            _ => Err(SenmlErrorKind::WrongType {
                expected: "a boolean",
            }),
        },
        Label::DataValue => match head {
            Head::Bytes(length) => {
                let data = reader.bytes(length)?.to_vec();
                set(&mut raw.data, data)
            }
            _ => Err(SenmlErrorKind::WrongType { expected: "bytes" }),
        },
    }
}

fn text<'a>(reader: &mut Reader<'a>, head: Head) -> Result<Cow<'a, str>, SenmlErrorKind> {
    match head {
        Head::Text(length) => reader.text(length).map(Cow::Borrowed),
        _ => Err(SenmlErrorKind::WrongType {
            expected: "a string",
        }),
    }
}
