//! Messages that wait longer than memory holds them: moved to files of pieces, and read back piece by piece.
//!
//! A file `messages-<n>` is written once, by one call, and never changed. Until a snapshot names its pieces the log
//! holds the same messages, so that it need not be synced before that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tellee_actors::ids::ChannelId;
use tellee_projections::telemetry::disk::{Disk, DiskFile};

use super::channel::Logged;
use super::entry::{Entry, entries};
use super::files::{new_salt, numbered};
use super::frame::{self, FRAME_HEADER, Header, Kind, START};
use super::piece::{Piece, Place};
use super::state::State;

/// Bytes of messages that a piece holds, about; a larger message is a piece of its own.
pub const PIECE_BYTES: usize = 256 << 10;
/// Bytes of pieces that were read and are kept for the next reader.
const CACHE_BYTES: usize = 4 << 20;
/// Files that hold less of what is still needed than one part in so many are written anew.
const SPARSE: u64 = 4;
/// So many small pieces in a row are joined.
const RUN: usize = 8;
/// Bytes that nobody needs, in files, that are worth a snapshot, after which they go.
const WORTH_REMOVING: u64 = 64 << 20;

const PREFIX: &str = "messages-";

pub fn messages_name(number: u64) -> String {
    format!("{PREFIX}{number:016x}")
}

pub fn messages_number(name: &str) -> Option<u64> {
    numbered(name, PREFIX)
}

/// A piece cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PieceError {
    /// It stays so.
    #[error("{0}")]
    Damaged(String),
    #[error("the disk fails: {0}")]
    Disk(io::Error),
}

impl PieceError {
    /// Whether the same may work later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Disk(_))
    }
}

#[derive(Default)]
struct Cache {
    pieces: VecDeque<(Place, Arc<[Logged]>)>,
    bytes: usize,
}

impl Cache {
    fn get(&mut self, place: Place) -> Option<Arc<[Logged]>> {
        let index = self.pieces.iter().position(|(known, _)| *known == place)?;
        let found = self.pieces.remove(index)?;
        let messages = Arc::clone(&found.1);
        self.pieces.push_back(found);
        Some(messages)
    }

    fn put(&mut self, place: Place, messages: &Arc<[Logged]>) {
        let weight = weight(messages);
        if weight > CACHE_BYTES || self.pieces.iter().any(|(known, _)| *known == place) {
            return;
        }
        self.bytes += weight;
        self.pieces.push_back((place, Arc::clone(messages)));
        while self.bytes > CACHE_BYTES
            && let Some((_, oldest)) = self.pieces.pop_front()
        {
            self.bytes -= self::weight(&oldest);
        }
    }
}

fn weight(messages: &[Logged]) -> usize {
    messages.iter().map(Logged::weight).sum()
}

/// Reads pieces. Shared by all who do.
pub struct Pieces {
    disk: Arc<dyn Disk>,
    cache: Mutex<Cache>,
    /// Held while files are removed, and by those who need them to stay.
    pub removal: Mutex<()>,
}

impl Pieces {
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            cache: Mutex::default(),
            removal: Mutex::default(),
        }
    }

    pub const fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Bytes that are kept for the next reader.
    pub fn cached_bytes(&self) -> usize {
        self.cache.lock().bytes
    }

    /// The messages of a piece. Blocks.
    ///
    /// # Errors
    /// [`PieceError`].
    pub fn load(&self, piece: &Piece) -> Result<Arc<[Logged]>, PieceError> {
        if let Some(known) = self.cache.lock().get(piece.place) {
            return Ok(known);
        }
        let messages = self.read(piece)?;
        self.cache.lock().put(piece.place, &messages);
        Ok(messages)
    }

    fn read(&self, piece: &Piece) -> Result<Arc<[Logged]>, PieceError> {
        let name = messages_name(piece.place.file);
        let damaged = |reason: &str| PieceError::Damaged(format!("file `{name}`: {reason}"));
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => damaged("it is missing"),
            io::ErrorKind::UnexpectedEof => damaged("it is too short"),
            _ => PieceError::Disk(error),
        };
        let file = self.disk.open(&name).map_err(failed)?;
        let mut bytes = vec![0; piece.place.length as usize];
        file.read_exact_at(&mut bytes, piece.place.offset)
            .map_err(failed)?;
        let payload =
            frame::single(&bytes, piece.place.salt).ok_or_else(|| damaged("a frame is damaged"))?;
        let entries = entries(payload).map_err(|error| damaged(&error.to_string()))?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::Message {
                    seq,
                    message,
                    assigned,
                    assigned_only,
                    ..
                } => Some(Logged {
                    seq,
                    message,
                    assigned: assigned.into(),
                    assigned_only,
                }),
                _ => None,
            })
            .collect())
    }
}

