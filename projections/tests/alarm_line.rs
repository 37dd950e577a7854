//! The whole line with real parts: commands to entities, projections, samples into the telemetry store, the live hub, the
//! alarm watch and back to an alarm's entity.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tellee_actors::command::{Accepted, Command, CommandContext};
use tellee_actors::domain::alarm::{self, Letter};
use tellee_actors::domain::alarm_rule::{
    self, AlarmClass, Definition, Level, LimitKind, Priority, Scope,
};
use tellee_actors::domain::secret::SealedKey;
use tellee_actors::domain::{channel, organisation, thing};
use tellee_actors::entity::Directory;
use tellee_actors::event::Who;
use tellee_actors::ids::{
    AlarmId, AlarmRuleId, ChannelId, CommandId, EntityId, OrganisationId, ThingId, UserId,
};
use tellee_actors::store::database::{Database, DatabaseConfig};
use tellee_actors::store::{EmbeddedEventStore, EventStore};
use tellee_actors::time::{SharedClock, SystemClock};
use tellee_cluster::{LocalDirectory, LocalDirectoryConfig};
use tellee_projections::Projections;
use tellee_projections::alarms::{AlarmRow, JournalQuery};
use tellee_projections::live::LiveHub;
use tellee_projections::telemetry::{
    EmbeddedTelemetryStore, MessageBatch, Quality, Record, TelemetryConfig, TelemetryStore, Value,
};
use tellee_projections::watch::{AlarmWatch, AlarmWatchConfig};

const DEADLINE: Duration = Duration::from_secs(30);

struct Node {
    clock: SharedClock,
    projections: Projections,
    directory: Arc<LocalDirectory>,
    telemetry: Arc<dyn TelemetryStore>,
    hub: Arc<LiveHub>,
    watch: Arc<AlarmWatch>,
    organisation: OrganisationId,
}

impl Node {
    async fn start(folder: &Path, organisation: OrganisationId) -> Self {
        let clock: SharedClock = Arc::new(SystemClock::default());
        let database =
            Database::open(&folder.join("events.db"), DatabaseConfig::default()).unwrap();
        let store: Arc<dyn EventStore> =
            Arc::new(EmbeddedEventStore::new(database.clone()).await.unwrap());
        let projections = Projections::start(Arc::clone(&store), database, Arc::clone(&clock))
            .await
            .unwrap();
        let config = LocalDirectoryConfig::default();
        let directory = Arc::new(LocalDirectory::new(store, Arc::clone(&clock), config).unwrap());
        let (folder, config) = (folder.join("telemetry"), TelemetryConfig::default());
        let telemetry = EmbeddedTelemetryStore::open(&folder, config, Arc::clone(&clock)).unwrap();
        let telemetry: Arc<dyn TelemetryStore> = Arc::new(telemetry);
        let asked: Arc<dyn Directory> = Arc::<LocalDirectory>::clone(&directory);
        let config = AlarmWatchConfig {
            tick: Duration::from_millis(20),
            ..AlarmWatchConfig::default()
        };
        let watch = AlarmWatch::start(
            asked,
            &projections,
            Arc::clone(&telemetry),
            Arc::clone(&clock),
            config,
        );
        let hub = LiveHub::new();
        hub.add_sink(Arc::<AlarmWatch>::clone(&watch));
        Self {
            clock,
            projections,
            directory,
            telemetry,
            hub,
            watch,
            organisation,
        }
    }

    async fn stop(self) {
        assert!(self.watch.stop(DEADLINE).await);
        self.directory.stop(DEADLINE).await;
        self.projections.stop().await;
        self.telemetry.close().await.unwrap();
    }

    async fn ask(&self, entity: impl Into<EntityId>, who: Who, command: Command) -> Accepted {
        let context = CommandContext {
            command_id: CommandId::generate(),
            who,
            organisation: Some(self.organisation),
            expected_revision: None,
            note: None,
            input: None,
            timeout: DEADLINE,
        };
        let accepted = self
            .directory
            .ask(entity.into(), command, context)
            .await
            .unwrap();
        self.projections
            .wait_for(accepted.position, DEADLINE)
            .await
            .unwrap();
        accepted
    }

