//! Batches and operations that meet often: few series, few times, tiny blocks.

use std::sync::Arc;

use proptest::prelude::*;
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{
    Engine, MessageBatch, Quality, Record, SampleBatch, SampleValues, SeriesKey, TelemetryConfig,
    Value,
};

use super::oracle::{channel, thing};

const SECOND: i64 = 1_000_000_000;

#[derive(Debug, Clone)]
pub enum Step {
    Append(Arc<MessageBatch>),
    /// The same way in as [`Step::Append`] for the oracle; its series are resolved first.
    Samples(Arc<MessageBatch>),
    Flush,
    Compact,
    Reopen,
    Backup,
    Retain(ChannelId, Timestamp),
}

/// Small enough that blocks seal and merge within a few steps.
pub fn config() -> TelemetryConfig {
    TelemetryConfig {
        block_samples: 4,
        compacted_block_samples: 8,
        summed_samples: 3,
        log_allocation_bytes: 700,
        ..TelemetryConfig::default()
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => (-8_i32..8).prop_map(|number| Value::Number(f64::from(number) / 2.0)),
        1 => (-1e12_f64..1e12).prop_map(Value::Number),
        1 => any::<bool>().prop_map(Value::Boolean),
        1 => prop_oneof![Just("on"), Just("off"), Just("")].prop_map(|text| Value::Text(text.to_owned())),
        1 => prop::collection::vec(any::<u8>(), 0..3).prop_map(Value::Data),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let number = || prop_oneof![6 => Just(None), 1 => (-9_i32..9).prop_map(|number| Some(f64::from(number)))];
    (
        prop_oneof![4 => Just("n0"), 1 => Just("n1")],
        prop_oneof![4 => Just(""), 1 => Just("bar")],
        0_i64..40,
        prop_oneof![5 => Just(0_u32), 1 => Just(1), 1 => Just(2)],
        value(),
        number(),
        number(),
        prop_oneof![
            5 => Just(Quality::GOOD),
            1 => Just(Quality::BAD),
            1 => Just(Quality::UNCERTAIN),
            1 => Just(Quality::GOOD.historical()),
            1 => Just(Quality::GOOD.ahead()),
        ],
    )
        .prop_map(
            |(name, unit, time, seq, value, sum, update_time, quality)| Record {
                name: name.to_owned(),
                unit: unit.to_owned(),
                time: Timestamp(time * SECOND),
                seq,
                value,
                sum,
                update_time,
                quality,
            },
        )
}

pub fn batch() -> impl Strategy<Value = Arc<MessageBatch>> {
    (
        0_u8..2,
        0_u8..2,
        prop_oneof![3 => Just(""), 1 => Just("a.b")],
        prop_oneof![3 => Just("mqtt"), 1 => Just("http"), 1 => Just("opcua")],
        0_i64..100,
        prop_oneof![4 => Just(false), 1 => Just(true)],
        prop::collection::vec(record(), 1..8),
    )
        .prop_map(
            |(to, from, subtopic, protocol, received, historical, records)| {
                Arc::new(MessageBatch {
                    channel: channel(to),
                    thing: thing(from),
                    subtopic: Arc::from(subtopic),
                    protocol,
                    received_at: Timestamp(received * 777_777_777),
                    historical,
                    records,
                })
            },
        )
}

/// A message that could have come as samples alone.
fn plain_batch() -> impl Strategy<Value = Arc<MessageBatch>> {
    batch().prop_map(|batch| {
        let mut batch = MessageBatch::clone(&batch);
        for record in &mut batch.records {
            *record = Record {
                unit: String::new(),
                seq: 0,
                sum: None,
                update_time: None,
                quality: Quality::GOOD,
                ..record.clone()
            };
        }
        Arc::new(batch)
    })
}

/// `batch` as samples of series that `engine` has resolved.
pub fn samples_of(engine: &Engine, batch: &MessageBatch) -> Arc<SampleBatch> {
    let keys: Vec<SeriesKey> = batch
        .records
        .iter()
        .map(|record| SeriesKey {
            channel: batch.channel,
            thing: batch.thing,
            subtopic: batch.subtopic.to_string(),
            name: record.name.clone(),
        })
        .collect();
    let mut values = SampleValues::Numbers(Vec::new());
    for record in &batch.records {
        values.push(record.value.clone());
    }
    Arc::new(SampleBatch {
        protocol: batch.protocol,
        received_at: batch.received_at,
        historical: batch.historical,
        series: engine.resolve(&keys).unwrap(),
        times: batch.records.iter().map(|record| record.time).collect(),
        values,
    })
}

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => batch().prop_map(Step::Append),
        4 => plain_batch().prop_map(Step::Samples),
        2 => Just(Step::Flush),
        2 => Just(Step::Compact),
        1 => Just(Step::Reopen),
        1 => Just(Step::Backup),
        1 => (0_u8..2, 0_i64..30).prop_map(|(number, before)| Step::Retain(channel(number), Timestamp(before * SECOND))),
    ]
}
