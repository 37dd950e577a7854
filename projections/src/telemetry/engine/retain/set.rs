//! A set of kept rollups on its way to the disk.

use super::super::Engine;
use crate::telemetry::blocks::{Opened, SetWriter};
use crate::telemetry::kept::Sink;
use crate::telemetry::manifest::SetEntry;
use crate::telemetry::model::SeriesId;
use crate::telemetry::rollup::Chunk;
use crate::telemetry::store::TelemetryError;

/// Made at its first row.
pub struct KeptSet<'a> {
    engine: &'a Engine,
    pub entry: SetEntry,
    writer: Option<Box<dyn SetWriter>>,
}

impl<'a> KeptSet<'a> {
    pub const fn new(engine: &'a Engine, number: u64) -> Self {
        // No order of writes holds between sets of rows that stand for different samples.
        let entry = SetEntry {
            number,
            order: number,
        };
        Self {
            engine,
            entry,
            writer: None,
        }
    }

    /// The set, durable but for its being there; `None` if there was no row.
    pub fn finish(self) -> Result<Option<Opened>, TelemetryError> {
        self.writer.map(SetWriter::finish).transpose()
    }
}

impl Sink for KeptSet<'_> {
    fn take(&mut self, series: SeriesId, chunk: &Chunk) -> Result<(), TelemetryError> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.engine.blocks.create(self.entry)?,
        };
        self.writer.insert(writer).add_rollup(series, chunk)
    }
}
