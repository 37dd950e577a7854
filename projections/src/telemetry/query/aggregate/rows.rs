//! All statistics of each interval.

use std::ops::Range;

use super::{MAX_ROWS, aggregates, length_up_to, too_many_rows};
use crate::telemetry::blocks::{BlockSet, RollupEntry};
use crate::telemetry::codec::block::{Depth, Intervals};
use crate::telemetry::codec::rollup::Detail;
use crate::telemetry::columns::Values;
use crate::telemetry::merge::Cluster;
use crate::telemetry::model::{AggregateFunction, Aggregates, TimeRange};
use crate::telemetry::query::walk::{Visit, rows_within};
use crate::telemetry::state::Minute;
use crate::telemetry::store::TelemetryError;
use crate::telemetry::summary::{Statistics, Summary};

pub struct Rows {
    pub(super) every: i64,
    /// No interval starts before this.
    pub(super) not_before: i64,
    /// How much of each row of a rollup is asked for. Squares are for the deviation alone.
    detail: Detail,
    starts: Vec<i64>,
    statistics: Vec<Statistics>,
}

impl Rows {
    pub fn new(every: i64, detail: Detail, expected: usize) -> Self {
        Self {
            every,
            not_before: i64::MIN,
            detail,
            starts: Vec::with_capacity(expected),
            statistics: Vec::with_capacity(expected),
        }
    }

    pub fn finish(self, functions: &[AggregateFunction]) -> Aggregates {
        let column = |function: &AggregateFunction| -> Vec<f64> {
            let of = |statistics: &Statistics| match function {
                AggregateFunction::Count => statistics.count as f64,
                AggregateFunction::Sum => statistics.sum,
                AggregateFunction::Mean => statistics.mean(),
                AggregateFunction::Min => statistics.min,
                AggregateFunction::Max => statistics.max,
                AggregateFunction::First => statistics.first,
                AggregateFunction::Last => statistics.last,
                AggregateFunction::Deviation => statistics.deviation(),
            };
            self.statistics.iter().map(of).collect()
        };
        aggregates(&self.starts, functions.iter().map(column).collect())
    }

    /// Whether anyone asks for the deviation.
    pub(super) fn has_squares(&self) -> bool {
        self.detail == Detail::All
    }

    /// The intervals as they are without [`Self::not_before`].
    const fn intervals(&self) -> Intervals {
        Intervals {
            from: i64::MIN,
            to: i64::MAX,
            every: self.every,
        }
    }

    pub(super) fn start_of(&self, time: i64) -> i64 {
        self.intervals().start_of(time).max(self.not_before)
    }

    pub(super) fn add(
        &mut self,
        start: i64,
        statistics: &Statistics,
    ) -> Result<(), TelemetryError> {
        if statistics.count == 0 {
            return Ok(());
        }
        if self.starts.last() == Some(&start) {
            if let Some(last) = self.statistics.last_mut() {
                last.merge(statistics);
            }
            return Ok(());
        }
        if self.starts.len() == MAX_ROWS {
            return Err(too_many_rows());
        }
        self.starts.push(start);
        self.statistics.push(*statistics);
        Ok(())
    }

    fn statistics(&self, numbers: &[f64]) -> Statistics {
        if self.has_squares() {
            Statistics::of(numbers)
        } else {
            Statistics::without_squares(numbers)
        }
    }
}

impl Visit for Rows {
    fn rows(
        &mut self,
        set: &BlockSet,
        chunk: &RollupEntry,
        starts: Range<i64>,
    ) -> Result<bool, TelemetryError> {
        let Some(rows) = set.read_rollup(chunk, self.detail)? else {
            return Ok(false);
        };
        for row in rows_within(&rows, starts) {
            self.add(self.start_of(row.start), &row.numbers)?;
        }
        Ok(true)
    }

    fn summary(&mut self, summary: &Summary) -> Result<bool, TelemetryError> {
        let Some(numbers) = &summary.numbers else {
            return Ok(false);
        };
        let start = self.start_of(summary.min_time);
        if start != self.start_of(summary.max_time) {
            return Ok(false);
        }
        self.add(start, numbers)?;
        Ok(true)
    }

    fn minutes(&mut self, minutes: &[Minute]) -> Result<bool, TelemetryError> {
        for minute in minutes {
            self.add(self.start_of(minute.start), &minute.numbers)?;
        }
        Ok(true)
    }

    fn samples(&mut self, cluster: &Cluster, range: TimeRange) -> Result<(), TelemetryError> {
        let loaded = cluster.load(range, Depth::Values)?;
        let columns = &*loaded.columns;
        let mut from = loaded.wanted.start;
        let mut collected = Vec::new();
        let mut length = 0;
        while from < loaded.wanted.end {
            let start = self.start_of(columns.times[from]);
            let multiple = self.intervals().start_of(columns.times[from]);
            let last = self.intervals().last_of(multiple);
            length = length_up_to(&columns.times[from..loaded.wanted.end], last, length);
            let statistics = match &columns.values {
                Values::Numbers(numbers) => self.statistics(&numbers[from..from + length]),
                Values::Any(values) => {
                    collected.clear();
                    collected.extend(
                        values[from..from + length]
                            .iter()
                            .filter_map(|value| value.as_number()),
                    );
                    self.statistics(&collected)
                }
            };
            self.add(start, &statistics)?;
            from += length;
        }
        Ok(())
    }
}
