//! Count and sum of each interval alone: all that a mean needs, and much less work than the extremes.

use std::cell::RefCell;
use std::ops::Range;

use super::{MAX_ROWS, aggregates, length_up_to, too_many_rows};
use crate::telemetry::blocks::{BlockSet, RollupEntry};
use crate::telemetry::codec::block::{BlockSums, Depth, Intervals};
use crate::telemetry::codec::rollup;
use crate::telemetry::columns::Values;
use crate::telemetry::merge::Cluster;
use crate::telemetry::model::{AggregateFunction, Aggregates, TimeRange};
use crate::telemetry::query::walk::Visit;
use crate::telemetry::state::{Minute, Part, PlainSample};
use crate::telemetry::store::TelemetryError;
use crate::telemetry::summary::{Summary, sum_of};
use crate::telemetry::sums_cache::SumsCache;

thread_local! {
    static BLOCK_SUMS: RefCell<BlockSums> = RefCell::new(BlockSums::default());
}

/// Rows as columns, in order of their starts.
pub struct Rows {
    starts: Vec<i64>,
    counts: Vec<u64>,
    sums: Vec<f64>,
}

impl Rows {
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            starts: Vec::with_capacity(rows),
            counts: Vec::with_capacity(rows),
            sums: Vec::with_capacity(rows),
        }
    }

    fn add(&mut self, start: i64, count: u64, sum: f64) -> Result<(), TelemetryError> {
        if count == 0 {
            return Ok(());
        }
        if self.starts.last() == Some(&start)
            && let (Some(counts), Some(sums)) = (self.counts.last_mut(), self.sums.last_mut())
        {
            *counts += count;
            *sums += sum;
            return Ok(());
        }
        if self.starts.len() == MAX_ROWS {
            return Err(too_many_rows());
        }
        self.starts.push(start);
        self.counts.push(count);
        self.sums.push(sum);
        Ok(())
    }

    /// Adds samples in order of time.
    pub fn add_plain(
        &mut self,
        intervals: &Intervals,
        samples: &[PlainSample],
    ) -> Result<(), TelemetryError> {
        let mut rest = samples;
        let mut guess = 0;
        while let Some(first) = rest.first() {
            let start = intervals.start_of(first.time);
            let last = intervals.last_of(start);
            let is_within =
                |index: usize| rest.get(index).is_some_and(|sample| sample.time <= last);
            if guess == 0 || !is_within(guess - 1) || is_within(guess) {
                guess = rest.partition_point(|sample| sample.time <= last);
            }
            let (within, others) = rest.split_at(guess);
            self.add(start, within.len() as u64, sum_of_plain(within))?;
            rest = others;
        }
        Ok(())
    }
}

/// Whether the disk may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    Allowed,
    /// What takes a read is left out, and then the answer is worth nothing.
    Avoided,
    /// Something was left out.
    Missed,
}

