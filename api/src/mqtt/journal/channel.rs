//! The messages of one channel that sessions still have to get, in the order of their numbers: the oldest in pieces on
//! disk, the newest in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tellee_actors::time::Timestamp;

use super::entry::{Assigned, SessionId};
use super::piece::Piece;
use crate::mqtt::message::Message;

#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    pub seq: u64,
    pub message: Arc<Message>,
    pub assigned: Arc<[Assigned]>,
    /// Subscriptions of sessions' own do not count.
    pub assigned_only: bool,
}

impl Logged {
    /// Bytes of memory, about.
    pub fn weight(&self) -> usize {
        self.message.weight() + self.assigned.len() * size_of::<Assigned>()
    }

    /// The share groups that it was given to the session for.
    pub fn groups_of(&self, session: SessionId) -> Vec<Arc<str>> {
        self.assigned
            .iter()
            .filter(|assigned| assigned.session == session)
            .map(|assigned| Arc::clone(&assigned.group))
            .collect()
    }
}

/// Numbers rise; some may be missing, where the journal is damaged. What lies behind the slowest session is dropped,
/// of what is on disk by whole pieces.
#[derive(Debug, Default, PartialEq)]
pub struct ChannelLog {
    /// All of them come before `messages`.
    pieces: VecDeque<Piece>,
    messages: VecDeque<Logged>,
    disk_bytes: usize,
    memory_bytes: usize,
    /// The number after the highest that was seen.
    next: u64,
    /// How many sessions stand at which number.
    standing: BTreeMap<u64, usize>,
}

impl ChannelLog {
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Of all messages, wherever they lie.
    pub const fn bytes(&self) -> usize {
        self.disk_bytes + self.memory_bytes
    }

    /// Of the messages in memory.
    pub const fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Messages that lie in a piece count until all of the piece is dropped.
    pub fn len(&self) -> usize {
        let on_disk: usize = self.pieces.iter().map(|piece| piece.count as usize).sum();
        on_disk + self.messages.len()
    }

    pub fn has_readers(&self) -> bool {
        !self.standing.is_empty()
    }

    fn newest(&self) -> Option<u64> {
        let in_memory = self.messages.back().map(|last| last.seq);
        in_memory.or_else(|| self.pieces.back().map(|piece| piece.last))
    }

    /// Where the slowest session stands.
    fn slowest(&self) -> u64 {
        self.standing.keys().next().copied().unwrap_or(u64::MAX)
    }

    pub fn push(&mut self, logged: Logged) {
        if self.newest().is_some_and(|newest| logged.seq <= newest) {
            return;
        }
        // Not simply the one after it: in a snapshot, places of sessions come before the messages.
        self.next = self.next.max(logged.seq + 1);
        self.memory_bytes += logged.weight();
        self.messages.push_back(logged);
    }

    /// A piece that a snapshot names.
    pub fn push_piece(&mut self, piece: Piece) {
        if self.newest().is_some_and(|newest| piece.first <= newest) {
            return;
        }
        self.next = self.next.max(piece.last + 1);
        self.disk_bytes += piece.weight as usize;
        self.pieces.push_back(piece);
    }

    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter()
    }

    /// The oldest messages in memory, about `bytes` of them and one at least.
    pub fn oldest(&self, skip: usize, bytes: usize) -> Vec<Logged> {
        let mut taken = 0;
        self.messages
            .iter()
            .skip(skip)
            .take_while(|logged| {
                let fits = taken == 0 || taken + logged.weight() <= bytes;
                taken += logged.weight();
                fits
            })
            .cloned()
            .collect()
    }

    /// The oldest messages in memory lie in `piece` from now on.
    pub fn moved(&mut self, piece: Piece) {
        while let Some(moved) = self
            .messages
            .pop_front_if(|logged| logged.seq <= piece.last)
        {
            self.memory_bytes -= moved.weight();
        }
        self.disk_bytes += piece.weight as usize;
        self.pieces.push_back(piece);
    }

    /// `piece` takes the place of those that it covers, if they still are there.
    pub fn replaced(&mut self, piece: Piece) {
        let start = self
            .pieces
            .partition_point(|known| known.last < piece.first);
        let end = self
            .pieces
            .partition_point(|known| known.last <= piece.last);
        let covers = start < end && self.pieces[start].first == piece.first;
        if !covers || self.pieces[end - 1].last != piece.last {
            return;
        }
        let gone: usize = self
            .pieces
            .drain(start..end)
            .map(|known| known.weight as usize)
            .sum();
        self.disk_bytes = self.disk_bytes - gone + piece.weight as usize;
        self.pieces.insert(start, piece);
    }

    /// The first piece that holds a message from `seq` on.
    pub fn piece_from(&self, seq: u64) -> Option<&Piece> {
        self.pieces_from(seq).next()
    }

    pub fn pieces_from(&self, seq: u64) -> impl Iterator<Item = &Piece> {
        let index = self.pieces.partition_point(|piece| piece.last < seq);
        self.pieces.range(index..)
    }

    /// The piece in which the message `seq` lies, if a session may still have to get it.
    pub fn piece_of(&self, seq: u64) -> Option<&Piece> {
        self.piece_from(seq)
            .filter(|piece| piece.first <= seq && seq >= self.slowest())
    }

    /// A message in memory.
    pub fn get(&self, seq: u64) -> Option<&Logged> {
        let index = self.messages.partition_point(|logged| logged.seq < seq);
        self.messages.get(index).filter(|logged| logged.seq == seq)
    }

    /// From `seq` on, of those in memory.
    pub fn from(&self, seq: u64) -> impl Iterator<Item = &Logged> {
        let index = self.messages.partition_point(|logged| logged.seq < seq);
        self.messages.range(index..)
    }

    /// The first number that is kept if only `room` bytes and nothing older than `oldest` is. Pieces are kept whole.
    pub fn kept_from(&self, room: usize, oldest: Timestamp) -> u64 {
        let mut over = self.bytes().saturating_sub(room);
        for piece in &self.pieces {
            if over == 0 && piece.newest >= oldest {
                return piece.first;
            }
            over = over.saturating_sub(piece.weight as usize);
        }
        for logged in &self.messages {
            if over == 0 && logged.message.received_at >= oldest {
                return logged.seq;
            }
            over = over.saturating_sub(logged.weight());
        }
        self.next
    }

    /// A session takes its stand.
    pub fn enter(&mut self, seq: u64) {
        *self.standing.entry(seq).or_default() += 1;
        self.next = self.next.max(seq);
    }

    /// A session that stands at `seq` goes.
    pub fn leave(&mut self, seq: u64) {
        if let Some(count) = self.standing.get_mut(&seq) {
            *count -= 1;
            if *count == 0 {
                self.standing.remove(&seq);
            }
        }
        self.trim();
    }

    pub fn step(&mut self, from: u64, to: u64) {
        self.enter(to);
        self.leave(from);
    }

    fn trim(&mut self) {
        let slowest = self.slowest();
        while let Some(piece) = self.pieces.pop_front_if(|piece| piece.last < slowest) {
            self.disk_bytes -= piece.weight as usize;
        }
        while let Some(first) = self.messages.pop_front_if(|first| first.seq < slowest) {
            self.memory_bytes -= first.weight();
        }
    }
}
