//! The plainest store there is: rows in a sorted map. What it answers, the real ones must answer too.

use std::collections::BTreeMap;

use tellee_actors::ids::{ChannelId, ThingId};
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{
    MessageBatch, MessageQuery, Sample, SeriesKey, StoredMessage, TimeRange, Value, ValueFilter,
};
use uuid::Uuid;

pub fn channel(number: u8) -> ChannelId {
    ChannelId(Uuid::from_u128(0x1000 + u128::from(number)))
}

pub fn thing(number: u8) -> ThingId {
    ThingId(Uuid::from_u128(0x2000 + u128::from(number)))
}

type Identity = (i64, u32);

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    pub rows: BTreeMap<Identity, StoredMessage>,
    pub latest: Option<StoredMessage>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Oracle {
    pub series: BTreeMap<SeriesKey, Rows>,
}

impl Oracle {
    pub fn append(&mut self, batch: &MessageBatch) {
        // A historical batch sets the latest value only where there was none before it.
        let had_latest: Vec<SeriesKey> = self
            .series
            .iter()
            .filter(|(_, rows)| rows.latest.is_some())
            .map(|(key, _)| key.clone())
            .collect();
        for record in &batch.records {
            let key = SeriesKey {
                channel: batch.channel,
                thing: batch.thing,
                subtopic: batch.subtopic.to_string(),
                name: record.name.clone(),
            };
            let received = batch.received_at.0;
            let message = StoredMessage {
                key: key.clone(),
                unit: record.unit.clone(),
                protocol: batch.protocol.to_owned(),
                sample: Sample {
                    time: record.time,
                    seq: record.seq,
                    value: record.value.clone(),
                    sum: record.sum,
                    update_time: record.update_time,
                    quality: record.quality,
                    received_at: Timestamp(received - received.rem_euclid(1_000_000)),
                },
            };
            let may_move = !batch.historical || !had_latest.contains(&key);
            let rows = self.series.entry(key).or_default();
            let identity = (record.time.0, record.seq);
            let moves = match &rows.latest {
                _ if record.quality.is_ahead() => false,
                None => true,
                Some(latest) => {
                    let known = (latest.sample.time.0, latest.sample.seq);
                    identity == known || (may_move && identity > known)
                }
            };
            if moves {
                rows.latest = Some(message.clone());
            }
            rows.rows.insert(identity, message);
        }
    }

    pub fn retain(&mut self, channel: ChannelId, before: Timestamp) -> u64 {
        let mut dropped = 0;
        for (key, rows) in &mut self.series {
            if key.channel != channel {
                continue;
            }
            let count = rows.rows.len();
            rows.rows.retain(|(time, _), _| *time >= before.0);
            dropped += count - rows.rows.len();
            if rows
                .latest
                .as_ref()
                .is_some_and(|latest| latest.sample.time < before)
            {
                rows.latest = None;
            }
        }
        dropped as u64
    }

    pub fn range(&self, key: &SeriesKey, range: TimeRange) -> Vec<Sample> {
        self.series[key]
            .rows
            .values()
            .filter(|message| range.contains(message.sample.time))
            .map(|message| message.sample.clone())
            .collect()
    }

    pub fn messages(&self, query: &MessageQuery) -> (Vec<StoredMessage>, u64) {
        let mut found: Vec<&StoredMessage> = self
            .series
            .values()
            .flat_map(|rows| rows.rows.values())
            .filter(|message| {
                message.key.channel == query.channel && query.range.contains(message.sample.time)
            })
            .filter(|message| {
                query
                    .subtopic
                    .as_ref()
                    .is_none_or(|wanted| *wanted == message.key.subtopic)
            })
            .filter(|message| {
                query
                    .publisher
                    .is_none_or(|wanted| wanted == message.key.thing)
            })
            .filter(|message| {
                query
                    .protocol
                    .as_ref()
                    .is_none_or(|wanted| *wanted == message.protocol)
            })
            .filter(|message| {
                query
                    .name
                    .as_ref()
                    .is_none_or(|wanted| *wanted == message.key.name)
            })
            .filter(|message| {
                query
                    .value
                    .as_ref()
                    .is_none_or(|filter| matches(filter, &message.sample.value))
            })
            .collect();
        found.sort_by(|left, right| {
            let newest_first = right.sample.time.cmp(&left.sample.time);
            newest_first
                .then_with(|| left.key.cmp(&right.key))
                .then_with(|| right.sample.seq.cmp(&left.sample.seq))
        });
        let total = found.len() as u64;
        let page = found
            .into_iter()
            .skip(query.offset as usize)
            .take(query.limit as usize)
            .cloned()
            .collect();
        (page, total)
    }
}

fn matches(filter: &ValueFilter, value: &Value) -> bool {
    match (filter, value) {
        (ValueFilter::Equal(wanted), Value::Number(number)) => number == wanted,
        (ValueFilter::Less(wanted), Value::Number(number)) => number < wanted,
        (ValueFilter::LessOrEqual(wanted), Value::Number(number)) => number <= wanted,
        (ValueFilter::Greater(wanted), Value::Number(number)) => number > wanted,
        (ValueFilter::GreaterOrEqual(wanted), Value::Number(number)) => number >= wanted,
        (ValueFilter::Text(wanted), Value::Text(text)) => text == wanted,
        (ValueFilter::Boolean(wanted), Value::Boolean(boolean)) => boolean == wanted,
        (ValueFilter::Data(wanted), Value::Data(data)) => data == wanted,
        _ => false,
    }
}
