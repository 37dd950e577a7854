//! Opening: manifest, catalog, block files, then the log from its floor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

use hashbrown::HashSet;
use parking_lot::{Mutex, RwLock};
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::{Engine, Log, Maintenance, NOTHING};
use crate::telemetry::block_file::{self, BlockFile};
use crate::telemetry::catalog::{self, Entry};
use crate::telemetry::codec::CodecError;
use crate::telemetry::columns::SampleRef;
use crate::telemetry::config::TelemetryConfig;
use crate::telemetry::damage::DamageLog;
use crate::telemetry::disk::{Disk, failed, read_all};
use crate::telemetry::log::entry::{Replay, replay};
use crate::telemetry::log::frame::{self, SegmentHeader};
use crate::telemetry::log::writer::LogWriter;
use crate::telemetry::log::{segment_name, segment_number};
use crate::telemetry::manifest::{self, Manifest};
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
        match self.state.by_id(id).map(|(place, _)| place) {
            Some(place) => self.state.push(place, historical, sample),
            None => self.orphans += 1,
        }
    }

    fn retain(&mut self, channel: ChannelId, before: Timestamp) {
        self.state.retain(channel, before.0);
    }
}

/// A series number further than this from its place could only come from damage that no checksum saw.
const MAX_SERIES: u64 = 1 << 32;

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
        for file in &manifest.files {
            load_file(&mut state, &*disk, file, &damages)?;
        }
        state.drop_all_clipped();

        let mut segments: Vec<u64> = names
            .iter()
            .filter_map(|name| segment_number(name))
            .collect();
        segments.retain(|number| *number >= manifest.log_floor);
        segments.sort_unstable();
        let mut log_bytes = 0;
        for (index, number) in segments.iter().enumerate() {
            let is_last = index + 1 == segments.len();
            log_bytes += replay_segment(&mut state, &*disk, *number, is_last, access, &damages)?;
        }
        let next_segment = segments.last().map_or(manifest.log_floor, |last| last + 1);

        let engine = Self {
            maintenance: Mutex::new(Maintenance {
                catalog_base: manifest.catalog.length,
                catalog_in_doubt: false,
                manifest_in_doubt: false,
                manifest,
            }),
            log: Mutex::new(Log {
                writer: LogWriter::new(
                    Arc::clone(&disk),
                    next_segment,
                    config.log_allocation_bytes,
                ),
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
        for name in names {
            let ours = name.starts_with("catalog-") || name.starts_with("blocks-");
            let is_old = segment_number(name).is_some_and(|number| number < floor);
            if is_old || (ours && !needed.contains(name)) {
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
    }
}

fn load_file(
    state: &mut State,
    disk: &dyn Disk,
    file: &manifest::FileEntry,
    damages: &Arc<DamageLog>,
) -> Result<(), TelemetryError> {
    let name = block_file::file_name(file.number);
    let (opened, entries) = match BlockFile::open(disk, file.number, file.order, damages) {
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

/// Answers the bytes of the segment that count.
fn replay_segment(
    state: &mut State,
    disk: &dyn Disk,
    number: u64,
    is_last: bool,
    access: Access,
    damages: &Arc<DamageLog>,
) -> Result<u64, TelemetryError> {
    let name = segment_name(number);
    let cannot = |error: std::io::Error| failed(&format!("cannot read `{name}`"), &error);
    let file = disk.open(&name).map_err(cannot)?;
    let bytes = read_all(&*file).map_err(cannot)?;
    let header = match SegmentHeader::decode(&bytes) {
        Ok((header, damaged)) => {
            if damaged && bytes.len() > frame::START {
                damages.report(&name, 0, "a copy of the header is damaged");
            }
            header
        }
        Err(CodecError::Newer { found, known }) => {
            return Err(TelemetryError::Newer { found, known });
        }
        // A frame is written only after the header is durable: a segment without a whole header was just being made.
        Err(_) if bytes.len() <= frame::START => return Ok(0),
        Err(error) => {
            damages.report(&name, 0, error.to_string());
            return Ok(0);
        }
    };
    let scan = frame::scan(&bytes, header.salt);
    for hole in &scan.holes {
        damages.report(
            &name,
            hole.from as u64,
            format!(
                "{} bytes of acknowledged records are damaged",
                hole.to - hole.from
            ),
        );
    }
    let mut recovery = Recovery { state, orphans: 0 };
    for payload in &scan.payloads {
        if let Err(error) = replay(payload, &mut recovery) {
            damages.report(&name, 0, error.to_string());
        }
    }
    if recovery.orphans > 0 {
        damages.report(
            &name,
            0,
            format!(
                "{} samples belong to series whose definition is lost",
                recovery.orphans
            ),
        );
    }
    if scan.torn {
        if !is_last {
            damages.report(&name, scan.end as u64, "the end of the segment is damaged");
        } else if access == Access::Write {
            // It was never acknowledged. Cut off, it cannot be taken for damage when this is no longer the last one.
            let cannot =
                |error: std::io::Error| failed(&format!("cannot cut the end of `{name}`"), &error);
            file.truncate(scan.end as u64).map_err(cannot)?;
            file.sync().map_err(cannot)?;
        }
    }
    Ok(scan.end as u64)
}
