//! The whole agent against a platform double and the simulator, over real sockets.

#![allow(clippy::unwrap_used)]

#[path = "support/platform.rs"]
mod platform;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use platform::{EXTERNAL_ID, EXTERNAL_KEY, Platform};
use rumqttc::v5::mqttbytes::v5::PubAckReason;
use tellee_edge::agent::{self, AgentError};
use tellee_edge::config::Config;
use tellee_edge::sim::{SimConfig, SimKind, Simulator, edge_content};
use tellee_edge::spool::ContentType;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// A simulator and the content that maps it, polled ten times a second.
async fn simulated() -> (String, watch::Sender<bool>) {
    let simulator = Simulator::bind(SimConfig::new(SimKind::Pump))
        .await
        .unwrap();
    let port = simulator.address().port();
    let stop = watch::Sender::new(false);
    tokio::spawn(simulator.run(stop.subscribe()));
    let content = edge_content(
        &SimKind::Pump,
        "127.0.0.1",
        port,
        Duration::from_millis(100),
    )
    .unwrap();
    (content.to_string(), stop)
}

fn config(platform: &Platform, folder: &Path) -> Config {
    let mut config = Config {
        data_dir: folder.join("data"),
        ..Config::default()
    };
    config.bootstrap.server = Some(platform.server());
    config.bootstrap.external_id = Some(EXTERNAL_ID.into());
    config.bootstrap.external_key = Some(EXTERNAL_KEY.into());
    config.uplink.mqtt = Some(platform.mqtt.to_string().parse().unwrap());
    config.status.file = Some(folder.join("status.json"));
    config
}

struct RunningAgent {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), AgentError>>,
}

impl RunningAgent {
    fn start(config: Config) -> Self {
        let stop = watch::Sender::new(false);
        let task = tokio::spawn(agent::run(config, stop.subscribe()));
        Self { stop, task }
    }

