//! Packets that a server sends, as bytes.

use bytes::{BufMut, BytesMut};

use super::packet::{Ack, ConnAck, Outgoing, PublishHeader, QoS, SubAck, Version};
use super::properties::{publish_properties_size, put_string, write_publish_properties};
use super::reason::Reason;

/// Appends `packet` to `out`. What `version` does not know (reasons of acknowledgements, DISCONNECT) is left out.
pub fn encode(packet: &Outgoing<'_>, version: Version, out: &mut BytesMut) {
    match packet {
        Outgoing::ConnAck(connack) => conn_ack(connack, version, out),
        Outgoing::Publish(header, payload) => publish(header, payload, version, out),
        Outgoing::PubAck(ack, text) => acknowledge(0x40, *ack, *text, version, out),
        Outgoing::PubRec(ack, text) => acknowledge(0x50, *ack, *text, version, out),
        Outgoing::PubRel(ack) => acknowledge(0x62, *ack, None, version, out),
        Outgoing::PubComp(ack) => acknowledge(0x70, *ack, None, version, out),
        Outgoing::SubAck(suback) => sub_ack(0x90, suback, version, out),
        Outgoing::UnsubAck(unsuback) => sub_ack(0xB0, unsuback, version, out),
        Outgoing::PingResp => out.put_slice(&[0xD0, 0]),
        Outgoing::Disconnect(reason, text) => disconnect(*reason, *text, version, out),
    }
}

/// The size of the PUBLISH as [`encode`] writes it, in bytes.
pub fn publish_size(header: &PublishHeader<'_>, payload: &[u8], version: Version) -> usize {
    let remaining = publish_remaining(header, payload, version).0;
    1 + variable_integer_size(remaining) + remaining
}

/// Remaining length, and the length of the property list.
fn publish_remaining(
    header: &PublishHeader<'_>,
    payload: &[u8],
    version: Version,
) -> (usize, usize) {
    let packet_id = if header.qos == QoS::AtMostOnce { 0 } else { 2 };
    let plain = 2 + header.topic.len() + packet_id + payload.len();
    if version == Version::V3 {
        return (plain, 0);
    }
    let properties = publish_properties_size(
        header.properties,
        header.message_expiry,
        header.topic_alias,
        header.subscription_ids,
    );
    (
        plain + variable_integer_size(properties) + properties,
        properties,
    )
}

fn publish(header: &PublishHeader<'_>, payload: &[u8], version: Version, out: &mut BytesMut) {
    let (remaining, properties) = publish_remaining(header, payload, version);
    out.reserve(5 + remaining);
    let flags = u8::from(header.duplicate) << 3 | header.qos.bits() << 1 | u8::from(header.retain);
    out.put_u8(0x30 | flags);
    put_variable_integer(out, remaining);
    put_text(out, header.topic);
    if header.qos != QoS::AtMostOnce {
        out.put_u16(header.packet_id);
    }
    if version == Version::V5 {
        put_variable_integer(out, properties);
        write_publish_properties(
            out,
            header.properties,
            header.message_expiry,
            header.topic_alias,
            header.subscription_ids,
        );
    }
    out.put_slice(payload);
}

fn conn_ack(connack: &ConnAck, version: Version, out: &mut BytesMut) {
    if version == Version::V3 {
        let code = connack.reason.connect_return_code().unwrap_or(3);
        out.put_slice(&[0x20, 2, u8::from(connack.session_present), code]);
        return;
    }
    let mut body = BytesMut::new();
    body.put_slice(&[u8::from(connack.session_present), connack.reason.0]);
    connack.properties.write(&mut body);
    out.put_u8(0x20);
    put_variable_integer(out, body.len());
    out.put_slice(&body);
}

fn acknowledge(first: u8, ack: Ack, text: Option<&str>, version: Version, out: &mut BytesMut) {
    out.put_u8(first);
    if version == Version::V3 || ack.reason == Reason::SUCCESS {
        out.put_u8(2);
        out.put_u16(ack.packet_id);
        return;
    }
    let Some(text) = text else {
        out.put_u8(3);
        out.put_u16(ack.packet_id);
        out.put_u8(ack.reason.0);
        return;
    };
    let mut properties = BytesMut::new();
    put_string(&mut properties, 0x1F, Some(text));
    put_variable_integer(
        out,
        3 + variable_integer_size(properties.len()) + properties.len(),
    );
    out.put_u16(ack.packet_id);
    out.put_u8(ack.reason.0);
    put_variable_integer(out, properties.len());
    out.put_slice(&properties);
}

/// SUBACK and UNSUBACK. 3.1.1 has no codes in UNSUBACK, and one code for every refusal in SUBACK.
fn sub_ack(first: u8, ack: &SubAck, version: Version, out: &mut BytesMut) {
    out.put_u8(first);
    if version == Version::V5 {
        put_variable_integer(out, 3 + ack.reasons.len());
        out.put_u16(ack.packet_id);
        out.put_u8(0);
        out.extend(ack.reasons.iter().map(|reason| reason.0));
        return;
    }
    if first == 0xB0 {
        out.put_u8(2);
        out.put_u16(ack.packet_id);
        return;
    }
    put_variable_integer(out, 2 + ack.reasons.len());
    out.put_u16(ack.packet_id);
    out.extend(
        ack.reasons
            .iter()
            .map(|reason| if reason.is_error() { 0x80 } else { reason.0 }),
    );
}

fn disconnect(reason: Reason, text: Option<&str>, version: Version, out: &mut BytesMut) {
    if version == Version::V3 {
        return;
    }
    let mut properties = BytesMut::new();
    put_string(&mut properties, 0x1F, text);
    out.put_u8(0xE0);
    put_variable_integer(
        out,
        1 + variable_integer_size(properties.len()) + properties.len(),
    );
    out.put_u8(reason.0);
    put_variable_integer(out, properties.len());
    out.put_slice(&properties);
}

/// Appends a string with its length in front. Longer ones than MQTT knows are cut; all that come in are shorter.
pub(super) fn put_text(out: &mut BytesMut, text: &str) {
    let size = text.floor_char_boundary(text.len().min(usize::from(u16::MAX)));
    out.put_u16(u16::try_from(size).unwrap_or(u16::MAX));
    out.put_slice(&text.as_bytes()[..size]);
}

pub(super) fn put_variable_integer(out: &mut BytesMut, number: usize) {
    let mut rest = number;
    loop {
        let byte = u8::try_from(rest & 0x7f).unwrap_or_default();
        rest >>= 7;
        if rest == 0 {
            out.put_u8(byte);
            return;
        }
        out.put_u8(byte | 0x80);
    }
}

pub(super) const fn variable_integer_size(number: usize) -> usize {
    match number {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}
