//! Packets that are answered at once.

use std::sync::Arc;

use bytes::BytesMut;

use super::Link;
use crate::mqtt::codec::{Ack, Outgoing, Reason, SubAck};
use crate::mqtt::connection::Step;
use crate::mqtt::journal::Entry;

impl Link {
    /// All packets that are answered at once.
    pub(super) fn answer(&mut self, step: Step, output: &mut BytesMut) {
        let handle = Arc::clone(&self.established.attached.handle);
        match step {
            // An acknowledgement of what is not in flight changes nothing.
            Step::PubAck(ack) => {
                if handle.state.lock().session.acknowledged(ack.packet_id) {
                    self.append_lazily(self.settles(ack));
                }
            }
            Step::PubComp(ack) => {
                if handle.state.lock().session.completed(ack.packet_id) {
                    self.append_lazily(self.settles(ack));
                }
            }
            Step::PubRec(ack) => {
                let release = handle.state.lock().session.received(ack);
                match release {
                    None => self.append_lazily(self.settles(ack)),
                    Some(release) => {
                        // The client forgets the message once it is released: so it must not be sent again.
                        let received = self.note(|session| Entry::Received {
                            session,
                            packet_id: ack.packet_id,
                        });
                        let position = self.append(received.filter(|_| !release.reason.is_error()));
                        self.encode_after(position, &Outgoing::PubRel(release), output);
                    }
                }
            }
            Step::PubRel(ack) => {
                let known = handle.state.lock().session.release(ack.packet_id);
                // The client may use the identifier anew once it is told.
                let released = self.note(|session| Entry::Released {
                    session,
                    packet_id: ack.packet_id,
                });
                let position = self.append(released.filter(|_| known));
                let reason = if known {
                    Reason::SUCCESS
                } else {
                    Reason::PACKET_ID_NOT_FOUND
                };
                if known {
                    self.connection.settled();
                }
                self.encode_after(
                    position,
                    &Outgoing::PubComp(Ack {
                        packet_id: ack.packet_id,
                        reason,
                    }),
                    output,
                );
            }
            Step::Subscribe(subscribe) => {
                let (reasons, position) = self.broker.subscribe(&handle, &subscribe);
                let suback = SubAck {
                    packet_id: subscribe.packet_id,
                    reasons,
                };
                self.encode_after(position, &Outgoing::SubAck(&suback), output);
            }
            Step::Unsubscribe(unsubscribe) => {
                let (reasons, position) = self.broker.unsubscribe(&handle, &unsubscribe);
                let unsuback = SubAck {
                    packet_id: unsubscribe.packet_id,
                    reasons,
                };
                self.encode_after(position, &Outgoing::UnsubAck(&unsuback), output);
            }
            Step::Ping => self.encode(&Outgoing::PingResp, output),
            // Taken care of by the loop.
            Step::Publish(_) | Step::Disconnect(_) => {}
        }
    }

    /// The client has settled a message that was sent to it.
    fn settles(&self, ack: Ack) -> Option<Entry> {
        self.note(|session| Entry::Acknowledged {
            session,
            packet_id: ack.packet_id,
        })
    }
}
