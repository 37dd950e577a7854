//! Writes the samples of many series into one block file, merged and in blocks of good size.

use std::sync::Arc;

use super::Engine;
use crate::telemetry::block_file::{BlockEntry, BlockFile, BlockFileWriter};
use crate::telemetry::codec::block::{self, Depth};
use crate::telemetry::columns::Columns;
use crate::telemetry::merge::{Cluster, clusters};
use crate::telemetry::model::{SeriesId, TimeRange};
use crate::telemetry::state::{Part, View};
use crate::telemetry::store::TelemetryError;
use crate::telemetry::summary::Summary;

pub struct Rewrite<'a> {
    engine: &'a Engine,
    number: u64,
    order: u64,
    /// Samples that make a block.
    target: usize,
    /// A block with at least so many samples is copied as it is, if nothing overlaps it.
    copied_from: usize,
    /// Made at the first block.
    writer: Option<BlockFileWriter>,
}

pub type Written = Option<(Arc<BlockFile>, Vec<BlockEntry>)>;

impl<'a> Rewrite<'a> {
    pub const fn new(
        engine: &'a Engine,
        number: u64,
        order: u64,
        target: usize,
        copied_from: usize,
    ) -> Self {
        Self {
            engine,
            number,
            order,
            target,
            copied_from,
            writer: None,
        }
    }

    /// Adds the samples of one series. Series must come in order of their numbers.
    pub fn add(&mut self, series: SeriesId, view: View) -> Result<(), TelemetryError> {
        let mut pending = Columns::default();
        for cluster in clusters(view) {
            if let Some((bytes, summary)) = self.copyable(&cluster)? {
                self.write_all(series, &mut pending)?;
                self.write(series, &bytes, summary)?;
                continue;
            }
            let loaded = cluster.load(TimeRange::ALL, Depth::All)?;
            for index in loaded.wanted {
                pending.extend_from(&loaded.columns, std::iter::once(index));
                if pending.len() >= self.target {
                    self.write_all(series, &mut pending)?;
                }
            }
        }
        self.write_all(series, &mut pending)
    }

    /// Adds all samples of one series at once: sorted, and no more than make a block.
    pub fn add_sorted(
        &mut self,
        series: SeriesId,
        columns: &Columns,
    ) -> Result<(), TelemetryError> {
        self.write(
            series,
            &block::encode(series, columns),
            Summary::of(columns),
        )
    }

    fn copyable(&self, cluster: &Cluster) -> Result<Option<(Vec<u8>, Summary)>, TelemetryError> {
        let Some(summary) = cluster.summary_within(TimeRange::ALL).copied() else {
            return Ok(None);
        };
        if (summary.count as usize) < self.copied_from {
            return Ok(None);
        }
        let bytes = match cluster.single().map(|part| &part.part) {
            Some(Part::Memory(block)) => Some(block.bytes.clone()),
            Some(Part::Disk {
                file,
                offset,
                length,
                ..
            }) => file.read(*offset, *length)?,
            Some(Part::Head(_)) | None => None,
        };
        Ok(bytes.map(|bytes| (bytes, summary)))
    }

    fn write_all(&mut self, series: SeriesId, pending: &mut Columns) -> Result<(), TelemetryError> {
        if pending.is_empty() {
            return Ok(());
        }
        let columns = std::mem::take(pending);
        self.write(
            series,
            &block::encode(series, &columns),
            Summary::of(&columns),
        )
    }

    fn write(
        &mut self,
        series: SeriesId,
        bytes: &[u8],
        summary: Summary,
    ) -> Result<(), TelemetryError> {
        if self.writer.is_none() {
            self.writer = Some(BlockFileWriter::create(
                &*self.engine.disk,
                self.number,
                self.order,
            )?);
        }
        match &mut self.writer {
            Some(writer) => writer.add(series, bytes, summary),
            None => Ok(()),
        }
    }

    /// The file, durable but for its name; `None` if there was no sample.
    pub fn finish(self) -> Result<Written, TelemetryError> {
        self.writer
            .map(|writer| writer.finish(&self.engine.damages))
            .transpose()
    }
}
