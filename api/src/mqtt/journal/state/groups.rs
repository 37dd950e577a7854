//! What members of share groups leave to them when they end, and how it goes to others.

use std::collections::BTreeSet;
use std::sync::Arc;

use tellee_actors::ids::ChannelId;

use super::reading::{NextPiece, Wanted, is_member};
use super::{State, plain_filter};
use crate::mqtt::codec::QoS;
use crate::mqtt::journal::channel::Logged;
use crate::mqtt::journal::entry::SessionId;
use crate::mqtt::journal::record::SessionRecord;
use crate::mqtt::journal::remains::{Orphan, Remains, RemainsId};
use crate::mqtt::session::Awaiting;
use crate::mqtt::topic;

/// What comes next of remains.
#[derive(Debug, Clone, PartialEq)]
pub enum Left {
    Messages {
        orphans: Vec<Orphan>,
        /// They are the first so many of the unacknowledged ones; else they come from the log.
        unacknowledged: u32,
        /// They are all that there is before this place of the log.
        before: u64,
    },
    /// This piece has to be read.
    Piece(NextPiece),
    Nothing,
}

/// What a session leaves in a channel if it has to let go of all of it.
pub(super) fn remains_of(record: &SessionRecord, channel: ChannelId) -> Remains {
    let cursor = record.cursors.get(&channel).copied();
    let groups: Vec<Box<str>> = record
        .subscriptions
        .iter()
        .filter(|(_, kept)| kept.held.channel == Some(channel))
        .filter(|(_, kept)| kept.held.subscription.qos != QoS::AtMostOnce)
        .filter(|(filter, _)| plain_filter(filter).is_none())
        .map(|(filter, _)| filter.clone())
        .collect();
    let named = |group: &Arc<str>, topic: &str| {
        if !group.is_empty() {
            return Some(Arc::clone(group));
        }
        let group = groups.iter().find(|group| matches_group(group, topic))?;
        Some(Arc::from(&**group))
    };
    let unacknowledged = record
        .inflight
        .iter()
        .filter(|inflight| inflight.awaiting == Awaiting::Ack)
        .map(|inflight| &inflight.delivery)
        .filter(|delivery| delivery.message.channel == channel && !delivery.groups.is_empty())
        .map(|delivery| Orphan {
            message: Arc::clone(&delivery.message),
            groups: delivery
                .groups
                .iter()
                .filter_map(|group| named(group, &delivery.message.topic))
                .collect(),
        })
        .collect();
    Remains {
        session: record.id,
        channel,
        cursor: cursor.filter(|_| !groups.is_empty()),
        groups,
        unacknowledged,
    }
}

impl State {
    /// What members have left to their share groups, the oldest first.
    pub fn remains(&self) -> impl Iterator<Item = (RemainsId, &Remains)> {
        self.remains
            .iter()
            .map(|(number, remains)| (*number, remains))
    }

    /// Of a session that ends.
    pub(super) fn leave_all_to_groups(&mut self, record: &SessionRecord) {
        let in_flight = record
            .inflight
            .iter()
            .map(|inflight| inflight.delivery.message.channel);
        let channels: BTreeSet<ChannelId> =
            record.cursors.keys().copied().chain(in_flight).collect();
        for channel in channels {
            self.leave_to_groups(remains_of(record, channel));
        }
    }

    pub(super) fn leave_to_groups(&mut self, remains: Remains) {
        if remains.cursor.is_none() && remains.unacknowledged.is_empty() {
            return;
        }
        let number = self.next_remains;
        self.restore_remains(number, &remains);
    }

    pub(super) fn restore_remains(&mut self, number: RemainsId, remains: &Remains) {
        self.rest(number);
        self.next_remains = self.next_remains.max(number.saturating_add(1));
        if let Some(cursor) = remains.cursor {
            self.channels
                .entry(remains.channel)
                .or_default()
                .enter(cursor);
        }
        self.remains.insert(number, remains.clone());
    }

    /// Whether remains are those of this session. Where damage took entries away, numbers may name others.
    pub(super) fn are_of(&self, number: RemainsId, session: SessionId) -> bool {
        let remains = self.remains.get(&number);
        remains.is_some_and(|remains| remains.session == session)
    }

    pub(super) fn handed_over(&mut self, number: RemainsId, unacknowledged: u32, before: u64) {
        let Some(remains) = self.remains.get_mut(&number) else {
            return;
        };
        let count = (unacknowledged as usize).min(remains.unacknowledged.len());
        remains.unacknowledged.drain(..count);
        let channel = remains.channel;
        let (Some(cursor), Some(log)) = (&mut remains.cursor, self.channels.get(&channel)) else {
            return;
        };
        let to = before.min(log.next());
        if to > *cursor {
            let from = std::mem::replace(cursor, to);
            self.change_log(channel, |log| log.step(from, to));
        }
    }

