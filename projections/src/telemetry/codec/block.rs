//! A block: sorted samples of one series as bytes.
//!
//! Layout: format (1 byte), series, count, whether the body is compressed (1 byte), length of the body before
//! compression, body. The body holds the columns in a fixed order: times, kinds, values by kind, qualities, seqs,
//! receive times, units and protocols, sums, update times. The frame around it (length and CRC) is the file's.

mod sums;

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use super::CodecError;
use super::bytes::{Reader, put_bytes, put_varint};
use super::compression::{compress_pieces, decompress};
use super::integers::Column;
use super::{integers, numbers, texts};
use crate::telemetry::columns::{Columns, Origin, Repeated, Values};
use crate::telemetry::model::{SeriesId, Value};

pub use self::sums::{BlockSums, Intervals};

/// 1 had no entered columns, 2 no packed ones.
pub const FORMAT: u8 = 3;
/// No block holds more samples.
pub const MAX_SAMPLES: usize = 1 << 16;
/// No body is longer before compression: a bound on what a damaged or hostile length can make us allocate.
pub const MAX_BODY: usize = 256 << 20;
/// A body shorter than this is not worth a call of the compressor: a slow series, whose blocks are merged later.
const MIN_COMPRESSED: usize = 192;

const NUMBER: i64 = 0;
const BOOLEAN: i64 = 1;
const TEXT: i64 = 2;
const DATA: i64 = 3;

const AS_GIVEN: u8 = 0;
const AFTER_TIME: u8 = 1;

/// Planes of the values that are compressed apart, at most.
const CUT_PLANES: usize = 3;
/// Shorter planes are not worth a frame of the compressor each.
const LEAST_CUT: usize = 512;
/// A larger body is not kept for the next one.
const KEPT_BODY: usize = 256 << 10;

thread_local! {
    static BODY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The bytes of the block of `series`; `columns` must be sorted and hold 1 to [`MAX_SAMPLES`] samples.
pub fn encode(series: SeriesId, columns: &Columns) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(series, columns, &mut out);
    out
}

/// Appends what [`encode`] answers to `out`.
pub fn encode_into(series: SeriesId, columns: &Columns, out: &mut Vec<u8>) {
    debug_assert!(columns.sorted && !columns.is_empty() && columns.len() <= MAX_SAMPLES);
    BODY.with_borrow_mut(|body| {
        let cuts = put_body(columns, body);
        let compressed = (body.len() >= MIN_COMPRESSED)
            .then(|| compress_pieces(body, cuts.iter().flatten().copied()))
            .flatten();
        let contents = compressed.as_ref().unwrap_or(body);
        out.reserve(contents.len() + 24);
        out.push(FORMAT);
        put_varint(out, series.0);
        put_varint(out, columns.len() as u64);
        out.push(u8::from(compressed.is_some()));
        put_varint(out, body.len() as u64);
        out.extend_from_slice(contents);
        if body.capacity() > KEPT_BODY {
            *body = Vec::new();
        }
    });
}

/// Answers where the body is to be cut for the compressor.
fn put_body(columns: &Columns, body: &mut Vec<u8>) -> Cuts {
    body.clear();
    integers::encode(&columns.times, body);
    let start = body.len();
    put_values(&columns.values, body);
    let cuts = plane_cuts(start..body.len(), columns.len());
    put_repeated(&columns.qualities, i64::from, body);
    put_repeated(&columns.seqs, i64::from, body);
    put_received(columns, body);
    put_origins(columns, body);
    put_optional(&columns.sums, body);
    put_optional(&columns.update_times, body);
    cuts
}

type Cuts = [Option<usize>; CUT_PLANES + 1];

/// In front of each of the last planes of the column `values` of `count` samples, and behind it. The lowest planes of
/// measured numbers are noise: put together with them, the others would be compressed no better than noise.
fn plane_cuts(values: Range<usize>, count: usize) -> Cuts {
    let planes = values.len() / count;
    if count < LEAST_CUT || planes < 2 {
        return [None; CUT_PLANES + 1];
    }
    std::array::from_fn(|plane| {
        let behind = (CUT_PLANES - plane) * count;
        (behind < values.len()).then(|| values.end - behind)
    })
}

