//! SKAB valve1 by its usual protocol, through the real path: messages are stored and published, a model is trained on the
//! first 400 rows of each file by the real worker, and the rest is scored live.
//!
//! Needs the worker (release) with libtorch, and the data: `TELLEE_SKAB` names its folder, or it lies in
//! `../shared/data/skab` beside the repository. Without them it says so and passes. No label is read before the figures
//! are counted, and nothing is point-adjusted: each row counts for itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/doubles.rs"]
mod doubles;

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use doubles::RecordingDirectory;
use tellee_actors::domain::model::{Definition, Signal};
use tellee_actors::event::Who;
use tellee_actors::ids::{ChannelId, ModelId, ThingId};
use tellee_actors::time::{SystemClock, Timestamp};
use tellee_ml::worker::WorkerState;
use tellee_ml::{MlConfig, MlService, Seams, TrainOptions, TrainRequest};
use tellee_projections::live::LiveSink;
use tellee_projections::telemetry::{
    EmbeddedTelemetryStore, MessageBatch, Quality, Record, SeriesFilter, TelemetryConfig,
    TelemetryStore, TimeRange, Value,
};
use tokio::time::{sleep, timeout};

const TRAINING_ROWS: usize = 400;
const PERIOD_MS: i64 = 1_000;
/// Samples per window, the same for all files.
const WINDOW: u32 = 20;
/// As a pump does that publishes three times a minute.
const ROWS_PER_MESSAGE: usize = 20;
const PATIENCE: Duration = Duration::from_secs(120);

struct Recording {
    name: String,
    signals: Vec<String>,
    rows: Vec<Vec<f64>>,
    anomalous: Vec<bool>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    true_positive: f64,
    false_positive: f64,
    false_negative: f64,
    true_negative: f64,
}

impl Counts {
    fn add(&mut self, alarmed: bool, anomalous: bool) {
        match (alarmed, anomalous) {
            (true, true) => self.true_positive += 1.0,
            (true, false) => self.false_positive += 1.0,
            (false, true) => self.false_negative += 1.0,
            (false, false) => self.true_negative += 1.0,
        }
    }

    fn merge(&mut self, other: Self) {
        self.true_positive += other.true_positive;
        self.false_positive += other.false_positive;
        self.false_negative += other.false_negative;
        self.true_negative += other.true_negative;
    }

    fn f1(self) -> f64 {
        2.0 * self.true_positive
            / (2.0 * self.true_positive + self.false_positive + self.false_negative)
    }

    fn false_alarm_rate(self) -> f64 {
        self.false_positive / (self.false_positive + self.true_negative)
    }

    fn missed_alarm_rate(self) -> f64 {
        self.false_negative / (self.false_negative + self.true_positive)
    }
}

fn data_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("TELLEE_SKAB").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/skab"),
        PathBuf::from,
    );
    folder.join("valve1").is_dir().then_some(folder)
}

/// The release build beside this test's own build, or what `TELLEE_ML_WORKER` names.
fn worker() -> Option<PathBuf> {
    let path = match std::env::var_os("TELLEE_ML_WORKER") {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()
            .ok()?
            .ancestors()
            .nth(3)?
            .join("release/tellee-ml-worker"),
    };
    path.is_file().then_some(path)
}

fn read(path: &Path) -> Recording {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b';')
        .from_path(path)
        .unwrap();
    let headers = reader.headers().unwrap().clone();
    let columns = headers.len() - 3;
    let mut recording = Recording {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        signals: headers
            .iter()
            .skip(1)
            .take(columns)
            .map(str::to_owned)
            .collect(),
        rows: Vec::new(),
        anomalous: Vec::new(),
    };
    for record in reader.records() {
        let record = record.unwrap();
        recording.rows.push(
            record
                .iter()
                .skip(1)
                .take(columns)
                .map(|value| value.parse().unwrap())
                .collect(),
        );
        recording
            .anomalous
            .push(record[columns + 1].parse::<f64>().unwrap() > 0.5);
    }
    recording
}

