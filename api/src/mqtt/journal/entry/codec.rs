//! Entries as bytes.

use std::sync::Arc;

use tellee_actors::ids::{ChannelId, ThingId};
use tellee_actors::time::Timestamp;

use super::message::{get_message, get_will, put_message, put_will};
use super::{Assigned, Entry, Owner, Sending, SessionId, Source};
use crate::mqtt::codec::QoS;
use crate::mqtt::fanout::Subscription;
use crate::mqtt::journal::bytes::{
    CodecError, Cursor, Read, put_bytes, put_i64, put_id, put_optional, put_varint,
};
use crate::mqtt::journal::piece::{get_piece, put_piece};
use crate::mqtt::journal::record::{self, Groups};
use crate::mqtt::journal::remains::{get_remains, put_remains};
use crate::mqtt::session::Held;

impl Source {
    fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Log { channel, seq } => {
                out.push(0);
                put_id(out, channel.0);
                put_varint(out, seq);
            }
            Self::Backlog { number } => {
                out.push(1);
                put_varint(out, number);
            }
        }
    }

    fn get(cursor: &mut Cursor<'_>) -> Read<Self> {
        match cursor.byte()? {
            0 => Ok(Self::Log {
                channel: ChannelId(cursor.id()?),
                seq: cursor.varint()?,
            }),
            1 => Ok(Self::Backlog {
                number: cursor.varint()?,
            }),
            _ => Err(CodecError("a message comes from an unknown place")),
        }
    }
}

pub fn put_owner(out: &mut Vec<u8>, owner: &Owner) {
    put_id(out, owner.thing.0);
    put_bytes(out, owner.client_id.as_bytes());
    put_key_hash(out, owner.key_hash);
}

pub fn get_owner(cursor: &mut Cursor<'_>) -> Read<Owner> {
    Ok(Owner {
        thing: ThingId(cursor.id()?),
        client_id: cursor.text()?.into(),
        key_hash: cursor.optional(Cursor::array)?,
    })
}

fn put_key_hash(out: &mut Vec<u8>, key_hash: Option<[u8; 32]>) {
    put_optional(out, key_hash, |out, hash| out.extend_from_slice(&hash));
}

pub fn put_subscription(out: &mut Vec<u8>, subscription: Subscription) {
    let no_local = u8::from(subscription.no_local) << 2;
    let as_published = u8::from(subscription.retain_as_published) << 3;
    out.push(subscription.qos.bits() | no_local | as_published);
    put_varint(out, subscription.identifier.map_or(0, u64::from));
}

pub fn get_subscription(cursor: &mut Cursor<'_>) -> Read<Subscription> {
    let flags = cursor.byte()?;
    let identifier = cursor.u32()?;
    Ok(Subscription {
        qos: get_qos(flags & 3)?,
        no_local: flags & 4 != 0,
        retain_as_published: flags & 8 != 0,
        identifier: (identifier > 0).then_some(identifier),
    })
}

pub fn get_qos(bits: u8) -> Read<QoS> {
    QoS::from_bits(bits).ok_or(CodecError("a QoS is above 2"))
}

pub fn put_numbers(out: &mut Vec<u8>, numbers: &[u32]) {
    put_varint(out, numbers.len() as u64);
    for number in numbers {
        put_varint(out, u64::from(*number));
    }
}

pub fn get_numbers(cursor: &mut Cursor<'_>) -> Read<Vec<u32>> {
    (0..cursor.count()?).map(|_| cursor.u32()).collect()
}

fn put_sending(out: &mut Vec<u8>, sending: &Sending) {
    put_varint(out, u64::from(sending.packet_id));
    sending.source.put(out);
    out.push(sending.qos.bits() | u8::from(sending.retain) << 2);
    put_numbers(out, &sending.subscription_ids);
}

fn get_logged(cursor: &mut Cursor<'_>, groups: Groups) -> Read<Entry> {
    let is_named = matches!(groups, Groups::Named);
    Ok(Entry::Message {
        seq: cursor.varint()?,
        logged: cursor.boolean()?,
        retained: cursor.boolean()?,
        message: Arc::new(get_message(cursor)?),
        assigned: (0..cursor.count()?)
            .map(|_| {
                Ok(Assigned {
                    session: cursor.varint()?,
                    subscription: get_subscription(cursor)?,
                    group: Arc::from(if is_named { cursor.text()? } else { "" }),
                })
            })
            .collect::<Read<_>>()?,
        assigned_only: is_named && cursor.boolean()?,
    })
}

