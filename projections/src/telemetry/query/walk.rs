//! Goes through a range in order of time: by rollups where they tell the truth, by block summaries where those will
//! do, else by the samples.

use std::ops::Range;

use hashbrown::HashMap;
use tellee_actors::time::Timestamp;

use crate::telemetry::blocks::{BlockSet, RollupEntry};
use crate::telemetry::merge::Cluster;
use crate::telemetry::model::{SeriesId, TimeRange};
use crate::telemetry::rollup::{Level, Row};
use crate::telemetry::state::{Minute, Part};
use crate::telemetry::store::TelemetryError;
use crate::telemetry::summary::Summary;

/// Takes what a walk finds. Each sample of the range is told of once, in order of time.
pub trait Visit {
    /// The rows of `chunk`, which is of `set`, that start within `starts`. Answers false, and has taken none, if they are
    /// damaged: then what they stand for follows in another way.
    fn rows(
        &mut self,
        set: &BlockSet,
        chunk: &RollupEntry,
        starts: Range<i64>,
    ) -> Result<bool, TelemetryError>;
    /// All samples of a cluster. Answers whether that was enough; else the samples themselves follow.
    fn summary(&mut self, summary: &Summary) -> Result<bool, TelemetryError>;
    /// All samples of a cluster that are numbers, by the minute, without squares. Answers as [`Self::summary`].
    fn minutes(&mut self, _: &[Minute]) -> Result<bool, TelemetryError> {
        Ok(false)
    }
    /// The samples of a cluster within a range.
    fn samples(&mut self, cluster: &Cluster, range: TimeRange) -> Result<(), TelemetryError>;
}

pub struct Walk<'a> {
    pub series: SeriesId,
    pub range: TimeRange,
    /// The levels that will do, the longest first.
    pub levels: &'a [Level],
    /// Rollups do not know of samples that are no number; this keeps away from them where there are such.
    pub all_samples_count: bool,
}

/// Blocks of one run that follow each other, with no sample of another part between them.
struct Run<'a> {
    clusters: &'a [Cluster],
    set: &'a BlockSet,
    /// From, inclusive, to, exclusive: all samples that the run's set has between them lie in these blocks.
    from: i64,
    to: i64,
}

/// The first and the last cluster that a set has a block in, by its number.
type Reaches = HashMap<u64, (usize, usize)>;

fn reaches(clusters: &[Cluster]) -> Reaches {
    let mut reaches = Reaches::new();
    for (index, cluster) in clusters.iter().enumerate() {
        for part in cluster.parts() {
            if let Part::Sealed { set, .. } = &part.part {
                reaches.entry(set.number).or_insert((index, index)).1 = index;
            }
        }
    }
    reaches
}

/// The set and the clip of a cluster that is one block of a set.
fn block_of(cluster: &Cluster) -> Option<(&BlockSet, i64)> {
    let part = cluster.single()?;
    match &part.part {
        Part::Sealed { set, .. } => Some((&**set, part.clip)),
        Part::Memory(_) | Part::Head(_) => None,
    }
}

fn is_numeric(cluster: &Cluster) -> bool {
    cluster
        .single()
        .and_then(|part| part.part.summary())
        .is_some_and(|summary| {
            let numbers = summary.numbers.as_ref();
            numbers.is_some_and(|numbers| numbers.count == u64::from(summary.count))
        })
}

