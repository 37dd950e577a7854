//! Writes kept rows in chunks, and brings chunks of several sets together.

use super::{KeptRollups, join};
use crate::telemetry::blocks::{BlockSet, RollupEntry};
use crate::telemetry::codec::rollup as codec;
use crate::telemetry::codec::rollup::Detail;
use crate::telemetry::model::SeriesId;
use crate::telemetry::rollup::{CHUNK_ROWS, Chunk, Level, Row};
use crate::telemetry::store::TelemetryError;

/// Takes the chunks of kept rows, in order of series, and of time within a level.
pub trait Sink {
    fn take(&mut self, series: SeriesId, chunk: &Chunk) -> Result<(), TelemetryError>;
}

/// Rows of one level of one series, on their way to a set.
#[derive(Debug)]
pub struct Chunks {
    series: SeriesId,
    level: Level,
    rows: Vec<Row>,
}

impl Chunks {
    pub const fn new(series: SeriesId, level: Level) -> Self {
        Self {
            series,
            level,
            rows: Vec::new(),
        }
    }

    /// Adds rows in order, and writes what makes a whole chunk.
    pub fn add(&mut self, rows: &[Row], sink: &mut dyn Sink) -> Result<(), TelemetryError> {
        self.rows.extend_from_slice(rows);
        while self.rows.len() >= CHUNK_ROWS {
            self.write(CHUNK_ROWS, sink)?;
        }
        Ok(())
    }

    /// Writes what is left.
    pub fn finish(mut self, sink: &mut dyn Sink) -> Result<(), TelemetryError> {
        self.write(self.rows.len(), sink)
    }

    fn write(&mut self, count: usize, sink: &mut dyn Sink) -> Result<(), TelemetryError> {
        let rows = &self.rows[..count];
        if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
            let chunk = Chunk {
                level: self.level,
                bytes: codec::encode(self.series, self.level, rows),
                first: first.start,
                last: last.start,
            };
            sink.take(self.series, &chunk)?;
        }
        self.rows.drain(..count);
        Ok(())
    }
}

/// One level of a series on its way from several sets to one.
pub struct Merge<'a> {
    pub kept: &'a KeptRollups,
    pub level: Level,
    /// Told of each damaged chunk before it is left behind.
    pub damaged: &'a mut dyn FnMut(&BlockSet, &RollupEntry) -> Result<(), TelemetryError>,
}

impl Merge<'_> {
    /// Writes all rows that are not gone, those of one stretch joined.
    pub fn write(self, sink: &mut dyn Sink) -> Result<(), TelemetryError> {
        let Self {
            kept,
            level,
            damaged,
        } = self;
        let mut out = Chunks::new(kept.series, level);
        let mut chunks = kept.chunks(level).into_iter().peekable();
        let mut rows: Vec<Row> = Vec::new();
        while let Some((set, chunk)) = chunks.next() {
            match set.read_rollup(chunk, Detail::All)? {
                Some(read) => rows.extend(read),
                None => damaged(set, chunk)?,
            }
            let next = chunks.peek().map_or(i64::MAX, |(_, next)| next.first);
            if !rows.is_sorted_by(|left, right| left.start < right.start) {
                join(&mut rows);
            }
            // Rows of the next chunk may belong between those from its first on.
            let settled = rows.partition_point(|row| row.start < next);
            let gone = rows.partition_point(|row| row.start < kept.floor);
            out.add(rows.get(gone..settled).unwrap_or_default(), sink)?;
            rows.drain(..settled);
        }
        out.finish(sink)
    }
}
