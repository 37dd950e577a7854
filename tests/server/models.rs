//! Models with the real worker: a damaged one harms no other, and a worker that dies loses nothing.
//!
//! Left out, with the reason on stderr, where the worker or libtorch is not built.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::client::{Client, Thing};
use crate::harness::{Options, Server, signal, until};

const WORKER: &str = "tellee-ml-worker";
/// Rows of the healthy window, one a second.
const HEALTHY_ROWS: u64 = 240;
const WINDOW: u64 = 8;
/// Rows that are scored live: their source times lie within the bound of what counts as live.
const LIVE_ROWS: u64 = 40;

/// What a model needs that this machine lacks.
#[derive(Debug)]
enum Missing {
    Worker(PathBuf),
    Libtorch(PathBuf),
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(place) => write!(
                formatter,
                "`{}` is not built (`cargo build --release -p {WORKER}`)",
                place.display()
            ),
            Self::Libtorch(place) => write!(
                formatter,
                "no libtorch in `{}` (`scripts/get-libtorch.sh` fetches it)",
                place.display()
            ),
        }
    }
}

/// Where worker and libtorch are on this machine.
struct Worker {
    program: PathBuf,
    libtorch: PathBuf,
}

impl Worker {
    /// The worker of this build's target folder, else that in the cache; libtorch as the scripts put it.
    fn find() -> Result<Self, Missing> {
        let cache = std::env::var_os("TELLEE_CACHE").map_or_else(
            || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/tellee"),
            PathBuf::from,
        );
        let target = Path::new(env!("CARGO_BIN_EXE_tellee")).ancestors().nth(2);
        let here = target
            .unwrap_or_else(|| Path::new("."))
            .join("release")
            .join(WORKER);
        let cached = cache.join("target/release").join(WORKER);
        let program = [here, cached.clone()]
            .into_iter()
            .find(|place| place.is_file())
            .ok_or(Missing::Worker(cached))?;
        let libtorch = std::env::var_os("LIBTORCH")
            .map_or_else(|| cache.join("libtorch-2.13.0"), PathBuf::from);
        if !libtorch.join("lib").is_dir() {
            return Err(Missing::Libtorch(libtorch));
        }
        Ok(Self { program, libtorch })
    }

    fn start(&self, data: &Path) -> Server {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Options::new(data)
            .with("TELLEE_ML__ENABLED", "true")
            .with("TELLEE_ML__WORKER", &text(&self.program))
            .with("TELLEE_ML__LIBTORCH", &text(&self.libtorch))
            .start()
    }
}

/// A pump with two signals that go together, its history of health stored.
struct Pump {
    thing: Thing,
    channel: String,
    /// The source time of the first row of the healthy window, in seconds since 1970.
    start: u64,
}

fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock after 1970").as_secs()
}

fn stamp(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).expect("a time of this age");
    jiff::Timestamp::from_second(seconds)
        .expect("a time of this age")
        .to_string()
}

impl Pump {
    async fn make(admin: &Client) -> Self {
        let (thing, channel) = admin.provision("pump").await;
        let start = now_s() - LIVE_ROWS - HEALTHY_ROWS - 400;
        let pump = Self {
            thing,
            channel,
            start,
        };
        pump.publish(admin, start, HEALTHY_ROWS).await;
        pump
    }

    /// Healthy rows, one a second from `from` on.
    async fn publish(&self, client: &Client, from: u64, rows: u64) {
        let pack: Vec<Value> = (from..from + rows)
            .flat_map(|time| {
                let load = (time % 30) as f64 / 30.0;
                [
                    json!({ "n": "flow", "t": time, "v": 50.0 + 10.0 * load }),
                    json!({ "n": "current", "t": time, "v": 20.0 + 5.0 * load }),
                ]
            })
            .collect();
        client
            .publish(&self.thing, &self.channel, &json!(pack))
            .await
            .expect(202);
    }

