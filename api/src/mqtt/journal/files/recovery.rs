//! From the files back to the state.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use tellee_projections::telemetry::Damage;
use tellee_projections::telemetry::disk::{Disk, read_all};

use super::{TEMPORARY, log_name, numbered, snapshot_name};
use crate::mqtt::journal::JournalError;
use crate::mqtt::journal::entry::{Entry, Source, entries};
use crate::mqtt::journal::frame::{Header, HeaderError, Kind, START, scan};
use crate::mqtt::journal::spill::{Pieces, Spill, messages_name, messages_number};
use crate::mqtt::journal::state::{State, StateLimits};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Write,
    /// Nothing is changed.
    Look,
}

/// What the files say.
pub struct Recovered {
    pub state: State,
    pub position: u64,
    /// Of the segment that is to be written next.
    pub next_number: u64,
    pub log_bytes: u64,
    pub snapshot_bytes: u64,
    pub damages: Vec<Damage>,
    /// Retained messages for which there was no room.
    pub refused_retained: usize,
    pub spill: Spill,
}

impl Recovered {
    pub(super) fn damaged_files(&self) -> Vec<String> {
        let mut files: Vec<String> = self
            .damages
            .iter()
            .map(|damage| damage.file.clone())
            .collect();
        files.sort_unstable();
        files.dedup();
        files
    }

    fn damage(&mut self, file: &str, offset: usize, reason: &str) {
        tracing::error!(file, offset, reason, "MQTT journal damaged");
        self.damages.push(Damage {
            file: file.to_owned(),
            offset: offset as u64,
            reason: reason.to_owned(),
        });
    }

    /// Gives an entry the message that it speaks of, if that lies in a piece.
    fn bring_message(&self, entry: &mut Entry) {
        let Entry::Sent { session, sending } = entry else {
            return;
        };
        let Source::Log { channel, seq } = sending.source else {
            return;
        };
        let Some(piece) = self.state.piece_of(channel, seq) else {
            return;
        };
        // Damage is reported for the piece as a whole.
        if let Ok(messages) = self.spill.pieces().load(&piece) {
            let found = messages.iter().find(|logged| logged.seq == seq);
            sending.groups = found.map_or_else(Vec::new, |logged| logged.groups_of(*session));
            sending.message = found.map(|logged| Arc::clone(&logged.message));
        }
    }

    /// Names pieces whose files are not there or too short. What they hold is not read.
    fn miss_pieces(&mut self, files: &BTreeMap<u64, u64>) {
        for (_, piece) in self.state.pieces() {
            let end = piece.place.offset + u64::from(piece.place.length);
            if files.get(&piece.place.file).is_none_or(|size| *size < end) {
                let name = messages_name(piece.place.file);
                let offset = usize::try_from(piece.place.offset).unwrap_or(usize::MAX);
                self.damage(&name, offset, "messages are missing");
            }
        }
    }

    /// Reads all pieces, to find damage.
    pub fn read_pieces(&mut self) {
        for (_, piece) in self.state.pieces() {
            if let Err(error) = self.spill.pieces().load(&piece) {
                let name = messages_name(piece.place.file);
                let offset = usize::try_from(piece.place.offset).unwrap_or(usize::MAX);
                self.damage(&name, offset, &error.to_string());
            }
        }
    }

