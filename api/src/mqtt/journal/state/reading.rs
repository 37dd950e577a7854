//! What a session reads from the logs of its channels.

use std::sync::Arc;

use hashbrown::HashMap;
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::{State, plain_filter};
use crate::mqtt::codec::QoS;
use crate::mqtt::fanout::Subscription;
use crate::mqtt::journal::channel::Logged;
use crate::mqtt::journal::entry::{SessionId, Source};
use crate::mqtt::journal::piece::Piece;
use crate::mqtt::journal::record::SessionRecord;
use crate::mqtt::message::Message;
use crate::mqtt::session::Delivery;
use crate::mqtt::topic;

/// A message that a session reads before it may send it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ahead {
    pub delivery: Delivery,
    pub source: Source,
}

/// How far a session has read, which may be ahead of what the journal says it has sent.
#[derive(Debug, Default)]
pub struct Positions {
    logs: HashMap<ChannelId, u64>,
    backlog: u64,
    /// The channel of which a piece was read last.
    last_loaded: Option<ChannelId>,
}

impl Positions {
    /// In a channel's log, in which the session stands at `cursor`.
    fn of(&mut self, channel: ChannelId, cursor: u64) -> &mut u64 {
        let position = self.logs.entry(channel).or_insert(cursor);
        *position = (*position).max(cursor);
        position
    }
}

/// The subscriptions of one session to one channel, ready for matching.
pub(super) struct Filters<'a> {
    session: SessionId,
    channel: ChannelId,
    plain: Vec<(&'a str, u64, Subscription)>,
    /// Share groups that it belongs to, and since which message.
    groups: Vec<(&'a str, u64)>,
}

impl<'a> Filters<'a> {
    pub(super) fn of(record: &'a SessionRecord, channel: ChannelId) -> Self {
        let (mut plain, mut groups) = (Vec::new(), Vec::new());
        for (filter, kept) in &record.subscriptions {
            if kept.held.channel != Some(channel) {
                continue;
            }
            match plain_filter(filter) {
                Some(filter) => plain.push((filter, kept.from, kept.held.subscription)),
                None => groups.push((&**filter, kept.from)),
            }
        }
        Self {
            session: record.id,
            channel,
            plain,
            groups,
        }
    }

    /// Whether the session is to get what it was given for a group at this place of the log.
    fn is_member(&self, group: &str, seq: u64) -> bool {
        group.is_empty() || is_member(self.groups.iter().copied(), group, seq)
    }

    /// What the session gets of a message; `None` if nothing, or only at QoS 0, which is not kept.
    pub(super) fn delivery(&self, logged: &Logged) -> Option<Delivery> {
        let message = &logged.message;
        let plain = self
            .plain
            .iter()
            .filter(|(filter, from, subscription)| {
                !logged.assigned_only
                    && *from <= logged.seq
                    && !(subscription.no_local && message.origin == self.session)
                    && topic::matches(filter, &message.topic)
            })
            .map(|(_, _, subscription)| subscription);
        let assigned = logged.assigned.iter().filter(|assigned| {
            assigned.session == self.session && self.is_member(&assigned.group, logged.seq)
        });
        let (mut qos, mut as_published, mut subscription_ids) =
            (QoS::AtMostOnce, false, Vec::new());
        let mut add = |subscription: &Subscription| {
            qos = qos.max(subscription.qos);
            as_published |= subscription.retain_as_published;
            subscription_ids.extend(subscription.identifier);
        };
        let (mut groups, mut group_only) = (Vec::new(), true);
        for subscription in plain {
            add(subscription);
            group_only = false;
        }
        for assigned in assigned {
            add(&assigned.subscription);
            groups.push(Arc::clone(&assigned.group));
        }
        qos = qos.min(message.qos);
        (qos != QoS::AtMostOnce).then(|| Delivery {
            message: message.clone(),
            qos,
            retain: message.retain && as_published,
            subscription_ids,
            groups,
            group_only,
        })
    }
}

/// Whether one of `memberships`, each a group and the first message that counts, covers `seq` for `group`.
pub(super) fn is_member<'a>(
    mut memberships: impl Iterator<Item = (&'a str, u64)>,
    group: &str,
    seq: u64,
) -> bool {
    memberships.any(|(known, from)| known == group && from <= seq)
}

/// How much a session reads at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub messages: usize,
    /// One message is read even if it is larger.
    pub bytes: usize,
}

impl Wanted {
    pub const fn is_nothing(self) -> bool {
        self.messages == 0 || self.bytes == 0
    }