fn put_repeated<T: Copy + PartialEq>(
    column: &Repeated<T>,
    as_integer: impl Fn(T) -> i64,
    body: &mut Vec<u8>,
) {
    if let Some(value) = column.constant() {
        integers::encode_constant(as_integer(value), column.len(), body);
        return;
    }
    let integers: Vec<i64> = column.iter().map(as_integer).collect();
    integers::encode(&integers, body);
}

const fn kind_of(value: &Value) -> i64 {
    match value {
        Value::Number(_) => NUMBER,
        Value::Boolean(_) => BOOLEAN,
        Value::Text(_) => TEXT,
        Value::Data(_) => DATA,
    }
}

fn put_values(values: &Values, body: &mut Vec<u8>) {
    let values = match values {
        Values::Numbers(values) => {
            integers::encode_constant(NUMBER, values.len(), body);
            numbers::encode(values, body);
            return;
        }
        Values::Any(values) => values,
    };
    let kinds: Vec<i64> = values.iter().map(kind_of).collect();
    let mut of_numbers = Vec::new();
    let mut of_booleans = Vec::new();
    let mut of_texts: Vec<&[u8]> = Vec::new();
    let mut of_data: Vec<&[u8]> = Vec::new();
    for value in values {
        match value {
            Value::Number(number) => of_numbers.push(*number),
            Value::Boolean(boolean) => of_booleans.push(i64::from(*boolean)),
            Value::Text(text) => of_texts.push(text.as_bytes()),
            Value::Data(data) => of_data.push(data),
        }
    }
    integers::encode(&kinds, body);
    numbers::encode(&of_numbers, body);
    integers::encode(&of_booleans, body);
    texts::encode(&of_texts, body);
    texts::encode(&of_data, body);
}

/// Receive times as they are where they come in runs (a batch), else as lag behind the source time.
fn put_received(columns: &Columns, body: &mut Vec<u8>) {
    let received = match &columns.received {
        Repeated::Constant { value, length } => {
            body.push(AS_GIVEN);
            integers::encode_constant(*value, *length, body);
            return;
        }
        Repeated::Each(received) => received,
    };
    let changes = received
        .windows(2)
        .filter(|pair| pair[0] != pair[1])
        .count();
    if changes * 4 <= received.len() {
        body.push(AS_GIVEN);
        integers::encode(received, body);
        return;
    }
    body.push(AFTER_TIME);
    let lag = |(received, time): (&i64, &i64)| received.wrapping_sub(*time);
    let mut lags = received.iter().zip(&columns.times).map(lag);
    // The receiver's clock may be what gave the time: no column of zeros has to be made to see that.
    if let Some(first) = lags.next()
        && lags.clone().all(|lag| lag == first)
    {
        integers::encode_constant(first, received.len(), body);
        return;
    }
    let lags: Vec<i64> = received.iter().zip(&columns.times).map(lag).collect();
    integers::encode(&lags, body);
}

fn put_origins(columns: &Columns, body: &mut Vec<u8>) {
    put_varint(body, columns.dictionary.len() as u64);
    for origin in &columns.dictionary {
        put_bytes(body, origin.unit.as_bytes());
        put_bytes(body, origin.protocol.as_bytes());
    }
    put_repeated(&columns.origins, i64::from, body);
}

fn put_optional(column: &Repeated<Option<f64>>, body: &mut Vec<u8>) {
    put_repeated(column, |value| i64::from(value.is_some()), body);
    if column.constant() == Some(None) {
        return;
    }
    let present: Vec<f64> = column.iter().flatten().collect();
    numbers::encode(&present, body);
}

/// What stands before the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading {
    pub series: SeriesId,
    pub count: usize,
    compressed: bool,
    length: usize,
}

