//! Retention: samples go, and where a channel keeps its rollups for longer, what they come to stays.

mod merge;
mod set;

use std::sync::atomic::Ordering;

use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use self::set::KeptSet;
use super::{Engine, Maintenance};
use crate::telemetry::blocks::Piece;
use crate::telemetry::catalog::Entry;
use crate::telemetry::kept::{Chunks, KeptRollups, sum_up};
use crate::telemetry::manifest::{Floor, Tombstone};
use crate::telemetry::model::{SeriesId, TimeRange};
use crate::telemetry::rollup::Level;
use crate::telemetry::state::{Part, View};
use crate::telemetry::store::{Retained, Retention, TelemetryError};

/// Samples that one step sums up, about. Flushes and compactions wait for a step.
const STEP_SAMPLES: u64 = 16_000_000;

/// What retention changes at once, in the manifest and in memory.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    pub tombstones: Vec<Tombstone>,
    pub floors: Vec<Floor>,
    /// Series whose newest sample goes.
    pub without_newest: Vec<SeriesId>,
}

/// One series whose samples go.
struct Leaving {
    id: SeriesId,
    view: View,
    kept: KeptRollups,
}

/// Rows are dropped and kept as a whole.
fn whole_hour(time: Timestamp) -> Timestamp {
    Level::Hour
        .start_of(time.0)
        .map_or(Timestamp::MIN, Timestamp)
}

impl Engine {
    /// Channels that have series, also those whose samples are gone.
    pub fn channels(&self) -> Vec<ChannelId> {
        self.state.read().channels().collect()
    }

    /// The latest receipt among the newest samples of all series.
    pub fn newest_receipt(&self) -> Option<Timestamp> {
        let state = self.state.read();
        let newest = state.all().filter_map(|(place, _)| state.latest(place));
        newest.map(|latest| latest.sample.received_at).max()
    }

    /// Drops samples, and rollups that outlived theirs, both up to a whole hour. What the dropped samples come to stays
    /// where the rollups of the channel are kept for longer: a crash leaves either the samples or their rollups. Does a
    /// bounded step of it and says whether more is left.
    pub fn retain_all(&self, all: &[Retention]) -> Result<Retained, TelemetryError> {
        let mut retained = Retained::default();
        let mut due: Vec<Retention> = Vec::new();
        for asked in all {
            if retained.samples >= STEP_SAMPLES {
                retained.more = true;
                break;
            }
            let samples_before = whole_hour(asked.samples_before);
            let rollups_before = whole_hour(asked.rollups_before).min(samples_before);
            let (samples, cut) =
                self.samples_of_a_step(asked.channel, samples_before, STEP_SAMPLES)?;
            retained.more |= cut < samples_before;
            let rows_go = {
                let state = self.state.read();
                state.keeps_rows_before(asked.channel, rollups_before.0)
            };
            if samples > 0 || rows_go {
                retained.samples += samples;
                due.push(Retention {
                    channel: asked.channel,
                    samples_before: cut,
                    rollups_before: rollups_before.min(cut),
                });
            }
        }
        if due.is_empty() {
            return Ok(retained);
        }
        let mut maintenance = self.maintenance.lock();
        self.flush_all(&mut maintenance)?;
        let number = maintenance.take_number();
        let done = self.drop_and_keep(&mut maintenance, &due, number, &mut retained);
        if done.is_err() && !maintenance.manifest_in_doubt {
            self.remove(Piece::Set(number));
        }
        done?;
        self.late_dropped
            .fetch_add(retained.late, Ordering::Relaxed);
        self.sets_may_be_empty.store(true, Ordering::Relaxed);
        Ok(retained)
    }

    /// How many samples of `channel` lie before `before`, or before an earlier hour if those are more than `most`; and
    /// that hour. At least one hour of samples is taken.
    fn samples_of_a_step(
        &self,
        channel: ChannelId,
        before: Timestamp,
        most: u64,
    ) -> Result<(u64, Timestamp), TelemetryError> {
        let hour = Level::Hour.width();
        let mut samples = self.count_before(channel, before)?;
        if samples <= most {
            return Ok((samples, before));
        }
        // Samples of more than thirty years earlier go with the first step.
        let (mut low, mut high) = (before.0.saturating_sub(hour << 18), before.0);
        while high.saturating_sub(low) > hour {
            let middle = whole_hour(Timestamp(low + (high - low) / 2));
            let count = self.count_before(channel, middle)?;
            if count > most {
                (high, samples) = (middle.0, count);
            } else {
                low = middle.0;
            }
            if count > most / 2 && count <= most {
                return Ok((count, middle));
            }
        }
        Ok((samples, Timestamp(high)))
    }

    /// Writes all that was in memory when this was called, also what an earlier flush that failed has left.
    pub(super) fn flush_all(&self, maintenance: &mut Maintenance) -> Result<(), TelemetryError> {
        if self.state.read().frozen.is_some() {
            self.flush_with(maintenance)?;
        }
        self.flush_with(maintenance).map(drop)
    }

    fn drop_and_keep(
        &self,
        maintenance: &mut Maintenance,
        due: &[Retention],
        number: u64,
        retained: &mut Retained,
    ) -> Result<(), TelemetryError> {
        let mut dropped = self.dropped(due);
        let mut set = KeptSet::new(self, number);
        for (id, asked) in self.series_of(due) {
            if asked.rollups_before < asked.samples_before
                && let Some(leaving) = self.leaving(id, &asked)
            {
                keep(&leaving, &asked, &mut set, retained)?;
            }
        }
        let entry = set.entry;
        let written = set.finish()?;

        dropped.without_newest = self.newest_before(due);
        let forget = |id: &SeriesId| Entry::State {
            id: *id,
            latest: None,
        };
        let forgotten: Vec<Entry> = dropped.without_newest.iter().map(forget).collect();
        let mut manifest = maintenance.manifest.clone();
        manifest.kept.extend(written.is_some().then_some(entry));
        if !forgotten.is_empty() {
            manifest.catalog = self.write_catalog(maintenance, &[], &forgotten)?;
        }
        self.install_with_catalog(maintenance, manifest, &dropped)?;
        let mut state = self.state.write();
        state.kept.replace(&[], written.map(|(set, _)| set));
        state.forget(&dropped.tombstones, &dropped.floors);
        state.forget_newest(&dropped.without_newest, &dropped.tombstones);
        Ok(())
    }

