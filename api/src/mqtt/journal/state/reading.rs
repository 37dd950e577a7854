//! What a session reads from the logs of its channels.

use hashbrown::HashMap;
use tellee_actors::ids::ChannelId;

use super::{State, plain_filter};
use crate::mqtt::codec::QoS;
use crate::mqtt::fanout::Subscription;
use crate::mqtt::journal::channel::Logged;
use crate::mqtt::journal::entry::{SessionId, Source};
use crate::mqtt::journal::record::SessionRecord;
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
}

/// The subscriptions of one session to one channel, ready for matching.
pub(super) struct Filters<'a> {
    session: SessionId,
    plain: Vec<(&'a str, u64, Subscription)>,
}

impl<'a> Filters<'a> {
    pub(super) fn of(record: &'a SessionRecord, channel: ChannelId) -> Self {
        let plain = record
            .subscriptions
            .iter()
            .filter(|(_, kept)| kept.held.channel == Some(channel))
            .filter_map(|(filter, kept)| {
                Some((plain_filter(filter)?, kept.from, kept.held.subscription))
            })
            .collect();
        Self {
            session: record.id,
            plain,
        }
    }

    /// What the session gets of a message; `None` if nothing, or only at QoS 0, which is not kept.
    pub(super) fn delivery(&self, logged: &Logged) -> Option<Delivery> {
        let message = &logged.message;
        let plain = self
            .plain
            .iter()
            .filter(|(filter, from, subscription)| {
                *from <= logged.seq
                    && !(subscription.no_local && message.origin == self.session)
                    && topic::matches(filter, &message.topic)
            })
            .map(|(_, _, subscription)| subscription);
        let assigned = logged
            .assigned
            .iter()
            .filter(|assigned| assigned.session == self.session)
            .map(|assigned| &assigned.subscription);
        let (mut qos, mut as_published, mut subscription_ids) =
            (QoS::AtMostOnce, false, Vec::new());
        for subscription in plain.chain(assigned) {
            qos = qos.max(subscription.qos);
            as_published |= subscription.retain_as_published;
            subscription_ids.extend(subscription.identifier);
        }
        qos = qos.min(message.qos);
        (qos != QoS::AtMostOnce).then(|| Delivery {
            message: message.clone(),
            qos,
            retain: message.retain && as_published,
            subscription_ids,
        })
    }
}

impl State {
    /// Up to about `limit` messages for a session, from where it has read to. Each channel has its share.
    pub fn read(&self, session: SessionId, positions: &mut Positions, limit: usize) -> Vec<Ahead> {
        let mut found = Vec::new();
        let Some(record) = self.sessions.get(&session) else {
            return found;
        };
        for (number, delivery) in &record.backlog {
            if *number < positions.backlog {
                continue;
            }
            if found.len() >= limit {
                return found;
            }
            positions.backlog = *number + 1;
            found.push(Ahead {
                delivery: delivery.clone(),
                source: Source::Backlog { number: *number },
            });
        }
        let share = (limit / record.cursors.len().max(1)).max(1);
        for (channel, cursor) in &record.cursors {
            let Some(log) = self.channels.get(channel) else {
                continue;
            };
            let position = positions.logs.entry(*channel).or_insert(*cursor);
            *position = (*position).max(*cursor);
            if *position >= log.next() {
                continue;
            }
            let filters = Filters::of(record, *channel);
            let mut taken = 0;
            for logged in log.from(*position) {
                if taken >= share {
                    break;
                }
                *position = logged.seq + 1;
                if let Some(delivery) = filters.delivery(logged) {
                    taken += 1;
                    found.push(Ahead {
                        delivery,
                        source: Source::Log {
                            channel: *channel,
                            seq: logged.seq,
                        },
                    });
                }
            }
        }
        found
    }
}
