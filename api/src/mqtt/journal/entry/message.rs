//! Messages and wills inside entries.

use std::sync::Arc;

use bytes::Bytes;
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::get_qos;
use crate::mqtt::codec::{MessageProperties, Will};
use crate::mqtt::journal::bytes::{
    Cursor, Read, put_bytes, put_i64, put_id, put_optional, put_varint,
};
use crate::mqtt::message::Message;

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

fn put_properties(out: &mut Vec<u8>, properties: &MessageProperties) {
    put_optional(out, properties.is_text, |out, is_text| {
        out.push(u8::from(is_text))
    });
    put_optional(out, properties.content_type.as_deref(), put_text);
    put_optional(out, properties.response_topic.as_deref(), put_text);
    put_optional(out, properties.correlation_data.as_deref(), put_bytes);
    put_varint(out, properties.user_properties.len() as u64);
    for (name, value) in &properties.user_properties {
        put_text(out, name);
        put_text(out, value);
    }
}

fn get_properties(cursor: &mut Cursor<'_>) -> Read<Box<MessageProperties>> {
    let text = |cursor: &mut Cursor<'_>| cursor.text().map(str::to_owned);
    Ok(Box::new(MessageProperties {
        is_text: cursor.optional(Cursor::boolean)?,
        content_type: cursor.optional(text)?,
        response_topic: cursor.optional(text)?,
        correlation_data: cursor.optional(|cursor| cursor.bytes().map(Bytes::copy_from_slice))?,
        user_properties: (0..cursor.count()?)
            .map(|_| Ok((text(cursor)?, text(cursor)?)))
            .collect::<Read<_>>()?,
    }))
}

pub fn put_message(out: &mut Vec<u8>, message: &Message) {
    put_id(out, message.channel.0);
    put_text(out, &message.topic);
    put_bytes(out, &message.payload);
    out.push(message.qos.bits() | u8::from(message.retain) << 2);
    put_optional(out, message.expires_at, |out, at| put_i64(out, at.0));
    put_optional(out, message.properties.as_deref(), put_properties);
    put_varint(out, message.origin);
    put_i64(out, message.received_at.0);
}

pub fn get_message(cursor: &mut Cursor<'_>) -> Read<Message> {
    let channel = ChannelId(cursor.id()?);
    let topic = Arc::from(cursor.text()?);
    let payload = Bytes::copy_from_slice(cursor.bytes()?);
    let flags = cursor.byte()?;
    Ok(Message {
        channel,
        topic,
        payload,
        qos: get_qos(flags & 3)?,
        retain: flags & 4 != 0,
        expires_at: cursor.optional(Cursor::i64)?.map(Timestamp),
        properties: cursor.optional(get_properties)?,
        origin: cursor.varint()?,
        received_at: Timestamp(cursor.i64()?),
    })
}

pub fn put_will(out: &mut Vec<u8>, will: &Will) {
    put_text(out, &will.topic);
    put_bytes(out, &will.payload);
    out.push(will.qos.bits() | u8::from(will.retain) << 2);
    put_varint(out, u64::from(will.delay));
    put_optional(out, will.message_expiry, |out, seconds| {
        put_varint(out, u64::from(seconds));
    });
    put_optional(out, will.properties.as_deref(), put_properties);
}

pub fn get_will(cursor: &mut Cursor<'_>) -> Read<Will> {
    let topic = Arc::from(cursor.text()?);
    let payload = Bytes::copy_from_slice(cursor.bytes()?);
    let flags = cursor.byte()?;
    Ok(Will {
        topic,
        payload,
        qos: get_qos(flags & 3)?,
        retain: flags & 4 != 0,
        delay: cursor.u32()?,
        message_expiry: cursor.optional(Cursor::u32)?,
        properties: cursor.optional(get_properties)?,
    })
}
