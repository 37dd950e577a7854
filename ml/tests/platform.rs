//! Models within the platform: real entities, projections, stores, live feed and alarm watch; only the worker is a double.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tellee_actors::command::{Accepted, Command, CommandContext};
use tellee_actors::domain::alarm::Letter;
use tellee_actors::domain::alarm_rule::AlarmClass;
use tellee_actors::domain::model::{self, Definition, Signal};
use tellee_actors::domain::secret::SealedKey;
use tellee_actors::domain::thing;
use tellee_actors::entity::Directory;
use tellee_actors::event::Who;
use tellee_actors::ids::{ChannelId, CommandId, EntityId, ModelId, OrganisationId, ThingId};
use tellee_actors::store::EventStore;
use tellee_actors::store::database::DatabaseConfig;
use tellee_actors::store::embedded::EmbeddedEventStore;
use tellee_actors::time::{Clock, SystemClock, Timestamp};
use tellee_cluster::{LocalDirectory, LocalDirectoryConfig};
use tellee_ml::{MlConfig, MlService, RegistryModels, Seams, TrainOptions, TrainRequest};
use tellee_projections::Projections;
use tellee_projections::alarms::{AlarmFilter, AlarmRow, JournalQuery};
use tellee_projections::live::LiveHub;
use tellee_projections::telemetry::{
    EmbeddedTelemetryStore, MessageBatch, Quality, Record, TelemetryConfig, TelemetryStore,
    TimeRange, Value,
};
use tellee_projections::watch::{AlarmWatch, AlarmWatchConfig};
use tokio::time::{sleep, timeout};

/// Far more than any of this takes, and the test fails at its end.
const PATIENCE: Duration = Duration::from_secs(60);

struct Platform {
    directory: Arc<LocalDirectory>,
    projections: Projections,
    telemetry: Arc<EmbeddedTelemetryStore>,
    live: Arc<LiveHub>,
    watch: Arc<AlarmWatch>,
    models: MlService,
}

fn worker_program(folder: &Path) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let double = tests
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples/scripted_worker");
    assert!(
        double.is_file(),
        "build it with `cargo build -p tellee-ml --examples`: {}",
        double.display()
    );
    let path = folder.join("good");
    let _ = std::os::unix::fs::symlink(double, &path);
    path
}

impl Platform {
    async fn start(folder: &Path) -> Self {
        let clock = Arc::new(SystemClock::default());
        let events = EmbeddedEventStore::open(&folder.join("events.db"), DatabaseConfig::default())
            .await
            .unwrap();
        let database = events.database().clone();
        let events: Arc<dyn EventStore> = Arc::new(events);
        let projections = Projections::start(events.clone(), database, clock.clone())
            .await
            .unwrap();
        let limits = LocalDirectoryConfig::default();
        let directory = Arc::new(LocalDirectory::new(events, clock.clone(), limits).unwrap());
        let path = folder.join("telemetry");
        let telemetry = Arc::new(
            EmbeddedTelemetryStore::open(&path, TelemetryConfig::default(), clock.clone()).unwrap(),
        );
        let live = LiveHub::new();
        let watch = AlarmWatch::start(
            directory.clone(),
            &projections,
            telemetry.clone(),
            clock.clone(),
            AlarmWatchConfig::default(),
        );
        live.add_sink(watch.clone());
        // The hub holds the models as a sink: they must not hold the hub.
        let hub = Arc::downgrade(&live);
        let seams = Seams {
            directory: directory.clone(),
            telemetry: telemetry.clone(),
            models: RegistryModels::start(projections.clone()),
            clock,
            on_scores: Arc::new(move |batch| {
                if let Some(hub) = hub.upgrade() {
                    hub.publish(batch);
                }
            }),
        };
        let config = MlConfig::new(worker_program(folder), None, folder.join("models"));
        let models = MlService::start(config, seams).await.unwrap();
        live.add_sink(Arc::new(models.clone()));
        Self {
            directory,
            projections,
            telemetry,
            live,
            watch,
            models,
        }
    }

    async fn stop(self) {
        self.models.stop().await;
        self.watch.stop(PATIENCE).await;
        self.directory.stop(Duration::from_secs(10)).await;
        self.projections.stop().await;
        self.telemetry.close().await.unwrap();
    }

    async fn ask(&self, entity: impl Into<EntityId>, command: Command) -> Accepted {
        let context = CommandContext {
            command_id: CommandId::generate(),
            who: Who::System("test".into()),
            organisation: None,
            expected_revision: None,
            note: None,
            input: None,
            timeout: Duration::from_secs(10),
        };
        let accepted = self
            .directory
            .ask(entity.into(), command, context)
            .await
            .unwrap();
        self.projections
            .wait_for(accepted.position, PATIENCE)
            .await
            .unwrap();
        accepted
    }

    /// Stores a sample a second, then publishes it, as ingest does.
    async fn publish(
        &self,
        definition: &Definition,
        start: Timestamp,
        seconds: std::ops::Range<u64>,
        flow: f64,
    ) {
        for second in seconds {
            let time = start.saturating_add(Duration::from_secs(second));
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
            let batch = Arc::new(MessageBatch {
                channel: definition.signals[0].channel,
                thing: definition.thing,
                subtopic: "".into(),
                protocol: "mqtt",
                received_at: time,
                historical: false,
                records: vec![record("flow", flow), record("current", 5.0)],
            });
            self.telemetry.append(Arc::clone(&batch)).await.unwrap();
            self.live.publish(&batch);
        }
    }

