//! kill -9 under load, torn logs, frozen processes: what was acknowledged is there, once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::client::{Client, Thing};
use crate::harness::{Options, Server, signal};
use crate::mqtt_client::{Mqtt, PUBACK, publish_packet};

/// Each sample has its own whole second as source time; the value repeats the number.
const BASE: u64 = 1_600_000_000;
const WINDOW: u64 = 20;

/// Numbers that were sent, and those that the server acknowledged.
#[derive(Default)]
struct History {
    next: AtomicU64,
    acknowledged: Mutex<BTreeSet<u64>>,
}

impl History {
    fn take(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn acknowledge(&self, number: u64) {
        self.acknowledged.lock().unwrap().insert(number);
    }
}

fn pack(number: u64) -> String {
    format!(r#"[{{"n":"count","t":{},"v":{number}}}]"#, BASE + number)
}

/// Keeps [`WINDOW`] messages in flight until the server goes away.
async fn publish_over_mqtt(
    address: std::net::SocketAddr,
    client: String,
    thing: Thing,
    channel: String,
    history: Arc<History>,
) {
    let mut mqtt = Mqtt::of(address, &client, &thing).await;
    let topic = format!("channels/{channel}/messages");
    let mut flight: BTreeMap<u16, u64> = BTreeMap::new();
    let mut next_id = 0_u16;
    loop {
        while (flight.len() as u64) < WINDOW {
            let number = history.take();
            next_id = next_id % u16::MAX + 1;
            flight.insert(next_id, number);
            if mqtt
                .write(&publish_packet(&topic, 1, next_id, pack(number).as_bytes()))
                .await
                .is_err()
            {
                return;
            }
        }
        match mqtt.read(Duration::from_secs(30)).await {
            Some((PUBACK, body)) => {
                if let Some(number) = flight.remove(&u16::from_be_bytes([body[0], body[1]])) {
                    history.acknowledge(number);
                }
            }
            Some(_) => {}
            None => return,
        }
    }
}

async fn publish_over_http(client: Client, thing: Thing, channel: String, history: Arc<History>) {
    let client = client.as_who(&thing.key);
    loop {
        let number = history.take();
        let request = client
            .request(
                reqwest::Method::POST,
                &format!("/channels/{channel}/messages"),
            )
            .header("content-type", "application/senml+json")
            .body(pack(number));
        match request.send().await {
            Ok(response) if response.status().as_u16() == 202 => history.acknowledge(number),
            Ok(response) => assert!(response.status().as_u16() >= 500, "{}", response.status()),
            Err(_) => return,
        }
    }
}

/// How often each number is stored.
async fn stored(admin: &Client, channel: &str) -> BTreeMap<u64, u32> {
    let mut counts = BTreeMap::new();
    for message in admin.messages(channel).await {
        let number = message["value"].as_f64().unwrap() as u64;
        assert_eq!(
            message["time"].as_f64().unwrap() as u64,
            BASE + number,
            "{message}"
        );
        *counts.entry(number).or_insert(0) += 1;
    }
    counts
}

/// Publishers of both protocols on `server`; the set ends when the server goes away.
fn load(server: &Server, thing: &Thing, channel: &str, history: &Arc<History>) -> JoinSet<()> {
    let mut publishers = JoinSet::new();
    for number in 0..4 {
        let (thing, channel, history) = (thing.clone(), channel.to_owned(), Arc::clone(history));
        publishers.spawn(publish_over_mqtt(
            server.mqtt,
            format!("load-{number}"),
            thing,
            channel,
            history,
        ));
    }
    for _ in 0..2 {
        let (thing, channel, history) = (thing.clone(), channel.to_owned(), Arc::clone(history));
        publishers.spawn(publish_over_http(
            server.anonymous(),
            thing,
            channel,
            history,
        ));
    }
    publishers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_under_load_loses_nothing_acknowledged_and_stores_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let history = Arc::new(History::default());
    for round in 0..3_u64 {
        let mut publishers = load(&server, &thing, &channel, &history);
        let before = history.acknowledged.lock().unwrap().len();
        // Kill in the midst of work, however fast this machine is.
        while history.acknowledged.lock().unwrap().len() < before + 300 {
            assert!(server.is_alive());
            tokio::time::sleep(Duration::from_millis(5 + round)).await;
        }
        let data = server.kill();
        while publishers.join_next().await.is_some() {}
        server = Server::start(&data);
        let admin = server.administrator().await;
        let stored = stored(&admin, &channel).await;
        let acknowledged = history.acknowledged.lock().unwrap().clone();
        let lost: Vec<&u64> = acknowledged
            .iter()
            .filter(|number| !stored.contains_key(number))
            .collect();
        let twice: Vec<&u64> = stored
            .iter()
            .filter(|(_, count)| **count > 1)
            .map(|(number, _)| number)
            .collect();
        assert!(
            lost.is_empty(),
            "after kill {round}: {} of {} lost: {lost:?}",
            lost.len(),
            acknowledged.len()
        );
        assert!(
            twice.is_empty(),
            "after kill {round}: stored twice: {twice:?}"
        );
    }
}

#[tokio::test]
async fn kill_9_loses_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let mut things = Vec::new();
    for number in 0..20 {
        things.push(admin.create_thing(&format!("pump-{number}")).await);
    }
    let data = server.kill();
    let server = Server::start(&data);
    let admin = server.administrator().await;
    for thing in things {
        let view = admin
            .get(&format!("/things/{}", thing.id))
            .await
            .expect(200)
            .json();
        assert_eq!(view["key"], json!(thing.key));
    }
}

#[tokio::test]
async fn terminated_under_load_it_ends_within_ten_seconds_and_keeps_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let history = Arc::new(History::default());
    let mut publishers = load(&server, &thing, &channel, &history);
    while history.acknowledged.lock().unwrap().len() < 300 {
        assert!(server.is_alive());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let data = server.data.clone();
    let (code, took) = tokio::task::spawn_blocking(move || server.stop())
        .await
        .unwrap();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    while publishers.join_next().await.is_some() {}
    let server = Server::start(&data);
    let stored = stored(&server.administrator().await, &channel).await;
    let acknowledged = history.acknowledged.lock().unwrap().clone();
    assert!(
        acknowledged
            .iter()
            .all(|number| stored.get(number) == Some(&1))
    );
}

/// The files of a folder, deep, newest name last.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_torn_tail_of_the_log_is_cut_off_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    for number in 0..50 {
        let pack = json!([{ "n": "count", "t": BASE + number, "v": number }]);
        admin.publish(&thing, &channel, &pack).await.expect(202);
    }
    let data = server.kill();
    let logs: Vec<PathBuf> = files(&data.join("telemetry"))
        .into_iter()
        .filter(|path| path.to_string_lossy().contains("/log-"))
        .collect();
    let log = logs
        .last()
        .unwrap_or_else(|| panic!("no log in {:?}", files(&data.join("telemetry"))));
    // The half of a record that a power cut leaves behind.
    let mut bytes = std::fs::read(log).unwrap();
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |place| place + 1);
    bytes.truncate(end);
    bytes.extend([0x5a; 37]);
    std::fs::write(log, bytes).unwrap();
    let server = Server::start(&data);
    let admin = server.administrator().await;
    assert_eq!(stored(&admin, &channel).await.len(), 50);
    admin
        .publish(
            &thing,
            &channel,
            &json!([{ "n": "count", "t": BASE + 50, "v": 50 }]),
        )
        .await
        .expect(202);
    let data = server.kill();
    let server = Server::start(&data);
    assert_eq!(
        stored(&server.administrator().await, &channel).await.len(),
        51
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_goes_on_where_it_stood() {
    let folder = tempfile::tempdir().unwrap();
    let server = Options::new(folder.path()).start();
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let mut mqtt = Mqtt::of(server.mqtt, "pump", &thing).await;
    signal("STOP", server.pid());
    let topic = format!("channels/{channel}/messages");
    mqtt.write(&publish_packet(&topic, 1, 7, pack(1).as_bytes()))
        .await
        .unwrap();
    let early = mqtt.read(Duration::from_secs(1)).await;
    signal("CONT", server.pid());
    assert_eq!(early, None, "a stopped process answered");
    let (kind, body) = mqtt.read(Duration::from_secs(30)).await.expect("an answer");
    assert_eq!((kind, &body[..2]), (PUBACK, &[0, 7][..]));
    assert_eq!(stored(&admin, &channel).await.len(), 1);
}
