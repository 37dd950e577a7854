//! Training, scoring and alarms through the facade, against a scripted double of the worker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/doubles.rs"]
mod doubles;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use doubles::{MemoryStore, RecordingDirectory};
use tellee_actors::domain::alarm;
use tellee_actors::domain::model::{Definition, Signal};
use tellee_actors::event::Who;
use tellee_actors::ids::{ChannelId, ModelId, ThingId};
use tellee_actors::time::{SystemClock, Timestamp};
use tellee_ml::worker::{RestartPolicy, StartError, WorkerState};
use tellee_ml::{MlConfig, MlService, MlStatus, Seams, TrainError, TrainOptions, TrainRequest};
use tellee_projections::live::LiveSink;
use tellee_projections::telemetry::{
    MessageBatch, Quality, Record, TelemetryStore, TimeRange, Value,
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Far more than any of this takes, and the test fails at its end.
const PATIENCE: Duration = Duration::from_secs(30);
const START: i64 = 1_700_000_000;

struct Bench {
    service: MlService,
    directory: Arc<RecordingDirectory>,
    store: Arc<MemoryStore>,
    /// Messages of scores that the live feed was told of.
    told: Arc<AtomicUsize>,
    model: ModelId,
    definition: Definition,
    folder: TempDir,
}

fn scripted_worker() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/scripted_worker");
    assert!(
        path.is_file(),
        "build it with `cargo build -p tellee-ml --examples`: {}",
        path.display()
    );
    path
}

/// The double under the name of its script: the service passes no arguments.
fn worker_program(folder: &TempDir, script: &str) -> PathBuf {
    let path = folder.path().join(script);
    std::os::unix::fs::symlink(scripted_worker(), &path).unwrap();
    path
}

