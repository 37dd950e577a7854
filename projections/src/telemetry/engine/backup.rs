//! A copy of the store while it runs.

use std::path::Path;
use std::sync::Arc;

use super::Engine;
use crate::telemetry::block_file;
use crate::telemetry::catalog;
use crate::telemetry::disk::{Disk, DiskFile, RealDisk, failed};
use crate::telemetry::manifest::Manifest;
use crate::telemetry::store::TelemetryError;

const PIECE: u64 = 1 << 20;

impl Engine {
    /// Writes all that was acknowledged before the call, and nothing half, into `folder`, which must hold nothing.
    pub fn backup_to(&self, folder: &Path) -> Result<(), TelemetryError> {
        let cannot = |error: std::io::Error| {
            failed(
                &format!("cannot write the backup to `{}`", folder.display()),
                &error,
            )
        };
        let target = RealDisk::open(folder).map_err(cannot)?;
        self.copy_to(&target, &|name| self.disk.link_to(name, folder), &cannot)
    }

    /// As [`Self::backup_to`], onto any disk, which must be empty.
    pub fn backup_onto(&self, target: &dyn Disk) -> Result<(), TelemetryError> {
        let cannot = |error: std::io::Error| failed("cannot write the backup", &error);
        let no_links = |_: &str| Err(std::io::ErrorKind::Unsupported.into());
        self.copy_to(target, &no_links, &cannot)
    }

    fn copy_to(
        &self,
        target: &dyn Disk,
        link: &dyn Fn(&str) -> std::io::Result<()>,
        cannot: &dyn Fn(std::io::Error) -> TelemetryError,
    ) -> Result<(), TelemetryError> {
        if !target.list().map_err(cannot)?.is_empty() {
            return Err(TelemetryError::Invalid {
                field: "folder",
                reason: "the folder of the backup is not empty".to_owned(),
            });
        }
        let mut maintenance = self.maintenance.lock();
        // One flush may only finish an older one that had failed.
        while self.flush_with(&mut maintenance)? && self.state.read().frozen.is_some() {}
        let manifest = maintenance.manifest.clone();
        for file in &manifest.files {
            let name = block_file::file_name(file.number);
            // Block files never change, so a second name for the same file will do.
            if link(&name).is_err() {
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
        // Last, so that a backup that was cut off has no manifest and does not pass for a whole one.
        Manifest {
            next_order: self.state.read().next_order,
            ..manifest
        }
        .write(target)
    }
}

fn copy(
    source: &Arc<dyn DiskFile>,
    target: &dyn Disk,
    name: &str,
    length: u64,
) -> std::io::Result<()> {
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
