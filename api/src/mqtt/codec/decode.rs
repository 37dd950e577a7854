//! Packets that a client sends, from bytes.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use super::error::DecodeError;
use super::packet::{
    Ack, Auth, Connect, Disconnect, FilterOptions, Packet, Publish, QoS, RetainHandling, Subscribe,
    Unsubscribe, Version, Will,
};
use super::properties::{self, MessageProperties, Place};
use super::reader::{self, Reader};
use super::reason::Reason;

/// One packet's bytes: the first byte, and all behind the remaining length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub first: u8,
    pub body: Bytes,
}

/// Cuts the first frame off `input`; `None` if bytes are missing.
///
/// # Errors
/// A malformed remaining length, or a packet of more than `maximum` bytes. It is told before its bytes have come.
pub fn take_frame(input: &mut BytesMut, maximum: usize) -> Result<Option<Frame>, DecodeError> {
    let Some(first) = input.first().copied() else {
        return Ok(None);
    };
    let Some((remaining, size)) = reader::variable_integer(&input[1..])? else {
        return Ok(None);
    };
    let (header, remaining) = (1 + size, remaining as usize);
    if header + remaining > maximum {
        return Err(DecodeError::with(
            Reason::PACKET_TOO_LARGE,
            "the packet is larger than allowed",
        ));
    }
    if input.len() < header + remaining {
        return Ok(None);
    }
    input.advance(header);
    Ok(Some(Frame {
        first,
        body: input.split_to(remaining).freeze(),
    }))
}

/// The version that the answer to a CONNECT must be written in, whatever else is wrong with it; `None` if it is not to
/// be answered at all.
pub fn answer_version(frame: &Frame) -> Option<Version> {
    if frame.first >> 4 != 1 {
        return None;
    }
    match frame.body.get(..7)? {
        [0, 4, b'M', b'Q', b'T', b'T', level] => {
            Some(if *level < 5 { Version::V3 } else { Version::V5 })
        }
        [0, 6, b'M', b'Q', b'I', b's', b'd'] => Some(Version::V3),
        _ => None,
    }
}

/// Reads the packet that must be the first of a connection.
///
/// # Errors
/// Any other packet, and a CONNECT against the rules.
pub fn decode_connect(frame: Frame) -> Result<Box<Connect>, DecodeError> {
    if frame.first >> 4 != 1 {
        return Err(DecodeError::protocol("the first packet is no CONNECT"));
    }
    if frame.first & 0x0f != 0 {
        return Err(RESERVED_FLAGS);
    }
    connect(&mut Reader::new(frame.body)).map(Box::new)
}

const RESERVED_FLAGS: DecodeError =
    DecodeError::malformed("reserved flags of the fixed header are wrong");
const TRAILING: DecodeError = DecodeError::malformed("bytes are left behind the packet's fields");

/// Reads any packet that a client may send.
///
/// # Errors
/// A packet against the rules, with the reason that the connection ends by.
pub fn decode(frame: Frame, version: Version) -> Result<Packet, DecodeError> {
    let kind = frame.first >> 4;
    let flags = frame.first & 0x0f;
    let wanted = match kind {
        3 => flags,
        6 | 8 | 10 => 0b0010,
        _ => 0,
    };
    if flags != wanted {
        return Err(RESERVED_FLAGS);
    }
    let mut reader = Reader::new(frame.body);
    let packet = match kind {
        1 => return Err(DecodeError::protocol("a second CONNECT")),
        3 => return publish(reader, flags, version).map(Packet::Publish),
        4 => Packet::PubAck(ack(&mut reader, version, &PUBLISH_REASONS)?),
        5 => Packet::PubRec(ack(&mut reader, version, &PUBLISH_REASONS)?),
        6 => Packet::PubRel(ack(&mut reader, version, &RELEASE_REASONS)?),
        7 => Packet::PubComp(ack(&mut reader, version, &RELEASE_REASONS)?),
        8 => Packet::Subscribe(subscribe(&mut reader, version)?),
        10 => Packet::Unsubscribe(unsubscribe(&mut reader, version)?),
        12 => Packet::PingReq,
        14 => Packet::Disconnect(disconnect(&mut reader, version)?),
        15 if version == Version::V5 => Packet::Auth(auth(&mut reader)?),
        2 | 9 | 11 | 13 => return Err(DecodeError::protocol("a packet that only a server sends")),
        _ => return Err(DecodeError::malformed("a packet of a reserved type")),
    };
    if !reader.is_empty() {
        return Err(TRAILING);
    }
    Ok(packet)
}

