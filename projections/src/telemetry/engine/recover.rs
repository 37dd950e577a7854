//! Opening: manifest, catalog, sets of blocks, then the log from its floor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

use parking_lot::{Mutex, RwLock};
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::{Commits, Engine, Maintenance, NOTHING};
use crate::telemetry::blocks::{Blocks, FileBlocks, Opened};
use crate::telemetry::catalog::Entry;
use crate::telemetry::columns::SampleRef;
use crate::telemetry::config::TelemetryConfig;
use crate::telemetry::damage::DamageLog;
use crate::telemetry::disk::Disk;
use crate::telemetry::log::Log;
use crate::telemetry::log::entry::{Replay, replay};
use crate::telemetry::log::files::FileLog;
use crate::telemetry::manifest::{Manifest, SetEntry};
use crate::telemetry::memory::Memory;
use crate::telemetry::model::{SeriesId, SeriesKey};
use crate::telemetry::state::State;
use crate::telemetry::store::TelemetryError;
use crate::telemetry::sums_cache::SumsCache;

/// Whether opening may change the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Write,
    /// Leaves all as it is. Appends to what was opened so are not allowed.
    Look,
}

struct Recovery<'a> {
    state: &'a mut State,
    /// Samples whose series is not known, since its definition was lost to damage.
    orphans: usize,
}

impl Replay for Recovery<'_> {
    fn define(&mut self, id: SeriesId, key: SeriesKey) {
        let place = self.state.define(id, Arc::new(key), false);
        self.state.mark_logged(place);
    }

    fn begin_batch(&mut self) {
        self.state.begin_batch();
    }

    fn sample(&mut self, id: SeriesId, historical: bool, sample: SampleRef<'_>) {
        let place = u32::try_from(id.0.wrapping_sub(1)).unwrap_or(u32::MAX);
        if self.state.is_logged(place) {
            self.state.push(place, historical, sample);
        } else {
            self.orphans += 1;
        }
    }

    fn retain(&mut self, channel: ChannelId, before: Timestamp) {
        self.state.retain(channel, before.0);
    }
}

/// A series number further than this from its place could only come from damage that no checksum saw.
const MAX_SERIES: u64 = 1 << 32;
/// Sets that are opened at the same time, at most.
const MAX_READERS: usize = 8;

impl Engine {
    /// Opens the store whose log and blocks lie in the files of `disk`.
    pub fn open(
        disk: Arc<dyn Disk>,
        config: TelemetryConfig,
        access: Access,
    ) -> Result<Self, TelemetryError> {
        let config = config.clamped();
        let damages = Arc::new(DamageLog::default());
        let blocks = FileBlocks::new(Arc::clone(&disk), Arc::clone(&damages));
        let may_write = access == Access::Write;
        let allocation = config.log_allocation_bytes;
        let log = FileLog::new(disk, Arc::clone(&damages), may_write, allocation);
        Self::over(Box::new(log), Arc::new(blocks), damages, config, access)
    }

    /// Opens the store that `memory` keeps. Meant for tests and trials.
    pub fn open_in(memory: &Memory, config: TelemetryConfig) -> Result<Self, TelemetryError> {
        let (log, blocks) = (memory.log.clone(), memory.blocks.clone());
        let damages = Arc::clone(blocks.damages());
        let (log, blocks) = (Box::new(log), Arc::new(blocks));
        Self::over(log, blocks, damages, config.clamped(), Access::Write)
    }

