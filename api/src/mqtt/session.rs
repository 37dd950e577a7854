//! A session: its subscriptions, what waits for it, and the QoS 1 and 2 exchanges in both directions. No I/O.
//!
//! Outlives its connection if the client asked for that.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::{HashMap, HashSet};
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::codec::{Ack, PublishHeader, QoS, Reason, Version, publish_size};
use super::fanout::Subscription;
use super::message::Message;

/// Bytes that wait for all sessions of a node.
#[derive(Debug)]
pub struct QueueBudget {
    used: AtomicUsize,
    limit: usize,
}

impl QueueBudget {
    pub const fn new(limit: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            limit,
        }
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes <= self.limit {
            return true;
        }
        self.give_back(bytes);
        false
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bounds of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    pub queue_bytes: usize,
    pub queue_messages: usize,
    pub inflight: u16,
}

/// What the client of the present connection takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    pub version: Version,
    pub receive_maximum: u16,
    pub maximum_packet_size: u32,
}

/// One message for one session.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub message: Arc<Message>,
    /// The lower of those of message and subscription.
    pub qos: QoS,
    pub retain: bool,
    /// Identifiers of the subscriptions that it comes by.
    pub subscription_ids: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    Queued,
    /// QoS 0 and no room.
    Dropped,
    /// QoS 1 or 2 and no room: the session has a hole from here on and must end.
    Overrun,
}

/// The next packet for the client.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    Publish {
        packet_id: u16,
        duplicate: bool,
        delivery: Delivery,
    },
    Release {
        packet_id: u16,
    },
    /// A message that expired or is larger than the client takes. Look again.
    Skipped(Skipped),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    Expired,
    TooLarge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaiting {
    Ack,
    Received,
    Complete,
}

#[derive(Debug)]
struct Inflight {
    packet_id: u16,
    awaiting: Awaiting,
    delivery: Delivery,
}

/// A subscription as the session holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub channel: ChannelId,
    pub subscription: Subscription,
}

#[derive(Debug)]
pub struct Session {
    limits: SessionLimits,
    client: ClientLimits,
    budget: Arc<QueueBudget>,
    /// By the filter as subscribed, share name included.
    subscriptions: HashMap<String, Held>,
    queue: VecDeque<Delivery>,
    queued_bytes: usize,
    /// In the order of sending.
    inflight: VecDeque<Inflight>,
    /// How many of `inflight` have been sent in the present connection.
    sent: usize,
    last_packet_id: u16,
    /// QoS 2 messages of the client that are taken and not yet released.
    taken: HashSet<u16>,
}

