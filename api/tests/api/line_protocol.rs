//! InfluxDB line protocol over HTTP.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde_json::{Value, json};
use tellee_projections::live::LiveFilter;

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

    async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let anonymous = self.node.anonymous();
        let mut request = anonymous.request(Method::POST, path).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        anonymous.send(request).await
    }

    /// Writes as the thing.
    async fn write(&self, body: impl Into<reqwest::Body>) -> Answer {
        let path = format!("/write?db={}&u={}&p={}", self.channel, self.thing, self.key);
        self.post(&path, &[], body).await
    }

    /// What the channel holds, newest first.
    async fn stored(&self) -> Vec<Value> {
        let path = format!("/channels/{}/messages?limit=1000", self.channel);
        let answer = self.node.admin.get(&path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["messages"].as_array().unwrap().clone()
    }
}

fn accepted(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (204, ""),
        "{answer:?}"
    );
}

#[tokio::test]
async fn both_paths_take_every_form_of_credential() {
    let plant = Plant::start().await;
    let (thing, key, channel) = (&plant.thing, &plant.key, &plant.channel);
    let basic = format!("Basic {}", STANDARD.encode(format!("{thing}:{key}")));
    let token = format!("Token {key}");
    let named = format!("Token {thing}:{key}");
    let user = format!("Bearer {}", plant.node.admin.token);
    let user_of_thing = format!(
        "Basic {}",
        STANDARD.encode(format!("{thing}:{}", plant.node.admin.token))
    );
    let cases = [
        (
            format!("/write?db={channel}&precision=s&u={thing}&p={key}"),
            None,
        ),
        (format!("/write?db={channel}&precision=s"), Some(&basic)),
        (
            format!("/write?db={channel}/autogen&rp=x&precision=s"),
            Some(&basic),
        ),
        (
            format!("/api/v2/write?bucket={channel}&org=plant&precision=s"),
            Some(&token),
        ),
        (
            format!("/api/v2/write?bucket={channel}/autogen&precision=s"),
            Some(&named),
        ),
        (
            format!("/write?db={channel}&precision=s&thing={thing}"),
            Some(&user),
        ),
        (
            format!("/api/v2/write?bucket={channel}&precision=s&org={thing}"),
            Some(&user),
        ),
        (
            format!("/write?db={channel}&precision=s"),
            Some(&user_of_thing),
        ),
    ];
    for (number, (path, authorization)) in cases.iter().enumerate() {
        let headers: Vec<(&str, &str)> = authorization
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        // Twice: the second time the sender is known.
        for field in ["a", "b"] {
            let body = format!("case,n={number} {field}=1 1600000000");
            accepted(&plant.post(path, &headers, body).await);
        }
    }
    let stored = plant.stored().await;
    assert_eq!(stored.len(), 2 * cases.len());
    assert!(
        stored
            .iter()
            .all(|row| row["publisher"] == json!(plant.thing))
    );
    assert!(stored.iter().all(|row| row["protocol"] == json!("influx")));
    assert!(stored.iter().all(|row| row["time"] == json!(1_600_000_000)));
}

#[tokio::test]
async fn measurement_and_field_become_the_name_and_tags_the_subtopic() {
    let plant = Plant::start().await;
    let body = "pump,site=a.b,line=2 speed=1480.5,on=t,state=\"run\",count=3i 1600000000000000000\n\
                # a comment\r\n\r\n\
                tank\\ 1 level=7u 1600000001000000000\n";
    accepted(&plant.write(body).await);
    let mut rows: Vec<Value> = plant
        .stored()
        .await
        .into_iter()
        .map(|row| {
            let value = ["value", "bool_value", "string_value"]
                .iter()
                .find_map(|kind| row.get(*kind))
                .cloned();
            json!([row["subtopic"], row["name"], value])
        })
        .collect();
    rows.sort_by_key(Value::to_string);
    let expected = json!([
        ["line=2.site=a%2Eb", "pump/count", 3.0],
        ["line=2.site=a%2Eb", "pump/on", true],
        ["line=2.site=a%2Eb", "pump/speed", 1480.5],
        ["line=2.site=a%2Eb", "pump/state", "run"],
        [null, "tank:201/level", 7.0],
    ]);
    assert_eq!(json!(rows), expected);
}

#[tokio::test]
async fn one_bad_line_refuses_the_whole_body_and_is_named() {
    let plant = Plant::start().await;
    let body = "m f=1\n\nm f=\nm f=2\n";
    let one = plant.write(body).await;
    assert_eq!(one.status, 400);
    assert_eq!(
        one.json(),
        json!({
            "error": "unable to parse line 3: field `f` has no value",
            "code": "malformed_message",
            "line": 3
        })
    );
    assert_eq!(
        one.header("x-influxdb-error"),
        "unable to parse line 3: field `f` has no value"
    );
    let path = format!("/api/v2/write?bucket={}", plant.channel);
    let token = format!("Token {}", plant.key);
    let two = plant.post(&path, &[("authorization", &token)], body).await;
    assert_eq!(two.status, 400);
    assert_eq!(
        two.json(),
        json!({ "code": "invalid", "message": "unable to parse line 3: field `f` has no value", "line": 3 })
    );
    for bad in [
        "m f=NaN",
        "m f=1e999",
        "m,a=1,a=2 f=1",
        "m f=1 9223372036854775807",
        "\u{0} f=1",
    ] {
        let answer = plant.write(format!("m f=1 5\n{bad}")).await;
        assert_eq!(
            (answer.status, &answer.json()["line"]),
            (400, &json!(2)),
            "{bad}"
        );
    }
    let many = "m f=1 5\n".repeat(100_001);
    let answer = plant.write(many).await;
    assert_eq!(
        (answer.status, answer.code()),
        (413, "body_too_large".to_owned())
    );
    assert!(plant.stored().await.is_empty());
}