    async fn alarm(&self, organisation: OrganisationId, letter: Letter) -> AlarmRow {
        let wait = async {
            loop {
                let found = self
                    .projections
                    .alarms()
                    .alarms(organisation, AlarmFilter::default(), None, 10)
                    .await
                    .unwrap();
                if let Some(alarm) = found.rows.into_iter().find(|alarm| alarm.letter == letter) {
                    return alarm;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        match timeout(PATIENCE, wait).await {
            Ok(alarm) => alarm,
            Err(_) => panic!("no alarm in {letter:?}: {:?}", self.models.status()),
        }
    }

    async fn loaded(&self) {
        let wait = async {
            while !self
                .models
                .status()
                .models
                .iter()
                .any(|(_, model)| model.loaded)
            {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, wait).await.expect("the model is loaded");
    }
}

/// A platform whose model has raised its alarm.
struct Alarmed {
    platform: Platform,
    organisation: OrganisationId,
    definition: Definition,
    model: ModelId,
    version: u32,
    start: Timestamp,
    alarm: AlarmRow,
}

async fn alarmed(folder: &Path) -> Alarmed {
    let organisation = OrganisationId::generate();
    let channel = ChannelId::generate();
    let definition = Definition {
        name: "Pump 1".into(),
        thing: ThingId::generate(),
        signals: ["flow", "current"]
            .map(|series| Signal {
                channel,
                subtopic: String::new(),
                series: series.into(),
            })
            .to_vec(),
        sample_period_ms: 1_000,
        window: 4,
        score_series: "pump.score".into(),
        persistence: 2,
    };
    let model = ModelId::generate();
    let start = Timestamp::from_millis(SystemClock::default().now().as_millis() / 1_000 * 1_000);
    let start = start.saturating_sub(Duration::from_secs(600));

    let platform = Platform::start(folder).await;
    let details = thing::Details {
        name: "P-101".into(),
        tags: vec![thing::Tag {
            series: "flow".into(),
            title: "Discharge flow".into(),
            unit: "m3/h".into(),
            low: None,
            high: None,
            decimals: 1,
            expected_interval_ms: None,
        }],
        ..thing::Details::default()
    };
    let key = SealedKey {
        hash: "0b".repeat(32),
        sealed: "bm9uY2Vub25jZWNpcGhlcnRleHQ".into(),
    };
    let create = thing::Command::Create {
        organisation,
        key,
        details,
    };
    platform.ask(definition.thing, Command::Thing(create)).await;
    let create = model::Command::Create {
        organisation,
        definition: definition.clone(),
    };
    platform.ask(model, Command::Model(create)).await;
    platform.publish(&definition, start, 0..60, 50.0).await;
    let version = platform
        .models
        .train(TrainRequest {
            model,
            range: TimeRange {
                from: start,
                to: start.saturating_add(Duration::from_secs(60)),
            },
            options: TrainOptions::default(),
            who: Who::System("test".into()),
        })
        .await
        .unwrap()
        .version;
    let promote = model::Command::Promote { version };
    platform.ask(model, Command::Model(promote)).await;
    platform.loaded().await;
    platform.publish(&definition, start, 60..70, 200.0).await;
    let alarm = platform.alarm(organisation, Letter::B).await;
    Alarmed {
        platform,
        organisation,
        definition,
        model,
        version,
        start,
        alarm,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_predictive_alarm_outlives_a_restart_and_returns_when_its_model_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let Alarmed {
        platform,
        organisation,
        definition,
        start,
        alarm,
        ..
    } = alarmed(folder.path()).await;
    let activation = alarm.state.activation.as_ref().unwrap();
    assert_eq!(activation.class, AlarmClass::Predictive);
    assert_eq!(activation.contributions.len(), 2);
    assert_eq!(activation.contributions[0].series, "flow");
    assert!(
        activation.message.ends_with("`Discharge flow`"),
        "{}",
        activation.message
    );
    platform.stop().await;

    let platform = Platform::start(folder.path()).await;
    platform.loaded().await;
    // The watch of the rules has been through its own alarms by now, and leaves this one alone.
    sleep(Duration::from_millis(500)).await;
    platform.alarm(organisation, Letter::B).await;
    platform.publish(&definition, start, 70..80, 50.0).await;
    let returned = platform.alarm(organisation, Letter::D).await;
    assert_eq!(returned.id, alarm.id);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_whose_model_or_thing_went_while_nobody_looked_returns_with_the_reason() {
    for thing_goes in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let Alarmed {
            platform,
            organisation,
            definition,
            model,
            version,
            alarm,
            ..
        } = alarmed(folder.path()).await;
        // As when another program changes the events: the models of this node do not see it.
        platform.models.stop().await;
        if thing_goes {
            let remove = Command::Thing(thing::Command::Remove);
            platform.ask(definition.thing, remove).await;
        } else {
            let retire = Command::Model(model::Command::Retire { version });
            platform.ask(model, retire).await;
        }
        platform.alarm(organisation, Letter::B).await;
        platform.stop().await;

        let platform = Platform::start(folder.path()).await;
        let returned = platform.alarm(organisation, Letter::D).await;
        assert_eq!((returned.id, returned.state.occurrence), (alarm.id, 1));
        let query = JournalQuery {
            alarm: Some(alarm.id),
            limit: 1,
            ..JournalQuery::default()
        };
        let journal = platform
            .projections
            .alarms()
            .journal(organisation, query)
            .await
            .unwrap();
        let newest = &journal.rows[0];
        assert_eq!(
            (newest.kind.as_str(), newest.text.as_deref()),
            ("returned", Some("no version of the model is live any more"))
        );
        platform.stop().await;
    }
}