impl Bench {
    async fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = worker_program(&folder, script);
        Self::with_program(folder, program).await
    }

    async fn with_program(folder: TempDir, program: PathBuf) -> Self {
        let directory = RecordingDirectory::new();
        let store = Arc::new(MemoryStore::default());
        let told = Arc::new(AtomicUsize::new(0));
        let channel = ChannelId::generate();
        let definition = Definition {
            name: "Pump 1".into(),
            thing: ThingId::generate(),
            signals: ["flow", "current"]
                .map(|series| Signal {
                    channel,
                    subtopic: "raw".into(),
                    series: series.into(),
                })
                .to_vec(),
            sample_period_ms: 1_000,
            window: 4,
            score_series: "pump.score".into(),
            persistence: 3,
        };
        let model = directory.create(definition.clone());
        let counter = Arc::clone(&told);
        let seams = Seams {
            directory: directory.clone(),
            telemetry: store.clone(),
            models: directory.clone(),
            clock: Arc::new(SystemClock::default()),
            on_scores: Arc::new(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
            }),
        };
        let policy = RestartPolicy {
            first_delay: Duration::from_millis(10),
            longest_delay: Duration::from_millis(20),
            deaths: 10,
            ..RestartPolicy::default()
        };
        let config = MlConfig::new(program, None, folder.path().join("models"));
        let service = MlService::start_with(config, seams, policy).await.unwrap();
        Self {
            service,
            directory,
            store,
            told,
            model,
            definition,
            folder,
        }
    }

    fn message(&self, second: i64, flow: f64) -> MessageBatch {
        let time = Timestamp::from_millis((START + second) * 1_000);
        let record = |name: &str, value: f64| Record {
            name: name.into(),
            unit: String::new(),
            time,
            seq: 0,
            value: Value::Number(value),
            sum: None,
            update_time: None,
            quality: Quality::GOOD,
        };
        MessageBatch {
            channel: self.definition.signals[0].channel,
            thing: self.definition.thing,
            subtopic: "raw".into(),
            protocol: "mqtt",
            received_at: time,
            historical: false,
            records: vec![record("flow", flow), record("current", 5.0)],
        }
    }

    async fn store_healthy(&self, seconds: std::ops::Range<i64>) {
        for second in seconds {
            self.store
                .append(Arc::new(self.message(second, 50.0)))
                .await
                .unwrap();
        }
    }

    fn request(&self, seconds: std::ops::Range<i64>) -> TrainRequest {
        let time = |second: i64| Timestamp::from_millis((START + second) * 1_000);
        TrainRequest {
            model: self.model,
            range: TimeRange {
                from: time(seconds.start),
                to: time(seconds.end),
            },
            options: TrainOptions::default(),
            who: Who::System("test".into()),
        }
    }

    async fn train_and_promote(&self) {
        self.store_healthy(-100..0).await;
        let version = self.service.train(self.request(-100..0)).await.unwrap();
        self.directory.promote(self.model, Some(version.version));
        self.wait_for(|status| status.models.first().is_some_and(|(_, model)| model.loaded))
            .await;
    }

    async fn wait_for(&self, mut wanted: impl FnMut(&MlStatus) -> bool) -> MlStatus {
        let wait = async {
            loop {
                let status = self.service.status();
                if wanted(&status) {
                    return status;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        match timeout(PATIENCE, wait).await {
            Ok(status) => status,
            Err(_) => panic!("{:?}", self.service.status()),
        }
    }

    fn publish(&self, seconds: std::ops::Range<i64>, flow: f64) {
        for second in seconds {
            self.service
                .published(&Arc::new(self.message(second, flow)));
        }
    }

    async fn scored(&self, count: u64) -> MlStatus {
        self.wait_for(|status| {
            status
                .models
                .first()
                .is_some_and(|(_, model)| model.scored >= count)
        })
        .await
    }

    async fn alarms(&self, count: usize) -> Vec<alarm::Command> {
        self.wait_for(|_| self.directory.alarms().len() >= count)
            .await;
        self.directory
            .alarms()
            .into_iter()
            .map(|(_, command)| command)
            .collect()
    }
}

#[tokio::test]
async fn from_healthy_samples_to_scores_and_an_alarm_that_comes_and_goes() {
    let bench = Bench::new("good").await;
    bench.train_and_promote().await;
    let entry = bench.directory.entry(bench.model);
    let version = &entry.versions[0];
    assert_eq!(
        (
            version.version,
            version.format.as_str(),
            version.lineage.rows
        ),
        (1, "torchscript", 100)
    );
    assert_eq!(version.lineage.data_hash.len(), 64);
    assert!(
        bench
            .folder
            .path()
            .join("models")
            .join(bench.model.to_string())
            .join("1/manifest.json")
            .is_file()
    );

    // Each row is complete as soon as its time is reached: windows of 4 end at seconds 3, 4, …
    bench.publish(0..10, 50.0);
    bench.scored(7).await;
    let scores = bench.store.values("pump.score");
    let seconds: Vec<_> = scores
        .iter()
        .map(|(time, _)| time.as_millis() / 1_000 - START)
        .collect();
    assert_eq!(seconds, (3..10).collect::<Vec<_>>());
    assert!(scores.iter().all(|(_, score)| (score - 0.1).abs() < 1e-6));
    assert_eq!(bench.store.values("pump.score/flow").len(), 7);
    assert!(bench.told.load(Ordering::Relaxed) >= 1);
    assert!(matches!(
        bench.alarms(1).await[0],
        alarm::Command::Return { .. }
    ));

    // Two abnormal windows are none; the third raises.
    bench.publish(10..12, 200.0);
    bench.publish(12..13, 50.0);
    bench.publish(13..17, 200.0);
    let alarms = bench.alarms(2).await;
    let alarm::Command::Activate { activation, source } = &alarms[1] else {
        panic!("{alarms:?}")
    };
    assert_eq!(activation.source_time.as_millis() / 1_000 - START, 15);
    assert_eq!(
        (
            source.series.as_str(),
            activation.contributions[0].series.as_str()
        ),
        ("pump.score", "flow")
    );
    assert_eq!(activation.contributions[0].actual, Some(200.0));
    assert!(
        activation.message.contains("`Discharge flow`"),
        "{}",
        activation.message
    );

    bench.publish(17..20, 50.0);
    assert!(matches!(
        bench.alarms(3).await[2],
        alarm::Command::Return { .. }
    ));
    bench.service.stop().await;
    assert_eq!(bench.service.status().worker, WorkerState::Stopped);
}

#[tokio::test]
async fn windows_of_a_worker_that_dies_in_mid_batch_are_scored_by_the_next() {
    let bench = Bench::new("abort-once-on-score").await;
    bench.train_and_promote().await;
    bench.publish(0..20, 50.0);
    let status = bench.scored(17).await;
    assert_eq!(status.models[0].1.dropped, 0);
    assert_eq!(bench.store.values("pump.score").len(), 17);
    bench.service.stop().await;
}

#[tokio::test]
async fn windows_that_kill_every_worker_are_left_out_and_counted() {
    let bench = Bench::new("abort-on-score").await;
    bench.train_and_promote().await;
    bench.publish(0..10, 50.0);
    let status = bench
        .wait_for(|status| {
            status
                .models
                .first()
                .is_some_and(|(_, model)| model.dropped == 7)
        })
        .await;
    assert_eq!(status.models[0].1.scored, 0);
    bench.service.stop().await;
}

#[tokio::test]
async fn a_model_that_kills_every_worker_is_not_loaded_for_ever() {
    let bench = Bench::new("abort-on-load").await;
    bench.store_healthy(-100..0).await;
    let version = bench.service.train(bench.request(-100..0)).await.unwrap();
    bench.directory.promote(bench.model, Some(version.version));
    let failed = |status: &MlStatus| {
        status
            .models
            .first()
            .is_some_and(|(_, model)| model.failure.is_some())
    };
    let status = bench.wait_for(failed).await;
    assert!(
        status.models[0]
            .1
            .failure
            .as_ref()
            .unwrap()
            .contains("kills")
    );
    bench
        .wait_for(|status| status.worker == WorkerState::Ready)
        .await;
    bench.service.stop().await;
}

#[tokio::test]
async fn a_damaged_artifact_is_refused_by_name_and_another_version_takes_over() {
    let bench = Bench::new("good").await;
    bench.store_healthy(-100..0).await;
    let first = bench.service.train(bench.request(-100..0)).await.unwrap();
    let second = bench.service.train(bench.request(-90..0)).await.unwrap();
    assert_eq!((first.version, second.version), (1, 2));
    let graph = bench
        .folder
        .path()
        .join("models")
        .join(bench.model.to_string())
        .join("1/graph.pt");
    std::fs::write(graph, b"garbage").unwrap();

    bench.directory.promote(bench.model, Some(1));
    let failed = |status: &MlStatus| {
        status
            .models
            .first()
            .is_some_and(|(_, model)| model.failure.is_some())
    };
    bench.wait_for(failed).await;
    bench.directory.promote(bench.model, Some(2));
    bench
        .wait_for(|status| status.models[0].1.loaded && status.models[0].1.version == 2)
        .await;
    bench.publish(0..4, 50.0);
    bench.scored(1).await;

    bench.directory.promote(bench.model, None);
    bench.wait_for(|status| status.models.is_empty()).await;
    bench.service.stop().await;
}

#[tokio::test]
async fn what_is_bad_late_or_back_filled_is_not_scored() {
    let bench = Bench::new("good").await;
    bench.train_and_promote().await;
    let mut historical = bench.message(0, 200.0);
    historical.historical = true;
    bench.service.published(&Arc::new(historical));
    let mut late = bench.message(0, 200.0);
    late.received_at = late.received_at.saturating_add(Duration::from_secs(600));
    bench.service.published(&Arc::new(late));
    let mut ahead = bench.message(0, 200.0);
    ahead.received_at = ahead.received_at.saturating_sub(Duration::from_secs(600));
    bench.service.published(&Arc::new(ahead));
    let mut elsewhere = bench.message(0, 200.0);
    elsewhere.subtopic = "other".into();
    bench.service.published(&Arc::new(elsewhere));
    assert_eq!(bench.service.status().out_of_time, 4);

    bench.publish(0..6, 50.0);
    let mut bad = bench.message(6, 50.0);
    bad.records[1].quality = Quality::BAD;
    bench.service.published(&Arc::new(bad));
    bench.publish(7..12, 50.0);
    let status = bench.scored(5).await;
    assert_eq!(status.models[0].1.unknown, 1);
    let seconds: Vec<_> = bench
        .store
        .values("pump.score")
        .iter()
        .map(|(time, _)| time.as_millis() / 1_000 - START)
        .collect();
    assert_eq!(seconds, [3, 4, 5, 10, 11]);
    bench.service.stop().await;
}

#[tokio::test]
async fn an_alarm_that_could_not_be_told_is_told_again_as_the_same_command() {
    let bench = Bench::new("good").await;
    bench.train_and_promote().await;
    bench.directory.alarm_timeouts.store(2, Ordering::Relaxed);
    bench.publish(0..8, 200.0);
    bench.alarms(3).await;
    let ids: Vec<_> = bench.directory.alarms().iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [ids[0]; 3]);
    bench.service.stop().await;
}

#[tokio::test]
async fn a_model_that_is_live_no_more_takes_its_alarm_with_it() {
    let bench = Bench::new("good").await;
    bench.train_and_promote().await;
    bench.publish(0..8, 200.0);
    assert!(matches!(
        bench.alarms(1).await[0],
        alarm::Command::Activate { .. }
    ));
    bench.directory.promote(bench.model, None);
    assert!(matches!(
        bench.alarms(2).await[1],
        alarm::Command::Return { .. }
    ));
    bench.service.stop().await;
}

#[tokio::test]
async fn a_training_that_fails_is_part_of_the_models_history() {
    let bench = Bench::new("refuse-on-validate").await;
    let error = bench
        .service
        .train(bench.request(-100..0))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, TrainError::NoSeries { series } if series == "flow"),
        "{error}"
    );
    bench.store_healthy(-100..0).await;
    let error = bench.service.train(bench.request(-5..0)).await.unwrap_err();
    assert!(
        matches!(
            error,
            TrainError::TooFewRows {
                rows: 5,
                needed: 12
            }
        ),
        "{error}"
    );
    let error = bench
        .service
        .train(bench.request(-100..0))
        .await
        .unwrap_err();
    assert!(matches!(error, TrainError::Gate(_)), "{error}");
    let failures = bench.directory.failures();
    assert_eq!(failures.len(), 3);
    assert!(failures[2].contains("gate"), "{failures:?}");
    // Nothing is left of what did not pass.
    let folder = bench
        .folder
        .path()
        .join("models")
        .join(bench.model.to_string());
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);

    let error = bench.service.train(bench.request(0..0)).await.unwrap_err();
    assert!(matches!(error, TrainError::EmptyRange));
    let unknown = TrainRequest {
        model: ModelId::generate(),
        ..bench.request(-100..0)
    };
    assert!(matches!(
        bench.service.train(unknown).await.unwrap_err(),
        TrainError::UnknownModel(_)
    ));
    assert_eq!(bench.directory.failures().len(), 3);
    bench.service.stop().await;
}