fn get_sending(cursor: &mut Cursor<'_>) -> Read<Sending> {
    let packet_id = cursor.u16()?;
    let source = Source::get(cursor)?;
    let flags = cursor.byte()?;
    Ok(Sending {
        packet_id,
        source,
        qos: get_qos(flags & 3)?,
        retain: flags & 4 != 0,
        subscription_ids: get_numbers(cursor)?,
        message: None,
        groups: Vec::new(),
    })
}

impl Entry {
    /// Kind (1 byte), session (varint; 0 where there is none), then the fields in order.
    pub fn put(&self, out: &mut Vec<u8>) {
        let mut head = |kind: u8, session: SessionId| {
            out.push(kind);
            put_varint(out, session);
        };
        match self {
            Self::Opened {
                session,
                owner,
                expiry,
            } => {
                head(1, *session);
                put_owner(out, owner);
                put_varint(out, u64::from(*expiry));
            }
            Self::Resumed {
                session,
                key_hash,
                expiry,
            } => {
                head(2, *session);
                put_key_hash(out, *key_hash);
                put_varint(out, u64::from(*expiry));
            }
            Self::Left {
                session,
                expires_at,
            } => {
                head(3, *session);
                put_i64(out, expires_at.0);
            }
            Self::Ended { session } => head(4, *session),
            Self::Subscribed {
                session,
                filter,
                held,
                retained,
            } => {
                head(5, *session);
                put_bytes(out, filter.as_bytes());
                put_optional(out, held.channel, |out, channel| put_id(out, channel.0));
                put_subscription(out, held.subscription);
                out.push(u8::from(*retained));
            }
            Self::Unsubscribed { session, filter } => {
                head(6, *session);
                put_bytes(out, filter.as_bytes());
            }
            Self::Withdrawn { session, channel } => {
                head(7, *session);
                put_id(out, channel.0);
            }
            Self::Message {
                seq,
                logged,
                retained,
                message,
                assigned,
                assigned_only,
            } => {
                // Most messages go to no share group.
                let is_plain = assigned.is_empty() && !assigned_only;
                head(if is_plain { 8 } else { 24 }, 0);
                put_varint(out, *seq);
                out.push(u8::from(*logged));
                out.push(u8::from(*retained));
                put_message(out, message);
                put_varint(out, assigned.len() as u64);
                if is_plain {
                    return;
                }
                for one in assigned {
                    put_varint(out, one.session);
                    put_subscription(out, one.subscription);
                    put_bytes(out, one.group.as_bytes());
                }
                out.push(u8::from(*assigned_only));
            }
            Self::Sent { session, sending } => {
                head(9, *session);
                put_sending(out, sending);
            }
            Self::Passed { session, source } => {
                head(10, *session);
                source.put(out);
            }
            Self::Received { session, packet_id } => {
                head(11, *session);
                put_varint(out, u64::from(*packet_id));
            }
            Self::Acknowledged { session, packet_id } => {
                head(12, *session);
                put_varint(out, u64::from(*packet_id));
            }
            Self::Taken {
                session,
                packet_id,
                received_at,
            } => {
                head(13, *session);
                put_varint(out, u64::from(*packet_id));
                put_i64(out, received_at.0);
            }
            Self::Settled { session, packet_id } => {
                head(14, *session);
                put_varint(out, u64::from(*packet_id));
            }
            Self::Released { session, packet_id } => {
                head(15, *session);
                put_varint(out, u64::from(*packet_id));
            }
            Self::WillSet {
                session,
                thing,
                will,
            } => {
                head(16, *session);
                put_id(out, thing.0);
                put_will(out, will);
            }
            Self::WillDue { session, due } => {
                head(17, *session);
                put_i64(out, due.0);
            }
            Self::WillCleared { session } => head(18, *session),
            Self::Session(session) => {
                head(23, session.id);
                record::put(out, session);
            }
            Self::Numbered { session } => head(20, *session),
            Self::Expired { at } => {
                head(21, 0);
                put_i64(out, at.0);
            }
            Self::Spilled { channel, piece } => {
                head(22, 0);
                put_id(out, channel.0);
                put_piece(out, piece);
            }
            Self::HandedOver {
                session,
                remains,
                unacknowledged,
                before,
            } => {
                head(25, *session);
                put_varint(out, *remains);
                put_varint(out, u64::from(*unacknowledged));
                put_varint(out, *before);
            }
            Self::Rested { session, remains } => {
                head(26, *session);
                put_varint(out, *remains);
            }
            Self::Remains { number, remains } => {
                head(27, remains.session);
                put_varint(out, *number);
                put_remains(out, remains);
            }
            Self::RemainsNumbered { next } => {
                head(28, 0);
                put_varint(out, *next);
            }
        }
    }

