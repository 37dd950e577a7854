//! One row per interval.

use std::time::Duration;

use tellee_actors::time::Timestamp;

use crate::telemetry::codec::block::Depth;
use crate::telemetry::columns::Values;
use crate::telemetry::merge::{Loaded, clusters};
use crate::telemetry::model::{AggregateFunction, Aggregates, TimeRange};
use crate::telemetry::state::View;
use crate::telemetry::store::TelemetryError;
use crate::telemetry::summary::Statistics;

/// No answer has more rows.
pub const MAX_ROWS: usize = 1_000_000;

struct Rows {
    every: i64,
    starts: Vec<i64>,
    statistics: Vec<Statistics>,
}

impl Rows {
    const fn start_of(&self, time: i64) -> i64 {
        time.saturating_sub(time.rem_euclid(self.every))
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

    fn add_samples(&mut self, loaded: &Loaded) -> Result<(), TelemetryError> {
        let columns = &*loaded.columns;
        let mut from = loaded.wanted.start;
        let mut collected = Vec::new();
        while from < loaded.wanted.end {
            let start = self.start_of(columns.times[from]);
            let last = start.saturating_add(self.every - 1);
            let length =
                columns.times[from..loaded.wanted.end].partition_point(|time| *time <= last);
            let statistics = match &columns.values {
                Values::Numbers(numbers) => Statistics::of(&numbers[from..from + length]),
                Values::Any(values) => {
                    collected.clear();
                    collected.extend(
                        values[from..from + length]
                            .iter()
                            .filter_map(|value| value.as_number()),
                    );
                    Statistics::of(&collected)
                }
            };
            self.add(start, &statistics)?;
            from += length;
        }
        Ok(())
    }
}

pub fn aggregate(
    view: View,
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
    let mut rows = Rows {
        every,
        starts: Vec::new(),
        statistics: Vec::new(),
    };
    for cluster in clusters(view) {
        if let Some(summary) = cluster.summary_within(range) {
            let start = rows.start_of(summary.min_time);
            if start == rows.start_of(summary.max_time) {
                rows.add(start, &summary.numbers)?;
                continue;
            }
        }
        rows.add_samples(&cluster.load(range, Depth::Values)?)?;
    }

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
    })
}
