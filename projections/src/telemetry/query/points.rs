//! A line for a chart: first, last, and the least and the greatest number of each stretch of time.

mod kept;
mod wide;

use tellee_actors::time::Timestamp;

use crate::telemetry::codec::block::Depth;
use crate::telemetry::columns::Columns;
use crate::telemetry::kept::KeptRollups;
use crate::telemetry::merge::{Cluster, Loaded, clusters};
use crate::telemetry::model::{Points, Quality, SeriesId, TimeRange};
use crate::telemetry::state::View;
use crate::telemetry::store::TelemetryError;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    time: i64,
    value: Option<f64>,
    quality: u8,
}

fn point(columns: &Columns, index: usize) -> Point {
    Point {
        time: columns.times[index],
        value: columns.values.number(index),
        quality: columns.qualities.get(index),
    }
}

fn finish(points: impl IntoIterator<Item = Point>, samples: u64) -> Points {
    let mut line = Points {
        samples,
        ..Points::default()
    };
    for point in points {
        line.times.push(Timestamp(point.time));
        line.values.push(point.value);
        line.qualities.push(Quality(point.quality));
    }
    line.thinned = (line.times.len() as u64) < samples;
    line
}

/// The extremes of one stretch, with their places among all samples.
struct Stretch {
    number: u64,
    least: Option<(u64, Point)>,
    greatest: Option<(u64, Point)>,
    /// A sample without a number, kept where the stretch has none with one: a line must show its gap.
    gap: Option<(u64, Point)>,
}

impl Stretch {
    const fn new(number: u64) -> Self {
        Self {
            number,
            least: None,
            greatest: None,
            gap: None,
        }
    }

    fn add(&mut self, place: u64, point: Point) {
        let Some(number) = point.value else {
            self.gap.get_or_insert((place, point));
            return;
        };
        if self
            .least
            .is_none_or(|(_, least)| least.value.is_none_or(|value| number < value))
        {
            self.least = Some((place, point));
        }
        if self
            .greatest
            .is_none_or(|(_, greatest)| greatest.value.is_none_or(|value| number > value))
        {
            self.greatest = Some((place, point));
        }
    }

    fn finish(self, line: &mut Vec<(u64, Point)>) {
        match (self.least, self.greatest) {
            (Some(least), Some(greatest)) if least.0 <= greatest.0 => {
                line.extend([least, greatest])
            }
            (Some(least), Some(greatest)) => line.extend([greatest, least]),
            _ => line.extend(self.gap),
        }
    }
}

/// At most `max_points` points; all samples where they are no more than that. Of samples that are gone, those that
/// the kept rollups of their hours still know.
pub fn points(
    series: SeriesId,
    view: View,
    kept: &KeptRollups,
    range: TimeRange,
    max_points: usize,
) -> Result<Points, TelemetryError> {
    if max_points == 0 {
        return Err(TelemetryError::Invalid {
            field: "max_points",
            reason: "must be at least 1".to_owned(),
        });
    }
    let clusters = clusters(view);
    if let Some(line) = kept::points(series, &clusters, kept, range, max_points)? {
        return Ok(line);
    }
    // First how many there are, mostly from summaries; what had to be decoded for that is kept if it is little.
    let mut samples = 0_u64;
    let mut kept: Vec<Option<Loaded>> = Vec::with_capacity(clusters.len());
    for cluster in &clusters {
        if let Some(summary) = cluster.summary_within(range) {
            samples += u64::from(summary.count);
            kept.push(None);
        } else {
            let loaded = cluster.load(range, Depth::Values)?;
            samples += loaded.wanted.len() as u64;
            kept.push(Some(loaded).filter(|_| clusters.len() <= 64));
        }
    }
    let load = |place: usize| match &kept[place] {
        Some(loaded) => Ok(loaded.clone()),
        None => clusters[place].load(range, Depth::Values),
    };

    if samples <= max_points as u64 {
        let mut all = Vec::with_capacity(samples as usize);
        for place in 0..clusters.len() {
            let loaded = load(place)?;
            all.extend(loaded.wanted.map(|index| point(&loaded.columns, index)));
        }
        return Ok(finish(all, samples));
    }

    let stretches = (max_points.saturating_sub(2) / 2) as u64;
    if let Some(hours) = wide::Hours::of(&clusters, range, stretches) {
        let line = wide::wide(series, &clusters, range, hours)?;
        return Ok(in_order(line, samples));
    }

    let mut first: Option<(u64, Point)> = None;
    let mut last: Option<(u64, Point)> = None;
    let mut line: Vec<(u64, Point)> = Vec::new();
    let mut stretch = Stretch::new(0);
    let mut span = (0, 0);
    let mut place = 0_u64;
    for cluster in 0..clusters.len() {
        let loaded = load(cluster)?;
        for index in loaded.wanted.clone() {
            let point = point(&loaded.columns, index);
            if first.is_none() {
                first = Some((place, point));
                span = (point.time, last_time(&clusters, point.time, range));
            }
            last = Some((place, point));
            if stretches > 0 {
                let number = stretch_of(point.time, span, stretches);
                if number != stretch.number {
                    std::mem::replace(&mut stretch, Stretch::new(number)).finish(&mut line);
                }
                stretch.add(place, point);
            }
            place += 1;
        }
    }
    stretch.finish(&mut line);
    if max_points >= 2 {
        line.extend(first);
    }
    line.extend(last);
    Ok(in_order(line, samples))
}

/// Points with their places, each of them once.
fn in_order(mut line: Vec<(u64, Point)>, samples: u64) -> Points {
    line.sort_by_key(|(place, _)| *place);
    line.dedup_by_key(|(place, _)| *place);
    finish(line.into_iter().map(|(_, point)| point), samples)
}

/// No sample of the range is later.
fn last_time(clusters: &[Cluster], first: i64, range: TimeRange) -> i64 {
    let last = clusters
        .iter()
        .map(|cluster| cluster.max_time)
        .max()
        .unwrap_or(first);
    last.min(range.to.0.saturating_sub(1)).max(first)
}

fn stretch_of(time: i64, (from, to): (i64, i64), stretches: u64) -> u64 {
    let offset = i128::from(time) - i128::from(from);
    let length = i128::from(to) - i128::from(from) + 1;
    let number = offset * i128::from(stretches) / length;
    (number.max(0) as u64).min(stretches - 1)
}
