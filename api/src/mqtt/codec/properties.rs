//! Properties of MQTT 5 (2.2.2).

use bytes::{BufMut, Bytes, BytesMut};

use super::encode::{put_text, put_variable_integer, variable_integer_size};
use super::error::DecodeError;
use super::reader::Reader;
use super::reason::Reason;

/// Properties of a packet other than those of an application message. `None` and empty: not there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties {
    pub session_expiry: Option<u32>,
    pub receive_maximum: Option<u16>,
    pub maximum_packet_size: Option<u32>,
    pub topic_alias_maximum: Option<u16>,
    pub request_problem_information: Option<bool>,
    pub authentication_method: Option<String>,
    pub assigned_client_id: Option<String>,
    pub server_keep_alive: Option<u16>,
    pub reason_string: Option<String>,
    pub user_properties: Vec<(String, String)>,
}

/// Properties that travel with an application message from its publisher to its subscribers, unaltered and in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MessageProperties {
    /// The payload is UTF-8 text.
    pub is_text: Option<bool>,
    pub content_type: Option<String>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Bytes>,
    pub user_properties: Vec<(String, String)>,
}

impl MessageProperties {
    /// The last value of a user property.
    pub fn user_property(&self, name: &str) -> Option<&str> {
        self.user_properties
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Bytes of text and data, about.
    pub(crate) fn weight(&self) -> usize {
        let texts = self.content_type.as_ref().map_or(0, String::len)
            + self.response_topic.as_ref().map_or(0, String::len)
            + self.correlation_data.as_ref().map_or(0, Bytes::len);
        texts
            + self
                .user_properties
                .iter()
                .map(|(name, value)| name.len() + value.len() + 48)
                .sum::<usize>()
    }

    /// The same, in memory of its own rather than in that of the packet it came in.
    pub(crate) fn detach(&mut self) {
        if let Some(data) = &mut self.correlation_data {
            *data = Bytes::copy_from_slice(data);
        }
    }
}

/// Which packet a property list belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Connect,
    Will,
    Publish,
    Subscribe,
    Unsubscribe,
    Ack,
    Disconnect,
    Auth,
}

/// One property list, read.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) packet: Properties,
    pub(super) message: MessageProperties,
    pub(super) message_expiry: Option<u32>,
    pub(super) will_delay: Option<u32>,
    pub(super) topic_alias: Option<u16>,
    pub(super) subscription_id: Option<u32>,
}

/// Bounds the work and memory of a list of tiny user properties.
const MAX_USER_PROPERTIES: usize = 256;

const fn places(identifier: u32) -> &'static [Place] {
    use Place::{Ack, Auth, Connect, Disconnect, Publish, Subscribe, Unsubscribe, Will};
    match identifier {
        0x01 | 0x02 | 0x03 | 0x08 | 0x09 => &[Publish, Will],
        // A client must not put a subscription identifier into PUBLISH (MQTT-3.3.4-6).
        0x0B => &[Subscribe],
        0x11 => &[Connect, Disconnect],
        0x15 | 0x16 => &[Connect, Auth],
        0x17 | 0x19 | 0x21 | 0x22 | 0x27 => &[Connect],
        0x18 => &[Will],
        0x1F => &[Ack, Disconnect, Auth],
        0x23 => &[Publish],
        0x26 => &[
            Connect,
            Will,
            Publish,
            Subscribe,
            Unsubscribe,
            Ack,
            Disconnect,
            Auth,
        ],
        _ => &[],
    }
}

/// Reads a property list with its length in front.
pub(super) fn read(reader: &mut Reader, place: Place) -> Result<Read, DecodeError> {
    let length = reader.variable_integer()?;
    let mut list = Reader::new(reader.bytes(length as usize)?);
    let mut read = Read::default();
    let mut seen = 0_u64;
    while !list.is_empty() {
        let identifier = list.variable_integer()?;
        if !places(identifier).contains(&place) {
            return Err(unknown(identifier));
        }
        let bit = 1_u64 << identifier;
        if seen & bit != 0 && identifier != 0x26 {
            return Err(DecodeError::protocol("a property is given twice"));
        }
        seen |= bit;
        read_one(&mut list, identifier, &mut read, place)?;
    }
    if seen & (1 << 0x16) != 0 && read.packet.authentication_method.is_none() {
        return Err(DecodeError::protocol(
            "authentication data without a method",
        ));
    }
    Ok(read)
}

const fn unknown(identifier: u32) -> DecodeError {
    match identifier {
        0x01..=0x03
        | 0x08
        | 0x09
        | 0x0B
        | 0x11..=0x13
        | 0x15..=0x1A
        | 0x1C
        | 0x1F
        | 0x21..=0x2A => DecodeError::protocol("a property does not belong to this packet"),
        _ => DecodeError::malformed("a property is unknown"),
    }
}

