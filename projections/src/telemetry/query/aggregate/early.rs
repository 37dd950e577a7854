//! Intervals of which the samples are gone, from the rollups that outlived them.

use tellee_actors::time::Timestamp;

use super::Rows;
use crate::telemetry::codec::rollup::Detail;
use crate::telemetry::kept::{KeptRollups, LateRows};
use crate::telemetry::merge::Cluster;
use crate::telemetry::model::{RolledUp, TimeRange};
use crate::telemetry::rollup::{Level, Row};
use crate::telemetry::store::TelemetryError;

/// Adds what the kept rollups and the late samples beside them tell of `range`, up to the end of the kept rollups, and
/// answers that; `None` where `range` holds nothing of them.
///
/// Rows cannot be divided: intervals are brought up to a whole number of them, and a row counts as a whole where it
/// overlaps `range`. Only hours keep squares.
pub fn early(
    rows: &mut Rows,
    kept: &KeptRollups,
    clusters: &[Cluster],
    range: TimeRange,
    detail: Detail,
) -> Result<Option<RolledUp>, TelemetryError> {
    let Some((first, end)) = kept.span() else {
        return Ok(None);
    };
    if range.from.0 >= end || range.to.0 <= first {
        return Ok(None);
    }
    let level = if rows.has_squares() {
        Level::Hour
    } else {
        Level::Minute
    };
    let fine = rows.every;
    let step = whole_rows(fine, level)?;
    let within = TimeRange {
        from: range.from,
        to: range.to.min(Timestamp(end)),
    };
    let is_late =
        |cluster: &Cluster| cluster.min_time < within.to.0 && cluster.max_time >= within.from.0;
    rows.every = step;
    let mut add = |given: &[Row]| {
        given
            .iter()
            .try_for_each(|row| rows.add(rows.start_of(row.start), &row.numbers))
    };
    if clusters.iter().any(is_late) {
        LateRows { kept, clusters }.each(level, within, detail, &mut add)?;
    } else if level == Level::Minute && step % Level::Hour.width() == 0 {
        kept.each_of_longest(within, detail, &mut add)?;
    } else {
        kept.each(level, within, detail, &mut add)?;
    }
    rows.every = fine;
    if step != fine {
        // The grids differ: the first interval from samples begins where the last one from rollups may end.
        rows.not_before = end;
    }
    Ok(Some(RolledUp {
        before: within.to,
        step: std::time::Duration::from_nanos(step.unsigned_abs()),
    }))
}

/// `every`, brought up to a whole number of rows of `level`.
fn whole_rows(every: i64, level: Level) -> Result<i64, TelemetryError> {
    let width = level.width().unsigned_abs();
    every
        .unsigned_abs()
        .checked_next_multiple_of(width)
        .and_then(|step| i64::try_from(step).ok())
        .ok_or_else(|| TelemetryError::Invalid {
            field: "every",
            reason: "too long".to_owned(),
        })
}
