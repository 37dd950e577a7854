//! Questions to the store. Each takes its view under the lock and looks at samples without it.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::Engine;
use crate::telemetry::codec::block::Depth;
use crate::telemetry::codec::rollup::Detail;
use crate::telemetry::damage::{Damage, Hit};
use crate::telemetry::kept::KeptRollups;
use crate::telemetry::merge::load_part;
use crate::telemetry::model::{
    AggregateFunction, Aggregates, MessageQuery, Points, Sample, SeriesFilter, SeriesId,
    SeriesInfo, SeriesKey, StoredMessage, TimeRange,
};
use crate::telemetry::query;
use crate::telemetry::query::aggregate::{Question, Reads};
use crate::telemetry::state::{Part, Series, State, View};
use crate::telemetry::store::TelemetryError;

/// No answer of [`Engine::range`] is longer.
const MAX_SAMPLES: usize = 10_000_000;

/// Looking at so many series takes less than another thread would to wake.
const FEW_SERIES: usize = 500;

/// As are the aggregates of so many series, if they come from memory.
const FEW_AGGREGATES: usize = 8;

fn matches(filter: &SeriesFilter, name_part: Option<&str>, key: &SeriesKey) -> bool {
    filter
        .channels
        .as_ref()
        .is_none_or(|channels| channels.contains(&key.channel))
        && filter.thing.is_none_or(|thing| thing == key.thing)
        && filter
            .subtopic
            .as_ref()
            .is_none_or(|subtopic| *subtopic == key.subtopic)
        && filter.name.as_ref().is_none_or(|name| *name == key.name)
        && name_part.is_none_or(|part| key.name.to_lowercase().contains(part))
}

/// The series that match, each once, with their places.
fn matching<'a>(state: &'a State, filter: &SeriesFilter) -> Vec<(&'a SeriesKey, u32)> {
    let name_part = filter
        .name_contains
        .as_ref()
        .map(|part| part.to_lowercase());
    let wanted =
        |series: &Series| series.is_visible() && matches(filter, name_part.as_deref(), &series.key);
    let mut places: Vec<(&SeriesKey, u32)> = Vec::new();
    if let Some(channels) = &filter.channels {
        let mut channels = channels.clone();
        channels.sort_unstable();
        channels.dedup();
        for place in channels
            .iter()
            .flat_map(|channel| state.of_channel(*channel))
        {
            if let Some(series) = state.get(*place)
                && wanted(series)
            {
                places.push((&series.key, *place));
            }
        }
    } else {
        places.extend(
            state
                .all()
                .filter(|(_, series)| wanted(series))
                .map(|(place, series)| (&*series.key, place)),
        );
    }
    places
}

/// Those of `places` that are at `from` to before `to` in the order of their keys. The others are not sorted.
fn page(mut places: Vec<(&SeriesKey, u32)>, from: usize, to: usize) -> Vec<(&SeriesKey, u32)> {
    if to < places.len() {
        places.select_nth_unstable(to);
        places.truncate(to);
    }
    places.sort_unstable();
    places.drain(..from.min(places.len()));
    places
}

fn info(state: &State, place: u32, series: &Series) -> SeriesInfo {
    let latest = state.latest(place);
    SeriesInfo {
        id: series.id,
        key: SeriesKey::clone(&series.key),
        unit: latest
            .as_ref()
            .map(|latest| latest.unit.to_string())
            .unwrap_or_default(),
        protocol: latest
            .as_ref()
            .map(|latest| latest.protocol.to_string())
            .unwrap_or_default(),
        latest: latest.map(|latest| latest.sample),
    }
}

impl Engine {
    pub(in crate::telemetry) fn view(
        &self,
        id: SeriesId,
        range: TimeRange,
    ) -> Result<View, TelemetryError> {
        let state = self.state.read();
        let (place, _) = state.by_id(id).ok_or(TelemetryError::UnknownSeries(id))?;
        Ok(state.view(place, range))
    }

    /// The samples of a series, and the rollups that outlived their samples, as of one moment.
    fn view_and_kept(
        &self,
        id: SeriesId,
        range: TimeRange,
    ) -> Result<(View, KeptRollups), TelemetryError> {
        let state = self.state.read();
        let (place, series) = state.by_id(id).ok_or(TelemetryError::UnknownSeries(id))?;
        let kept = state.kept_of(id, series.key.channel);
        Ok((state.view(place, range), kept))
    }

