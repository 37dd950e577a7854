//! The store without its threads: commits, flushes, compacts and answers on the thread that calls.
//!
//! Locks are taken in this order: `maintenance`, `log`, `state`. Only `state` is ever taken by readers, and nobody
//! waits for the disk while holding it.

mod backup;
mod commit;
mod compact;
mod flush;
mod read;
mod recover;
mod rewrite;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use tellee_actors::time::Timestamp;

use super::config::TelemetryConfig;
use super::damage::{Damage, DamageLog};
use super::disk::Disk;
use super::log::writer::LogWriter;
use super::manifest::Manifest;
use super::state::State;

pub use recover::Access;

struct Log {
    writer: LogWriter,
    /// Kept between commits, so that none allocates.
    frame: Vec<u8>,
    places: Vec<u32>,
}

struct Maintenance {
    manifest: Manifest,
    /// The size of the catalog when it was last written anew.
    catalog_base: u64,
    /// An append to the catalog may have reached the disk without its manifest: the next one starts a new file.
    catalog_in_doubt: bool,
}

pub struct Engine {
    disk: Arc<dyn Disk>,
    config: TelemetryConfig,
    damages: Arc<DamageLog>,
    maintenance: Mutex<Maintenance>,
    log: Mutex<Log>,
    state: RwLock<State>,
    /// Bytes of log that a restart would replay.
    log_bytes: AtomicU64,
    /// Blocks were dropped as a whole: some files may hold nothing any more.
    files_may_be_empty: AtomicBool,
}

/// What the store holds, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreFigures {
    pub series: usize,
    /// Bytes of samples in memory, about.
    pub memory_bytes: usize,
    pub log_bytes: u64,
    pub block_files: usize,
    pub block_bytes: u64,
}

impl Engine {
    /// Whether samples should go from memory to block files now.
    pub fn wants_flush(&self, now: Timestamp) -> bool {
        if self.log_bytes.load(Ordering::Relaxed) > self.config.log_bytes {
            return true;
        }
        let state = self.state.read();
        if state.active_bytes > self.config.memory_bytes || state.frozen.is_some() {
            return true;
        }
        let longest = std::time::Duration::from_secs(u64::from(self.config.flush_after_seconds));
        state
            .active_since
            .is_some_and(|since| now.since(since) >= longest)
    }

    /// Whether memory is so full that writers must wait for the flush under way.
    pub fn must_wait(&self) -> bool {
        let state = self.state.read();
        state.active_bytes > self.config.memory_bytes.saturating_mul(2)
            || self.log_bytes.load(Ordering::Relaxed) > self.config.log_bytes.saturating_mul(4)
    }

    pub fn figures(&self) -> StoreFigures {
        let state = self.state.read();
        StoreFigures {
            series: state.series_count(),
            memory_bytes: state.active_bytes,
            log_bytes: self.log_bytes.load(Ordering::Relaxed),
            block_files: state.files.len(),
            block_bytes: state.files.iter().map(|file| file.length).sum(),
        }
    }

    /// Damage found since the store was opened.
    pub fn damages(&self) -> Vec<Damage> {
        self.damages.list()
    }
}
