//! Subscriptions of sessions, and what begins and ends with them.

use std::collections::VecDeque;
use std::sync::Arc;

use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::groups::remains_of;
use super::{State, plain_filter};
use crate::mqtt::codec::QoS;
use crate::mqtt::journal::channel::ChannelLog;
use crate::mqtt::journal::entry::SessionId;
use crate::mqtt::journal::record::Kept;
use crate::mqtt::journal::remains::Remains;
use crate::mqtt::session::{Awaiting, Delivery, Held};

impl State {
    pub(super) fn subscribe(
        &mut self,
        session: SessionId,
        filter: &str,
        held: Held,
        retained: bool,
    ) -> usize {
        let mut refused = 0;
        let (Some(record), Some(channel)) = (self.sessions.get_mut(&session), held.channel) else {
            return refused;
        };
        let next = self.channels.get(&channel).map_or(0, ChannelLog::next);
        let from = record
            .subscriptions
            .get(filter)
            .filter(|earlier| earlier.held.channel == held.channel)
            .map_or(next, |earlier| earlier.from);
        record
            .subscriptions
            .insert(filter.into(), Kept { held, from });
        if held.subscription.qos != QoS::AtMostOnce && !record.cursors.contains_key(&channel) {
            record.cursors.insert(channel, next);
            self.channels.entry(channel).or_default().enter(next);
        }
        if retained {
            let room = self.limits.backlog_messages;
            for message in self.retained.matching(filter, Timestamp::MIN) {
                let qos = held.subscription.qos.min(message.qos);
                if qos == QoS::AtMostOnce {
                    continue;
                }
                if record.backlog.len() >= room {
                    refused += 1;
                    continue;
                }
                record.queue(Delivery {
                    message: Arc::clone(message),
                    qos,
                    retain: true,
                    subscription_ids: held.subscription.identifier.into_iter().collect(),
                    groups: Vec::new(),
                    group_only: false,
                });
            }
        }
        self.close_cursor(session, channel);
        refused
    }

    pub(super) fn unsubscribe(&mut self, session: SessionId, filter: &str) {
        let Some(record) = self.sessions.get_mut(&session) else {
            return;
        };
        let removed = record.subscriptions.remove(filter);
        let Some(channel) = removed.and_then(|kept| kept.held.channel) else {
            return;
        };
        if plain_filter(filter).is_none()
            && let Some(cursor) = record.cursors.get(&channel).copied()
        {
            self.leave_to_groups(Remains {
                session,
                channel,
                groups: vec![filter.into()],
                cursor: Some(cursor),
                unacknowledged: VecDeque::new(),
            });
        }
        self.close_cursor(session, channel);
    }

    /// A session without a subscription at QoS 1 or 2 to a channel does not hold its log up.
    pub(super) fn close_cursor(&mut self, session: SessionId, channel: ChannelId) {
        let Some(record) = self.sessions.get_mut(&session) else {
            return;
        };
        let reads = record.subscriptions.values().any(|kept| {
            kept.held.channel == Some(channel) && kept.held.subscription.qos != QoS::AtMostOnce
        });
        if !reads && let Some(seq) = record.cursors.remove(&channel) {
            self.leave_log(channel, seq);
        }
    }

    pub(super) fn withdraw(&mut self, session: SessionId, channel: ChannelId) {
        let Some(record) = self.sessions.get_mut(&session) else {
            return;
        };
        let remains = remains_of(record, channel);
        record
            .subscriptions
            .retain(|_, kept| kept.held.channel != Some(channel));
        record
            .backlog
            .retain(|(_, delivery)| delivery.message.channel != channel);
        record.inflight.retain(|inflight| {
            inflight.awaiting == Awaiting::Complete || inflight.delivery.message.channel != channel
        });
        self.leave_to_groups(remains);
        self.close_cursor(session, channel);
    }
}
