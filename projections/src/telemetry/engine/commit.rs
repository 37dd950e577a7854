//! Group commit: log first, then memory.

use std::sync::atomic::Ordering;

use hashbrown::HashSet;
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::{Commits, Engine};
use crate::telemetry::columns::SampleRef;
use crate::telemetry::log::{entry, frame};
use crate::telemetry::model::{MessageBatch, Quality, SeriesId, SeriesKey, Value};
use crate::telemetry::samples::{Incoming, SampleBatch, SampleValues};
use crate::telemetry::state::{PlainSample, State};
use crate::telemetry::store::TelemetryError;

/// Receive times are kept to the millisecond: finer ones are noise that would cost more than the samples.
const RECEIVED_PRECISION: i64 = 1_000_000;

const fn received_at(time: Timestamp) -> i64 {
    time.0.saturating_sub(time.0.rem_euclid(RECEIVED_PRECISION))
}

const UNKNOWN: u32 = u32::MAX;
/// Series that are made without letting anybody else at the state.
const RESOLVED_AT_ONCE: usize = 1024;

impl Engine {
    /// Keeps all of `batches`, or none. When it returns, they are durable and readers see them.
    pub fn commit<'a>(
        &self,
        batches: impl Iterator<Item = impl Into<Incoming<'a>>> + Clone,
    ) -> Result<(), TelemetryError> {
        let batches = batches.map(Into::into);
        let mut commits = self.commits.lock();
        let Commits { log, frame, places } = &mut *commits;
        self.place(batches.clone(), places)?;
        let new = self.encode(batches.clone(), places, frame)?;
        let bytes = log.append(frame)?;
        self.log_bytes.fetch_add(bytes, Ordering::Relaxed);

        let mut state = self.state.write();
        for place in new {
            state.mark_logged(place);
        }
        let mut rest = places.as_slice();
        for batch in batches {
            let (own, others) = rest.split_at(batch.len().min(rest.len()));
            rest = others;
            state.begin_batch();
            match batch {
                Incoming::Messages(batch) => push_messages(&mut state, batch, own),
                Incoming::Samples(batch) => push_samples(&mut state, batch, own),
            }
        }
        Ok(())
    }

    /// The ids of `keys`, in their order. Unknown series are made; they become durable with their first sample.
    pub fn resolve(&self, keys: &[SeriesKey]) -> Result<Vec<SeriesId>, TelemetryError> {
        let id = |place: u32| SeriesId(u64::from(place) + 1);
        let known: Option<Vec<SeriesId>> = {
            let state = self.state.read();
            keys.iter()
                .map(|key| Some(id(state.place_of_key(key)?)))
                .collect()
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let mut ids = Vec::with_capacity(keys.len());
        // Commits and readers get their turn between the chunks.
        for chunk in keys.chunks(RESOLVED_AT_ONCE) {
            let mut state = self.state.write();
            for key in chunk {
                let place = match state.place_of_key(key) {
                    Some(place) => place,
                    None => self.intern(&mut state, key.clone())?,
                };
                ids.push(id(place));
            }
        }
        Ok(ids)
    }

    fn intern(&self, state: &mut State, key: SeriesKey) -> Result<u32, TelemetryError> {
        if state.series_count() < self.config.max_series {
            return Ok(state.intern(key));
        }
        let reason = format!(
            "the store holds its limit of {} series",
            self.config.max_series
        );
        Err(TelemetryError::Invalid {
            field: "name",
            reason,
        })
    }

    /// The place of the series of each sample, in order. Unknown series of messages are interned.
    fn place<'a>(
        &self,
        batches: impl Iterator<Item = Incoming<'a>> + Clone,
        places: &mut Vec<u32>,
    ) -> Result<(), TelemetryError> {
        places.clear();
        let mut all_known = true;
        {
            let state = self.state.read();
            for batch in batches.clone() {
                match batch {
                    Incoming::Samples(batch) => place_samples(&state, batch, places)?,
                    Incoming::Messages(batch) => {
                        let source = state.source(batch.channel, batch.thing, &batch.subtopic);
                        for record in &batch.records {
                            let place = state.place_of(&source, &record.name);
                            all_known &= place.is_some();
                            places.push(place.unwrap_or(UNKNOWN));
                        }
                    }
                }
            }
        }
        if all_known {
            return Ok(());
        }
        let mut state = self.state.write();
        let mut rest = places.as_mut_slice();
        for batch in batches {
            let (own, others) = rest.split_at_mut(batch.len().min(rest.len()));
            rest = others;
            let Incoming::Messages(batch) = batch else {
                continue;
            };
            for (record, slot) in batch.records.iter().zip(own) {
                if *slot != UNKNOWN {
                    continue;
                }
                let source = state.source(batch.channel, batch.thing, &batch.subtopic);
                if let Some(place) = state.place_of(&source, &record.name) {
                    *slot = place;
                    continue;
                }
                let key = SeriesKey {
                    channel: batch.channel,
                    thing: batch.thing,
                    subtopic: batch.subtopic.to_string(),
                    name: record.name.clone(),
                };
                *slot = self.intern(&mut state, key)?;
            }
        }
        Ok(())
    }

    /// Fills `frame`. Answers the series that it defines.
    fn encode<'a>(
        &self,
        batches: impl Iterator<Item = Incoming<'a>>,
        places: &[u32],
        frame: &mut Vec<u8>,
    ) -> Result<Vec<u32>, TelemetryError> {
        frame.clear();
        frame.resize(frame::FRAME_HEADER, 0);
        let mut new = Vec::new();
        {
            let mut seen = HashSet::new();
            let state = self.state.read();
            for place in places {
                if !state.is_logged(*place)
                    && let Some(series) = state.get(*place)
                    && seen.insert(*place)
                {
                    entry::put_definition(frame, series.id, &series.key);
                    new.push(*place);
                }
            }
        }
        let mut rest = places;
        for batch in batches {
            let (own, others) = rest.split_at(batch.len().min(rest.len()));
            rest = others;
            let received_at = received_at(batch.received_at());
            match batch {
                Incoming::Messages(batch) => {
                    let ids = own.iter().map(|place| SeriesId(u64::from(*place) + 1));
                    entry::put_batch(frame, batch, received_at, ids);
                }
                Incoming::Samples(batch) => entry::put_samples(frame, batch, received_at),
            }
        }
        // The weights of batches hold no definitions of series that were resolved before.
        if frame.len() - frame::FRAME_HEADER > frame::MAX_PAYLOAD {
            return Err(TelemetryError::Invalid {
                field: "series",
                reason: format!(
                    "a batch with its new series takes more than {} bytes",
                    frame::MAX_PAYLOAD
                ),
            });
        }
        Ok(new)
    }

    /// Drops the samples of `channel` before `before`, durably.
    pub fn retain(&self, channel: ChannelId, before: Timestamp) -> Result<(), TelemetryError> {
        let mut commits = self.commits.lock();
        let Commits { log, frame, .. } = &mut *commits;
        frame.clear();
        frame.resize(frame::FRAME_HEADER, 0);
        entry::put_retain(frame, channel, before);
        let bytes = log.append(frame)?;
        self.log_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.state.write().retain(channel, before.0);
        self.sets_may_be_empty.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn place_samples(
    state: &State,
    batch: &SampleBatch,
    places: &mut Vec<u32>,
) -> Result<(), TelemetryError> {
    places.reserve(batch.len());
    for id in &batch.series {
        let place = u32::try_from(id.0.wrapping_sub(1)).ok();
        let known = place.filter(|place| state.is_known(*place));
        places.push(known.ok_or(TelemetryError::UnknownSeries(*id))?);
    }
    Ok(())
}

fn push_messages(state: &mut State, batch: &MessageBatch, places: &[u32]) {
    let received_at = received_at(batch.received_at);
    for (record, place) in batch.records.iter().zip(places) {
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

fn push_samples(state: &mut State, batch: &SampleBatch, places: &[u32]) {
    let received_at = received_at(batch.received_at);
    let samples = places.iter().zip(&batch.times);
    if let SampleValues::Numbers(numbers) = &batch.values
        && let Some(origin) = state.origin("", batch.protocol)
    {
        for ((place, time), number) in samples.zip(numbers) {
            let sample = PlainSample {
                time: time.0,
                number: *number,
                received_at,
            };
            state.push_plain(*place, batch.historical, origin, sample);
        }
        return;
    }
    let mut push = |place: u32, time: &Timestamp, value: &Value| {
        let sample = SampleRef {
            time: time.0,
            seq: 0,
            value,
            sum: None,
            update_time: None,
            quality: Quality::GOOD,
            received_at,
            unit: "",
            protocol: batch.protocol,
        };
        state.push(place, batch.historical, sample);
    };
    match &batch.values {
        SampleValues::Numbers(numbers) => {
            for ((place, time), number) in samples.zip(numbers) {
                push(*place, time, &Value::Number(*number));
            }
        }
        SampleValues::Any(values) => {
            for ((place, time), value) in samples.zip(values) {
                push(*place, time, value);
            }
        }
    }
}
