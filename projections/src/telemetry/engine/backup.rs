//! A copy of the store while it runs.

use std::path::Path;

use super::Engine;
use crate::telemetry::disk::{Disk, RealDisk, failed};
use crate::telemetry::manifest::Manifest;
use crate::telemetry::store::TelemetryError;

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
        self.copy_to(&target, Some(folder))
    }

    /// As [`Self::backup_to`], onto any disk, which must be empty.
    pub fn backup_onto(&self, target: &dyn Disk) -> Result<(), TelemetryError> {
        self.copy_to(target, None)
    }

    fn copy_to(&self, target: &dyn Disk, folder: Option<&Path>) -> Result<(), TelemetryError> {
        let cannot = |error: std::io::Error| failed("cannot write the backup", &error);
        if !target.list().map_err(cannot)?.is_empty() {
            return Err(TelemetryError::Invalid {
                field: "folder",
                reason: "the folder of the backup is not empty".to_owned(),
            });
        }
        let mut maintenance = self.maintenance.lock();
        self.flush_all(&mut maintenance)?;
        let manifest = maintenance.manifest.clone();
        self.blocks.copy_to(&manifest, target, folder)?;
        // Last, so that a backup that was cut off has no manifest and does not pass for a whole one.
        Manifest {
            next_order: self.state.read().next_order,
            ..manifest
        }
        .write(target)
    }
}