#[tokio::test]
async fn a_worker_that_dies_while_training_or_at_the_gate_harms_nobody() {
    for script in ["abort-on-train", "abort-on-validate"] {
        let bench = Bench::new(script).await;
        bench.store_healthy(-100..0).await;
        let error = bench
            .service
            .train(bench.request(-100..0))
            .await
            .unwrap_err();
        assert!(
            matches!(error, TrainError::Worker(_) | TrainError::Gate(_)),
            "{script}: {error}"
        );
        bench
            .wait_for(|status| status.worker == WorkerState::Ready)
            .await;
        assert_eq!(bench.directory.failures().len(), 1);
        bench.service.stop().await;
    }
}

#[tokio::test]
async fn one_training_at_a_time_and_stopping_ends_it() {
    let bench = Bench::new("hang-on-train").await;
    bench.store_healthy(-100..0).await;
    let training = bench
        .service
        .start_training(bench.request(-100..0))
        .unwrap();
    assert_eq!(bench.service.status().training.unwrap().model, bench.model);
    let refused = bench
        .service
        .train(bench.request(-100..0))
        .await
        .unwrap_err();
    assert!(matches!(refused, TrainError::Busy) && refused.is_retryable());
    timeout(PATIENCE, bench.service.stop()).await.unwrap();
    assert!(matches!(
        timeout(PATIENCE, training.wait()).await.unwrap(),
        Err(TrainError::Stopping)
    ));
    assert!(bench.directory.failures().is_empty());
}

#[tokio::test]
async fn without_a_worker_the_rest_runs_on_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("nowhere");
    let bench = Bench::with_program(folder, program).await;
    let absent = |status: &MlStatus| matches!(status.worker, WorkerState::Absent { .. });
    bench.wait_for(absent).await;
    bench.store_healthy(-100..0).await;
    bench.publish(0..10, 50.0);
    let error = bench
        .service
        .train(bench.request(-100..0))
        .await
        .unwrap_err();
    assert!(
        matches!(error, TrainError::Start(StartError::Absent { .. })) && !error.is_retryable(),
        "{error}"
    );
    bench.service.stop().await;
}
