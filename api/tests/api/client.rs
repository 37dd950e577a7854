//! Clients: one that speaks HTTP for a user, one that speaks graphql-transport-ws.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::node::{PASSWORD, in_time};

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The code of an error in either of our shapes; empty if it is none.
    pub fn code(&self) -> String {
        let json: Value = serde_json::from_str(&self.text).unwrap_or_default();
        let code = json
            .get("code")
            .or_else(|| json.pointer("/errors/0/extensions/code"));
        code.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The last part of `Location`.
    pub fn made(&self) -> String {
        assert_eq!(self.status, 201, "{self:?}");
        assert_eq!(self.text, "");
        assert_eq!(self.header("access-control-expose-headers"), "Location");
        self.header("location")
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    }
}

#[derive(Clone)]
pub struct Session {
    pub address: SocketAddr,
    pub token: String,
    pub http: reqwest::Client,
}

impl Session {
    pub fn anonymous(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            address,
            token: String::new(),
            http,
        }
    }

    pub async fn sign_in(address: SocketAddr, email: &str) -> Self {
        let anonymous = Self::anonymous(address);
        let answer = anonymous
            .post("/tokens", &json!({ "email": email, "password": PASSWORD }))
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Self {
            token: answer.json()["token"].as_str().unwrap().to_owned(),
            ..anonymous
        }
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(method, format!("http://{}{path}", self.address));
        if self.token.is_empty() {
            request
        } else {
            request.header("authorization", &self.token)
        }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = in_time(request.send()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer {
            status,
            headers,
            text: in_time(response.text()).await.unwrap(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn call(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send(self.request(method, path).json(body)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path, body).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, path, body).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub async fn graphql(&self, query: &str, variables: Value) -> Answer {
        self.post(
            "/graphql",
            &json!({ "query": query, "variables": variables }),
        )
        .await
    }

    /// The data of an answer without errors.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let answer = self.graphql(query, variables).await.json();
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].clone()
    }

    pub async fn session_organisation(&self) -> String {
        let data = self.data("{ me { organisation { id } } }", json!({})).await;
        data["me"]["organisation"]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// A new thing: its id and its key.
    pub async fn thing(&self, name: &str) -> (String, String) {
        let id = self.post("/things", &json!({ "name": name })).await.made();
        let key = self.get(&format!("/things/{id}")).await.json()["key"]
            .as_str()
            .unwrap()
            .to_owned();
        (id, key)
    }

    pub async fn channel(&self, name: &str) -> String {
        self.post("/channels", &json!({ "name": name }))
            .await
            .made()
    }

    pub async fn connect(&self, channel: &str, thing: &str) {
        let body = json!({ "channel_ids": [channel], "thing_ids": [thing] });
        let answer = self.post("/connect", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Publishes SenML JSON with a thing's key.
    pub async fn publish(&self, channel: &str, key: &str, pack: &Value) -> Answer {
        let sender = Self {
            token: String::new(),
            ..self.clone()
        };
        let path = format!("/channels/{channel}/messages");
        let request = sender
            .request(Method::POST, &path)
            .header("authorization", format!("Thing {key}"))
            .header("content-type", "application/senml+json")
            .body(pack.to_string());
        sender.send(request).await
    }

    pub async fn open(&self) -> Socket {
        Socket::connect(self.address, None).await.unwrap()
    }

    /// A socket that was acknowledged.
    pub async fn socket(&self) -> Socket {
        let mut socket = self.open().await;
        socket.init(&self.token).await;
        assert_eq!(
            socket.next().await,
            Frame::Json(json!({ "type": "connection_ack" }))
        );
        socket
    }
}

/// What a socket received.
#[derive(Debug, PartialEq)]
pub enum Frame {
    Json(Value),
    Closed(u16, String),
    /// Without a word.
    Gone,
}

pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn connect(
        address: SocketAddr,
        origin: Option<&str>,
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .unwrap();
        request.headers_mut().insert(
            "sec-websocket-protocol",
            "graphql-transport-ws".parse().unwrap(),
        );
        if let Some(origin) = origin {
            request
                .headers_mut()
                .insert("origin", origin.parse().unwrap());
        }
        let (socket, _) = in_time(tokio_tungstenite::connect_async(request)).await?;
        Ok(Self(socket))
    }

    pub async fn send(&mut self, message: &Value) {
        in_time(self.0.send(Message::text(message.to_string())))
            .await
            .unwrap();
    }

    pub async fn init(&mut self, token: &str) {
        self.send(&json!({ "type": "connection_init", "payload": { "Authorization": format!("Bearer {token}") } }))
            .await;
    }

    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(&json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    pub async fn next(&mut self) -> Frame {
        loop {
            match in_time(self.0.next()).await {
                Some(Ok(Message::Text(text))) => {
                    return Frame::Json(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Frame::Closed(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Frame::Gone,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The data of the next answer, which must be one.
    pub async fn data(&mut self) -> Value {
        match self.next().await {
            Frame::Json(mut frame) if frame["type"] == "next" => frame["payload"]["data"].take(),
            other => panic!("{other:?}"),
        }
    }

    /// The code of a close frame that waits in the socket, looked up without reading, and so without answering, anything.
    pub async fn waiting_close_code(&self) -> Option<u16> {
        let MaybeTlsStream::Plain(stream) = self.0.get_ref() else {
            return None;
        };
        let mut waiting = [0_u8; 4_096];
        let count = stream.peek(&mut waiting).await.ok()?;
        // Final frame, opcode 8 (RFC 6455, 5.2), its length, its code.
        let close = waiting[..count].windows(4).find(|bytes| bytes[0] == 0x88)?;
        Some(u16::from_be_bytes([close[2], close[3]]))
    }

    /// The code with which the server closes the socket, whatever comes before.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            match self.next().await {
                Frame::Json(_) => {}
                Frame::Closed(code, _) => return code,
                Frame::Gone => return 0,
            }
        }
    }
}
