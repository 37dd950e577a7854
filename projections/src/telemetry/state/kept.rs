//! Rollups that outlive their samples, and from when on they are kept.

use std::sync::Arc;

use hashbrown::HashMap;
use tellee_actors::ids::ChannelId;

use super::State;
use super::newest::Newest;
use crate::telemetry::blocks::{BlockSet, RollupEntry};
use crate::telemetry::kept::KeptRollups;
use crate::telemetry::manifest::{Floor, Tombstone};
use crate::telemetry::model::SeriesId;

#[derive(Debug, Default)]
pub struct Kept {
    /// In order of their numbers.
    pub sets: Vec<Arc<BlockSet>>,
    /// Rows of a channel that start before its time are gone.
    floors: HashMap<ChannelId, i64>,
}

impl Kept {
    pub fn floor(&self, channel: ChannelId) -> i64 {
        self.floors.get(&channel).copied().unwrap_or(i64::MIN)
    }

    pub fn raise(&mut self, floor: Floor) {
        let kept = self.floors.entry(floor.channel).or_insert(i64::MIN);
        *kept = floor.before.max(*kept);
    }

    /// All floors with those `raised`, in order of their channels.
    pub fn floors_with(&self, raised: &[Floor]) -> Vec<Floor> {
        let floor = |(&channel, &before): (&ChannelId, &i64)| Floor { channel, before };
        let mut floors: Vec<Floor> = self.floors.iter().map(floor).collect();
        floors.extend_from_slice(raised);
        // The highest of each channel.
        floors.sort_unstable_by_key(|floor| (floor.channel, std::cmp::Reverse(floor.before)));
        floors.dedup_by_key(|floor| floor.channel);
        floors
    }

    /// `inputs` (by number) are replaced by `written`.
    pub fn replace(&mut self, inputs: &[u64], written: Option<Arc<BlockSet>>) {
        self.sets.retain(|set| !inputs.contains(&set.number));
        self.sets.extend(written);
        self.sets.sort_by_key(|set| set.number);
    }
}

impl State {
    /// The kept rollups of the series `id` of `channel`.
    pub fn kept_of(&self, id: SeriesId, channel: ChannelId) -> KeptRollups {
        if self.kept.sets.is_empty() {
            return KeptRollups::none(id);
        }
        KeptRollups::of(id, &self.kept.sets, self.kept.floor(channel))
    }

    /// Whether `channel` has rows that start before `before`.
    pub fn keeps_rows_before(&self, channel: ChannelId, before: i64) -> bool {
        let has_rows = |place: &u32| {
            let id = SeriesId(u64::from(*place) + 1);
            let span = self.kept_of(id, channel).span();
            span.is_some_and(|(first, _)| first < before)
        };
        !self.kept.sets.is_empty() && self.of_channel(channel).iter().any(has_rows)
    }

    /// What was dropped durably is forgotten here too.
    pub fn forget(&mut self, tombstones: &[Tombstone], floors: &[Floor]) {
        for tombstone in tombstones {
            self.add_tombstone(*tombstone);
            self.drop_clipped(tombstone.channel);
        }
        floors.iter().for_each(|floor| self.kept.raise(*floor));
    }

    /// Whether the newest sample of the series at `place` lies before `before`, and in no head.
    pub fn newest_lies_before(&self, place: u32, before: i64) -> bool {
        let in_head = (self.heads.get(place as usize)).is_some_and(|head| head.holds_latest);
        let newest = self.get(place).and_then(|series| series.newest.identity());
        !in_head && newest.is_some_and(|(time, _)| time < before)
    }

    /// The newest samples of `ids` are gone, unless newer ones came meanwhile.
    pub fn forget_newest(&mut self, ids: &[SeriesId], tombstones: &[Tombstone]) {
        for id in ids {
            let place = u32::try_from(id.0.wrapping_sub(1)).unwrap_or(u32::MAX);
            let Some(channel) = self.get(place).map(|series| series.key.channel) else {
                continue;
            };
            let gone = tombstones.iter().any(|tombstone| {
                tombstone.channel == channel && self.newest_lies_before(place, tombstone.before)
            });
            if gone && let Some(series) = self.get_mut(place) {
                series.newest = Newest::None;
            }
        }
    }

    /// Whether rows of `entry` are still needed.
    fn is_kept(&self, entry: &RollupEntry) -> bool {
        let series = self.by_id(entry.series);
        series.is_some_and(|(_, series)| entry.last >= self.kept.floor(series.key.channel))
    }

    /// A set of kept rollups of which more is gone than needed, if there is one.
    pub fn mostly_dropped_kept_set(&self) -> Option<u64> {
        let is_mostly_gone = |set: &&Arc<BlockSet>| {
            let (mut needed, mut gone) = (0, 0);
            for entry in set.all_rollups() {
                let bytes = if self.is_kept(entry) {
                    &mut needed
                } else {
                    &mut gone
                };
                *bytes += u64::from(entry.length);
            }
            needed == 0 || gone > needed
        };
        self.kept
            .sets
            .iter()
            .find(is_mostly_gone)
            .map(|set| set.number)
    }
}