/// Writes pieces.
pub struct Spill {
    pieces: Arc<Pieces>,
    /// Of the next file.
    next: u64,
    /// Bytes of each file that is there.
    files: BTreeMap<u64, u64>,
    /// Files that no snapshot may name before they are synced.
    unsynced: BTreeMap<u64, Arc<dyn DiskFile>>,
    suspects: BTreeSet<u64>,
}

impl Spill {
    /// `files`: those that are there, with their bytes.
    pub fn new(pieces: Arc<Pieces>, files: BTreeMap<u64, u64>) -> Self {
        Self {
            pieces,
            next: files.keys().last().map_or(1, |last| last + 1),
            files,
            unsynced: BTreeMap::new(),
            suspects: BTreeSet::new(),
        }
    }

    pub const fn pieces(&self) -> &Arc<Pieces> {
        &self.pieces
    }

    /// The file is not there any more.
    pub fn forget(&mut self, number: u64) {
        self.files.remove(&number);
    }

    /// Writes each part as a piece, all to one new file. Answers their places in order.
    fn write(&mut self, parts: &[Vec<Logged>]) -> io::Result<Vec<Piece>> {
        let salt = new_salt()?;
        let header = Header {
            kind: Kind::Messages,
            number: self.next,
            position: 0,
            salt,
        };
        let mut bytes = header.encode();
        debug_assert_eq!(bytes.len(), START);
        let mut pieces = Vec::with_capacity(parts.len());
        for (number, messages) in (0..).zip(parts) {
            let mut payload = Vec::new();
            for logged in messages {
                let entry = Entry::Message {
                    seq: logged.seq,
                    logged: true,
                    retained: false,
                    message: Arc::clone(&logged.message),
                    assigned: logged.assigned.to_vec(),
                    assigned_only: logged.assigned_only,
                };
                entry.put(&mut payload);
            }
            let place = Place {
                file: self.next,
                salt,
                offset: bytes.len() as u64,
                length: u32::try_from(payload.len() + FRAME_HEADER).map_err(io::Error::other)?,
            };
            frame::put(&mut bytes, salt, number, &payload);
            pieces.extend(Piece::of(messages, place));
        }
        let disk = self.pieces.disk();
        let file = disk.create(&messages_name(self.next))?;
        file.write_all_at(&bytes, 0)?;
        self.files.insert(self.next, bytes.len() as u64);
        self.unsynced.insert(self.next, file);
        self.next += 1;
        Ok(pieces)
    }

    /// Moves messages of channels to disk. Answers where they lie.
    ///
    /// # Errors
    /// Of the disk. The same messages may be moved again.
    pub fn take(
        &mut self,
        parts: Vec<(ChannelId, Vec<Logged>)>,
    ) -> io::Result<Vec<(ChannelId, Piece)>> {
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let (channels, messages): (Vec<ChannelId>, Vec<Vec<Logged>>) = parts.into_iter().unzip();
        Ok(channels.into_iter().zip(self.write(&messages)?).collect())
    }

    /// Moves what `state` may not hold in memory.
    ///
    /// # Errors
    /// Of the disk. What was not moved stays in memory.
    pub fn relieve(&mut self, state: &mut State) -> io::Result<()> {
        while state.is_swollen() {
            let moved = self.take(state.excess())?;
            if moved.is_empty() {
                break;
            }
            state.moved(&moved);
        }
        Ok(())
    }

    /// A sync failed: what the files hold that it was for may be gone from the disk though the next sync succeeds.
    pub fn suspect(&mut self) {
        self.suspects.extend(self.unsynced.keys());
    }

