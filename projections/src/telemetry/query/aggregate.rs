//! One row per interval.

mod early;
mod rows;
mod sums;

use std::time::Duration;

use tellee_actors::time::Timestamp;

use self::rows::Rows;
pub use self::sums::Reads;
use self::sums::Sums;
use super::walk::Walk;
use crate::telemetry::codec::block::Intervals;
use crate::telemetry::codec::rollup::Detail;
use crate::telemetry::kept::KeptRollups;
use crate::telemetry::merge::clusters;
use crate::telemetry::model::{AggregateFunction, Aggregates, SeriesId, TimeRange};
use crate::telemetry::rollup::Level;
use crate::telemetry::state::{PlainSample, View};
use crate::telemetry::store::TelemetryError;
use crate::telemetry::sums_cache::SumsCache;

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
        rolled_up: None,
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

/// A question for aggregates of any series.
pub struct Question<'a> {
    range: TimeRange,
    intervals: Intervals,
    functions: &'a [AggregateFunction],
    /// How many rows there may be; no more than memory is taken ahead for.
    expected: usize,
}

impl<'a> Question<'a> {
    /// # Errors
    /// [`TelemetryError::Invalid`] if `every` is nothing, or too long to be counted.
    pub fn new(
        range: TimeRange,
        every: Duration,
        functions: &'a [AggregateFunction],
    ) -> Result<Self, TelemetryError> {
        let invalid = |reason: &str| TelemetryError::Invalid {
            field: "every",
            reason: reason.to_owned(),
        };
        let every = i64::try_from(every.as_nanos()).map_err(|_| invalid("too long"))?;
        if every == 0 {
            return Err(invalid("must be longer than nothing"));
        }
        let most = (i128::from(range.to.0) - i128::from(range.from.0)) / i128::from(every) + 2;
        Ok(Self {
            range,
            intervals: Intervals {
                from: range.from.0,
                to: range.to.0,
                every,
            },
            functions,
            expected: usize::try_from(most).unwrap_or(0).min(EXPECTED_ROWS),
        })
    }

    pub const fn range(&self) -> TimeRange {
        self.range
    }

    /// Whether the answer is small, and counts and sums are enough for it.
    pub fn is_light(&self) -> bool {
        self.expected < EXPECTED_ROWS && Sums::suffice(self.functions)
    }

    /// What the newest samples come to, which lie behind all that [`Self::answer`] is to look at. `None` where counts
    /// and sums are not enough.
    pub fn newest(&self, samples: &[PlainSample]) -> Result<Option<Newest>, TelemetryError> {
        if !Sums::suffice(self.functions) {
            return Ok(None);
        }
        let mut rows = sums::Rows::with_capacity(0);
        rows.add_plain(&self.intervals, samples)?;
        Ok(Some(Newest(rows)))
    }

    /// Whether some of the range is known from `kept` alone. Then rows are not those of counts and sums, and no newest
    /// samples may be given apart.
    pub fn is_rolled_up(&self, kept: &KeptRollups) -> bool {
        kept.span()
            .is_some_and(|(first, end)| self.range.from.0 < end && self.range.to.0 > first)
    }

    /// The rows of `series`, of which `view` holds the samples but for the newest ones, if those are given apart, and
    /// `kept` what outlived its samples. `None` if reads are avoided and it takes some.
    pub fn answer(
        &self,
        series: SeriesId,
        view: View,
        kept: &KeptRollups,
        newest: Option<Newest>,
        cache: &SumsCache,
        reads: Reads,
    ) -> Result<Option<Aggregates>, TelemetryError> {
        let detail = detail(self.functions);
        let walk = Walk {
            series,
            range: self.range,
            levels: levels(self.intervals.every, detail == Detail::All),
            all_samples_count: false,
        };
        let clusters = clusters(view);
        let is_rolled_up = self.is_rolled_up(kept);
        if Sums::suffice(self.functions) && !is_rolled_up {
            let mut sums = Sums::new(self.intervals, cache, reads, self.expected);
            walk.go(&clusters, &mut sums)?;
            if let Some(Newest(newest)) = newest {
                sums.append(&newest)?;
            }
            return Ok(sums.finish(self.functions));
        }
        if reads != Reads::Allowed {
            return Ok(None);
        }
        let mut rows = Rows::new(self.intervals.every, detail, self.expected);
        let rolled_up = early::early(&mut rows, kept, &clusters, self.range, detail)?;
        let from = rolled_up.map_or(self.range.from, |rolled_up| rolled_up.before);
        let walk = Walk {
            range: TimeRange {
                from,
                to: self.range.to,
            },
            ..walk
        };
        walk.go(&clusters, &mut rows)?;
        Ok(Some(Aggregates {
            rolled_up,
            ..rows.finish(self.functions)
        }))
    }
}

/// What the newest samples of a series come to.
pub struct Newest(sums::Rows);
