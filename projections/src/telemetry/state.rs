//! What the store knows in memory: series, their newest samples, the samples not yet in block files, and where the
//! others lie. Nothing in here waits for a disk.

use std::sync::Arc;

use hashbrown::HashMap;
use tellee_actors::ids::{ChannelId, ThingId};
use tellee_actors::time::Timestamp;

use super::block_file::{BlockEntry, BlockFile};
use super::catalog::{Entry, Latest};
use super::codec::block;
use super::columns::{Columns, SampleRef};
use super::manifest::Tombstone;
use super::model::{Sample, SeriesId, SeriesKey, TimeRange, Value};
use super::summary::Summary;

/// What a head costs before its first sample, about, in bytes.
const HEAD_COST: usize = 500;

/// A sealed block that lies in memory until the next flush.
#[derive(Debug)]
pub struct MemoryBlock {
    pub bytes: Vec<u8>,
    pub summary: Summary,
}

/// Some samples of one series, at one of the places where samples can lie.
#[derive(Debug, Clone)]
pub enum Part {
    Disk {
        file: Arc<BlockFile>,
        offset: u64,
        length: u32,
        summary: Summary,
    },
    Memory(Arc<MemoryBlock>),
    Head(Arc<Columns>),
}

impl Part {
    /// The least and the greatest time.
    pub fn span(&self) -> (i64, i64) {
        match self {
            Self::Disk { summary, .. } => (summary.min_time, summary.max_time),
            Self::Memory(block) => (block.summary.min_time, block.summary.max_time),
            Self::Head(columns) => columns.span().unwrap_or((i64::MAX, i64::MIN)),
        }
    }

    pub fn summary(&self) -> Option<&Summary> {
        match self {
            Self::Disk { summary, .. } => Some(summary),
            Self::Memory(block) => Some(&block.summary),
            Self::Head(_) => None,
        }
    }

    pub fn count(&self) -> usize {
        match self {
            Self::Disk { summary, .. } => summary.count as usize,
            Self::Memory(block) => block.summary.count as usize,
            Self::Head(columns) => columns.len(),
        }
    }
}

/// A part as a query sees it.
#[derive(Debug, Clone)]
pub struct ViewPart {
    pub part: Part,
    /// Samples before this time were dropped.
    pub clip: i64,
}

/// The parts of one series that may hold samples of a range, in the order in which they were written.
pub type View = Vec<ViewPart>;

#[derive(Debug)]
pub struct Series {
    pub id: SeriesId,
    pub key: Arc<SeriesKey>,
    /// Its definition is in the log or in the catalog, or about to be.
    pub logged: bool,
    pub in_catalog: bool,
    /// `latest` changed since the last flush.
    dirty: bool,
    pub latest: Option<Box<Latest>>,
    /// The batch that set `latest`.
    latest_batch: u64,
    head: Option<Arc<Columns>>,
    sealed: Vec<Arc<MemoryBlock>>,
    /// On their way to a block file.
    frozen: Vec<Part>,
    /// In order of (file order, time).
    blocks: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Source {
    channel: ChannelId,
    thing: ThingId,
    subtopic: Arc<str>,
}

/// What was taken out of the way of writers, to be flushed.
#[derive(Debug, Clone)]
pub struct Frozen {
    pub order: u64,
    /// Log segments before this one hold nothing else.
    pub log_floor: u64,
    /// Places of the series that have frozen parts.
    pub series: Vec<u32>,
    pub entries: Vec<Entry>,
}

#[derive(Debug, Default)]
pub struct State {
    /// The series with id n at place n - 1. A place stays empty only where a definition was lost to damage.
    series: Vec<Option<Series>>,
    sources: HashMap<Source, HashMap<Box<str>, u32>>,
    channels: HashMap<ChannelId, Vec<u32>>,
    pub files: Vec<Arc<BlockFile>>,
    pub tombstones: Vec<Tombstone>,
    pub next_order: u64,
    pub frozen: Option<Arc<Frozen>>,
    /// Places of series whose latest sample or definition is not in the catalog yet.
    dirty: Vec<u32>,
    /// Bytes of samples in heads and sealed blocks, without frozen ones.
    pub active_bytes: usize,
    /// When the oldest sample in memory came.
    pub active_since: Option<Timestamp>,
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

