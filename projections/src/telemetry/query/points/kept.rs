//! The line of a time of which samples are gone: of each hour those that its rollup still knows, which are the first,
//! the last, the least and the greatest.

use tellee_actors::time::Timestamp;

use super::wide::{Hours, Line};
use super::{Point, finish, in_order, last_time, point};
use crate::telemetry::codec::block::Depth;
use crate::telemetry::codec::rollup::Detail;
use crate::telemetry::kept::KeptRollups;
use crate::telemetry::merge::Cluster;
use crate::telemetry::model::{Points, SeriesId, TimeRange};
use crate::telemetry::query::walk::Walk;
use crate::telemetry::rollup::{Level, Place, Row};
use crate::telemetry::store::TelemetryError;

/// The samples that `row` knows, in order of time.
pub(super) fn points_of(row: &Row) -> [Point; 4] {
    let point = |place: Place, value: f64| Point {
        time: place.time,
        value: Some(value),
        quality: place.quality,
    };
    let mut points = [
        point(row.first, row.numbers.first),
        point(row.min, row.numbers.min),
        point(row.max, row.numbers.max),
        point(row.last, row.numbers.last),
    ];
    points.sort_by_key(|point| point.time);
    points
}

/// The points that are left of the time up to the end of the kept rollups, in order; how many samples there were.
fn early(
    kept: &KeptRollups,
    clusters: &[Cluster],
    within: TimeRange,
) -> Result<(Vec<Point>, u64), TelemetryError> {
    let mut samples = 0;
    kept.each_of_longest(within, Detail::Sums, &mut |rows| {
        samples += rows.iter().map(|row| row.numbers.count).sum::<u64>();
        Ok(())
    })?;
    let mut points = Vec::new();
    kept.each(Level::Hour, within, Detail::All, &mut |rows| {
        let all = rows.iter().flat_map(points_of);
        points.extend(all.filter(|point| within.contains(Timestamp(point.time))));
        Ok(())
    })?;
    for cluster in clusters {
        if cluster.max_time < within.from.0 || cluster.min_time >= within.to.0 {
            continue;
        }
        let loaded = cluster.load(within, Depth::Values)?;
        samples += loaded.wanted.len() as u64;
        points.extend(loaded.wanted.map(|index| point(&loaded.columns, index)));
    }
    points.sort_by_key(|point| point.time);
    points.dedup();
    Ok((points, samples))
}

/// As [`super::points`], where kept rollups tell of some of `range`; `None` where they do not.
pub fn points(
    series: SeriesId,
    clusters: &[Cluster],
    kept: &KeptRollups,
    range: TimeRange,
    max_points: usize,
) -> Result<Option<Points>, TelemetryError> {
    let Some((first, end)) = kept.span() else {
        return Ok(None);
    };
    if range.from.0 >= end || range.to.0 <= first {
        return Ok(None);
    }
    let within = TimeRange {
        from: range.from,
        to: range.to.min(Timestamp(end)),
    };
    let after = TimeRange {
        from: range.from.max(Timestamp(end)),
        to: range.to,
    };
    let (early, gone) = early(kept, clusters, within)?;
    let mut rest = 0;
    for cluster in clusters.iter().filter(|cluster| cluster.max_time >= end) {
        rest += match cluster.summary_within(after) {
            Some(summary) => u64::from(summary.count),
            None => cluster.load(after, Depth::Values)?.wanted.len() as u64,
        };
    }
    let samples = gone + rest;
    if early.len() as u64 + rest <= max_points as u64 {
        let mut all = early;
        for cluster in clusters.iter().filter(|cluster| cluster.max_time >= end) {
            let loaded = cluster.load(after, Depth::Values)?;
            all.extend(loaded.wanted.map(|index| point(&loaded.columns, index)));
        }
        return Ok(Some(finish(all, samples)));
    }

    let starts = clusters.iter().map(|cluster| cluster.min_time.max(end));
    let earliest = early.first().map(|point| point.time);
    let earliest = earliest.or_else(|| starts.min()).unwrap_or(end);
    let last = early.last().map_or(earliest, |point| point.time);
    let latest = last_time(clusters, last, range);
    let stretches = (max_points.saturating_sub(2) / 2) as u64;
    let hours = Hours::from(earliest, latest, stretches);
    let levels: &[Level] = if hours.is_some() { &[Level::Hour] } else { &[] };
    let hours = hours.unwrap_or_else(|| Hours::even(earliest, latest, stretches.max(1)));
    let mut line = Line::new(hours);
    early.into_iter().for_each(|point| line.add(point));
    let walk = Walk {
        series,
        range: after,
        levels,
        all_samples_count: true,
    };
    walk.go(clusters, &mut line)?;
    let ends = [line.first, line.last];
    let mut line = if stretches > 0 {
        line.finish()
    } else {
        Vec::new()
    };
    let [first, last] = ends;
    line.extend(last);
    if max_points >= 2 {
        line.extend(first);
    }
    Ok(Some(in_order(line, samples)))
}
