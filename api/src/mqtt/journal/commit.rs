//! The thread that makes entries durable.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use super::files::Files;
use super::spill::{Spill, SpillDone};
use super::{Group, Position, Shared};

/// Groups are put together to frames of about this size.
const FRAME: usize = 4 << 20;
/// How long to wait before a write that failed is tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long entries that nobody waits for may wait for others.
const LAZINESS: Duration = Duration::from_millis(100);
/// Commits before a snapshot that failed is tried again.
const RESTS: u32 = 256;
/// A snapshot copies pieces so often at most, some mebibytes each time.
const CONDENSE_ROUNDS: u32 = 8;
/// How often a write is tried again once the journal is to be closed.
const LAST_TRIES: u32 = 10;

pub struct Committer {
    shared: Arc<Shared>,
    files: Files,
    spill: Spill,
    /// Commits to pass before the next snapshot.
    rests: u32,
    snapshot: Option<JoinHandle<Option<(u64, SpillDone)>>>,
}

impl Committer {
    pub const fn new(shared: Arc<Shared>, files: Files, spill: Spill) -> Self {
        Self {
            shared,
            files,
            spill,
            rests: 0,
            snapshot: None,
        }
    }

    /// Until the journal is closed.
    pub fn run(mut self) {
        while let Some((groups, position)) = self.next() {
            if !self.commit(&groups) {
                tracing::error!(
                    "entries of the MQTT journal were not written before it was closed"
                );
                break;
            }
            let bytes: usize = groups.iter().map(|group| group.payload.len()).sum();
            // Before the position moves on: who is woken by that must see the room.
            self.shared.room.free(bytes as u64);
            self.shared.apply(groups, position);
            self.relieve();
            self.compact();
        }
        if let Some(snapshot) = self.snapshot.take() {
            let _ = snapshot.join();
        }
    }

    /// All that waits; `None` once closed and empty.
    fn next(&self) -> Option<(Vec<Group>, Position)> {
        let mut queue = self.shared.queue.lock();
        while !queue.urgent && !queue.closed {
            if queue.groups.is_empty() {
                self.shared.filled.wait(&mut queue);
                continue;
            }
            let waited = self.shared.filled.wait_for(&mut queue, LAZINESS);
            if waited.timed_out() {
                break;
            }
        }
        if queue.groups.is_empty() {
            return None;
        }
        queue.urgent = false;
        Some((std::mem::take(&mut queue.groups), queue.position))
    }

    /// Tries until the disk takes it. Answers false if the journal was closed before that.
    fn commit(&mut self, groups: &[Group]) -> bool {
        let mut payloads: Vec<Vec<u8>> = vec![Vec::new()];
        for group in groups {
            if let Some(last) = payloads.last_mut().filter(|last| last.len() < FRAME) {
                last.extend_from_slice(&group.payload);
            } else {
                payloads.push(group.payload.clone());
            }
        }
        let entries: usize = groups.iter().map(|group| group.entries.len()).sum();
        let (mut failed, mut last_tries) = (false, 0);
        while let Err(error) = self.files.append(&payloads, entries as u64) {
            self.shared.failures.fetch_add(1, Ordering::Relaxed);
            if !std::mem::replace(&mut failed, true) {
                tracing::error!(%error, "the MQTT journal cannot be written; trying again");
            }
            if self.shared.queue.lock().closed {
                last_tries += 1;
                if last_tries >= LAST_TRIES {
                    return false;
                }
            }
            std::thread::sleep(PAUSE);
        }
        if failed {
            tracing::warn!("the MQTT journal can be written again");
        }
        true
    }

    /// Moves what memory may not hold to disk. While the disk does not take it nothing more is committed, so that
    /// memory does not grow.
    fn relieve(&mut self) {
        let (mut failed, mut last_tries) = (false, 0);
        loop {
            // This thread alone changes the state: between the two locks it stays as it is.
            let state = self.shared.state.read();
            if !state.is_swollen() {
                break;
            }
            let excess = state.excess();
            drop(state);
            match self.spill.take(excess) {
                Ok(moved) if moved.is_empty() => break,
                Ok(moved) => self.shared.state.write().moved(&moved),
                Err(error) => {
                    self.shared.failures.fetch_add(1, Ordering::Relaxed);
                    if !std::mem::replace(&mut failed, true) {
                        tracing::error!(%error, "messages cannot be moved from memory to disk; trying again");
                    }
                    if self.shared.queue.lock().closed {
                        last_tries += 1;
                        if last_tries >= LAST_TRIES {
                            break;
                        }
                    }
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    fn condense(&mut self) -> io::Result<()> {
        for _ in 0..CONDENSE_ROUNDS {
            let pieces = self.shared.state.read().pieces();
            let copied = self.spill.condense(&pieces)?;
            if copied.is_empty() {
                break;
            }
            self.shared.state.write().replaced(&copied);
        }
        Ok(())
    }

    /// Writes a snapshot beside the commits, once the log has grown long or files hold much that nobody needs.
    fn compact(&mut self) {
        if let Some(running) = self.snapshot.take_if(|snapshot| snapshot.is_finished()) {
            if let Ok(Some((bytes, done))) = running.join() {
                self.files.snapshot_written(bytes);
                self.spill.done(&done);
            } else {
                self.spill.suspect();
                self.rests = RESTS;
            }
        }
        if self.snapshot.is_some() {
            return;
        }
        if self.rests > 0 {
            self.rests -= 1;
            return;
        }
        let on_disk = self.shared.state.read().disk_bytes();
        if !self.files.wants_snapshot() && !self.spill.wants_snapshot(on_disk as u64) {
            return;
        }
        if let Err(error) = self.condense() {
            tracing::error!(%error, "no snapshot of the MQTT journal was written");
            self.rests = RESTS;
            return;
        }
        let job = self.files.rotate();
        // This thread alone changes the state, so it is that of the rotation.
        let state = self.shared.state.read();
        let (entries, pieces) = (state.snapshot(), self.spill.job(&state.pieces()));
        drop(state);
        let write = move || {
            let written = pieces
                .sync()
                .and_then(|()| job.write(&entries))
                .and_then(|bytes| Ok((bytes, pieces.remove()?)));
            match written {
                Ok(written) => Some(written),
                Err(error) => {
                    tracing::error!(%error, "a snapshot of the MQTT journal was not written; its log stays");
                    None
                }
            }
        };
        self.snapshot = std::thread::Builder::new()
            .name("mqtt-snapshot".to_owned())
            .spawn(write)
            .inspect_err(
                |error| tracing::error!(%error, "no snapshot of the MQTT journal was written"),
            )
            .ok();
    }
}