    pub fn place_of(
        &self,
        channel: ChannelId,
        thing: ThingId,
        subtopic: &Arc<str>,
    ) -> Option<&HashMap<Box<str>, u32>> {
        self.sources.get(&Source {
            channel,
            thing,
            subtopic: Arc::clone(subtopic),
        })
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

    /// A new series for `key`, with the next id.
    pub fn intern(&mut self, key: SeriesKey) -> u32 {
        let id = SeriesId(self.next_series());
        self.define(id, Arc::new(key), false)
    }

    /// The series `id` is `key`. Places between are left empty.
    pub fn define(&mut self, id: SeriesId, key: Arc<SeriesKey>, known: bool) -> u32 {
        let place = id.0.saturating_sub(1) as usize;
        while self.series.len() <= place {
            self.series.push(None);
        }
        if self.series[place].is_some() {
            return place as u32;
        }
        let source = Source {
            channel: key.channel,
            thing: key.thing,
            subtopic: block::shared_text(&key.subtopic),
        };
        self.sources
            .entry(source)
            .or_default()
            .insert(Box::from(key.name.as_str()), place as u32);
        self.channels
            .entry(key.channel)
            .or_default()
            .push(place as u32);
        self.series[place] = Some(Series {
            id,
            key,
            logged: known,
            in_catalog: known,
            dirty: false,
            latest: None,
            latest_batch: 0,
            head: None,
            sealed: Vec::new(),
            frozen: Vec::new(),
            blocks: Vec::new(),
        });
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
    }

    pub fn begin_batch(&mut self) {
        self.batch += 1;
    }

    /// Takes in one sample of the series at `place`.
    pub fn push(&mut self, place: u32, historical: bool, sample: SampleRef<'_>) {
        let (batch, block_samples) = (self.batch, self.block_samples);
        let Some(series) = self.series.get_mut(place as usize).and_then(Option::as_mut) else {
            return;
        };
        if series.moves_latest(historical, batch, &sample) {
            series.set_latest(batch, &sample);
            if !series.dirty {
                series.dirty = true;
                self.dirty.push(place);
            }
        }
        let mut added = cost(sample.value);
        let head = series.head.get_or_insert_with(|| {
            added += HEAD_COST;
            Arc::default()
        });
        // Readers may hold the head; then this copies it, at most once a group of samples.
        let columns = Arc::make_mut(head);
        columns.push(sample);
        let full = columns.len() >= block_samples;
        self.active_bytes += added;
        self.active_since
            .get_or_insert(Timestamp(sample.received_at));
        if full {
            let (freed, taken) = series.seal();
            self.active_bytes = (self.active_bytes + taken).saturating_sub(freed);
        }
    }

    /// Drops the samples of `channel` before `before`, wherever they lie.
    pub fn retain(&mut self, channel: ChannelId, before: i64) {
        let order = self.next_order.saturating_sub(1);
        self.add_tombstone(Tombstone {
            channel,
            before,
            order,
        });
        let places = self.of_channel(channel).to_vec();
        for place in places {
            let Some(series) = self.get_mut(place) else {
                continue;
            };
            series.trim(before);
            if series
                .latest
                .as_ref()
                .is_some_and(|latest| latest.sample.time.0 < before)
            {
                series.latest = None;
                if !series.dirty {
                    series.dirty = true;
                    self.dirty.push(place);
                }
            }
        }
        self.drop_clipped(channel);
    }

    pub fn add_tombstone(&mut self, added: Tombstone) {
        let dominates = |left: &Tombstone, right: &Tombstone| {
            left.channel == right.channel
                && left.before >= right.before
                && left.order >= right.order
        };
        if self.tombstones.iter().any(|kept| dominates(kept, &added)) {
            return;
        }
        self.tombstones.retain(|kept| !dominates(&added, kept));
        self.tombstones.push(added);
    }

    /// The time before which samples of `channel` in a file of `order` are gone.
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
                    let Part::Disk { file, summary, .. } = part else {
                        return true;
                    };
                    !tombstones.iter().any(|tombstone| {
                        tombstone.order >= file.order && summary.max_time < tombstone.before
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

    /// What a query of `range` on the series at `place` has to look at.
    pub fn view(&self, place: u32, range: TimeRange) -> View {
        let Some(series) = self.get(place) else {
            return View::new();
        };
        let channel = series.key.channel;
        let clipped = self
            .tombstones
            .iter()
            .any(|tombstone| tombstone.channel == channel);
        let frozen_order = self.frozen.as_ref().map_or(u64::MAX, |frozen| frozen.order);
        let mut view = View::new();
        let mut add = |part: &Part, order: Option<u64>| {
            let clip = match order {
                Some(order) if clipped => self.clip(channel, order),
                _ => i64::MIN,
            };
            let (from, to) = part.span();
            if to >= range.from.0.max(clip) && from < range.to.0 {
                view.push(ViewPart {
                    part: part.clone(),
                    clip,
                });
            }
        };
        for part in &series.blocks {
            let order = match part {
                Part::Disk { file, .. } => Some(file.order),
                Part::Memory(_) | Part::Head(_) => None,
            };
            add(part, order);
        }
        for part in &series.frozen {
            add(part, Some(frozen_order));
        }
        for block in &series.sealed {
            add(&Part::Memory(Arc::clone(block)), None);
        }
        if let Some(head) = &series.head {
            add(&Part::Head(Arc::clone(head)), None);
        }
        view
    }

    /// The newest sample of the series `id`, as the catalog knew it.
    pub fn set_latest(&mut self, id: SeriesId, latest: Option<Latest>) {
        let place = u32::try_from(id.0.wrapping_sub(1)).unwrap_or(u32::MAX);
        if let Some(series) = self.get_mut(place) {
            series.latest = latest.map(Box::new);
        }
    }

    /// The parts that can hold the first sample of the series at `place`.
    pub fn first_parts(&self, place: u32) -> View {
        let mut view = self.view(place, TimeRange::ALL);
        let first_end = view
            .iter()
            .filter(|part| part.clip <= part.part.span().0)
            .map(|part| part.part.span().1)
            .min()
            .unwrap_or(i64::MAX);
        // Beyond the end of the part that ends first there can be no first sample, if that part is whole.
        view.retain(|part| part.part.span().0.max(part.clip) <= first_end);
        view
    }

    /// Puts all samples in memory out of the way of writers. Answers whether there is anything to flush.
    pub fn freeze(&mut self, log_floor: u64) -> bool {
        let order = self.next_order;
        let mut frozen = Frozen {
            order,
            log_floor,
            series: Vec::new(),
            entries: Vec::new(),
        };
        for (place, series) in self.series.iter_mut().enumerate() {
            if let Some(series) = series
                && series.freeze()
            {
                frozen.series.push(place as u32);
            }
        }
        for place in std::mem::take(&mut self.dirty) {
            if let Some(series) = self.get_mut(place) {
                series.dirty = false;
                if !series.in_catalog {
                    series.in_catalog = true;
                    frozen.entries.push(Entry::Define {
                        id: series.id,
                        key: Arc::clone(&series.key),
                    });
                }
                frozen.entries.push(Entry::State {
                    id: series.id,
                    latest: series.latest.as_deref().cloned(),
                });
            }
        }
        self.active_bytes = 0;
        self.active_since = None;
        if frozen.series.is_empty() && frozen.entries.is_empty() {
            return false;
        }
        self.next_order += 1;
        self.frozen = Some(Arc::new(frozen));
        true
    }

    /// All definitions and newest samples, for a new catalog.
    pub fn catalog_entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (_, series) in self.all().filter(|(_, series)| series.in_catalog) {
            entries.push(Entry::Define {
                id: series.id,
                key: Arc::clone(&series.key),
            });
            entries.push(Entry::State {
                id: series.id,
                latest: series.latest.as_deref().cloned(),
            });
        }
        entries
    }

    /// The frozen parts of the series at `place`, with their clip.
    pub fn frozen_view(&self, place: u32) -> View {
        let Some((series, frozen)) = self.get(place).zip(self.frozen.as_ref()) else {
            return View::new();
        };
        let clip = self.clip(series.key.channel, frozen.order);
        series
            .frozen
            .iter()
            .map(|part| ViewPart {
                part: part.clone(),
                clip,
            })
            .collect()
    }

    /// The frozen samples now lie in `file`, if there were any.
    pub fn flushed(&mut self, written: Option<(Arc<BlockFile>, Vec<BlockEntry>)>) {
        if let Some(frozen) = self.frozen.take() {
            for place in &frozen.series {
                if let Some(series) = self.get_mut(*place) {
                    series.frozen = Vec::new();
                }
            }
        }
        if let Some((file, entries)) = written {
            self.add_blocks(&file, &entries);
            self.files.push(file);
            self.files.sort_by_key(|file| file.order);
            self.drop_all_clipped();
        }
    }

    /// Gives the blocks of `file` to their series. Answers how many belong to no known series.
    pub fn add_blocks(&mut self, file: &Arc<BlockFile>, entries: &[BlockEntry]) -> usize {
        let mut orphans = 0;
        for entry in entries {
            let place = u32::try_from(entry.series.0.wrapping_sub(1)).unwrap_or(u32::MAX);
            let Some(series) = self.get_mut(place) else {
                orphans += 1;
                continue;
            };
            let part = Part::Disk {
                file: Arc::clone(file),
                offset: entry.offset,
                length: entry.length,
                summary: entry.summary,
            };
            series.blocks.push(part);
        }
        orphans
    }

    /// `inputs` (by number) are replaced by `written`.
    pub fn compacted(
        &mut self,
        inputs: &[u64],
        written: Option<(Arc<BlockFile>, Vec<BlockEntry>)>,
    ) {
        let replaced =
            |part: &Part| matches!(part, Part::Disk { file, .. } if inputs.contains(&file.number));
        let mut touched = Vec::new();
        for (place, series) in self.series.iter_mut().enumerate() {
            if let Some(series) = series
                && series.blocks.iter().any(replaced)
            {
                series.blocks.retain(|part| !replaced(part));
                touched.push(place as u32);
            }
        }
        self.files.retain(|file| !inputs.contains(&file.number));
        if let Some((file, entries)) = written {
            self.add_blocks(&file, &entries);
            self.files.push(file);
            self.files.sort_by_key(|file| file.order);
        }
        for place in touched {
            if let Some(series) = self.get_mut(place) {
                series.blocks.sort_by_key(Part::order);
            }
        }
        self.drop_all_clipped();
    }

    /// The disk parts of all series that lie in the files `numbers`, by series.
    pub fn parts_in(&self, numbers: &[u64]) -> Vec<(SeriesId, View)> {
        let mut found = Vec::new();
        for (_, series) in self.all() {
            let view: View = series
                .blocks
                .iter()
                .filter_map(|part| match part {
                    Part::Disk { file, .. } if numbers.contains(&file.number) => Some(ViewPart {
                        part: part.clone(),
                        clip: self.clip(series.key.channel, file.order),
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

    /// Files that no series has a block in any more.
    pub fn empty_files(&self) -> Vec<u64> {
        let mut used = hashbrown::HashSet::new();
        for (_, series) in self.all() {
            for part in &series.blocks {
                if let Part::Disk { file, .. } = part {
                    used.insert(file.number);
                }
            }
        }
        self.files
            .iter()
            .map(|file| file.number)
            .filter(|number| !used.contains(number))
            .collect()
    }
}

/// What a sample costs in a head, about, in bytes.
fn cost(value: &Value) -> usize {
    match value {
        Value::Number(_) => 26,
        Value::Boolean(_) => 50,
        Value::Text(text) => 50 + text.len(),
        Value::Data(data) => 50 + data.len(),
    }
}

impl Part {
    fn order(&self) -> (u64, i64) {
        match self {
            Self::Disk { file, summary, .. } => (file.order, summary.min_time),
            Self::Memory(_) | Self::Head(_) => (u64::MAX, self.span().0),
        }
    }
}

impl Series {
    /// Whether anything of it was ever kept.
    pub const fn is_visible(&self) -> bool {
        self.logged
    }

    fn moves_latest(&self, historical: bool, batch: u64, sample: &SampleRef<'_>) -> bool {
        let Some(latest) = &self.latest else {
            return true;
        };
        let known = (latest.sample.time.0, latest.sample.seq);
        let new = (sample.time, sample.seq);
        if historical && self.latest_batch != batch {
            new == known
        } else {
            new >= known
        }
    }

    fn set_latest(&mut self, batch: u64, sample: &SampleRef<'_>) {
        self.latest_batch = batch;
        let same = |known: &Arc<str>, text: &str| {
            if **known == *text {
                Arc::clone(known)
            } else {
                block::shared_text(text)
            }
        };
        let (unit, protocol) = match &self.latest {
            Some(latest) => (
                same(&latest.unit, sample.unit),
                same(&latest.protocol, sample.protocol),
            ),
            None => (
                block::shared_text(sample.unit),
                block::shared_text(sample.protocol),
            ),
        };
        let latest = Latest {
            sample: Sample {
                time: Timestamp(sample.time),
                seq: sample.seq,
                value: sample.value.clone(),
                sum: sample.sum,
                update_time: sample.update_time,
                quality: sample.quality,
                received_at: Timestamp(sample.received_at),
            },
            unit,
            protocol,
        };
        match &mut self.latest {
            Some(slot) => **slot = latest,
            None => self.latest = Some(Box::new(latest)),
        }
    }

    /// The head becomes a block. Answers the bytes freed and the bytes taken.
    fn seal(&mut self) -> (usize, usize) {
        let Some(head) = self.head.take() else {
            return (0, 0);
        };
        let columns = Arc::unwrap_or_clone(head);
        let freed = (0..columns.len())
            .map(|index| cost(&columns.values.get(index)))
            .sum::<usize>()
            + HEAD_COST;
        let columns = columns.into_sorted();
        let block = MemoryBlock {
            bytes: block::encode(self.id, &columns),
            summary: Summary::of(&columns),
        };
        let taken = block.bytes.len() + size_of::<MemoryBlock>();
        self.sealed.push(Arc::new(block));
        (freed, taken)
    }

    fn freeze(&mut self) -> bool {
        self.frozen.extend(self.sealed.drain(..).map(Part::Memory));
        self.sealed = Vec::new();
        self.frozen.extend(self.head.take().map(Part::Head));
        !self.frozen.is_empty()
    }

    /// Takes the samples before `before` out of memory.
    fn trim(&mut self, before: i64) {
        let from = TimeRange {
            from: Timestamp(before),
            to: Timestamp::MAX,
        };
        let trimmed = |columns: Columns| {
            let columns = columns.into_sorted();
            let mut kept = Columns::default();
            // `TimeRange` excludes its end, and a sample may well bear the last stamp there is.
            kept.extend_from(&columns, columns.indexes(from).start..columns.len());
            kept
        };
        self.sealed.retain_mut(|block| {
            if block.summary.min_time >= before {
                return true;
            }
            if block.summary.max_time < before {
                return false;
            }
            let Ok(columns) = block::decode(&block.bytes, block::Depth::All) else {
                return true;
            };
            let kept = trimmed(columns);
            if kept.is_empty() {
                return false;
            }
            *block = Arc::new(MemoryBlock {
                bytes: block::encode(self.id, &kept),
                summary: Summary::of(&kept),
            });
            true
        });
        if let Some(head) = self
            .head
            .take_if(|head| head.span().is_some_and(|(first, _)| first < before))
        {
            let kept = trimmed(Arc::unwrap_or_clone(head));
            self.head = (!kept.is_empty()).then(|| Arc::new(kept));
        }
    }
}