    /// Copies, up to some mebibytes, what is still needed of files that hold little of it, and of files whose sync failed,
    /// so that those can go; and joins small pieces of a channel, so that memory does not fill with their places.
    /// `needed`: all pieces, those of a channel together and in order. Answers the pieces that take the place of those
    /// that they cover. Pieces that cannot be read stay.
    ///
    /// # Errors
    /// Of the disk, when writing.
    pub fn condense(
        &mut self,
        needed: &[(ChannelId, Piece)],
    ) -> io::Result<Vec<(ChannelId, Piece)>> {
        let sparse = self.sparse(needed);
        let small = small_runs(needed);
        let mut parts: Vec<(ChannelId, Vec<Logged>)> = Vec::new();
        let (mut bytes, mut joins, mut unread) = (0, false, false);
        for (index, (channel, piece)) in needed.iter().enumerate() {
            let file = piece.place.file;
            let wanted = sparse.contains(&file) || small.contains(&index);
            // What does not fit this time is copied the next.
            if !wanted || (bytes > CACHE_BYTES && !self.suspects.contains(&file)) {
                joins = false;
                continue;
            }
            let messages = match self.pieces.read(piece) {
                Ok(messages) => messages,
                Err(error) => {
                    tracing::warn!(%error, "a piece of the MQTT journal was not moved");
                    (joins, unread) = (false, true);
                    continue;
                }
            };
            bytes += weight(&messages);
            match parts.last_mut() {
                Some((last, part))
                    if joins
                        && last == channel
                        && weight(part) + weight(&messages) <= PIECE_BYTES =>
                {
                    part.extend_from_slice(&messages);
                }
                _ => parts.push((*channel, messages.to_vec())),
            }
            joins = true;
        }
        let copied = self.take(parts)?;
        if !unread {
            self.suspects.clear();
        }
        Ok(copied)
    }

    /// Files that are to be copied.
    fn sparse(&self, needed: &[(ChannelId, Piece)]) -> BTreeSet<u64> {
        let mut live: BTreeMap<u64, u64> = BTreeMap::new();
        for (_, piece) in needed {
            *live.entry(piece.place.file).or_default() += u64::from(piece.place.length);
        }
        let is_sparse = |(file, bytes): &(u64, u64)| {
            let size = self.files.get(file).copied().unwrap_or(0);
            self.suspects.contains(file) || (size > PIECE_BYTES as u64 && bytes * SPARSE < size)
        };
        live.into_iter()
            .filter(is_sparse)
            .map(|(file, _)| file)
            .collect()
    }

    /// Whether files hold so much that nobody needs that a snapshot is worth it. `needed`: bytes of messages on disk.
    pub fn wants_snapshot(&self, needed: u64) -> bool {
        let all: u64 = self.files.values().sum();
        all > WORTH_REMOVING + 2 * needed
    }

    /// What a snapshot has to sync before, and what it may remove after: all files but those of `needed`.
    pub fn job(&self, needed: &[(ChannelId, Piece)]) -> SpillJob {
        SpillJob {
            pieces: Arc::clone(&self.pieces),
            unsynced: self.unsynced.clone(),
            needed: needed.iter().map(|(_, piece)| piece.place.file).collect(),
            below: self.next,
        }
    }

    /// The snapshot is on disk.
    pub fn done(&mut self, job: &SpillDone) {
        self.files
            .retain(|number, _| *number >= job.below || job.needed.contains(number));
        self.unsynced.retain(|number, _| *number >= job.below);
    }
}

/// The places in `pieces` of those that are small and many in a row.
fn small_runs(pieces: &[(ChannelId, Piece)]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let is_small = |piece: &Piece| (piece.weight as usize) < PIECE_BYTES / RUN;
    let mut start = 0;
    while start < pieces.len() {
        let (channel, _) = pieces[start];
        let run = pieces[start..]
            .iter()
            .take_while(|(other, piece)| *other == channel && is_small(piece))
            .count();
        if run >= RUN {
            found.extend(start..start + run);
        }
        start += run.max(1);
    }
    found
}

/// What a snapshot does about files of pieces.
pub struct SpillJob {
    pieces: Arc<Pieces>,
    unsynced: BTreeMap<u64, Arc<dyn DiskFile>>,
    needed: BTreeSet<u64>,
    below: u64,
}

/// What a snapshot did about them.
pub struct SpillDone {
    needed: BTreeSet<u64>,
    below: u64,
}

impl SpillJob {
    /// Makes the pieces durable that the snapshot is to name.
    ///
    /// # Errors
    /// Of the disk.
    pub fn sync(&self) -> io::Result<()> {
        let named = || {
            self.unsynced
                .iter()
                .filter(|(number, _)| self.needed.contains(number))
        };
        for (_, file) in named() {
            file.sync()?;
        }
        // Their names before that of the snapshot.
        if named().next().is_some() {
            self.pieces.disk().sync_folder()?;
        }
        Ok(())
    }

    /// Removes what the snapshot does not name.
    ///
    /// # Errors
    /// Of the disk.
    pub fn remove(self) -> io::Result<SpillDone> {
        let _held = self.pieces.removal.lock();
        let disk = self.pieces.disk();
        for name in disk.list()? {
            let unneeded = messages_number(&name)
                .is_some_and(|number| number < self.below && !self.needed.contains(&number));
            if unneeded {
                disk.remove(&name)?;
            }
        }
        Ok(SpillDone {
            needed: self.needed,
            below: self.below,
        })
    }
}
