//! Writes a block file from its start to its end.

use std::sync::Arc;

use super::{FrameFile, checksum, file_name, header, index};
use crate::telemetry::blocks::{BlockSet, Contents, Opened, SetWriter};
use crate::telemetry::damage::DamageLog;
use crate::telemetry::disk::{Disk, DiskFile, failed};
use crate::telemetry::manifest::SetEntry;
use crate::telemetry::model::SeriesId;
use crate::telemetry::rollup::Chunk;
use crate::telemetry::store::TelemetryError;
use crate::telemetry::summary::Summary;

/// The writer hands bytes to the disk in pieces of this size.
const WRITE_SIZE: usize = 1 << 20;

/// Writes one block file.
pub struct BlockFileWriter {
    entry: SetEntry,
    name: String,
    file: Arc<dyn DiskFile>,
    damages: Arc<DamageLog>,
    /// Not yet handed to the disk; starts at `written`.
    buffer: Vec<u8>,
    written: u64,
    contents: Contents,
}

impl BlockFileWriter {
    pub fn create(
        disk: &dyn Disk,
        entry: SetEntry,
        damages: &Arc<DamageLog>,
    ) -> Result<Self, TelemetryError> {
        let name = file_name(entry.number);
        let file = disk
            .create(&name)
            .map_err(|error| failed(&format!("cannot make `{name}`"), &error))?;
        Ok(Self {
            entry,
            name,
            file,
            damages: Arc::clone(damages),
            buffer: header(entry),
            written: 0,
            contents: Contents::default(),
        })
    }

    /// Answers where it starts.
    fn put_frame(&mut self, contents: &[u8]) -> Result<u64, TelemetryError> {
        let offset = self.written + self.buffer.len() as u64;
        let length = contents.len() as u32;
        self.buffer.extend_from_slice(&length.to_le_bytes());
        self.buffer
            .extend_from_slice(&checksum(offset, contents).to_le_bytes());
        self.buffer.extend_from_slice(contents);
        if self.buffer.len() >= WRITE_SIZE {
            self.write_out()?;
        }
        Ok(offset)
    }

    fn write_out(&mut self) -> Result<(), TelemetryError> {
        let name = &self.name;
        self.file
            .write_all_at(&self.buffer, self.written)
            .map_err(|error| failed(&format!("cannot write `{name}`"), &error))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl SetWriter for BlockFileWriter {
    fn add(
        &mut self,
        series: SeriesId,
        block: &[u8],
        summary: Summary,
    ) -> Result<(), TelemetryError> {
        let offset = self.put_frame(block)?;
        self.contents.add(series, offset, block, summary);
        Ok(())
    }

    fn add_rollup(&mut self, series: SeriesId, chunk: &Chunk) -> Result<(), TelemetryError> {
        let offset = self.put_frame(&chunk.bytes)?;
        self.contents.add_rollup(series, offset, chunk);
        Ok(())
    }

    /// Writes the index and waits until the contents are durable. The name is not, before the folder is synced.
    fn finish(mut self: Box<Self>) -> Result<Opened, TelemetryError> {
        let plain = index::encode(&self.contents.blocks, &self.contents.rollups);
        let compressed = zstd::bulk::compress(&plain, 1)
            .map_err(|error| failed("cannot compress an index", &error))?;
        let offset = self.written + self.buffer.len() as u64;
        self.buffer.extend_from_slice(&compressed);
        let trailer_start = self.buffer.len();
        self.buffer.extend_from_slice(&offset.to_le_bytes());
        self.buffer
            .extend_from_slice(&(compressed.len() as u64).to_le_bytes());
        self.buffer
            .extend_from_slice(&(plain.len() as u64).to_le_bytes());
        self.buffer
            .extend_from_slice(&crc32c::crc32c(&compressed).to_le_bytes());
        let crc = crc32c::crc32c(&self.buffer[trailer_start..]);
        self.buffer.extend_from_slice(&crc.to_le_bytes());
        self.write_out()?;
        self.file
            .sync()
            .map_err(|error| failed(&format!("cannot sync `{}`", self.name), &error))?;
        let frames = FrameFile {
            name: self.name.clone(),
            file: self.file,
            length: self.written,
            damages: Arc::clone(&self.damages),
        };
        Ok(BlockSet::opened(
            self.entry,
            self.name,
            self.written,
            Box::new(frames),
            self.contents,
            self.damages,
        ))
    }
}
