//! What outlives connections, and how entries change it. No I/O: the same entries give the same state.

mod groups;
mod lag;
mod reading;
mod sending;
mod spilling;
mod subscriptions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use tellee_actors::ids::{ChannelId, ThingId};
use tellee_actors::time::Timestamp;

pub use groups::Left;
pub use lag::{LagLimits, Needs};
pub use reading::{Ahead, NextPiece, Positions, Wanted};

use super::channel::{ChannelLog, Logged};
use super::entry::{Entry, SessionId};
use super::record::SessionRecord;
use super::remains::{Remains, RemainsId};
use crate::mqtt::codec::Will;
use crate::mqtt::retained::Retained;
use crate::mqtt::session::{Awaiting, Inflight, Taken};
use crate::mqtt::topic;

/// Bounds of what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateLimits {
    pub retained_messages: usize,
    pub retained_bytes: usize,
    /// Retained messages that wait for one session.
    pub backlog_messages: usize,
    /// Bytes of one channel's messages that are held in memory; older ones lie on disk.
    pub channel_memory_bytes: usize,
    /// The same over all channels.
    pub node_memory_bytes: usize,
}

/// A will whose client is connected or may return.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingWill {
    pub thing: ThingId,
    pub will: Arc<Will>,
    /// `None` while its client is connected.
    pub due: Option<Timestamp>,
}

#[derive(Debug, PartialEq)]
pub struct State {
    limits: StateLimits,
    sessions: HashMap<SessionId, SessionRecord>,
    channels: HashMap<ChannelId, ChannelLog>,
    log_bytes: usize,
    /// Of these, what is held in memory.
    memory_bytes: usize,
    /// Channels of which more is held in memory than may be.
    swollen: BTreeSet<ChannelId>,
    retained: Retained,
    wills: HashMap<SessionId, PendingWill>,
    due: BTreeSet<(Timestamp, SessionId)>,
    /// What members have left to their share groups.
    remains: BTreeMap<RemainsId, Remains>,
    next_remains: RemainsId,
    /// No session has a higher number.
    last_session: SessionId,
}

impl State {
    pub fn new(limits: StateLimits) -> Self {
        Self {
            retained: Retained::new(limits.retained_messages, limits.retained_bytes),
            limits,
            sessions: HashMap::new(),
            channels: HashMap::new(),
            log_bytes: 0,
            memory_bytes: 0,
            swollen: BTreeSet::new(),
            wills: HashMap::new(),
            due: BTreeSet::new(),
            remains: BTreeMap::new(),
            next_remains: 1,
            last_session: 0,
        }
    }

    pub fn sessions(&self) -> impl Iterator<Item = &SessionRecord> {
        self.sessions.values()
    }

    pub fn session(&self, session: SessionId) -> Option<&SessionRecord> {
        self.sessions.get(&session)
    }

    pub const fn last_session(&self) -> SessionId {
        self.last_session
    }

    pub const fn retained(&self) -> &Retained {
        &self.retained
    }

    /// Bytes of messages that sessions still have to get, about.
    pub const fn log_bytes(&self) -> usize {
        self.log_bytes
    }

    pub fn logged_messages(&self) -> usize {
        self.channels.values().map(ChannelLog::len).sum()
    }

    /// The number that comes next in each channel's log.
    pub fn next_numbers(&self) -> impl Iterator<Item = (ChannelId, u64)> {
        self.channels
            .iter()
            .map(|(channel, log)| (*channel, log.next()))
    }

    pub const fn wills(&self) -> &HashMap<SessionId, PendingWill> {
        &self.wills
    }

    /// Wills that are due, the most urgent first.
    pub fn due_wills(&self, now: Timestamp) -> Vec<(SessionId, PendingWill)> {
        self.due
            .iter()
            .take_while(|(due, _)| *due <= now)
            .filter_map(|(_, session)| Some((*session, self.wills.get(session)?.clone())))
            .collect()
    }