    pub(super) fn rest(&mut self, number: RemainsId) {
        let Some(remains) = self.remains.remove(&number) else {
            return;
        };
        if let Some(cursor) = remains.cursor {
            self.leave_log(remains.channel, cursor);
        }
    }

    /// About so much of remains, from where it lies in memory.
    pub fn left(&self, number: RemainsId, mut wanted: Wanted) -> Left {
        let Some(remains) = self.remains.get(&number) else {
            return Left::Nothing;
        };
        if !remains.unacknowledged.is_empty() {
            let orphans: Vec<Orphan> = remains
                .unacknowledged
                .iter()
                .take_while(|orphan| {
                    let more = !wanted.is_nothing();
                    wanted.take(&orphan.message);
                    more
                })
                .cloned()
                .collect();
            return Left::Messages {
                unacknowledged: u32::try_from(orphans.len()).unwrap_or(u32::MAX),
                orphans,
                before: 0,
            };
        }
        let (Some(cursor), Some(log)) = (remains.cursor, self.channels.get(&remains.channel))
        else {
            return Left::Nothing;
        };
        if cursor >= log.next() {
            return Left::Nothing;
        }
        if let Some(piece) = log.piece_from(cursor) {
            return Left::Piece(NextPiece {
                channel: remains.channel,
                piece: *piece,
            });
        }
        self.orphans(remains, log.from(cursor), wanted, log.next())
    }

    /// As [`State::left`], from the messages of a piece.
    pub fn left_in_piece(
        &self,
        number: RemainsId,
        next: &NextPiece,
        messages: &[Logged],
        wanted: Wanted,
    ) -> Left {
        let Some(remains) = self.remains.get(&number) else {
            return Left::Nothing;
        };
        let Some(cursor) = remains.cursor else {
            return Left::Nothing;
        };
        let rest = messages.iter().filter(|logged| logged.seq >= cursor);
        self.orphans(remains, rest, wanted, next.piece.last + 1)
    }

    /// Those of `messages` that were given to the session and that it does not get. `end`: the place after them.
    fn orphans<'a>(
        &self,
        remains: &Remains,
        messages: impl Iterator<Item = &'a Logged>,
        mut wanted: Wanted,
        end: u64,
    ) -> Left {
        let mut orphans = Vec::new();
        let mut before = end;
        for logged in messages {
            if wanted.is_nothing() {
                before = logged.seq;
                break;
            }
            let groups = self.orphaned(remains, logged);
            if !groups.is_empty() {
                wanted.take(&logged.message);
                orphans.push(Orphan {
                    message: Arc::clone(&logged.message),
                    groups,
                });
            }
        }
        Left::Messages {
            orphans,
            unacknowledged: 0,
            before,
        }
    }

    /// The groups that a message of the log has to find another member of.
    fn orphaned(&self, remains: &Remains, logged: &Logged) -> Vec<Arc<str>> {
        // It may have joined a group again, and then gets what came since.
        let goes_on = self.sessions.get(&remains.session);
        let mut groups = Vec::new();
        for assigned in logged.assigned.iter() {
            if assigned.session != remains.session {
                continue;
            }
            let group = remains.groups.iter().find(|group| {
                if assigned.group.is_empty() {
                    return matches_group(group, &logged.message.topic);
                }
                ***group == *assigned.group
            });
            let Some(group) = group else { continue };
            let gets_it =
                goes_on.is_some_and(|record| gets_for(record, &assigned.group, logged.seq));
            if !gets_it {
                groups.push(Arc::from(&**group));
            }
        }
        groups
    }

    /// Whether the log of a channel has room for what nobody has to get from it yet.
    pub fn has_log_room(
        &self,
        channel: ChannelId,
        channel_bytes: usize,
        node_bytes: usize,
    ) -> bool {
        let of_channel = self.channels.get(&channel).map_or(0, |log| log.bytes());
        of_channel < channel_bytes && self.log_bytes < node_bytes
    }
}

/// Whether a session is to get what it was given for a group at this place of the log. Groups that are not named are
/// those of files before format 3.
pub(super) fn gets_for(record: &SessionRecord, group: &str, seq: u64) -> bool {
    let memberships = record.subscriptions.iter();
    let memberships = memberships.map(|(filter, kept)| (&**filter, kept.from));
    group.is_empty() || is_member(memberships, group, seq)
}

fn matches_group(group: &str, topic: &str) -> bool {
    topic::parse_filter(group).is_ok_and(|parsed| topic::matches(parsed.filter, topic))
}