    fn dropped(&self, due: &[Retention]) -> Dropped {
        let state = self.state.read();
        // Not beyond what lies in sets now: samples that come while this runs stay, and are late the next time.
        let order = state.next_order.saturating_sub(1);
        let tombstone = |asked: &Retention| Tombstone {
            channel: asked.channel,
            before: asked.samples_before.0,
            order,
        };
        let floor = |asked: &Retention| Floor {
            channel: asked.channel,
            before: asked.rollups_before.0,
        };
        let has_floor = |asked: &&Retention| {
            asked.rollups_before > Timestamp::MIN
                && (!state.kept.sets.is_empty() || asked.rollups_before < asked.samples_before)
        };
        Dropped {
            tombstones: due.iter().map(tombstone).collect(),
            floors: due.iter().filter(has_floor).map(floor).collect(),
            without_newest: Vec::new(),
        }
    }

    /// The series of all channels of `due`, in order of their numbers.
    fn series_of(&self, due: &[Retention]) -> Vec<(SeriesId, Retention)> {
        let state = self.state.read();
        let mut all: Vec<(SeriesId, Retention)> = Vec::new();
        for asked in due {
            let places = state.of_channel(asked.channel).iter();
            all.extend(places.map(|place| (SeriesId(u64::from(*place) + 1), *asked)));
        }
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// What the series `id` loses, if anything.
    fn leaving(&self, id: SeriesId, asked: &Retention) -> Option<Leaving> {
        let state = self.state.read();
        let (place, series) = state.by_id(id)?;
        let range = TimeRange {
            from: Timestamp::MIN,
            to: asked.samples_before,
        };
        let mut view = state.view(place, range);
        view.retain(|part| matches!(part.part, Part::Sealed { .. }));
        let kept = state.kept_of(id, series.key.channel);
        (!view.is_empty()).then_some(Leaving { id, view, kept })
    }

    fn newest_before(&self, due: &[Retention]) -> Vec<SeriesId> {
        let state = self.state.read();
        let mut ids = Vec::new();
        for asked in due {
            let goes = |place: &&u32| state.newest_lies_before(**place, asked.samples_before.0);
            let places = state.of_channel(asked.channel).iter().filter(goes);
            ids.extend(places.map(|place| SeriesId(u64::from(*place) + 1)));
        }
        ids
    }
}

/// Writes what the samples of one series come to, from the time on from which its rollups are kept.
fn keep(
    leaving: &Leaving,
    asked: &Retention,
    set: &mut KeptSet<'_>,
    retained: &mut Retained,
) -> Result<(), TelemetryError> {
    let Leaving { id, view, kept } = leaving;
    let mut minutes = Chunks::new(*id, Level::Minute);
    let mut hours = Chunks::new(*id, Level::Hour);
    let before = asked.samples_before.0;
    sum_up(view, before, kept, &mut |mut summed| {
        for rows in [&mut summed.minutes, &mut summed.hours] {
            rows.retain(|row| row.start >= asked.rollups_before.0);
            retained.rows += rows.len() as u64;
        }
        retained.late += summed.late;
        minutes.add(&summed.minutes, set)?;
        hours.add(&summed.hours, set)
    })?;
    minutes.finish(set)?;
    hours.finish(set)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tellee_actors::ids::ThingId;
    use uuid::Uuid;

    use super::*;
    use crate::telemetry::{Memory, MessageBatch, Quality, Record, TelemetryConfig, Value};

    const HOUR: i64 = Level::Hour.width();
    const CHANNEL: ChannelId = ChannelId(Uuid::from_u128(1));

    /// Ten samples in each of `hours` hours.
    fn engine(hours: i64) -> Engine {
        let engine = Engine::open_in(&Memory::default(), TelemetryConfig::default()).unwrap();
        let record = |index: i64| Record {
            name: "p".to_owned(),
            unit: String::new(),
            time: Timestamp(index * HOUR / 10),
            seq: 0,
            value: Value::Number(index as f64),
            sum: None,
            update_time: None,
            quality: Quality::GOOD,
        };
        let batch = MessageBatch {
            channel: CHANNEL,
            thing: ThingId(Uuid::from_u128(2)),
            subtopic: Arc::from(""),
            protocol: "mqtt",
            received_at: Timestamp(0),
            historical: false,
            records: (0..hours * 10).map(record).collect(),
        };
        engine.commit([&Arc::new(batch)].into_iter()).unwrap();
        engine
    }

    #[test]
    fn a_step_ends_at_an_hour_and_takes_no_more_than_it_may_unless_that_hour_has_more() {
        let engine = engine(40);
        let end = Timestamp(40 * HOUR);
        let step = |most| engine.samples_of_a_step(CHANNEL, end, most).unwrap();
        assert_eq!(step(400), (400, end));
        let (samples, cut) = step(100);
        assert!((50..=100).contains(&samples), "{samples}");
        assert_eq!(cut.0 % HOUR, 0);
        assert_eq!(engine.count_before(CHANNEL, cut).unwrap(), samples);
        assert_eq!(step(3), (10, Timestamp(HOUR)));
    }
}