fn connect(reader: &mut Reader) -> Result<Connect, DecodeError> {
    let name = reader.text()?;
    let level = reader.u8()?;
    let version = match (name.as_str(), level) {
        ("MQTT", 4) => Version::V3,
        ("MQTT", 5) => Version::V5,
        ("MQTT" | "MQIsdp", _) => {
            return Err(DecodeError::with(
                Reason::UNSUPPORTED_VERSION,
                "the protocol level is neither 4 nor 5",
            ));
        }
        _ => return Err(DecodeError::protocol("the protocol name is not `MQTT`")),
    };
    let flags = reader.u8()?;
    if flags & 1 != 0 {
        return Err(DecodeError::malformed("the reserved connect flag is set"));
    }
    let (has_user_name, has_password) = (flags & 0x80 != 0, flags & 0x40 != 0);
    if version == Version::V3 && has_password && !has_user_name {
        return Err(DecodeError::malformed("a password without a user name"));
    }
    let has_will = flags & 0x04 != 0;
    if !has_will && flags & 0x38 != 0 {
        return Err(DecodeError::malformed("will flags without a will"));
    }
    let will_qos =
        QoS::from_bits(flags >> 3 & 3).ok_or(DecodeError::malformed("the QoS of the will is 3"))?;
    let keep_alive = reader.u16()?;
    let properties = match version {
        Version::V3 => properties::Read::default(),
        Version::V5 => properties::read(reader, Place::Connect)?,
    };
    let client_id = reader.text()?;
    let will = has_will
        .then(|| will(reader, version, will_qos, flags & 0x20 != 0))
        .transpose()?;
    let user_name = has_user_name.then(|| reader.text()).transpose()?;
    let password = has_password.then(|| reader.binary()).transpose()?;
    if !reader.is_empty() {
        return Err(TRAILING);
    }
    Ok(Connect {
        version,
        clean_start: flags & 0x02 != 0,
        keep_alive,
        client_id,
        will,
        user_name,
        password,
        properties: properties.packet,
    })
}

fn will(
    reader: &mut Reader,
    version: Version,
    qos: QoS,
    retain: bool,
) -> Result<Will, DecodeError> {
    let read = match version {
        Version::V3 => properties::Read::default(),
        Version::V5 => properties::read(reader, Place::Will)?,
    };
    let topic: Arc<str> = Arc::from(reader.text()?);
    if topic.is_empty() || topic.contains(['+', '#']) {
        return Err(DecodeError::with(
            Reason::TOPIC_NAME_INVALID,
            "the topic of the will is empty or holds a wildcard",
        ));
    }
    check_response_topic(&read.message)?;
    let payload = Bytes::copy_from_slice(&reader.binary()?);
    Ok(Will {
        topic,
        payload,
        qos,
        retain,
        delay: read.will_delay.unwrap_or(0),
        message_expiry: read.message_expiry,
        properties: boxed(read.message).map(|mut properties| {
            properties.detach();
            properties
        }),
    })
}

fn boxed(properties: MessageProperties) -> Option<Box<MessageProperties>> {
    (!properties.is_empty()).then(|| Box::new(properties))
}

fn publish(mut reader: Reader, flags: u8, version: Version) -> Result<Publish, DecodeError> {
    let qos = QoS::from_bits(flags >> 1 & 3).ok_or(DecodeError::malformed("the QoS is 3"))?;
    let duplicate = flags & 0x08 != 0;
    if duplicate && qos == QoS::AtMostOnce {
        return Err(DecodeError::malformed("a duplicate of QoS 0"));
    }
    let topic = reader.text()?;
    let packet_id = if qos == QoS::AtMostOnce {
        0
    } else {
        packet_id(&mut reader)?
    };
    let read = match version {
        Version::V3 => properties::Read::default(),
        Version::V5 => properties::read(&mut reader, Place::Publish)?,
    };
    if topic.contains(['+', '#']) {
        return Err(DecodeError::with(
            Reason::TOPIC_NAME_INVALID,
            "a topic name holds a wildcard",
        ));
    }
    if topic.is_empty() && version == Version::V3 {
        return Err(DecodeError::malformed("a topic name is empty"));
    }
    if topic.is_empty() && read.topic_alias.is_none() {
        return Err(DecodeError::protocol(
            "neither a topic name nor a topic alias",
        ));
    }
    check_response_topic(&read.message)?;
    Ok(Publish {
        duplicate,
        qos,
        retain: flags & 0x01 != 0,
        topic: Arc::from(topic),
        packet_id,
        topic_alias: read.topic_alias,
        message_expiry: read.message_expiry,
        properties: boxed(read.message),
        payload: reader.rest(),
    })
}

fn check_response_topic(properties: &MessageProperties) -> Result<(), DecodeError> {
    match &properties.response_topic {
        Some(topic) if topic.is_empty() || topic.contains(['+', '#']) => Err(
            DecodeError::protocol("a response topic is empty or holds a wildcard"),
        ),
        _ => Ok(()),
    }
}