    /// Five seconds are what a service manager is promised.
    async fn stop(self) {
        self.stop.send_replace(true);
        timeout(Duration::from_secs(5), self.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

fn status(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("status.json")).unwrap()).unwrap()
}

async fn until_status(
    folder: &Path,
    what: &str,
    done: impl Fn(&serde_json::Value) -> bool,
) -> serde_json::Value {
    for _ in 0..1500 {
        if let Ok(bytes) = std::fs::read(folder.join("status.json"))
            && let Ok(status) = serde_json::from_slice(&bytes)
            && done(&status)
        {
            return status;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("not within 30 s: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_pump_says_arrives_and_leaves_the_spool() {
    let (content, _sim) = simulated().await;
    let platform = Platform::start(content).await;
    let folder = tempfile::tempdir().unwrap();
    let agent = RunningAgent::start(config(&platform, folder.path()));
    platform
        .until("ten messages", |state| state.messages.len() >= 10)
        .await;
    agent.stop().await;

    let state = platform.state.lock();
    assert_eq!(state.missing(), Vec::<u64>::new());
    let names: BTreeSet<&str> = state
        .messages
        .values()
        .flat_map(|message| message.records.iter().map(|record| record.name.as_str()))
        .collect();
    assert!(
        names.contains("vibration_de") && names.contains("running") && names.len() == 14,
        "{names:?}"
    );
    assert!(
        state
            .messages
            .values()
            .all(|message| message.topic == "channels/data-1/messages" && !message.historical)
    );
    let status = status(folder.path());
    assert_eq!(status["spool"]["records"], 0, "{status}");
    assert_eq!(status["uplink"]["durable_acknowledgement"], true);
    assert_eq!(status["bootstrap"]["state"], "configured");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_costs_nothing_and_cbor_is_spoken_too() {
    let (content, _sim) = simulated().await;
    let platform = Platform::start(content).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&platform, folder.path());
    config.uplink.payload = ContentType::SenmlCbor;
    let agent = RunningAgent::start(config);
    platform
        .until("first messages", |state| state.messages.len() >= 3)
        .await;
    platform.online.send_replace(false);
    sleep(Duration::from_millis(1500)).await;
    let before = platform.state.lock().messages.len();
    platform.online.send_replace(true);
    platform
        .until("messages after the outage", |state| {
            state.messages.len() >= before + 10
        })
        .await;
    agent.stop().await;
    let state = platform.state.lock();
    assert_eq!((state.missing(), state.changed.clone()), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_promise_of_durability_the_spool_keeps_what_it_sent() {
    let (content, _sim) = simulated().await;
    let platform = Platform::start(content).await;
    platform.state.lock().durable = false;
    let folder = tempfile::tempdir().unwrap();
    let agent = RunningAgent::start(config(&platform, folder.path()));
    platform
        .until("five messages", |state| state.messages.len() >= 5)
        .await;
    agent.stop().await;
    let kept = status(folder.path());
    assert!(kept["spool"]["records"].as_u64().unwrap() >= 5, "{kept}");
    assert_eq!(kept["uplink"]["durable_acknowledgement"], false);

    platform.state.lock().durable = true;
    let agent = RunningAgent::start(config(&platform, folder.path()));
    platform
        .until("redelivery", |state| state.redelivered >= 5)
        .await;
    agent.stop().await;
    let state = platform.state.lock();
    assert_eq!(
        (state.missing(), state.changed.clone()),
        (vec![], vec![]),
        "a redelivery is the same bytes"
    );
    assert_eq!(status(folder.path())["spool"]["records"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_and_an_unknown_device_are_states_and_end_when_mended() {
    let (content, _sim) = simulated().await;
    let platform = Platform::start(content).await;
    platform.state.lock().bootstrap_status = 403;
    let folder = tempfile::tempdir().unwrap();
    let agent = RunningAgent::start(config(&platform, folder.path()));
    until_status(folder.path(), "wrong key", |status| {
        status["bootstrap"]["state"] == "wrong_key"
    })
    .await;
    platform.state.lock().bootstrap_status = 404;
    until_status(folder.path(), "unknown device", |status| {
        status["bootstrap"]["state"] == "unknown_device"
    })
    .await;
    platform.state.lock().bootstrap_status = 200;
    platform
        .until("a message", |state| !state.messages.is_empty())
        .await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulty_content_names_its_field_and_the_kept_config_goes_on() {
    let (content, _sim) = simulated().await;
    let platform = Platform::start(content).await;
    let folder = tempfile::tempdir().unwrap();
    let agent = RunningAgent::start(config(&platform, folder.path()));
    platform
        .until("a message", |state| !state.messages.is_empty())
        .await;
    agent.stop().await;
    platform.state.lock().content = r#"{"connections":[{"id":"a","driver":"opc-ua"}]}"#.into();
    let agent = RunningAgent::start(config(&platform, folder.path()));
    let shown = until_status(folder.path(), "bad config", |status| {
        status["bootstrap"]["state"] == "bad_config"
    })
    .await;
    assert!(
        shown["bootstrap"]["error"]
            .as_str()
            .unwrap()
            .contains("connections[0].driver"),
        "{shown}"
    );
    assert_eq!(shown["bootstrap"]["from_disk"], true);
    let before = platform.state.lock().messages.len();
    platform
        .until("messages by the kept config", |state| {
            state.messages.len() > before + 3
        })
        .await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_fetches_the_new_key() {
    let (content, _sim) = simulated().await;
    let platform = Platform::start(content).await;
    let folder = tempfile::tempdir().unwrap();
    let agent = RunningAgent::start(config(&platform, folder.path()));
    platform
        .until("a message", |state| !state.messages.is_empty())
        .await;
    platform.state.lock().key = "key-2".into();
    platform.online.send_replace(false);
    sleep(Duration::from_millis(100)).await;
    platform.online.send_replace(true);
    let before = platform.state.lock().messages.len();
    platform
        .until("a refused login", |state| state.refused_logins > 0)
        .await;
    platform
        .until("messages with the new key", |state| {
            state.messages.len() > before + 3
        })
        .await;
    agent.stop().await;
    assert_eq!(platform.state.lock().missing(), Vec::<u64>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_refused_for_its_content_does_not_block_the_rest() {
    let (content, _sim) = simulated().await;
    let platform = Platform::start(content).await;
    platform.state.lock().refuse = |seq| (seq == 2).then_some(PubAckReason::PayloadFormatInvalid);
    let folder = tempfile::tempdir().unwrap();
    let agent = RunningAgent::start(config(&platform, folder.path()));
    platform
        .until("messages behind it", |state| state.messages.len() >= 8)
        .await;
    let told = |state: &platform::State| {
        state.messages.values().any(|message| {
            message.topic == "channels/control-1/messages"
                && message
                    .records
                    .iter()
                    .any(|record| record.name == "edge/gap_records")
        })
    };
    platform.until("the gap on the control channel", told).await;
    agent.stop().await;
    assert_eq!(platform.state.lock().missing(), [2]);
    assert_eq!(status(folder.path())["spool"]["refused_records"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_agents_do_not_share_a_folder() {
    let platform = Platform::start(r#"{"connections":[]}"#.into()).await;
    let folder = tempfile::tempdir().unwrap();
    let agent = RunningAgent::start(config(&platform, folder.path()));
    until_status(folder.path(), "configured", |status| {
        status["bootstrap"]["state"] == "configured"
    })
    .await;
    let error = agent::run(config(&platform, folder.path()), watch::channel(false).1)
        .await
        .unwrap_err();
    assert!(matches!(error, AgentError::Locked(_)));
    assert_eq!(error.exit_code(), 3);
    agent.stop().await;
}

/// One register that never changes, reported on change.
async fn unmoved() -> (String, watch::Sender<bool>) {
    let simulator = Simulator::bind(SimConfig::new(SimKind::Pump))
        .await
        .unwrap();
    let content = serde_json::json!({"connections": [{
        "id": "plc", "driver": "modbus",
        "link": {"kind": "tcp", "host": "127.0.0.1", "port": simulator.address().port()},
        "defaults": {"every": "100ms", "report": "on_change", "heartbeat": "10m"},
        "devices": [{"unit": 1, "points": [{"name": "valve", "at": "holding/1"}]}],
    }]});
    let stop = watch::Sender::new(false);
    tokio::spawn(simulator.run(stop.subscribe()));
    (content.to_string(), stop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_outage_a_value_that_stands_is_told_anew_and_as_live() {
    let (content, _sim) = unmoved().await;
    let platform = Platform::start(content).await;
    let folder = tempfile::tempdir().unwrap();
    let agent = RunningAgent::start(config(&platform, folder.path()));
    let count = |state: &platform::State| {
        let is_valve = |message: &&platform::Message| message.records[0].name == "valve";
        state.messages.values().filter(is_valve).count()
    };
    platform.until("the value", |state| count(state) > 0).await;
    // What the first session has still to say.
    sleep(Duration::from_millis(700)).await;
    platform.online.send_replace(false);
    sleep(Duration::from_millis(300)).await;
    let before = count(&platform.state.lock());
    platform.online.send_replace(true);
    platform
        .until("the value once more", |state| count(state) > before)
        .await;
    agent.stop().await;
    let state = platform.state.lock();
    assert!(state.messages.values().all(|message| !message.historical));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_agent_again_and_again_loses_nothing_that_it_numbered() {
    let (content, _sim) = simulated().await;
    let platform = Platform::start(content).await;
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("key");
    std::fs::write(&key_file, EXTERNAL_KEY).unwrap();
    let start = || {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_tellee-edge"))
            .args(["--server", &platform.server(), "--external-id", EXTERNAL_ID])
            .arg("--external-key-file")
            .arg(&key_file)
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["--mqtt", &platform.mqtt.to_string()])
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    };
    for round in 0..6_usize {
        let mut child = start();
        let wanted = platform.state.lock().messages.len() + 3;
        // Half of the time the link is down, so that the spool fills; the kill hits at any point of a write.
        if round % 2 == 0 {
            platform
                .until("messages", |state| state.messages.len() >= wanted)
                .await;
        } else {
            platform.online.send_replace(false);
            sleep(Duration::from_millis(700)).await;
        }
        child.kill().await.unwrap();
        platform.online.send_replace(true);
    }
    let mut last = start();
    let wanted = platform.state.lock().messages.len() + 10;
    platform
        .until("messages after the last start", |state| {
            state.messages.len() >= wanted
        })
        .await;
    platform
        .until("no hole", |state| state.missing().is_empty())
        .await;
    // SIGTERM by the tool of that name; the agent ends by itself.
    let terminated = std::process::Command::new("kill")
        .arg(last.id().unwrap().to_string())
        .status()
        .unwrap();
    assert!(terminated.success());
    let ended = timeout(Duration::from_secs(5), last.wait())
        .await
        .unwrap()
        .unwrap();
    assert!(ended.success());
    let state = platform.state.lock();
    assert_eq!((state.missing(), state.changed.clone()), (vec![], vec![]));
}