    /// Opens the store of any back end. `log` and `blocks` report what is damaged to `damages`.
    fn over(
        mut log: Box<dyn Log>,
        blocks: Arc<dyn Blocks>,
        damages: Arc<DamageLog>,
        config: TelemetryConfig,
        access: Access,
    ) -> Result<Self, TelemetryError> {
        let manifest = match blocks.manifest()? {
            Some(manifest) => manifest,
            None => new_store(&*blocks, access)?,
        };

        let mut state = State::new(
            config.block_samples,
            manifest.next_order,
            manifest.tombstones.clone(),
        );
        for entry in blocks.catalog(manifest.catalog)? {
            load_entry(&mut state, entry);
        }
        load_sets(&*blocks, &manifest.sets, &damages, &mut |opened| {
            load_set(&mut state, opened, &damages);
        })?;
        load_sets(&*blocks, &manifest.kept, &damages, &mut |(set, _)| {
            state.kept.replace(&[], Some(set));
        })?;
        for floor in &manifest.floors {
            state.kept.raise(*floor);
        }
        state.drop_all_clipped();
        let log_bytes = replay_log(&mut *log, &mut state, manifest.log_floor, &damages)?;

        let remove_segments = log.remover();
        if access == Access::Write {
            remove_segments(manifest.log_floor);
            blocks.remove_all_but(&manifest);
        }
        Ok(Self {
            maintenance: Mutex::new(Maintenance {
                catalog_base: manifest.catalog.length,
                catalog_in_doubt: false,
                manifest_in_doubt: false,
                manifest,
            }),
            remove_segments,
            commits: Mutex::new(Commits {
                log,
                frame: Vec::new(),
                places: Vec::new(),
            }),
            state: RwLock::new(state),
            log_bytes: AtomicU64::new(log_bytes),
            in_memory_since: AtomicI64::new(NOTHING),
            late_dropped: AtomicU64::new(0),
            sets_may_be_empty: AtomicBool::new(true),
            sums_cache: SumsCache::new(config.rollup_cache_bytes),
            blocks,
            config,
            damages,
        })
    }
}

fn new_store(blocks: &dyn Blocks, access: Access) -> Result<Manifest, TelemetryError> {
    let manifest = Manifest {
        next_number: 1,
        next_order: 1,
        next_series: 1,
        log_floor: 1,
        ..Manifest::default()
    };
    if access == Access::Write {
        blocks.draft(&manifest)?;
        blocks.replace()?;
    }
    Ok(manifest)
}

fn load_entry(state: &mut State, entry: Entry) {
    match entry {
        Entry::Define { id, key } if id.0 > 0 && id.0 < MAX_SERIES => {
            state.define(id, key, true);
        }
        Entry::Define { .. } => {}
        Entry::State { id, latest } => state.set_latest(id, latest),
        Entry::Numbers(numbers) => {
            for (id, latest) in numbers.latest() {
                state.set_latest(id, Some(latest));
            }
        }
    }
}

/// Opens `sets` beside each other, a few at a time, and gives them in their order.
fn load_sets(
    blocks: &dyn Blocks,
    sets: &[SetEntry],
    damages: &DamageLog,
    give: &mut dyn FnMut(Opened),
) -> Result<(), TelemetryError> {
    let readers = std::thread::available_parallelism().map_or(1, usize::from);
    for wave in sets.chunks(readers.min(MAX_READERS)) {
        let open = |set: &SetEntry| blocks.open(*set);
        let opened: Vec<_> = std::thread::scope(|scope| {
            let others: Vec<_> = wave[1..]
                .iter()
                .map(|set| scope.spawn(move || open(set)))
                .collect();
            let first = open(&wave[0]);
            let others = others.into_iter().map(|reader| {
                let panicked = |_| TelemetryError::Failed("a reader of sets panicked".to_owned());
                reader.join().map_err(panicked).flatten()
            });
            std::iter::once(first).chain(others).collect()
        });
        for (set, opened) in wave.iter().zip(opened) {
            match opened {
                Ok(opened) => give(opened),
                Err(newer @ TelemetryError::Newer { .. }) => return Err(newer),
                Err(error) => damages.report(&blocks.set_name(set.number), 0, error.to_string()),
            }
        }
    }
    Ok(())
}

fn load_set(state: &mut State, (opened, entries): Opened, damages: &DamageLog) {
    let orphans = state.add_blocks(&opened, &entries);
    if orphans > 0 {
        damages.report(
            opened.name(),
            opened.length,
            format!("{orphans} blocks belong to series whose definition is lost"),
        );
    }
    state.sets.push(opened);
}

/// Answers the bytes of log that count.
fn replay_log(
    log: &mut dyn Log,
    state: &mut State,
    floor: u64,
    damages: &Arc<DamageLog>,
) -> Result<u64, TelemetryError> {
    let mut recovery = Recovery { state, orphans: 0 };
    let bytes = log.replay(floor, &mut |payload| replay(payload, &mut recovery))?;
    if recovery.orphans > 0 {
        let reason = format!(
            "{} samples belong to series whose definition is lost",
            recovery.orphans
        );
        damages.report("log", 0, reason);
    }
    Ok(bytes)
}