/// These rows as one message of their thing. The files skip a second now and then; like the published evaluations, rows
/// count and not seconds.
fn message(
    recording: &Recording,
    rows: Range<usize>,
    start: i64,
    thing: ThingId,
    channel: ChannelId,
) -> Arc<MessageBatch> {
    let time = |row: usize| Timestamp::from_millis(start + row as i64 * PERIOD_MS);
    let received_at = time(rows.end);
    let records = rows
        .flat_map(|row| {
            let named = recording.signals.iter().zip(&recording.rows[row]);
            named.map(move |(name, value)| Record {
                name: name.clone(),
                unit: String::new(),
                time: time(row),
                seq: 0,
                value: Value::Number(*value),
                sum: None,
                update_time: None,
                quality: Quality::GOOD,
            })
        })
        .collect();
    Arc::new(MessageBatch {
        channel,
        thing,
        subtopic: Arc::from(""),
        protocol: "mqtt",
        received_at,
        historical: false,
        records,
    })
}

struct Bench {
    service: MlService,
    directory: Arc<RecordingDirectory>,
    store: Arc<EmbeddedTelemetryStore>,
}

impl Bench {
    async fn start(worker: PathBuf, folder: &Path) -> Self {
        let directory = RecordingDirectory::new();
        let clock = Arc::new(SystemClock::default());
        let telemetry = folder.join("telemetry");
        let config = TelemetryConfig::default();
        let store =
            Arc::new(EmbeddedTelemetryStore::open(&telemetry, config, clock.clone()).unwrap());
        let seams = Seams {
            directory: directory.clone(),
            telemetry: store.clone(),
            models: directory.clone(),
            clock,
            on_scores: Arc::new(|_| {}),
        };
        let libtorch = std::env::var_os("LIBTORCH").map(PathBuf::from);
        let config = MlConfig::new(worker, libtorch, folder.join("models"));
        let service = MlService::start(config, seams).await.unwrap();
        Self {
            service,
            directory,
            store,
        }
    }

    /// Stores and trains on the healthy start, publishes the rest, and gives the scores by row.
    async fn run(&self, recording: &Recording, start: i64) -> (HashMap<usize, f64>, f64) {
        let (thing, channel) = (ThingId::generate(), ChannelId::generate());
        let series = format!("{}.score", recording.name);
        let model = self.directory.create(Definition {
            name: format!("valve1 {}", recording.name),
            thing,
            signals: recording
                .signals
                .iter()
                .map(|series| Signal {
                    channel,
                    subtopic: String::new(),
                    series: series.clone(),
                })
                .collect(),
            sample_period_ms: PERIOD_MS as u64,
            window: WINDOW,
            score_series: series.clone(),
            persistence: 5,
        });
        let healthy = message(recording, 0..TRAINING_ROWS, start, thing, channel);
        self.store.append(healthy).await.unwrap();
        let time = |row: usize| Timestamp::from_millis(start + row as i64 * PERIOD_MS);
        let version = self
            .service
            .train(TrainRequest {
                model,
                range: TimeRange {
                    from: time(0),
                    to: time(TRAINING_ROWS),
                },
                options: TrainOptions::default(),
                who: Who::System("test".into()),
            })
            .await
            .unwrap();
        self.directory.promote(model, Some(version.version));
        self.wait_until(|| self.is_loaded(model)).await;

        // The window before the first scored row is full from the last healthy rows.
        let first = TRAINING_ROWS + 1 - WINDOW as usize;
        for from in (first..recording.rows.len()).step_by(ROWS_PER_MESSAGE) {
            let to = recording.rows.len().min(from + ROWS_PER_MESSAGE);
            let message = message(recording, from..to, start, thing, channel);
            self.store.append(Arc::clone(&message)).await.unwrap();
            self.service.published(&message);
        }
        let rows = recording.rows.len() - TRAINING_ROWS;
        self.wait_until(|| self.scored(model) >= rows as u64).await;
        let scores = self.scores(thing, &series, start).await;
        self.directory.promote(model, None);
        (scores, version.score_limit)
    }

