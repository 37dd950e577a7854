//! Rollups that outlive their samples.
//!
//! Before retention drops samples of a channel that keeps its rollups for longer, what they come to by the minute and
//! by the hour is written to a set of its own. Each sample stands in at most one kept row of each level: a minute is
//! summed up once, and what comes late for it is dropped. What comes late for a minute that has no row is summed up by
//! the next retention; the rows of its hour then lie in several sets and are joined when they are read.

mod sum_up;
mod write;

use std::sync::Arc;

use hashbrown::HashSet;
use tellee_actors::time::Timestamp;

use super::blocks::{BlockSet, RollupEntry};
use super::codec::rollup::Detail;
use super::model::{SeriesId, TimeRange};
use super::rollup::{Level, Row};
use super::store::TelemetryError;

pub use sum_up::{LateRows, sum_up};
pub use write::{Chunks, Merge, Sink};

/// Time that is looked at at once where late samples meet kept rows: about the minutes of one chunk.
const WINDOW: i64 = 64 * Level::Hour.width();

/// The kept rollups of one series, as a query sees them.
#[derive(Debug, Clone)]
pub struct KeptRollups {
    series: SeriesId,
    /// Those that hold something of the series.
    sets: Vec<Arc<BlockSet>>,
    /// Rows that start before this are gone.
    floor: i64,
}

impl KeptRollups {
    pub const fn none(series: SeriesId) -> Self {
        Self {
            series,
            sets: Vec::new(),
            floor: i64::MIN,
        }
    }

    /// Of `series`, in `sets`, without rows that start before `floor`.
    pub fn of(series: SeriesId, sets: &[Arc<BlockSet>], floor: i64) -> Self {
        let holds = |set: &&Arc<BlockSet>| !set.rollups(series, Level::Hour).is_empty();
        Self {
            series,
            sets: sets.iter().filter(holds).cloned().collect(),
            floor,
        }
    }

    /// The chunks of `level` that may hold a row, with their sets, in order of their first rows.
    fn chunks(&self, level: Level) -> Vec<(&BlockSet, &RollupEntry)> {
        let mut chunks: Vec<(&BlockSet, &RollupEntry)> = self
            .sets
            .iter()
            .flat_map(|set| {
                let chunks = set.rollups(self.series, level).iter();
                chunks.map(move |chunk| (&**set, chunk))
            })
            .filter(|(_, chunk)| chunk.last >= self.floor)
            .collect();
        chunks.sort_by_key(|(set, chunk)| (chunk.first, set.number));
        chunks
    }

    /// The start of the first hour that may have a row, and the end of the last; `None` if there is none.
    pub fn span(&self) -> Option<(i64, i64)> {
        let mut span: Option<(i64, i64)> = None;
        for (_, chunk) in self.chunks(Level::Hour) {
            let first = chunk.first.max(self.floor);
            let end = chunk.last.saturating_add(Level::Hour.width());
            let (from, to) = span.unwrap_or((first, end));
            span = Some((from.min(first), to.max(end)));
        }
        span
    }

    /// Gives the rows of `level` that overlap `range`, in order, those of one stretch joined. Damaged chunks are
    /// reported and left out.
    pub fn each(
        &self,
        level: Level,
        range: TimeRange,
        detail: Detail,
        give: &mut dyn FnMut(&[Row]) -> Result<(), TelemetryError>,
    ) -> Result<(), TelemetryError> {
        let detail = match level {
            Level::Minute => detail,
            // Rows of one hour are joined by the times that they know.
            Level::Hour => Detail::All,
        };
        let from = range
            .from
            .0
            .saturating_sub(level.width() - 1)
            .max(self.floor);
        let wanted = |chunk: &RollupEntry| chunk.last >= from && chunk.first < range.to.0;
        let chunks = self.chunks(level).into_iter();
        let mut chunks = chunks.filter(|(_, chunk)| wanted(chunk)).peekable();
        let mut rows: Vec<Row> = Vec::new();
        while let Some((set, chunk)) = chunks.next() {
            let mut last = chunk.last;
            rows.extend(set.read_rollup(chunk, detail)?.unwrap_or_default());
            let mut overlap = false;
            while let Some((set, chunk)) = chunks.next_if(|(_, chunk)| chunk.first <= last) {
                last = last.max(chunk.last);
                rows.extend(set.read_rollup(chunk, detail)?.unwrap_or_default());
                overlap = true;
            }
            if overlap {
                join(&mut rows);
            }
            let begin = rows.partition_point(|row| row.start < from);
            let end = rows.partition_point(|row| row.start < range.to.0);
            give(rows.get(begin..end).unwrap_or_default())?;
            rows.clear();
        }
        Ok(())
    }

    /// Gives the rows that overlap `range`, hours where those lie in it as a whole, minutes at its edges.
    pub fn each_of_longest(
        &self,
        range: TimeRange,
        detail: Detail,
        give: &mut dyn FnMut(&[Row]) -> Result<(), TelemetryError>,
    ) -> Result<(), TelemetryError> {
        let hour = Level::Hour.width();
        let up = range.from.0.saturating_add(hour - 1);
        let start = Level::Hour.start_of(up).unwrap_or(i64::MIN);
        let stop = Level::Hour.start_of(range.to.0).unwrap_or(i64::MIN);
        if start >= stop {
            return self.each(Level::Minute, range, detail, give);
        }
        let part = |from: i64, to: i64| TimeRange {
            from: Timestamp(from),
            to: Timestamp(to),
        };
        self.each(Level::Minute, part(range.from.0, start), detail, give)?;
        self.each(Level::Hour, part(start, stop), detail, give)?;
        self.each(Level::Minute, part(stop, range.to.0), detail, give)
    }

    /// The rows that [`Self::each`] gives.
    pub fn rows(
        &self,
        level: Level,
        range: TimeRange,
        detail: Detail,
    ) -> Result<Vec<Row>, TelemetryError> {
        let mut all = Vec::new();
        self.each(level, range, detail, &mut |rows| {
            all.extend_from_slice(rows);
            Ok(())
        })?;
        Ok(all)
    }

    /// The starts of the minutes within `range` that were summed up.
    fn minutes(&self, range: TimeRange) -> Result<HashSet<i64>, TelemetryError> {
        let mut starts = HashSet::new();
        self.each(Level::Minute, range, Detail::Sums, &mut |rows| {
            starts.extend(rows.iter().map(|row| row.start));
            Ok(())
        })?;
        Ok(starts)
    }
}

/// Puts `rows` in order; those of one stretch become one.
fn join(rows: &mut Vec<Row>) {
    rows.sort_by_key(|row| row.start);
    rows.dedup_by(|later, kept| {
        let same = later.start == kept.start;
        if same {
            kept.join(later);
        }
        same
    });
}

/// The windows that `from` to `to` fall into, cut at both ends.
fn window_at(from: i64, to: i64) -> TimeRange {
    let end = from
        .saturating_sub(from.rem_euclid(Level::Hour.width()))
        .saturating_add(WINDOW);
    TimeRange {
        from: Timestamp(from),
        to: Timestamp(end.min(to)),
    }
}
