//! Count and sum of each interval alone: all that a mean needs, and much less work than the extremes.

use std::cell::RefCell;
use std::ops::Range;

use super::{MAX_ROWS, aggregates, length_up_to, too_many_rows};
use crate::telemetry::blocks::{BlockSet, RollupEntry};
use crate::telemetry::codec::block::{BlockSums, Depth, Intervals};
use crate::telemetry::columns::Values;
use crate::telemetry::merge::Cluster;
use crate::telemetry::model::{AggregateFunction, Aggregates, TimeRange};
use crate::telemetry::query::walk::Visit;
use crate::telemetry::state::{Minute, Part};
use crate::telemetry::store::TelemetryError;
use crate::telemetry::summary::{Summary, sum_of};

thread_local! {
    static BLOCK_SUMS: RefCell<BlockSums> = RefCell::new(BlockSums::default());
}

pub struct Sums {
    intervals: Intervals,
    starts: Vec<i64>,
    counts: Vec<u64>,
    sums: Vec<f64>,
}

impl Sums {
    pub fn new(intervals: Intervals, expected: usize) -> Self {
        Self {
            intervals,
            starts: Vec::with_capacity(expected),
            counts: Vec::with_capacity(expected),
            sums: Vec::with_capacity(expected),
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

    pub fn finish(self, functions: &[AggregateFunction]) -> Aggregates {
        let column = |function: &AggregateFunction| -> Vec<f64> {
            let rows = || self.sums.iter().zip(&self.counts);
            match function {
                AggregateFunction::Sum => self.sums.clone(),
                AggregateFunction::Mean => rows().map(|(sum, count)| sum / *count as f64).collect(),
                _ => rows().map(|(_, count)| *count as f64).collect(),
            }
        };
        aggregates(&self.starts, functions.iter().map(column).collect())
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

    /// Sums up a block from its bytes. Answers false, and has taken nothing, where that takes a look at the samples, or
    /// where the block is damaged.
    fn block(&mut self, bytes: &[u8], intervals: &Intervals) -> Result<bool, TelemetryError> {
        BLOCK_SUMS.with_borrow_mut(|sums| {
            let Ok(Some(stretches)) = sums.of(bytes, intervals) else {
                return Ok(false);
            };
            for stretch in stretches {
                self.add(stretch.start, stretch.count, stretch.sum)?;
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

impl Visit for Sums {
    fn rows(
        &mut self,
        set: &BlockSet,
        chunk: &RollupEntry,
        starts: Range<i64>,
    ) -> Result<bool, TelemetryError> {
        let Some(rows) = set.read_sums(chunk)? else {
            return Ok(false);
        };
        for row in rows.within(starts.start, starts.end) {
            let start = self.intervals.start_of(rows.start(row));
            self.add(start, rows.count(row), rows.sums()[row])?;
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
        self.add(start, numbers.count, numbers.sum)?;
        Ok(true)
    }

    fn minutes(&mut self, minutes: &[Minute]) -> Result<bool, TelemetryError> {
        for minute in minutes {
            let start = self.intervals.start_of(minute.start);
            self.add(start, minute.numbers.count, minute.numbers.sum)?;
        }
        Ok(true)
    }

    fn samples(&mut self, cluster: &Cluster, range: TimeRange) -> Result<(), TelemetryError> {
        if self.single(cluster, range)? {
            return Ok(());
        }
        let loaded = cluster.load(range, Depth::Values)?;
        let columns = &*loaded.columns;
        let mut from = loaded.wanted.start;
        let mut collected = Vec::new();
        let mut length = 0;
        while from < loaded.wanted.end {
            let start = self.intervals.start_of(columns.times[from]);
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
            self.add(start, numbers.len() as u64, sum_of(numbers))?;
            from += length;
        }
        Ok(())
    }
}