fn packet_id(reader: &mut Reader) -> Result<u16, DecodeError> {
    match reader.u16()? {
        0 => Err(DecodeError::protocol("packet identifier 0")),
        id => Ok(id),
    }
}

/// Reasons of PUBACK and PUBREC (MQTT 5, table 3-4).
const PUBLISH_REASONS: [u8; 9] = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
/// Reasons of PUBREL and PUBCOMP (MQTT 5, table 3-6).
const RELEASE_REASONS: [u8; 2] = [0x00, 0x92];
/// Reasons of a client's DISCONNECT (MQTT 5, table 3-10).
const DISCONNECT_REASONS: [u8; 14] = [
    0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
];

fn reason(reader: &mut Reader, known: &[u8]) -> Result<Reason, DecodeError> {
    let code = reader.u8()?;
    if !known.contains(&code) {
        return Err(DecodeError::protocol(
            "a reason code does not belong to this packet",
        ));
    }
    Ok(Reason(code))
}

fn ack(reader: &mut Reader, version: Version, reasons: &[u8]) -> Result<Ack, DecodeError> {
    let packet_id = packet_id(reader)?;
    if version == Version::V3 || reader.is_empty() {
        return Ok(Ack::success(packet_id));
    }
    let reason = reason(reader, reasons)?;
    if !reader.is_empty() {
        properties::read(reader, Place::Ack)?;
    }
    Ok(Ack { packet_id, reason })
}

fn subscribe(reader: &mut Reader, version: Version) -> Result<Subscribe, DecodeError> {
    let packet_id = packet_id(reader)?;
    let read = match version {
        Version::V3 => properties::Read::default(),
        Version::V5 => properties::read(reader, Place::Subscribe)?,
    };
    let mut filters = Vec::new();
    while !reader.is_empty() {
        let filter = reader.text()?;
        filters.push((filter, filter_options(reader.u8()?, version)?));
    }
    if filters.is_empty() {
        return Err(DecodeError::protocol("a SUBSCRIBE without filters"));
    }
    Ok(Subscribe {
        packet_id,
        identifier: read.subscription_id,
        filters,
    })
}

fn filter_options(bits: u8, version: Version) -> Result<FilterOptions, DecodeError> {
    let reserved = if version == Version::V3 { 0xFC } else { 0xC0 };
    if bits & reserved != 0 {
        return Err(DecodeError::malformed(
            "reserved subscription options are set",
        ));
    }
    let retain_handling = match bits >> 4 & 3 {
        0 => RetainHandling::SendAlways,
        1 => RetainHandling::SendIfNew,
        2 => RetainHandling::Never,
        _ => return Err(DecodeError::protocol("retain handling 3")),
    };
    Ok(FilterOptions {
        qos: QoS::from_bits(bits & 3).ok_or(DecodeError::protocol("a subscription of QoS 3"))?,
        no_local: bits & 0x04 != 0,
        retain_as_published: bits & 0x08 != 0,
        retain_handling,
    })
}

fn unsubscribe(reader: &mut Reader, version: Version) -> Result<Unsubscribe, DecodeError> {
    let packet_id = packet_id(reader)?;
    if version == Version::V5 {
        properties::read(reader, Place::Unsubscribe)?;
    }
    let mut filters = Vec::new();
    while !reader.is_empty() {
        filters.push(reader.text()?);
    }
    if filters.is_empty() {
        return Err(DecodeError::protocol("an UNSUBSCRIBE without filters"));
    }
    Ok(Unsubscribe { packet_id, filters })
}

fn disconnect(reader: &mut Reader, version: Version) -> Result<Disconnect, DecodeError> {
    if version == Version::V3 || reader.is_empty() {
        return Ok(Disconnect {
            reason: Reason::SUCCESS,
            session_expiry: None,
        });
    }
    let reason = reason(reader, &DISCONNECT_REASONS)?;
    if reader.is_empty() {
        return Ok(Disconnect {
            reason,
            session_expiry: None,
        });
    }
    let read = properties::read(reader, Place::Disconnect)?;
    Ok(Disconnect {
        reason,
        session_expiry: read.packet.session_expiry,
    })
}

fn auth(reader: &mut Reader) -> Result<Auth, DecodeError> {
    if reader.is_empty() {
        return Ok(Auth {
            reason: Reason::SUCCESS,
        });
    }
    let reason = reason(reader, &[0x00, 0x18, 0x19])?;
    if !reader.is_empty() {
        properties::read(reader, Place::Auth)?;
    }
    Ok(Auth { reason })
}
