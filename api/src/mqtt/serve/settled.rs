//! What becomes of a message of the client once the store has answered.

use bytes::BytesMut;

use super::{End, Link, weight};
use crate::mqtt::broker::Incoming;
use crate::mqtt::codec::{Ack, Outgoing, Publish, QoS, Version};
use crate::mqtt::journal::Entry;
use crate::mqtt::settle::{Outcome, Refusal, Settled};

impl Link {
    /// Hands on what was stored and acknowledges it.
    pub(super) fn settled(&mut self, settled: Settled, output: &mut BytesMut) -> Option<End> {
        let Settled {
            publish,
            outcome,
            room,
        } = settled;
        let origin = self.established.attached.handle.id;
        self.bytes_in_flight = self.bytes_in_flight.saturating_sub(weight(&publish));
        // Slow is not stuck.
        self.starved_since = None;
        let mut position = 0;
        let refusal = match outcome {
            Outcome::Stored {
                channel,
                received_at,
            } => {
                self.broker.metrics().received[usize::from(publish.qos.bits())].one_more();
                let settled = self.stored(&publish);
                position = self.broker.deliver(
                    channel,
                    &Incoming::of_publish(&publish, origin),
                    received_at,
                    settled,
                );
                None
            }
            Outcome::Duplicate => {
                if self.established.attached.handle.journaled {
                    position = self.broker.journal().last();
                }
                // A duplicate that does not call itself one was counted as a new message.
                if !publish.duplicate {
                    self.connection.settled();
                }
                None
            }
            Outcome::Refused(refusal) => Some(refusal),
        };
        // The journal counts the message itself from here on.
        drop(room);
        if let Some(refusal) = refusal {
            return self.refused(&publish, &refusal, output);
        }
        let ack = Ack::success(publish.packet_id);
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => {
                self.connection.settled();
                self.encode_after(position, &Outgoing::PubAck(ack, None), output);
            }
            QoS::ExactlyOnce => {
                self.encode_after(position, &Outgoing::PubRec(ack, None), output);
            }
        }
        None
    }

    /// A QoS 2 message is known as settled together with what becomes of it, so that no crash comes between.
    fn stored(&self, publish: &Publish) -> Option<Entry> {
        if publish.qos != QoS::ExactlyOnce {
            return None;
        }
        let handle = &self.established.attached.handle;
        handle.state.lock().session.settled(publish.packet_id);
        self.note(|session| Entry::Settled {
            session,
            packet_id: publish.packet_id,
        })
    }

    fn refused(
        &mut self,
        publish: &Publish,
        refusal: &Refusal,
        output: &mut BytesMut,
    ) -> Option<End> {
        let metrics = self.broker.metrics();
        if refusal.retryable && publish.qos == QoS::AtMostOnce {
            metrics.dropped_not_stored.one_more();
            return None;
        }
        metrics.publishes_refused.one_more();
        if publish.qos == QoS::ExactlyOnce {
            self.established
                .attached
                .handle
                .state
                .lock()
                .session
                .release(publish.packet_id);
            self.append_lazily(self.note(|session| Entry::Released {
                session,
                packet_id: publish.packet_id,
            }));
        }
        // 3.1.1 has no word for it: an acknowledgement would be a lie, so the connection ends (MQTT-3.3.5-2).
        if self.version() == Version::V3 {
            return Some(End::Ordered(refusal.reason));
        }
        let ack = Ack {
            packet_id: publish.packet_id,
            reason: refusal.reason,
        };
        let text = Some(refusal.text.as_str()).filter(|_| self.established.wants_texts);
        match publish.qos {
            QoS::AtMostOnce => return None,
            QoS::AtLeastOnce => self.encode(&Outgoing::PubAck(ack, text), output),
            QoS::ExactlyOnce => self.encode(&Outgoing::PubRec(ack, text), output),
        }
        self.connection.settled();
        None
    }
}