    /// A model of the pump with a live version, that writes its score to `<name>.score`; its id.
    async fn model(&self, admin: &Client, name: &str) -> String {
        let signals =
            ["flow", "current"].map(|series| json!({ "channel": self.channel, "series": series }));
        let input = json!({
            "idempotencyKey": format!("create {name}"), "name": name, "thing": self.thing.id,
            "signals": signals, "samplePeriodMs": 1_000, "window": WINDOW,
            "scoreSeries": format!("{name}.score"), "persistence": 3,
        });
        let query =
            "mutation($input: CreateModelInput!) { createModel(input: $input) { model { id } } }";
        let answer = admin.graphql(query, json!({ "input": input })).await;
        let model = Client::data(&answer)["createModel"]["model"]["id"].clone();
        let model = model.as_str().expect("an id").to_owned();
        self.train(admin, &model, 1).await;
        model
    }

    /// Trains version `version` and waits until it is live.
    async fn train(&self, admin: &Client, model: &str, version: u64) {
        let input = json!({
            "idempotencyKey": format!("train {version} of {model}"), "model": model,
            "from": stamp(self.start), "to": stamp(self.start + HEALTHY_ROWS), "promote": true,
        });
        let query = "mutation($input: TrainModelInput!) { trainModel(input: $input) { revision } }";
        let answer = admin.graphql(query, json!({ "input": input })).await;
        Client::data(&answer);
        until("a trained version is live", async || {
            let answer = admin
                .graphql(
                    "query($id: ID!) { model(id: $id) { live lastFailure } }",
                    json!({ "id": model }),
                )
                .await;
            let found = &Client::data(&answer)["model"];
            assert!(found["lastFailure"].is_null(), "{found}");
            (found["live"] == json!(version)).then_some(())
        })
        .await;
    }

    /// Source times of the stored scores of a model, in order.
    async fn score_times(&self, admin: &Client, name: &str) -> Vec<u64> {
        let messages = admin.messages(&self.channel).await;
        let score = format!("{name}.score");
        let mut times: Vec<u64> = messages
            .iter()
            .filter(|message| message["name"] == json!(score))
            .filter_map(|message| message["time"].as_f64())
            .map(|time| time as u64)
            .collect();
        times.sort_unstable();
        times
    }
}

/// `Model.scoring` once it is as `wanted` says.
async fn scoring(
    admin: &Client,
    model: &str,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let query =
        "query($id: ID!) { model(id: $id) { scoring { version state reason scored dropped } } }";
    until(what, async || {
        let answer = admin.graphql(query, json!({ "id": model })).await;
        let scoring = Client::data(&answer)["model"]["scoring"].clone();
        wanted(&scoring).then_some(scoring)
    })
    .await
}

async fn worker_state(admin: &Client, wanted: &str) -> Value {
    until("a state of the worker", async || {
        let answer = admin
            .graphql("{ server { ml { state reason } } }", json!({}))
            .await;
        let ml = Client::data(&answer)["server"]["ml"].clone();
        (ml["state"] == wanted).then_some(ml)
    })
    .await
}

fn is_scoring(scoring: &Value) -> bool {
    scoring["state"] == "SCORING"
}

/// The process of the worker under `server`, if it runs.
fn worker_process(server: &Server) -> Option<u32> {
    let parent = server.pid().to_string();
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| {
            // `pid (name) state parent …`
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
                return false;
            };
            let Some((name, rest)) = stat.rsplit_once(") ") else {
                return false;
            };
            name.contains("tellee-ml") && rest.split(' ').nth(1) == Some(parent.as_str())
        })
}

/// Source times of the windows of rows `from` to `from + rows`, whose first window is there when its last row is.
fn windows(from: u64, rows: u64) -> Vec<u64> {
    (from + WINDOW - 1..from + rows).collect()
}

