//! What MQTT keeps over a restart: sessions, messages that wait for them, retained messages, wills.
//!
//! An append-only log of [`Entry`], committed in groups: whatever has gathered while the disk was busy goes into the
//! next write. The [`State`] is what the durable entries make of an empty one, never more.

mod bytes;
mod channel;
mod check;
mod commit;
mod entry;
mod files;
mod frame;
mod piece;
mod record;
mod remains;
mod room;
mod spill;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex, RwLock};
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::Damage;
use tellee_projections::telemetry::disk::{Disk, RealDisk};
use tokio::sync::watch;

pub use check::{Report, check};
pub use entry::{Assigned, Entry, Owner, Sending, SessionId, Source};
pub use record::SessionRecord;
pub use remains::{Orphan, Remains, RemainsId};
pub use spill::PieceError;
pub use state::{
    Ahead, LagLimits, Left, NextPiece, PendingWill, Positions, State, StateLimits, Wanted,
};

use self::channel::Logged;
use self::commit::Committer;
use self::files::{Access, Files, SnapshotJob, recover};
use self::room::Budget;
pub(super) use self::room::Reservation;
use self::spill::{Pieces, messages_name};
use self::state::Needs;

/// The number of an entry, counted from the first one that was ever written. Rises.
pub type Position = u64;

/// Bytes of entries that wait for the disk. Beyond it the server stops reading from those who cause them, and takes no
/// message that has to be kept.
pub const ROOM_BYTES: u64 = 32 << 20;

/// Pieces that one look at sessions far behind reads at most.
const PIECES_AT_ONCE: usize = 64;
/// Backups copy files by so much at a time.
const COPY_BYTES: usize = 256 << 10;

/// The journal cannot be opened, or its disk fails.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the MQTT journal is in use by another process")]
    InUse,
    #[error(
        "file `{file}` of the MQTT journal is of format {found}, newer than this version knows"
    )]
    Newer { file: String, found: u32 },
    #[error("{what}: {reason}")]
    Disk { what: &'static str, reason: String },
}

impl JournalError {
    /// Whether the same may work later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::InUse | Self::Disk { .. })
    }

    fn disk(what: &'static str, error: &io::Error) -> Self {
        Self::Disk {
            what,
            reason: error.to_string(),
        }
    }
}

/// Entries that become durable together, and what is to be done once they are.
struct Group {
    entries: Vec<Entry>,
    payload: Vec<u8>,
    then: Option<Box<dyn FnOnce() + Send>>,
}

#[derive(Default)]
struct Queue {
    groups: Vec<Group>,
    /// Of the last entry.
    position: Position,
    /// The next number of each channel's log.
    next: HashMap<ChannelId, u64>,
    /// Somebody waits for one of the groups.
    urgent: bool,
    closed: bool,
}

impl Queue {
    /// Gives a message its place in its channel's log.
    fn number(&mut self, entry: &mut Entry) {
        self.position += 1;
        let start = self.position;
        if let Entry::Message {
            seq,
            logged: true,
            message,
            ..
        } = entry
        {
            // A channel that was forgotten goes on above all numbers that it ever had.
            let next = self.next.entry(message.channel).or_insert(start);
            *seq = *next;
            *next += 1;
        }
    }
}

struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    /// Bytes of entries that were appended and are not durable, and of messages that will be.
    room: Arc<Budget>,
    state: RwLock<State>,
    durable: watch::Sender<Position>,
    refused_retained: AtomicU64,
    failures: AtomicU64,
    /// Without a disk, entries are applied at once and lost with the process.
    in_memory: bool,
}

impl Shared {
    fn new(state: State, position: Position, in_memory: bool) -> Self {
        let queue = Queue {
            position,
            next: state.next_numbers().collect(),
            ..Queue::default()
        };
        Self {
            queue: Mutex::new(queue),
            filled: Condvar::new(),
            room: Budget::new(ROOM_BYTES),
            state: RwLock::new(state),
            durable: watch::Sender::new(position),
            refused_retained: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            in_memory,
        }
    }

    /// Makes durable entries count. `position` is that of the last one.
    fn apply(&self, groups: Vec<Group>, position: Position) {
        let mut refused = 0;
        let mut thens = Vec::new();
        let mut state = self.state.write();
        for group in groups {
            for entry in &group.entries {
                refused += state.apply(entry) as u64;
            }
            thens.extend(group.then);
        }
        drop(state);
        self.refused_retained.fetch_add(refused, Ordering::Relaxed);
        self.durable.send_replace(position);
        for then in thens {
            then();
        }
    }
}

