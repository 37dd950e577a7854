//! `telemetry` and `alarmChanges`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tellee_actors::ids::{ChannelId, OrganisationId, ThingId};
use tellee_actors::time::Clock as _;

use super::client::Socket;
use super::node::Node;

const TELEMETRY: &str =
    "subscription($series: [ID!]!) { telemetry(series: $series, maxHz: 10) { i t v q } }";
const CHANGES: &str = "subscription($after: String) { alarmChanges(after: $after) { cursor kind alarms { id state thing \
    { name } } change { kind occurrence who } alarm { state occurrence } } }";

struct Plant {
    node: Node,
    organisation: OrganisationId,
    thing: ThingId,
    channel: ChannelId,
    key: String,
}

impl Plant {
    async fn start() -> Self {
        let node = Node::start().await;
        let (thing, key) = node.admin.thing("pump").await;
        let channel = node.admin.channel("data").await;
        node.admin.connect(&channel, &thing).await;
        let organisation = node.admin.session_organisation().await.parse().unwrap();
        Self {
            node,
            organisation,
            thing: thing.parse().unwrap(),
            channel: channel.parse().unwrap(),
            key,
        }
    }

    async fn publish(&self, pack: Value) {
        let answer = self
            .node
            .admin
            .publish(&self.channel.to_string(), &self.key, &pack)
            .await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    async fn series(&self) -> Vec<String> {
        let data = self
            .node
            .admin
            .data("{ series { nodes { id } } }", json!({}))
            .await;
        let nodes = data["series"]["nodes"].as_array().unwrap();
        nodes
            .iter()
            .map(|node| node["id"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn alarm(&self, times: u64) {
        self.node
            .alarm(self.organisation, self.thing, self.channel, times)
            .await;
    }
}

async fn frame(socket: &mut Socket) -> Value {
    socket.data().await["telemetry"].take()
}

#[tokio::test]
async fn a_clock_that_is_ahead_freezes_neither_the_newest_value_nor_live_frames() {
    let plant = Plant::start().await;
    let now = || plant.node.clock.now().as_millis() / 1_000;
    // Alone, before anything else came.
    plant
        .publish(json!([{ "n": "a", "t": now() + 3_600, "v": 99 }]))
        .await;
    let series = plant.series().await;
    let newest = async || {
        let data = plant
            .node
            .admin
            .data(
                "{ series { nodes { latest { number quality } } } }",
                json!({}),
            )
            .await;
        data["series"]["nodes"][0]["latest"].clone()
    };
    assert_eq!(newest().await, Value::Null);
    let mut socket = plant.node.admin.socket().await;
    socket
        .subscribe("t", TELEMETRY, json!({ "series": series }))
        .await;
    assert_eq!(frame(&mut socket).await["v"], json!([]));

    // In one message with a true sample, and nine minutes ahead, which is within the bound.
    plant
        .publish(
            json!([{ "n": "a", "t": now() + 3_600, "v": 98 }, { "n": "a", "t": now(), "v": 1 }]),
        )
        .await;
    assert_eq!(frame(&mut socket).await["v"], json!([1.0]));
    assert_eq!(newest().await, json!({ "number": 1.0, "quality": "GOOD" }));
    plant
        .publish(json!([{ "n": "a", "t": now() + 540, "v": 2 }]))
        .await;
    assert_eq!(frame(&mut socket).await["v"], json!([2.0]));

    // All is history, and what lies ahead is uncertain there.
    let query = "query($id: ID!, $to: DateTime!) { seriesById(id: $id) { points(from: \"2020-01-01T00:00:00Z\", to: $to, \
                 maxPoints: 100) { v q } } }";
    let to = "2100-01-01T00:00:00Z";
    let data = plant
        .node
        .admin
        .data(query, json!({ "id": series[0], "to": to }))
        .await;
    let points = &data["seriesById"]["points"];
    assert_eq!(points["v"], json!([1.0, 2.0, 98.0]));
    let qualities: Vec<u64> = points["q"]
        .as_array()
        .unwrap()
        .iter()
        .map(|quality| quality.as_u64().unwrap())
        .collect();
    assert!(
        qualities[..2].iter().all(|quality| *quality >= 192),
        "{qualities:?}"
    );
    assert!((64..192).contains(&qualities[2]), "{qualities:?}");
    let metrics = plant.node.anonymous().get("/metrics").await.text;
    assert!(
        metrics.contains("\ntellee_ingest_samples_ahead_total 2\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_first_frame_holds_the_newest_and_later_ones_what_changed() {
    let plant = Plant::start().await;
    plant.publish(json!([{ "n": "a", "t": 1_700_000_000, "v": 1 }, { "n": "b", "t": 1_700_000_000, "vs": "on" }])).await;
    let series = plant.series().await;
    let mut socket = plant.node.admin.socket().await;
    // The same series twice stands in two places.
    let asked = [&series[0], &series[1], &series[0]];
    socket
        .subscribe("t", TELEMETRY, json!({ "series": asked }))
        .await;
    let first = frame(&mut socket).await;
    let mut places: Vec<_> = first["i"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| place.as_u64().unwrap())
        .collect();
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2]);
    assert_eq!(first["q"], json!([192, 192, 192]));
    assert!(
        first["v"].as_array().unwrap().contains(&Value::Null),
        "a text is no number"
    );

    // Older samples fill history and move nothing; the newer one comes.
    plant
        .publish(json!([{ "n": "a", "t": 1_600_000_000, "v": 7 }]))
        .await;
    plant
        .publish(json!([{ "n": "a", "t": 1_700_000_001, "v": 2 }]))
        .await;
    let next = frame(&mut socket).await;
    assert_eq!(next["v"], json!([2.0, 2.0]));
    assert_eq!(next["t"], json!([1_700_000_001_000.0, 1_700_000_001_000.0]));
}

#[tokio::test]
async fn a_flood_is_conflated_to_the_newest_of_each_series() {
    let plant = Plant::start().await;
    plant
        .publish(json!([{ "n": "a", "t": 1_700_000_000, "v": 0 }]))
        .await;
    let series = plant.series().await;
    let mut socket = plant.node.admin.socket().await;
    socket
        .subscribe("t", TELEMETRY, json!({ "series": series }))
        .await;
    frame(&mut socket).await;
    for burst in 0..20 {
        let pack: Vec<Value> =
            (0..200).map(|step| json!({ "n": "a", "t": 1_700_000_001 + burst * 200 + step, "v": burst * 200 + step })).collect();
        plant.publish(json!(pack)).await;
    }
    let mut frames = 0;
    let mut last = -1.0;
    while last < 3_999.0 {
        let frame = frame(&mut socket).await;
        let value = frame["v"][0].as_f64().unwrap();
        assert_eq!(frame["v"].as_array().unwrap().len(), 1);
        assert!(value > last, "{value} after {last}");
        last = value;
        frames += 1;
    }
    assert!(frames < 400, "{frames} frames for 4,000 samples");
}

#[tokio::test]
async fn alarms_come_as_a_snapshot_and_then_change_by_change() {
    let plant = Plant::start().await;
    let mut socket = plant.node.admin.socket().await;
    socket.subscribe("a", CHANGES, json!({})).await;
    let snapshot = socket.data().await["alarmChanges"].take();
    assert_eq!(
        (&snapshot["kind"], &snapshot["alarms"]),
        (&json!("SNAPSHOT"), &json!([]))
    );
    plant.alarm(1).await;
    let raised = socket.data().await["alarmChanges"].take();
    assert_eq!(
        (&raised["kind"], &raised["change"]["kind"]),
        (&json!("CHANGE"), &json!("activated"))
    );
    assert_eq!(
        (&raised["alarm"]["occurrence"], &raised["change"]["who"]),
        (&json!(1), &json!("test"))
    );
    let returned = socket.data().await["alarmChanges"].take();
    assert_eq!(returned["change"]["kind"], "returned");
    assert_eq!(returned["alarm"]["state"], "NORMAL");
}

#[tokio::test]
async fn no_change_is_lost_when_the_socket_dies_in_the_middle() {
    let plant = Plant::start().await;
    let mut socket = plant.node.admin.socket().await;
    socket.subscribe("a", CHANGES, json!({})).await;
    let mut cursor = socket.data().await["alarmChanges"]["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut seen: Vec<u64> = Vec::new();
    let raising = plant.alarm(500);
    let reading = async {
        let mut deaths = 0;
        while seen.len() < 1_000 {
            // The socket is dropped without a word each hundred changes.
            if seen.len() / 100 > deaths {
                deaths += 1;
                socket = plant.node.admin.socket().await;
                socket
                    .subscribe("a", CHANGES, json!({ "after": cursor }))
                    .await;
            }
            let change = socket.data().await["alarmChanges"].take();
            assert_eq!(
                change["kind"], "CHANGE",
                "a cursor is resumed, not answered with a snapshot"
            );
            cursor = change["cursor"].as_str().unwrap().to_owned();
            seen.push(cursor.parse().unwrap());
        }
        deaths
    };
    let ((), deaths) = tokio::join!(raising, reading);
    assert_eq!(deaths, 9);
    assert!(seen.is_sorted(), "in order");
    assert_eq!(
        seen.iter().collect::<BTreeSet<_>>().len(),
        1_000,
        "each once"
    );
}

#[tokio::test]
async fn a_cursor_of_the_future_is_answered_with_a_snapshot() {
    let plant = Plant::start().await;
    let mut socket = plant.node.admin.socket().await;
    socket
        .subscribe("a", CHANGES, json!({ "after": "999999" }))
        .await;
    assert_eq!(socket.data().await["alarmChanges"]["kind"], "SNAPSHOT");
}

#[tokio::test]
async fn strangers_see_neither_our_series_nor_our_alarms() {
    let plant = Plant::start().await;
    plant.publish(json!([{ "n": "a", "v": 1 }])).await;
    let series = plant.series().await;
    let stranger = plant.node.stranger().await;
    let mut socket = stranger.socket().await;
    socket
        .subscribe("t", TELEMETRY, json!({ "series": series }))
        .await;
    let super::client::Frame::Json(refused) = socket.next().await else {
        panic!("closed")
    };
    assert_eq!(refused["type"], "error");
    socket.subscribe("a", CHANGES, json!({})).await;
    assert_eq!(socket.data().await["alarmChanges"]["alarms"], json!([]));
    plant.alarm(3).await;
    // Whatever came would come before the answer to this.
    socket
        .subscribe("q", "{ alarms { total } }", json!({}))
        .await;
    assert_eq!(socket.data().await["alarms"]["total"], 0);
}
