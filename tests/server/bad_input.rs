//! Hostile and mistaken input, by name. Each is refused with a typed error, keeps nothing, and harms nobody else.

mod credentials;
mod sockets;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Thing};
use crate::harness::Server;

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
