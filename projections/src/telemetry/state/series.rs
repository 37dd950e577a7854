//! One series: its newest sample, its head, and the parts that its other samples lie in.

use std::sync::Arc;

use tellee_actors::time::Timestamp;

use super::part::{MemoryBlock, Part};
use crate::telemetry::catalog::Latest;
use crate::telemetry::codec::block;
use crate::telemetry::columns::{Columns, SampleRef};
use crate::telemetry::model::{Sample, SeriesId, SeriesKey, TimeRange, Value};
use crate::telemetry::summary::Summary;

/// What a head costs before its first sample, about, in bytes.
pub(super) const HEAD_COST: usize = 500;

#[derive(Debug)]
pub struct Series {
    pub id: SeriesId,
    pub key: Arc<SeriesKey>,
    /// Its definition is in the log or in the catalog, or about to be.
    pub logged: bool,
    pub in_catalog: bool,
    /// `latest` changed since the last flush.
    pub(super) dirty: bool,
    pub latest: Option<Box<Latest>>,
    /// The batch that set `latest`.
    latest_batch: u64,
    pub(super) head: Option<Arc<Columns>>,
    pub(super) sealed: Vec<Arc<MemoryBlock>>,
    /// On their way to a block file.
    pub(super) frozen: Vec<Part>,
    /// In order of (file order, time).
    pub(super) blocks: Vec<Part>,
}

/// What a sample costs in a head, about, in bytes.
pub(super) fn cost(value: &Value) -> usize {
    match value {
        Value::Number(_) => 26,
        Value::Boolean(_) => 50,
        Value::Text(text) => 50 + text.len(),
        Value::Data(data) => 50 + data.len(),
    }
}

impl Series {
    /// A series without a sample.
    pub(super) const fn new(id: SeriesId, key: Arc<SeriesKey>, known: bool) -> Self {
        Self {
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
        }
    }

    /// Whether anything of it was ever kept.
    pub const fn is_visible(&self) -> bool {
        self.logged
    }

    /// Its blocks in files, in order of (file order, time).
    pub fn blocks(&self) -> &[Part] {
        &self.blocks
    }

    pub(super) fn moves_latest(
        &self,
        historical: bool,
        batch: u64,
        sample: &SampleRef<'_>,
    ) -> bool {
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

    pub(super) fn set_latest(&mut self, batch: u64, sample: &SampleRef<'_>) {
        let is_new = self.latest.as_ref().is_none_or(|latest| {
            (latest.sample.time.0, latest.sample.seq) != (sample.time, sample.seq)
        });
        // Rewriting the newest sample does not give a historical batch the right to move on from it.
        if is_new {
            self.latest_batch = batch;
        }
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
    pub(super) fn seal(&mut self) -> (usize, usize) {
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

    pub(super) fn freeze(&mut self) -> bool {
        self.frozen.extend(self.sealed.drain(..).map(Part::Memory));
        self.sealed = Vec::new();
        self.frozen.extend(self.head.take().map(Part::Head));
        !self.frozen.is_empty()
    }

    /// Takes the samples before `before` out of memory.
    pub(super) fn trim(&mut self, before: i64) {
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
