//! A user of the HTTP port, and what they make there.

use std::net::SocketAddr;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::harness::PATIENCE;

/// One answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: `{}`", self.text))
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// The last part of `Location`.
    #[track_caller]
    pub fn id(&self) -> String {
        let location = self.location.as_deref().expect("a Location header");
        location.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    authorization: Option<String>,
}

/// A thing with its key.
#[derive(Debug, Clone)]
pub struct Thing {
    pub id: String,
    pub key: String,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .build()
            .expect("a client");
        Self {
            http,
            base: format!("http://{address}"),
            authorization: None,
        }
    }

    /// The same server with another `Authorization`.
    pub fn as_who(&self, authorization: &str) -> Self {
        Self {
            authorization: Some(authorization.to_owned()),
            ..self.clone()
        }
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Self {
        let answer = self
            .post("/tokens", &json!({ "email": email, "password": password }))
            .await
            .expect(201);
        let token = answer.json()["token"].as_str().expect("a token").to_owned();
        self.as_who(&format!("Bearer {token}"))
    }

    /// The bare token of [`Client::sign_in`].
    pub fn token(&self) -> &str {
        self.authorization
            .as_deref()
            .and_then(|text| text.strip_prefix("Bearer "))
            .expect("signed in")
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        }
    }

    pub async fn send(request: RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let headers = response.headers().clone();
        let location = headers
            .get("location")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let status = response.status().as_u16();
        let text = response.text().await.unwrap_or_default();
        Answer {
            status,
            location,
            headers,
            text,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        Self::send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Self::send(self.request(Method::POST, path).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        Self::send(self.request(Method::PUT, path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        Self::send(self.request(Method::PATCH, path).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Self::send(self.request(Method::DELETE, path)).await
    }

    /// Bytes of any content type.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        Self::send(
            self.request(method, path)
                .header("content-type", content_type)
                .body(body.into()),
        )
        .await
    }

    pub async fn graphql(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables });
        let answer = self.post("/graphql", &body).await;
        assert_eq!(answer.status, StatusCode::OK.as_u16(), "{}", answer.text);
        answer.json()
    }

    /// `data` of a query that must succeed.
    #[track_caller]
    pub fn data(answer: &Value) -> &Value {
        assert!(answer.get("errors").is_none(), "{answer}");
        &answer["data"]
    }

    pub async fn create_thing(&self, name: &str) -> Thing {
        let id = self
            .post("/things", &json!({ "name": name }))
            .await
            .expect(201)
            .id();
        let view = self.get(&format!("/things/{id}")).await.expect(200).json();
        let key = view["key"].as_str().expect("a key").to_owned();
        Thing { id, key }
    }

    pub async fn create_channel(&self, name: &str) -> String {
        self.post("/channels", &json!({ "name": name }))
            .await
            .expect(201)
            .id()
    }

    pub async fn connect(&self, channel: &str, thing: &str) {
        let body = json!({ "channel_ids": [channel], "thing_ids": [thing] });
        self.post("/connect", &body).await.expect(200);
    }

    /// A thing connected to a new channel.
    pub async fn provision(&self, name: &str) -> (Thing, String) {
        let thing = self.create_thing(name).await;
        let channel = self.create_channel(&format!("{name} data")).await;
        self.connect(&channel, &thing.id).await;
        (thing, channel)
    }

    /// Publishes SenML JSON as `thing`.
    pub async fn publish(&self, thing: &Thing, channel: &str, pack: &Value) -> Answer {
        let body = serde_json::to_vec(pack).expect("JSON");
        self.as_who(&format!("Thing {}", thing.key))
            .raw(
                Method::POST,
                &format!("/channels/{channel}/messages"),
                "application/senml+json",
                body,
            )
            .await
    }

    /// All messages of a channel, page by page.
    pub async fn messages(&self, channel: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let path = format!(
                "/channels/{channel}/messages?limit=1000&offset={}",
                all.len()
            );
            let page = self.get(&path).await.expect(200).json();
            let rows = page["messages"].as_array().expect("messages").clone();
            if rows.is_empty() {
                return all;
            }
            all.extend(rows);
        }
    }
}
