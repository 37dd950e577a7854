//! What the store knows in memory: series, their newest samples, the samples not yet in sets of blocks, and where the
//! others lie. Nothing in here waits for a disk.

mod frozen;
mod head;
mod kept;
mod minutes;
mod names;
mod newest;
mod news;
mod origins;
mod part;
mod pool;
mod series;
mod view;
mod write;

use std::sync::Arc;

use hashbrown::HashMap;
use tellee_actors::ids::{ChannelId, ThingId};

use self::head::Head;
use self::kept::Kept;
use self::names::{Names, Source};
use self::newest::Newest;
use self::news::News;
use self::origins::Origins;
use self::pool::Pool;
use super::blocks::{BlockEntry, BlockSet, Opened};
use super::catalog::{Entry, Latest};
use super::manifest::{self, Tombstone};
use super::model::{SeriesId, SeriesKey};

pub use self::frozen::Frozen;
pub use self::minutes::Minute;
pub use self::newest::PlainSample;
pub use self::part::{MemoryBlock, Part, View, ViewPart};
pub use self::series::Series;

const KNOWN: u8 = 1;
const LOGGED: u8 = 2;

#[derive(Debug, Default)]
pub struct State {
    /// The series with id n at place n - 1. A place stays empty only where a definition was lost to damage.
    series: Vec<Option<Series>>,
    /// By place: a series may be written, and is in the log. Beside the series, so that a commit looks at little memory.
    marks: Vec<u8>,
    /// By place: samples that are in no block yet.
    heads: Vec<Head>,
    /// Of the heads.
    pool: Pool,
    /// Sealed blocks that no set holds yet.
    sealed: HashMap<u32, Vec<Arc<MemoryBlock>>>,
    origins: Origins,
    names: Names,
    channels: HashMap<ChannelId, Vec<u32>>,
    pub sets: Vec<Arc<BlockSet>>,
    pub tombstones: Vec<Tombstone>,
    pub kept: Kept,
    pub next_order: u64,
    pub frozen: Option<Arc<Frozen>>,
    /// Places of series whose latest sample or definition is not in the catalog yet.
    dirty: Vec<u32>,
    /// Bytes of samples in heads and sealed blocks, without frozen ones.
    pub active_bytes: usize,
    batch: u64,
    block_samples: usize,
}

impl State {
    pub fn new(block_samples: usize, next_order: u64, tombstones: Vec<Tombstone>) -> Self {
        Self {
            block_samples,
            next_order,
            tombstones,
            ..Self::default()
        }
    }

    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    pub fn next_series(&self) -> u64 {
        self.series.len() as u64 + 1
    }

