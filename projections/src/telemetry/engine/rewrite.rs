//! Writes the samples of many series into one set, merged, in blocks of good size, with their rollups.

use super::Engine;
use crate::telemetry::blocks::{Opened, SetWriter};
use crate::telemetry::codec::block::{self, Depth};
use crate::telemetry::columns::Columns;
use crate::telemetry::manifest::SetEntry;
use crate::telemetry::merge::{Cluster, clusters};
use crate::telemetry::model::{SeriesId, TimeRange};
use crate::telemetry::rollup::Builder;
use crate::telemetry::state::{Part, View};
use crate::telemetry::store::TelemetryError;
use crate::telemetry::summary::Summary;

pub struct Rewrite<'a> {
    engine: &'a Engine,
    entry: SetEntry,
    /// Samples that make a block.
    target: usize,
    /// A block with at least so many samples is copied as it is, if nothing overlaps it.
    copied_from: usize,
    /// Made at the first block.
    writer: Option<Box<dyn SetWriter>>,
    /// The newest block. Kept between blocks: there may be very many small ones.
    encoded: Vec<u8>,
}

/// What was written, if anything was.
pub type Written = Option<Opened>;

impl<'a> Rewrite<'a> {
    pub const fn new(
        engine: &'a Engine,
        entry: SetEntry,
        target: usize,
        copied_from: usize,
    ) -> Self {
        Self {
            engine,
            entry,
            target,
            copied_from,
            writer: None,
            encoded: Vec::new(),
        }
    }

    /// Adds the samples of one series. Series must come in order of their numbers.
    pub fn add(&mut self, series: SeriesId, view: View) -> Result<(), TelemetryError> {
        let config = &self.engine.config;
        let mut rollup = Builder::new(series, config.rollup_density, config.rollup_samples);
        let mut pending = Columns::default();
        for cluster in clusters(view) {
            if let Some((bytes, summary)) = self.copyable(&cluster)? {
                self.write_all(series, &mut pending, &mut rollup)?;
                self.write(series, &bytes, summary)?;
                match block::decode(&bytes, Depth::Values) {
                    Ok(columns) => self.roll_up(series, &columns, &mut rollup)?,
                    Err(_) => rollup.give_up(),
                }
                continue;
            }
            let loaded = cluster.load(TimeRange::ALL, Depth::All)?;
            let mut rest = loaded.wanted;
            while !rest.is_empty() {
                let room = self.target.saturating_sub(pending.len()).max(1);
                let end = rest.end.min(rest.start + room);
                pending.extend_from_range(&loaded.columns, rest.start..end);
                rest.start = end;
                if pending.len() >= self.target {
                    self.write_all(series, &mut pending, &mut rollup)?;
                }
            }
        }
        self.write_all(series, &mut pending, &mut rollup)?;
        for chunk in rollup.finish() {
            self.writer()?.add_rollup(series, &chunk)?;
        }
        Ok(())
    }

    fn roll_up(
        &mut self,
        series: SeriesId,
        columns: &Columns,
        rollup: &mut Builder,
    ) -> Result<(), TelemetryError> {
        for chunk in rollup.add(columns) {
            self.writer()?.add_rollup(series, &chunk)?;
        }
        Ok(())
    }

    /// Adds all samples of one series at once: sorted, and no more than make a block.
    pub fn add_sorted(
        &mut self,
        series: SeriesId,
        columns: &Columns,
    ) -> Result<(), TelemetryError> {
        let summary = if columns.len() < self.engine.config.summed_samples {
            Summary::without_numbers(columns)
        } else {
            Summary::of(columns)
        };
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.clear();
        block::encode_into(series, columns, &mut encoded);
        let written = self.write(series, &encoded, summary);
        self.encoded = encoded;
        written
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
            Some(Part::Sealed {
                set,
                offset,
                length,
                ..
            }) => set.read(*offset, *length, "a block")?,
            Some(Part::Head(_)) | None => None,
        };
        Ok(bytes.map(|bytes| (bytes, summary)))
    }

    fn write_all(
        &mut self,
        series: SeriesId,
        pending: &mut Columns,
        rollup: &mut Builder,
    ) -> Result<(), TelemetryError> {
        if pending.is_empty() {
            return Ok(());
        }
        let columns = std::mem::take(pending);
        self.add_sorted(series, &columns)?;
        self.roll_up(series, &columns, rollup)
    }

    fn write(
        &mut self,
        series: SeriesId,
        bytes: &[u8],
        summary: Summary,
    ) -> Result<(), TelemetryError> {
        self.writer()?.add(series, bytes, summary)
    }

    fn writer(&mut self) -> Result<&mut dyn SetWriter, TelemetryError> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.engine.blocks.create(self.entry)?,
        };
        Ok(&mut **self.writer.insert(writer))
    }

    /// The set, durable but for its being there; `None` if there was no sample.
    pub fn finish(self) -> Result<Written, TelemetryError> {
        self.writer.map(SetWriter::finish).transpose()
    }
}
