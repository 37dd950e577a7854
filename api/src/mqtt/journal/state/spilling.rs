//! Which messages are to leave memory for the disk.

use tellee_actors::ids::ChannelId;

use super::State;
use crate::mqtt::journal::channel::{ChannelLog, Logged};
use crate::mqtt::journal::piece::Piece;
use crate::mqtt::journal::spill::PIECE_BYTES;

impl State {
    /// Bytes of messages that sessions still have to get and that are held in memory, about.
    pub const fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Bytes of messages that sessions still have to get and that lie on disk: what they would take in memory, about.
    pub const fn disk_bytes(&self) -> usize {
        self.log_bytes - self.memory_bytes
    }

    /// Whether more is held in memory than may be.
    pub fn is_swollen(&self) -> bool {
        self.memory_bytes > self.limits.node_memory_bytes || !self.swollen.is_empty()
    }

    /// What is to be moved to disk, in pieces: of channels that hold too much the older half, and if all together do,
    /// everything of those that hold most.
    pub fn excess(&self) -> Vec<(ChannelId, Vec<Logged>)> {
        let mut parts = Vec::new();
        for channel in &self.swollen {
            if let Some(log) = self.channels.get(channel) {
                let bytes = log.memory_bytes() - self.limits.channel_memory_bytes / 2;
                split(*channel, log, bytes, &mut parts);
            }
        }
        let moved: usize = parts
            .iter()
            .flat_map(|(_, part)| part)
            .map(Logged::weight)
            .sum();
        if self.memory_bytes - moved <= self.limits.node_memory_bytes {
            return parts;
        }
        parts.clear();
        let mut over = self.memory_bytes - self.limits.node_memory_bytes / 2;
        let mut logs: Vec<(&ChannelId, &ChannelLog)> = self.channels.iter().collect();
        logs.sort_unstable_by_key(|(_, log)| std::cmp::Reverse(log.memory_bytes()));
        for (channel, log) in logs {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(log.memory_bytes());
            split(*channel, log, log.memory_bytes(), &mut parts);
        }
        parts
    }

    /// These messages lie on disk now.
    pub fn moved(&mut self, pieces: &[(ChannelId, Piece)]) {
        for (channel, piece) in pieces {
            self.change_log(*channel, |log| log.moved(*piece));
        }
    }

    /// These pieces take the place of those that they cover.
    pub fn replaced(&mut self, pieces: &[(ChannelId, Piece)]) {
        for (channel, piece) in pieces {
            self.change_log(*channel, |log| log.replaced(*piece));
        }
    }

    /// All pieces that sessions still have to get something of, those of a channel together and in order.
    pub fn pieces(&self) -> Vec<(ChannelId, Piece)> {
        let of_log = |(channel, log): (&ChannelId, &ChannelLog)| {
            let channel = *channel;
            log.pieces()
                .map(move |piece| (channel, *piece))
                .collect::<Vec<_>>()
        };
        self.channels.iter().flat_map(of_log).collect()
    }

    /// The piece in which a message of a channel's log lies.
    pub fn piece_of(&self, channel: ChannelId, seq: u64) -> Option<Piece> {
        self.channels.get(&channel)?.piece_of(seq).copied()
    }
}

/// Adds about `bytes` of the oldest messages in memory to `parts`.
fn split(
    channel: ChannelId,
    log: &ChannelLog,
    bytes: usize,
    parts: &mut Vec<(ChannelId, Vec<Logged>)>,
) {
    let (mut count, mut left) = (0, bytes);
    while left > 0 {
        let part = log.oldest(count, PIECE_BYTES.min(left));
        if part.is_empty() {
            break;
        }
        count += part.len();
        left = left.saturating_sub(part.iter().map(Logged::weight).sum());
        parts.push((channel, part));
    }
}