    /// # Errors
    /// Where the bytes are no entry of this format.
    pub fn get(cursor: &mut Cursor<'_>) -> Read<Self> {
        let kind = cursor.byte()?;
        let session = cursor.varint()?;
        Ok(match kind {
            1 => Self::Opened {
                session,
                owner: get_owner(cursor)?,
                expiry: cursor.u32()?,
            },
            2 => Self::Resumed {
                session,
                key_hash: cursor.optional(Cursor::array)?,
                expiry: cursor.u32()?,
            },
            3 => Self::Left {
                session,
                expires_at: Timestamp(cursor.i64()?),
            },
            4 => Self::Ended { session },
            5 => Self::Subscribed {
                session,
                filter: cursor.text()?.into(),
                held: Held {
                    channel: cursor.optional(Cursor::id)?.map(ChannelId),
                    subscription: get_subscription(cursor)?,
                },
                retained: cursor.boolean()?,
            },
            6 => Self::Unsubscribed {
                session,
                filter: cursor.text()?.into(),
            },
            7 => Self::Withdrawn {
                session,
                channel: ChannelId(cursor.id()?),
            },
            8 => get_logged(cursor, Groups::Unnamed)?,
            9 => Self::Sent {
                session,
                sending: get_sending(cursor)?,
            },
            10 => Self::Passed {
                session,
                source: Source::get(cursor)?,
            },
            11 => Self::Received {
                session,
                packet_id: cursor.u16()?,
            },
            12 => Self::Acknowledged {
                session,
                packet_id: cursor.u16()?,
            },
            13 => Self::Taken {
                session,
                packet_id: cursor.u16()?,
                received_at: Timestamp(cursor.i64()?),
            },
            14 => Self::Settled {
                session,
                packet_id: cursor.u16()?,
            },
            15 => Self::Released {
                session,
                packet_id: cursor.u16()?,
            },
            16 => Self::WillSet {
                session,
                thing: ThingId(cursor.id()?),
                will: Arc::new(get_will(cursor)?),
            },
            17 => Self::WillDue {
                session,
                due: Timestamp(cursor.i64()?),
            },
            18 => Self::WillCleared { session },
            // Written before format 3: groups are not named.
            19 => Self::Session(Box::new(record::get(cursor, session, Groups::Unnamed)?)),
            20 => Self::Numbered { session },
            21 => Self::Expired {
                at: Timestamp(cursor.i64()?),
            },
            22 => Self::Spilled {
                channel: ChannelId(cursor.id()?),
                piece: get_piece(cursor)?,
            },
            23 => Self::Session(Box::new(record::get(cursor, session, Groups::Named)?)),
            24 => get_logged(cursor, Groups::Named)?,
            25 => Self::HandedOver {
                session,
                remains: cursor.varint()?,
                unacknowledged: cursor.u32()?,
                before: cursor.varint()?,
            },
            26 => Self::Rested {
                session,
                remains: cursor.varint()?,
            },
            27 => Self::Remains {
                number: cursor.varint()?,
                remains: Box::new(get_remains(cursor, session)?),
            },
            28 => Self::RemainsNumbered {
                next: cursor.varint()?,
            },
            _ => return Err(CodecError("an entry is of an unknown kind")),
        })
    }
}

/// All entries of a frame.
///
/// # Errors
/// Where one of them cannot be read; nothing of the frame is used then.
pub fn entries(payload: &[u8]) -> Read<Vec<Entry>> {
    let mut cursor = Cursor::new(payload);
    let mut entries = Vec::new();
    while !cursor.is_empty() {
        entries.push(Entry::get(&mut cursor)?);
    }
    Ok(entries)
}