    /// What the records of one message have in common, for [`Self::place_of`].
    pub fn source<'a>(&self, channel: ChannelId, thing: ThingId, subtopic: &'a str) -> Source<'a> {
        self.names.source(channel, thing, subtopic)
    }

    pub fn place_of(&self, source: &Source<'_>, name: &str) -> Option<u32> {
        self.names.find(&self.series, source, name)
    }

    pub fn place_of_key(&self, key: &SeriesKey) -> Option<u32> {
        self.place_of(
            &self.source(key.channel, key.thing, &key.subtopic),
            &key.name,
        )
    }

    /// Whether there is a series at `place`.
    pub fn is_known(&self, place: u32) -> bool {
        self.mark(place) & KNOWN != 0
    }

    /// Whether the definition of the series at `place` is in the log or in the catalog.
    pub fn is_logged(&self, place: u32) -> bool {
        self.mark(place) & LOGGED != 0
    }

    fn mark(&self, place: u32) -> u8 {
        self.marks.get(place as usize).copied().unwrap_or(0)
    }

    pub fn get(&self, place: u32) -> Option<&Series> {
        self.series.get(place as usize)?.as_ref()
    }

    fn get_mut(&mut self, place: u32) -> Option<&mut Series> {
        self.series.get_mut(place as usize)?.as_mut()
    }

    pub fn by_id(&self, id: SeriesId) -> Option<(u32, &Series)> {
        let place = u32::try_from(id.0.checked_sub(1)?).ok()?;
        let series = self.get(place)?;
        series.logged.then_some((place, series))
    }

    pub fn all(&self) -> impl Iterator<Item = (u32, &Series)> {
        self.series
            .iter()
            .enumerate()
            .filter_map(|(place, series)| Some((place as u32, series.as_ref()?)))
    }

    pub fn of_channel(&self, channel: ChannelId) -> &[u32] {
        self.channels.get(&channel).map_or(&[], Vec::as_slice)
    }

    /// The channels of all series.
    pub fn channels(&self) -> impl Iterator<Item = ChannelId> {
        self.channels.keys().copied()
    }

    /// A new series for `key`, with the next id.
    pub fn intern(&mut self, key: SeriesKey) -> u32 {
        let id = SeriesId(self.next_series());
        self.define(id, Arc::new(key), false)
    }

    /// The series `id` is `key`. Places between are left empty.
    pub fn define(&mut self, id: SeriesId, key: Arc<SeriesKey>, known: bool) -> u32 {
        let place = id.0.saturating_sub(1) as usize;
        if self.series.len() <= place {
            self.series.resize_with(place + 1, || None);
            self.heads.resize_with(place + 1, Head::default);
            self.marks.resize(place + 1, 0);
        }
        if self.series[place].is_some() {
            return place as u32;
        }
        self.names.insert(&key, place as u32);
        self.marks[place] = if known { KNOWN | LOGGED } else { KNOWN };
        self.channels
            .entry(key.channel)
            .or_default()
            .push(place as u32);
        self.series[place] = Some(Series::new(id, key, known));
        place as u32
    }

    /// Notes that the definition of the series at `place` is in the log.
    pub fn mark_logged(&mut self, place: u32) {
        let Some(series) = self.get_mut(place) else {
            return;
        };
        series.logged = true;
        if !series.dirty {
            series.dirty = true;
            self.dirty.push(place);
        }
        if let Some(mark) = self.marks.get_mut(place as usize) {
            *mark |= LOGGED;
        }
    }

    pub fn add_tombstone(&mut self, added: Tombstone) {
        manifest::add_tombstone(&mut self.tombstones, added);
    }

    /// The time before which samples of `channel` in a set of `order` are gone.
    pub fn clip(&self, channel: ChannelId, order: u64) -> i64 {
        let applies =
            |tombstone: &&Tombstone| tombstone.channel == channel && tombstone.order >= order;
        self.tombstones
            .iter()
            .filter(applies)
            .map(|tombstone| tombstone.before)
            .max()
            .unwrap_or(i64::MIN)
    }

    /// Forgets the blocks of `channel` that are gone as a whole.
    fn drop_clipped(&mut self, channel: ChannelId) {
        let tombstones: Vec<Tombstone> = self
            .tombstones
            .iter()
            .filter(|tombstone| tombstone.channel == channel)
            .copied()
            .collect();
        let places = self.of_channel(channel).to_vec();
        for place in places {
            if let Some(series) = self.get_mut(place) {
                series.blocks.retain(|part| {
                    let Part::Sealed { set, summary, .. } = part else {
                        return true;
                    };
                    !tombstones.iter().any(|tombstone| {
                        tombstone.order >= set.order && summary.max_time < tombstone.before
                    })
                });
            }
        }
    }

    /// Blocks of `channels`, all of them, that are gone as a whole are forgotten.
    pub fn drop_all_clipped(&mut self) {
        let mut channels: Vec<ChannelId> = self
            .tombstones
            .iter()
            .map(|tombstone| tombstone.channel)
            .collect();
        channels.sort_unstable();
        channels.dedup();
        for channel in channels {
            self.drop_clipped(channel);
        }
    }

    /// The newest sample of the series `id`, as the catalog knew it.
    pub fn set_latest(&mut self, id: SeriesId, latest: Option<Latest>) {
        let place = u32::try_from(id.0.wrapping_sub(1)).unwrap_or(u32::MAX);
        let newest = latest.map_or(Newest::None, |latest| Newest::of(latest, &mut self.origins));
        if let Some(series) = self.get_mut(place) {
            series.newest = newest;
        }
    }

    /// All definitions and newest samples, for a new catalog.
    pub fn catalog_entries(&self) -> Vec<Entry> {
        let mut news = News::default();
        for (place, series) in self.all().filter(|(_, series)| series.in_catalog) {
            news.define(series);
            match self.heads.get(place as usize) {
                Some(head) if head.holds_latest => {
                    news.newest(&self.origins, series.id, &head.last(&self.pool));
                }
                _ => news.newest(&self.origins, series.id, &series.newest),
            }
        }
        news.into_entries()
    }

    /// The frozen samples now lie in `set`, if there were any.
    pub fn flushed(&mut self, written: Option<Opened>) {
        self.frozen = None;
        if let Some((set, entries)) = written {
            self.add_blocks(&set, &entries);
            self.sets.push(set);
            self.sets.sort_by_key(|set| set.order);
            self.drop_all_clipped();
        }
    }

    /// Gives the blocks of `set` to their series. Answers how many belong to no known series.
    pub fn add_blocks(&mut self, set: &Arc<BlockSet>, entries: &[BlockEntry]) -> usize {
        let mut orphans = 0;
        for entry in entries {
            let place = u32::try_from(entry.series.0.wrapping_sub(1)).unwrap_or(u32::MAX);
            let Some(series) = self.get_mut(place) else {
                orphans += 1;
                continue;
            };
            let part = Part::Sealed {
                set: Arc::clone(set),
                offset: entry.offset,
                length: entry.length,
                summary: entry.summary,
            };
            if series.blocks.len() == series.blocks.capacity() {
                // Doubling would waste much where very many series have few blocks each.
                series.blocks.reserve_exact(1 + series.blocks.len() / 4);
            }
            series.blocks.push(part);
        }
        orphans
    }

    /// `inputs` (by number) are replaced by `written`.
    pub fn compacted(&mut self, inputs: &[u64], written: Option<Opened>) {
        let replaced =
            |part: &Part| matches!(part, Part::Sealed { set, .. } if inputs.contains(&set.number));
        let mut touched = Vec::new();
        for (place, series) in self.series.iter_mut().enumerate() {
            if let Some(series) = series
                && series.blocks.iter().any(replaced)
            {
                series.blocks.retain(|part| !replaced(part));
                touched.push(place as u32);
            }
        }
        self.sets.retain(|set| !inputs.contains(&set.number));
        if let Some((set, entries)) = written {
            self.add_blocks(&set, &entries);
            self.sets.push(set);
            self.sets.sort_by_key(|set| set.order);
        }
        for place in touched {
            if let Some(series) = self.get_mut(place) {
                series.blocks.sort_by_key(Part::order);
            }
        }
        self.drop_all_clipped();
    }

    /// The parts of all series that lie in the sets `numbers`, by series.
    pub fn parts_in(&self, numbers: &[u64]) -> Vec<(SeriesId, View)> {
        let mut found = Vec::new();
        for (_, series) in self.all() {
            let view: View = series
                .blocks
                .iter()
                .filter_map(|part| match part {
                    Part::Sealed { set, .. } if numbers.contains(&set.number) => Some(ViewPart {
                        part: part.clone(),
                        clip: self.clip(series.key.channel, set.order),
                    }),
                    _ => None,
                })
                .collect();
            if !view.is_empty() {
                found.push((series.id, view));
            }
        }
        found
    }

    /// Bytes of the blocks of each set that its series still have, by number.
    fn used_bytes(&self) -> HashMap<u64, u64> {
        let mut used = HashMap::new();
        for (_, series) in self.all() {
            for part in &series.blocks {
                if let Part::Sealed { set, length, .. } = part {
                    *used.entry(set.number).or_insert(0) += u64::from(*length);
                }
            }
        }
        used
    }

    /// Files that no series has a block in any more.
    pub fn empty_sets(&self) -> Vec<u64> {
        let used = self.used_bytes();
        self.sets
            .iter()
            .map(|set| set.number)
            .filter(|number| !used.contains_key(number))
            .collect()
    }

    /// A set of at least `least` bytes that holds more of what was dropped than of what is still needed.
    pub fn mostly_dropped_set(&self, least: u64) -> Option<&Arc<BlockSet>> {
        let used = self.used_bytes();
        self.sets.iter().find(|set| {
            let used = used.get(&set.number).copied().unwrap_or(0);
            set.length >= least && used < set.block_bytes / 2
        })
    }
}