#[tokio::test]
async fn a_garbage_model_file_stops_that_model_alone_and_says_so() {
    let worker = match Worker::find() {
        Ok(worker) => worker,
        Err(missing) => return eprintln!("left out: {missing}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let server = worker.start(folder.path());
    let admin = server.administrator().await;
    let pump = Pump::make(&admin).await;
    let good = pump.model(&admin, "good").await;
    let bad = pump.model(&admin, "bad").await;
    server.stop();

    let graph = folder.path().join("models").join(&bad).join("1/graph.pt");
    assert!(graph.is_file(), "the artifact lies elsewhere");
    std::fs::write(&graph, b"this is no TorchScript").unwrap();
    let server = worker.start(folder.path());
    let admin = server.administrator().await;
    let failed = scoring(&admin, &bad, "the garbage is noticed", |scoring| {
        scoring["state"] == "FAILED"
    })
    .await;
    let reason = failed["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("graph.pt"), "{failed}");
    scoring(&admin, &good, "the other model scores", is_scoring).await;
    worker_state(&admin, "READY").await;

    let live = now_s() - LIVE_ROWS;
    pump.publish(&admin, live, LIVE_ROWS).await;
    let expected = windows(live, LIVE_ROWS);
    scoring(&admin, &good, "all windows are scored", |scoring| {
        scoring["scored"] == json!(expected.len())
    })
    .await;
    assert_eq!(pump.score_times(&admin, "good").await, expected);
    assert_eq!(pump.score_times(&admin, "bad").await, Vec::<u64>::new());

    // A new version takes over; nothing has to be started again.
    pump.train(&admin, &bad, 2).await;
    let healed = scoring(&admin, &bad, "the new version scores", is_scoring).await;
    assert_eq!(healed["version"], json!(2));
}

#[tokio::test]
async fn a_worker_killed_in_mid_batch_loses_no_score_and_one_that_dies_for_ever_is_left_alone() {
    let worker = match Worker::find() {
        Ok(worker) => worker,
        Err(missing) => return eprintln!("left out: {missing}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let server = worker.start(folder.path());
    let admin = server.administrator().await;
    let pump = Pump::make(&admin).await;
    let model = pump.model(&admin, "pump").await;
    scoring(&admin, &model, "the model scores", is_scoring).await;
    let live = now_s() - LIVE_ROWS;
    pump.publish(&admin, live, LIVE_ROWS / 2).await;
    let first = windows(live, LIVE_ROWS / 2).len();
    scoring(&admin, &model, "the first windows are scored", |scoring| {
        scoring["scored"] == json!(first)
    })
    .await;

    // Frozen, it has taken the batch and answers nothing; then it is gone. Were the batch still on its way after this
    // pause, the test would prove less, and fail no more easily.
    let frozen = worker_process(&server).expect("the worker runs");
    signal("STOP", frozen);
    let second = live + LIVE_ROWS / 2;
    pump.publish(&admin, second, LIVE_ROWS / 2).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    signal("KILL", frozen);
    let expected = windows(live, LIVE_ROWS);
    let after = scoring(&admin, &model, "the rest is scored", |scoring| {
        scoring["scored"] == json!(expected.len())
    })
    .await;
    assert_eq!(
        (&after["state"], &after["dropped"]),
        (&json!("SCORING"), &json!(0)),
        "each window was scored once"
    );
    assert_eq!(pump.score_times(&admin, "pump").await, expected);

    // The breaker opens at the fifth death within ten minutes.
    for death in 2..=5 {
        scoring(&admin, &model, "the model scores again", is_scoring).await;
        let running = worker_process(&server).expect("the worker runs");
        signal("KILL", running);
        if death < 5 {
            until("another worker", async || {
                worker_process(&server).filter(|next| *next != running)
            })
            .await;
        }
    }
    let broken = worker_state(&admin, "BROKEN").await;
    assert!(!broken["reason"].is_null(), "{broken}");
    let waiting = scoring(&admin, &model, "it waits", |scoring| {
        scoring["state"] == "WAITING"
    })
    .await;
    assert_eq!(waiting["reason"], broken["reason"]);
    // Everything else goes on.
    pump.publish(&admin, second + LIVE_ROWS / 2, 1).await;
    admin.get("/health").await.expect(200);
}
