//! Sessions that stand far behind in the logs of their channels.

use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::State;
use super::reading::{Filters, NextPiece};
use crate::mqtt::journal::channel::{ChannelLog, Logged};
use crate::mqtt::journal::entry::{Entry, SessionId, Source};
use crate::mqtt::journal::record::SessionRecord;

/// How much may wait in the logs of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LagLimits {
    pub channel_bytes: usize,
    /// Over all channels.
    pub node_bytes: usize,
    pub age: Duration,
}

impl LagLimits {
    /// Where there is no disk: what may wait in memory.
    pub fn in_memory(self) -> Self {
        Self {
            channel_bytes: self.channel_bytes.min(64 << 20),
            node_bytes: self.node_bytes.min(256 << 20),
            ..self
        }
    }
}

/// Looks at pieces are believed for so long before a session ends for what they said.
const FRESH: Duration = Duration::from_secs(5);

/// What is to be done about the logs.
#[derive(Debug, Default, PartialEq)]
pub struct Lag {
    /// Sessions that need nothing of what they stand at.
    pub passed: Vec<Entry>,
    /// Sessions that need messages for which there is no room any more, and how many; of what lies on disk, how many
    /// there are.
    pub behind: Vec<(SessionId, usize)>,
    /// Pieces that have to be read to say what a session needs of them.
    pub unclear: Vec<(SessionId, NextPiece)>,
}

/// The first message on disk that a session has to get from a channel.
#[derive(Debug, Clone, Copy)]
struct Need {
    seq: u64,
    expires_at: Option<Timestamp>,
    looked_at: Timestamp,
}

/// What was found in pieces, so that they are not read each time.
#[derive(Debug, Default)]
pub struct Needs(HashMap<(SessionId, ChannelId), Need>);

impl Needs {
    /// Remembers what `messages`, those of a piece, mean for a session. Answers what it has passed if it needs none.
    pub fn look(
        &mut self,
        state: &State,
        session: SessionId,
        next: &NextPiece,
        messages: &[Logged],
        now: Timestamp,
    ) -> Option<Entry> {
        let key = (session, next.channel);
        let Some((seq, expires_at)) = state.first_needed(session, next.channel, messages, now)
        else {
            self.0.remove(&key);
            return Some(Entry::Passed {
                session,
                source: Source::Log {
                    channel: next.channel,
                    seq: next.piece.last,
                },
            });
        };
        let need = Need {
            seq,
            expires_at,
            looked_at: now,
        };
        self.0.insert(key, need);
        None
    }

    /// A piece cannot be read: a session is taken to need all of it, and finds out when it gets there.
    pub fn assume(&mut self, session: SessionId, next: &NextPiece, now: Timestamp) {
        let need = Need {
            seq: next.piece.last,
            expires_at: next.piece.expires_by,
            looked_at: now,
        };
        self.0.insert((session, next.channel), need);
    }

    /// Forgets what is of no use any more.
    pub fn prune(&mut self, state: &State) {
        self.0.retain(|(session, channel), need| {
            let record = state.session(*session);
            record
                .and_then(|record| record.cursors.get(channel))
                .is_some_and(|cursor| *cursor <= need.seq)
        });
    }

    fn of(
        &self,
        session: SessionId,
        channel: ChannelId,
        from: u64,
        now: Timestamp,
    ) -> Option<Need> {
        self.0
            .get(&(session, channel))
            .filter(|need| need.seq >= from)
            .filter(|need| need.expires_at.is_none_or(|expires_at| expires_at > now))
            .copied()
    }
}

/// Where a session really stands in a log.
enum Stand {
    /// It has to get this message, and so many, or fewer where they lie on disk, from there on.
    Needs { seq: u64, count: usize },
    /// It has to get nothing.
    Idle,
    /// This piece has to be read to say.
    Unclear { at: u64, next: NextPiece },
}

impl State {
    /// Looks at each session's place in each log.
    pub fn lag(&self, limits: LagLimits, needs: &Needs, now: Timestamp) -> Lag {
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
                let room = if crowded {
                    limits.channel_bytes.min(log.bytes() / 2)
                } else {
                    limits.channel_bytes
                };
                let kept_from = log.kept_from(room, now.saturating_sub(limits.age));
                let first = match stand(log, record, *channel, kept_from, needs, now) {
                    Stand::Idle => log.next(),
                    Stand::Unclear { at, next } => {
                        lag.unclear.push((record.id, next));
                        at
                    }
                    Stand::Needs { seq, count } => {
                        if seq < kept_from && behind.insert(record.id) {
                            lag.behind.push((record.id, count));
                        }
                        seq
                    }
                };
                if first > *cursor {
                    lag.passed.push(Entry::Passed {
                        session: record.id,
                        source: Source::Log {
                            channel: *channel,
                            seq: first - 1,
                        },
                    });
                }
            }
        }
        lag
    }
}

fn stand(
    log: &ChannelLog,
    record: &SessionRecord,
    channel: ChannelId,
    kept_from: u64,
    needs: &Needs,
    now: Timestamp,
) -> Stand {
    let mut from = record.cursors.get(&channel).copied().unwrap_or(0);
    let filters = Filters::of(record, channel);
    let in_memory = |from| {
        log.from(from)
            .filter(|logged| !logged.message.is_expired(now))
            .filter(|logged| filters.delivery(logged).is_some())
    };
    while let Some(piece) = log.piece_from(from) {
        if piece.is_expired(now) {
            from = piece.last + 1;
            continue;
        }
        let need = needs.of(record.id, channel, from, now);
        // Subscriptions may have changed since; nobody ends for what was true some time ago.
        let is_fresh = |looked_at: Timestamp| now.since(looked_at) < FRESH;
        return match need.filter(|need| need.seq >= kept_from || is_fresh(need.looked_at)) {
            Some(need) => {
                let on_disk = log.pieces_from(need.seq).map(|piece| piece.count as usize);
                Stand::Needs {
                    seq: need.seq,
                    count: on_disk.sum::<usize>() + in_memory(need.seq).count(),
                }
            }
            None => Stand::Unclear {
                at: from,
                next: NextPiece {
                    channel,
                    piece: *piece,
                },
            },
        };
    }
    let mut needed = in_memory(from).map(|logged| logged.seq).peekable();
    match needed.peek().copied() {
        Some(seq) => Stand::Needs {
            seq,
            count: needed.count(),
        },
        None => Stand::Idle,
    }
}
