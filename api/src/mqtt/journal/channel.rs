//! The messages of one channel that sessions still have to get, in the order of their numbers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::entry::Assigned;
use crate::mqtt::message::Message;

#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    pub seq: u64,
    pub message: Arc<Message>,
    pub assigned: Arc<[Assigned]>,
}

impl Logged {
    fn weight(&self) -> usize {
        self.message.weight() + self.assigned.len() * size_of::<Assigned>()
    }
}

/// Numbers rise; some may be missing, where the journal is damaged. What lies behind the slowest session is dropped.
#[derive(Debug, Default, PartialEq)]
pub struct ChannelLog {
    messages: VecDeque<Logged>,
    bytes: usize,
    /// The number after the highest that was seen.
    next: u64,
    /// How many sessions stand at which number.
    standing: BTreeMap<u64, usize>,
}

impl ChannelLog {
    pub const fn next(&self) -> u64 {
        self.next
    }

    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn has_readers(&self) -> bool {
        !self.standing.is_empty()
    }

    pub fn push(&mut self, logged: Logged) {
        let newest = self.messages.back().map(|last| last.seq);
        if newest.is_some_and(|newest| logged.seq <= newest) {
            return;
        }
        // Not simply the one after it: in a snapshot, places of sessions come before the messages.
        self.next = self.next.max(logged.seq + 1);
        self.bytes += logged.weight();
        self.messages.push_back(logged);
    }

    pub fn get(&self, seq: u64) -> Option<&Logged> {
        let index = self.messages.partition_point(|logged| logged.seq < seq);
        self.messages.get(index).filter(|logged| logged.seq == seq)
    }

    /// From `seq` on.
    pub fn from(&self, seq: u64) -> impl Iterator<Item = &Logged> {
        let index = self.messages.partition_point(|logged| logged.seq < seq);
        self.messages.range(index..)
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
        let slowest = self.standing.keys().next().copied().unwrap_or(u64::MAX);
        while let Some(first) = self.messages.front()
            && first.seq < slowest
        {
            self.bytes -= first.weight();
            self.messages.pop_front();
        }
    }
}
