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
        if !target.list().map_err(cannot)?.is_empty() {
            let reason = format!("folder `{}` is not empty", folder.display());
            return Err(TelemetryError::Invalid {
                field: "folder",
                reason,
            });
        }
        let mut maintenance = self.maintenance.lock();
        // One flush may only finish an older one that had failed.
        while self.flush_with(&mut maintenance)? && self.state.read().frozen.is_some() {}
        let manifest = maintenance.manifest.clone();
        for file in &manifest.files {
            let name = block_file::file_name(file.number);
            // Block files never change, so a second name for the same file will do.
            if self.disk.link_to(&name, folder).is_err() {
                let source = self.disk.open(&name).map_err(cannot)?;
                let length = source.length().map_err(cannot)?;
                copy(&source, &target, &name, length).map_err(cannot)?;
            }
        }
        if manifest.catalog.length > 0 {
            let name = catalog::file_name(manifest.catalog.number);
            let source = self.disk.open(&name).map_err(cannot)?;
            copy(&source, &target, &name, manifest.catalog.length).map_err(cannot)?;
        }
        // Last, so that a backup that was cut off has no manifest and does not pass for a whole one.
        Manifest {
            next_order: self.state.read().next_order,
            ..manifest
        }
        .write(&target)
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
