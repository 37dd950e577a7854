//! A session: its subscriptions, what waits for it, and the QoS 1 and 2 exchanges in both directions. No I/O.
//!
//! Outlives its connection if the client asked for that. Then what has to reach the client at QoS 1 and 2 is read from
//! the journal a little ahead of the sending ([`Session::read_ahead`]) instead of waiting here.

mod budget;
mod leaving;
mod taking;

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::codec::{Ack, PublishHeader, QoS, Reason, Version, publish_size};
use super::fanout::Subscription;
use super::journal::{Ahead, SessionRecord, Source, Wanted};
use super::message::Message;

pub use budget::QueueBudget;
pub use leaving::Released;
pub use taking::{Take, Taken};

use taking::Takings;

/// What is read ahead from the journal for a session, in bytes of messages.
pub const AHEAD_BYTES: usize = 256 << 10;

/// Bounds of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Bytes that wait for the client, and bytes that it has not acknowledged.
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
    /// Share groups that it was given to the session for, by their filters as subscribed.
    pub groups: Vec<Arc<str>>,
    /// No subscription of the session's own asked for it.
    pub group_only: bool,
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
        /// Where it was read from, if the journal has to know that it is sent.
        source: Option<Source>,
    },
    Release {
        packet_id: u16,
    },
    /// A message that expired or is larger than the client takes. Look again.
    Skipped(Skipped, Option<Source>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    Expired,
    TooLarge,
}

/// What the client answers next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaiting {
    Ack,
    Received,
    Complete,
}

impl Awaiting {
    /// After the PUBLISH.
    pub fn first_of(qos: QoS) -> Self {
        if qos == QoS::ExactlyOnce {
            Self::Received
        } else {
            Self::Ack
        }
    }
}

/// A message that was sent and is not acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub struct Inflight {
    pub packet_id: u16,
    pub awaiting: Awaiting,
    pub delivery: Delivery,
}

