//! Publishing and reading.

use base64::Engine as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Answer, Session};
use super::node::Node;

struct Plant {
    node: Node,
    thing: String,
    key: String,
    channel: String,
}

impl Plant {
    async fn start() -> Self {
        let node = Node::start().await;
        let (thing, key) = node.admin.thing("pump").await;
        let channel = node.admin.channel("data").await;
        node.admin.connect(&channel, &thing).await;
        Self {
            node,
            thing,
            key,
            channel,
        }
    }

    fn path(&self) -> String {
        format!("/channels/{}/messages", self.channel)
    }

    async fn send(
        &self,
        path: &str,
        authorization: &str,
        kind: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let anonymous = self.node.anonymous();
        let request = anonymous
            .request(Method::POST, path)
            .header("authorization", authorization)
            .header("content-type", kind)
            .body(body);
        anonymous.send(request).await
    }

    async fn read(&self, query: &str) -> Value {
        let answer = self
            .node
            .admin
            .get(&format!("{}?{query}", self.path()))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}

const SENML: &str = "application/senml+json";

#[tokio::test]
async fn a_key_opens_in_every_form_and_under_both_prefixes() {
    let plant = Plant::start().await;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("any:{}", plant.key));
    let forms = [
        plant.key.clone(),
        format!("Thing {}", plant.key),
        format!("Basic {basic}"),
    ];
    for (number, form) in forms.iter().enumerate() {
        for prefix in ["", "/http"] {
            let pack = json!([{ "n": format!("a{number}{prefix}").replace('/', "-"), "v": 1 }]);
            let path = format!("{prefix}{}", plant.path());
            let answer = plant.send(&path, form, SENML, pack.to_string()).await;
            assert_eq!((answer.status, answer.text.as_str()), (202, ""), "{form}");
        }
    }
    assert_eq!(plant.read("").await["total"], 6);
    for wrong in [
        "wrong",
        "Thing wrong",
        &format!("Bearer {}", plant.key),
        &plant.node.admin.token,
    ] {
        let answer = plant.send(&plant.path(), wrong, SENML, "[]").await;
        assert_eq!(
            (answer.status, answer.code()),
            (401, "unauthenticated".to_owned()),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn what_was_published_is_read_as_mainflux_gives_it() {
    let plant = Plant::start().await;
    let pack = json!([
        { "bn": "pump/", "bt": 1_700_000_000, "bu": "mm/s", "n": "vibration", "v": 4.5 },
        { "n": "running", "t": 0.25, "vb": true },
        { "n": "mode", "t": 0.5, "u": "", "vs": "auto" },
        { "n": "raw", "t": 1, "vd": "AAEC" },
    ]);
    let path = format!("{}/bearing/de", plant.path());
    assert_eq!(
        plant
            .send(&path, &plant.key, SENML, pack.to_string())
            .await
            .status,
        202
    );
    let page = plant.read("limit=3").await;
    assert_eq!(
        (page["total"].as_u64(), page["format"].as_str()),
        (Some(4), Some("messages"))
    );
    let messages = page["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3, "newest first, three of four");
    let newest = &messages[0];
    assert_eq!(
        (newest["name"].as_str(), newest["data_value"].as_str()),
        (Some("pump/raw"), Some("AAEC"))
    );
    assert_eq!(newest["time"], 1_700_000_001);
    assert_eq!(newest["publisher"], plant.thing.as_str());
    assert_eq!(newest["channel"], plant.channel.as_str());
    assert_eq!(
        (newest["subtopic"].as_str(), newest["protocol"].as_str()),
        (Some("bearing.de"), Some("http"))
    );
    assert_eq!(messages[2]["bool_value"], true);
    for (query, total) in [
        ("name=pump/vibration", 1),
        ("subtopic=bearing.de", 4),
        ("subtopic=bearing/de", 4),
        ("subtopic=bearing", 0),
        ("v=4.5", 1),
        ("v=4&comparator=gt", 1),
        ("vs=auto", 1),
        ("vb=true", 1),
        ("vd=AAEC", 1),
        ("from=1700000000.25", 3),
        ("to=1700000000.25", 1),
        ("protocol=mqtt", 0),
        (&format!("publisher={}", plant.thing), 4),
        // A quote is only a character.
        ("name=x'%20OR%20channel='", 0),
    ] {
        assert_eq!(plant.read(query).await["total"], total, "{query}");
    }
    let by_thing = Session {
        token: plant.key.clone(),
        ..plant.node.admin.clone()
    };
    assert_eq!(by_thing.get(&plant.path()).await.json()["total"], 4);
    for query in [
        "limit=1001",
        "v=NaN",
        "comparator=x&v=1",
        "from=x",
        "format=xml",
        "publisher=x",
    ] {
        let answer = plant
            .node
            .admin
            .get(&format!("{}?{query}", plant.path()))
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "invalid_input".to_owned()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_foreign_and_an_unknown_channel_are_closed_alike() {
    let plant = Plant::start().await;
    let stranger = plant.node.stranger().await;
    let theirs = stranger.channel("theirs").await;
    let unconnected = plant.node.admin.channel("other").await;
    let unknown = uuid::Uuid::now_v7().to_string();
    for channel in [&theirs, &unconnected, &unknown, &"no-id".to_owned()] {
        let path = format!("/channels/{channel}/messages");
        let answer = plant
            .send(&path, &plant.key, SENML, r#"[{"n":"a","v":1}]"#)
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (403, "forbidden".to_owned()),
            "{channel}"
        );
    }
    let refused: Vec<_> = [theirs, unknown, "no-id".to_owned()]
        .map(|channel| format!("/channels/{channel}/messages"))
        .to_vec();
    let mut texts = std::collections::HashSet::new();
    for path in refused {
        let answer = plant.node.admin.get(&path).await;
        assert_eq!(answer.status, 403, "{path}");
        texts.insert(answer.text);
    }
    assert_eq!(
        texts.len(),
        1,
        "a foreign channel reads like one that is not there"
    );
}

#[tokio::test]
async fn bad_messages_name_what_is_wrong_and_leave_nothing() {
    let plant = Plant::start().await;
    for (kind, body) in [
        (SENML, r#"[{"n":"a","v":1},{"n":"b"}]"#.as_bytes()),
        (SENML, br#"[{"n":"a","v":NaN}]"#),
        (SENML, br#"[{"n":"a","v":1e999}]"#),
        (SENML, b"["),
        (SENML, b"\xff"),
        ("application/senml+cbor", b"\x9f\x01"),
        ("application/json", b"{"),
    ] {
        let answer = plant.send(&plant.path(), &plant.key, kind, body).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "malformed_message".to_owned()),
            "{body:?}"
        );
    }
    let kind = plant
        .send(&plant.path(), &plant.key, "text/html", "x")
        .await;
    assert_eq!(
        (kind.status, kind.code()),
        (415, "unsupported_media_type".to_owned())
    );
    let wildcard = plant
        .send(&format!("{}/a/*", plant.path()), &plant.key, SENML, "[]")
        .await;
    assert_eq!(
        (wildcard.status, wildcard.code()),
        (400, "invalid_input".to_owned())
    );
    let large = plant
        .send(
            &plant.path(),
            &plant.key,
            SENML,
            vec![b' '; 10 * 1024 * 1024],
        )
        .await;
    assert_eq!(
        (large.status, large.code()),
        (413, "body_too_large".to_owned())
    );
    assert_eq!(plant.read("").await["total"], 0);
}

#[tokio::test]
async fn a_changed_key_closes_at_once() {
    let plant = Plant::start().await;
    let body = json!({ "key": "the new one" });
    assert_eq!(
        plant
            .node
            .admin
            .patch(&format!("/things/{}/key", plant.thing), &body)
            .await
            .status,
        200
    );
    assert_eq!(
        plant
            .node
            .admin
            .publish(&plant.channel, &plant.key, &json!([{ "n": "a", "v": 1 }]))
            .await
            .status,
        401
    );
    assert_eq!(
        plant
            .node
            .admin
            .publish(
                &plant.channel,
                "the new one",
                &json!([{ "n": "a", "v": 1 }])
            )
            .await
            .status,
        202
    );
}

#[tokio::test]
async fn the_old_shape_is_there_for_who_asks_for_it() {
    let plant = Plant::start().await;
    let pack = json!([{ "n": "a", "t": 1_700_000_000, "v": 5.6 }]);
    assert_eq!(
        plant
            .node
            .admin
            .publish(&plant.channel, &plant.key, &pack)
            .await
            .status,
        202
    );
    let page = plant.read("compat=0.8").await;
    assert_eq!(page["messages"][0]["Value"], json!({ "FloatValue": 5.6 }));
    assert_eq!(page["messages"][0]["name"], "a");
}

#[tokio::test]
async fn magistralas_aggregation_gives_one_message_per_interval() {
    let plant = Plant::start().await;
    let pack: Vec<Value> = (0..120)
        .map(|second| json!({ "n": "a", "t": 1_700_000_040 + second, "v": second }))
        .collect();
    assert_eq!(
        plant
            .node
            .admin
            .publish(&plant.channel, &plant.key, &json!(pack))
            .await
            .status,
        202
    );
    let query = "name=a&aggregation=AVG&interval=1%20minute&from=1700000040&to=1700000160";
    let page = plant.read(query).await;
    let messages = page["messages"].as_array().unwrap();
    let rows: Vec<_> = messages
        .iter()
        .map(|row| (row["time"].as_i64(), row["value"].as_f64()))
        .collect();
    assert_eq!(
        rows,
        [
            (Some(1_700_000_100), Some(89.5)),
            (Some(1_700_000_040), Some(29.5))
        ]
    );
    for query in [
        "aggregation=AVG&interval=1m",
        "name=a&aggregation=MEDIAN&interval=1m&from=0&to=1",
    ] {
        let answer = plant
            .node
            .admin
            .get(&format!("{}?{query}", plant.path()))
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "invalid_input".to_owned()),
            "{query}"
        );
    }
}