fn heading(reader: &mut Reader<'_>) -> Result<Heading, CodecError> {
    let format = reader.byte()?;
    if format > FORMAT {
        return Err(CodecError::Newer {
            found: u32::from(format),
            known: u32::from(FORMAT),
        });
    }
    let series = SeriesId(reader.varint()?);
    let count = reader.varint()?;
    let compressed = reader.byte()? != 0;
    let length = reader.varint()?;
    if count == 0 || count > MAX_SAMPLES as u64 || length > MAX_BODY as u64 {
        return Err(CodecError::Invalid("a block is empty or too large"));
    }
    Ok(Heading {
        series,
        count: count as usize,
        compressed,
        length: length as usize,
    })
}

/// Reads the heading of a block alone.
pub fn decode_heading(block: &[u8]) -> Result<Heading, CodecError> {
    heading(&mut Reader::new(block))
}

/// Which columns are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Times, values and qualities are as written; the rest reads as if it were constant and empty.
    Values,
    All,
}

/// The samples of a block.
pub fn decode(block: &[u8], depth: Depth) -> Result<Columns, CodecError> {
    let mut reader = Reader::new(block);
    let heading = heading(&mut reader)?;
    let rest = reader.take(reader.remaining())?;
    if !heading.compressed {
        return decode_body(rest, heading.count, depth);
    }
    decode_body(&decompress(rest, heading.length)?, heading.count, depth)
}

fn decode_body(body: &[u8], count: usize, depth: Depth) -> Result<Columns, CodecError> {
    let mut reader = Reader::new(body);
    let times = integers::decode(&mut reader, count)?;
    let values = take_values(&mut reader, count)?;
    let qualities = take_repeated(&mut reader, count, |quality| u8::try_from(quality).ok())?;
    if depth == Depth::Values {
        return Ok(Columns {
            times,
            seqs: Repeated::Constant {
                value: 0,
                length: count,
            },
            values,
            qualities,
            received: Repeated::Constant {
                value: 0,
                length: count,
            },
            sums: Repeated::Constant {
                value: None,
                length: count,
            },
            update_times: Repeated::Constant {
                value: None,
                length: count,
            },
            origins: Repeated::Constant {
                value: 0,
                length: count,
            },
            dictionary: vec![Origin {
                unit: Arc::from(""),
                protocol: Arc::from(""),
            }],
            sorted: true,
        });
    }
    let seqs = take_repeated(&mut reader, count, |seq| u32::try_from(seq).ok())?;
    let received = take_received(&mut reader, &times)?;
    let (dictionary, origins) = take_origins(&mut reader, count)?;
    let sums = take_optional(&mut reader, count)?;
    let update_times = take_optional(&mut reader, count)?;
    if !reader.is_empty() {
        return Err(CodecError::Invalid(
            "a block has bytes after its last column",
        ));
    }
    Ok(Columns {
        times,
        seqs,
        values,
        qualities,
        received,
        sums,
        update_times,
        origins,
        dictionary,
        sorted: true,
    })
}

fn take_repeated<T: Copy + PartialEq>(
    reader: &mut Reader<'_>,
    count: usize,
    from_integer: impl Fn(i64) -> Option<T>,
) -> Result<Repeated<T>, CodecError> {
    const RANGE: CodecError = CodecError::Invalid("a column holds a value out of its range");
    let integers = match integers::decode_column(reader, count)? {
        Column::Constant(value) => {
            return Ok(Repeated::Constant {
                value: from_integer(value).ok_or(RANGE)?,
                length: count,
            });
        }
        column => column.into_values(count),
    };
    let mut values = Vec::with_capacity(count);
    for integer in integers {
        values.push(from_integer(integer).ok_or(RANGE)?);
    }
    Repeated::from_vec(values).ok_or(RANGE)
}

