//! A client's end of MQTT 3.1.1: just enough to publish, subscribe and read what comes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::Problem;

pub const CONNACK: u8 = 0x20;
pub const PUBACK: u8 = 0x40;
pub const PUBREC: u8 = 0x50;
pub const PUBREL: u8 = 0x62;
pub const PUBCOMP: u8 = 0x70;
pub const SUBACK: u8 = 0x90;
pub const PINGRESP: u8 = 0xD0;

/// Sockets that share one source address; further ones take the next address of the loopback network.
const SOCKETS_PER_ADDRESS: usize = 4_000;

/// A connection and what was read of it.
pub struct Wire {
    pub stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
}

pub fn text(into: &mut Vec<u8>, text: &str) {
    into.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    into.extend(text.as_bytes());
}

pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    let mut rest = body.len();
    loop {
        let digit = (rest % 128) as u8;
        rest /= 128;
        packet.push(if rest > 0 { digit | 0x80 } else { digit });
        if rest == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

pub fn publish(topic: &str, qos: u8, id: u16, payload: &str, into: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
    text(&mut body, topic);
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend(payload.as_bytes());
    into.extend(frame(0x30 | qos << 1, &body));
}

/// Connects from a loopback address that depends on `place`, so that neither ports nor the limit per address run out.
pub async fn connect(address: SocketAddr, place: usize) -> Result<TcpStream, Problem> {
    let group = place / SOCKETS_PER_ADDRESS;
    if group == 0 || !address.ip().is_loopback() || address.is_ipv6() {
        return Ok(TcpStream::connect(address).await?);
    }
    let socket = TcpSocket::new_v4()?;
    let source = Ipv4Addr::new(127, 0, 1, u8::try_from(group)?);
    socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
    Ok(socket.connect(address).await?)
}

impl Wire {
    /// Signs in with a clean session. `keep_alive` in seconds, 0 for none.
    pub async fn open(
        stream: TcpStream,
        client: &str,
        (user, password): (&str, &str),
        keep_alive: u16,
    ) -> Result<Self, Problem> {
        stream.set_nodelay(true)?;
        let mut wire = Self {
            stream,
            buffer: Vec::new(),
            start: 0,
        };
        let mut body = Vec::new();
        text(&mut body, "MQTT");
        body.extend([4, 0xC2]);
        body.extend(keep_alive.to_be_bytes());
        text(&mut body, client);
        text(&mut body, user);
        text(&mut body, password);
        wire.stream.write_all(&frame(0x10, &body)).await?;
        let (kind, first) = wire.packet().await?;
        if kind != CONNACK || first.get(1) != Some(&0) {
            return Err(format!("CONNECT was refused: {first:?}").into());
        }
        Ok(wire)
    }

    pub async fn subscribe(&mut self, filter: &str, qos: u8) -> Result<(), Problem> {
        let mut body = vec![0, 1];
        text(&mut body, filter);
        body.push(qos);
        self.stream.write_all(&frame(0x82, &body)).await?;
        let (kind, answer) = self.packet().await?;
        if kind != SUBACK || answer.get(2).is_none_or(|code| *code >= 0x80) {
            return Err("SUBSCRIBE was refused".into());
        }
        Ok(())
    }

    /// The next whole packet that was read already: its first byte, and where its body lies.
    pub fn ready(&mut self) -> Option<(u8, Range<usize>)> {
        let bytes = &self.buffer[self.start..];
        let kind = *bytes.first()?;
        let (mut length, mut shift, mut place) = (0_usize, 0, 1);
        loop {
            let digit = *bytes.get(place)?;
            length |= usize::from(digit & 0x7f) << shift;
            shift += 7;
            place += 1;
            if digit & 0x80 == 0 {
                break;
            }
        }
        let body = self.start + place..self.start + place + length;
        if self.buffer.len() < body.end {
            return None;
        }
        self.start = body.end;
        Some((kind, body))
    }

    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    pub async fn fill(&mut self) -> Result<(), Problem> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.reserve(4 << 10);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("the other end closed the connection".into()),
            _ => Ok(()),
        }
    }

    async fn packet(&mut self) -> Result<(u8, Vec<u8>), Problem> {
        loop {
            if let Some((kind, body)) = self.ready() {
                return Ok((kind, self.buffer[body].to_vec()));
            }
            self.fill().await?;
        }
    }
}