    /// Entries that give this state when they are applied to an empty one.
    pub fn snapshot(&self) -> Vec<Entry> {
        let mut entries = vec![
            Entry::Numbered {
                session: self.last_session,
            },
            Entry::RemainsNumbered {
                next: self.next_remains,
            },
        ];
        let sessions = self.sessions.values().cloned();
        entries.extend(sessions.map(|session| Entry::Session(Box::new(session))));
        entries.extend(self.remains.iter().map(|(number, remains)| Entry::Remains {
            number: *number,
            remains: Box::new(remains.clone()),
        }));
        for (channel, log) in &self.channels {
            entries.extend(log.pieces().map(|piece| Entry::Spilled {
                channel: *channel,
                piece: *piece,
            }));
            entries.extend(log.from(0).map(|logged| Entry::Message {
                seq: logged.seq,
                logged: true,
                // Whether it still is the last of its topic is said below.
                retained: false,
                message: Arc::clone(&logged.message),
                assigned: logged.assigned.to_vec(),
                assigned_only: logged.assigned_only,
            }));
        }
        entries.extend(self.retained.all().map(|message| Entry::Message {
            seq: 0,
            logged: false,
            retained: true,
            message: Arc::clone(message),
            assigned: Vec::new(),
            assigned_only: false,
        }));
        for (session, pending) in &self.wills {
            entries.push(Entry::WillSet {
                session: *session,
                thing: pending.thing,
                will: Arc::clone(&pending.will),
            });
            entries.extend(pending.due.map(|due| Entry::WillDue {
                session: *session,
                due,
            }));
        }
        entries
    }

    /// Answers how many retained messages found no room.
    pub fn apply(&mut self, entry: &Entry) -> usize {
        let mut refused = 0;
        match entry {
            Entry::Opened {
                session,
                owner,
                expiry,
            } => {
                self.number(*session);
                self.end(*session);
                let record = SessionRecord::new(*session, owner.clone(), *expiry);
                self.sessions.insert(*session, record);
            }
            Entry::Resumed {
                session,
                key_hash,
                expiry,
            } => {
                if let Some(record) = self.sessions.get_mut(session) {
                    record.owner.key_hash = *key_hash;
                    record.expiry = *expiry;
                    record.expires_at = None;
                }
            }
            Entry::Left {
                session,
                expires_at,
            } => {
                if let Some(record) = self.sessions.get_mut(session) {
                    record.expires_at = Some(*expires_at);
                }
            }
            Entry::Ended { session } => self.end(*session),
            Entry::Subscribed {
                session,
                filter,
                held,
                retained,
            } => refused = self.subscribe(*session, filter, *held, *retained),
            Entry::Unsubscribed { session, filter } => self.unsubscribe(*session, filter),
            Entry::Withdrawn { session, channel } => self.withdraw(*session, *channel),
            Entry::Message {
                seq,
                logged,
                retained,
                message,
                assigned,
                assigned_only,
            } => {
                self.number(message.origin);
                if *retained {
                    refused = usize::from(!self.retained.set(message));
                }
                if *logged {
                    let logged = Logged {
                        seq: *seq,
                        message: Arc::clone(message),
                        assigned: assigned.as_slice().into(),
                        assigned_only: *assigned_only,
                    };
                    // Without a reader nobody has to get it.
                    self.change_log(message.channel, |log| log.push(logged));
                }
            }
            Entry::Expired { at } => self.retained.expire(*at),
            Entry::Sent { session, sending } => self.sent(*session, sending),
            Entry::Passed { session, source } => self.pass(*session, *source),
            Entry::Received { session, packet_id } => {
                if let Some(inflight) = self.inflight(*session, *packet_id) {
                    inflight.awaiting = Awaiting::Complete;
                }
            }
            Entry::Acknowledged { session, packet_id } => {
                if let Some(record) = self.sessions.get_mut(session) {
                    record
                        .inflight
                        .retain(|inflight| inflight.packet_id != *packet_id);
                }
            }
            Entry::Taken {
                session,
                packet_id,
                received_at,
            } => {
                if let Some(record) = self.sessions.get_mut(session) {
                    let taken = Taken {
                        received_at: *received_at,
                        settled: false,
                    };
                    record.taken.insert(*packet_id, taken);
                }
            }
            Entry::Settled { session, packet_id } => {
                let record = self.sessions.get_mut(session);
                if let Some(taken) = record.and_then(|record| record.taken.get_mut(packet_id)) {
                    taken.settled = true;
                }
            }
            Entry::Released { session, packet_id } => {
                if let Some(record) = self.sessions.get_mut(session) {
                    record.taken.remove(packet_id);
                }
            }
            Entry::WillSet {
                session,
                thing,
                will,
            } => {
                self.number(*session);
                self.clear_will(*session);
                let pending = PendingWill {
                    thing: *thing,
                    will: Arc::clone(will),
                    due: None,
                };
                self.wills.insert(*session, pending);
            }
            Entry::WillDue { session, due } => {
                if let Some(pending) = self.wills.get_mut(session) {
                    if let Some(earlier) = pending.due.replace(*due) {
                        self.due.remove(&(earlier, *session));
                    }
                    self.due.insert((*due, *session));
                }
            }
            Entry::WillCleared { session } => self.clear_will(*session),
            Entry::Session(record) => {
                self.number(record.id);
                self.end(record.id);
                for (channel, seq) in &record.cursors {
                    self.channels.entry(*channel).or_default().enter(*seq);
                }
                self.sessions.insert(record.id, (**record).clone());
            }
            Entry::Numbered { session } => self.number(*session),
            Entry::Spilled { channel, piece } => {
                self.change_log(*channel, |log| log.push_piece(*piece));
            }
            Entry::HandedOver {
                session,
                remains,
                unacknowledged,
                before,
            } => {
                if self.are_of(*remains, *session) {
                    self.handed_over(*remains, *unacknowledged, *before);
                }
            }
            Entry::Rested { session, remains } => {
                if self.are_of(*remains, *session) {
                    self.rest(*remains);
                }
            }
            Entry::Remains { number, remains } => self.restore_remains(*number, remains),
            Entry::RemainsNumbered { next } => {
                self.next_remains = self.next_remains.max(*next);
            }
        }
        refused
    }

