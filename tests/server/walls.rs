//! Organisations are walls: every door of REST and GraphQL, tried by a user of another organisation.
//!
//! The doors come from the route table and the schema themselves, so that a new one without a case fails here.

mod calls;
mod graphql;
mod nobody;
mod rest;
mod sdl;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::{Client, Thing};
use crate::harness::Server;

const ROUTES: &str = include_str!("../../api/src/rest.rs");

/// What the first organisation owns, by kind.
pub struct Owned {
    pub thing: Thing,
    pub channel: String,
    pub device: String,
    pub user: String,
    pub rule: String,
    pub device_type: String,
    pub model: String,
    pub series: String,
}

pub async fn plant(admin: &Client) -> Owned {
    let (thing, channel) = admin.provision("secret pump").await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    admin
        .publish(
            &thing,
            &channel,
            &json!([{ "n": "secret", "t": now, "v": 1 }]),
        )
        .await
        .expect(202);
    let config = json!({ "external_id": "secret-gw", "external_key": "k", "channels": [channel] });
    let device = admin
        .post("/things/configs", &config)
        .await
        .expect(201)
        .id();
    let me = admin.get("/users/profile").await.expect(200).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let made = |query: &'static str, input: Value| async move {
        admin.graphql(query, json!({ "input": input })).await
    };
    let rule = made(
        "mutation($input: CreateAlarmRuleInput!) { createAlarmRule(input: $input) { alarmRule { id } } }",
        json!({ "idempotencyKey": "rule", "definition": {
            "name": "secret rule", "thing": thing.id, "seriesName": "secret", "message": "secret", "action": "none",
            "levels": [{ "kind": "HI", "limit": 10, "priority": "P2" }],
        } }),
    )
    .await;
    let device_type = made(
        "mutation($input: DeviceTypeInput!) { createDeviceType(input: $input) { deviceType { id } } }",
        json!({ "idempotencyKey": "type", "name": "secret type" }),
    )
    .await;
    let model = made(
        "mutation($input: CreateModelInput!) { createModel(input: $input) { model { id } } }",
        json!({ "idempotencyKey": "model", "name": "secret model", "thing": thing.id, "samplePeriodMs": 1000,
            "signals": [{ "channel": channel, "series": "secret" }] }),
    )
    .await;
    let series = admin
        .graphql("{ series { nodes { id } } }", json!({}))
        .await;
    let id = |answer: &Value, path: &str| {
        Client::data(answer)
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{path}: {answer}"))
            .to_owned()
    };
    Owned {
        rule: id(&rule, "/createAlarmRule/alarmRule/id"),
        device_type: id(&device_type, "/createDeviceType/deviceType/id"),
        model: id(&model, "/createModel/model/id"),
        series: id(&series, "/series/nodes/0/id"),
        thing,
        channel,
        device,
        user: me,
    }
}

impl Owned {
    pub fn ids(&self) -> BTreeSet<&str> {
        [
            &self.thing.id,
            &self.channel,
            &self.device,
            &self.user,
            &self.rule,
            &self.device_type,
            &self.model,
            &self.series,
        ]
        .into_iter()
        .map(String::as_str)
        .collect()
    }

    /// Everything that must be the same after the attempts.
    pub async fn snapshot(&self, admin: &Client) -> Vec<Value> {
        let mut all = Vec::new();
        for path in [
            format!("/things/{}", self.thing.id),
            format!("/channels/{}", self.channel),
            format!("/things/configs/{}", self.device),
            format!("/channels/{}/things", self.channel),
            format!("/channels/{}/messages", self.channel),
        ] {
            all.push(admin.get(&path).await.expect(200).json());
        }
        let query = "query($rule: ID!, $type: String, $model: ID!) {
            alarmRule(id: $rule) { revision } model(id: $model) { revision }
            deviceTypes { nodes { id revision } } users { nodes { id revision role } }
        }";
        let variables = json!({ "rule": self.rule, "model": self.model });
        let query = query.replace(", $type: String", "");
        all.push(admin.graphql(&query, variables).await);
        all
    }
}

pub async fn two_organisations(server: &Server) -> (Client, Client) {
    let admin = server.administrator().await;
    for name in ["owner", "stranger"] {
        let body =
            json!({ "email": format!("{name}@plant.example"), "password": "a long pass phrase" });
        admin.post("/users", &body).await.expect(201);
    }
    let owner = server
        .anonymous()
        .sign_in("owner@plant.example", "a long pass phrase")
        .await;
    let stranger = server
        .anonymous()
        .sign_in("stranger@plant.example", "a long pass phrase")
        .await;
    (owner, stranger)
}

/// Whether `id` is a value in this JSON. Ids of series are short numbers.
pub fn shows(json: &str, id: &str) -> bool {
    json.contains(&format!("\"{id}\""))
}

/// The paths of the route table, with the names of their parts.
pub fn routes() -> BTreeSet<String> {
    ROUTES
        .split('"')
        .filter(|text| text.starts_with('/') && !text.contains(' ') && *text != "/http")
        .map(str::to_owned)
        .collect()
}
