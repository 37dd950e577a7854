//! GraphQL over WebSocket: telemetry frames, and alarm changes that survive a lost connection.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::client::{Client, Thing};
use crate::harness::{PATIENCE, Server};

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(server: &Server, token: Option<&str>) -> Self {
        let mut request = format!("ws://{}/graphql", server.http)
            .into_client_request()
            .unwrap();
        request.headers_mut().insert(
            "sec-websocket-protocol",
            "graphql-transport-ws".parse().unwrap(),
        );
        let (stream, _) = connect_async(request).await.expect("a WebSocket");
        let mut socket = Self(stream);
        let payload = token.map_or_else(
            || json!({}),
            |token| json!({ "authorization": format!("Bearer {token}") }),
        );
        socket
            .send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        socket
    }

    async fn signed_in(server: &Server, user: &Client) -> Self {
        let mut socket = Self::open(server, Some(user.token())).await;
        let first = socket.next().await.expect("an answer");
        assert_eq!(first["type"], "connection_ack", "{first}");
        socket
    }

    async fn send(&mut self, message: Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .expect("it is sent");
    }

    /// The next message but pings; `None`: closed.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let message = timeout(PATIENCE, self.0.next())
                .await
                .expect("a message in time")?
                .ok()?;
            match message {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if message["type"] == "ping" {
                        self.send(json!({ "type": "pong" })).await;
                        continue;
                    }
                    return Some(message);
                }
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    async fn subscribe(&mut self, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "id": "1", "type": "subscribe", "payload": payload }))
            .await;
    }

    /// The data of the next event.
    async fn event(&mut self) -> Value {
        let message = self.next().await.expect("an event");
        assert_eq!(message["type"], "next", "{message}");
        assert!(message["payload"].get("errors").is_none(), "{message}");
        message["payload"]["data"].clone()
    }
}

const ALARMS: &str = "subscription($after: String) { alarmChanges(after: $after) {
    cursor kind alarms { id } change { kind occurrence } alarm { id state occurrence thing { id } } } }";

async fn watched(admin: &Client) -> (Thing, String) {
    let (thing, channel) = admin.provision("pump").await;
    let create =
        "mutation($input: CreateAlarmRuleInput!) { createAlarmRule(input: $input) { revision } }";
    let definition = json!({
        "name": "pressure high", "thing": thing.id, "seriesName": "pressure", "message": "pressure high",
        "action": "look at the valve", "levels": [{ "kind": "HI", "limit": 10, "priority": "P2" }],
    });
    let answer = admin
        .graphql(
            create,
            json!({ "input": { "idempotencyKey": "rule", "definition": definition } }),
        )
        .await;
    Client::data(&answer);
    (thing, channel)
}

async fn change(socket: &mut Socket) -> (String, String, Value) {
    let event = socket.event().await["alarmChanges"].clone();
    assert_eq!(event["kind"], "CHANGE", "{event}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (
        text(&event["change"]["kind"]),
        text(&event["cursor"]),
        event["alarm"].clone(),
    )
}

#[tokio::test]
async fn an_alarm_rises_is_acknowledged_and_returns_over_a_lost_connection() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = watched(&admin).await;
    let mut socket = Socket::signed_in(&server, &admin).await;
    socket.subscribe(ALARMS, json!({})).await;
    let first = socket.event().await["alarmChanges"].clone();
    assert_eq!(
        (first["kind"].as_str(), &first["alarms"]),
        (Some("SNAPSHOT"), &json!([]))
    );

    admin
        .publish(&thing, &channel, &json!([{ "n": "pressure", "v": 12 }]))
        .await
        .expect(202);
    let (kind, cursor, alarm) = change(&mut socket).await;
    assert_eq!(
        (kind.as_str(), &alarm["state"], &alarm["thing"]["id"]),
        ("activated", &json!("UNACKNOWLEDGED"), &json!(thing.id))
    );
    drop(socket);

    // Meanwhile nobody listens.
    let acknowledge = "mutation($input: AcknowledgeAlarmsInput!) { acknowledgeAlarms(input: $input) { alarms { state } refused { code } } }";
    let which = json!([{ "id": alarm["id"], "occurrence": alarm["occurrence"] }]);
    let answer = admin
        .graphql(
            acknowledge,
            json!({ "input": { "idempotencyKey": "ack", "alarms": which } }),
        )
        .await;
    assert_eq!(
        Client::data(&answer)["acknowledgeAlarms"]["alarms"],
        json!([{ "state": "ACKNOWLEDGED" }])
    );
    admin
        .publish(&thing, &channel, &json!([{ "n": "pressure", "v": 3 }]))
        .await
        .expect(202);

    let mut socket = Socket::signed_in(&server, &admin).await;
    socket.subscribe(ALARMS, json!({ "after": cursor })).await;
    let (kind, _, _) = change(&mut socket).await;
    assert_eq!(kind, "acknowledged");
    let (kind, _, alarm) = change(&mut socket).await;
    assert_eq!(
        (kind.as_str(), &alarm["state"]),
        ("returned", &json!("NORMAL"))
    );
}

