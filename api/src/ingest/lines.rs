//! Bodies of line protocol: one body, one append, whole or not at all.

use std::sync::Arc;

use hashbrown::HashMap;
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;
use tellee_projections::live::{KeptNames, KeptSamples};
use tellee_projections::telemetry::{
    MessageBatch, Quality, Record, SampleBatch, SampleValues, SeriesKey, Value,
};

use super::{ContentType, Forward, Handed, Ingest, IngestError, Publisher, senml_json};
use crate::line_protocol::{Lines, Precision, Reading, SeriesName, SeriesTable, read};

/// The protocol that such samples are kept under.
const PROTOCOL: &str = "influx";

impl Ingest {
    /// Takes a body of line protocol: its samples are those of `publisher` in `channel`. When this returns `Ok`, they are
    /// on disk. Answers how many there are.
    ///
    /// # Errors
    /// [`IngestError`]; nothing was kept unless it is [`IngestError::Store`] or [`IngestError::Unconfirmed`].
    pub async fn publish_lines(
        &self,
        publisher: Publisher,
        channel: ChannelId,
        precision: Precision,
        body: &[u8],
    ) -> Result<usize, IngestError> {
        self.authorise(publisher.thing, channel)?;
        let room = self.wait_for_forwarder(channel, body.len()).await?;
        let _admitted = self.admit(body.len()).await?;
        let table = self.known_lines.of(channel, publisher.thing);
        let now = self.clock.now();
        let reading = Reading {
            precision,
            now,
            limits: &self.limits.lines,
        };
        let mut lines = read(body, &table, reading)?;
        if lines.is_empty() {
            return Ok(0);
        }
        self.resolve(publisher, channel, &mut lines, &table).await?;
        let Lines {
            slots,
            series,
            times,
            values,
            ..
        } = lines;
        let samples = Arc::new(SampleBatch {
            protocol: PROTOCOL,
            received_at: now,
            historical: false,
            series,
            times,
            values,
        });
        let kept = Kept {
            table: &table,
            slots: &slots,
            samples: &samples,
        };
        let newest_allowed = now.saturating_add(self.limits.max_ahead);
        let handed = if samples.times.iter().any(|time| *time > newest_allowed) {
            self.keep_with_qualities(publisher, channel, &kept).await?
        } else {
            self.store.append_samples(Arc::clone(&samples)).await?;
            self.hand_on(publisher, channel, &kept)
        };
        drop(room);
        self.confirm(handed).await?;
        Ok(slots.len())
    }

    /// Columns carry no qualities. Samples some of which are from a clock that is ahead are kept as messages, in one
    /// append as well.
    async fn keep_with_qualities(
        &self,
        publisher: Publisher,
        channel: ChannelId,
        kept: &Kept<'_>,
    ) -> Result<Option<Handed>, IngestError> {
        let mut batches = kept.batches(publisher, channel, &self.limits.lines);
        let mut ahead = Vec::with_capacity(batches.len());
        for batch in &mut batches {
            ahead.push(Arc::make_mut(batch).mark_origin(self.limits.max_ahead));
        }
        self.store.append_all(batches.clone()).await?;
        for (batch, ahead) in batches.iter().zip(ahead) {
            self.publish_live(batch, ahead);
        }
        Ok(self.hand_on_raw(channel, &batches))
    }

    /// Tells subscribers of raw messages. What was handed on last says that all before it is safe too.
    fn hand_on_raw(&self, channel: ChannelId, batches: &[Arc<MessageBatch>]) -> Option<Handed> {
        let forwarder = self.forwarder.load();
        let forwarder = forwarder
            .as_ref()
            .filter(|forwarder| forwarder.wants(channel))?;
        let mut last = None;
        for batch in batches {
            let Some(payload) = senml_json(batch) else {
                continue;
            };
            let handed = forwarder.forward(&Forward {
                batch,
                content: ContentType::SenmlJson,
                payload: &payload,
            });
            last = handed.or(last);
        }
        last
    }