/// Shared by all connections of a node.
pub struct Journal {
    shared: Arc<Shared>,
    damages: Vec<Damage>,
    /// `None` without a disk.
    pieces: Option<Arc<Pieces>>,
    needs: Mutex<Needs>,
    committer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Journal {
    /// A journal that forgets everything when the process ends.
    pub fn in_memory(limits: StateLimits) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::new(Shared::new(State::new(limits), 0, true)),
            damages: Vec::new(),
            pieces: None,
            needs: Mutex::default(),
            committer: Mutex::default(),
        })
    }

    /// The journal in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// [`JournalError`]. Damage is no error, see [`Journal::damages`].
    pub fn open(folder: &Path, limits: StateLimits) -> Result<Arc<Self>, JournalError> {
        let disk = RealDisk::open(folder).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => JournalError::InUse,
            _ => JournalError::disk("the folder of the MQTT journal cannot be used", &error),
        })?;
        Self::open_on(Arc::new(disk), limits)
    }

    /// As [`Journal::open`], on any disk.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(disk: Arc<dyn Disk>, limits: StateLimits) -> Result<Arc<Self>, JournalError> {
        let recovered = recover(&disk, limits, Access::Write)?;
        let files = Files::new(disk, &recovered);
        let shared = Arc::new(Shared::new(recovered.state, recovered.position, false));
        let pieces = Arc::clone(recovered.spill.pieces());
        let committer = Committer::new(Arc::clone(&shared), files, recovered.spill);
        let thread = std::thread::Builder::new()
            .name("mqtt-journal".to_owned())
            .spawn(move || committer.run())
            .map_err(|error| JournalError::disk("the MQTT journal has no thread", &error))?;
        Ok(Arc::new(Self {
            shared,
            damages: recovered.damages,
            pieces: Some(pieces),
            needs: Mutex::default(),
            committer: Mutex::new(Some(thread)),
        }))
    }

    /// What was found damaged when the journal was opened.
    pub fn damages(&self) -> &[Damage] {
        &self.damages
    }

    /// Puts entries at the end, all or none of them durable after a crash. Answers the position to wait for.
    pub fn append(&self, entries: Vec<Entry>) -> Position {
        self.push(entries, None, true)
    }

    /// As [`Journal::append`], for entries that nobody waits for: they go with others, or a little later.
    pub fn append_lazily(&self, entries: Vec<Entry>) {
        if !entries.is_empty() {
            self.push(entries, None, false);
        }
    }

    /// As [`Journal::append`]; calls `then`, which must not wait for anything, once the entries are durable.
    pub fn append_then(
        &self,
        entries: Vec<Entry>,
        then: impl FnOnce() + Send + 'static,
    ) -> Position {
        self.push(entries, Some(Box::new(then)), true)
    }

    fn push(
        &self,
        mut entries: Vec<Entry>,
        then: Option<Box<dyn FnOnce() + Send>>,
        urgent: bool,
    ) -> Position {
        let shared = &self.shared;
        let mut payload = Vec::new();
        let mut queue = shared.queue.lock();
        for entry in &mut entries {
            queue.number(entry);
            if !shared.in_memory {
                entry.put(&mut payload);
            }
        }
        let position = queue.position;
        let bytes = payload.len() as u64;
        let group = Group {
            entries,
            payload,
            then,
        };
        if shared.in_memory {
            // Under the queue's lock, so that the order is that of the positions.
            shared.apply(vec![group], position);
            return position;
        }
        shared.room.add(bytes);
        let was_empty = queue.groups.is_empty();
        queue.groups.push(group);
        queue.urgent |= urgent;
        drop(queue);
        if urgent || was_empty {
            shared.filled.notify_one();
        }
        position
    }

    /// The position of the last entry.
    pub fn last(&self) -> Position {
        self.shared.queue.lock().position
    }

    /// All entries up to this one are durable and in the state.
    pub fn durable(&self) -> Position {
        *self.shared.durable.borrow()
    }

    /// Waits until the entry at `position` is durable and in the state.
    pub async fn reached(&self, position: Position) {
        let mut durable = self.shared.durable.subscribe();
        // The sender lives as long as the journal.
        let _ = durable.wait_for(|durable| *durable >= position).await;
    }

    /// Bytes on their way to the disk, or kept for messages that are still to be appended.
    pub fn waiting_bytes(&self) -> u64 {
        self.shared.room.used()
    }

    /// Whether those who cause entries may go on.
    pub fn has_room(&self) -> bool {
        self.shared.room.has_room()
    }

    /// The position to wait for before there may be room again; `None` if there is room.
    pub fn awaits_room(&self) -> Option<Position> {
        // Read first: a commit frees its room before it counts as durable, so that the next one is never waited for
        // in vain.
        let durable = self.durable();
        (!self.has_room()).then_some(durable + 1)
    }

    /// The room for what is still to be appended.
    pub(super) fn room(&self) -> &Arc<Budget> {
        &self.shared.room
    }

    /// Looks at the state. Nothing is committed meanwhile.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.state.read())
    }

    /// The messages of a piece. Blocks.
    ///
    /// # Errors
    /// [`PieceError`].
    pub fn load(&self, next: &NextPiece) -> Result<Arc<[Logged]>, PieceError> {
        let pieces = self.pieces.as_ref();
        pieces
            .ok_or_else(|| PieceError::Damaged("there is no disk".to_owned()))?
            .load(&next.piece)
    }

    /// Bytes of messages that are held in memory for sessions that have not read them, about.
    pub fn memory_bytes(&self) -> usize {
        let cached = self
            .pieces
            .as_ref()
            .map_or(0, |pieces| pieces.cached_bytes());
        self.read(State::memory_bytes) + cached
    }

    /// Lets sessions pass what they do not need, and answers those that need more than there is room for, with the
    /// number of messages that they lose. Reads some pieces: blocks.
    pub fn trim(&self, limits: LagLimits, now: Timestamp) -> Vec<(SessionId, usize)> {
        let limits = self
            .pieces
            .as_ref()
            .map_or_else(|| limits.in_memory(), |_| limits);
        let mut needs = self.needs.lock();
        let lag = self.read(|state| {
            needs.prune(state);
            state.lag(limits, &needs, now)
        });
        let mut entries = lag.passed;
        for (session, next) in lag.unclear.iter().take(PIECES_AT_ONCE) {
            match self.load(next) {
                Ok(messages) => entries
                    .extend(self.read(|state| needs.look(state, *session, next, &messages, now))),
                Err(error) if error.is_retryable() => {
                    tracing::debug!(%error, "messages on disk cannot be read now");
                }
                Err(_) => needs.assume(*session, next, now),
            }
        }
        self.append_lazily(entries);
        lag.behind
    }

    /// Whether a message that was logged before may be logged again, for another session.
    pub fn has_log_room(&self, channel: ChannelId, limits: LagLimits) -> bool {
        let limits = self
            .pieces
            .as_ref()
            .map_or_else(|| limits.in_memory(), |_| limits);
        self.read(|state| state.has_log_room(channel, limits.channel_bytes, limits.node_bytes))
    }

    /// Retained messages for which there was no room.
    pub fn refused_retained(&self) -> u64 {
        self.shared.refused_retained.load(Ordering::Relaxed)
    }

    /// Writes that failed. They are tried again.
    pub fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }

    /// Writes what is durable now to `folder`, as a journal of its own.
    ///
    /// # Errors
    /// [`JournalError::Disk`].
    pub fn backup_to(&self, folder: &Path) -> Result<(), JournalError> {
        let failed =
            |error: io::Error| JournalError::disk("the MQTT journal cannot be backed up", &error);
        let disk = Arc::new(RealDisk::open(folder).map_err(failed)?);
        // Files of pieces stay while they are copied.
        let held = self
            .pieces
            .as_ref()
            .map(|pieces| (pieces, pieces.removal.lock()));
        let (entries, files, position) = self.read(|state| {
            let pieces = state.pieces();
            let files: BTreeSet<u64> = pieces.iter().map(|(_, piece)| piece.place.file).collect();
            (state.snapshot(), files, self.durable())
        });
        if let Some((pieces, _)) = &held {
            for file in files {
                copy(&**pieces.disk(), &*disk, &messages_name(file)).map_err(failed)?;
            }
        }
        SnapshotJob::alone(disk, position)
            .write(&entries)
            .map_err(failed)?;
        Ok(())
    }

    /// Writes what waits, then stops. Entries that come later are lost.
    pub fn close(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.filled.notify_one();
        if let Some(committer) = self.committer.lock().take()
            && committer.join().is_err()
        {
            tracing::error!("the thread of the MQTT journal ended out of order");
        }
    }
}

/// Copies a file that does not change.
fn copy(from: &dyn Disk, to: &dyn Disk, name: &str) -> io::Result<()> {
    let (source, target) = (from.open(name)?, to.create(name)?);
    let length = source.length()?;
    let mut buffer = vec![0; COPY_BYTES];
    let mut offset = 0;
    while offset < length {
        let part = usize::try_from(length - offset).map_or(COPY_BYTES, |left| left.min(COPY_BYTES));
        source.read_exact_at(&mut buffer[..part], offset)?;
        target.write_all_at(&buffer[..part], offset)?;
        offset += part as u64;
    }
    target.sync()
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}
