//! A client of single bytes: it sends whatever a test wants and shows whatever comes.

use bytes::BufMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Server, Thing, in_time};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    V3 = 4,
    V5 = 5,
}

/// A packet as read: first byte and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    pub first: u8,
    pub body: Vec<u8>,
}

impl Got {
    /// Topic and payload of a PUBLISH without properties of more than 127 bytes.
    pub fn publish(&self, level: Level) -> (String, u16, Vec<u8>) {
        assert_eq!(self.first >> 4, 3, "no PUBLISH: {self:?}");
        let size = usize::from(u16::from_be_bytes([self.body[0], self.body[1]]));
        let topic = String::from_utf8(self.body[2..2 + size].to_vec()).unwrap();
        let mut at = 2 + size;
        let mut id = 0;
        if self.first & 6 != 0 {
            id = u16::from_be_bytes([self.body[at], self.body[at + 1]]);
            at += 2;
        }
        if level == Level::V5 {
            at += 1 + usize::from(self.body[at]);
        }
        (topic, id, self.body[at..].to_vec())
    }

    pub fn qos(&self) -> u8 {
        self.first >> 1 & 3
    }

    pub fn is_retained(&self) -> bool {
        self.first & 1 == 1
    }

    pub fn is_duplicate(&self) -> bool {
        self.first & 8 != 0
    }
}