/// As [`sum_of`].
fn sum_of_plain(samples: &[PlainSample]) -> f64 {
    let mut sums = [0.0; 4];
    let (chunks, rest) = samples.as_chunks::<4>();
    for sample in rest {
        sums[0] += sample.number;
    }
    for [one, two, three, four] in chunks {
        sums[0] += one.number;
        sums[1] += two.number;
        sums[2] += three.number;
        sums[3] += four.number;
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

pub struct Sums<'a> {
    intervals: Intervals,
    cache: &'a SumsCache,
    reads: Reads,
    rows: Rows,
}

impl<'a> Sums<'a> {
    pub fn new(intervals: Intervals, cache: &'a SumsCache, reads: Reads, expected: usize) -> Self {
        Self {
            intervals,
            cache,
            reads,
            rows: Rows::with_capacity(expected),
        }
    }

    /// Whether these are enough to answer `functions`.
    pub fn suffice(functions: &[AggregateFunction]) -> bool {
        functions.iter().all(|function| {
            matches!(
                function,
                AggregateFunction::Count | AggregateFunction::Sum | AggregateFunction::Mean
            )
        })
    }

    /// The answer; `None` if something was left out of it.
    pub fn finish(self, functions: &[AggregateFunction]) -> Option<Aggregates> {
        if self.reads == Reads::Missed {
            return None;
        }
        let Rows {
            starts,
            counts,
            sums,
        } = self.rows;
        let column = |function: &AggregateFunction| -> Vec<f64> {
            let rows = || sums.iter().zip(&counts);
            match function {
                AggregateFunction::Sum => sums.clone(),
                AggregateFunction::Mean => rows().map(|(sum, count)| sum / *count as f64).collect(),
                _ => rows().map(|(_, count)| *count as f64).collect(),
            }
        };
        let columns = functions.iter().map(column).collect();
        Some(aggregates(&starts, columns))
    }

    /// Adds rows that come after all others.
    pub fn append(&mut self, later: &Rows) -> Result<(), TelemetryError> {
        let rows = later.starts.iter().zip(&later.counts).zip(&later.sums);
        for ((start, count), sum) in rows {
            self.rows.add(*start, *count, *sum)?;
        }
        Ok(())
    }

    /// The start of the interval of `time`; mostly that of the last row.
    fn start_of(&self, time: i64) -> i64 {
        match self.rows.starts.last() {
            // At the lower end of time an interval may be cut short.
            Some(&last) if last > i64::MIN && self.intervals.holds(last, time) => last,
            _ => self.intervals.start_of(time),
        }
    }

    /// Adds rows that are intervals as they are, one after the other. Answers false, and has taken none, if they may not
    /// be.
    fn add_regular(&mut self, rows: &rollup::Sums, within: &Range<usize>) -> bool {
        let Some((first, step)) = rows.regular_starts(within) else {
            return false;
        };
        let is_room = self.rows.starts.len() + within.len() <= MAX_ROWS;
        let is_next = self.rows.starts.last().is_none_or(|last| *last < first);
        let is_aligned = step == self.intervals.every && first.rem_euclid(step) == 0;
        if !(is_room && is_next && is_aligned) {
            return false;
        }
        let starts = (0..within.len() as i64).map(|row| first.saturating_add(step * row));
        self.rows.starts.extend(starts);
        rows.extend_counts(within.clone(), &mut self.rows.counts);
        self.rows
            .sums
            .extend_from_slice(&rows.sums()[within.clone()]);
        true
    }

    /// Sums up a block from its bytes. Answers false, and has taken nothing, where that takes a look at the samples, or
    /// where the block is damaged.
    fn block(&mut self, bytes: &[u8], intervals: &Intervals) -> Result<bool, TelemetryError> {
        BLOCK_SUMS.with_borrow_mut(|sums| {
            let Ok(Some(stretches)) = sums.of(bytes, intervals) else {
                return Ok(false);
            };
            for stretch in stretches {
                self.rows.add(stretch.start, stretch.count, stretch.sum)?;
            }
            Ok(true)
        })
    }

    /// Sums up a cluster that is one block. Answers as [`Self::block`].
    fn single(&mut self, cluster: &Cluster, range: TimeRange) -> Result<bool, TelemetryError> {
        let Some(part) = cluster.single() else {
            return Ok(false);
        };
        let intervals = Intervals {
            from: range.from.0.max(part.clip),
            to: range.to.0,
            ..self.intervals
        };
        match &part.part {
            Part::Memory(block) => self.block(&block.bytes, &intervals),
            Part::Sealed {
                set,
                offset,
                length,
                ..
            } => match set.read(*offset, *length, "a block")? {
                Some(bytes) => self.block(&bytes, &intervals),
                // Reported; there is nothing to be had from it in another way either.
                None => Ok(true),
            },
            Part::Head(_) => Ok(false),
        }
    }
}

impl Visit for Sums<'_> {
    fn rows(
        &mut self,
        set: &BlockSet,
        chunk: &RollupEntry,
        starts: Range<i64>,
    ) -> Result<bool, TelemetryError> {
        if self.reads != Reads::Allowed && !self.cache.holds(set, chunk) {
            self.reads = Reads::Missed;
            return Ok(true);
        }
        let Some(rows) = self.cache.read(set, chunk)? else {
            return Ok(false);
        };
        let within = rows.within(starts.start, starts.end);
        if self.add_regular(&rows, &within) {
            return Ok(true);
        }
        for row in within {
            let start = self.start_of(rows.start(row));
            self.rows.add(start, rows.count(row), rows.sums()[row])?;
        }
        Ok(true)
    }

    fn summary(&mut self, summary: &Summary) -> Result<bool, TelemetryError> {
        let Some(numbers) = &summary.numbers else {
            return Ok(false);
        };
        let start = self.intervals.start_of(summary.min_time);
        if start != self.intervals.start_of(summary.max_time) {
            return Ok(false);
        }
        self.rows.add(start, numbers.count, numbers.sum)?;
        Ok(true)
    }

    fn minutes(&mut self, minutes: &[Minute]) -> Result<bool, TelemetryError> {
        for minute in minutes {
            let start = self.start_of(minute.start);
            self.rows
                .add(start, minute.numbers.count, minute.numbers.sum)?;
        }
        Ok(true)
    }

    fn samples(&mut self, cluster: &Cluster, range: TimeRange) -> Result<(), TelemetryError> {
        if self.reads != Reads::Allowed && cluster.is_on_disk() {
            self.reads = Reads::Missed;
            return Ok(());
        }
        if self.single(cluster, range)? {
            return Ok(());
        }
        let loaded = cluster.load(range, Depth::Values)?;
        let columns = &*loaded.columns;
        let mut from = loaded.wanted.start;
        let mut collected = Vec::new();
        let mut length = 0;
        while from < loaded.wanted.end {
            let start = self.start_of(columns.times[from]);
            let last = self.intervals.last_of(start);
            length = length_up_to(&columns.times[from..loaded.wanted.end], last, length);
            let numbers = match &columns.values {
                Values::Numbers(numbers) => &numbers[from..from + length],
                Values::Any(values) => {
                    collected.clear();
                    let values = values[from..from + length].iter();
                    collected.extend(values.filter_map(|value| value.as_number()));
                    &collected
                }
            };
            self.rows
                .add(start, numbers.len() as u64, sum_of(numbers))?;
            from += length;
        }
        Ok(())
    }
}
