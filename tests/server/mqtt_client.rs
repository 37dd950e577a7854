//! A bare MQTT 3.1.1 client that shows every packet: what a library would smooth over is what these tests look at.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::Thing;
use crate::harness::PATIENCE;

pub struct Mqtt {
    stream: TcpStream,
    next_id: u16,
}

/// One control packet: the first byte, and what follows the length.
pub type Packet = (u8, Vec<u8>);

pub const CONNACK: u8 = 0x20;
pub const PUBLISH: u8 = 0x30;
pub const PUBACK: u8 = 0x40;
pub const SUBACK: u8 = 0x90;

fn text(into: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("a short text");
    into.extend(length.to_be_bytes());
    into.extend(text.as_bytes());
}

pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    let mut rest = body.len();
    loop {
        let digit = u8::try_from(rest % 128).expect("below 128");
        rest /= 128;
        packet.push(if rest > 0 { digit | 0x80 } else { digit });
        if rest == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

pub fn publish_packet(topic: &str, qos: u8, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend(payload);
    frame(PUBLISH | qos << 1, &body)
}

/// How a client joins.
#[derive(Debug, Clone, Default)]
pub struct Joining<'a> {
    /// The session outlives the connection.
    pub lasting: bool,
    /// Topic and payload of the will, which is of QoS 1.
    pub will: Option<(&'a str, &'a [u8])>,
}

impl Mqtt {
    /// As a thing that is known. Answers whether its session was there.
    pub async fn join(
        address: SocketAddr,
        client: &str,
        thing: &Thing,
        joining: &Joining<'_>,
    ) -> (Self, bool) {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let mut body = Vec::new();
        text(&mut body, "MQTT");
        let will = if joining.will.is_some() { 0x0C } else { 0 };
        body.extend([4, 0xC0 | will | u8::from(!joining.lasting) << 1, 0, 60]);
        text(&mut body, client);
        if let Some((topic, payload)) = joining.will {
            text(&mut body, topic);
            text(&mut body, std::str::from_utf8(payload).expect("a text"));
        }
        text(&mut body, &thing.id);
        text(&mut body, &thing.key);
        let mut session = Self { stream, next_id: 0 };
        session
            .write(&frame(0x10, &body))
            .await
            .expect("CONNECT is sent");
        let (kind, body) = session.read(PATIENCE).await.expect("an answer to CONNECT");
        assert_eq!((kind, body[1]), (CONNACK, 0));
        (session, body[0] == 1)
    }

    /// The next packet, which must come.
    pub async fn next(&mut self) -> Packet {
        self.read(PATIENCE).await.expect("a packet")
    }

    /// Nothing more has come: the answer to a ping is the next packet.
    pub async fn expect_nothing(&mut self) {
        self.write(&[0xC0, 0]).await.expect("PINGREQ is sent");
        let (kind, body) = self.next().await;
        assert_eq!(kind, 0xD0, "{}", String::from_utf8_lossy(&body));
    }

    /// Nothing has come that was not sent before.
    pub async fn expect_only_duplicates(&mut self) {
        self.write(&[0xC0, 0]).await.expect("PINGREQ is sent");
        loop {
            let (kind, body) = self.next().await;
            if kind == 0xD0 {
                return;
            }
            assert_eq!(kind & 0xF8, 0x38, "{}", String::from_utf8_lossy(&body));
        }
    }

    /// Sends an acknowledgement.
    pub async fn acknowledge(&mut self, kind: u8, id: u16) {
        self.write(&frame(kind, &id.to_be_bytes()))
            .await
            .expect("an acknowledgement is sent");
    }

    /// Connects and gives the return code of CONNACK too.
    pub async fn open(address: SocketAddr, client: &str, user: &str, password: &str) -> (Self, u8) {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let mut body = Vec::new();
        text(&mut body, "MQTT");
        body.extend([4, 0xC2, 0, 60]);
        text(&mut body, client);
        text(&mut body, user);
        text(&mut body, password);
        let mut session = Self { stream, next_id: 0 };
        session
            .write(&frame(0x10, &body))
            .await
            .expect("CONNECT is sent");
        let (kind, body) = session.read(PATIENCE).await.expect("an answer to CONNECT");
        assert_eq!(kind, CONNACK);
        (session, body[1])
    }

    /// As a thing that is known.
    pub async fn of(address: SocketAddr, client: &str, thing: &Thing) -> Self {
        let (session, code) = Self::open(address, client, &thing.id, &thing.key).await;
        assert_eq!(code, 0, "CONNACK");
        session
    }

    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next packet; `None`: the other end closed, or `limit` passed.
    pub async fn read(&mut self, limit: Duration) -> Option<Packet> {
        timeout(limit, self.packet()).await.ok()?.ok()
    }

    /// Waits until the other end closes; whether it did within `limit`.
    pub async fn closes(&mut self, limit: Duration) -> bool {
        timeout(limit, async { while self.packet().await.is_ok() {} })
            .await
            .is_ok()
    }

    async fn packet(&mut self) -> std::io::Result<Packet> {
        let kind = self.stream.read_u8().await?;
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let digit = self.stream.read_u8().await?;
            length += usize::from(digit & 0x7f) << shift;
            shift += 7;
            if digit & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok((kind, body))
    }

    /// Publishes at QoS 1; whether PUBACK came.
    pub async fn publish(&mut self, topic: &str, payload: &[u8]) -> bool {
        self.next_id = self.next_id % u16::MAX + 1;
        if self
            .write(&publish_packet(topic, 1, self.next_id, payload))
            .await
            .is_err()
        {
            return false;
        }
        loop {
            match self.read(PATIENCE).await {
                Some((PUBACK, body)) => return body[..2] == self.next_id.to_be_bytes(),
                Some(_) => {}
                None => return false,
            }
        }
    }

    /// Subscribes at QoS 1 and gives the return code of SUBACK.
    pub async fn subscribe(&mut self, filter: &str) -> u8 {
        self.subscribe_at(filter, 1).await
    }

    pub async fn subscribe_at(&mut self, filter: &str, qos: u8) -> u8 {
        let mut body = vec![0, 1];
        text(&mut body, filter);
        body.push(qos);
        self.write(&frame(0x82, &body))
            .await
            .expect("SUBSCRIBE is sent");
        loop {
            let (kind, body) = self.read(PATIENCE).await.expect("an answer to SUBSCRIBE");
            if kind == SUBACK {
                return body[2];
            }
        }
    }

    /// Topic and payload of the next PUBLISH, acknowledged.
    pub async fn next_message(&mut self, limit: Duration) -> Option<(String, Vec<u8>)> {
        loop {
            let (kind, body) = self.read(limit).await?;
            if kind & 0xf0 != PUBLISH {
                continue;
            }
            let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
            let topic = String::from_utf8_lossy(&body[2..2 + length]).into_owned();
            let mut payload = &body[2 + length..];
            if kind & 0x06 != 0 {
                let id = [payload[0], payload[1]];
                payload = &payload[2..];
                self.write(&frame(PUBACK, &id)).await.ok()?;
            }
            return Some((topic, payload.to_vec()));
        }
    }
}
