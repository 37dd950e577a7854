//! The journal's files: segments of the log, and the snapshot that stands for all segments before it.
//!
//! `snapshot-<n>` holds the state before `log-<n>`; the state now is that snapshot and all logs from `n` on. A snapshot
//! is written aside, synced and renamed; only then are older files removed. Files of pieces are in `spill`.

mod recovery;

use std::io;
use std::sync::Arc;

use tellee_projections::telemetry::disk::{Disk, DiskFile};

pub use recovery::{Access, Recovered, recover};

use super::entry::Entry;
use super::frame::{self, FRAME_HEADER, Header, Kind, START};
use super::spill::messages_name;

const TEMPORARY: &str = "snapshot.tmp";
/// Entries of a snapshot are put together to frames of about this size.
const SNAPSHOT_FRAME: usize = 1 << 20;
/// A log that is shorter is not worth a snapshot.
const SHORTEST_LOG: u64 = 16 << 20;

fn log_name(number: u64) -> String {
    format!("log-{number:016x}")
}

fn snapshot_name(number: u64) -> String {
    format!("snapshot-{number:016x}")
}

pub fn numbered(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

pub fn new_salt() -> io::Result<u64> {
    let mut salt = [0; 8];
    getrandom::fill(&mut salt).map_err(io::Error::other)?;
    Ok(u64::from_le_bytes(salt))
}

struct Segment {
    file: Arc<dyn DiskFile>,
    salt: u64,
    /// Where the next frame goes.
    end: u64,
    frames: u64,
    /// Something was written behind `end` that could not be taken back yet.
    dirty: bool,
}

/// Writes the log.
pub struct Files {
    disk: Arc<dyn Disk>,
    number: u64,
    /// Made at the first frame, so that a full disk can still be opened and read.
    segment: Option<Segment>,
    /// How many entries were ever written.
    position: u64,
    /// Since the last snapshot.
    log_bytes: u64,
    snapshot_bytes: u64,
    shortest_log: u64,
    /// Files with damage: put aside instead of removed.
    damaged: Vec<String>,
}

impl Files {
    pub fn new(disk: Arc<dyn Disk>, recovered: &Recovered) -> Self {
        Self {
            disk,
            number: recovered.next_number,
            segment: None,
            position: recovered.position,
            log_bytes: recovered.log_bytes,
            snapshot_bytes: recovered.snapshot_bytes,
            shortest_log: SHORTEST_LOG,
            damaged: recovered.damaged_files(),
        }
    }

    #[cfg(test)]
    pub const fn set_shortest_log(&mut self, bytes: u64) {
        self.shortest_log = bytes;
    }

    /// Writes each payload as a frame; returns once all are durable. If it fails, nothing of them is kept.
    ///
    /// # Errors
    /// Of the disk. The same payloads may be written again.
    pub fn append(&mut self, payloads: &[Vec<u8>], entries: u64) -> io::Result<()> {
        let segment = match &mut self.segment {
            Some(segment) => segment,
            None => {
                let created = create(&*self.disk, Kind::Log, self.number, self.position)?;
                self.disk.sync_folder()?;
                self.segment.insert(created)
            }
        };
        segment.take_back()?;
        let bytes: usize = payloads
            .iter()
            .map(|payload| payload.len() + FRAME_HEADER)
            .sum();
        let mut frames = Vec::with_capacity(bytes);
        for (number, payload) in (segment.frames..).zip(payloads) {
            frame::put(&mut frames, segment.salt, number, payload);
        }
        segment.dirty = true;
        let written = segment
            .file
            .write_all_at(&frames, segment.end)
            .and_then(|()| segment.file.sync());
        if let Err(error) = written {
            // If this fails too, the next try does it again before it writes.
            let _ = segment.take_back();
            return Err(error);
        }
        segment.dirty = false;
        segment.end += frames.len() as u64;
        segment.frames += payloads.len() as u64;
        self.position += entries;
        self.log_bytes += frames.len() as u64;
        Ok(())
    }

    pub fn wants_snapshot(&self) -> bool {
        self.log_bytes > self.shortest_log.max(2 * self.snapshot_bytes)
    }

    /// Later frames go to the next segment. The state of this moment is to be written as its snapshot.
    pub fn rotate(&mut self) -> SnapshotJob {
        if self.segment.take().is_some() {
            self.number += 1;
        }
        self.log_bytes = 0;
        SnapshotJob {
            disk: Arc::clone(&self.disk),
            number: self.number,
            position: self.position,
            damaged: std::mem::take(&mut self.damaged),
        }
    }

    /// The size of the last snapshot, which says when the next one is worth it.
    pub const fn snapshot_written(&mut self, bytes: u64) {
        self.snapshot_bytes = bytes;
    }
}

impl Segment {
    fn take_back(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.truncate(self.end)?;
            self.file.sync()?;
            self.dirty = false;
        }
        Ok(())
    }
}

/// A new file with its header, synced.
fn create(disk: &dyn Disk, kind: Kind, number: u64, position: u64) -> io::Result<Segment> {
    let name = match kind {
        Kind::Log => log_name(number),
        Kind::Snapshot => TEMPORARY.to_owned(),
        Kind::Messages => messages_name(number),
    };
    let salt = new_salt()?;
    let file = disk.create(&name)?;
    let header = Header {
        kind,
        number,
        position,
        salt,
    };
    file.write_all_at(&header.encode(), 0)?;
    file.sync()?;
    Ok(Segment {
        file,
        salt,
        end: START as u64,
        frames: 0,
        dirty: false,
    })
}

/// A snapshot that is still to be written.
pub struct SnapshotJob {
    disk: Arc<dyn Disk>,
    number: u64,
    position: u64,
    damaged: Vec<String>,
}

impl SnapshotJob {
    /// The only file of a folder, for backups.
    pub fn alone(disk: Arc<dyn Disk>, position: u64) -> Self {
        Self {
            disk,
            number: 1,
            position,
            damaged: Vec::new(),
        }
    }

    /// Writes the snapshot and removes the files that it stands for. Answers its size.
    ///
    /// # Errors
    /// Of the disk. All older files are there still, unless the snapshot is.
    pub fn write(self, entries: &[Entry]) -> io::Result<u64> {
        let mut snapshot = create(&*self.disk, Kind::Snapshot, self.number, self.position)?;
        let mut payload = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            entry.put(&mut payload);
            if payload.len() < SNAPSHOT_FRAME && index + 1 < entries.len() {
                continue;
            }
            let mut bytes = Vec::with_capacity(payload.len() + FRAME_HEADER);
            frame::put(&mut bytes, snapshot.salt, snapshot.frames, &payload);
            snapshot.file.write_all_at(&bytes, snapshot.end)?;
            snapshot.end += bytes.len() as u64;
            snapshot.frames += 1;
            payload.clear();
        }
        snapshot.file.sync()?;
        let name = snapshot_name(self.number);
        self.disk.rename(TEMPORARY, &name)?;
        self.disk.sync_folder()?;
        for old in self.disk.list()? {
            let number = numbered(&old, "log-").or_else(|| numbered(&old, "snapshot-"));
            if number.is_none_or(|number| number >= self.number) {
                continue;
            }
            if self.damaged.contains(&old) {
                self.disk.rename(&old, &format!("damaged-{old}"))?;
            } else {
                self.disk.remove(&old)?;
            }
        }
        self.disk.sync_folder()?;
        Ok(snapshot.end)
    }
}