#[tokio::test]
async fn a_sample_written_again_is_replaced_and_one_without_time_takes_the_servers() {
    let plant = Plant::start().await;
    accepted(&plant.write("m f=1 5\nm f=2 5\n").await);
    accepted(&plant.write("m f=3 5\n").await);
    accepted(&plant.write("m now=1\n").await);
    accepted(&plant.write("").await);
    accepted(&plant.write("# nothing\n").await);
    let stored = plant.stored().await;
    assert_eq!(stored.len(), 2, "{stored:?}");
    assert_eq!(
        (&stored[0]["name"], &stored[0]["value"]),
        (&json!("m/now"), &json!(1.0))
    );
    assert_eq!(
        (&stored[1]["name"], &stored[1]["value"]),
        (&json!("m/f"), &json!(3.0))
    );
}

#[tokio::test]
async fn who_may_not_write_is_told_so_in_both_shapes() {
    let plant = Plant::start().await;
    let (_, other_key) = plant.node.admin.thing("other").await;
    let (channel, thing, key) = (&plant.channel, &plant.thing, &plant.key);
    let viewer = plant.node.colleague("viewer").await;
    let stranger = plant.node.stranger().await;
    let cases = [
        (format!("/write?db={channel}"), String::new(), 401),
        (
            format!("/write?db={channel}&u={thing}&p=wrong"),
            String::new(),
            401,
        ),
        (
            format!("/write?db={channel}&u=pump&p={key}"),
            String::new(),
            401,
        ),
        (
            format!("/write?db={channel}&u={thing}&p={other_key}"),
            String::new(),
            401,
        ),
        (
            format!("/write?db={channel}"),
            format!("Token {other_key}"),
            403,
        ),
        (format!("/write?db={thing}"), format!("Token {key}"), 403),
        ("/write?db=nothing".to_owned(), format!("Token {key}"), 403),
        (String::from("/write"), format!("Token {key}"), 400),
        (
            format!("/write?db={channel}&precision=d"),
            format!("Token {key}"),
            400,
        ),
        (
            format!("/write?db={channel}"),
            format!("Bearer {}", plant.node.admin.token),
            400,
        ),
        (
            format!("/write?db={channel}&thing={thing}"),
            format!("Bearer {}", viewer.token),
            403,
        ),
        (
            format!("/write?db={channel}&thing={thing}"),
            format!("Bearer {}", stranger.token),
            403,
        ),
    ];
    for (path, authorization, status) in cases {
        let headers: &[(&str, &str)] = if authorization.is_empty() {
            &[]
        } else {
            &[("authorization", authorization.as_str())]
        };
        let one = plant.post(&path, headers, "m f=1").await;
        assert_eq!(one.status, status, "{path} {one:?}");
        assert!(one.json()["error"].is_string(), "{one:?}");
        let path = path
            .replace("/write", "/api/v2/write")
            .replace("db=", "bucket=");
        let two = plant.post(&path, headers, "m f=1").await;
        assert_eq!(two.status, status, "{path} {two:?}");
        let code = match status {
            401 => "unauthorized",
            403 => "forbidden",
            _ => "invalid",
        };
        assert_eq!(two.json()["code"], json!(code), "{two:?}");
    }
    assert!(plant.stored().await.is_empty());
}

#[tokio::test]
async fn a_key_that_was_changed_or_a_connection_that_was_cut_ends_a_known_sender() {
    let plant = Plant::start().await;
    accepted(&plant.write("m f=1").await);
    let cut = json!({ "channel_ids": [plant.channel], "thing_ids": [plant.thing] });
    assert_eq!(plant.node.admin.put("/disconnect", &cut).await.status, 200);
    assert_eq!(plant.write("m f=2").await.status, 403);
    plant.node.admin.connect(&plant.channel, &plant.thing).await;
    accepted(&plant.write("m f=3").await);
    let path = format!("/things/{}/key", plant.thing);
    let new = json!({ "key": "another-key-of-the-pump" });
    assert_eq!(plant.node.admin.patch(&path, &new).await.status, 200);
    assert_eq!(plant.write("m f=4").await.status, 401);
}

