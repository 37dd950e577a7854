//! What a member of share groups has left to them: messages that were given to it and that it has not acknowledged
//! (MQTT 5, 4.8.2).

use std::collections::VecDeque;
use std::sync::Arc;

use tellee_actors::ids::ChannelId;

use super::bytes::{Cursor, Read, put_bytes, put_id, put_optional, put_varint};
use super::entry::{SessionId, get_message, put_message};
use super::record::{get_groups, put_groups};
use crate::mqtt::message::Message;

/// Names remains for as long as the data folder lives.
pub type RemainsId = u64;

/// A message that is to go to another member of each of these groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Orphan {
    pub message: Arc<Message>,
    /// By their filters as subscribed.
    pub groups: Vec<Arc<str>>,
}

/// What one session left in one channel: because it ended, or may not use the channel any more, or has unsubscribed.
#[derive(Debug, Clone, PartialEq)]
pub struct Remains {
    /// It may go on, without these groups.
    pub session: SessionId,
    pub channel: ChannelId,
    /// The groups, by their filters, for which it had still to get messages of the channel's log.
    pub groups: Vec<Box<str>>,
    /// From where in the log; `None` if it has to get none.
    pub cursor: Option<u64>,
    /// Sent at QoS 1. What was sent at QoS 2 goes to nobody else (MQTT-4.8.2-5).
    pub unacknowledged: VecDeque<Orphan>,
}

/// All but the session.
pub fn put_remains(out: &mut Vec<u8>, remains: &Remains) {
    put_id(out, remains.channel.0);
    put_varint(out, remains.groups.len() as u64);
    for group in &remains.groups {
        put_bytes(out, group.as_bytes());
    }
    put_optional(out, remains.cursor, put_varint);
    put_varint(out, remains.unacknowledged.len() as u64);
    for orphan in &remains.unacknowledged {
        put_message(out, &orphan.message);
        put_groups(out, &orphan.groups);
    }
}

pub fn get_remains(cursor: &mut Cursor<'_>, session: SessionId) -> Read<Remains> {
    Ok(Remains {
        session,
        channel: ChannelId(cursor.id()?),
        groups: (0..cursor.count()?)
            .map(|_| cursor.text().map(Box::from))
            .collect::<Read<_>>()?,
        cursor: cursor.optional(Cursor::varint)?,
        unacknowledged: (0..cursor.count()?)
            .map(|_| {
                Ok(Orphan {
                    message: Arc::new(get_message(cursor)?),
                    groups: get_groups(cursor)?,
                })
            })
            .collect::<Read<_>>()?,
    })
}