    fn number(&mut self, session: SessionId) {
        self.last_session = self.last_session.max(session);
    }

    fn inflight(&mut self, session: SessionId, packet_id: u16) -> Option<&mut Inflight> {
        self.sessions
            .get_mut(&session)?
            .inflight
            .iter_mut()
            .find(|inflight| inflight.packet_id == packet_id)
    }

    fn clear_will(&mut self, session: SessionId) {
        if let Some(due) = self.wills.remove(&session).and_then(|pending| pending.due) {
            self.due.remove(&(due, session));
        }
    }

    fn end(&mut self, session: SessionId) {
        let Some(record) = self.sessions.remove(&session) else {
            return;
        };
        self.leave_all_to_groups(&record);
        for (channel, seq) in record.cursors {
            self.leave_log(channel, seq);
        }
    }

    /// Changes a channel's log, and what depends on its size.
    fn change_log(&mut self, channel: ChannelId, change: impl FnOnce(&mut ChannelLog)) {
        let Some(log) = self.channels.get_mut(&channel) else {
            return;
        };
        let (bytes, in_memory) = (log.bytes(), log.memory_bytes());
        change(log);
        self.log_bytes = self.log_bytes - bytes + log.bytes();
        self.memory_bytes = self.memory_bytes - in_memory + log.memory_bytes();
        if log.memory_bytes() > self.limits.channel_memory_bytes {
            self.swollen.insert(channel);
        } else {
            self.swollen.remove(&channel);
        }
    }

    fn leave_log(&mut self, channel: ChannelId, seq: u64) {
        self.change_log(channel, |log| log.leave(seq));
        if self
            .channels
            .get(&channel)
            .is_some_and(|log| !log.has_readers())
        {
            self.channels.remove(&channel);
        }
    }
}

/// The filter without its share name; whether it has one.
fn plain_filter(text: &str) -> Option<&str> {
    let parsed = topic::parse_filter(text).ok()?;
    parsed.share.is_none().then_some(parsed.filter)
}
