//! A platform double: bootstrap over HTTP, and an MQTT 5 server that remembers what it acknowledged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::Mutex;
use rumqttc::v5::mqttbytes::Error as PacketError;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnAckProperties, ConnectReturnCode, Packet, PingResp, PubAck, PubAckReason, Publish,
};
use tellee_senml::{Limits, Record, decode_cbor, decode_json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub const EXTERNAL_ID: &str = "edge-1";
pub const EXTERNAL_KEY: &str = "open sesame";
pub const THING: &str = "thing-1";
pub const KEY: &str = "key-1";

/// One message as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub topic: String,
    pub historical: bool,
    pub body: Vec<u8>,
    pub records: Vec<Record>,
}

pub struct State {
    /// Status of the bootstrap answer; 200 sends the config.
    pub bootstrap_status: u16,
    pub bootstraps: usize,
    pub content: String,
    pub key: String,
    pub durable: bool,
    /// Messages are acknowledged.
    pub acknowledge: bool,
    /// What to answer for a record; by default success.
    pub refuse: fn(u64) -> Option<PubAckReason>,
    /// By spool number.
    pub messages: BTreeMap<u64, Message>,
    /// Spool numbers that came again with other bytes.
    pub changed: Vec<u64>,
    pub redelivered: usize,
    pub logins: usize,
    pub refused_logins: usize,
}

pub struct Platform {
    pub http: SocketAddr,
    pub mqtt: SocketAddr,
    pub state: Arc<Mutex<State>>,
    /// False cuts every MQTT connection and refuses new ones.
    pub online: watch::Sender<bool>,
}

impl Platform {
    pub async fn start(content: String) -> Self {
        let state = Arc::new(Mutex::new(State {
            bootstrap_status: 200,
            bootstraps: 0,
            content,
            key: KEY.into(),
            durable: true,
            acknowledge: true,
            refuse: |_| None,
            messages: BTreeMap::new(),
            changed: Vec::new(),
            redelivered: 0,
            logins: 0,
            refused_logins: 0,
        }));
        let online = watch::Sender::new(true);
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mqtt = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let platform = Self {
            http: http.local_addr().unwrap(),
            mqtt: mqtt.local_addr().unwrap(),
            state: state.clone(),
            online: online.clone(),
        };
        tokio::spawn(serve_http(http, state.clone()));
        tokio::spawn(async move {
            loop {
                let (stream, _) = mqtt.accept().await.unwrap();
                let mut online = online.subscribe();
                if !*online.borrow() {
                    continue;
                }
                let state = state.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = serve_mqtt(stream, state) => {}
                        _ = online.wait_for(|online| !online) => {}
                    }
                });
            }
        });
        platform
    }

    /// Waits, for at most half a minute, until the state is as asked.
    pub async fn until(&self, what: &str, done: impl Fn(&State) -> bool) {
        for _ in 0..1500 {
            if done(&self.state.lock()) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("not within 30 s: {what}");
    }

    pub fn server(&self) -> String {
        format!("http://{}", self.http)
    }
}

impl State {
    /// Whether every spool number from 1 to the last has come.
    pub fn missing(&self) -> Vec<u64> {
        let last = self.messages.last_key_value().map_or(0, |(&seq, _)| seq);
        (1..=last)
            .filter(|seq| !self.messages.contains_key(seq))
            .collect()
    }
}

async fn serve_http(listener: TcpListener, state: Arc<Mutex<State>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let state = state.clone();
        tokio::spawn(async move {
            let mut request = Vec::new();
            while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let request = String::from_utf8(request).unwrap();
            let answer = bootstrap_answer(&request, &mut state.lock());
            let _ = stream.write_all(answer.as_bytes()).await;
        });
    }
}

