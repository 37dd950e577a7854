//! Hostile and mistaken input, by name. Each is refused with a typed error, keeps nothing, and harms nobody else.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::client::{Client, Thing};
use crate::harness::{Options, Server, until};
use crate::mqtt_client::Mqtt;

const SENML_JSON: &str = "application/senml+json";
const SENML_CBOR: &str = "application/senml+cbor";

struct Plant {
    server: Server,
    admin: Client,
    thing: Thing,
    channel: String,
    _folder: tempfile::TempDir,
}

async fn plant() -> Plant {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    Plant {
        server,
        admin,
        thing,
        channel,
        _folder: folder,
    }
}

impl Plant {
    async fn send(&self, content_type: &str, body: impl Into<Vec<u8>>) -> crate::client::Answer {
        let path = format!("/channels/{}/messages", self.channel);
        self.admin
            .as_who(&self.thing.key)
            .raw(Method::POST, &path, content_type, body)
            .await
    }

    async fn stored(&self) -> usize {
        self.admin.messages(&self.channel).await.len()
    }

    /// The server still takes good input from others.
    async fn is_well(&self) {
        let (other, channel) = self.admin.provision("other").await;
        self.admin
            .publish(&other, &channel, &json!([{ "n": "a", "v": 1 }]))
            .await
            .expect(202);
    }
}