fn take_values(reader: &mut Reader<'_>, count: usize) -> Result<Values, CodecError> {
    let kinds = match integers::decode_column(reader, count)? {
        Column::Constant(NUMBER) => return numbers::decode(reader, count).map(Values::Numbers),
        column => column.into_values(count),
    };
    let of_kind = |kind: i64| kinds.iter().filter(|found| **found == kind).count();
    let mut of_numbers = numbers::decode(reader, of_kind(NUMBER))?;
    if of_numbers.len() == count {
        return Ok(Values::Numbers(of_numbers));
    }
    let mut of_numbers = of_numbers.drain(..);
    let mut of_booleans = integers::decode(reader, of_kind(BOOLEAN))?.into_iter();
    let mut of_texts = texts::decode(reader, of_kind(TEXT))?.into_iter();
    let mut of_data = texts::decode(reader, of_kind(DATA))?.into_iter();
    let mut values = Vec::with_capacity(count);
    for kind in kinds {
        let value = match kind {
            NUMBER => of_numbers.next().map(Value::Number),
            BOOLEAN => of_booleans
                .next()
                .map(|boolean| Value::Boolean(boolean != 0)),
            TEXT => match of_texts.next().map(std::str::from_utf8) {
                Some(Ok(text)) => Some(Value::Text(text.to_owned())),
                _ => None,
            },
            DATA => of_data.next().map(|data| Value::Data(data.to_vec())),
            _ => None,
        };
        values.push(value.ok_or(CodecError::Invalid("a value is not of the kind it says"))?);
    }
    Ok(Values::Any(values))
}

fn take_received(reader: &mut Reader<'_>, times: &[i64]) -> Result<Repeated<i64>, CodecError> {
    let relation = reader.byte()?;
    let mut received = integers::decode(reader, times.len())?;
    if relation == AFTER_TIME {
        for (received, time) in received.iter_mut().zip(times) {
            *received = received.wrapping_add(*time);
        }
    }
    Repeated::from_vec(received).ok_or(CodecError::Short)
}

thread_local! {
    /// Units and protocols repeat from block to block; without this each decoded block would allocate them anew.
    static TEXTS: RefCell<HashMap<Box<str>, Arc<str>>> = RefCell::new(HashMap::new());
}

const MAX_SHARED_TEXTS: usize = 1024;

/// `text` behind a pointer that other blocks of this thread share.
pub fn shared_text(text: &str) -> Arc<str> {
    TEXTS.with_borrow_mut(|texts| {
        if let Some(known) = texts.get(text) {
            return Arc::clone(known);
        }
        if texts.len() >= MAX_SHARED_TEXTS {
            texts.clear();
        }
        let shared: Arc<str> = Arc::from(text);
        texts.insert(Box::from(text), Arc::clone(&shared));
        shared
    })
}

fn take_origins(
    reader: &mut Reader<'_>,
    count: usize,
) -> Result<(Vec<Origin>, Repeated<u32>), CodecError> {
    let length = reader.length()?;
    let mut dictionary = Vec::with_capacity(length.min(MAX_SAMPLES));
    for _ in 0..length {
        let unit = shared_text(reader.text()?);
        let protocol = shared_text(reader.text()?);
        dictionary.push(Origin { unit, protocol });
    }
    let origins = take_repeated(reader, count, |origin| u32::try_from(origin).ok())?;
    let beyond = match &origins {
        Repeated::Constant { value, .. } => *value as usize >= dictionary.len(),
        Repeated::Each(indexes) => indexes
            .iter()
            .any(|index| *index as usize >= dictionary.len()),
    };
    if beyond {
        return Err(CodecError::Invalid(
            "a sample has an origin that the block does not list",
        ));
    }
    Ok((dictionary, origins))
}

fn take_optional(
    reader: &mut Reader<'_>,
    count: usize,
) -> Result<Repeated<Option<f64>>, CodecError> {
    let present = match integers::decode_column(reader, count)? {
        Column::Constant(0) => {
            return Ok(Repeated::Constant {
                value: None,
                length: count,
            });
        }
        column => column.into_values(count),
    };
    let mut numbers = numbers::decode(
        reader,
        present.iter().filter(|present| **present != 0).count(),
    )?
    .into_iter();
    let values = present
        .into_iter()
        .map(|present| if present == 0 { None } else { numbers.next() })
        .collect();
    Repeated::from_vec(values).ok_or(CodecError::Short)
}

#[cfg(test)]
mod tests;
