//! What the journal says: one entry for each change of what outlives a connection.

mod codec;
mod message;

use std::sync::Arc;

use bytes::Bytes;
use tellee_actors::ids::{ChannelId, ThingId};
use tellee_actors::time::Timestamp;

pub use codec::{
    entries, get_numbers, get_owner, get_qos, get_subscription, put_numbers, put_owner,
    put_subscription,
};
pub use message::{get_message, put_message};

use super::piece::Piece;
use super::record::SessionRecord;
use super::remains::{Remains, RemainsId};
use crate::mqtt::codec::{QoS, Will};
use crate::mqtt::fanout::Subscription;
use crate::mqtt::message::Message;
use crate::mqtt::session::Held;

/// Names a session for as long as the data folder lives; a later session of the same client has another one.
pub type SessionId = u64;

/// Where a session found a message that it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The log of a channel.
    Log { channel: ChannelId, seq: u64 },
    /// The retained messages that a subscription asked for, numbered from the session's first.
    Backlog { number: u64 },
}

/// A shared subscription gave the message to this session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    pub session: SessionId,
    /// The group: its filter as subscribed, share name included. Empty in what was written before format 3.
    pub group: Arc<str>,
    pub subscription: Subscription,
}

/// What a client is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub thing: ThingId,
    pub client_id: Box<str>,
    /// SHA-256 of the key that it signed in with; `None` if it came by another credential.
    pub key_hash: Option<[u8; 32]>,
}

/// How a message goes to a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Sending {
    pub packet_id: u16,
    pub source: Source,
    pub qos: QoS,
    pub retain: bool,
    pub subscription_ids: Vec<u32>,
    /// The message itself, for who applies the entry when it does not lie in memory any more. Not written.
    pub message: Option<Arc<Message>>,
    /// The share groups that it is sent for, by the same rule.
    pub groups: Vec<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    Opened {
        session: SessionId,
        owner: Owner,
        /// Seconds that it outlives its connection.
        expiry: u32,
    },
    Resumed {
        session: SessionId,
        key_hash: Option<[u8; 32]>,
        expiry: u32,
    },
    /// The connection ended; the session stays until then.
    Left {
        session: SessionId,
        expires_at: Timestamp,
    },
    Ended {
        session: SessionId,
    },
    Subscribed {
        session: SessionId,
        filter: Box<str>,
        held: Held,
        /// The retained messages that match are to be sent.
        retained: bool,
    },
    Unsubscribed {
        session: SessionId,
        filter: Box<str>,
    },
    /// The client may not use the channel any more.
    Withdrawn {
        session: SessionId,
        channel: ChannelId,
    },
    /// A message that is retained, or that a session has to get, or both.
    Message {
        /// Its place in the channel's log.
        seq: u64,
        /// A session has to get it.
        logged: bool,
        /// It is the last of its topic from now on, or removes that one if it is empty.
        retained: bool,
        message: Arc<Message>,
        assigned: Vec<Assigned>,
        /// Nobody else gets it: it was logged before, for a member of a share group that has ended.
        assigned_only: bool,
    },
    Sent {
        session: SessionId,
        sending: Sending,
    },
    /// The session needs nothing up to and with this place.
    Passed {
        session: SessionId,
        source: Source,
    },
    /// PUBREC came.
    Received {
        session: SessionId,
        packet_id: u16,
    },
    /// PUBACK or PUBCOMP came, or a PUBREC that refuses.
    Acknowledged {
        session: SessionId,
        packet_id: u16,
    },
    /// A QoS 2 message came from the client and is about to be stored.
    Taken {
        session: SessionId,
        packet_id: u16,
        received_at: Timestamp,
    },
    /// It is stored and handed on.
    Settled {
        session: SessionId,
        packet_id: u16,
    },
    /// PUBREL came, or the message was refused.
    Released {
        session: SessionId,
        packet_id: u16,
    },
    WillSet {
        session: SessionId,
        thing: ThingId,
        will: Arc<Will>,
    },
    WillDue {
        session: SessionId,
        due: Timestamp,
    },
    /// Published, or not wanted any more.
    WillCleared {
        session: SessionId,
    },
    /// All of a session, in snapshots.
    Session(Box<SessionRecord>),
    /// No session has been given a higher number, in snapshots.
    Numbered {
        session: SessionId,
    },
    /// Retained messages that expire before this time are gone.
    Expired {
        at: Timestamp,
    },
    /// Messages of a channel's log that lie in a file of their own, in snapshots.
    Spilled {
        channel: ChannelId,
        piece: Piece,
    },
    /// Of what a member left to its share groups, so much went to other members, or found none.
    HandedOver {
        session: SessionId,
        remains: RemainsId,
        /// Of what was unacknowledged, how many messages.
        unacknowledged: u32,
        /// Everything before this place of the log; 0 for nothing.
        before: u64,
    },
    /// Nothing of it is left.
    Rested {
        session: SessionId,
        remains: RemainsId,
    },
    /// What a member left to its share groups, in snapshots.
    Remains {
        number: RemainsId,
        remains: Box<Remains>,
    },
    /// The number that the next remains get, in snapshots.
    RemainsNumbered {
        next: RemainsId,
    },
}

impl Entry {
    /// What removes the retained `message`: an empty one of its topic.
    pub fn removal_of(message: &Message) -> Self {
        Self::Message {
            seq: 0,
            logged: false,
            retained: true,
            message: Arc::new(Message {
                payload: Bytes::new(),
                properties: None,
                ..message.clone()
            }),
            assigned: Vec::new(),
            assigned_only: false,
        }
    }
}