#[tokio::test]
async fn malformed_messages_are_refused_whole() {
    let plant = plant().await;
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("cut JSON", SENML_JSON, br#"[{"n":"a","v":1}"#.to_vec()),
        ("no array", SENML_JSON, br#"{"n":"a","v":1}"#.to_vec()),
        ("empty pack", SENML_JSON, b"[]".to_vec()),
        ("no value", SENML_JSON, br#"[{"n":"a"}]"#.to_vec()),
        (
            "two values",
            SENML_JSON,
            br#"[{"n":"a","v":1,"vb":true}]"#.to_vec(),
        ),
        ("no name", SENML_JSON, br#"[{"v":1}]"#.to_vec()),
        ("bad name", SENML_JSON, br#"[{"n":"a b","v":1}]"#.to_vec()),
        (
            "text as number",
            SENML_JSON,
            br#"[{"n":"a","v":"1"}]"#.to_vec(),
        ),
        (
            "must understand",
            SENML_JSON,
            br#"[{"n":"a","v":1,"x_":1}]"#.to_vec(),
        ),
        (
            "newer version",
            SENML_JSON,
            br#"[{"bver":99,"n":"a","v":1}]"#.to_vec(),
        ),
        ("NaN", SENML_JSON, br#"[{"n":"a","v":NaN}]"#.to_vec()),
        (
            "out of range",
            SENML_JSON,
            br#"[{"n":"a","v":1e999}]"#.to_vec(),
        ),
        (
            "time out of range",
            SENML_JSON,
            br#"[{"n":"a","t":1e300,"v":1}]"#.to_vec(),
        ),
        (
            "second record bad",
            SENML_JSON,
            br#"[{"n":"a","v":1},{"n":"b"}]"#.to_vec(),
        ),
        (
            "no UTF-8",
            SENML_JSON,
            b"[{\"n\":\"\xff\",\"v\":1}]".to_vec(),
        ),
        ("deep", SENML_JSON, "[".repeat(100_000).into_bytes()),
        ("cut CBOR", SENML_CBOR, vec![0x81, 0xa2, 0x00]),
        (
            "CBOR length of 2^62",
            SENML_CBOR,
            vec![0x9b, 0x40, 0, 0, 0, 0, 0, 0, 0],
        ),
        // [{0: "a", 2: NaN}] and [{0: "a", 2: infinity}]
        (
            "CBOR NaN",
            SENML_CBOR,
            vec![0x81, 0xa2, 0x00, 0x61, b'a', 0x02, 0xf9, 0x7e, 0x00],
        ),
        (
            "CBOR infinity",
            SENML_CBOR,
            vec![0x81, 0xa2, 0x00, 0x61, b'a', 0x02, 0xf9, 0x7c, 0x00],
        ),
        ("plain JSON cut", "application/json", b"{\"a\":".to_vec()),
    ];
    for (name, content_type, body) in cases {
        let answer = plant.send(content_type, body).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text);
        assert_eq!(answer.json()["code"], "malformed_message", "{name}");
    }
    let answer = plant.send("text/html", "x").await.expect(415);
    assert_eq!(answer.json()["code"], "unsupported_media_type");
    assert_eq!(plant.stored().await, 0, "something was kept");
    plant.is_well().await;
}

#[tokio::test]
async fn a_record_that_is_wrong_is_named() {
    let plant = plant().await;
    let answer = plant
        .send(SENML_JSON, r#"[{"n":"a","v":1},{"n":"b","v":"x"}]"#)
        .await
        .expect(400);
    let message = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(
        message.contains('1') || message.contains('2'),
        "no record number in `{message}`"
    );
}

#[tokio::test]
async fn a_body_of_ten_mebibytes_is_refused() {
    let plant = plant().await;
    // Connections of their own: what the server closes in the midst of a body is of no use any more.
    let request = plant.server.anonymous().as_who(&plant.thing.key);
    let path = format!("/channels/{}/messages", plant.channel);
    let body = vec![b' '; 10 << 20];
    // The server may answer and close before all was sent; the sender then sees the answer or the end.
    let sent = request
        .request(Method::POST, &path)
        .header("content-type", SENML_JSON)
        .body(body)
        .send()
        .await;
    if let Ok(response) = sent {
        assert_eq!(response.status().as_u16(), 413);
    }
    let body = json!({ "name": "x".repeat(3 << 20) });
    let request = plant.server.anonymous().as_who(plant.admin.token());
    let sent = request
        .request(Method::POST, "/things")
        .json(&body)
        .send()
        .await;
    if let Ok(response) = sent {
        assert_eq!(response.status().as_u16(), 413);
    }
    assert_eq!(plant.stored().await, 0);
    plant.is_well().await;
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let plant = plant().await;
    let admin = &plant.admin;
    let answer = admin
        .raw(Method::POST, "/things", "application/json", r#"{"name":"#)
        .await
        .expect(400);
    assert_eq!(answer.json()["code"], "invalid_input");
    admin
        .raw(Method::POST, "/things", "text/plain", "{}")
        .await
        .expect(415);
    admin
        .raw(Method::POST, "/things", "application/json", r#"{"name":7}"#)
        .await
        .expect(400);
    admin.get("/things/no-uuid").await.expect(404);
    admin.get("/no/such/path").await.expect(404);
    admin.put("/version", &json!({})).await.expect(405);
    let answer = admin
        .raw(Method::POST, "/graphql", "application/json", "{")
        .await;
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    let deep = format!(
        "{{ thing(id: \"x\") {} }}",
        "{ channels { things ".repeat(60) + "{ id }" + &"} }".repeat(60)
    );
    let answer = admin.post("/graphql", &json!({ "query": deep })).await;
    assert!(answer.json()["errors"].is_array(), "{}", answer.text);
    plant.is_well().await;
}

#[tokio::test]
async fn an_unknown_or_foreign_channel_takes_nothing() {
    let plant = plant().await;
    let foreign = plant.admin.create_channel("not connected").await;
    let pack = json!([{ "n": "a", "v": 1 }]);
    for channel in [
        foreign.as_str(),
        "018f0000-0000-7000-8000-000000000000",
        "no uuid",
    ] {
        assert_eq!(
            plant
                .admin
                .publish(&plant.thing, channel, &pack)
                .await
                .status,
            403,
            "{channel}"
        );
        let mut mqtt = Mqtt::of(plant.server.mqtt, "pump", &plant.thing).await;
        let refused = mqtt
            .subscribe(&format!("channels/{channel}/messages/#"))
            .await;
        assert_eq!(refused, 0x80, "{channel}");
    }
    let mut mqtt = Mqtt::of(plant.server.mqtt, "pump", &plant.thing).await;
    for filter in ["#", "+/+/messages", "channels/+/messages", "$SYS/#"] {
        assert_eq!(mqtt.subscribe(filter).await, 0x80, "{filter}");
    }
    let acknowledged = mqtt
        .publish(
            &format!("channels/{foreign}/messages"),
            br#"[{"n":"a","v":1}]"#,
        )
        .await;
    assert!(!acknowledged, "a foreign publish was acknowledged");
    assert_eq!(plant.admin.messages(&foreign).await.len(), 0);
    plant.is_well().await;
}

#[tokio::test]
async fn a_wrong_key_opens_nothing() {
    let plant = plant().await;
    let wrong = Thing {
        key: "018f0000-0000-4000-8000-000000000000".to_owned(),
        ..plant.thing.clone()
    };
    plant
        .admin
        .publish(&wrong, &plant.channel, &json!([{ "n": "a", "v": 1 }]))
        .await
        .expect(401);
    let (_, code) = Mqtt::open(plant.server.mqtt, "pump", &wrong.id, &wrong.key).await;
    assert!(code == 4 || code == 5, "CONNACK {code}");
    let other = plant.admin.create_thing("other").await;
    let (_, code) = Mqtt::open(plant.server.mqtt, "pump", &other.id, &plant.thing.key).await;
    assert!(
        code == 4 || code == 5,
        "the key of one thing with the id of another: CONNACK {code}"
    );
    for token in ["Bearer x", "Bearer a.b.c", "Basic !", "Digest x"] {
        plant
            .server
            .anonymous()
            .as_who(token)
            .get("/things")
            .await
            .expect(401);
    }
    plant.server.anonymous().get("/things").await.expect(401);
}

#[tokio::test]
async fn a_revoked_key_ends_open_sessions_within_a_second() {
    let plant = plant().await;
    let mut mqtt = Mqtt::of(plant.server.mqtt, "pump", &plant.thing).await;
    assert!(
        mqtt.publish(
            &format!("channels/{}/messages", plant.channel),
            br#"[{"n":"a","v":1}]"#
        )
        .await
    );
    let body = json!({ "key": "018f0000-0000-4000-8000-00000000beef" });
    plant
        .admin
        .patch(&format!("/things/{}/key", plant.thing.id), &body)
        .await
        .expect(200);
    let begin = Instant::now();
    assert!(
        mqtt.closes(Duration::from_secs(5)).await,
        "the session is open still"
    );
    assert!(
        begin.elapsed() < Duration::from_secs(1),
        "{:?}",
        begin.elapsed()
    );
    plant
        .admin
        .publish(&plant.thing, &plant.channel, &json!([{ "n": "a", "v": 1 }]))
        .await
        .expect(401);
    let (_, code) = Mqtt::open(plant.server.mqtt, "pump", &plant.thing.id, &plant.thing.key).await;
    assert_ne!(code, 0);
}

#[tokio::test]
async fn a_withdrawn_connection_ends_deliveries() {
    let plant = plant().await;
    let listener = plant.admin.create_thing("listener").await;
    plant.admin.connect(&plant.channel, &listener.id).await;
    let mut listening = Mqtt::of(plant.server.mqtt, "listener", &listener).await;
    assert_eq!(
        listening
            .subscribe(&format!("channels/{}/messages", plant.channel))
            .await,
        1
    );
    plant
        .admin
        .delete(&format!(
            "/channels/{}/things/{}",
            plant.channel, listener.id
        ))
        .await
        .expect(204);
    plant
        .admin
        .publish(
            &plant.thing,
            &plant.channel,
            &json!([{ "n": "secret", "v": 1 }]),
        )
        .await
        .expect(202);
    assert_eq!(
        listening.next_message(Duration::from_millis(500)).await,
        None
    );
}

#[tokio::test]
async fn an_expired_token_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    // The same claims with an earlier end and the old signature: altered, and so no token at all.
    let parts: Vec<&str> = admin.token().split('.').collect();
    let altered = format!("{}.{}x.{}", parts[0], parts[1], parts[2]);
    let answer = server
        .anonymous()
        .as_who(&format!("Bearer {altered}"))
        .get("/things")
        .await
        .expect(401);
    assert_eq!(answer.json()["code"], "unauthenticated");
    // One signed with the server's own key an hour ago.
    let key = std::fs::read(folder.path().join("secrets/token.key")).unwrap();
    let expired = crate::bad_input::sign(&key, parts[1]);
    let answer = server
        .anonymous()
        .as_who(&format!("Bearer {expired}"))
        .get("/things")
        .await
        .expect(401);
    assert_eq!(answer.json()["code"], "token_expired");
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
}

/// A token with the claims of `payload`, expired an hour ago.
fn sign(key: &[u8], payload: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::Mac as _;
    let mut claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 3_600);
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(signed.as_bytes());
    format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    )
}

#[tokio::test]
async fn a_quote_in_a_filter_of_the_reader_is_only_a_character() {
    let plant = plant().await;
    let (other, secret) = plant.admin.provision("other").await;
    plant
        .admin
        .publish(&other, &secret, &json!([{ "n": "secret", "v": 1 }]))
        .await
        .expect(202);
    let path = format!("/channels/{}/messages", plant.channel);
    for name in [
        format!("x' OR channel='{secret}"),
        "x' OR '1'='1".to_owned(),
        "x\"; DROP TABLE messages; --".to_owned(),
        "%".to_owned(),
    ] {
        let request = plant
            .admin
            .request(Method::GET, &path)
            .query(&[("name", name.as_str())]);
        let page = Client::send(request).await.expect(200).json();
        assert_eq!(page["total"], json!(0), "{name}");
    }
    assert_eq!(plant.admin.messages(&secret).await.len(), 1);
}

const UPDATE: &str = "mutation($input: UpdateThingInput!) { updateThing(input: $input) { revision thing { name } } }";

#[tokio::test]
async fn of_two_writers_with_the_same_expected_revision_one_wins() {
    let plant = plant().await;
    let query = "query($id: ID!) { thing(id: $id) { revision } }";
    let answer = plant
        .admin
        .graphql(query, json!({ "id": plant.thing.id }))
        .await;
    let revision = Client::data(&answer)["thing"]["revision"].clone();
    let write = |name: &str| {
        let input = json!({
            "idempotencyKey": format!("write {name}"), "expectedRevision": revision,
            "id": plant.thing.id, "name": name,
        });
        let admin = plant.admin.clone();
        async move { admin.graphql(UPDATE, json!({ "input": input })).await }
    };
    let (first, second) = tokio::join!(write("first"), write("second"));
    let errors: Vec<&Value> = [&first, &second]
        .into_iter()
        .filter_map(|answer| answer.get("errors"))
        .collect();
    assert_eq!(errors.len(), 1, "{first} {second}");
    assert_eq!(errors[0][0]["extensions"]["code"], "revision_mismatch");
}

#[tokio::test]
async fn the_same_command_twice_has_its_effect_once() {
    let plant = plant().await;
    let create = "mutation($input: CreateThingInput!) { createThing(input: $input) { revision thing { id } } }";
    let input = json!({ "input": { "idempotencyKey": "once", "name": "twin" } });
    let first = plant.admin.graphql(create, input.clone()).await;
    let second = plant.admin.graphql(create, input).await;
    assert_eq!(
        Client::data(&first)["createThing"]["thing"],
        Client::data(&second)["createThing"]["thing"]
    );
    let found = plant
        .admin
        .get("/things?name=twin")
        .await
        .expect(200)
        .json();
    assert_eq!(found["total"], json!(1));
    let input = json!({ "input": { "idempotencyKey": "rename once", "id": plant.thing.id, "name": "renamed" } });
    let first = plant.admin.graphql(UPDATE, input.clone()).await;
    let second = plant.admin.graphql(UPDATE, input).await;
    assert_eq!(Client::data(&first), Client::data(&second));
}

#[tokio::test]
async fn the_same_message_twice_is_stored_once() {
    let plant = plant().await;
    let pack = json!([{ "n": "a", "t": 1_700_000_000, "v": 1 }]);
    for _ in 0..2 {
        plant
            .admin
            .publish(&plant.thing, &plant.channel, &pack)
            .await
            .expect(202);
    }
    assert_eq!(plant.stored().await, 1);
}

#[tokio::test]
async fn who_guesses_passwords_has_to_wait() {
    let plant = plant().await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let body = json!({ "email": "victim@plant.example", "password": "guess" });
        statuses.push(plant.server.anonymous().post("/tokens", &body).await.status);
    }
    assert_eq!(statuses[0], 401);
    assert_eq!(*statuses.last().unwrap(), 429, "{statuses:?}");
}

#[tokio::test]
async fn two_thousand_silent_sockets_harm_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Options::new(folder.path())
        .with("TELLEE_MQTT__CONNECT_TIMEOUT", "2s")
        .start();
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let mut silent = Vec::new();
    for number in 0..2_000 {
        let address = if number % 2 == 0 {
            server.http
        } else {
            server.mqtt
        };
        match TcpStream::connect(address).await {
            Ok(stream) => silent.push(stream),
            // This machine allows a process no more descriptors than that.
            Err(_) => break,
        }
    }
    assert!(
        silent.len() > 400,
        "only {} sockets could be opened",
        silent.len()
    );
    let begin = Instant::now();
    admin
        .publish(&thing, &channel, &json!([{ "n": "a", "v": 1 }]))
        .await
        .expect(202);
    let mut mqtt = Mqtt::of(server.mqtt, "pump", &thing).await;
    assert!(
        mqtt.publish(
            &format!("channels/{channel}/messages"),
            br#"[{"n":"b","v":1}]"#
        )
        .await
    );
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    // The MQTT port closes those that say nothing.
    let closed = silent.swap_remove(1);
    until("a silent MQTT socket is closed", || async {
        let mut byte = [0; 1];
        match closed.try_read(&mut byte) {
            Ok(0) => Some(()),
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => Some(()),
            _ => None,
        }
    })
    .await;
    assert!(server.is_alive());
}

#[tokio::test]
async fn bytes_that_are_no_protocol_harm_nobody() {
    use tokio::io::AsyncWriteExt as _;
    let mut plant = plant().await;
    for garbage in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0x10, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x10, 0xff, 0xff, 0xff, 0x7f],
        vec![0xff; 4096],
        vec![0x30, 0x02, 0xff, 0xff],
    ] {
        for address in [plant.server.mqtt, plant.server.http] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(&garbage).await;
        }
    }
    // Garbage inside a session that was opened rightly.
    let mut mqtt = Mqtt::of(plant.server.mqtt, "pump", &plant.thing).await;
    let _ = mqtt
        .write(&[0x32, 0x05, 0x00, 0xff, b'x', b'y', b'z'])
        .await;
    assert!(mqtt.closes(Duration::from_secs(10)).await);
    assert!(plant.server.is_alive());
    assert!(
        !plant.server.log().contains("panicked"),
        "{}",
        plant.server.log()
    );
    plant.is_well().await;
}
