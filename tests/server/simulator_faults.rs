//! The machine stops in mid-answer, and dies: the edge agent says so, invents nothing, and goes on afterwards.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tellee_edge::sim::{SimKind, edge_content};

use crate::client::Client;
use crate::harness::{Server, signal, until};
use crate::line::{Running, edge_agent, provision, simulate};

const POLL: Duration = Duration::from_millis(100);
/// How long a poll waits for its answer, and it asks twice.
const ANSWER: Duration = Duration::from_secs(1);

/// The spool of an agent that keeps up: what is on its way while the status is written.
const CAUGHT_UP: u64 = 500;

fn now_s() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock after 1970").as_secs_f64()
}

fn status(folder: &Path) -> Option<Value> {
    let text = std::fs::read(folder.join("status.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

async fn until_status(folder: &Path, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    until(what, async || status(folder).filter(&wanted)).await
}

fn pump_at(address: SocketAddr) -> Running {
    simulate(&["--listen", &address.to_string()]).0
}

/// Source times of each series, in the order of the store.
async fn times(admin: &Client, channel: &str) -> BTreeMap<String, Vec<f64>> {
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for message in admin.messages(channel).await {
        let name = message["name"].as_str().unwrap_or_default().to_owned();
        let time = message["time"].as_f64().expect("a time");
        times.entry(name).or_default().push(time);
    }
    times
}

/// Waits for a sample from after this moment.
async fn fresh_sample(admin: &Client, channel: &str) {
    let from = now_s();
    until("a fresh sample", async || {
        let path = format!("/channels/{channel}/messages?limit=1&name=running&from={from}");
        let page = admin.get(&path).await.expect(200).json();
        (page["total"] != json!(0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_machine_that_stops_in_mid_answer_leaves_a_gap_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let admin = server.administrator().await;
    let (simulator, modbus) = simulate(&["--listen", "127.0.0.1:0"]);
    let content = edge_content(
        &SimKind::Pump,
        &modbus.ip().to_string(),
        modbus.port(),
        POLL,
    )
    .expect("the pump is known");
    let (_, channel) = provision(&admin, &content).await;
    let mut agent = edge_agent(&server, folder.path());
    fresh_sample(&admin, &channel).await;

    // Frozen: connections stay open and answers stop, in the middle of one or between two.
    signal("STOP", simulator.pid());
    let frozen_from = now_s();
    let silent = until_status(folder.path(), "the silence is noticed", |status| {
        let device = &status["connections"]["pump-sim"]["devices"][0];
        device["failed_reads"].as_u64() >= Some(2) && !device["error"].is_null()
    })
    .await;
    let frozen_to = now_s();
    signal("CONT", simulator.pid());
    fresh_sample(&admin, &channel).await;
    let device = &silent["connections"]["pump-sim"]["devices"][0];
    let error = device["error"].as_str().unwrap_or_default();
    assert!(error.starts_with("no answer within"), "{device}");

    // Dead, and started again at the same address.
    drop(simulator);
    until_status(folder.path(), "the death is noticed", |status| {
        status["connections"]["pump-sim"]["state"] == "unreachable"
    })
    .await;
    let dead_at = now_s();
    let _simulator = pump_at(modbus);
    fresh_sample(&admin, &channel).await;
    let well = until_status(folder.path(), "all is well again", |status| {
        status["connections"]["pump-sim"]["state"] == "connected"
            && status["spool"]["records"].as_u64() < Some(CAUGHT_UP)
    })
    .await;
    assert_eq!(well["spool"]["dropped_records"], json!(0), "{well}");

    // Asked to end, so that pages do not shift while they are read.
    assert!(agent.is_alive(), "the agent ended");
    agent.end().await;
    let log = agent.log(folder.path());
    assert!(!log.contains("panicked"), "{log}");
    assert!(!server.log().contains("panicked"));

    let times = times(&admin, &channel).await;
    assert!(times.len() >= 14, "{:?}", times.keys());
    // An answer that came at once after the thaw bears the time of its question.
    let quiet = frozen_from..frozen_to - 2.0 * ANSWER.as_secs_f64();
    for (series, times) in &times {
        let mut once = times.clone();
        once.sort_by(f64::total_cmp);
        once.dedup();
        assert_eq!(once.len(), times.len(), "`{series}` has a sample twice");
        let invented: Vec<_> = times.iter().filter(|time| quiet.contains(time)).collect();
        assert!(invented.is_empty(), "`{series}`: {invented:?}");
        assert!(
            times.iter().any(|time| *time > dead_at),
            "`{series}` did not come back"
        );
    }
}
