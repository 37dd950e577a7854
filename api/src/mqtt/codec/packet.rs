//! Packets in memory.

use std::sync::Arc;

use bytes::Bytes;

use super::properties::{MessageProperties, Properties};
use super::reason::Reason;

/// The version that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// 3.1.1, protocol level 4.
    V3,
    /// 5, protocol level 5.
    V5,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QoS {
    #[default]
    AtMostOnce,
    AtLeastOnce,
    ExactlyOnce,
}

impl QoS {
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    pub const fn bits(self) -> u8 {
        self as u8
    }
}

/// What a client sends.
#[derive(Debug, Clone, PartialEq)]
pub enum Packet {
    Connect(Box<Connect>),
    Publish(Publish),
    PubAck(Ack),
    PubRec(Ack),
    PubRel(Ack),
    PubComp(Ack),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    PingReq,
    Disconnect(Disconnect),
    Auth(Auth),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Connect {
    pub version: Version,
    /// Clean Session of 3.1.1, Clean Start of 5.
    pub clean_start: bool,
    /// Seconds; 0 is none.
    pub keep_alive: u16,
    pub client_id: String,
    pub will: Option<Will>,
    pub user_name: Option<String>,
    pub password: Option<Bytes>,
    pub properties: Properties,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Will {
    pub topic: Arc<str>,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
    /// Seconds.
    pub delay: u32,
    /// Seconds.
    pub message_expiry: Option<u32>,
    pub properties: Option<Box<MessageProperties>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Publish {
    pub duplicate: bool,
    pub qos: QoS,
    pub retain: bool,
    /// Empty only where a topic alias stands for it.
    pub topic: Arc<str>,
    /// 0 for QoS 0.
    pub packet_id: u16,
    pub topic_alias: Option<u16>,
    /// Seconds.
    pub message_expiry: Option<u32>,
    pub properties: Option<Box<MessageProperties>>,
    pub payload: Bytes,
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    pub packet_id: u16,
    pub reason: Reason,
}

impl Ack {
    pub const fn success(packet_id: u16) -> Self {
        Self {
            packet_id,
            reason: Reason::SUCCESS,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetainHandling {
    SendAlways,
    SendIfNew,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterOptions {
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe {
    pub packet_id: u16,
    pub identifier: Option<u32>,
    /// At least one.
    pub filters: Vec<(String, FilterOptions)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Unsubscribe {
    pub packet_id: u16,
    /// At least one.
    pub filters: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Disconnect {
    pub reason: Reason,
    /// Seconds.
    pub session_expiry: Option<u32>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Auth {
    pub reason: Reason,
}

/// What a server sends.
#[derive(Debug, Clone, PartialEq)]
pub enum Outgoing<'a> {
    ConnAck(&'a ConnAck),
    Publish(PublishHeader<'a>, &'a [u8]),
    PubAck(Ack, Option<&'a str>),
    PubRec(Ack, Option<&'a str>),
    PubRel(Ack),
    PubComp(Ack),
    SubAck(&'a SubAck),
    UnsubAck(&'a SubAck),
    PingResp,
    /// 5 only.
    Disconnect(Reason, Option<&'a str>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct ConnAck {
    pub session_present: bool,
    pub reason: Reason,
    pub properties: Properties,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SubAck {
    pub packet_id: u16,
    pub reasons: Vec<Reason>,
}

/// All of a PUBLISH but its payload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishHeader<'a> {
    pub duplicate: bool,
    pub qos: QoS,
    pub retain: bool,
    /// Empty where the client knows the topic by its alias.
    pub topic: &'a str,
    pub packet_id: u16,
    pub topic_alias: Option<u16>,
    /// Seconds left.
    pub message_expiry: Option<u32>,
    pub subscription_ids: &'a [u32],
    pub properties: Option<&'a MessageProperties>,
}
