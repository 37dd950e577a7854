//! From the session to the output of its connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;

use super::Link;
use crate::mqtt::codec::{Ack, Outgoing, Reason, encode};
use crate::mqtt::journal::{Entry, Sending};
use crate::mqtt::session::{Delivery, Next, Skipped, header};
use crate::mqtt::wire::OUTPUT_HIGH_WATER;

/// How far the deliveries of a session have come.
pub(super) enum Delivered {
    /// Nothing more until something is offered or acknowledged.
    All,
    /// The output is full.
    Some,
    /// The connection has to end.
    End(Reason),
}

impl Link {
    /// Writes what waits in the session.
    pub(super) fn deliver(&mut self, into: &mut BytesMut) -> Delivered {
        let handle = Arc::clone(&self.established.attached.handle);
        let mut state = handle.state.lock();
        if let Some(reason) = state.connected.as_ref().and_then(|connected| connected.end) {
            return Delivered::End(reason);
        }
        self.broker.withdraw(&handle, &mut state);
        let now = self.broker.ingest().clock().now();
        let broker = Arc::clone(&self.broker);
        let metrics = broker.metrics();
        let version = self.version();
        let mut noted = Vec::new();
        // Straight into the output, unless something has to wait for the journal.
        let aside = handle.journaled || self.outbox.awaits().is_some();
        let mut output = if aside {
            BytesMut::new()
        } else {
            std::mem::take(into)
        };
        let room = OUTPUT_HIGH_WATER.saturating_sub(self.outbox.bytes() + into.len());
        let mut delivered = Delivered::Some;
        while output.len() < room {
            let mut next = state.session.next(now);
            if next.is_none() {
                broker.read_ahead(&handle, &mut state);
                next = state.session.next(now);
            }
            let Some(next) = next else {
                delivered = Delivered::All;
                break;
            };
            match next {
                Next::Publish {
                    packet_id,
                    duplicate,
                    delivery,
                    source,
                } => {
                    metrics.sent[usize::from(delivery.qos.bits())].one_more();
                    let (known, alias) = self.alias(&delivery);
                    let mut header = header(&delivery, packet_id, duplicate, now);
                    header.topic_alias = alias;
                    if known {
                        header.topic = "";
                    }
                    let packet = Outgoing::Publish(header, &delivery.message.payload);
                    encode(&packet, version, &mut output);
                    noted.extend(source.map(|source| Entry::Sent {
                        session: handle.id,
                        sending: Sending {
                            packet_id,
                            source,
                            qos: delivery.qos,
                            retain: delivery.retain,
                            subscription_ids: delivery.subscription_ids,
                            message: Some(delivery.message),
                            groups: delivery.groups,
                        },
                    }));
                }
                Next::Release { packet_id } => {
                    let packet = Outgoing::PubRel(Ack::success(packet_id));
                    encode(&packet, version, &mut output);
                }
                Next::Skipped(skipped, source) => {
                    match skipped {
                        Skipped::Expired => metrics.dropped_expired.one_more(),
                        Skipped::TooLarge => metrics.dropped_too_large.one_more(),
                    }
                    noted.extend(source.map(|source| Entry::Passed {
                        session: handle.id,
                        source,
                    }));
                }
            }
        }
        // Members of share groups who take no more do not hold up what others could have.
        let busy = state.session.is_busy() || matches!(delivered, Delivered::Some);
        handle.busy.store(busy, Ordering::Relaxed);
        if !aside {
            *into = output;
            return delivered;
        }
        // The client must not know an identifier that the journal does not.
        let position = if noted.is_empty() {
            0
        } else {
            broker.journal().append(noted)
        };
        if !output.is_empty() {
            let durable = || broker.journal().durable();
            self.outbox.put(position, durable, into, |out| {
                out.unsplit(output);
            });
        }
        delivered
    }

    /// Whether the client knows the topic's alias already, and the alias. The first topics get one each.
    fn alias(&mut self, delivery: &Delivery) -> (bool, Option<u16>) {
        let most = self.established.topic_alias_maximum;
        if most == 0 {
            return (false, None);
        }
        let topic = &delivery.message.topic;
        if let Some(alias) = self.aliases.get(topic) {
            return (true, Some(*alias));
        }
        let next = u16::try_from(self.aliases.len() + 1)
            .ok()
            .filter(|next| *next <= most);
        if let Some(next) = next {
            self.aliases.insert(Arc::clone(topic), next);
        }
        (false, next)
    }
}
