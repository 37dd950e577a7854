//! Group commit: log first, then memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashSet;
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::{Engine, Log};
use crate::telemetry::columns::SampleRef;
use crate::telemetry::log::{entry, frame};
use crate::telemetry::model::{MessageBatch, SeriesId, SeriesKey};
use crate::telemetry::store::TelemetryError;

/// Receive times are kept to the millisecond: finer ones are noise that would cost more than the samples.
const RECEIVED_PRECISION: i64 = 1_000_000;

const fn received_at(batch: &MessageBatch) -> i64 {
    let time = batch.received_at.0;
    time.saturating_sub(time.rem_euclid(RECEIVED_PRECISION))
}

const UNKNOWN: u32 = u32::MAX;

impl Engine {
    /// Keeps all of `batches`, or none. When it returns, they are durable and readers see them.
    pub fn commit<'a>(
        &self,
        batches: impl Iterator<Item = &'a Arc<MessageBatch>> + Clone,
    ) -> Result<(), TelemetryError> {
        let mut log = self.log.lock();
        let Log {
            writer,
            frame,
            places,
        } = &mut *log;
        self.resolve(batches.clone(), places)?;
        let new = self.encode(batches.clone(), places, frame);
        let before = writer.length();
        writer.append(frame)?;
        self.log_bytes
            .fetch_add(writer.length() - before, Ordering::Relaxed);

        let mut state = self.state.write();
        for place in new {
            state.mark_logged(place);
        }
        let mut places = places.iter();
        for batch in batches {
            state.begin_batch();
            let received_at = received_at(batch);
            for (record, place) in batch.records.iter().zip(&mut places) {
                let sample = SampleRef {
                    time: record.time.0,
                    seq: record.seq,
                    value: &record.value,
                    sum: record.sum,
                    update_time: record.update_time,
                    quality: record.quality,
                    received_at,
                    unit: &record.unit,
                    protocol: batch.protocol,
                };
                state.push(*place, batch.historical, sample);
            }
        }
        Ok(())
    }

    /// The place of the series of each record, in order. Unknown ones are interned.
    fn resolve<'a>(
        &self,
        batches: impl Iterator<Item = &'a Arc<MessageBatch>> + Clone,
        places: &mut Vec<u32>,
    ) -> Result<(), TelemetryError> {
        places.clear();
        let mut all_known = true;
        {
            let state = self.state.read();
            for batch in batches.clone() {
                let names = state.place_of(batch.channel, batch.thing, &batch.subtopic);
                for record in &batch.records {
                    let place = names
                        .and_then(|names| names.get(record.name.as_str()))
                        .copied();
                    all_known &= place.is_some();
                    places.push(place.unwrap_or(UNKNOWN));
                }
            }
        }
        if all_known {
            return Ok(());
        }
        let mut state = self.state.write();
        let mut slots = places.iter_mut();
        for batch in batches {
            for (record, slot) in batch.records.iter().zip(&mut slots) {
                if *slot != UNKNOWN {
                    continue;
                }
                let names = state.place_of(batch.channel, batch.thing, &batch.subtopic);
                if let Some(place) = names.and_then(|names| names.get(record.name.as_str())) {
                    *slot = *place;
                    continue;
                }
                if state.series_count() >= self.config.max_series {
                    let reason = format!(
                        "the store holds its limit of {} series",
                        self.config.max_series
                    );
                    return Err(TelemetryError::Invalid {
                        field: "name",
                        reason,
                    });
                }
                *slot = state.intern(SeriesKey {
                    channel: batch.channel,
                    thing: batch.thing,
                    subtopic: batch.subtopic.to_string(),
                    name: record.name.clone(),
                });
            }
        }
        Ok(())
    }

    /// Fills `frame`. Answers the series that it defines.
    fn encode<'a>(
        &self,
        batches: impl Iterator<Item = &'a Arc<MessageBatch>>,
        places: &[u32],
        frame: &mut Vec<u8>,
    ) -> Vec<u32> {
        frame.clear();
        frame.resize(frame::FRAME_HEADER, 0);
        let mut new = Vec::new();
        {
            let mut seen = HashSet::new();
            let state = self.state.read();
            for place in places {
                if let Some(series) = state.get(*place)
                    && !series.logged
                    && seen.insert(*place)
                {
                    entry::put_definition(frame, series.id, &series.key);
                    new.push(*place);
                }
            }
        }
        let mut rest = places;
        for batch in batches {
            let (own, others) = rest.split_at(batch.records.len().min(rest.len()));
            rest = others;
            let ids = own.iter().map(|place| SeriesId(u64::from(*place) + 1));
            entry::put_batch(frame, batch, received_at(batch), ids);
        }
        new
    }

    /// Drops the samples of `channel` before `before`, durably.
    pub fn retain(&self, channel: ChannelId, before: Timestamp) -> Result<(), TelemetryError> {
        let mut log = self.log.lock();
        let Log { writer, frame, .. } = &mut *log;
        frame.clear();
        frame.resize(frame::FRAME_HEADER, 0);
        entry::put_retain(frame, channel, before);
        writer.append(frame)?;
        self.state.write().retain(channel, before.0);
        self.files_may_be_empty.store(true, Ordering::Relaxed);
        Ok(())
    }
}
