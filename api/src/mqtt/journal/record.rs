//! All that is kept of one session.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::bytes::{
    CodecError, Cursor, Read, put_bytes, put_i64, put_id, put_optional, put_varint,
};
use super::entry::{
    Owner, SessionId, get_message, get_numbers, get_owner, get_qos, get_subscription, put_message,
    put_numbers, put_owner, put_subscription,
};
use crate::mqtt::session::{Awaiting, Delivery, Held, Inflight, Taken};

/// A subscription, and from where in its channel's log it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    pub held: Held,
    pub from: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    pub id: SessionId,
    pub owner: Owner,
    /// Seconds that it outlives its connection.
    pub expiry: u32,
    /// Set while there is no connection.
    pub expires_at: Option<Timestamp>,
    /// By the filter as subscribed, share name included.
    pub subscriptions: BTreeMap<Box<str>, Kept>,
    /// Where the session stands in the log of each channel that it has a subscription at QoS 1 or 2 to.
    pub cursors: BTreeMap<ChannelId, u64>,
    /// Retained messages at QoS 1 and 2 that are still to be sent, numbered.
    pub backlog: VecDeque<(u64, Delivery)>,
    pub backlog_next: u64,
    /// In the order of sending.
    pub inflight: VecDeque<Inflight>,
    pub last_packet_id: u16,
    pub taken: BTreeMap<u16, Taken>,
}

impl SessionRecord {
    pub const fn new(id: SessionId, owner: Owner, expiry: u32) -> Self {
        Self {
            id,
            owner,
            expiry,
            expires_at: None,
            subscriptions: BTreeMap::new(),
            cursors: BTreeMap::new(),
            backlog: VecDeque::new(),
            backlog_next: 0,
            inflight: VecDeque::new(),
            last_packet_id: 0,
            taken: BTreeMap::new(),
        }
    }

    /// Puts a retained message at the end of those that are still to be sent.
    pub fn queue(&mut self, delivery: Delivery) {
        self.backlog.push_back((self.backlog_next, delivery));
        self.backlog_next += 1;
    }
}

/// Whether deliveries name the share groups that they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Groups {
    /// Written before format 3.
    Unnamed,
    Named,
}

pub fn put_groups(out: &mut Vec<u8>, groups: &[Arc<str>]) {
    put_varint(out, groups.len() as u64);
    for group in groups {
        put_bytes(out, group.as_bytes());
    }
}

pub fn get_groups(cursor: &mut Cursor<'_>) -> Read<Vec<Arc<str>>> {
    (0..cursor.count()?)
        .map(|_| cursor.text().map(Arc::from))
        .collect()
}

fn put_delivery(out: &mut Vec<u8>, delivery: &Delivery) {
    put_message(out, &delivery.message);
    out.push(delivery.qos.bits() | u8::from(delivery.retain) << 2);
    put_numbers(out, &delivery.subscription_ids);
    put_groups(out, &delivery.groups);
}

fn get_delivery(cursor: &mut Cursor<'_>, groups: Groups) -> Read<Delivery> {
    let message = Arc::new(get_message(cursor)?);
    let flags = cursor.byte()?;
    Ok(Delivery {
        message,
        qos: get_qos(flags & 3)?,
        retain: flags & 4 != 0,
        subscription_ids: get_numbers(cursor)?,
        groups: match groups {
            Groups::Unnamed => Vec::new(),
            Groups::Named => get_groups(cursor)?,
        },
        group_only: false,
    })
}

/// All but the id.
pub fn put(out: &mut Vec<u8>, record: &SessionRecord) {
    put_owner(out, &record.owner);
    put_varint(out, u64::from(record.expiry));
    put_optional(out, record.expires_at, |out, at| put_i64(out, at.0));
    put_varint(out, record.subscriptions.len() as u64);
    for (filter, kept) in &record.subscriptions {
        put_bytes(out, filter.as_bytes());
        put_optional(out, kept.held.channel, |out, channel| {
            put_id(out, channel.0);
        });
        put_subscription(out, kept.held.subscription);
        put_varint(out, kept.from);
    }
    put_varint(out, record.cursors.len() as u64);
    for (channel, seq) in &record.cursors {
        put_id(out, channel.0);
        put_varint(out, *seq);
    }
    put_varint(out, record.backlog_next);
    put_varint(out, record.backlog.len() as u64);
    for (number, delivery) in &record.backlog {
        put_varint(out, *number);
        put_delivery(out, delivery);
    }
    put_varint(out, record.inflight.len() as u64);
    for inflight in &record.inflight {
        put_varint(out, u64::from(inflight.packet_id));
        out.push(match inflight.awaiting {
            Awaiting::Ack => 0,
            Awaiting::Received => 1,
            Awaiting::Complete => 2,
        });
        put_delivery(out, &inflight.delivery);
    }
    put_varint(out, u64::from(record.last_packet_id));
    put_varint(out, record.taken.len() as u64);
    for (packet_id, taken) in &record.taken {
        put_varint(out, u64::from(*packet_id));
        put_i64(out, taken.received_at.0);
        out.push(u8::from(taken.settled));
    }
}

pub fn get(cursor: &mut Cursor<'_>, id: SessionId, groups: Groups) -> Read<SessionRecord> {
    let owner = get_owner(cursor)?;
    let mut record = SessionRecord::new(id, owner, cursor.u32()?);
    record.expires_at = cursor.optional(Cursor::i64)?.map(Timestamp);
    for _ in 0..cursor.count()? {
        let filter = cursor.text()?.into();
        let held = Held {
            channel: cursor.optional(Cursor::id)?.map(ChannelId),
            subscription: get_subscription(cursor)?,
        };
        let from = cursor.varint()?;
        record.subscriptions.insert(filter, Kept { held, from });
    }
    for _ in 0..cursor.count()? {
        let channel = ChannelId(cursor.id()?);
        record.cursors.insert(channel, cursor.varint()?);
    }
    record.backlog_next = cursor.varint()?;
    for _ in 0..cursor.count()? {
        let number = cursor.varint()?;
        let delivery = get_delivery(cursor, groups)?;
        record.backlog.push_back((number, delivery));
    }
    for _ in 0..cursor.count()? {
        let packet_id = cursor.u16()?;
        let awaiting = match cursor.byte()? {
            0 => Awaiting::Ack,
            1 => Awaiting::Received,
            2 => Awaiting::Complete,
            _ => return Err(CodecError("a message awaits something unknown")),
        };
        record.inflight.push_back(Inflight {
            packet_id,
            awaiting,
            delivery: get_delivery(cursor, groups)?,
        });
    }
    record.last_packet_id = cursor.u16()?;
    for _ in 0..cursor.count()? {
        let packet_id = cursor.u16()?;
        let taken = Taken {
            received_at: Timestamp(cursor.i64()?),
            settled: cursor.boolean()?,
        };
        record.taken.insert(packet_id, taken);
    }
    Ok(record)
}
