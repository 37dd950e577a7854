//! What samples come to, minute by minute and hour by hour, before they go.

use std::ops::Range;

use hashbrown::HashSet;
use tellee_actors::time::Timestamp;

use super::{KeptRollups, WINDOW, window_at};
use crate::telemetry::blocks::{BlockSet, RollupEntry};
use crate::telemetry::codec::block::Depth;
use crate::telemetry::codec::rollup::Detail;
use crate::telemetry::merge::{Cluster, Loaded, clusters};
use crate::telemetry::model::TimeRange;
use crate::telemetry::query::walk::{Visit, Walk, rows_within};
use crate::telemetry::rollup::{Level, Row, RowMaker};
use crate::telemetry::state::{View, ViewPart};
use crate::telemetry::store::TelemetryError;
use crate::telemetry::summary::Summary;

/// Rows of a stretch of time.
#[derive(Debug, Default)]
pub struct Summed {
    pub minutes: Vec<Row>,
    pub hours: Vec<Row>,
    /// Samples of minutes that have a kept row already.
    pub late: u64,
}

/// Rows of one level, made from whatever a walk finds.
struct Collect {
    level: Level,
    /// How much of the rows of rollups is wanted.
    detail: Detail,
    rows: Vec<Row>,
    maker: RowMaker,
    /// Starts of minutes whose samples do not count.
    without: HashSet<i64>,
    late: u64,
}

impl Collect {
    fn new(level: Level, detail: Detail, without: HashSet<i64>) -> Self {
        Self {
            level,
            detail,
            rows: Vec::new(),
            maker: RowMaker::default(),
            without,
            late: 0,
        }
    }

    /// Rows come in order of time.
    fn add(&mut self, row: &Row) {
        match self.rows.last_mut() {
            Some(last) if last.start == row.start => last.merge(row),
            _ => self.rows.push(*row),
        }
    }

    fn minute(&mut self, loaded: &Loaded, range: Range<usize>, start: i64) {
        if self.without.contains(&start) {
            self.late += range.len() as u64;
            return;
        }
        let Some(row) = self.maker.row(&loaded.columns, range, start) else {
            return;
        };
        if let Some(start) = self.level.start_of(start) {
            self.add(&Row { start, ..row });
        }
    }
}

impl Visit for Collect {
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
            self.add(row);
        }
        Ok(true)
    }

    fn summary(&mut self, _: &Summary) -> Result<bool, TelemetryError> {
        Ok(false)
    }

    fn samples(&mut self, cluster: &Cluster, range: TimeRange) -> Result<(), TelemetryError> {
        let loaded = cluster.load(range, Depth::Values)?;
        let mut from = loaded.wanted.start;
        while from < loaded.wanted.end {
            let times = &loaded.columns.times[from..loaded.wanted.end];
            let Some(start) = Level::Minute.start_of(times[0]) else {
                from += 1;
                continue;
            };
            let end = start.saturating_add(Level::Minute.width());
            // At least one, also where time ends.
            let length = times.partition_point(|time| *time < end).max(1);
            self.minute(&loaded, from..from + length, start);
            from += length;
        }
        Ok(())
    }
}

/// Makes rows of the samples that came after their time had been summed up.
pub struct LateRows<'a> {
    pub kept: &'a KeptRollups,
    pub clusters: &'a [Cluster],
}

