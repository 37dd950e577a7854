//! The whole line over real sockets: a recording, the simulator, the edge agent, the server, an alarm.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tellee_edge::sim::{SimKind, edge_content};

use crate::client::Client;
use crate::harness::{PATIENCE, Server, signal, tellee};

pub const EXTERNAL_ID: &str = "replay-1";
pub const EXTERNAL_KEY: &str = "replay-secret";
const AGENT_LOG: &str = "edge.log";
/// Rows of a recording are played faster than they are polled, so that a poll finds a new row or the next but one.
const ROW: &str = "150ms";
const POLL: Duration = Duration::from_millis(200);

/// A program that ends with the test.
pub struct Running(Child);

impl Running {
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn is_alive(&mut self) -> bool {
        self.0.try_wait().expect("it can be asked").is_none()
    }

    /// SIGTERM, and waits for its end.
    pub async fn end(&mut self) {
        signal("TERM", self.pid());
        let until = Instant::now() + PATIENCE;
        while self.is_alive() {
            assert!(Instant::now() < until, "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the edge agent in `folder` said on stderr.
    pub fn log(&self, folder: &Path) -> String {
        std::fs::read_to_string(folder.join(AGENT_LOG)).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The simulator playing `recording`, and where it listens.
fn play(recording: &Path) -> (Running, SocketAddr) {
    let recording = recording.to_str().expect("a path that is text");
    simulate(&[
        "--listen",
        "127.0.0.1:0",
        "--every",
        ROW,
        "--csv",
        recording,
    ])
}

/// The simulator, and where it listens.
pub fn simulate(arguments: &[&str]) -> (Running, SocketAddr) {
    let mut child = tellee()
        .arg("sim")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the simulator starts");
    let stdout = child.stdout.take().expect("stdout is piped");
    let running = Running(child);
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("a ready line");
    let ready: Value = serde_json::from_str(&line).expect("the ready line is JSON");
    let address = ready["modbus"].as_str().expect("an address");
    (running, address.parse().expect("an address"))
}

/// The edge agent, with its data, its `status.json` and its log in `folder`.
pub fn edge_agent(server: &Server, folder: &Path) -> Running {
    let (http, mqtt) = (format!("http://{}", server.http), server.mqtt.to_string());
    edge_agent_at(&http, &mqtt, folder, &[])
}

/// The edge agent of a platform at these addresses, with more of its settings from the environment.
pub fn edge_agent_at(
    server: &str,
    mqtt: &str,
    folder: &Path,
    environment: &[(&str, &str)],
) -> Running {
    let program = Path::new(env!("CARGO_BIN_EXE_tellee")).with_file_name("tellee-edge");
    assert!(
        program.is_file(),
        "`{}` is missing: `cargo build -p tellee-edge`",
        program.display()
    );
    let key = folder.join("key");
    std::fs::write(&key, EXTERNAL_KEY).expect("the key can be written");
    let log = File::create(folder.join(AGENT_LOG)).expect("the log can be written");
    let child = Command::new(program)
        .envs(environment.iter().copied())
        .args(["--server", server])
        .args(["--mqtt", mqtt])
        .args(["--external-id", EXTERNAL_ID])
        .arg("--external-key-file")
        .arg(&key)
        .arg("--data-dir")
        .arg(folder.join("edge"))
        .arg("--status-file")
        .arg(folder.join("status.json"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the edge agent starts");
    Running(child)
}

/// The content for the device that plays `recording`.
fn content_of(recording: &Path, modbus: SocketAddr) -> Value {
    let kind = SimKind::Csv(recording.to_owned());
    edge_content(&kind, &modbus.ip().to_string(), modbus.port(), POLL)
        .expect("the recording can be read")
}

/// Registers a device with this content; answers its thing and its channel.
pub async fn provision(admin: &Client, content: &Value) -> (String, String) {
    let channel = admin.create_channel("data").await;
    let body = json!({
        "external_id": EXTERNAL_ID, "external_key": EXTERNAL_KEY, "name": "replay",
        "channels": [channel], "content": content.to_string(),
    });
    let thing = admin.post("/things/configs", &body).await.expect(201).id();
    let active = json!({ "state": 1 });
    admin
        .put(&format!("/things/state/{thing}"), &active)
        .await
        .expect(200);
    (thing, channel)
}

/// The stored numbers of `name` in order of time, once there are `least` of them.
async fn stored(admin: &Client, channel: &str, name: &str, least: usize) -> Vec<f64> {
    let until = Instant::now() + PATIENCE;
    loop {
        let path = format!("/channels/{channel}/messages?limit=1000&name={name}");
        let page = admin.get(&path).await.expect(200).json();
        let messages = page["messages"].as_array().cloned().unwrap_or_default();
        if messages.len() >= least {
            let values = messages
                .iter()
                .rev()
                .filter_map(|row| row["value"].as_f64());
            return values.collect();
        }
        assert!(
            Instant::now() < until,
            "{} of {least} samples of `{name}` came",
            messages.len()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The numbers of one column, as Modbus carries them.
fn column(recording: &Path, separator: char, index: usize) -> Vec<f64> {
    let text = std::fs::read_to_string(recording).expect("the recording can be read");
    let rows = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split(separator).nth(index));
    rows.filter_map(|cell| cell.trim().parse::<f32>().ok())
        .map(f64::from)
        .collect()
}

/// Whether `values` are rows of `recorded` in their order, each once or more often.
fn follows(values: &[f64], recorded: &[f64]) -> bool {
    let mut row = 0;
    values.iter().all(|value| {
        let found = recorded[row..]
            .iter()
            .position(|recorded| (recorded - value).abs() <= recorded.abs() * 1e-6 + 1e-9);
        found.inspect(|steps| row += steps).is_some()
    })
}

async fn alarm_on(admin: &Client, thing: &str, series: &str, limit: f64) {
    let definition = json!({
        "name": "above", "thing": thing, "seriesName": series, "message": "above the limit",
        "action": "look at the machine", "levels": [{ "kind": "HI", "limit": limit, "priority": "P2" }],
    });
    let query = "mutation($definition: AlarmRuleDefinitionInput!) { createAlarmRule(input: { idempotencyKey: \"rule\", \
                 definition: $definition }) { revision } }";
    let body = json!({ "query": query, "variables": { "definition": definition } });
    let answer = admin.post("/graphql", &body).await.expect(200).json();
    assert!(answer["errors"].is_null(), "{answer}");
}

async fn wait_for_alarm(admin: &Client) -> Value {
    let until = Instant::now() + PATIENCE;
    let body =
        json!({ "query": "{ alarms { nodes { state message seriesName value thing { id } } } }" });
    loop {
        let answer = admin.post("/graphql", &body).await.expect(200).json();
        let first = answer["data"]["alarms"]["nodes"][0].clone();
        if !first.is_null() {
            return first;
        }
        assert!(Instant::now() < until, "no alarm came: {answer}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_recorded_machine_temperature_runs_through_the_whole_line_into_an_alarm() {
    let recording = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("edge/data/nab/machine_temperature_system_failure.csv");
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let admin = server.administrator().await;
    let (_simulator, modbus) = play(&recording);
    let (thing, channel) = provision(&admin, &content_of(&recording, modbus)).await;
    let series = "machine_temperature";
    // The recording starts above 70 and stays there for its first hours.
    alarm_on(&admin, &thing, series, 60.0).await;
    let _agent = edge_agent(&server, folder.path());

    let values = stored(&admin, &channel, series, 25).await;
    let recorded = column(&recording, ',', 1);
    assert!(follows(&values, &recorded), "not the recording: {values:?}");
    let alarm = wait_for_alarm(&admin).await;
    assert_eq!(alarm["state"], "UNACKNOWLEDGED");
    assert_eq!(alarm["seriesName"], series);
    assert_eq!(alarm["thing"]["id"], thing);
}

#[tokio::test]
async fn a_skab_run_is_replayed_where_its_files_are() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/skab");
    let folder = std::env::var_os("TELLEE_SKAB").map_or(beside, PathBuf::from);
    let recording = folder.join("valve1/0.csv");
    if !recording.is_file() {
        eprintln!("skipped: no SKAB files in `{}`", folder.display());
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(&data.path().join("data"));
    let admin = server.administrator().await;
    let (_simulator, modbus) = play(&recording);
    let content = content_of(&recording, modbus);
    let (_, channel) = provision(&admin, &content).await;
    let _agent = edge_agent(&server, data.path());
    let points = content["connections"][0]["devices"][0]["points"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let names: Vec<&str> = points
        .iter()
        .filter_map(|point| point["name"].as_str())
        .filter(|name| *name != "playing")
        .take(8)
        .collect();
    assert_eq!(names.len(), 8, "{points:?}");
    for (index, name) in names.iter().enumerate() {
        let values = stored(&admin, &channel, name, 15).await;
        let recorded = column(&recording, ';', index + 1);
        assert!(follows(&values, &recorded), "`{name}`: {values:?}");
    }
}
