//! What a log frame says: series defined, batches of samples, samples dropped by retention.

use tellee_actors::ids::{ChannelId, ThingId};
use tellee_actors::time::Timestamp;
use uuid::Uuid;

use crate::telemetry::codec::CodecError;
use crate::telemetry::codec::bytes::{Reader, put_bytes, put_signed, put_varint};
use crate::telemetry::columns::SampleRef;
use crate::telemetry::model::{MessageBatch, Quality, SeriesId, SeriesKey, Value};
use crate::telemetry::samples::{SampleBatch, SampleValues};

const DEFINE: u8 = 1;
const BATCH: u8 = 2;
const RETAIN: u8 = 3;
const SAMPLES: u8 = 4;

const ALL_NUMBERS: u8 = 0;
const ANY_VALUES: u8 = 1;

const KIND: u8 = 0b0000_0011;
const NUMBER: u8 = 0;
const BOOLEAN: u8 = 1;
const TEXT: u8 = 2;
const DATA: u8 = 3;
const TRUE: u8 = 1 << 2;
const SUM: u8 = 1 << 3;
const UPDATE_TIME: u8 = 1 << 4;
const QUALITY: u8 = 1 << 5;
const SAME_UNIT: u8 = 1 << 6;
const SEQ: u8 = 1 << 7;

pub fn put_key(out: &mut Vec<u8>, key: &SeriesKey) {
    out.extend_from_slice(key.channel.0.as_bytes());
    out.extend_from_slice(key.thing.0.as_bytes());
    put_bytes(out, key.subtopic.as_bytes());
    put_bytes(out, key.name.as_bytes());
}

pub fn take_key(reader: &mut Reader<'_>) -> Result<SeriesKey, CodecError> {
    Ok(SeriesKey {
        channel: ChannelId(Uuid::from_bytes(reader.array()?)),
        thing: ThingId(Uuid::from_bytes(reader.array()?)),
        subtopic: reader.text()?.to_owned(),
        name: reader.text()?.to_owned(),
    })
}

pub fn put_definition(out: &mut Vec<u8>, id: SeriesId, key: &SeriesKey) {
    out.push(DEFINE);
    put_varint(out, id.0);
    put_key(out, key);
}

pub fn put_retain(out: &mut Vec<u8>, channel: ChannelId, before: Timestamp) {
    out.push(RETAIN);
    out.extend_from_slice(channel.0.as_bytes());
    put_signed(out, before.0);
}

/// `ids` are the series of the records of `batch`, in their order.
pub fn put_batch(
    out: &mut Vec<u8>,
    batch: &MessageBatch,
    received_at: i64,
    ids: impl Iterator<Item = SeriesId>,
) {
    out.push(BATCH);
    put_bytes(out, batch.protocol.as_bytes());
    put_signed(out, received_at);
    out.push(u8::from(batch.historical));
    put_varint(out, batch.records.len() as u64);
    let mut previous_time = received_at;
    let mut unit = "";
    for (record, id) in batch.records.iter().zip(ids) {
        let mut flags = match &record.value {
            Value::Number(_) => NUMBER,
            Value::Boolean(true) => BOOLEAN | TRUE,
            Value::Boolean(false) => BOOLEAN,
            Value::Text(_) => TEXT,
            Value::Data(_) => DATA,
        };
        let set = |flag: u8, wanted: bool| if wanted { flag } else { 0 };
        flags |= set(SUM, record.sum.is_some())
            | set(UPDATE_TIME, record.update_time.is_some())
            | set(QUALITY, record.quality != Quality::GOOD)
            | set(SAME_UNIT, record.unit == unit)
            | set(SEQ, record.seq != 0);
        out.push(flags);
        put_varint(out, id.0);
        put_signed(out, record.time.0.wrapping_sub(previous_time));
        previous_time = record.time.0;
        match &record.value {
            Value::Number(number) => out.extend_from_slice(&number.to_le_bytes()),
            Value::Boolean(_) => {}
            Value::Text(text) => put_bytes(out, text.as_bytes()),
            Value::Data(data) => put_bytes(out, data),
        }
        for number in [record.sum, record.update_time].into_iter().flatten() {
            out.extend_from_slice(&number.to_le_bytes());
        }
        if record.quality != Quality::GOOD {
            out.push(record.quality.0);
        }
        if record.unit != unit {
            put_bytes(out, record.unit.as_bytes());
            unit = &record.unit;
        }
        if record.seq != 0 {
            put_varint(out, u64::from(record.seq));
        }
    }
}

