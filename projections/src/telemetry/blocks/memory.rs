//! Blocks that end with the process: a store to try things on, and the proof that the engine knows no files.

use std::path::Path;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::{BlockSet, Blocks, Contents, Frames, Opened, Piece, SetWriter};
use crate::telemetry::catalog::Entry;
use crate::telemetry::damage::DamageLog;
use crate::telemetry::disk::Disk;
use crate::telemetry::manifest::{CatalogEntry, Manifest, SetEntry};
use crate::telemetry::model::SeriesId;
use crate::telemetry::rollup::Chunk;
use crate::telemetry::store::TelemetryError;
use crate::telemetry::summary::Summary;

#[derive(Default)]
struct Kept {
    manifest: Option<Manifest>,
    draft: Option<Manifest>,
    catalogs: HashMap<u64, Vec<Entry>>,
    sets: HashMap<u64, Opened>,
}

#[derive(Clone, Default)]
pub struct MemoryBlocks {
    kept: Arc<Mutex<Kept>>,
    damages: Arc<DamageLog>,
}

impl MemoryBlocks {
    pub const fn damages(&self) -> &Arc<DamageLog> {
        &self.damages
    }
}

impl Blocks for MemoryBlocks {
    fn manifest(&self) -> Result<Option<Manifest>, TelemetryError> {
        Ok(self.kept.lock().manifest.clone())
    }

    fn draft(&self, manifest: &Manifest) -> Result<(), TelemetryError> {
        self.kept.lock().draft = Some(manifest.clone());
        Ok(())
    }

    fn replace(&self) -> Result<(), TelemetryError> {
        let mut kept = self.kept.lock();
        if let Some(draft) = kept.draft.take() {
            kept.manifest = Some(draft);
        }
        Ok(())
    }

    fn catalog(&self, at: CatalogEntry) -> Result<Vec<Entry>, TelemetryError> {
        let kept = self.kept.lock();
        let entries = kept.catalogs.get(&at.number).map_or(&[][..], Vec::as_slice);
        let length = usize::try_from(at.length).unwrap_or(usize::MAX);
        Ok(entries.iter().take(length).cloned().collect())
    }

    fn append_catalog(
        &self,
        at: CatalogEntry,
        entries: &[Entry],
    ) -> Result<CatalogEntry, TelemetryError> {
        let mut kept = self.kept.lock();
        let catalog = kept.catalogs.entry(at.number).or_default();
        // What an attempt that no manifest came to name has left.
        catalog.truncate(usize::try_from(at.length).unwrap_or(usize::MAX));
        catalog.extend_from_slice(entries);
        Ok(CatalogEntry {
            length: catalog.len() as u64,
            frames: at.frames + 1,
            ..at
        })
    }

    fn set_name(&self, number: u64) -> String {
        format!("set {number} in memory")
    }

    fn open(&self, entry: SetEntry) -> Result<Opened, TelemetryError> {
        let opened = self.kept.lock().sets.get(&entry.number).cloned();
        opened.ok_or_else(|| TelemetryError::Damaged {
            file: self.set_name(entry.number),
            reason: "it is missing".to_owned(),
        })
    }

    fn create(&self, entry: SetEntry) -> Result<Box<dyn SetWriter>, TelemetryError> {
        Ok(Box::new(MemorySetWriter {
            entry,
            home: self.clone(),
            bytes: Vec::new(),
            contents: Contents::default(),
        }))
    }

    fn put_aside(&self, _set: u64, _offset: u64, _bytes: &[u8]) -> Result<(), TelemetryError> {
        Ok(())
    }

    fn remove(&self, piece: Piece) -> Result<(), TelemetryError> {
        let mut kept = self.kept.lock();
        match piece {
            Piece::Set(number) => drop(kept.sets.remove(&number)),
            Piece::Catalog(number) => drop(kept.catalogs.remove(&number)),
        }
        Ok(())
    }

    fn remove_all_but(&self, manifest: &Manifest) {
        let mut kept = self.kept.lock();
        kept.catalogs
            .retain(|number, _| *number == manifest.catalog.number);
        kept.sets
            .retain(|number, _| manifest.all_sets().any(|set| set.number == *number));
    }

    fn copy_to(
        &self,
        _manifest: &Manifest,
        _target: &dyn Disk,
        _folder: Option<&Path>,
    ) -> Result<(), TelemetryError> {
        Err(TelemetryError::Invalid {
            field: "folder",
            reason: "a store in memory has no files to copy".to_owned(),
        })
    }
}

struct MemorySetWriter {
    entry: SetEntry,
    home: MemoryBlocks,
    bytes: Vec<u8>,
    contents: Contents,
}

impl MemorySetWriter {
    /// Answers where it starts.
    fn put(&mut self, contents: &[u8]) -> u64 {
        let offset = self.bytes.len() as u64;
        self.bytes.extend_from_slice(contents);
        offset
    }
}

impl SetWriter for MemorySetWriter {
    fn add(
        &mut self,
        series: SeriesId,
        block: &[u8],
        summary: Summary,
    ) -> Result<(), TelemetryError> {
        let offset = self.put(block);
        self.contents.add(series, offset, block, summary);
        Ok(())
    }

    fn add_rollup(&mut self, series: SeriesId, chunk: &Chunk) -> Result<(), TelemetryError> {
        let offset = self.put(&chunk.bytes);
        self.contents.add_rollup(series, offset, chunk);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Opened, TelemetryError> {
        let opened = BlockSet::opened(
            self.entry,
            self.home.set_name(self.entry.number),
            self.bytes.len() as u64,
            Box::new(MemoryFrames(self.bytes)),
            self.contents,
            Arc::clone(&self.home.damages),
        );
        let mut kept = self.home.kept.lock();
        kept.sets.insert(self.entry.number, opened.clone());
        Ok(opened)
    }
}

struct MemoryFrames(Vec<u8>);

impl Frames for MemoryFrames {
    fn read(
        &self,
        offset: u64,
        length: u32,
        _what: &str,
    ) -> Result<Option<Vec<u8>>, TelemetryError> {
        Ok(self.read_raw(offset, length))
    }

    fn read_raw(&self, offset: u64, length: u32) -> Option<Vec<u8>> {
        let from = usize::try_from(offset).ok()?;
        let to = from.checked_add(length as usize)?;
        self.0.get(from..to).map(<[u8]>::to_vec)
    }
}
