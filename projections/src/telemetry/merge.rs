//! Brings the parts of a series together: in order of (time, seq), each identity once, the last write of it.
//!
//! Parts that overlap in time form a cluster and are merged; clusters follow each other in time, so that a query can
//! go through them one by one and stop early.

use std::ops::Range;
use std::sync::Arc;

use tellee_actors::time::Timestamp;

use super::codec::CodecError;
use super::codec::block::{self, Depth};
use super::columns::Columns;
use super::model::TimeRange;
use super::state::{Part, View, ViewPart};
use super::store::TelemetryError;
use super::summary::Summary;

/// Parts that overlap in time, in the order in which they were written.
#[derive(Debug)]
pub struct Cluster {
    parts: Vec<ViewPart>,
    /// The least and the greatest time.
    pub min_time: i64,
    pub max_time: i64,
}

/// The clusters of `view`, in order of time.
pub fn clusters(view: View) -> Vec<Cluster> {
    let mut placed: Vec<(i64, i64, usize, ViewPart)> = view
        .into_iter()
        .enumerate()
        .map(|(index, part)| {
            let (from, to) = part.part.span();
            (from.max(part.clip), to, index, part)
        })
        .collect();
    placed.sort_by_key(|(from, _, index, _)| (*from, *index));

    let mut clusters: Vec<Cluster> = Vec::with_capacity(placed.len());
    let mut members: Vec<(usize, ViewPart)> = Vec::new();
    let (mut start, mut end) = (i64::MIN, i64::MIN);
    let close = |members: &mut Vec<(usize, ViewPart)>, start, end, clusters: &mut Vec<Cluster>| {
        if members.is_empty() {
            return;
        }
        members.sort_by_key(|(index, _)| *index);
        clusters.push(Cluster {
            parts: members.drain(..).map(|(_, part)| part).collect(),
            min_time: start,
            max_time: end,
        });
    };
    for (from, to, index, part) in placed {
        if from > end || members.is_empty() {
            close(&mut members, start, end, &mut clusters);
            (start, end) = (from, to);
        }
        members.push((index, part));
        end = end.max(to);
    }
    close(&mut members, start, end, &mut clusters);
    clusters
}

/// Sorted samples of a cluster, and which of them are wanted.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub columns: Arc<Columns>,
    pub wanted: Range<usize>,
}

impl Cluster {
    /// The one part of this cluster, if there is no other to merge it with.
    pub fn single(&self) -> Option<&ViewPart> {
        match self.parts.as_slice() {
            [part] => Some(part),
            _ => None,
        }
    }

    /// All parts, in the order in which they were written.
    pub fn parts(&self) -> &[ViewPart] {
        &self.parts
    }

    /// Whether it takes reads to look at the samples.
    pub fn is_on_disk(&self) -> bool {
        let sealed = |part: &ViewPart| matches!(part.part, Part::Sealed { .. });
        self.parts.iter().any(sealed)
    }

    /// The summary, if it tells the truth about what this cluster holds within `range`.
    pub fn summary_within(&self, range: TimeRange) -> Option<&Summary> {
        let part = self.single()?;
        let summary = part.part.summary()?;
        let whole =
            summary.min_time >= range.from.0.max(part.clip) && summary.max_time < range.to.0;
        whole.then_some(summary)
    }

    /// The samples within `range`. Damaged blocks are reported and left out.
    pub fn load(&self, range: TimeRange, depth: Depth) -> Result<Loaded, TelemetryError> {
        let columns = if let Some(part) = self.single() {
            let clipped = TimeRange {
                from: Timestamp(range.from.0.max(part.clip)),
                to: range.to,
            };
            let columns = load_part(&part.part, depth)?.unwrap_or_default();
            let wanted = columns.indexes(clipped);
            return Ok(Loaded { columns, wanted });
        } else {
            let mut merged = Columns::default();
            for part in &self.parts {
                if let Some(columns) = load_part(&part.part, Depth::All)? {
                    let from = columns.times.partition_point(|time| *time < part.clip);
                    merged.extend_from_range(&columns, from..columns.len());
                }
            }
            merged.into_sorted()
        };
        let wanted = columns.indexes(range);
        Ok(Loaded {
            columns: Arc::new(columns),
            wanted,
        })
    }
}

/// The sorted samples of one part; `None` if it is damaged.
pub fn load_part(part: &Part, depth: Depth) -> Result<Option<Arc<Columns>>, TelemetryError> {
    match part {
        Part::Head(columns) if columns.sorted => Ok(Some(Arc::clone(columns))),
        Part::Head(columns) => Ok(Some(Arc::new(Columns::clone(columns).into_sorted()))),
        Part::Memory(block) => match block::decode(&block.bytes, depth) {
            Ok(columns) => Ok(Some(Arc::new(columns))),
            Err(error) => Err(TelemetryError::Failed(format!(
                "a block in memory does not decode: {error}"
            ))),
        },
        Part::Sealed {
            set,
            offset,
            length,
            ..
        } => {
            let Some(bytes) = set.read(*offset, *length, "a block")? else {
                return Ok(None);
            };
            match block::decode(&bytes, depth) {
                Ok(columns) => Ok(Some(Arc::new(columns))),
                Err(CodecError::Newer { found, known }) => {
                    Err(TelemetryError::Newer { found, known })
                }
                Err(error) => {
                    set.report_block(*offset, &error.to_string());
                    Ok(None)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::columns::SampleRef;
    use crate::telemetry::model::{Quality, Value};

    fn head(samples: &[(i64, f64)]) -> ViewPart {
        let mut columns = Columns::default();
        for (time, number) in samples {
            columns.push(SampleRef {
                time: *time,
                seq: 0,
                value: &Value::Number(*number),
                sum: None,
                update_time: None,
                quality: Quality::GOOD,
                received_at: 0,
                unit: "",
                protocol: "mqtt",
            });
        }
        ViewPart {
            part: Part::Head(Arc::new(columns)),
            clip: i64::MIN,
        }
    }

    #[test]
    fn overlapping_parts_merge_and_the_later_write_wins() {
        let view = vec![
            head(&[(10, 1.0), (20, 2.0)]),
            head(&[(30, 3.0)]),
            head(&[(20, 9.0), (25, 5.0)]),
        ];
        let clusters = clusters(view);
        assert_eq!(clusters.len(), 2);
        let loaded = clusters[0].load(TimeRange::ALL, Depth::All).unwrap();
        assert_eq!(loaded.columns.times, [10, 20, 25]);
        assert_eq!(loaded.columns.values.number(1), Some(9.0));
        assert_eq!(loaded.wanted, 0..3);
    }

    #[test]
    fn what_retention_dropped_from_an_old_part_stays_dropped() {
        let mut old = head(&[(10, 1.0), (20, 2.0)]);
        old.clip = 15;
        let clusters = clusters(vec![old, head(&[(10, 7.0), (19, 8.0)])]);
        let times: Vec<i64> = clusters
            .iter()
            .flat_map(|cluster| {
                let loaded = cluster.load(TimeRange::ALL, Depth::All).unwrap();
                loaded.columns.times[loaded.wanted].to_vec()
            })
            .collect();
        assert_eq!(times, [10, 19, 20]);
    }
}
