//! The line of a long time, from the rollups of its hours.

use std::ops::Range;

use super::kept::points_of;
use super::{Point, Stretch, last_time, point};
use crate::telemetry::blocks::{BlockSet, RollupEntry};
use crate::telemetry::codec::block::Depth;
use crate::telemetry::codec::rollup::Detail;
use crate::telemetry::merge::Cluster;
use crate::telemetry::model::{SeriesId, TimeRange};
use crate::telemetry::query::walk::{Visit, Walk, rows_within};
use crate::telemetry::rollup::Level;
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
        let earliest = clusters.first()?.min_time.max(range.from.0);
        Self::from(earliest, last_time(clusters, earliest, range), stretches)
    }

    /// As [`Self::of`], for samples from `earliest` to `latest`.
    pub fn from(earliest: i64, latest: i64, stretches: u64) -> Option<Self> {
        if stretches == 0 {
            return None;
        }
        let width = i128::from(Level::Hour.width());
        let origin = Level::Hour.start_of(earliest)?;
        let end = Level::Hour.start_of(latest)?;
        let hours = (i128::from(end) - i128::from(origin)) / width + 1;
        let each = (hours + i128::from(stretches) - 1) / i128::from(stretches);
        if each < LEAST_HOURS || hours < LEAST_HOURS * i128::from(stretches) {
            return None;
        }
        let length = i64::try_from(each * width).ok()?;
        Some(Self { origin, length })
    }

    /// `stretches` of equal length, whole hours or not.
    pub fn even(earliest: i64, latest: i64, stretches: u64) -> Self {
        let span = i128::from(latest) - i128::from(earliest) + 1;
        let length = (span + i128::from(stretches) - 1) / i128::from(stretches.max(1));
        Self {
            origin: earliest,
            length: i64::try_from(length).unwrap_or(i64::MAX).max(1),
        }
    }

    fn number_of(self, time: i64) -> u64 {
        let offset = i128::from(time) - i128::from(self.origin);
        (offset.max(0) / i128::from(self.length)) as u64
    }
}

/// The extremes of each stretch of points that come in order, and the first and the last of all.
pub struct Line {
    hours: Hours,
    stretch: Stretch,
    points: Vec<(u64, Point)>,
    pub first: Option<(u64, Point)>,
    pub last: Option<(u64, Point)>,
}

impl Line {
    pub const fn new(hours: Hours) -> Self {
        Self {
            hours,
            stretch: Stretch::new(0),
            points: Vec::new(),
            first: None,
            last: None,
        }
    }

    /// The extremes, with their places.
    pub fn finish(self) -> Vec<(u64, Point)> {
        let mut points = self.points;
        self.stretch.finish(&mut points);
        points
    }

    pub fn add(&mut self, point: Point) {
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
            points_of(row).into_iter().for_each(|point| self.add(point));
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
    let mut line = Line::new(hours);
    let walk = Walk {
        series,
        range,
        levels: &[Level::Hour],
        all_samples_count: true,
    };
    walk.go(clusters, &mut line)?;
    let (first, last) = (line.first, line.last);
    let mut points = line.finish();
    points.extend(first);
    points.extend(last);
    Ok(points)
}
