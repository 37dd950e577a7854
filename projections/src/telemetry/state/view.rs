//! What a query has to look at.

use std::sync::Arc;

use hashbrown::HashMap;

use super::head::Head;
use super::part::{MemoryBlock, Part, View, ViewPart};
use super::pool::Pool;
use super::{PlainSample, State};
use crate::telemetry::model::TimeRange;

/// Samples in memory: of writers, or of a flush.
#[derive(Clone, Copy)]
struct Held<'a> {
    heads: &'a [Head],
    pool: &'a Pool,
    sealed: &'a HashMap<u32, Vec<Arc<MemoryBlock>>>,
}

impl<'a> Held<'a> {
    fn sealed(self, place: u32) -> impl Iterator<Item = &'a Arc<MemoryBlock>> {
        self.sealed.get(&place).into_iter().flatten()
    }

    fn head(self, place: u32) -> Option<&'a Head> {
        self.heads.get(place as usize)
    }

    /// The last time of the samples of the series at `place`.
    fn last_time(self, place: u32) -> Option<i64> {
        let head = self.head(place).and_then(|head| head.span(self.pool));
        let blocks = self.sealed(place).map(|block| block.summary.max_time);
        blocks.chain(head.map(|(_, last)| last)).max()
    }
}

impl State {
    fn held(&self) -> Held<'_> {
        Held {
            heads: &self.heads,
            pool: &self.pool,
            sealed: &self.sealed,
        }
    }

    fn held_by_flush(&self) -> Option<Held<'_>> {
        self.frozen.as_ref().map(|frozen| Held {
            heads: &frozen.heads,
            pool: &frozen.pool,
            sealed: &frozen.sealed,
        })
    }

    /// What a query of `range` on the series at `place` has to look at.
    pub fn view(&self, place: u32, range: TimeRange) -> View {
        let mut view = self.view_of_older(place, range);
        self.add_head(self.held(), place, range, &mut |part| {
            view.push(ViewPart {
                part,
                clip: i64::MIN,
            });
        });
        view
    }

    /// As [`Self::view`], without the samples that came last and are in no block yet.
    pub fn view_of_older(&self, place: u32, range: TimeRange) -> View {
        let Some(series) = self.get(place) else {
            return View::new();
        };
        let channel = series.key.channel;
        let clipped = self
            .tombstones
            .iter()
            .any(|tombstone| tombstone.channel == channel);
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
                Part::Sealed { set, .. } => Some(set.order),
                Part::Memory(_) | Part::Head(_) => None,
            };
            add(part, order);
        }
        if let Some((held, frozen)) = self.held_by_flush().zip(self.frozen.as_ref()) {
            for block in held.sealed(place) {
                add(&Part::Memory(Arc::clone(block)), Some(frozen.order));
            }
            self.add_head(held, place, range, &mut |part| {
                add(&part, Some(frozen.order))
            });
        }
        for block in self.held().sealed(place) {
            add(&Part::Memory(Arc::clone(block)), None);
        }
        view
    }

    /// Gives a copy of the head of the series at `place`, if it may hold samples of `range`.
    fn add_head(&self, held: Held<'_>, place: u32, range: TimeRange, add: &mut dyn FnMut(Part)) {
        let Some(head) = held.head(place) else {
            return;
        };
        let overlaps = |(from, to): (i64, i64)| to >= range.from.0 && from < range.to.0;
        if head.span(held.pool).is_some_and(overlaps) {
            let columns = head.columns(held.pool, &self.origins);
            add(Part::Head(Arc::new(columns)));
        }
    }

    /// Those samples of `range` that [`Self::view_of_older`] leaves out, where they are plain, lie in one piece, and
    /// come after all others of the series at `place`: then there is nothing to merge them with.
    pub fn newest_alone(&self, place: u32, range: TimeRange) -> Option<&[PlainSample]> {
        let samples = self.held().head(place)?.plain_in_order()?;
        let first = samples.first()?.time;
        let in_blocks = self.get(place)?.blocks.iter().map(|part| part.span().1);
        let in_memory = self
            .held()
            .sealed(place)
            .map(|block| block.summary.max_time);
        let in_flush = self.held_by_flush().and_then(|held| held.last_time(place));
        if in_blocks
            .chain(in_memory)
            .chain(in_flush)
            .any(|last| last >= first)
        {
            return None;
        }
        let from = samples.partition_point(|sample| sample.time < range.from.0);
        let end = samples.partition_point(|sample| sample.time < range.to.0);
        Some(samples.get(from..end).unwrap_or_default())
    }

    /// The frozen parts of the series at `place`, with their clip.
    pub fn frozen_view(&self, place: u32) -> View {
        let (Some(series), Some(frozen), Some(held)) =
            (self.get(place), self.frozen.as_ref(), self.held_by_flush())
        else {
            return View::new();
        };
        let clip = self.clip(series.key.channel, frozen.order);
        let mut view: View = held
            .sealed(place)
            .map(|block| ViewPart {
                part: Part::Memory(Arc::clone(block)),
                clip,
            })
            .collect();
        self.add_head(held, place, TimeRange::ALL, &mut |part| {
            view.push(ViewPart { part, clip });
        });
        view
    }
}