    pub(super) fn take(&mut self, message: &Message) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(message.weight());
    }
}

/// A piece that a session has to read before it gets on in a channel's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextPiece {
    pub channel: ChannelId,
    pub piece: Piece,
}

impl State {
    /// Up to about so much for a session, from where it has read to, of what lies in memory. Each channel has its share.
    pub fn read(
        &self,
        session: SessionId,
        positions: &mut Positions,
        mut wanted: Wanted,
    ) -> Vec<Ahead> {
        let mut found = Vec::new();
        let Some(record) = self.sessions.get(&session) else {
            return found;
        };
        for (number, delivery) in &record.backlog {
            if *number < positions.backlog {
                continue;
            }
            if wanted.is_nothing() {
                return found;
            }
            wanted.take(&delivery.message);
            positions.backlog = *number + 1;
            found.push(Ahead {
                delivery: delivery.clone(),
                source: Source::Backlog { number: *number },
            });
        }
        if wanted.is_nothing() {
            return found;
        }
        let channels = record.cursors.len().max(1);
        let share = Wanted {
            messages: (wanted.messages / channels).max(1),
            bytes: (wanted.bytes / channels).max(1),
        };
        for (channel, cursor) in &record.cursors {
            let Some(log) = self.channels.get(channel) else {
                continue;
            };
            let position = positions.of(*channel, *cursor);
            if *position >= log.next() || log.piece_from(*position).is_some() {
                continue;
            }
            let filters = Filters::of(record, *channel);
            read_on(&filters, position, log.from(*position), share, &mut found);
        }
        found
    }

    /// The piece that a session has to read next, if it waits for one. Channels take turns.
    pub fn next_piece(&self, session: SessionId, positions: &mut Positions) -> Option<NextPiece> {
        let record = self.sessions.get(&session)?;
        let last = positions.last_loaded;
        let after = |channel: &ChannelId| last.is_some_and(|last| *channel > last);
        let later = record.cursors.iter().filter(|(channel, _)| after(channel));
        let earlier = record.cursors.iter().filter(|(channel, _)| !after(channel));
        later.chain(earlier).find_map(|(channel, cursor)| {
            let position = *positions.of(*channel, *cursor);
            let piece = *self.channels.get(channel)?.piece_from(position)?;
            Some(NextPiece {
                channel: *channel,
                piece,
            })
        })
    }

    /// As [`State::read`], from the messages of a piece.
    pub fn read_piece(
        &self,
        session: SessionId,
        positions: &mut Positions,
        next: &NextPiece,
        messages: &[Logged],
        wanted: Wanted,
    ) -> Vec<Ahead> {
        let mut found = Vec::new();
        let Some(record) = self.sessions.get(&session) else {
            return found;
        };
        let Some(cursor) = record.cursors.get(&next.channel) else {
            return found;
        };
        positions.last_loaded = Some(next.channel);
        let position = positions.of(next.channel, *cursor);
        let filters = Filters::of(record, next.channel);
        let index = messages.partition_point(|logged| logged.seq < *position);
        let rest = messages.get(index..).unwrap_or_default();
        read_on(&filters, position, rest.iter(), wanted, &mut found);
        found
    }

    /// The first of these messages of a channel's log that a session has to get, and when it expires.
    pub fn first_needed(
        &self,
        session: SessionId,
        channel: ChannelId,
        messages: &[Logged],
        now: Timestamp,
    ) -> Option<(u64, Option<Timestamp>)> {
        let record = self.sessions.get(&session)?;
        let cursor = *record.cursors.get(&channel)?;
        let filters = Filters::of(record, channel);
        messages
            .iter()
            .filter(|logged| logged.seq >= cursor && !logged.message.is_expired(now))
            .find(|logged| filters.delivery(logged).is_some())
            .map(|logged| (logged.seq, logged.message.expires_at))
    }
}

/// Moves `position` over messages of a log, and adds those that the filters want to `found`.
fn read_on<'a>(
    filters: &Filters<'_>,
    position: &mut u64,
    messages: impl Iterator<Item = &'a Logged>,
    mut wanted: Wanted,
    found: &mut Vec<Ahead>,
) {
    for logged in messages {
        if wanted.is_nothing() {
            break;
        }
        *position = logged.seq + 1;
        if let Some(delivery) = filters.delivery(logged) {
            wanted.take(&delivery.message);
            found.push(Ahead {
                delivery,
                source: Source::Log {
                    channel: filters.channel,
                    seq: logged.seq,
                },
            });
        }
    }
}
