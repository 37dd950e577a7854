//! What a session lets go of: at its end, with a channel that it may not use any more, with a share group.

use std::sync::Arc;

use tellee_actors::ids::ChannelId;

use super::{Awaiting, Delivery, Session};
use crate::mqtt::codec::QoS;
use crate::mqtt::journal::{Ahead, Orphan};

/// What a session has let go of.
#[derive(Debug, Default, PartialEq)]
pub struct Released {
    /// Of subscriptions that have ended.
    pub filters: Vec<String>,
    /// Messages that are to go to other members of the session's share groups. Of a session in the journal, that knows
    /// them.
    pub orphans: Vec<Orphan>,
}

impl Session {
    /// Ends all subscriptions and lets go of all that waits or is unacknowledged.
    pub fn end(&mut self) -> Released {
        let mut released = self.let_go(|_| false, Sent::Goes);
        released
            .filters
            .extend(self.subscriptions.drain().map(|(filter, _)| filter));
        released
    }

    /// Ends what the client may no longer have: subscriptions for which `may_use` says no, and all that waits from their
    /// channels and was not sent yet. What was sent and is not acknowledged goes to others too, though its client may
    /// still acknowledge it.
    pub fn withdraw(&mut self, may_use: impl Fn(ChannelId) -> bool) -> Released {
        self.let_go(may_use, Sent::Stays)
    }

    fn let_go(&mut self, may_use: impl Fn(ChannelId) -> bool, sent: Sent) -> Released {
        let mut released = Released::default();
        self.subscriptions.retain(|filter, held| {
            let keep = held.channel.is_none_or(&may_use);
            if !keep {
                released.filters.push(filter.clone());
            }
            keep
        });
        let orphans = &mut released.orphans;
        let sent_count = self.sent;
        let (mut index, mut freed) = (0, 0);
        self.inflight.retain_mut(|inflight| {
            index += 1;
            let delivery = &mut inflight.delivery;
            if may_use(delivery.message.channel) {
                return true;
            }
            // What was sent at QoS 2 goes to nobody else (MQTT-4.8.2-5).
            if inflight.awaiting == Awaiting::Ack {
                orphans.extend(orphan(delivery));
            }
            let keep = inflight.awaiting == Awaiting::Complete || index <= sent_count;
            if !keep || sent == Sent::Goes {
                freed += delivery.message.weight();
                return false;
            }
            true
        });
        self.inflight_bytes -= freed;
        if sent == Sent::Goes {
            self.sent = 0;
        }
        let mut freed = 0;
        self.queue.retain_mut(|delivery| {
            let keep = may_use(delivery.message.channel);
            if !keep {
                freed += delivery.message.weight();
                orphans.extend(orphan(delivery));
            }
            keep
        });
        self.give_back_queued(freed);
        self.ahead
            .retain(|ahead| may_use(ahead.delivery.message.channel));
        released
    }

    /// The client has left a share group: what was given to it for that and was not sent yet is to go to another member.
    /// Answers those messages, but for what was read from the journal, which knows them.
    pub fn leave_group(&mut self, group: &str) -> Vec<Orphan> {
        let (mut orphans, mut freed) = (Vec::new(), 0);
        self.queue.retain_mut(|delivery| {
            if !delivery.leave_group(group) {
                return true;
            }
            if delivery.qos != QoS::AtMostOnce {
                orphans.push(Orphan {
                    message: Arc::clone(&delivery.message),
                    groups: vec![Arc::from(group)],
                });
            }
            let keep = delivery.is_wanted();
            if !keep {
                freed += delivery.message.weight();
            }
            keep
        });
        self.give_back_queued(freed);
        self.ahead
            .retain_mut(|ahead| !ahead.delivery.leave_group(group) || ahead.delivery.is_wanted());
        orphans
    }

    /// Takes messages that were read from the journal, which may not know yet that the client has left a group.
    pub fn read_ahead(&mut self, messages: impl IntoIterator<Item = Ahead>) {
        let subscriptions = &self.subscriptions;
        let wanted = messages.into_iter().filter_map(|mut ahead| {
            ahead
                .delivery
                .groups
                .retain(|group| group.is_empty() || subscriptions.contains_key(&**group));
            ahead.delivery.is_wanted().then_some(ahead)
        });
        self.ahead.extend(wanted);
    }

    fn give_back_queued(&mut self, bytes: usize) {
        self.hold(self.queued_bytes - bytes);
    }
}

/// What becomes of messages that were sent and are not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Goes,
    Stays,
}

impl Delivery {
    /// Answers whether it was for that group.
    fn leave_group(&mut self, group: &str) -> bool {
        let before = self.groups.len();
        self.groups.retain(|known| **known != *group);
        self.groups.len() < before
    }

    fn is_wanted(&self) -> bool {
        !(self.group_only && self.groups.is_empty())
    }
}

/// The message for other members of the groups that it was for. It is given once.
fn orphan(delivery: &mut Delivery) -> Option<Orphan> {
    let groups = std::mem::take(&mut delivery.groups);
    let is_one = !groups.is_empty() && delivery.qos != QoS::AtMostOnce;
    is_one.then(|| Orphan {
        message: Arc::clone(&delivery.message),
        groups,
    })
}