    /// The rollups of a series that outlived their samples.
    pub(in crate::telemetry) fn kept_rollups(
        &self,
        id: SeriesId,
    ) -> Result<KeptRollups, TelemetryError> {
        let state = self.state.read();
        let (_, series) = state.by_id(id).ok_or(TelemetryError::UnknownSeries(id))?;
        Ok(state.kept_of(id, series.key.channel))
    }

    /// The series that match, in the order of their keys.
    pub fn keys(&self, filter: &SeriesFilter) -> Vec<(SeriesId, Arc<SeriesKey>)> {
        let state = self.state.read();
        let places = page(matching(&state, filter), 0, usize::MAX);
        places
            .into_iter()
            .filter_map(|(_, place)| {
                state
                    .get(place)
                    .map(|series| (series.id, Arc::clone(&series.key)))
            })
            .collect()
    }

    pub fn series(
        &self,
        filter: &SeriesFilter,
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<SeriesInfo>, usize), TelemetryError> {
        let state = self.state.read();
        let places = matching(&state, filter);
        let total = places.len();
        let infos = page(places, offset, offset.saturating_add(limit))
            .into_iter()
            .filter_map(|(_, place)| Some(info(&state, place, state.get(place)?)))
            .collect();
        Ok((infos, total))
    }

    /// Whether [`Self::series`] looks at so few series that it is done in no time.
    pub fn looks_at_few(&self, filter: &SeriesFilter) -> bool {
        let Some(channels) = &filter.channels else {
            return false;
        };
        let state = self.state.read();
        let mut room = FEW_SERIES;
        channels.iter().all(|channel| {
            // A channel that holds nothing costs a look too.
            let looks = 1 + state.of_channel(*channel).len();
            room = room.saturating_sub(looks);
            room > 0
        })
    }

    pub fn series_by_id(&self, id: SeriesId) -> Option<SeriesInfo> {
        let state = self.state.read();
        let (place, series) = state.by_id(id)?;
        Some(info(&state, place, series))
    }

    pub fn latest(&self, ids: &[SeriesId]) -> Result<Vec<Option<Sample>>, TelemetryError> {
        let state = self.state.read();
        let mut latest = Vec::with_capacity(ids.len());
        for id in ids {
            let (place, _) = state.by_id(*id).ok_or(TelemetryError::UnknownSeries(*id))?;
            latest.push(state.latest(place).map(|latest| latest.sample));
        }
        Ok(latest)
    }