#[tokio::test]
async fn an_acknowledgement_of_a_past_occurrence_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = watched(&admin).await;
    let mut socket = Socket::signed_in(&server, &admin).await;
    socket.subscribe(ALARMS, json!({})).await;
    socket.event().await;
    admin
        .publish(&thing, &channel, &json!([{ "n": "pressure", "v": 12 }]))
        .await
        .expect(202);
    let (_, _, alarm) = change(&mut socket).await;
    let stale =
        json!([{ "id": alarm["id"], "occurrence": alarm["occurrence"].as_i64().unwrap() + 1 }]);
    let acknowledge = "mutation($input: AcknowledgeAlarmsInput!) { acknowledgeAlarms(input: $input) { alarms { id } refused { code } } }";
    let answer = admin
        .graphql(
            acknowledge,
            json!({ "input": { "idempotencyKey": "ack", "alarms": stale } }),
        )
        .await;
    assert_eq!(
        answer["data"]["acknowledgeAlarms"]["refused"][0]["code"], "stale_occurrence",
        "{answer}"
    );
}

#[tokio::test]
async fn back_filled_samples_fill_history_and_raise_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = watched(&admin).await;
    let mut socket = Socket::signed_in(&server, &admin).await;
    socket.subscribe(ALARMS, json!({})).await;
    socket.event().await;
    admin
        .publish(
            &thing,
            &channel,
            &json!([{ "n": "pressure", "t": 1_600_000_000, "v": 99 }]),
        )
        .await
        .expect(202);
    // What comes now is the first change; the old sample made none.
    admin
        .publish(&thing, &channel, &json!([{ "n": "pressure", "v": 11 }]))
        .await
        .expect(202);
    let (kind, _, alarm) = change(&mut socket).await;
    assert_eq!(
        (kind.as_str(), &alarm["occurrence"]),
        ("activated", &json!(1))
    );
    assert_eq!(admin.messages(&channel).await.len(), 2);
}

#[tokio::test]
async fn telemetry_comes_in_frames_that_begin_with_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    admin
        .publish(&thing, &channel, &json!([{ "n": "speed", "v": 1 }]))
        .await
        .expect(202);
    let answer = admin
        .graphql("{ series { nodes { id name } } }", json!({}))
        .await;
    let series = Client::data(&answer)["series"]["nodes"][0]["id"].clone();
    let mut socket = Socket::signed_in(&server, &admin).await;
    let query =
        "subscription($series: [ID!]!) { telemetry(series: $series, maxHz: 10) { i t v q } }";
    socket.subscribe(query, json!({ "series": [series] })).await;
    let frame = socket.event().await["telemetry"].clone();
    assert_eq!(
        (&frame["i"], &frame["v"], &frame["q"]),
        (&json!([0]), &json!([1.0]), &json!([192]))
    );
    admin
        .publish(&thing, &channel, &json!([{ "n": "speed", "v": 2 }]))
        .await
        .expect(202);
    let frame = socket.event().await["telemetry"].clone();
    assert_eq!(frame["v"], json!([2.0]));
}

#[tokio::test]
async fn a_stranger_is_told_of_no_alarm_and_no_sample() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = watched(&admin).await;
    admin
        .publish(&thing, &channel, &json!([{ "n": "pressure", "v": 5 }]))
        .await
        .expect(202);
    let answer = admin
        .graphql("{ series { nodes { id } } }", json!({}))
        .await;
    let series = Client::data(&answer)["series"]["nodes"][0]["id"].clone();
    let body = json!({ "email": "stranger@plant.example", "password": "a long pass phrase" });
    admin.post("/users", &body).await.expect(201);
    let stranger = server
        .anonymous()
        .sign_in("stranger@plant.example", "a long pass phrase")
        .await;

    let mut socket = Socket::signed_in(&server, &stranger).await;
    socket
        .subscribe(
            "subscription($series: [ID!]!) { telemetry(series: $series) { v } }",
            json!({ "series": [series] }),
        )
        .await;
    let refused = socket.next().await.expect("an answer").to_string();
    assert!(refused.contains("there is no series"), "{refused}");

    let mut owner = Socket::signed_in(&server, &admin).await;
    owner.subscribe(ALARMS, json!({})).await;
    owner.event().await;
    let mut socket = Socket::signed_in(&server, &stranger).await;
    socket.subscribe(ALARMS, json!({})).await;
    assert_eq!(socket.event().await["alarmChanges"]["alarms"], json!([]));
    admin
        .publish(&thing, &channel, &json!([{ "n": "pressure", "v": 12 }]))
        .await
        .expect(202);
    change(&mut owner).await;
    let silence = timeout(Duration::from_millis(500), socket.0.next()).await;
    let told = matches!(&silence, Ok(Some(Ok(Message::Text(text)))) if !text.contains("ping"));
    assert!(!told, "{silence:?}");
}

#[tokio::test]
async fn a_socket_without_a_valid_token_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    for token in [None, Some("a.b.c")] {
        let mut socket = Socket::open(&server, token).await;
        while let Some(message) = socket.next().await {
            assert_ne!(message["type"], "connection_ack");
        }
    }
}

#[tokio::test]
async fn a_changed_password_ends_open_subscriptions() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let mut socket = Socket::signed_in(&server, &admin).await;
    socket.subscribe(ALARMS, json!({})).await;
    socket.event().await;
    let body =
        json!({ "old_password": crate::harness::PASSWORD, "password": "quite another phrase" });
    admin.patch("/password", &body).await.expect(201);
    admin.get("/things").await.expect(401);
    let last = socket.next().await;
    let ended = last
        .as_ref()
        .is_none_or(|message| message["type"] != "next" || message["payload"]["errors"].is_array());
    assert!(ended, "{last:?}");
}