impl Walk<'_> {
    pub fn go(&self, clusters: &[Cluster], visit: &mut impl Visit) -> Result<(), TelemetryError> {
        let mut index = 0;
        let reaches = reaches(clusters);
        while index < clusters.len() {
            let Some(run) = self.run_at(clusters, index, &reaches) else {
                self.cluster(&clusters[index], self.range, visit)?;
                index += 1;
                continue;
            };
            index += run.clusters.len();
            self.fill(&run, self.levels, run.from, run.to, visit)?;
        }
        Ok(())
    }

    /// The run that begins with the cluster at `index`, if a rollup of it may help.
    fn run_at<'a>(
        &self,
        clusters: &'a [Cluster],
        index: usize,
        reaches: &Reaches,
    ) -> Option<Run<'a>> {
        let may_help = |cluster: &Cluster| !self.all_samples_count || is_numeric(cluster);
        let (set, clip) = block_of(&clusters[index])?;
        let has_rollup = |level: &Level| !set.rollups(self.series, *level).is_empty();
        if !self.levels.iter().any(has_rollup) {
            return None;
        }
        let length = clusters[index..]
            .iter()
            .take_while(|cluster| {
                may_help(cluster)
                    && block_of(cluster).is_some_and(|(other, _)| other.number == set.number)
            })
            .count();
        if length == 0 {
            return None;
        }
        // Where the set has no block in front of these or behind them, its first or last row holds theirs alone, though
        // another part may have samples of the same stretch.
        let (first, last) = reaches.get(&set.number).copied()?;
        let before = (first < index).then(|| &clusters[index - 1]);
        let after = clusters
            .get(index + length)
            .filter(|_| last >= index + length);
        let from = before.map_or(i64::MIN, |cluster| cluster.max_time.saturating_add(1));
        let to = after.map_or(i64::MAX, |cluster| cluster.min_time);
        Some(Run {
            clusters: &clusters[index..index + length],
            set,
            from: from.max(self.range.from.0).max(clip),
            to: to.min(self.range.to.0),
        })
    }

    /// All samples of `run` from `from` to before `to`, within the bounds of the run.
    fn fill(
        &self,
        run: &Run<'_>,
        levels: &[Level],
        from: i64,
        to: i64,
        visit: &mut impl Visit,
    ) -> Result<(), TelemetryError> {
        if from >= to {
            return Ok(());
        }
        let first = run
            .clusters
            .partition_point(|cluster| cluster.max_time < from);
        let end = run
            .clusters
            .partition_point(|cluster| cluster.min_time < to);
        let clusters = run.clusters.get(first..end).unwrap_or_default();
        let (Some(earliest), Some(latest)) = (clusters.first(), clusters.last()) else {
            return Ok(());
        };
        let Some((level, shorter)) = levels.split_first() else {
            let range = TimeRange {
                from: Timestamp(from),
                to: Timestamp(to),
            };
            return clusters
                .iter()
                .try_for_each(|cluster| self.cluster(cluster, range, visit));
        };
        let whole = whole_rows(*level, from, to, earliest.min_time, latest.max_time);
        let chunks = run.set.rollups(self.series, *level);
        let Some((start, stop)) = whole.filter(|_| !chunks.is_empty()) else {
            return self.fill(run, shorter, from, to, visit);
        };
        self.fill(run, shorter, from, start, visit)?;
        let begin = chunks.partition_point(|chunk| chunk.last < start);
        for chunk in chunks[begin..]
            .iter()
            .take_while(|chunk| chunk.first < stop)
        {
            if !visit.rows(run.set, chunk, start..stop)? {
                let end_of_chunk = chunk.last.saturating_add(level.width());
                let (from, to) = (start.max(chunk.first), stop.min(end_of_chunk));
                self.fill(run, shorter, from, to, visit)?;
            }
        }
        self.fill(run, shorter, stop, to, visit)
    }

    /// Tells of a block in memory by the minute, if minutes will do. All of it must lie within what is asked for.
    fn minutes(&self, cluster: &Cluster, visit: &mut impl Visit) -> Result<bool, TelemetryError> {
        if self.all_samples_count || !self.levels.contains(&Level::Minute) {
            return Ok(false);
        }
        let Some(Part::Memory(block)) = cluster.single().map(|part| &part.part) else {
            return Ok(false);
        };
        match block.minutes() {
            Some(minutes) => visit.minutes(minutes),
            None => Ok(false),
        }
    }

    fn cluster(
        &self,
        cluster: &Cluster,
        range: TimeRange,
        visit: &mut impl Visit,
    ) -> Result<(), TelemetryError> {
        if let Some(summary) = cluster.summary_within(range)
            && (visit.summary(summary)? || self.minutes(cluster, visit)?)
        {
            return Ok(());
        }
        visit.samples(cluster, range)
    }
}

/// Those of `rows`, which are in order, that start within `starts`.
pub fn rows_within(rows: &[Row], starts: Range<i64>) -> &[Row] {
    let begin = rows.partition_point(|row| row.start < starts.start);
    let end = rows.partition_point(|row| row.start < starts.end);
    rows.get(begin..end).unwrap_or_default()
}

/// The start of the first row and the end of the last one of those that lie within `from` to `to` as a whole and are
/// not empty, where samples begin at `earliest` and end at `latest`.
fn whole_rows(level: Level, from: i64, to: i64, earliest: i64, latest: i64) -> Option<(i64, i64)> {
    let start = level.start_of(earliest.max(from))?;
    // Before the first sample there is nothing, so its row is whole wherever `from` lies in front of it.
    let start = if start >= from {
        start
    } else {
        start.checked_add(level.width())?
    };
    let last = level.start_of(latest.min(to.checked_sub(1)?))?;
    let end = match last.checked_add(level.width()) {
        Some(end) if end <= to => end,
        _ => last,
    };
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    #[test]
    fn only_whole_rows_are_taken() {
        let rows = |from: i64, to: i64, earliest: i64, latest: i64| {
            whole_rows(Level::Minute, from, to, earliest, latest)
        };
        let everything = rows(i64::MIN, i64::MAX, 10, 3 * MINUTE);
        assert_eq!(everything, Some((0, 4 * MINUTE)));
        assert_eq!(
            rows(5, 4 * MINUTE, 10, 3 * MINUTE),
            Some((MINUTE, 4 * MINUTE))
        );
        assert_eq!(
            rows(0, 4 * MINUTE - 1, 10, 4 * MINUTE),
            Some((0, 3 * MINUTE))
        );
        assert_eq!(rows(1, MINUTE, 0, MINUTE), None);
        assert_eq!(rows(i64::MIN, i64::MAX, i64::MIN, 0), None);
    }
}