    async fn publish(&self, thing: ThingId, channel: ChannelId, value: f64) {
        let now = self.clock.now();
        let record = Record {
            name: "vibration".to_owned(),
            unit: "mm/s".to_owned(),
            time: now,
            seq: 0,
            value: Value::Number(value),
            sum: None,
            update_time: None,
            quality: Quality::GOOD,
        };
        let batch = Arc::new(MessageBatch {
            channel,
            thing,
            subtopic: Arc::from(""),
            protocol: "mqtt",
            received_at: now,
            historical: false,
            records: vec![record],
        });
        self.telemetry.append(Arc::clone(&batch)).await.unwrap();
        self.hub.publish(&batch);
    }

    async fn letter(&self, alarm: AlarmId, letter: Letter) -> AlarmRow {
        let wait = async {
            loop {
                let row = self
                    .projections
                    .alarms()
                    .alarm(self.organisation, alarm)
                    .await
                    .unwrap();
                if let Some(row) = row.filter(|row| row.letter == letter) {
                    return row;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, wait)
            .await
            .expect("the alarm becomes so")
    }
}

fn rule(thing: ThingId) -> Definition {
    Definition {
        name: "vibration".to_owned(),
        scope: Scope {
            thing: Some(thing),
            series: "vibration".to_owned(),
            ..Scope::default()
        },
        levels: vec![Level {
            kind: LimitKind::Hi,
            limit: 7.1,
            priority: Priority::P2,
        }],
        deadman: None,
        deadband: 0.5,
        on_delay_ms: 0,
        off_delay_ms: 0,
        class: AlarmClass::Process,
        latching: false,
        acknowledge_required: true,
        message: "Vibration high".to_owned(),
        consequence: String::new(),
        action: "Check the bearing".to_owned(),
        time_to_respond_ms: None,
        enabled: true,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_becomes_an_alarm_is_acknowledged_and_returns_also_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (organisation, thing, channel) = (
        OrganisationId::generate(),
        ThingId::generate(),
        ChannelId::generate(),
    );
    let rule_id = AlarmRuleId::generate();
    let setup = || Who::System("setup".to_owned());
    let node = Node::start(folder.path(), organisation).await;

    let created = organisation::Command::Create {
        name: "plant".to_owned(),
    };
    node.ask(organisation, setup(), Command::Organisation(created))
        .await;
    let key = SealedKey {
        hash: "0".repeat(64),
        sealed: "sealed".to_owned(),
    };
    let details = thing::Details {
        name: "P-101".to_owned(),
        ..thing::Details::default()
    };
    node.ask(
        thing,
        setup(),
        Command::Thing(thing::Command::Create {
            organisation,
            key,
            details,
        }),
    )
    .await;
    let details = channel::Details {
        name: "data".to_owned(),
        ..channel::Details::default()
    };
    node.ask(
        channel,
        setup(),
        Command::Channel(channel::Command::Create {
            organisation,
            details,
        }),
    )
    .await;
    let connect = channel::Command::Connect {
        things: vec![thing],
    };
    node.ask(channel, setup(), Command::Channel(connect)).await;
    let create = alarm_rule::Command::Create {
        organisation,
        definition: rule(thing),
    };
    node.ask(rule_id, setup(), Command::AlarmRule(create)).await;
    assert!(node.projections.access().may_use(thing, channel));

    let alarm = AlarmId::of(rule_id, thing, channel, "", "vibration");
    node.publish(thing, channel, 3.0).await;
    node.publish(thing, channel, 9.0).await;
    let row = node.letter(alarm, Letter::B).await;
    let activation = row.state.activation.unwrap();
    assert_eq!(
        (activation.value, activation.unit.as_str()),
        (Some(9.0), "mm/s")
    );
    node.stop().await;

    let node = Node::start(folder.path(), organisation).await;
    node.letter(alarm, Letter::B).await;
    let acknowledge = alarm::Command::Acknowledge {
        occurrence: 1,
        note: None,
    };
    node.ask(
        alarm,
        Who::User(UserId::generate()),
        Command::Alarm(acknowledge),
    )
    .await;
    node.letter(alarm, Letter::C).await;
    node.publish(thing, channel, 8.0).await;
    node.publish(thing, channel, 3.0).await;
    node.letter(alarm, Letter::A).await;

    let query = JournalQuery {
        alarm: Some(alarm),
        limit: 10,
        ..JournalQuery::default()
    };
    let journal = node
        .projections
        .alarms()
        .journal(organisation, query)
        .await
        .unwrap();
    let kinds: Vec<_> = journal
        .rows
        .iter()
        .map(|entry| entry.kind.as_str())
        .collect();
    assert_eq!(kinds, ["returned", "acknowledged", "activated"]);
    assert!(node.projections.skipped(10).await.unwrap().is_empty());
    node.stop().await;
}