fn read_one(
    list: &mut Reader,
    identifier: u32,
    read: &mut Read,
    place: Place,
) -> Result<(), DecodeError> {
    match identifier {
        0x01 => read.message.is_text = Some(list.flag()?),
        0x02 => read.message_expiry = Some(list.u32()?),
        0x03 => read.message.content_type = Some(list.text()?),
        0x08 => read.message.response_topic = Some(list.text()?),
        0x09 => read.message.correlation_data = Some(list.binary()?),
        0x0B => read.subscription_id = Some(non_zero(list.variable_integer()?)?),
        0x11 => read.packet.session_expiry = Some(list.u32()?),
        0x15 => read.packet.authentication_method = Some(list.text()?),
        0x16 => drop(list.binary()?),
        0x17 => read.packet.request_problem_information = Some(list.flag()?),
        0x18 => read.will_delay = Some(list.u32()?),
        0x19 => drop(list.flag()?),
        0x1F => drop(list.text()?),
        0x21 => read.packet.receive_maximum = Some(non_zero(list.u16()?)?),
        0x22 => read.packet.topic_alias_maximum = Some(list.u16()?),
        0x23 => {
            let alias = list.u16()?;
            if alias == 0 {
                return Err(DecodeError::with(
                    Reason::TOPIC_ALIAS_INVALID,
                    "topic alias 0",
                ));
            }
            read.topic_alias = Some(alias);
        }
        0x26 => {
            let pair = (list.text()?, list.text()?);
            let pairs = match place {
                Place::Publish | Place::Will => &mut read.message.user_properties,
                _ => &mut read.packet.user_properties,
            };
            if pairs.len() >= MAX_USER_PROPERTIES {
                return Err(DecodeError::with(
                    Reason::QUOTA_EXCEEDED,
                    "more than 256 user properties",
                ));
            }
            pairs.push(pair);
        }
        0x27 => read.packet.maximum_packet_size = Some(non_zero(list.u32()?)?),
        _ => return Err(unknown(identifier)),
    }
    Ok(())
}

fn non_zero<N: Default + PartialEq>(number: N) -> Result<N, DecodeError> {
    if number == N::default() {
        return Err(DecodeError::protocol("a property is 0 and must not be"));
    }
    Ok(number)
}

impl Properties {
    /// Appends the list with its length in front.
    pub(super) fn write(&self, out: &mut BytesMut) {
        let mut list = BytesMut::new();
        put_u32(&mut list, 0x11, self.session_expiry);
        put_u16(&mut list, 0x21, self.receive_maximum);
        put_u32(&mut list, 0x27, self.maximum_packet_size);
        put_u16(&mut list, 0x22, self.topic_alias_maximum);
        put_u16(&mut list, 0x13, self.server_keep_alive);
        put_string(&mut list, 0x12, self.assigned_client_id.as_deref());
        put_string(&mut list, 0x1F, self.reason_string.as_deref());
        put_user_properties(&mut list, &self.user_properties);
        put_variable_integer(out, list.len());
        out.extend_from_slice(&list);
    }
}

/// The size of a PUBLISH's property list, without its length in front.
pub(super) fn publish_properties_size(
    message: Option<&MessageProperties>,
    expiry: Option<u32>,
    alias: Option<u16>,
    subscription_ids: &[u32],
) -> usize {
    let mut size = expiry.map_or(0, |_| 5) + alias.map_or(0, |_| 3);
    size += subscription_ids
        .iter()
        .map(|id| 1 + variable_integer_size(*id as usize))
        .sum::<usize>();
    let Some(message) = message else { return size };
    size += message.is_text.map_or(0, |_| 2);
    size += message
        .content_type
        .as_ref()
        .map_or(0, |text| 3 + text.len());
    size += message
        .response_topic
        .as_ref()
        .map_or(0, |text| 3 + text.len());
    size += message
        .correlation_data
        .as_ref()
        .map_or(0, |data| 3 + data.len());
    size + message
        .user_properties
        .iter()
        .map(|(name, value)| 5 + name.len() + value.len())
        .sum::<usize>()
}

/// Appends a PUBLISH's property list, without its length in front.
pub(super) fn write_publish_properties(
    out: &mut BytesMut,
    message: Option<&MessageProperties>,
    expiry: Option<u32>,
    alias: Option<u16>,
    subscription_ids: &[u32],
) {
    put_u32(out, 0x02, expiry);
    put_u16(out, 0x23, alias);
    for id in subscription_ids {
        out.put_u8(0x0B);
        put_variable_integer(out, *id as usize);
    }
    let Some(message) = message else { return };
    if let Some(is_text) = message.is_text {
        out.put_slice(&[0x01, u8::from(is_text)]);
    }
    put_string(out, 0x03, message.content_type.as_deref());
    put_string(out, 0x08, message.response_topic.as_deref());
    if let Some(data) = &message.correlation_data {
        out.put_u8(0x09);
        out.put_u16(u16::try_from(data.len()).unwrap_or(u16::MAX));
        out.extend_from_slice(&data[..data.len().min(usize::from(u16::MAX))]);
    }
    put_user_properties(out, &message.user_properties);
}

pub(super) fn put_user_properties(out: &mut BytesMut, pairs: &[(String, String)]) {
    for (name, value) in pairs {
        out.put_u8(0x26);
        put_text(out, name);
        put_text(out, value);
    }
}

pub(super) fn put_string(out: &mut BytesMut, identifier: u8, text: Option<&str>) {
    if let Some(text) = text {
        out.put_u8(identifier);
        put_text(out, text);
    }
}

fn put_u16(out: &mut BytesMut, identifier: u8, number: Option<u16>) {
    if let Some(number) = number {
        out.put_u8(identifier);
        out.put_u16(number);
    }
}

fn put_u32(out: &mut BytesMut, identifier: u8, number: Option<u32>) {
    if let Some(number) = number {
        out.put_u8(identifier);
        out.put_u32(number);
    }
}
