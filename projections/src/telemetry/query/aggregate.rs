//! One row per interval.

use std::time::Duration;

use tellee_actors::time::Timestamp;

mod early;

use super::walk::{Visit, Walk};
use crate::telemetry::codec::rollup::Detail;
use crate::telemetry::columns::Values;
use crate::telemetry::kept::KeptRollups;
use crate::telemetry::merge::{Loaded, clusters};
use crate::telemetry::model::{AggregateFunction, Aggregates, SeriesId, TimeRange};
use crate::telemetry::rollup::{Level, Row};
use crate::telemetry::state::{Minute, View};
use crate::telemetry::store::TelemetryError;
use crate::telemetry::summary::{Statistics, Summary};

/// No answer has more rows.
pub const MAX_ROWS: usize = 1_000_000;

/// Memory is taken ahead for so many rows at most.
const EXPECTED_ROWS: usize = 2_000;

struct Rows {
    every: i64,
    /// No interval starts before this.
    not_before: i64,
    /// Whether anyone asks for the deviation.
    squares: bool,
    starts: Vec<i64>,
    statistics: Vec<Statistics>,
}

impl Rows {
    /// The last multiple of the length of an interval that is not later than `time`.
    const fn multiple(&self, time: i64) -> i64 {
        time.saturating_sub(time.rem_euclid(self.every))
    }

    fn start_of(&self, time: i64) -> i64 {
        self.multiple(time).max(self.not_before)
    }

    fn add(&mut self, start: i64, statistics: &Statistics) -> Result<(), TelemetryError> {
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
            let reason =
                format!("more than {MAX_ROWS} intervals; ask for longer ones or for less time");
            return Err(TelemetryError::Invalid {
                field: "every",
                reason,
            });
        }
        self.starts.push(start);
        self.statistics.push(*statistics);
        Ok(())
    }

    fn statistics(&self, numbers: &[f64]) -> Statistics {
        if self.squares {
            Statistics::of(numbers)
        } else {
            Statistics::without_squares(numbers)
        }
    }
}

/// How many of the sorted `times` are no later than `last`. Regular clocks put as many into each interval: `guess` is
/// looked at first.
fn length_up_to(times: &[i64], last: i64, guess: usize) -> usize {
    let is_within = |index: usize| times.get(index).is_some_and(|time| *time <= last);
    if guess > 0 && is_within(guess - 1) && !is_within(guess) {
        return guess;
    }
    times.partition_point(|time| *time <= last)
}

impl Visit for Rows {
    fn rows(&mut self, _: Level, rows: &[Row]) -> Result<(), TelemetryError> {
        rows.iter()
            .try_for_each(|row| self.add(self.start_of(row.start), &row.numbers))
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

    fn samples(&mut self, loaded: &Loaded) -> Result<(), TelemetryError> {
        let columns = &*loaded.columns;
        let mut from = loaded.wanted.start;
        let mut collected = Vec::new();
        let mut length = 0;
        while from < loaded.wanted.end {
            let start = self.start_of(columns.times[from]);
            let multiple = self.multiple(columns.times[from]);
            let last = multiple.saturating_add(self.every - 1);
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

/// Which levels of rollups an interval is made of exactly, the longest first. Minutes do not keep squares.
fn levels(every: i64, squares: bool) -> &'static [Level] {
    let divides = |level: Level| every % level.width() == 0;
    match (divides(Level::Hour), divides(Level::Minute), squares) {
        (true, _, false) => &[Level::Hour, Level::Minute],
        (true, _, true) => &[Level::Hour],
        (false, true, false) => &[Level::Minute],
        (false, _, _) => &[],
    }
}

fn detail(functions: &[AggregateFunction]) -> Detail {
    let of = |function: &AggregateFunction| match function {
        AggregateFunction::Count | AggregateFunction::Sum | AggregateFunction::Mean => Detail::Sums,
        AggregateFunction::Min
        | AggregateFunction::Max
        | AggregateFunction::First
        | AggregateFunction::Last => Detail::Values,
        AggregateFunction::Deviation => Detail::All,
    };
    functions.iter().map(of).max().unwrap_or(Detail::Sums)
}

pub fn aggregate(
    series: SeriesId,
    view: View,
    kept: &KeptRollups,
    range: TimeRange,
    every: Duration,
    functions: &[AggregateFunction],
) -> Result<Aggregates, TelemetryError> {
    let invalid = |reason: &str| TelemetryError::Invalid {
        field: "every",
        reason: reason.to_owned(),
    };
    let every = i64::try_from(every.as_nanos()).map_err(|_| invalid("too long"))?;
    if every == 0 {
        return Err(invalid("must be longer than nothing"));
    }
    let detail = detail(functions);
    let squares = detail == Detail::All;
    let most = (i128::from(range.to.0) - i128::from(range.from.0)) / i128::from(every) + 2;
    let expected = usize::try_from(most).unwrap_or(0).min(EXPECTED_ROWS);
    let mut rows = Rows {
        every,
        not_before: i64::MIN,
        squares,
        starts: Vec::with_capacity(expected),
        statistics: Vec::with_capacity(expected),
    };
    let clusters = clusters(view);
    let rolled_up = early::early(&mut rows, kept, &clusters, range, detail)?;
    let from = rolled_up.map_or(range.from, |rolled_up| rolled_up.before);
    let walk = Walk {
        series,
        range: TimeRange { from, to: range.to },
        levels: levels(every, squares),
        detail,
        all_samples_count: false,
    };
    walk.go(&clusters, &mut rows)?;

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
        rows.statistics.iter().map(of).collect()
    };
    Ok(Aggregates {
        starts: rows.starts.iter().copied().map(Timestamp).collect(),
        columns: functions.iter().map(column).collect(),
        rolled_up,
    })
}