impl Session {
    pub fn new(limits: SessionLimits, client: ClientLimits, budget: Arc<QueueBudget>) -> Self {
        Self {
            limits,
            client,
            budget,
            subscriptions: HashMap::new(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            inflight: VecDeque::new(),
            sent: 0,
            last_packet_id: 0,
            taken: HashSet::new(),
        }
    }

    /// A new connection of the same client: what is unacknowledged goes out again, first and in order (MQTT-4.4.0-1).
    pub fn resume(&mut self, client: ClientLimits) {
        self.client = client;
        self.sent = 0;
    }

    pub const fn subscriptions(&self) -> &HashMap<String, Held> {
        &self.subscriptions
    }

    /// Answers the earlier subscription of the same filter.
    pub fn subscribe(&mut self, filter: &str, held: Held) -> Option<Held> {
        self.subscriptions.insert(filter.to_owned(), held)
    }

    pub fn unsubscribe(&mut self, filter: &str) -> Option<Held> {
        self.subscriptions.remove(filter)
    }

    /// Ends what the client may no longer have: subscriptions for which `may_use` says no, whose filters are returned,
    /// and all that waits from their channels and was not sent yet.
    pub fn withdraw(&mut self, may_use: impl Fn(ChannelId) -> bool) -> Vec<String> {
        let withdrawn: Vec<String> = self
            .subscriptions
            .iter()
            .filter(|(_, held)| !may_use(held.channel))
            .map(|(filter, _)| filter.clone())
            .collect();
        for filter in &withdrawn {
            self.subscriptions.remove(filter);
        }
        let mut freed = 0;
        self.queue.retain(|delivery| {
            let keep = may_use(delivery.message.channel);
            if !keep {
                freed += delivery.message.weight();
            }
            keep
        });
        self.queued_bytes -= freed;
        self.budget.give_back(freed);
        let sent = self.sent;
        let mut index = 0;
        self.inflight.retain(|inflight| {
            index += 1;
            index <= sent
                || inflight.awaiting == Awaiting::Complete
                || may_use(inflight.delivery.message.channel)
        });
        withdrawn
    }

    /// Takes a message for the client.
    pub fn offer(&mut self, delivery: Delivery) -> Offered {
        let refused = if delivery.qos == QoS::AtMostOnce {
            Offered::Dropped
        } else {
            Offered::Overrun
        };
        let weight = delivery.message.weight();
        let full = self.queue.len() >= self.limits.queue_messages
            || self.queued_bytes.saturating_add(weight) > self.limits.queue_bytes;
        if full || !self.budget.take(weight) {
            return refused;
        }
        self.queued_bytes += weight;
        self.queue.push_back(delivery);
        Offered::Queued
    }

    /// Whether a retained message of this weight still fits.
    pub fn has_room_for(&self, weight: usize) -> bool {
        self.queue.len() < self.limits.queue_messages
            && self.queued_bytes + weight <= self.limits.queue_bytes
    }

    /// The next packet for the client, or `None` until something is offered or acknowledged.
    pub fn next(&mut self, now: Timestamp) -> Option<Next> {
        let window = usize::from(self.client.receive_maximum.min(self.limits.inflight));
        if self.sent < self.inflight.len() {
            if self.sent >= window {
                return None;
            }
            let again = &self.inflight[self.sent];
            self.sent += 1;
            return Some(match again.awaiting {
                Awaiting::Complete => Next::Release {
                    packet_id: again.packet_id,
                },
                Awaiting::Ack | Awaiting::Received => Next::Publish {
                    packet_id: again.packet_id,
                    duplicate: true,
                    delivery: again.delivery.clone(),
                },
            });
        }
        let acknowledged = self.queue.front()?.qos != QoS::AtMostOnce;
        if acknowledged && self.inflight.len() >= window {
            return None;
        }
        let delivery = self.queue.pop_front()?;
        let weight = delivery.message.weight();
        self.queued_bytes -= weight;
        self.budget.give_back(weight);
        if delivery.message.is_expired(now) {
            return Some(Next::Skipped(Skipped::Expired));
        }
        if self.is_too_large(&delivery, now) {
            return Some(Next::Skipped(Skipped::TooLarge));
        }
        if !acknowledged {
            return Some(Next::Publish {
                packet_id: 0,
                duplicate: false,
                delivery,
            });
        }
        let packet_id = self.free_packet_id();
        let awaiting = if delivery.qos == QoS::AtLeastOnce {
            Awaiting::Ack
        } else {
            Awaiting::Received
        };
        self.inflight.push_back(Inflight {
            packet_id,
            awaiting,
            delivery: delivery.clone(),
        });
        self.sent += 1;
        Some(Next::Publish {
            packet_id,
            duplicate: false,
            delivery,
        })
    }

    fn is_too_large(&self, delivery: &Delivery, now: Timestamp) -> bool {
        let header = header(delivery, 0, false, now);
        publish_size(&header, &delivery.message.payload, self.client.version)
            > self.client.maximum_packet_size as usize
    }

    /// A packet identifier that is not in use. The window is smaller than the number of identifiers.
    fn free_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            let id = self.last_packet_id;
            if !self
                .inflight
                .iter()
                .any(|inflight| inflight.packet_id == id)
            {
                return id;
            }
        }
    }

    /// PUBACK. Answers whether there was such a message.
    pub fn acknowledged(&mut self, packet_id: u16) -> bool {
        self.settle(packet_id, Awaiting::Ack)
    }

    /// PUBREC. Answers the PUBREL to send; `None` if the client refused the message, which settles it.
    pub fn received(&mut self, ack: Ack) -> Option<Ack> {
        if ack.reason.is_error() {
            self.settle(ack.packet_id, Awaiting::Received);
            return None;
        }
        let found = self
            .inflight
            .iter_mut()
            .find(|inflight| inflight.packet_id == ack.packet_id);
        match found {
            Some(inflight) if inflight.awaiting != Awaiting::Ack => {
                inflight.awaiting = Awaiting::Complete;
                Some(Ack::success(ack.packet_id))
            }
            _ => Some(Ack {
                packet_id: ack.packet_id,
                reason: Reason::PACKET_ID_NOT_FOUND,
            }),
        }
    }

    /// PUBCOMP. Answers whether there was such a message.
    pub fn completed(&mut self, packet_id: u16) -> bool {
        self.settle(packet_id, Awaiting::Complete)
    }

    fn settle(&mut self, packet_id: u16, awaiting: Awaiting) -> bool {
        let found = self
            .inflight
            .iter()
            .position(|inflight| inflight.packet_id == packet_id && inflight.awaiting == awaiting);
        let Some(index) = found else { return false };
        self.inflight.remove(index);
        if index < self.sent {
            self.sent -= 1;
        }
        true
    }

    /// A QoS 2 message from the client. Answers `false` if it was taken already and only awaits its release.
    pub fn take(&mut self, packet_id: u16) -> bool {
        self.taken.insert(packet_id)
    }

    /// The message was refused, or the client releases it. Answers whether it was taken.
    pub fn release(&mut self, packet_id: u16) -> bool {
        self.taken.remove(&packet_id)
    }

    pub fn waiting(&self) -> usize {
        self.queue.len() + self.inflight.len()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.budget.give_back(self.queued_bytes);
    }
}

/// The PUBLISH of a delivery.
pub fn header(
    delivery: &Delivery,
    packet_id: u16,
    duplicate: bool,
    now: Timestamp,
) -> PublishHeader<'_> {
    let message = &delivery.message;
    PublishHeader {
        duplicate,
        qos: delivery.qos,
        retain: delivery.retain,
        topic: &message.topic,
        packet_id,
        topic_alias: None,
        message_expiry: message.expiry_left(now),
        subscription_ids: &delivery.subscription_ids,
        properties: message.properties.as_deref(),
    }
}

#[cfg(test)]
mod tests;