/// Series and times as distances from the sample before.
pub fn put_samples(out: &mut Vec<u8>, batch: &SampleBatch, received_at: i64) {
    out.push(SAMPLES);
    put_bytes(out, batch.protocol.as_bytes());
    put_signed(out, received_at);
    out.push(u8::from(batch.historical));
    put_varint(out, batch.len() as u64);
    let mut previous = (0_u64, received_at);
    let mut put_place = |out: &mut Vec<u8>, id: &SeriesId, time: &Timestamp| {
        put_signed(out, id.0.wrapping_sub(previous.0) as i64);
        put_signed(out, time.0.wrapping_sub(previous.1));
        previous = (id.0, time.0);
    };
    let places = batch.series.iter().zip(&batch.times);
    match &batch.values {
        SampleValues::Numbers(numbers) => {
            out.push(ALL_NUMBERS);
            for ((id, time), number) in places.zip(numbers) {
                put_place(out, id, time);
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        SampleValues::Any(values) => {
            out.push(ANY_VALUES);
            for ((id, time), value) in places.zip(values) {
                put_place(out, id, time);
                put_value(out, value);
            }
        }
    }
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Number(number) => {
            out.push(NUMBER);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Boolean(boolean) => out.push(if *boolean { BOOLEAN | TRUE } else { BOOLEAN }),
        Value::Text(text) => {
            out.push(TEXT);
            put_bytes(out, text.as_bytes());
        }
        Value::Data(data) => {
            out.push(DATA);
            put_bytes(out, data);
        }
    }
}

fn take_value(reader: &mut Reader<'_>, flags: u8) -> Result<Value, CodecError> {
    Ok(match flags & KIND {
        NUMBER => Value::Number(reader.f64()?),
        BOOLEAN => Value::Boolean(flags & TRUE != 0),
        TEXT => Value::Text(reader.text()?.to_owned()),
        _ => Value::Data(reader.bytes()?.to_vec()),
    })
}

/// Takes what a replay finds, in the order in which it was written.
pub trait Replay {
    fn define(&mut self, id: SeriesId, key: SeriesKey);
    fn begin_batch(&mut self);
    fn sample(&mut self, id: SeriesId, historical: bool, sample: SampleRef<'_>);
    fn retain(&mut self, channel: ChannelId, before: Timestamp);
}

pub fn replay(payload: &[u8], target: &mut impl Replay) -> Result<(), CodecError> {
    let mut reader = Reader::new(payload);
    while !reader.is_empty() {
        match reader.byte()? {
            DEFINE => {
                let id = SeriesId(reader.varint()?);
                target.define(id, take_key(&mut reader)?);
            }
            BATCH => replay_batch(&mut reader, target)?,
            SAMPLES => replay_samples(&mut reader, target)?,
            RETAIN => {
                let channel = ChannelId(Uuid::from_bytes(reader.array()?));
                target.retain(channel, Timestamp(reader.signed()?));
            }
            _ => {
                return Err(CodecError::Invalid(
                    "a log frame holds an entry of unknown kind",
                ));
            }
        }
    }
    Ok(())
}

fn replay_batch(reader: &mut Reader<'_>, target: &mut impl Replay) -> Result<(), CodecError> {
    let protocol = reader.text()?;
    let received_at = reader.signed()?;
    let historical = reader.byte()? != 0;
    let count = reader.varint()?;
    let mut previous_time = received_at;
    let mut unit = "";
    target.begin_batch();
    for _ in 0..count {
        let flags = reader.byte()?;
        let id = SeriesId(reader.varint()?);
        let time = previous_time.wrapping_add(reader.signed()?);
        previous_time = time;
        let value = take_value(reader, flags)?;
        let sum = if flags & SUM != 0 {
            Some(reader.f64()?)
        } else {
            None
        };
        let update_time = if flags & UPDATE_TIME != 0 {
            Some(reader.f64()?)
        } else {
            None
        };
        let quality = if flags & QUALITY != 0 {
            Quality(reader.byte()?)
        } else {
            Quality::GOOD
        };
        if flags & SAME_UNIT == 0 {
            unit = reader.text()?;
        }
        let seq = if flags & SEQ != 0 {
            reader.varint_u32()?
        } else {
            0
        };
        let sample = SampleRef {
            time,
            seq,
            value: &value,
            sum,
            update_time,
            quality,
            received_at,
            unit,
            protocol,
        };
        target.sample(id, historical, sample);
    }
    Ok(())
}

fn replay_samples(reader: &mut Reader<'_>, target: &mut impl Replay) -> Result<(), CodecError> {
    let protocol = reader.text()?;
    let received_at = reader.signed()?;
    let historical = reader.byte()? != 0;
    let count = reader.varint()?;
    let all_numbers = match reader.byte()? {
        ALL_NUMBERS => true,
        ANY_VALUES => false,
        _ => return Err(CodecError::Invalid("samples hold values of unknown kind")),
    };
    let (mut id, mut time) = (0_u64, received_at);
    target.begin_batch();
    for _ in 0..count {
        id = id.wrapping_add(reader.signed()? as u64);
        time = time.wrapping_add(reader.signed()?);
        let flags = if all_numbers { NUMBER } else { reader.byte()? };
        let value = take_value(reader, flags)?;
        let sample = SampleRef {
            time,
            seq: 0,
            value: &value,
            sum: None,
            update_time: None,
            quality: Quality::GOOD,
            received_at,
            unit: "",
            protocol,
        };
        target.sample(SeriesId(id), historical, sample);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::telemetry::model::Record;

    #[derive(Default)]
    struct Seen {
        records: Vec<(SeriesId, Record)>,
        defined: Vec<(SeriesId, SeriesKey)>,
        retained: Vec<(ChannelId, Timestamp)>,
    }

    impl Replay for Seen {
        fn define(&mut self, id: SeriesId, key: SeriesKey) {
            self.defined.push((id, key));
        }
        fn begin_batch(&mut self) {}
        fn sample(&mut self, id: SeriesId, _historical: bool, sample: SampleRef<'_>) {
            let record = Record {
                name: String::new(),
                unit: sample.unit.to_owned(),
                time: Timestamp(sample.time),
                seq: sample.seq,
                value: sample.value.clone(),
                sum: sample.sum,
                update_time: sample.update_time,
                quality: sample.quality,
            };
            self.records.push((id, record));
        }
        fn retain(&mut self, channel: ChannelId, before: Timestamp) {
            self.retained.push((channel, before));
        }
    }

    fn record() -> impl Strategy<Value = Record> {
        let value = prop_oneof![
            (-1e9_f64..1e9).prop_map(Value::Number),
            any::<bool>().prop_map(Value::Boolean),
            ".{0,5}".prop_map(Value::Text),
            prop::collection::vec(any::<u8>(), 0..5).prop_map(Value::Data),
        ];
        let number = || prop_oneof![Just(None), (-1e9_f64..1e9).prop_map(Some)];
        (
            value,
            number(),
            number(),
            any::<i64>(),
            0_u32..3,
            any::<u8>(),
            "[a-b]{0,1}",
        )
            .prop_map(
                |(value, sum, update_time, time, seq, quality, unit)| Record {
                    name: String::new(),
                    unit,
                    time: Timestamp(time),
                    seq,
                    value,
                    sum,
                    update_time,
                    quality: Quality(quality),
                },
            )
    }

    proptest! {
        #[test]
        fn entries_come_back_in_order(records in prop::collection::vec(record(), 0..30), before: i64) {
            let channel = ChannelId(Uuid::from_u128(1));
            let key = SeriesKey { channel, thing: ThingId(Uuid::from_u128(2)), subtopic: "a.b".to_owned(), name: "pressure".to_owned() };
            let batch = MessageBatch {
                channel, thing: key.thing, subtopic: Arc::from("a.b"), protocol: "mqtt",
                received_at: Timestamp(77), historical: false, records: records.clone(),
            };
            let mut bytes = Vec::new();
            put_definition(&mut bytes, SeriesId(9), &key);
            put_batch(&mut bytes, &batch, 77, (0..).map(SeriesId));
            put_retain(&mut bytes, channel, Timestamp(before));
            let mut seen = Seen::default();
            replay(&bytes, &mut seen).unwrap();
            let expected: Vec<_> = (0..).map(SeriesId).zip(records).collect();
            prop_assert_eq!(seen.records, expected);
            prop_assert_eq!(seen.defined, vec![(SeriesId(9), key)]);
            prop_assert_eq!(seen.retained, vec![(channel, Timestamp(before))]);
        }

        #[test]
        fn samples_come_back_in_order(
            samples in prop::collection::vec((any::<u64>(), any::<i64>(), record()), 0..30),
            numbers_only: bool,
        ) {
            let values: Vec<Value> = samples
                .iter()
                .enumerate()
                .map(|(index, (_, _, record))| match numbers_only {
                    true => Value::Number(index as f64 / 4.0),
                    false => record.value.clone(),
                })
                .collect();
            let mut batch = SampleBatch {
                protocol: "influx",
                received_at: Timestamp(77),
                historical: false,
                series: samples.iter().map(|(id, ..)| SeriesId(*id)).collect(),
                times: samples.iter().map(|(_, time, _)| Timestamp(*time)).collect(),
                values: SampleValues::Numbers(Vec::new()),
            };
            for value in &values {
                batch.values.push(value.clone());
            }
            let mut bytes = Vec::new();
            put_samples(&mut bytes, &batch, 77);
            let mut seen = Seen::default();
            replay(&bytes, &mut seen).unwrap();
            let found: Vec<_> = seen
                .records
                .into_iter()
                .map(|(id, record)| (id, record.time, record.value))
                .collect();
            let expected: Vec<_> = batch
                .series
                .iter()
                .zip(&batch.times)
                .zip(values)
                .map(|((id, time), value)| (*id, *time, value))
                .collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = replay(&bytes, &mut Seen::default());
        }
    }
}