    /// Applies all that is whole in a file. `cut`: bytes after the last whole frame were being written.
    fn load(
        &mut self,
        disk: &dyn Disk,
        name: &str,
        kind: Kind,
        cut: Option<Access>,
        access: Access,
    ) -> Result<(), JournalError> {
        let cannot =
            |error: io::Error| JournalError::disk("the MQTT journal cannot be read", &error);
        let file = disk.open(name).map_err(cannot)?;
        let bytes = read_all(&*file).map_err(cannot)?;
        let header = match Header::decode(&bytes, kind) {
            Ok((header, mended)) => {
                if mended {
                    self.damage(name, 0, "one copy of its header is damaged");
                }
                header
            }
            Err(HeaderError::Newer(found)) => {
                return Err(JournalError::Newer {
                    file: name.to_owned(),
                    found,
                });
            }
            // It was being made when the power went: no frame is in it.
            Err(HeaderError::Damaged) if kind == Kind::Log && bytes.len() <= START => return Ok(()),
            Err(error @ HeaderError::Damaged) => {
                self.damage(name, 0, &error.to_string());
                return Ok(());
            }
        };
        let scan = scan(&bytes, header.salt);
        for hole in &scan.holes {
            self.damage(name, *hole, "a frame is damaged");
        }
        // Each entry takes more than one byte, so this is never behind what was written.
        self.position = self.position.max(header.position + bytes.len() as u64);
        for (offset, payload) in scan.frames {
            match entries(payload) {
                Ok(entries) => {
                    for mut entry in entries {
                        self.bring_message(&mut entry);
                        self.refused_retained += self.state.apply(&entry);
                        if access == Access::Write {
                            self.spill.relieve(&mut self.state).map_err(cannot)?;
                        }
                    }
                }
                Err(error) => self.damage(name, offset, &error.to_string()),
            }
        }
        match (scan.torn, cut) {
            (true, None) => self.damage(name, scan.end, "the last frame is damaged"),
            (true, Some(Access::Write)) => {
                file.truncate(scan.end as u64).map_err(cannot)?;
                file.sync().map_err(cannot)?;
            }
            _ => {}
        }
        let counted = if kind == Kind::Log {
            &mut self.log_bytes
        } else {
            &mut self.snapshot_bytes
        };
        *counted += scan.end as u64;
        Ok(())
    }
}

/// Reads the state from `disk`.
///
/// # Errors
/// If the disk fails or a file is of a newer format. Damage is no error: it is listed, and all else is used.
pub fn recover(
    disk: &Arc<dyn Disk>,
    limits: StateLimits,
    access: Access,
) -> Result<Recovered, JournalError> {
    let cannot = |error: io::Error| JournalError::disk("the MQTT journal cannot be read", &error);
    let names = disk.list().map_err(cannot)?;
    let sorted = |prefix: &str| {
        let mut numbers: Vec<u64> = names
            .iter()
            .filter_map(|name| numbered(name, prefix))
            .collect();
        numbers.sort_unstable();
        numbers
    };
    let (snapshots, logs) = (sorted("snapshot-"), sorted("log-"));
    let mut pieces = BTreeMap::new();
    for name in &names {
        if let Some(number) = messages_number(name) {
            let file = disk.open(name).map_err(cannot)?;
            pieces.insert(number, file.length().map_err(cannot)?);
        }
    }
    let reader = Arc::new(Pieces::new(Arc::clone(disk)));
    let mut recovered = Recovered {
        spill: Spill::new(reader, pieces.clone()),
        state: State::new(limits),
        position: 0,
        next_number: 1,
        log_bytes: 0,
        snapshot_bytes: 0,
        damages: Vec::new(),
        refused_retained: 0,
    };
    let base = snapshots.last().copied().unwrap_or(0);
    if base > 0 {
        recovered.load(&**disk, &snapshot_name(base), Kind::Snapshot, None, access)?;
        recovered.miss_pieces(&pieces);
    }
    let named: BTreeSet<u64> = recovered
        .state
        .pieces()
        .iter()
        .map(|(_, piece)| piece.place.file)
        .collect();
    for number in logs.iter().copied().filter(|number| *number >= base) {
        let cut = (Some(&number) == logs.last()).then_some(access);
        recovered.load(&**disk, &log_name(number), Kind::Log, cut, access)?;
    }
    let newest = logs
        .last()
        .copied()
        .unwrap_or(0)
        .max(base.saturating_sub(1));
    recovered.next_number = newest + 1;
    if access == Access::Write && names.iter().any(|name| name == TEMPORARY) {
        disk.remove(TEMPORARY).map_err(cannot)?;
    }
    if access == Access::Write {
        // Written after the snapshot: the log holds the same. Unless something is damaged, when nothing is thrown away.
        for number in pieces.keys().filter(|number| !named.contains(number)) {
            let name = messages_name(*number);
            if recovered.damages.is_empty() {
                disk.remove(&name).map_err(cannot)?;
            } else {
                let aside = format!("damaged-{name}");
                disk.rename(&name, &aside).map_err(cannot)?;
            }
            recovered.spill.forget(*number);
        }
    }
    Ok(recovered)
}