    /// What the store has under the name of the score, by row.
    async fn scores(&self, thing: ThingId, series: &str, start: i64) -> HashMap<usize, f64> {
        let filter = SeriesFilter {
            thing: Some(thing),
            name: Some(series.to_owned()),
            ..SeriesFilter::default()
        };
        let (found, _) = self.store.series(&filter, 0, 2).await.unwrap();
        assert_eq!(found.len(), 1);
        let samples = self
            .store
            .range(found[0].id, TimeRange::ALL, 100_000)
            .await
            .unwrap();
        let row = |time: Timestamp| ((time.as_millis() - start) / PERIOD_MS) as usize;
        samples
            .iter()
            .map(|sample| (row(sample.time), sample.value.as_number().unwrap()))
            .collect()
    }

    fn scored(&self, model: ModelId) -> u64 {
        let status = self.service.status();
        let found = status.models.iter().find(|(id, _)| *id == model);
        found.map_or(0, |(_, status)| status.scored)
    }

    fn is_loaded(&self, model: ModelId) -> bool {
        let status = self.service.status();
        status
            .models
            .iter()
            .any(|(id, status)| *id == model && status.loaded)
    }

    async fn wait_until(&self, condition: impl Fn() -> bool) {
        let wait = async {
            while !condition() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(PATIENCE, wait).await.is_err() {
            panic!("{:?}", self.service.status());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skab_valve1_is_told_from_health() {
    let Some(data) = data_folder() else {
        println!("skipped: SKAB is not here; name its folder with TELLEE_SKAB");
        return;
    };
    let Some(worker) = worker() else {
        println!(
            "skipped: no worker; build it with `cargo build --release -p tellee-ml-worker` or name it with TELLEE_ML_WORKER"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(worker, folder.path()).await;
    bench
        .wait_until(|| !matches!(bench.service.status().worker, WorkerState::Starting))
        .await;
    if let WorkerState::Absent { reason } = bench.service.status().worker {
        println!("skipped: {reason}");
        return;
    }

    let mut files: Vec<_> = std::fs::read_dir(data.join("valve1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
        .collect();
    files.sort();
    let mut scored = Counts::default();
    let mut whole = Counts::default();
    for (number, path) in files.iter().enumerate() {
        let recording = read(path);
        let start = 1_600_000_000_000 + number as i64 * 10_000_000;
        let (scores, limit) = bench.run(&recording, start).await;
        let mut counts = Counts::default();
        for (row, anomalous) in recording.anomalous.iter().enumerate() {
            if row < TRAINING_ROWS {
                whole.add(false, *anomalous);
                continue;
            }
            let alarmed = scores[&row] > limit;
            counts.add(alarmed, *anomalous);
            whole.add(alarmed, *anomalous);
        }
        scored.merge(counts);
        println!(
            "valve1/{:<3} F1 {:.3}  FAR {:.3}  MAR {:.3}",
            recording.name,
            counts.f1(),
            counts.false_alarm_rate(),
            counts.missed_alarm_rate()
        );
    }
    for (what, counts) in [
        ("rows after the first 400", scored),
        ("all rows, as the published board counts", whole),
    ] {
        println!(
            "SKAB valve1, {what}: F1 {:.3}, false alarms {:.1} %, missed {:.1} %",
            counts.f1(),
            100.0 * counts.false_alarm_rate(),
            100.0 * counts.missed_alarm_rate()
        );
    }
    bench.service.stop().await;
    assert!(
        scored.f1() >= 0.78 && scored.false_alarm_rate() <= 0.14,
        "{scored:?}"
    );
}
