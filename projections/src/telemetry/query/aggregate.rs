//! One row per interval.

mod rows;
mod sums;

use std::time::Duration;

use tellee_actors::time::Timestamp;

use self::rows::Rows;
use self::sums::Sums;
use super::walk::Walk;
use crate::telemetry::codec::block::Intervals;
use crate::telemetry::codec::rollup::Detail;
use crate::telemetry::merge::clusters;
use crate::telemetry::model::{AggregateFunction, Aggregates, SeriesId, TimeRange};
use crate::telemetry::rollup::Level;
use crate::telemetry::state::View;
use crate::telemetry::store::TelemetryError;

/// No answer has more rows.
pub const MAX_ROWS: usize = 1_000_000;

/// Memory is taken ahead for so many rows at most.
const EXPECTED_ROWS: usize = 2_000;

fn too_many_rows() -> TelemetryError {
    TelemetryError::Invalid {
        field: "every",
        reason: format!("more than {MAX_ROWS} intervals; ask for longer ones or for less time"),
    }
}

fn aggregates(starts: &[i64], columns: Vec<Vec<f64>>) -> Aggregates {
    Aggregates {
        starts: starts.iter().copied().map(Timestamp).collect(),
        columns,
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
    let deviates = functions.contains(&AggregateFunction::Deviation);
    if deviates {
        Detail::All
    } else {
        Detail::Values
    }
}

pub fn aggregate(
    series: SeriesId,
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
    let most = (i128::from(range.to.0) - i128::from(range.from.0)) / i128::from(every) + 2;
    let expected = usize::try_from(most).unwrap_or(0).min(EXPECTED_ROWS);
    let intervals = Intervals {
        from: range.from.0,
        to: range.to.0,
        every,
    };
    let detail = detail(functions);
    let walk = Walk {
        series,
        range,
        levels: levels(every, detail == Detail::All),
        all_samples_count: false,
    };
    let clusters = clusters(view);
    if Sums::suffice(functions) {
        let mut sums = Sums::new(intervals, expected);
        walk.go(&clusters, &mut sums)?;
        return Ok(sums.finish(functions));
    }
    let mut rows = Rows::new(intervals, detail, expected);
    walk.go(&clusters, &mut rows)?;
    Ok(rows.finish(functions))
}
