//! The line of a long time, from the rollups of its hours.

use std::ops::Range;

use super::{Point, Stretch, last_time, point};
use crate::telemetry::blocks::{BlockSet, RollupEntry};
use crate::telemetry::codec::block::Depth;
use crate::telemetry::codec::rollup::Detail;
use crate::telemetry::merge::Cluster;
use crate::telemetry::model::{SeriesId, TimeRange};
use crate::telemetry::query::walk::{Visit, Walk, rows_within};
use crate::telemetry::rollup::{Level, Place};
use crate::telemetry::store::TelemetryError;
use crate::telemetry::summary::Summary;

/// Stretches of whole hours must be at least so long: those of fewer would differ too much from the length asked.
const LEAST_HOURS: i128 = 2;

/// Stretches of whole hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The start of the first.
    origin: i64,
    /// Of each, in nanoseconds.
    length: i64,
}

impl Hours {
    /// As few hours to a stretch as make at most `stretches` of them; `None` if that is too few.
    pub fn of(clusters: &[Cluster], range: TimeRange, stretches: u64) -> Option<Self> {
        if stretches == 0 {
            return None;
        }
        let width = i128::from(Level::Hour.width());
        let earliest = clusters.first()?.min_time.max(range.from.0);
        let origin = Level::Hour.start_of(earliest)?;
        let end = Level::Hour.start_of(last_time(clusters, earliest, range))?;
        let hours = (i128::from(end) - i128::from(origin)) / width + 1;
        let each = (hours + i128::from(stretches) - 1) / i128::from(stretches);
        if each < LEAST_HOURS || hours < LEAST_HOURS * i128::from(stretches) {
            return None;
        }
        let length = i64::try_from(each * width).ok()?;
        Some(Self { origin, length })
    }

    fn number_of(self, time: i64) -> u64 {
        let offset = i128::from(time) - i128::from(self.origin);
        (offset.max(0) / i128::from(self.length)) as u64
    }
}

struct Line {
    hours: Hours,
    stretch: Stretch,
    points: Vec<(u64, Point)>,
    first: Option<(u64, Point)>,
    last: Option<(u64, Point)>,
}

impl Line {
    fn add(&mut self, point: Point) {
        let place = match self.last {
            // The first sample of an hour is often its least or greatest too.
            Some((place, last)) if last == point => place,
            Some((place, _)) => place + 1,
            None => 0,
        };
        self.first.get_or_insert((place, point));
        self.last = Some((place, point));
        let number = self.hours.number_of(point.time);
        if number != self.stretch.number {
            std::mem::replace(&mut self.stretch, Stretch::new(number)).finish(&mut self.points);
        }
        self.stretch.add(place, point);
    }
}

impl Visit for Line {
    fn rows(
        &mut self,
        set: &BlockSet,
        chunk: &RollupEntry,
        starts: Range<i64>,
    ) -> Result<bool, TelemetryError> {
        let Some(rows) = set.read_rollup(chunk, Detail::All)? else {
            return Ok(false);
        };
        for row in rows_within(&rows, starts) {
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
            points.into_iter().for_each(|point| self.add(point));
        }
        Ok(true)
    }

    fn summary(&mut self, _: &Summary) -> Result<bool, TelemetryError> {
        Ok(false)
    }

    fn samples(&mut self, cluster: &Cluster, range: TimeRange) -> Result<(), TelemetryError> {
        let loaded = cluster.load(range, Depth::Values)?;
        for index in loaded.wanted.clone() {
            self.add(point(&loaded.columns, index));
        }
        Ok(())
    }
}

/// First, last, and the extremes of each stretch, in order of time.
pub fn wide(
    series: SeriesId,
    clusters: &[Cluster],
    range: TimeRange,
    hours: Hours,
) -> Result<Vec<(u64, Point)>, TelemetryError> {
    let mut line = Line {
        hours,
        stretch: Stretch::new(0),
        points: Vec::new(),
        first: None,
        last: None,
    };
    let walk = Walk {
        series,
        range,
        levels: &[Level::Hour],
        all_samples_count: true,
    };
    walk.go(clusters, &mut line)?;
    let mut points = line.points;
    line.stretch.finish(&mut points);
    points.extend(line.first);
    points.extend(line.last);
    Ok(points)
}