fn bootstrap_answer(request: &str, state: &mut State) -> String {
    state.bootstraps += 1;
    let known = request.starts_with(&format!("GET /things/bootstrap/{EXTERNAL_ID} "));
    let authorised = request
        .to_lowercase()
        .contains(&format!("authorization: thing {EXTERNAL_KEY}\r\n"));
    let status = match (known, authorised) {
        (false, _) => 404,
        (_, false) => 403,
        _ => state.bootstrap_status,
    };
    let body = if status == 200 {
        serde_json::json!({
            "mainflux_id": THING, "mainflux_key": state.key, "content": state.content,
            "mainflux_channels": [
                {"id": "data-1", "name": "data", "metadata": {"type": "data"}},
                {"id": "control-1", "name": "control", "metadata": {"type": "control"}},
            ],
        })
        .to_string()
    } else {
        String::new()
    };
    format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn serve_mqtt(mut stream: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let mut incoming = BytesMut::new();
    loop {
        let packet = match Packet::read(&mut incoming, None) {
            Ok(packet) => packet,
            Err(PacketError::InsufficientBytes(_)) => {
                if stream.read_buf(&mut incoming).await.ok()? == 0 {
                    return None;
                }
                continue;
            }
            Err(error) => panic!("agent sent {error}"),
        };
        let mut goodbye = false;
        let answer = match packet {
            Packet::Connect(connect, _, login) => {
                assert_eq!(connect.client_id, format!("tellee-edge-{THING}"));
                let login = login.unwrap();
                let mut state = state.lock();
                goodbye = login.username != THING || login.password != state.key;
                state.logins += 1;
                state.refused_logins += usize::from(goodbye);
                Some(connack(&state, goodbye))
            }
            Packet::Publish(publish) => keep(&publish, &mut state.lock()).map(Packet::PubAck),
            Packet::PingReq(_) => Some(Packet::PingResp(PingResp)),
            Packet::Disconnect(_) => return None,
            other => panic!("agent sent {other:?}"),
        };
        if let Some(answer) = answer {
            let mut out = BytesMut::new();
            answer.write(&mut out, None).unwrap();
            stream.write_all(&out).await.ok()?;
        }
        if goodbye {
            return None;
        }
    }
}

fn connack(state: &State, refused: bool) -> Packet {
    let mut properties = ConnAckProperties {
        session_expiry_interval: None,
        receive_max: Some(8),
        max_qos: None,
        retain_available: None,
        max_packet_size: Some(1024 * 1024),
        assigned_client_identifier: None,
        topic_alias_max: None,
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        subscription_identifiers_available: None,
        shared_subscription_available: None,
        server_keep_alive: None,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    };
    if state.durable {
        properties
            .user_properties
            .push(("durable-ack".into(), "puback".into()));
    }
    let code = if refused {
        ConnectReturnCode::NotAuthorized
    } else {
        ConnectReturnCode::Success
    };
    Packet::ConnAck(ConnAck {
        session_present: false,
        code,
        properties: Some(properties),
    })
}

fn keep(publish: &Publish, state: &mut State) -> Option<PubAck> {
    let properties = publish.properties.clone().unwrap();
    let property = |wanted: &str| {
        properties
            .user_properties
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.clone())
    };
    let seq: u64 = property("seq").unwrap().parse().unwrap();
    let decoded = match properties.content_type.as_deref() {
        Some("application/senml+json") => decode_json(&publish.payload, 0, &Limits::default()),
        Some("application/senml+cbor") => decode_cbor(&publish.payload, 0, &Limits::default()),
        other => panic!("content type {other:?}"),
    };
    let message = Message {
        topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
        historical: property("hist").as_deref() == Some("1"),
        body: publish.payload.to_vec(),
        records: decoded.unwrap(),
    };
    let mut ack = PubAck::new(publish.pkid, None);
    if let Some(reason) = (state.refuse)(seq) {
        ack.reason = reason;
        return Some(ack);
    }
    if let Some(before) = state.messages.get(&seq) {
        state.redelivered += 1;
        if (&before.body, &before.topic) != (&message.body, &message.topic) {
            state.changed.push(seq);
        }
    }
    state.messages.entry(seq).or_insert(message);
    state.acknowledge.then_some(ack)
}
