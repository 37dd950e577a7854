//! What commits, retention and flushes do to the state.

use std::sync::Arc;

use hashbrown::HashMap;
use tellee_actors::ids::ChannelId;

use super::head::{Head, trimmed};
use super::newest::{Newest, PlainSample};
use super::news::News;
use super::part::MemoryBlock;
use super::{Frozen, State};
use crate::telemetry::catalog::Latest;
use crate::telemetry::codec::block;
use crate::telemetry::columns::{Columns, SampleRef};
use crate::telemetry::manifest::{Floor, Tombstone};
use crate::telemetry::model::{Quality, SeriesId, Value};
use crate::telemetry::rollup::Level;
use crate::telemetry::summary::Summary;

fn seal(id: SeriesId, columns: &Columns) -> Arc<MemoryBlock> {
    let (bytes, summary) = (block::encode(id, columns), Summary::of(columns));
    Arc::new(MemoryBlock::new(bytes, summary))
}

impl State {
    pub fn begin_batch(&mut self) {
        self.batch += 1;
    }

    /// The number of an origin, for [`Self::push_plain`]; `None` if there are too many.
    pub fn origin(&mut self, unit: &str, protocol: &str) -> Option<u16> {
        self.origins.number(unit, protocol)
    }

    /// Takes in one sample of the series at `place`.
    pub fn push(&mut self, place: u32, historical: bool, sample: SampleRef<'_>) {
        if let Some(plain) = PlainSample::of(&sample)
            && let Some(origin) = self.origins.number(sample.unit, sample.protocol)
        {
            self.push_plain(place, historical, origin, plain);
        } else {
            self.push_wide(place, historical, sample);
        }
    }

    pub fn push_plain(&mut self, place: u32, historical: bool, origin: u16, sample: PlainSample) {
        let Some(head) = self.heads.get_mut(place as usize) else {
            return;
        };
        if !head.takes_plain(origin) {
            let origin = self.origins.get(origin);
            let sample = SampleRef {
                time: sample.time,
                seq: 0,
                value: &Value::Number(sample.number),
                sum: None,
                update_time: None,
                quality: Quality::GOOD,
                received_at: sample.received_at,
                unit: &origin.unit,
                protocol: &origin.protocol,
            };
            self.push_wide(place, historical, sample);
            return;
        }
        let follows = head.last_identity(&self.pool) <= Some((sample.time, 0));
        if historical || !head.holds_latest || !follows {
            self.judge_latest(place, historical, false, (sample.time, 0));
        }
        let Some(head) = self.heads.get_mut(place as usize) else {
            return;
        };
        self.active_bytes += head.push_plain(&mut self.pool, origin, sample);
        if head.len() >= self.block_samples {
            self.seal(place);
        }
    }

    fn push_wide(&mut self, place: u32, historical: bool, sample: SampleRef<'_>) {
        let ahead = sample.quality.is_ahead();
        self.judge_latest(place, historical, ahead, (sample.time, sample.seq));
        let Some(head) = self.heads.get_mut(place as usize) else {
            return;
        };
        self.active_bytes += head.push_wide(&mut self.pool, &self.origins, sample);
        if head.len() >= self.block_samples {
            self.seal(place);
        }
    }

    /// Decides whether `new`, (time, seq) of the sample about to be added to the head, is the newest sample. One of a
    /// clock that is `ahead` never is: it would stay the newest until its time comes.
    fn judge_latest(&mut self, place: u32, historical: bool, ahead: bool, new: (i64, u32)) {
        let index = place as usize;
        let Some(series) = self.series.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        let Some(head) = self.heads.get_mut(index) else {
            return;
        };
        let known = if head.holds_latest {
            head.last_identity(&self.pool)
        } else {
            series.newest.identity()
        };
        let moves = match known {
            _ if ahead => false,
            None => true,
            // A historical batch moves on only from what it has set itself.
            Some(known) if historical && series.latest_batch != self.batch => new == known,
            Some(known) => new >= known,
        };
        if !moves {
            series.settle(head, &self.pool);
            return;
        }
        // Rewriting the newest sample does not give a historical batch the right to move on from it.
        if known != Some(new) {
            series.latest_batch = if historical { self.batch } else { 0 };
        }
        head.holds_latest = true;
        if !series.dirty {
            series.dirty = true;
            self.dirty.push(place);
        }
    }