    async fn resolve(
        &self,
        publisher: Publisher,
        channel: ChannelId,
        lines: &mut Lines<'_>,
        table: &SeriesTable,
    ) -> Result<(), IngestError> {
        if lines.unknown.is_empty() {
            return Ok(());
        }
        let keys: Vec<SeriesKey> = lines
            .unknown
            .iter()
            .map(|unknown| SeriesKey {
                channel,
                thing: publisher.thing,
                subtopic: unknown.name.subtopic.clone(),
                name: unknown.name.name.clone(),
            })
            .collect();
        let ids = self.store.resolve(&keys).await?;
        lines.learn(table, &ids);
        self.known_lines.trim();
        Ok(())
    }

    /// Tells sinks, subscriptions and subscribers of raw messages, and makes batches for those that want them.
    fn hand_on(&self, publisher: Publisher, channel: ChannelId, kept: &Kept<'_>) -> Option<Handed> {
        let wanted = self
            .forwarder
            .load()
            .as_ref()
            .is_some_and(|forwarder| forwarder.wants(channel));
        let samples = KeptSamples {
            channel,
            thing: publisher.thing,
            protocol: PROTOCOL,
            received_at: kept.samples.received_at,
            historical: kept.samples.historical,
            records: kept.slots.len(),
            names: kept,
        };
        let batches = self.live.publish_samples(&samples, wanted, || {
            kept.batches(publisher, channel, &self.limits.lines)
        });
        self.hand_on_raw(channel, &batches?)
    }
}

/// Samples of one body that the store has kept, and where their names stand.
struct Kept<'a> {
    table: &'a SeriesTable,
    slots: &'a [u32],
    samples: &'a SampleBatch,
}

impl KeptNames for Kept<'_> {
    fn any(&self, wanted: &mut dyn FnMut(&str) -> bool) -> bool {
        self.table.any_name(self.slots, wanted)
    }
}

impl Kept<'_> {
    /// The samples as messages, one for each subtopic, in the order of their first samples. Of two samples of one series
    /// with one time the later is there alone, as in the store.
    fn batches(
        &self,
        publisher: Publisher,
        channel: ChannelId,
        limits: &crate::line_protocol::LineLimits,
    ) -> Vec<Arc<MessageBatch>> {
        let names = self.table.names(self.slots, limits);
        let mut newest: HashMap<(u32, Timestamp), usize> = HashMap::with_capacity(self.slots.len());
        for (at, (slot, time)) in self.slots.iter().zip(&self.samples.times).enumerate() {
            newest.insert((*slot, *time), at);
        }
        let mut batches: Vec<MessageBatch> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (at, (slot, time)) in self.slots.iter().zip(&self.samples.times).enumerate() {
            let Some(name) = names.get(at).and_then(Option::as_deref) else {
                continue;
            };
            if newest.get(&(*slot, *time)) != Some(&at) {
                continue;
            }
            let place = *places.entry(name.subtopic.as_str()).or_insert_with(|| {
                batches.push(MessageBatch {
                    channel,
                    thing: publisher.thing,
                    subtopic: Arc::from(name.subtopic.as_str()),
                    protocol: PROTOCOL,
                    received_at: self.samples.received_at,
                    historical: self.samples.historical,
                    records: Vec::new(),
                });
                batches.len() - 1
            });
            if let Some(value) = value_at(&self.samples.values, at) {
                batches[place].records.push(record(name, *time, value));
            }
        }
        batches.into_iter().map(Arc::new).collect()
    }
}

fn value_at(values: &SampleValues, at: usize) -> Option<Value> {
    match values {
        SampleValues::Numbers(numbers) => numbers.get(at).copied().map(Value::Number),
        SampleValues::Any(values) => values.get(at).cloned(),
    }
}

fn record(name: &SeriesName, time: Timestamp, value: Value) -> Record {
    Record {
        name: name.name.clone(),
        unit: String::new(),
        time,
        seq: 0,
        value,
        sum: None,
        update_time: None,
        quality: Quality::GOOD,
    }
}