    pub fn range(
        &self,
        id: SeriesId,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Sample>, TelemetryError> {
        query::range(self.view(id, range)?, range, limit.min(MAX_SAMPLES))
    }

    pub fn points(
        &self,
        id: SeriesId,
        range: TimeRange,
        max_points: usize,
    ) -> Result<Points, TelemetryError> {
        let (view, kept) = self.view_and_kept(id, range)?;
        query::points::points(id, view, &kept, range, max_points.min(MAX_SAMPLES))
    }

    pub fn aggregate(
        &self,
        id: SeriesId,
        range: TimeRange,
        every: Duration,
        functions: &[AggregateFunction],
    ) -> Result<Aggregates, TelemetryError> {
        let question = Question::new(range, every, functions)?;
        let answer = self.answer(id, &question, Reads::Allowed)?;
        Ok(answer.unwrap_or_default())
    }

    /// As [`Self::aggregate`] for each of `ids`, if there are few of them and few rows to each, and nothing has to be
    /// read from the disk for that.
    pub fn aggregates_at_hand(
        &self,
        ids: &[SeriesId],
        range: TimeRange,
        every: Duration,
        functions: &[AggregateFunction],
    ) -> Option<Vec<Result<Aggregates, TelemetryError>>> {
        let question = Question::new(range, every, functions).ok()?;
        if ids.len() > FEW_AGGREGATES || !question.is_light() {
            return None;
        }
        let of = |id: &SeriesId| self.answer(*id, &question, Reads::Avoided).transpose();
        ids.iter().map(of).collect()
    }

    fn answer(
        &self,
        id: SeriesId,
        question: &Question<'_>,
        reads: Reads,
    ) -> Result<Option<Aggregates>, TelemetryError> {
        let range = question.range();
        let (view, kept, newest) = {
            let state = self.state.read();
            let (place, series) = state.by_id(id).ok_or(TelemetryError::UnknownSeries(id))?;
            let kept = state.kept_of(id, series.key.channel);
            let newest = match state.newest_alone(place, range) {
                Some(samples) if !question.is_rolled_up(&kept) => question.newest(samples)?,
                _ => None,
            };
            let view = if newest.is_some() {
                state.view_of_older(place, range)
            } else {
                state.view(place, range)
            };
            (view, kept, newest)
        };
        question.answer(id, view, &kept, newest, &self.sums_cache, reads)
    }

    pub fn messages(
        &self,
        asked: &MessageQuery,
    ) -> Result<(Vec<StoredMessage>, u64), TelemetryError> {
        let series = {
            let state = self.state.read();
            let mut series: Vec<(Arc<SeriesKey>, View)> = state
                .of_channel(asked.channel)
                .iter()
                .filter_map(|place| {
                    let series = state.get(*place)?;
                    let wanted =
                        series.is_visible() && query::messages::matches_key(asked, &series.key);
                    wanted.then(|| (Arc::clone(&series.key), state.view(*place, asked.range)))
                })
                .collect();
            series.sort_by(|(left, _), (right, _)| left.cmp(right));
            series
        };
        query::messages::messages(series, asked)
    }

    /// Reads every block there is. Answers how many there are, and how many samples they and memory hold, each
    /// identity as often as it was written.
    pub fn read_everything(&self) -> Result<(u64, u64), TelemetryError> {
        let count = self.state.read().series_count();
        let (mut blocks, mut samples) = (0, 0);
        for place in 0..count as u32 {
            let view = self.state.read().view(place, TimeRange::ALL);
            for part in view {
                blocks += u64::from(part.part.summary().is_some());
                let columns = load_part(&part.part, Depth::All)?;
                samples += columns.map_or(0, |columns| columns.len() as u64);
            }
        }
        Ok((blocks, samples))
    }

    /// Reads every chunk of every rollup. Answers how many there are.
    pub fn read_all_rollups(&self) -> Result<u64, TelemetryError> {
        let (sets, kept) = {
            let state = self.state.read();
            (state.sets.clone(), state.kept.sets.clone())
        };
        let mut chunks = 0;
        for set in sets.iter().chain(&kept) {
            for entry in set.all_rollups() {
                chunks += 1;
                set.read_rollup(entry, Detail::All)?;
            }
        }
        Ok(chunks)
    }

    /// What lies at each of the places of `damages`, where a block or a rollup does.
    pub fn hits(&self, damages: &[Damage]) -> Vec<Option<Hit>> {
        if damages.is_empty() {
            return Vec::new();
        }
        let places: HashSet<(&str, u64)> = damages
            .iter()
            .map(|damage| (damage.file.as_str(), damage.offset))
            .collect();
        let state = self.state.read();
        let mut found: HashMap<(&str, u64), Hit> = HashMap::new();
        for (_, series) in state.all() {
            for part in series.blocks() {
                let Part::Sealed {
                    set,
                    offset,
                    summary,
                    ..
                } = part
                else {
                    continue;
                };
                if let Some(place) = places.get(&(set.name(), *offset)) {
                    let hit = Hit::Block {
                        series: SeriesKey::clone(&series.key),
                        samples: summary.count,
                        first: Timestamp(summary.min_time),
                        last: Timestamp(summary.max_time),
                    };
                    found.insert(*place, hit);
                }
            }
        }
        let sets = state.sets.iter().map(|set| (set, false));
        for (set, is_kept) in sets.chain(state.kept.sets.iter().map(|set| (set, true))) {
            for entry in set.all_rollups() {
                if let Some(place) = places.get(&(set.name(), entry.offset))
                    && let Some((_, series)) = state.by_id(entry.series)
                {
                    let series = SeriesKey::clone(&series.key);
                    let end = entry.last.saturating_add(entry.level.width());
                    let hit = if is_kept {
                        Hit::KeptRollup {
                            series,
                            first: Timestamp(entry.first),
                            end: Timestamp(end),
                        }
                    } else {
                        Hit::Rollup { series }
                    };
                    found.insert(*place, hit);
                }
            }
        }
        damages
            .iter()
            .map(|damage| found.get(&(damage.file.as_str(), damage.offset)).cloned())
            .collect()
    }

    /// How many samples of `channel` lie before `before`.
    pub fn count_before(
        &self,
        channel: ChannelId,
        before: Timestamp,
    ) -> Result<u64, TelemetryError> {
        let range = TimeRange {
            from: Timestamp::MIN,
            to: before,
        };
        let places = self.state.read().of_channel(channel).to_vec();
        let mut count = 0;
        for place in places {
            let mut view = self.state.read().view(place, range);
            // Those that begin before and end behind it would have to be decoded, for nothing.
            view.retain(|part| part.clip < before.0);
            count += query::count(view, range)?;
        }
        Ok(count)
    }
}
