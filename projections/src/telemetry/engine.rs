//! The store without its threads: commits, flushes, compacts and answers on the thread that calls.
//!
//! Locks are taken in this order: `maintenance`, `commits`, `state`. Only `state` is ever taken by readers, and nobody
//! waits for the disk while holding it.

mod backup;
mod commit;
mod compact;
mod flush;
mod read;
mod recover;
mod retain;
mod rewrite;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tellee_actors::time::Timestamp;

use super::blocks::{BlockSet, Blocks};
use super::config::TelemetryConfig;
use super::damage::{Damage, DamageLog};
use super::log::{Log, Remover};
use super::manifest::Manifest;
use super::state::State;
use super::sums_cache::SumsCache;

pub use recover::Access;

struct Commits {
    log: Box<dyn Log>,
    /// Kept between commits, so that none allocates.
    frame: Vec<u8>,
    places: Vec<u32>,
}

struct Maintenance {
    manifest: Manifest,
    /// The size of the catalog when it was last written anew.
    catalog_base: u64,
    /// An append to the catalog may have reached the disk without its manifest: the next one starts a new catalog.
    catalog_in_doubt: bool,
    /// Which of two manifests a crash would leave is not known: what either names must stay.
    manifest_in_doubt: bool,
}

pub struct Engine {
    blocks: Arc<dyn Blocks>,
    config: TelemetryConfig,
    damages: Arc<DamageLog>,
    maintenance: Mutex<Maintenance>,
    commits: Mutex<Commits>,
    remove_segments: Remover,
    state: RwLock<State>,
    sums_cache: SumsCache,
    /// Bytes of log that a restart would replay.
    log_bytes: AtomicU64,
    /// When [`Self::wants_flush`] first saw the samples that are in memory now; [`NOTHING`] if there are none.
    in_memory_since: AtomicI64,
    /// Samples of minutes that had been summed up already, dropped by retention.
    late_dropped: AtomicU64,
    /// Blocks were dropped as a whole: some sets may hold nothing any more.
    sets_may_be_empty: AtomicBool,
}

const NOTHING: i64 = i64::MAX;

/// What the store holds, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreFigures {
    pub series: usize,
    /// Bytes of samples in memory, about.
    pub memory_bytes: usize,
    pub log_bytes: u64,
    pub block_files: usize,
    pub block_bytes: u64,
    /// Of those files, what holds rollups that outlived their samples.
    pub kept_rollup_bytes: u64,
    /// Samples that came for minutes whose samples were gone, dropped since the store was opened.
    pub late_dropped: u64,
}

impl Engine {
    /// Whether samples should go from memory to block files now.
    pub fn wants_flush(&self, now: Timestamp) -> bool {
        if self.log_bytes.load(Ordering::Relaxed) > self.config.log_bytes {
            return true;
        }
        let active_bytes = {
            let state = self.state.read();
            if state.frozen.is_some() {
                return true;
            }
            state.active_bytes
        };
        if active_bytes > self.config.memory_bytes {
            return true;
        }
        if active_bytes == 0 {
            self.in_memory_since.store(NOTHING, Ordering::Relaxed);
            return false;
        }
        let since = self
            .in_memory_since
            .fetch_min(now.0, Ordering::Relaxed)
            .min(now.0);
        let longest = Duration::from_secs(u64::from(self.config.flush_after_seconds));
        now.since(Timestamp(since)) >= longest
    }

    /// Whether memory is so full that writers must wait for the flush under way.
    pub fn must_wait(&self) -> bool {
        let state = self.state.read();
        let memory = self.config.memory_bytes;
        state.active_bytes > memory.saturating_add(memory / 2)
            || self.log_bytes.load(Ordering::Relaxed) > self.config.log_bytes.saturating_mul(4)
    }

    pub fn figures(&self) -> StoreFigures {
        let bytes = |sets: &[Arc<BlockSet>]| sets.iter().map(|set| set.length).sum::<u64>();
        let state = self.state.read();
        StoreFigures {
            series: state.series_count(),
            memory_bytes: state.active_bytes,
            log_bytes: self.log_bytes.load(Ordering::Relaxed),
            block_files: state.sets.len() + state.kept.sets.len(),
            block_bytes: bytes(&state.sets) + bytes(&state.kept.sets),
            kept_rollup_bytes: bytes(&state.kept.sets),
            late_dropped: self.late_dropped.load(Ordering::Relaxed),
        }
    }

    /// Damage found since the store was opened.
    pub fn damages(&self) -> Vec<Damage> {
        self.damages.list()
    }

    /// Damaged places beyond those that the list has room for.
    pub fn unlisted_damages(&self) -> u64 {
        self.damages.unlisted()
    }
}