pub fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut rest = body.len();
    loop {
        let byte = (rest % 128) as u8;
        rest /= 128;
        packet.push(if rest > 0 { byte | 0x80 } else { byte });
        if rest == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

pub fn text(body: &mut Vec<u8>, text: &[u8]) {
    body.put_u16(text.len() as u16);
    body.put_slice(text);
}

/// Topic, payload, QoS, retain, properties.
pub type WillParts = (String, Vec<u8>, u8, bool, Vec<u8>);

/// What a CONNECT says beside who it is.
#[derive(Debug, Clone)]
pub struct Options {
    pub level: Level,
    pub client_id: String,
    pub clean: bool,
    pub keep_alive: u16,
    /// Encoded, without the length in front.
    pub properties: Vec<u8>,
    pub will: Option<WillParts>,
}

impl Options {
    pub fn new(level: Level, client_id: &str) -> Self {
        Self {
            level,
            client_id: client_id.into(),
            clean: true,
            keep_alive: 60,
            properties: vec![],
            will: None,
        }
    }

    /// A session that stays for 100 seconds.
    pub fn lasting(level: Level, client_id: &str) -> Self {
        let properties = if level == Level::V5 {
            vec![0x11, 0, 0, 0, 100]
        } else {
            vec![]
        };
        Self {
            clean: false,
            properties,
            ..Self::new(level, client_id)
        }
    }

    pub fn connect(&self, user: &str, password: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        text(&mut body, b"MQTT");
        body.push(self.level as u8);
        let will = self
            .will
            .as_ref()
            .map_or(0, |will| 4 | will.2 << 3 | u8::from(will.3) << 5);
        body.push(0xC0 | will | u8::from(self.clean) << 1);
        body.put_u16(self.keep_alive);
        if self.level == Level::V5 {
            body.push(self.properties.len() as u8);
            body.extend_from_slice(&self.properties);
        }
        text(&mut body, self.client_id.as_bytes());
        if let Some((topic, payload, .., properties)) = &self.will {
            if self.level == Level::V5 {
                body.push(properties.len() as u8);
                body.extend_from_slice(properties);
            }
            text(&mut body, topic.as_bytes());
            text(&mut body, payload);
        }
        text(&mut body, user.as_bytes());
        text(&mut body, password);
        frame(0x10, &body)
    }
}

pub struct Raw {
    stream: TcpStream,
    level: Level,
    /// The body of the CONNACK.
    pub connack: Vec<u8>,
}

impl Raw {
    pub async fn open(server: &Server, level: Level) -> Self {
        Self {
            stream: TcpStream::connect(server.address).await.unwrap(),
            level,
            connack: vec![],
        }
    }

    /// Signs in and expects to be let in.
    pub async fn join(server: &Server, thing: &Thing, options: &Options) -> Self {
        let mut raw = Self::open(server, options.level).await;
        raw.send(&options.connect(&thing.id.to_string(), thing.key.as_bytes()))
            .await;
        let connack = raw.next().await;
        assert_eq!(
            (connack.first, connack.body[1]),
            (0x20, 0),
            "not let in: {connack:?}"
        );
        raw.connack = connack.body;
        raw
    }

    /// The server's own thing, a client id, no session.
    pub async fn simple(server: &Server, level: Level, client_id: &str) -> Self {
        Self::join(server, &server.thing, &Options::new(level, client_id)).await
    }

    pub fn session_present(&self) -> bool {
        self.connack[0] == 1
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next packet, or `None` if the server closed the connection.
    pub async fn try_next(&mut self) -> Option<Got> {
        in_time(async {
            let first = self.stream.read_u8().await.ok()?;
            let (mut size, mut shift) = (0, 0);
            loop {
                let byte = self.stream.read_u8().await.ok()?;
                size |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let mut body = vec![0; size];
            self.stream.read_exact(&mut body).await.ok()?;
            Some(Got { first, body })
        })
        .await
    }

    pub async fn next(&mut self) -> Got {
        self.try_next()
            .await
            .expect("the server closed the connection")
    }

    /// The server closes the connection; in 5 with this reason.
    pub async fn expect_end(&mut self, reason: u8) {
        if self.level == Level::V5 {
            let got = self.next().await;
            assert_eq!(
                (got.first, got.body.first().copied()),
                (0xE0, Some(reason)),
                "{got:x?}"
            );
        }
        assert_eq!(self.try_next().await, None);
    }

    /// Nothing more has come: the answer to a ping is the next packet.
    pub async fn expect_nothing(&mut self) {
        self.send(&[0xC0, 0]).await;
        assert_eq!(self.next().await.first, 0xD0);
    }

    pub fn publish_packet(
        &self,
        topic: &str,
        qos: u8,
        id: u16,
        flags: u8,
        payload: &[u8],
    ) -> Vec<u8> {
        self.publish_with(topic, qos, id, flags, &[], payload)
    }

    pub fn publish_with(
        &self,
        topic: &str,
        qos: u8,
        id: u16,
        flags: u8,
        properties: &[u8],
        payload: &[u8],
    ) -> Vec<u8> {
        let mut body = Vec::new();
        text(&mut body, topic.as_bytes());
        if qos > 0 {
            body.put_u16(id);
        }
        if self.level == Level::V5 {
            body.push(properties.len() as u8);
            body.extend_from_slice(properties);
        }
        body.extend_from_slice(payload);
        frame(0x30 | qos << 1 | flags, &body)
    }

    pub async fn publish(&mut self, topic: &str, qos: u8, id: u16, payload: &[u8]) {
        let packet = self.publish_packet(topic, qos, id, 0, payload);
        self.send(&packet).await;
    }

    /// Publishes at QoS 1 and waits for the acknowledgement; its reason, 0 in 3.1.1.
    pub async fn publish_acknowledged(&mut self, topic: &str, payload: &[u8]) -> u8 {
        self.publish(topic, 1, 9, payload).await;
        let got = self.next().await;
        assert_eq!((got.first, &got.body[..2]), (0x40, &[0, 9][..]), "{got:x?}");
        got.body.get(2).copied().unwrap_or(0)
    }

    pub async fn retain(&mut self, topic: &str, payload: &[u8]) {
        let packet = self.publish_packet(topic, 1, 9, 1, payload);
        self.send(&packet).await;
        assert_eq!(self.next().await.first, 0x40);
    }

    pub fn subscribe_packet(&self, filters: &[(&str, u8)], properties: &[u8]) -> Vec<u8> {
        let mut body = vec![0, 7];
        if self.level == Level::V5 {
            body.push(properties.len() as u8);
            body.extend_from_slice(properties);
        }
        for (filter, options) in filters {
            text(&mut body, filter.as_bytes());
            body.push(*options);
        }
        frame(0x82, &body)
    }

    /// Subscribes and answers the code of the one filter.
    pub async fn subscribe(&mut self, filter: &str, options: u8) -> u8 {
        let packet = self.subscribe_packet(&[(filter, options)], &[]);
        self.send(&packet).await;
        let got = self.next().await;
        assert_eq!((got.first, &got.body[..2]), (0x90, &[0, 7][..]), "{got:x?}");
        *got.body.last().unwrap()
    }

    pub async fn unsubscribe(&mut self, filter: &str) -> Got {
        let mut body = vec![0, 8];
        if self.level == Level::V5 {
            body.push(0);
        }
        text(&mut body, filter.as_bytes());
        self.send(&frame(0xA2, &body)).await;
        self.next().await
    }

    pub async fn acknowledge(&mut self, first: u8, id: u16) {
        let id = id.to_be_bytes();
        self.send(&[first, 2, id[0], id[1]]).await;
    }

    pub async fn leave(mut self) {
        self.send(&[0xE0, 0]).await;
        assert_eq!(self.try_next().await, None);
    }

    /// Breaks the connection without a word.
    pub fn vanish(self) {
        drop(self.stream);
    }
}

impl Raw {
    /// Sends to a server that may have closed already.
    pub async fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    pub fn split(
        self,
    ) -> (
        tokio::net::tcp::OwnedReadHalf,
        tokio::net::tcp::OwnedWriteHalf,
    ) {
        self.stream.into_split()
    }

    pub fn join_halves(
        reader: tokio::net::tcp::OwnedReadHalf,
        writer: tokio::net::tcp::OwnedWriteHalf,
    ) -> Self {
        Self {
            stream: reader.reunite(writer).unwrap(),
            level: Level::V3,
            connack: vec![],
        }
    }
}
