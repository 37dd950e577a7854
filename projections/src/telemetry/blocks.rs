//! Sealed blocks: in sets that are written once and never change, beside a catalog of the series and a manifest that
//! says which of them make up the store.

mod files;
mod memory;
mod rollups;

use std::path::Path;
use std::sync::Arc;

use super::catalog::Entry;
use super::damage::DamageLog;
use super::disk::Disk;
use super::manifest::{CatalogEntry, Manifest, SetEntry};
use super::model::SeriesId;
use super::rollup::{Chunk, Level};
use super::store::TelemetryError;
use super::summary::Summary;

pub use files::FileBlocks;
pub use memory::MemoryBlocks;

/// Something that a manifest names, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    Set(u64),
    Catalog(u64),
}

/// What keeps blocks, the catalog and the manifest. Nothing counts before a manifest names it, and what the manifest
/// names stays until another one is in its place.
pub trait Blocks: Send + Sync {
    /// The manifest in force; `None` for a store that was never written to.
    fn manifest(&self) -> Result<Option<Manifest>, TelemetryError>;

    /// Makes all that `manifest` names durable, and the draft of it. Until [`Self::replace`] nothing has changed.
    fn draft(&self, manifest: &Manifest) -> Result<(), TelemetryError>;

    /// Puts the draft in the place of the manifest before, at once. If this fails, either may be found after a crash.
    fn replace(&self) -> Result<(), TelemetryError>;

    /// All entries of the catalog `at`, in order. Damage is reported; what is whole is given.
    fn catalog(&self, at: CatalogEntry) -> Result<Vec<Entry>, TelemetryError>;

    /// Adds `entries` to the catalog `at`, or starts a new one called `at.number` if its length is 0. Answers what a
    /// manifest has to say of it.
    fn append_catalog(
        &self,
        at: CatalogEntry,
        entries: &[Entry],
    ) -> Result<CatalogEntry, TelemetryError>;

    /// What damage of set `number` is reported under.
    fn set_name(&self, number: u64) -> String;

    /// The set `entry` with its blocks, in the order in which they were written. Damage is reported; what is whole is
    /// given.
    fn open(&self, entry: SetEntry) -> Result<Opened, TelemetryError>;

    /// Begins the set `entry`.
    fn create(&self, entry: SetEntry) -> Result<Box<dyn SetWriter>, TelemetryError>;

    /// Puts the bytes of a damaged block of a set aside, where nothing removes them.
    fn put_aside(&self, set: u64, offset: u64, bytes: &[u8]) -> Result<(), TelemetryError>;

    /// Removes what no manifest names. It is no error if it is not there. Sets that are open stay readable.
    fn remove(&self, piece: Piece) -> Result<(), TelemetryError>;

    /// Removes what `manifest` does not name: remains of work that was cut off. What fails is left.
    fn remove_all_but(&self, manifest: &Manifest);

    /// Copies what `manifest` names, and not the manifest, to `target` in the format of files. `folder` is where
    /// `target` lies on this machine, if it does.
    fn copy_to(
        &self,
        manifest: &Manifest,
        target: &dyn Disk,
        folder: Option<&Path>,
    ) -> Result<(), TelemetryError>;
}

/// A set with its blocks.
pub type Opened = (Arc<BlockSet>, Vec<BlockEntry>);

/// Writes one set from its start to its end.
pub trait SetWriter: Send {
    /// Blocks of a series must come in order of time, and series in order of their numbers.
    fn add(
        &mut self,
        series: SeriesId,
        block: &[u8],
        summary: Summary,
    ) -> Result<(), TelemetryError>;

    /// Chunks come after the last block that has a sample of theirs, and those of one level in order of time.
    fn add_rollup(&mut self, series: SeriesId, chunk: &Chunk) -> Result<(), TelemetryError>;

    /// The contents are durable on return; that the set is there at all only with the next [`Blocks::draft`].
    fn finish(self: Box<Self>) -> Result<Opened, TelemetryError>;
}

/// The bytes of the blocks and chunks of a set, by their places.
pub trait Frames: Send + Sync {
    /// The contents at `offset`, or `None` if they are damaged, which is then reported. `what` names them there.
    fn read(&self, offset: u64, length: u32, what: &str)
    -> Result<Option<Vec<u8>>, TelemetryError>;

    /// What lies at `offset` as it is, damaged or not, for safe keeping.
    fn read_raw(&self, offset: u64, length: u32) -> Option<Vec<u8>>;
}

/// A block within its set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockEntry {
    pub series: SeriesId,
    /// Its place: a number that is its own within the set.
    pub offset: u64,
    /// In bytes.
    pub length: u32,
    pub summary: Summary,
}

/// A chunk of a rollup within its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollupEntry {
    pub series: SeriesId,
    pub level: Level,
    pub offset: u64,
    pub length: u32,
    /// The start of the first row and of the last.
    pub first: i64,
    pub last: i64,
}

/// What a set holds, in the order in which it was written.
#[derive(Debug, Default)]
pub struct Contents {
    pub blocks: Vec<BlockEntry>,
    pub rollups: Vec<RollupEntry>,
}

impl Contents {
    pub fn add(&mut self, series: SeriesId, offset: u64, block: &[u8], summary: Summary) {
        self.blocks.push(BlockEntry {
            series,
            offset,
            length: block.len() as u32,
            summary,
        });
    }

    pub fn add_rollup(&mut self, series: SeriesId, offset: u64, chunk: &Chunk) {
        self.rollups.push(RollupEntry {
            series,
            level: chunk.level,
            offset,
            length: chunk.bytes.len() as u32,
            first: chunk.first,
            last: chunk.last,
        });
    }
}

/// An open set of blocks. It stays readable after it was removed.
pub struct BlockSet {
    pub number: u64,
    /// The place in the order of writes: of two sets, the one with the higher order holds the later writes.
    pub order: u64,
    /// All bytes that it takes.
    pub length: u64,
    /// Bytes of all blocks, without what is around them.
    pub block_bytes: u64,
    name: String,
    frames: Box<dyn Frames>,
    damages: Arc<DamageLog>,
    /// In order of series, level and time.
    rollups: Vec<RollupEntry>,
}

impl std::fmt::Debug for BlockSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("BlockSet")
            .field("name", &self.name)
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

impl BlockSet {
    /// The set `entry` with its blocks. `name` is what damage is reported under, `length` all its bytes.
    pub fn opened(
        entry: SetEntry,
        name: String,
        length: u64,
        frames: Box<dyn Frames>,
        contents: Contents,
        damages: Arc<DamageLog>,
    ) -> Opened {
        let Contents { blocks, rollups } = contents;
        let set = Self {
            number: entry.number,
            order: entry.order,
            length,
            block_bytes: blocks.iter().map(|block| u64::from(block.length)).sum(),
            name,
            frames,
            damages,
            rollups: rollups::sorted(rollups),
        };
        (Arc::new(set), blocks)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// As [`Frames::read`].
    pub fn read(
        &self,
        offset: u64,
        length: u32,
        what: &str,
    ) -> Result<Option<Vec<u8>>, TelemetryError> {
        self.frames.read(offset, length, what)
    }

    /// As [`Frames::read_raw`].
    pub fn read_raw(&self, offset: u64, length: u32) -> Option<Vec<u8>> {
        self.frames.read_raw(offset, length)
    }

    pub fn report_block(&self, offset: u64, reason: &str) {
        self.damages.report(&self.name, offset, reason);
    }
}
