//! Opening: manifest, catalog, block files, then the log from its floor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

use hashbrown::HashSet;
use parking_lot::{Mutex, RwLock};
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::{Commits, Engine, Maintenance, NOTHING};
use crate::telemetry::block_file::{self, BlockEntry, BlockFile};
use crate::telemetry::catalog::{self, Entry};
use crate::telemetry::columns::SampleRef;
use crate::telemetry::config::TelemetryConfig;
use crate::telemetry::damage::DamageLog;
use crate::telemetry::disk::{Disk, failed};
use crate::telemetry::log::entry::{Replay, replay};
use crate::telemetry::log::files::FileLog;
use crate::telemetry::log::{Log, segment_number};
use crate::telemetry::manifest::{self, FileEntry, Manifest};
use crate::telemetry::model::{SeriesId, SeriesKey};
use crate::telemetry::state::State;
use crate::telemetry::store::TelemetryError;

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
/// Indexes of block files that are read at the same time, at most.
const MAX_READERS: usize = 8;

impl Engine {
    pub fn open(
        disk: Arc<dyn Disk>,
        config: TelemetryConfig,
        access: Access,
    ) -> Result<Self, TelemetryError> {
        let config = config.clamped();
        let damages = Arc::new(DamageLog::default());
        let names = disk
            .list()
            .map_err(|error| failed("cannot list the folder", &error))?;
        let manifest = match Manifest::read(&*disk, &damages)? {
            Some(manifest) => manifest,
            None => new_store(&*disk, &names, access)?,
        };

        let mut state = State::new(
            config.block_samples,
            manifest.next_order,
            manifest.tombstones.clone(),
        );
        for entry in catalog::read(&*disk, manifest.catalog, &damages)? {
            load_entry(&mut state, entry);
        }
        load_files(&mut state, &*disk, &manifest.files, &damages)?;
        state.drop_all_clipped();

        let mut log: Box<dyn Log> = Box::new(FileLog::new(
            Arc::clone(&disk),
            Arc::clone(&damages),
            access == Access::Write,
            config.log_allocation_bytes,
        ));
        let log_bytes = replay_log(&mut *log, &mut state, manifest.log_floor, &damages)?;

        let engine = Self {
            maintenance: Mutex::new(Maintenance {
                catalog_base: manifest.catalog.length,
                catalog_in_doubt: false,
                manifest_in_doubt: false,
                manifest,
            }),
            remove_segments: log.remover(),
            commits: Mutex::new(Commits {
                log,
                frame: Vec::new(),
                places: Vec::new(),
            }),
            state: RwLock::new(state),
            log_bytes: AtomicU64::new(log_bytes),
            in_memory_since: AtomicI64::new(NOTHING),
            files_may_be_empty: AtomicBool::new(true),
            disk,
            config,
            damages,
        };
        if access == Access::Write {
            engine.remove_leftovers(&names);
        }
        Ok(engine)
    }

    /// Files of flushes and compactions that were cut off, or whose removal was.
    fn remove_leftovers(&self, names: &[String]) {
        let mut needed: HashSet<String> = HashSet::new();
        let floor = {
            let maintenance = self.maintenance.lock();
            let manifest = &maintenance.manifest;
            needed.insert(catalog::file_name(manifest.catalog.number));
            needed.extend(
                manifest
                    .files
                    .iter()
                    .map(|file| block_file::file_name(file.number)),
            );
            manifest.log_floor
        };
        (self.remove_segments)(floor);
        for name in names {
            let ours = name.starts_with("catalog-") || name.starts_with("blocks-");
            if ours && !needed.contains(name) {
                self.remove(name);
            }
        }
    }
}

fn new_store(
    disk: &dyn Disk,
    names: &[String],
    access: Access,
) -> Result<Manifest, TelemetryError> {
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
    let manifest = Manifest {
        next_number: 1,
        next_order: 1,
        next_series: 1,
        log_floor: 1,
        ..Manifest::default()
    };
    if access == Access::Write {
        manifest.write(disk)?;
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

/// Reads the indexes of `files` beside each other, a few at a time, and gives their blocks to `state` in their order.
fn load_files(
    state: &mut State,
    disk: &dyn Disk,
    files: &[FileEntry],
    damages: &Arc<DamageLog>,
) -> Result<(), TelemetryError> {
    let readers = std::thread::available_parallelism().map_or(1, usize::from);
    for wave in files.chunks(readers.min(MAX_READERS)) {
        let open = |file: &FileEntry| BlockFile::open(disk, file.number, file.order, damages);
        let opened: Vec<_> = std::thread::scope(|scope| {
            let others: Vec<_> = wave[1..]
                .iter()
                .map(|file| scope.spawn(move || open(file)))
                .collect();
            let first = open(&wave[0]);
            let others = others.into_iter().map(|reader| {
                let panicked =
                    |_| TelemetryError::Failed("a reader of indexes panicked".to_owned());
                reader.join().map_err(panicked).flatten()
            });
            std::iter::once(first).chain(others).collect()
        });
        for (file, opened) in wave.iter().zip(opened) {
            load_file(state, file, opened, damages)?;
        }
    }
    Ok(())
}

fn load_file(
    state: &mut State,
    file: &FileEntry,
    opened: Result<(Arc<BlockFile>, Vec<BlockEntry>), TelemetryError>,
    damages: &Arc<DamageLog>,
) -> Result<(), TelemetryError> {
    let name = block_file::file_name(file.number);
    let (opened, entries) = match opened {
        Ok(opened) => opened,
        Err(newer @ TelemetryError::Newer { .. }) => return Err(newer),
        Err(error) => {
            damages.report(&name, 0, error.to_string());
            return Ok(());
        }
    };
    let orphans = state.add_blocks(&opened, &entries);
    if orphans > 0 {
        damages.report(
            &name,
            opened.length,
            format!("{orphans} blocks belong to series whose definition is lost"),
        );
    }
    state.files.push(opened);
    Ok(())
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
