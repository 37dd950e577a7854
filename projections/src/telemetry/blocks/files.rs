//! Blocks over a folder of files: one for each set, one for the catalog, one for the manifest.

use std::io;
use std::path::Path;
use std::sync::Arc;

use hashbrown::HashSet;

use super::{Blocks, Opened, Piece, SetWriter};
use crate::telemetry::block_file::{self, BlockFileWriter};
use crate::telemetry::catalog::{self, Entry};
use crate::telemetry::damage::DamageLog;
use crate::telemetry::disk::{Disk, DiskFile, failed};
use crate::telemetry::log::segment_number;
use crate::telemetry::manifest::{self, CatalogEntry, Manifest, SetEntry};
use crate::telemetry::store::TelemetryError;

/// Files are copied in pieces of this size.
const PIECE: u64 = 1 << 20;

pub struct FileBlocks {
    disk: Arc<dyn Disk>,
    damages: Arc<DamageLog>,
}

impl FileBlocks {
    pub const fn new(disk: Arc<dyn Disk>, damages: Arc<DamageLog>) -> Self {
        Self { disk, damages }
    }
}

fn name_of(piece: Piece) -> String {
    match piece {
        Piece::Set(number) => block_file::file_name(number),
        Piece::Catalog(number) => catalog::file_name(number),
    }
}

impl Blocks for FileBlocks {
    fn manifest(&self) -> Result<Option<Manifest>, TelemetryError> {
        if let Some(manifest) = Manifest::read(&*self.disk, &self.damages)? {
            return Ok(Some(manifest));
        }
        let names = self
            .disk
            .list()
            .map_err(|error| failed("cannot list the folder", &error))?;
        let has_data = names
            .iter()
            .any(|name| name.starts_with("blocks-") || segment_number(name).is_some());
        if has_data {
            let reason = "it is missing although there are files that it should name".to_owned();
            return Err(TelemetryError::Damaged {
                file: manifest::NAME.to_owned(),
                reason,
            });
        }
        Ok(None)
    }

    fn draft(&self, manifest: &Manifest) -> Result<(), TelemetryError> {
        manifest.write_draft(&*self.disk)
    }

    fn replace(&self) -> Result<(), TelemetryError> {
        Manifest::replace(&*self.disk)
    }

    fn catalog(&self, at: CatalogEntry) -> Result<Vec<Entry>, TelemetryError> {
        catalog::read(&*self.disk, at, &self.damages)
    }

    fn append_catalog(
        &self,
        at: CatalogEntry,
        entries: &[Entry],
    ) -> Result<CatalogEntry, TelemetryError> {
        catalog::append(&*self.disk, at, entries)
    }

    fn set_name(&self, number: u64) -> String {
        block_file::file_name(number)
    }

    fn open(&self, entry: SetEntry) -> Result<Opened, TelemetryError> {
        block_file::open(&*self.disk, entry, &self.damages)
    }

    fn create(&self, entry: SetEntry) -> Result<Box<dyn SetWriter>, TelemetryError> {
        let writer = BlockFileWriter::create(&*self.disk, entry, &self.damages)?;
        Ok(Box::new(writer))
    }

    fn put_aside(&self, set: u64, offset: u64, bytes: &[u8]) -> Result<(), TelemetryError> {
        let cannot = |error: io::Error| failed("cannot put a damaged block aside", &error);
        let saved = self
            .disk
            .create(&format!("damaged-{set:016x}-{offset:x}"))
            .map_err(cannot)?;
        saved.write_all_at(bytes, 0).map_err(cannot)?;
        saved.sync().map_err(cannot)
    }

    fn remove(&self, piece: Piece) -> Result<(), TelemetryError> {
        let name = name_of(piece);
        match self.disk.remove(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed(&format!("cannot remove `{name}`"), &error))
            }
            _ => Ok(()),
        }
    }

    fn remove_all_but(&self, manifest: &Manifest) {
        let mut needed: HashSet<String> = HashSet::new();
        needed.insert(catalog::file_name(manifest.catalog.number));
        needed.extend(
            manifest
                .all_sets()
                .map(|set| block_file::file_name(set.number)),
        );
        let names = match self.disk.list() {
            Ok(names) => names,
            Err(error) => {
                tracing::warn!(%error, "cannot look for remains in the telemetry folder");
                return;
            }
        };
        for name in names {
            let ours = name.starts_with("catalog-") || name.starts_with("blocks-");
            if !ours || needed.contains(&name) {
                continue;
            }
            if let Err(error) = self.disk.remove(&name) {
                tracing::warn!(file = name, %error, "cannot remove a telemetry file that is not needed any more");
            }
        }
    }

    fn copy_to(
        &self,
        manifest: &Manifest,
        target: &dyn Disk,
        folder: Option<&Path>,
    ) -> Result<(), TelemetryError> {
        let cannot = |error: io::Error| failed("cannot write the backup", &error);
        for set in manifest.all_sets() {
            let name = block_file::file_name(set.number);
            // Block files never change, so a second name for the same file will do.
            let linked = folder.is_some_and(|folder| self.disk.link_to(&name, folder).is_ok());
            if !linked {
                let source = self.disk.open(&name).map_err(cannot)?;
                let length = source.length().map_err(cannot)?;
                copy(&source, target, &name, length).map_err(cannot)?;
            }
        }
        if manifest.catalog.length > 0 {
            let name = catalog::file_name(manifest.catalog.number);
            let source = self.disk.open(&name).map_err(cannot)?;
            copy(&source, target, &name, manifest.catalog.length).map_err(cannot)?;
        }
        Ok(())
    }
}

fn copy(source: &Arc<dyn DiskFile>, target: &dyn Disk, name: &str, length: u64) -> io::Result<()> {
    let copy = target.create(name)?;
    let mut offset = 0;
    while offset < length {
        let mut piece = vec![0; PIECE.min(length - offset) as usize];
        source.read_exact_at(&mut piece, offset)?;
        copy.write_all_at(&piece, offset)?;
        offset += piece.len() as u64;
    }
    copy.sync()
}