impl LateRows<'_> {
    /// Rows of `level` of the samples within `range` whose minute has no kept row; how many other samples there are.
    pub fn of(&self, level: Level, range: TimeRange) -> Result<(Vec<Row>, u64), TelemetryError> {
        let mut overlapping = self.clusters.iter();
        let overlaps =
            |cluster: &Cluster| cluster.max_time >= range.from.0 && cluster.min_time < range.to.0;
        if !overlapping.any(overlaps) {
            return Ok((Vec::new(), 0));
        }
        let mut collect = Collect::new(level, Detail::All, self.kept.minutes(range)?);
        for cluster in self.clusters.iter().filter(|cluster| overlaps(cluster)) {
            collect.samples(cluster, range)?;
        }
        Ok((collect.rows, collect.late))
    }

    /// As [`Self::of`], joined with the kept rows, window after window.
    pub fn each(
        &self,
        level: Level,
        range: TimeRange,
        detail: Detail,
        give: &mut dyn FnMut(&[Row]) -> Result<(), TelemetryError>,
    ) -> Result<(), TelemetryError> {
        let starts = self.clusters.iter().map(|cluster| cluster.min_time);
        let earliest = starts.chain(self.kept.span().map(|(from, _)| from)).min();
        let mut from = range.from.0.max(earliest.unwrap_or(i64::MAX));
        while from < range.to.0 {
            let window = window_at(from, range.to.0);
            let mut rows = self.kept.rows(level, window, detail)?;
            // A row that reaches into this window belongs to the one before, if there was one.
            if from > range.from.0 {
                rows.retain(|row| row.start >= from);
            }
            rows.extend(self.of(level, window)?.0);
            super::join(&mut rows);
            give(&rows)?;
            from = window.to.0;
        }
        Ok(())
    }
}

/// Gives what the samples of `view` before `before`, the start of an hour, come to, in order of time. `kept` is what
/// was summed up of them before.
pub fn sum_up(
    view: &[ViewPart],
    before: i64,
    kept: &KeptRollups,
    give: &mut dyn FnMut(Summed) -> Result<(), TelemetryError>,
) -> Result<(), TelemetryError> {
    let summed_up = kept.span().map_or(i64::MIN, |(_, end)| end);
    // A window earlier there are no rows.
    let mut from = i64::MIN + WINDOW;
    loop {
        let starts = view.iter().filter_map(|part| {
            let (first, last) = part.part.span();
            let first = first.max(part.clip).max(from);
            (last >= first).then_some(first)
        });
        let Some(next) = starts.min().filter(|next| *next < before) else {
            return Ok(());
        };
        // Nothing lies between the start of the hour and the sample, so that its rows are whole.
        let start = Level::Hour.start_of(next).unwrap_or(next);
        let mut window = window_at(start, before);
        let is_late = next < summed_up;
        if is_late {
            window.to = window.to.min(Timestamp(summed_up));
        }
        let overlaps = |part: &&ViewPart| {
            let (first, last) = part.part.span();
            last >= window.from.0 && first < window.to.0
        };
        let parts: View = view.iter().filter(overlaps).cloned().collect();
        let clusters = clusters(parts);
        let summed = if is_late {
            late(kept, &clusters, window)?
        } else {
            fresh(kept, &clusters, window)?
        };
        give(summed)?;
        from = window.to.0;
    }
}

fn late(
    kept: &KeptRollups,
    clusters: &[Cluster],
    window: TimeRange,
) -> Result<Summed, TelemetryError> {
    let rows = LateRows { kept, clusters };
    let (minutes, late) = rows.of(Level::Minute, window)?;
    let (hours, _) = rows.of(Level::Hour, window)?;
    Ok(Summed {
        minutes,
        hours,
        late,
    })
}

fn fresh(
    kept: &KeptRollups,
    clusters: &[Cluster],
    window: TimeRange,
) -> Result<Summed, TelemetryError> {
    let rows = |level: Level, detail: Detail| {
        let mut collect = Collect::new(level, detail, HashSet::new());
        let walk = Walk {
            series: kept.series,
            range: window,
            levels: &[level],
            all_samples_count: false,
        };
        walk.go(clusters, &mut collect)?;
        Ok::<_, TelemetryError>(collect.rows)
    };
    Ok(Summed {
        minutes: rows(Level::Minute, Detail::Values)?,
        hours: rows(Level::Hour, Detail::All)?,
        late: 0,
    })
}
