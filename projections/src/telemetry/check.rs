//! Looks through a store's folder without changing it.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::config::TelemetryConfig;
use super::damage::{Damage, Hit};
use super::disk::{Disk, RealDisk, failed};
use super::engine::{Access, Engine};
use super::store::TelemetryError;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub series: usize,
    pub samples: u64,
    pub blocks: u64,
    /// Chunks of rollups.
    pub rollups: u64,
    pub block_files: usize,
    pub block_bytes: u64,
    pub log_bytes: u64,
    pub damages: Vec<Damage>,
    /// For each of `damages` what was hit there, where that is known.
    pub hits: Vec<Option<Hit>>,
    /// Damaged places beyond those that the list has room for.
    pub unlisted_damages: u64,
}

impl Report {
    pub fn is_whole(&self) -> bool {
        self.damages.is_empty()
    }
}

/// Reads and decodes everything in `folder`. Meant for a store that is not running: files may vanish under it
/// otherwise, which reads as damage.
///
/// # Errors
/// Where the folder is no store at all, cannot be read, is of a newer format, or has lost its manifest.
pub fn check(folder: &Path) -> Result<Report, TelemetryError> {
    let disk = RealDisk::look_at(folder).map_err(|error| {
        failed(
            &format!("cannot look at folder `{}`", folder.display()),
            &error,
        )
    })?;
    check_disk(Arc::new(disk))
}

pub fn check_disk(disk: Arc<dyn Disk>) -> Result<Report, TelemetryError> {
    let engine = Engine::open(disk, TelemetryConfig::default(), Access::Look)?;
    let (blocks, samples) = engine.read_everything()?;
    let rollups = engine.read_all_rollups()?;
    let figures = engine.figures();
    let damages = engine.damages();
    Ok(Report {
        series: figures.series,
        samples,
        blocks,
        rollups,
        block_files: figures.block_files,
        block_bytes: figures.block_bytes,
        log_bytes: figures.log_bytes,
        hits: engine.hits(&damages),
        damages,
        unlisted_damages: engine.unlisted_damages(),
    })
}