#[tokio::test]
async fn a_channel_may_be_named_if_no_other_of_the_things_has_the_name() {
    let plant = Plant::start().await;
    let write = async |db: &str| {
        let path = format!("/write?db={db}&p={}", plant.key);
        plant.post(&path, &[], "m f=1").await
    };
    accepted(&write("data").await);
    accepted(&write("data/autogen").await);
    assert_eq!(write("dat").await.status, 403);
    // A channel of that name which the thing is not connected to does not count.
    let twin = plant.node.admin.channel("data").await;
    accepted(&write("data").await);
    plant.node.admin.connect(&twin, &plant.thing).await;
    let ambiguous = write("data").await;
    assert_eq!(ambiguous.status, 400);
    assert!(ambiguous.text.contains("several channels"), "{ambiguous:?}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn bodies_come_compressed_as_telegraf_sends_them() {
    let plant = Plant::start().await;
    let path = format!("/api/v2/write?bucket={}&org=o", plant.channel);
    let token = format!("Token {}", plant.key);
    let headers = |encoding| {
        [
            ("authorization", token.as_str()),
            ("content-type", "text/plain; charset=utf-8"),
            ("content-encoding", encoding),
            ("user-agent", "Telegraf/1.30.0 Go/1.22.2"),
        ]
    };
    accepted(
        &plant
            .post(&path, &headers("gzip"), gzip(b"m f=1\nm g=2\n"))
            .await,
    );
    accepted(&plant.post(&path, &headers("identity"), "m h=1\n").await);
    assert_eq!(plant.stored().await.len(), 3);
    let other = plant.post(&path, &headers("br"), "m f=1").await;
    assert_eq!(
        (other.status, &other.json()["code"]),
        (415, &json!("unsupported media type"))
    );
    let bad = plant.post(&path, &headers("gzip"), "m f=1").await;
    assert_eq!(bad.status, 400);
    let bomb = plant
        .post(&path, &headers("gzip"), gzip(&vec![b'\n'; 17 << 20]))
        .await;
    assert_eq!(
        (bomb.status, &bomb.json()["code"]),
        (413, &json!("request too large"))
    );
}

#[tokio::test]
async fn what_clients_ask_before_they_write_is_answered() {
    let plant = Plant::start().await;
    let anonymous = plant.node.anonymous();
    let ping = anonymous.get("/ping").await;
    assert_eq!(ping.status, 204);
    assert!(!ping.header("x-influxdb-version").is_empty());
    let verbose = anonymous.get("/ping?verbose=true").await;
    assert!(verbose.json()["version"].is_string());
    let health = anonymous.get("/health").await.json();
    assert_eq!(
        (&health["name"], &health["status"]),
        (&json!("tellee"), &json!("pass"))
    );
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let path = format!("/query?u={}&p={}", plant.thing, plant.key);
    let created = plant
        .post(&path, &form, "q=CREATE+DATABASE+%22telegraf%22")
        .await;
    assert_eq!(
        (created.status, created.json()),
        (200, json!({ "results": [{ "statement_id": 0 }] }))
    );
    let other = plant
        .post(&format!("{path}&q=DROP+DATABASE+x"), &form, "")
        .await;
    assert_eq!(other.status, 400);
    let nobody = plant.post("/query?q=CREATE+DATABASE+x", &form, "").await;
    assert_eq!(nobody.status, 401);
}

#[tokio::test]
async fn watchers_see_the_samples_and_nobody_sees_them_twice() {
    let plant = Plant::start().await;
    let channel = plant.channel.parse().unwrap();
    let mut live = plant
        .node
        .platform
        .live
        .subscribe(LiveFilter::Channels(vec![channel]), 16);
    accepted(
        &plant
            .write("m,t=b x=1 5\nm,t=a x=2,y=\"s\" 6\nm,t=b x=9 5\nm,t=b x=3 7\n")
            .await,
    );
    let mut seen = Vec::new();
    while let Some(batch) = live.try_next() {
        let records: Vec<_> = batch
            .records
            .iter()
            .map(|record| {
                (
                    record.name.clone(),
                    record.time.0,
                    format!("{:?}", record.value),
                )
            })
            .collect();
        seen.push((batch.subtopic.to_string(), batch.protocol, records));
    }
    let record = |name: &str, time, value: &str| (name.to_owned(), time, value.to_owned());
    assert_eq!(
        seen,
        [
            (
                "t=a".to_owned(),
                "influx",
                vec![
                    record("m/x", 6, "Number(2.0)"),
                    record("m/y", 6, "Text(\"s\")")
                ]
            ),
            (
                "t=b".to_owned(),
                "influx",
                vec![
                    record("m/x", 5, "Number(9.0)"),
                    record("m/x", 7, "Number(3.0)")
                ]
            ),
        ]
    );
    let thing = plant.thing.parse().unwrap();
    assert!(plant.node.platform.presence.last_seen(thing).is_some());
    let metrics = metrics(&plant.node.admin).await;
    assert!(
        metrics.contains("tellee_records_stored_total{protocol=\"influx\"} 5"),
        "{metrics}"
    );
    assert!(
        metrics.contains("tellee_messages_stored_total{protocol=\"influx\"} 1"),
        "{metrics}"
    );
}

async fn metrics(admin: &Session) -> String {
    let answer = admin.get("/metrics").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text
}
