//! Sessions that stand far behind in the logs of their channels.

use std::time::Duration;

use hashbrown::HashSet;
use tellee_actors::time::Timestamp;

use super::State;
use super::reading::Filters;
use crate::mqtt::journal::channel::ChannelLog;
use crate::mqtt::journal::entry::{Entry, SessionId, Source};

/// How much may wait in the logs of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LagLimits {
    pub channel_bytes: usize,
    /// Over all channels.
    pub node_bytes: usize,
    pub age: Duration,
}

/// What is to be done about the logs.
#[derive(Debug, Default, PartialEq)]
pub struct Lag {
    /// Sessions that need nothing of what they stand at.
    pub passed: Vec<Entry>,
    /// Sessions that need messages for which there is no room any more, and how many.
    pub behind: Vec<(SessionId, usize)>,
}

impl State {
    /// Looks at each session's place in each log.
    pub fn lag(&self, limits: LagLimits, now: Timestamp) -> Lag {
        let mut lag = Lag::default();
        let crowded = self.log_bytes > limits.node_bytes;
        let mut behind = HashSet::new();
        for record in self.sessions.values() {
            for (channel, cursor) in &record.cursors {
                let Some(log) = self.channels.get(channel) else {
                    continue;
                };
                if log.next() <= *cursor || log.len() == 0 {
                    continue;
                }
                let filters = Filters::of(record, *channel);
                let mut needed = log
                    .from(*cursor)
                    .filter(|logged| !logged.message.is_expired(now))
                    .filter(|logged| filters.delivery(logged).is_some())
                    .map(|logged| logged.seq)
                    .peekable();
                let first = needed.peek().copied().unwrap_or_else(|| log.next());
                if first > *cursor {
                    lag.passed.push(Entry::Passed {
                        session: record.id,
                        source: Source::Log {
                            channel: *channel,
                            seq: first - 1,
                        },
                    });
                }
                let room = if crowded {
                    limits.channel_bytes.min(log.bytes() / 2)
                } else {
                    limits.channel_bytes
                };
                if first < kept_from(log, room, now.saturating_sub(limits.age))
                    && behind.insert(record.id)
                {
                    lag.behind.push((record.id, needed.count()));
                }
            }
        }
        lag
    }
}

/// The first number of `log` that there is room for.
fn kept_from(log: &ChannelLog, room: usize, oldest: Timestamp) -> u64 {
    let mut over = log.bytes().saturating_sub(room);
    for logged in log.from(0) {
        if over == 0 && logged.message.received_at >= oldest {
            return logged.seq;
        }
        over = over.saturating_sub(logged.message.weight());
    }
    log.next()
}
