//! The rules of one connection after its CONNECT: what a client may send when. No I/O, no session.

use std::sync::Arc;

use super::codec::{
    Ack, DecodeError, Disconnect, Packet, Publish, QoS, Reason, Subscribe, Unsubscribe, Version,
};

/// What to do about a packet.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Its topic is never empty: an alias has been replaced.
    Publish(Publish),
    PubAck(Ack),
    PubRec(Ack),
    PubRel(Ack),
    PubComp(Ack),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    Ping,
    Disconnect(Disconnect),
}

/// Follows one connection.
#[derive(Debug)]
pub struct Connection {
    version: Version,
    receive_maximum: u16,
    /// QoS 1 and 2 messages of the client that are not settled.
    unsettled: u16,
    /// Index 0 is alias 1.
    aliases: Vec<Option<Arc<str>>>,
    /// The CONNECT asked for a session that ends with the connection.
    session_ends: bool,
}

impl Connection {
    /// `receive_maximum` and `topic_alias_maximum` are those that the server announced.
    pub fn new(
        version: Version,
        receive_maximum: u16,
        topic_alias_maximum: u16,
        session_ends: bool,
    ) -> Self {
        let aliases = if version == Version::V5 {
            usize::from(topic_alias_maximum)
        } else {
            0
        };
        Self {
            version,
            receive_maximum,
            unsettled: 0,
            aliases: vec![None; aliases],
            session_ends,
        }
    }

    pub const fn version(&self) -> Version {
        self.version
    }

    /// Takes the next packet.
    ///
    /// # Errors
    /// The reason to end the connection by.
    pub fn receive(&mut self, packet: Packet) -> Result<Step, DecodeError> {
        match packet {
            Packet::Connect(_) => Err(DecodeError::protocol("a second CONNECT")),
            Packet::Publish(publish) => self.publish(publish).map(Step::Publish),
            Packet::PubAck(ack) => Ok(Step::PubAck(ack)),
            Packet::PubRec(ack) => Ok(Step::PubRec(ack)),
            Packet::PubRel(ack) => Ok(Step::PubRel(ack)),
            Packet::PubComp(ack) => Ok(Step::PubComp(ack)),
            Packet::Subscribe(subscribe) => Self::subscribe(subscribe).map(Step::Subscribe),
            Packet::Unsubscribe(unsubscribe) => Ok(Step::Unsubscribe(unsubscribe)),
            Packet::PingReq => Ok(Step::Ping),
            Packet::Disconnect(disconnect) => {
                // A session that was to end cannot be made to stay (MQTT 5, 3.14.2.2.2).
                if self.session_ends && disconnect.session_expiry.is_some_and(|expiry| expiry > 0) {
                    return Err(DecodeError::protocol(
                        "a session expiry in DISCONNECT after none in CONNECT",
                    ));
                }
                Ok(Step::Disconnect(disconnect))
            }
            Packet::Auth(_) => Err(DecodeError::protocol(
                "an AUTH without an authentication method",
            )),
        }
    }

    fn publish(&mut self, mut publish: Publish) -> Result<Publish, DecodeError> {
        if let Some(alias) = publish.topic_alias {
            let known = self
                .aliases
                .get_mut(usize::from(alias) - 1)
                .ok_or(DecodeError::with(
                    Reason::TOPIC_ALIAS_INVALID,
                    "a topic alias above the maximum",
                ))?;
            if publish.topic.is_empty() {
                publish.topic = known.clone().ok_or(DecodeError::protocol(
                    "a topic alias that stands for no topic",
                ))?;
            } else {
                *known = Some(Arc::clone(&publish.topic));
            }
        }
        if publish.qos != QoS::AtMostOnce && self.version == Version::V5 && !publish.duplicate {
            if self.unsettled >= self.receive_maximum {
                return Err(DecodeError::with(
                    Reason::RECEIVE_MAXIMUM_EXCEEDED,
                    "more unacknowledged messages than the receive maximum",
                ));
            }
            self.unsettled += 1;
        }
        Ok(publish)
    }

    fn subscribe(subscribe: Subscribe) -> Result<Subscribe, DecodeError> {
        let shared = |filter: &str| filter.starts_with("$share/");
        if subscribe
            .filters
            .iter()
            .any(|(filter, options)| options.no_local && shared(filter))
        {
            return Err(DecodeError::protocol("no local on a shared subscription"));
        }
        Ok(subscribe)
    }

    /// PUBACK, PUBCOMP or a refusing PUBREC has been sent.
    pub const fn settled(&mut self) {
        self.unsettled = self.unsettled.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::codec::{FilterOptions, RetainHandling};
    use super::*;

    fn publish(topic: &str, alias: Option<u16>) -> Packet {
        Packet::Publish(Publish {
            duplicate: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: Arc::from(topic),
            packet_id: 1,
            topic_alias: alias,
            message_expiry: None,
            properties: None,
            payload: Bytes::new(),
        })
    }

    fn connection() -> Connection {
        Connection::new(Version::V5, 2, 3, true)
    }

    #[test]
    fn an_alias_stands_for_the_topic_it_was_set_with() {
        let mut connection = connection();
        connection.receive(publish("a", Some(3))).unwrap();
        connection.settled();
        connection.receive(publish("b", Some(3))).unwrap();
        connection.settled();
        let Step::Publish(resolved) = connection.receive(publish("", Some(3))).unwrap() else {
            panic!()
        };
        assert_eq!(&*resolved.topic, "b");
        assert_eq!(
            connection
                .receive(publish("a", Some(4)))
                .unwrap_err()
                .reason,
            Reason::TOPIC_ALIAS_INVALID
        );
        assert_eq!(
            connection.receive(publish("", Some(1))).unwrap_err().reason,
            Reason::PROTOCOL_ERROR
        );
    }

    #[test]
    fn the_receive_maximum_is_kept() {
        let mut connection = connection();
        connection.receive(publish("a", None)).unwrap();
        connection.receive(publish("a", None)).unwrap();
        let error = connection.receive(publish("a", None)).unwrap_err();
        assert_eq!(error.reason, Reason::RECEIVE_MAXIMUM_EXCEEDED);
        connection.settled();
        connection.receive(publish("a", None)).unwrap();
    }

    #[test]
    fn packets_against_the_order_end_the_connection() {
        let mut connection = connection();
        let late = Disconnect {
            reason: Reason::SUCCESS,
            session_expiry: Some(10),
        };
        assert_eq!(
            connection
                .receive(Packet::Disconnect(late))
                .unwrap_err()
                .reason,
            Reason::PROTOCOL_ERROR
        );
        let options = FilterOptions {
            qos: QoS::AtMostOnce,
            no_local: true,
            retain_as_published: false,
            retain_handling: RetainHandling::Never,
        };
        let shared = Subscribe {
            packet_id: 1,
            identifier: None,
            filters: vec![("$share/g/a".into(), options)],
        };
        assert_eq!(
            connection
                .receive(Packet::Subscribe(shared))
                .unwrap_err()
                .reason,
            Reason::PROTOCOL_ERROR
        );
    }
}