    /// The head becomes a block.
    fn seal(&mut self, place: u32) {
        let index = place as usize;
        let Some(series) = self.series.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        let Some(head) = self.heads.get_mut(index) else {
            return;
        };
        series.settle(head, &self.pool);
        let freed = head.bytes();
        let columns = head.take(&mut self.pool, &self.origins).into_sorted();
        let block = seal(series.id, &columns);
        let taken = block.bytes.len() + size_of::<MemoryBlock>();
        self.active_bytes = (self.active_bytes + taken).saturating_sub(freed);
        self.sealed.entry(place).or_default().push(block);
    }

    /// Drops the samples of `channel` before `before`, wherever they lie.
    pub fn retain(&mut self, channel: ChannelId, before: i64) {
        let order = self.next_order.saturating_sub(1);
        self.add_tombstone(Tombstone {
            channel,
            before,
            order,
        });
        // Rows are dropped as a whole: that of the hour that is cut through stays.
        let hour = Level::Hour.start_of(before).unwrap_or(i64::MIN);
        self.kept.raise(Floor {
            channel,
            before: hour,
        });
        let places = self.of_channel(channel).to_vec();
        for place in places {
            self.retain_series(place, before);
        }
        self.drop_clipped(channel);
    }

    fn retain_series(&mut self, place: u32, before: i64) {
        let index = place as usize;
        let Some(series) = self.series.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        let Some(head) = self.heads.get_mut(index) else {
            return;
        };
        series.settle(head, &self.pool);
        let in_head = head.bytes();
        head.trim(&mut self.pool, &self.origins, before);
        self.active_bytes = (self.active_bytes + head.bytes()).saturating_sub(in_head);
        if let Some(sealed) = self.sealed.get_mut(&place) {
            trim_sealed(series.id, sealed, before);
        }
        if series
            .newest
            .identity()
            .is_some_and(|(time, _)| time < before)
        {
            series.newest = Newest::None;
            if !series.dirty {
                series.dirty = true;
                self.dirty.push(place);
            }
        }
    }

    /// The newest sample by source time of the series at `place`.
    pub fn latest(&self, place: u32) -> Option<Latest> {
        let head = self.heads.get(place as usize)?;
        if head.holds_latest {
            return head.last(&self.pool).latest(&self.origins);
        }
        self.get(place)?.newest.latest(&self.origins)
    }

    /// Puts all samples in memory out of the way of writers. Answers whether there is anything to flush.
    pub fn freeze(&mut self, log_floor: u64) -> bool {
        let mut news = News::default();
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        for place in dirty {
            let index = place as usize;
            let Some(series) = self.series.get_mut(index).and_then(Option::as_mut) else {
                continue;
            };
            if let Some(head) = self.heads.get_mut(index) {
                series.settle(head, &self.pool);
            }
            series.dirty = false;
            if !series.in_catalog {
                series.in_catalog = true;
                news.define(series);
            }
            news.newest(&self.origins, series.id, &series.newest);
        }
        let entries = news.into_entries();
        let fresh = self.heads.iter().map(Head::after).collect();
        let heads = std::mem::replace(&mut self.heads, fresh);
        let sealed: HashMap<u32, Vec<Arc<MemoryBlock>>> = std::mem::take(&mut self.sealed);
        let series: Vec<u32> = (0..heads.len() as u32)
            .zip(&heads)
            .filter(|(place, head)| !head.is_empty() || sealed.contains_key(place))
            .map(|(place, _)| place)
            .collect();
        self.active_bytes = 0;
        if series.is_empty() && entries.is_empty() {
            return false;
        }
        self.frozen = Some(Arc::new(Frozen {
            order: self.next_order,
            log_floor,
            series,
            heads,
            pool: std::mem::take(&mut self.pool),
            sealed,
            origins: self.origins.clone(),
            entries,
        }));
        self.next_order += 1;
        true
    }
}

/// Takes the samples before `before` out of blocks in memory.
fn trim_sealed(id: SeriesId, sealed: &mut Vec<Arc<MemoryBlock>>, before: i64) {
    sealed.retain_mut(|kept| {
        if kept.summary.min_time >= before {
            return true;
        }
        if kept.summary.max_time < before {
            return false;
        }
        let Ok(columns) = block::decode(&kept.bytes, block::Depth::All) else {
            return true;
        };
        let columns = trimmed(columns, before);
        if columns.is_empty() {
            return false;
        }
        *kept = seal(id, &columns);
        true
    });
}