/// A subscription as the session holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// `None`: all channels of a user's organisation. Sessions in the journal have none of these.
    pub channel: Option<ChannelId>,
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
    /// Read from the journal and not sent yet.
    ahead: VecDeque<Ahead>,
    /// In the order of sending.
    inflight: VecDeque<Inflight>,
    inflight_bytes: usize,
    /// How many of `inflight` have been sent in the present connection.
    sent: usize,
    last_packet_id: u16,
    taken: Takings,
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
            ahead: VecDeque::new(),
            inflight: VecDeque::new(),
            inflight_bytes: 0,
            sent: 0,
            last_packet_id: 0,
            taken: Takings::default(),
        }
    }

    /// A session as the journal knows it, without a connection.
    pub fn restored(
        limits: SessionLimits,
        budget: Arc<QueueBudget>,
        record: &SessionRecord,
    ) -> Self {
        let client = ClientLimits {
            version: Version::V5,
            receive_maximum: u16::MAX,
            maximum_packet_size: u32::MAX,
        };
        let mut session = Self::new(limits, client, budget);
        session.subscriptions = record
            .subscriptions
            .iter()
            .map(|(filter, kept)| (filter.to_string(), kept.held))
            .collect();
        session.inflight = record.inflight.clone();
        let weights = record
            .inflight
            .iter()
            .map(|inflight| inflight.delivery.message.weight());
        session.inflight_bytes = weights.sum();
        session.last_packet_id = record.last_packet_id;
        session.taken = Takings::restored(&record.taken);
        session
    }

    /// A new connection of the same client: what is unacknowledged goes out again, first and in order (MQTT-4.4.0-1).
    pub fn resume(&mut self, client: ClientLimits) {
        self.client = client;
        self.sent = 0;
        self.taken.resume();
    }

    /// How much to read ahead from the journal.
    pub fn wants_ahead(&self) -> Wanted {
        let ahead: usize = self
            .ahead
            .iter()
            .map(|ahead| ahead.delivery.message.weight())
            .sum();
        Wanted {
            messages: self.window().saturating_sub(self.ahead.len()),
            bytes: AHEAD_BYTES.saturating_sub(ahead),
        }
    }

    /// Whether another message would have to wait for acknowledgements of the client.
    pub fn is_busy(&self) -> bool {
        !self.may_send(self.window())
    }

    /// Whether another message may be sent that the client has to acknowledge.
    fn may_send(&self, window: usize) -> bool {
        let has_room = self.inflight_bytes < self.limits.queue_bytes || self.inflight.is_empty();
        self.inflight.len() < window && has_room
    }

    fn window(&self) -> usize {
        usize::from(self.client.receive_maximum.min(self.limits.inflight))
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

    /// Channels that something of the session belongs to; some more than once.
    pub fn channels(&self) -> impl Iterator<Item = ChannelId> {
        let held = self.subscriptions.values().filter_map(|held| held.channel);
        let queued = self.queue.iter().map(|delivery| delivery.message.channel);
        let ahead = self
            .ahead
            .iter()
            .map(|ahead| ahead.delivery.message.channel);
        let inflight = self
            .inflight
            .iter()
            .map(|inflight| inflight.delivery.message.channel);
        held.chain(queued).chain(ahead).chain(inflight)
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
        if full || !self.hold(self.queued_bytes + weight) {
            return refused;
        }
        self.queue.push_back(delivery);
        Offered::Queued
    }

    /// Has so many bytes wait from now on. False: the node has no room for them, and all is as before.
    fn hold(&mut self, queued_bytes: usize) -> bool {
        let fits = self.budget.refit(self.queued_bytes, queued_bytes);
        if fits {
            self.queued_bytes = queued_bytes;
        }
        fits
    }

    /// Whether a retained message of this weight still fits.
    pub fn has_room_for(&self, weight: usize) -> bool {
        self.queue.len() < self.limits.queue_messages
            && self.queued_bytes + weight <= self.limits.queue_bytes
    }

    /// The next packet for the client, or `None` until something is offered or acknowledged.
    pub fn next(&mut self, now: Timestamp) -> Option<Next> {
        let window = self.window();
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
                    source: None,
                },
            });
        }
        if self.may_send(window)
            && let Some(ahead) = self.ahead.pop_front()
        {
            return Some(self.send(ahead.delivery, Some(ahead.source), now));
        }
        let acknowledged = self.queue.front()?.qos != QoS::AtMostOnce;
        if acknowledged && !self.may_send(window) {
            return None;
        }
        let delivery = self.queue.pop_front()?;
        self.hold(self.queued_bytes - delivery.message.weight());
        Some(self.send(delivery, None, now))
    }

    fn send(&mut self, delivery: Delivery, source: Option<Source>, now: Timestamp) -> Next {
        if delivery.message.is_expired(now) {
            return Next::Skipped(Skipped::Expired, source);
        }
        if self.is_too_large(&delivery, now) {
            return Next::Skipped(Skipped::TooLarge, source);
        }
        let mut packet_id = 0;
        if delivery.qos != QoS::AtMostOnce {
            packet_id = self.free_packet_id();
            self.inflight.push_back(Inflight {
                packet_id,
                awaiting: Awaiting::first_of(delivery.qos),
                delivery: delivery.clone(),
            });
            self.inflight_bytes += delivery.message.weight();
            self.sent += 1;
        }
        Next::Publish {
            packet_id,
            duplicate: false,
            delivery,
            source,
        }
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
        if let Some(settled) = self.inflight.remove(index) {
            self.inflight_bytes -= settled.delivery.message.weight();
        }
        if index < self.sent {
            self.sent -= 1;
        }
        true
    }

    /// A QoS 2 message from the client.
    pub fn take(&mut self, packet_id: u16, now: Timestamp) -> Take {
        self.taken.take(packet_id, now)
    }

    /// It is stored and handed on.
    pub fn settled(&mut self, packet_id: u16) {
        self.taken.settled(packet_id);
    }

    /// The message was refused, or the client releases it. Answers whether it was taken.
    pub fn release(&mut self, packet_id: u16) -> bool {
        self.taken.release(packet_id)
    }

    pub fn waiting(&self) -> usize {
        self.queue.len() + self.ahead.len() + self.inflight.len()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hold(0);
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
