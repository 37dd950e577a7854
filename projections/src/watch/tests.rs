mod changes;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tellee_actors::command::{AskError, Command};
use tellee_actors::domain::alarm::{self, Cause, Letter, Shelving};
use tellee_actors::domain::alarm_rule::{self, Deadman, Definition, LimitKind, Priority, Scope};
use tellee_actors::domain::thing::{self, Tag};
use tellee_actors::domain::{channel, device_type};
use tellee_actors::ids::{
    AlarmId, AlarmRuleId, ChannelId, DeviceTypeId, OrganisationId, Revision, ThingId, UserId,
};
use tellee_actors::time::{Clock, SharedClock, Timestamp};

use super::*;
use crate::alarms::AlarmRow;
use crate::follower::DomainEvent;
use crate::telemetry::{Quality, Record, Value};
use crate::testing::doubles::{MemoryTelemetry, Script, ScriptedDirectory};
use crate::testing::history::definition;
use crate::testing::{DEADLINE, NEW_YEAR, World};

const SERIES: &str = "pressure";

/// One thing in one channel, a directory, a telemetry store and a watch.
struct Plant {
    world: World,
    organisation: OrganisationId,
    thing: ThingId,
    channel: ChannelId,
    directory: Arc<ScriptedDirectory>,
    telemetry: Arc<MemoryTelemetry>,
    watch: Arc<AlarmWatch>,
    config: AlarmWatchConfig,
}

impl Plant {
    async fn new() -> Self {
        Self::with(AlarmWatchConfig {
            tick: Duration::from_millis(10),
            ..AlarmWatchConfig::default()
        })
        .await
    }

    async fn with(config: AlarmWatchConfig) -> Self {
        let world = World::new().await;
        let organisation = world.organisation("plant").await;
        let thing = world.thing(organisation, "pump", json!({})).await;
        let channel = world.channel(organisation, "data").await;
        world.seen(world.connect(channel, thing).await).await;
        let clock: SharedClock = Arc::<tellee_actors::time::ManualClock>::clone(&world.clock);
        let directory = ScriptedDirectory::new(&world.store, clock);
        let telemetry = Arc::new(MemoryTelemetry::default());
        let watch = watch(&world, &directory, &telemetry, &config);
        Self {
            world,
            organisation,
            thing,
            channel,
            directory,
            telemetry,
            watch,
            config,
        }
    }

    fn scope(&self) -> Scope {
        Scope {
            thing: Some(self.thing),
            series: SERIES.to_owned(),
            ..Scope::default()
        }
    }

    async fn rule(&self, definition: Definition) -> AlarmRuleId {
        let id = AlarmRuleId::generate();
        let created = alarm_rule::Event::Created {
            organisation: self.organisation,
            definition,
        };
        self.world.happen(id, DomainEvent::AlarmRule(created)).await;
        id
    }

    fn alarm(&self, rule: AlarmRuleId) -> AlarmId {
        AlarmId::of(rule, self.thing, self.channel, "", SERIES)
    }

    fn batch(&self, thing: ThingId, samples: &[(Timestamp, f64)]) -> Arc<MessageBatch> {
        let record = |&(time, value): &(Timestamp, f64)| Record {
            name: SERIES.to_owned(),
            unit: String::new(),
            time,
            seq: 0,
            value: Value::Number(value),
            sum: None,
            update_time: None,
            quality: Quality::GOOD,
        };
        Arc::new(MessageBatch {
            channel: self.channel,
            thing,
            subtopic: Arc::from(""),
            protocol: "mqtt",
            received_at: self.world.clock.now(),
            historical: false,
            records: samples.iter().map(record).collect(),
        })
    }

    /// One second later a sample of `value` is kept and published.
    async fn sample(&self, value: f64) -> Timestamp {
        self.world.clock.advance(Duration::from_secs(1));
        let now = self.world.clock.now();
        self.publish(self.batch(self.thing, &[(now, value)])).await;
        now
    }

    async fn publish(&self, batch: Arc<MessageBatch>) {
        self.telemetry.append(Arc::clone(&batch)).await.unwrap();
        self.watch.published(&batch);
    }

    /// The alarm once it is as `wanted` says.
    async fn alarm_when(&self, alarm: AlarmId, wanted: impl Fn(&AlarmRow) -> bool) -> AlarmRow {
        let wait = async {
            loop {
                let row = self
                    .world
                    .projections
                    .alarms()
                    .present(alarm)
                    .await
                    .unwrap();
                if let Some(row) = row.filter(&wanted) {
                    return row;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let found = tokio::time::timeout(DEADLINE, wait).await;
        found.unwrap_or_else(|_| {
            panic!(
                "the alarm never became as wanted; asked: {:?}",
                self.directory.asked()
            )
        })
    }

    async fn letter(&self, alarm: AlarmId, letter: Letter) -> AlarmRow {
        self.alarm_when(alarm, |row| row.letter == letter).await
    }

    /// Waits until everything that was published has been evaluated and delivered, and the workers have ticked.
    async fn quiet(&self) {
        let wait = async {
            for _ in 0..3 {
                tokio::time::sleep(self.config.tick * 2).await;
                while self.watch.status().queued > 0 || self.watch.status().deliveries.waiting > 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        };
        tokio::time::timeout(DEADLINE, wait)
            .await
            .expect("the watch comes to rest");
    }

    /// Stops everything and starts it again, over the same stores.
    async fn restart(&mut self, meanwhile: impl AsyncFnOnce(&Self)) {
        assert!(self.watch.stop(DEADLINE).await);
        meanwhile(self).await;
        self.world.restart().await;
        self.watch = watch(&self.world, &self.directory, &self.telemetry, &self.config);
    }
}

fn watch(
    world: &World,
    directory: &Arc<ScriptedDirectory>,
    telemetry: &Arc<MemoryTelemetry>,
    config: &AlarmWatchConfig,
) -> Arc<AlarmWatch> {
    let directory: Arc<dyn Directory> = Arc::<ScriptedDirectory>::clone(directory);
    let telemetry: Arc<dyn TelemetryStore> = Arc::<MemoryTelemetry>::clone(telemetry);
    let clock: SharedClock = Arc::<tellee_actors::time::ManualClock>::clone(&world.clock);
    AlarmWatch::start(
        directory,
        &world.projections,
        telemetry,
        clock,
        config.clone(),
    )
}

fn kinds(
    asked: &[(
        tellee_actors::ids::EntityId,
        Command,
        tellee_actors::command::CommandContext,
    )],
) -> Vec<&'static str> {
    asked
        .iter()
        .map(|(_, command, _)| match command {
            Command::Alarm(alarm::Command::Activate { .. }) => "activate",
            Command::Alarm(alarm::Command::Return { .. }) => "return",
            Command::Alarm(alarm::Command::ExpireShelving) => "expire",
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_sample_beyond_a_limit_raises_an_alarm_and_one_within_ends_it() {
    let plant = Plant::new().await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    let alarm = plant.alarm(rule);
    plant.sample(5.0).await;
    let raised_at = plant.sample(12.0).await;
    let row = plant.letter(alarm, Letter::B).await;
    let activation = row.state.activation.clone().unwrap();
    assert_eq!(
        (activation.cause, activation.priority),
        (Cause::Limit(LimitKind::Hi), Priority::P2)
    );
    assert_eq!(
        (activation.value, activation.limit, activation.source_time),
        (Some(12.0), Some(10.0), raised_at)
    );
    assert_eq!(
        (row.source.thing, row.source.channel, row.source.rule),
        (plant.thing, plant.channel, rule)
    );

    plant.sample(21.0).await;
    let row = plant
        .alarm_when(alarm, |row| row.revision == Revision(2))
        .await;
    assert_eq!(
        row.state.activation.unwrap().cause,
        Cause::Limit(LimitKind::HiHi)
    );
    plant.sample(9.5).await;
    let returned_at = plant.sample(8.0).await;
    let row = plant.letter(alarm, Letter::D).await;
    assert_eq!(row.state.returned_at, Some(returned_at));
    assert_eq!(
        kinds(&plant.directory.asked()),
        ["activate", "activate", "return"]
    );
    // A sample that is the newest of its series when the rule takes the series on may be seen twice.
    assert!(plant.watch.status().evaluated >= 5);
}

#[tokio::test]
async fn what_no_rule_watches_asks_nobody() {
    let plant = Plant::new().await;
    let other = plant
        .world
        .thing(plant.organisation, "other", json!({}))
        .await;
    plant.rule(definition("pressure", plant.scope())).await;
    let foreign = plant.world.organisation("foreign").await;
    let everywhere = Scope {
        series: SERIES.to_owned(),
        ..Scope::default()
    };
    let created = alarm_rule::Event::Created {
        organisation: foreign,
        definition: definition("all", everywhere),
    };
    plant
        .world
        .happen(AlarmRuleId::generate(), DomainEvent::AlarmRule(created))
        .await;
    let now = plant.world.clock.now();
    plant.publish(plant.batch(other, &[(now, 99.0)])).await;
    plant.quiet().await;
    assert!(
        plant.directory.asked().is_empty(),
        "organisations are walls"
    );
}

#[tokio::test]
async fn a_lost_answer_and_an_overload_are_tried_again_with_one_effect() {
    let plant = Plant::new().await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    plant.directory.play([
        Script::Fail(AskError::Overloaded {
            retry_after: Duration::from_millis(1),
        }),
        Script::LoseAnswer,
        Script::Fail(AskError::Store(tellee_actors::store::StoreError::DiskFull)),
    ]);
    plant.sample(12.0).await;
    plant.sample(5.0).await;
    plant.letter(plant.alarm(rule), Letter::D).await;
    plant.quiet().await;
    let asked = plant.directory.asked();
    assert_eq!(
        kinds(&asked),
        ["activate", "activate", "activate", "activate", "return"]
    );
    assert!(
        asked[..4]
            .windows(2)
            .all(|pair| pair[0].2.command_id == pair[1].2.command_id)
    );
    assert_ne!(asked[3].2.command_id, asked[4].2.command_id);
    let row = plant.letter(plant.alarm(rule), Letter::D).await;
    assert_eq!((row.revision, row.state.occurrence), (Revision(2), 1));
    let deliveries = plant.watch.status().deliveries;
    assert_eq!(
        (deliveries.delivered, deliveries.retries, deliveries.refused),
        (2, 3, 0)
    );
}

#[tokio::test]
async fn one_alarm_that_cannot_be_told_holds_up_no_other() {
    let plant = Plant::new().await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    let other = plant
        .rule(Definition {
            name: "second".to_owned(),
            ..definition("second", plant.scope())
        })
        .await;
    let overloaded = || {
        Script::Fail(AskError::Overloaded {
            retry_after: Duration::from_millis(300),
        })
    };
    plant.directory.play([overloaded()]);
    plant.sample(12.0).await;
    plant.letter(plant.alarm(rule), Letter::B).await;
    plant.letter(plant.alarm(other), Letter::B).await;
    assert_eq!(plant.watch.status().deliveries.retries, 1);
}

#[tokio::test]
async fn a_rule_of_a_device_type_watches_its_things_with_the_tags_of_the_type() {
    let plant = Plant::new().await;
    let kind = DeviceTypeId::generate();
    let tag = Tag {
        series: SERIES.to_owned(),
        title: "Pressure".to_owned(),
        unit: "bar".to_owned(),
        low: None,
        high: None,
        decimals: 1,
        expected_interval_ms: None,
    };
    let details = device_type::Details {
        tags: vec![tag],
        ..device_type::Details::default()
    };
    let created = device_type::Event::Created {
        organisation: plant.organisation,
        details,
    };
    plant
        .world
        .append(kind, DomainEvent::DeviceType(created))
        .await;
    let scope = Scope {
        device_type: Some(kind),
        series: SERIES.to_owned(),
        ..Scope::default()
    };
    let rule = plant.rule(definition("pressure", scope)).await;
    let alarm = plant.alarm(rule);
    plant.sample(12.0).await;
    plant.quiet().await;
    assert!(
        plant.directory.asked().is_empty(),
        "the thing is of no type yet"
    );

    let typed = thing::Details {
        device_type: Some(kind),
        ..thing::Details::default()
    };
    plant
        .world
        .happen(
            plant.thing,
            DomainEvent::Thing(thing::Event::Updated { details: typed }),
        )
        .await;
    plant.sample(12.0).await;
    let row = plant.letter(alarm, Letter::B).await;
    assert_eq!(row.state.activation.unwrap().unit, "bar");
    let untyped = thing::Event::Updated {
        details: thing::Details::default(),
    };
    plant
        .world
        .happen(plant.thing, DomainEvent::Thing(untyped))
        .await;
    plant.sample(12.0).await;
    plant.letter(alarm, Letter::D).await;
}

fn silent_after(scope: Scope, period: Duration) -> Definition {
    let period_ms = u64::try_from(period.as_millis()).unwrap();
    let deadman = Some(Deadman {
        period_ms,
        priority: Priority::P3,
    });
    Definition {
        levels: Vec::new(),
        deadman,
        deadband: 0.0,
        ..definition("silent", scope)
    }
}

#[tokio::test]
async fn silence_raises_an_alarm_and_the_next_sample_ends_it() {
    let plant = Plant::new().await;
    let rule = plant
        .rule(silent_after(plant.scope(), Duration::from_secs(60)))
        .await;
    let alarm = plant.alarm(rule);
    plant.sample(1.0).await;
    plant.quiet().await;
    plant.world.clock.advance(Duration::from_secs(59));
    plant.quiet().await;
    assert!(plant.directory.asked().is_empty());
    plant.world.clock.advance(Duration::from_secs(1));
    let row = plant.letter(alarm, Letter::B).await;
    assert_eq!(row.state.activation.unwrap().cause, Cause::Deadman);
    plant.sample(1.0).await;
    plant.letter(alarm, Letter::D).await;
}

#[tokio::test]
async fn a_series_that_never_came_is_missed_too_and_its_alarm_ends_when_it_comes_elsewhere() {
    let plant = Plant::new().await;
    let other = plant.world.channel(plant.organisation, "other").await;
    let late = plant
        .world
        .thing(plant.organisation, "late", json!({}))
        .await;
    let scope = Scope {
        thing: Some(late),
        series: SERIES.to_owned(),
        ..Scope::default()
    };
    let rule = plant
        .rule(silent_after(scope, Duration::from_secs(60)))
        .await;
    plant.quiet().await;
    // Only now is it known where the series would come.
    plant
        .world
        .seen(plant.world.connect(plant.channel, late).await)
        .await;
    plant.quiet().await;
    plant.world.clock.advance(Duration::from_secs(60));
    let missed = AlarmId::of(rule, late, plant.channel, "", SERIES);
    plant.letter(missed, Letter::B).await;

    let connected = channel::Event::ThingConnected { thing: late };
    plant
        .world
        .happen(other, DomainEvent::Channel(connected))
        .await;
    let now = plant.world.clock.now();
    let batch = MessageBatch {
        channel: other,
        ..MessageBatch::clone(&plant.batch(late, &[(now, 1.0)]))
    };
    plant.publish(Arc::new(batch)).await;
    plant.letter(missed, Letter::D).await;
    plant.world.clock.advance(Duration::from_secs(60));
    plant
        .letter(AlarmId::of(rule, late, other, "", SERIES), Letter::B)
        .await;
}

#[tokio::test]
async fn samples_that_no_queue_can_take_are_read_from_the_store_in_their_order() {
    let config = AlarmWatchConfig {
        workers: 1,
        queue_records: 3,
        tick: Duration::from_millis(10),
        ..AlarmWatchConfig::default()
    };
    let plant = Plant::with(config).await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    let alarm = plant.alarm(rule);
    plant.quiet().await;
    // Published in one go: the worker has no chance to take any of them in between.
    let mut batches = Vec::new();
    for value in [12.0, 5.0, 12.0, 5.0, 12.0, 5.0, 12.0] {
        plant.world.clock.advance(Duration::from_secs(1));
        let batch = plant.batch(plant.thing, &[(plant.world.clock.now(), value)]);
        plant.telemetry.append(Arc::clone(&batch)).await.unwrap();
        batches.push(batch);
    }
    for batch in &batches {
        plant.watch.published(batch);
    }
    let row = plant
        .alarm_when(alarm, |row| {
            row.state.occurrence == 4 && row.letter == Letter::B
        })
        .await;
    assert_eq!(
        row.revision,
        Revision(7),
        "each of the four conditions was seen"
    );
    let status = plant.watch.status();
    assert_eq!((status.passed_over, status.caught_up), (4, 4));
}

#[tokio::test]
async fn what_is_read_from_the_store_later_raises_nothing_if_it_came_marked_as_old_or_from_a_clock_ahead()
 {
    let config = AlarmWatchConfig {
        workers: 1,
        queue_records: 1,
        tick: Duration::from_millis(10),
        ..AlarmWatchConfig::default()
    };
    let mut plant = Plant::with(config).await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    plant.quiet().await;
    let max_ahead = Duration::from_secs(30);
    // In one go, so that all but the first are read from the store.
    let mut batches = Vec::new();
    for (value, historical, ahead_s) in [(5.0, false, 0), (99.0, true, 0), (99.0, false, 60)] {
        plant.world.clock.advance(Duration::from_secs(1));
        let now = plant.world.clock.now();
        let time = now.saturating_add(Duration::from_secs(ahead_s));
        let mut batch = MessageBatch {
            historical,
            ..MessageBatch::clone(&plant.batch(plant.thing, &[(time, value)]))
        };
        batch.mark_origin(max_ahead);
        let batch = Arc::new(batch);
        plant.telemetry.append(Arc::clone(&batch)).await.unwrap();
        batches.push(batch);
    }
    for batch in &batches {
        plant.watch.published(batch);
    }
    plant.quiet().await;
    let status = plant.watch.status();
    assert_eq!(status.passed_over, 2, "they were not read from the store");
    assert!(plant.directory.asked().is_empty());
    // Nor after a restart, when the newest sample of the store is looked at.
    plant.restart(async |_| {}).await;
    plant.quiet().await;
    assert!(plant.directory.asked().is_empty());
    plant.sample(99.0).await;
    plant.letter(plant.alarm(rule), Letter::B).await;
}

#[tokio::test]
async fn a_stop_delivers_what_was_found() {
    let plant = Plant::new().await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    plant.quiet().await;
    let closed = plant.directory.gate.lock().await;
    plant.sample(12.0).await;
    assert!(!plant.watch.stop(Duration::from_millis(50)).await);
    drop(closed);
    plant.letter(plant.alarm(rule), Letter::B).await;
    plant.sample(5.0).await;
    assert!(plant.watch.stop(DEADLINE).await);
    assert_eq!(
        kinds(&plant.directory.asked()),
        ["activate"],
        "nothing is taken after the stop"
    );
}

#[tokio::test]
async fn a_shelving_whose_time_is_up_is_ended() {
    let plant = Plant::new().await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    let alarm = plant.alarm(rule);
    plant.sample(12.0).await;
    plant.letter(alarm, Letter::B).await;
    let until = plant
        .world
        .clock
        .now()
        .saturating_add(Duration::from_secs(60));
    let shelving = Shelving {
        by: UserId::generate(),
        reason: "known".to_owned(),
        until,
        one_shot: false,
    };
    plant
        .world
        .happen(
            alarm,
            DomainEvent::Alarm(alarm::Event::Shelved { shelving }),
        )
        .await;
    plant.quiet().await;
    plant.letter(alarm, Letter::G).await;
    plant.world.clock.advance(Duration::from_secs(60));
    plant.letter(alarm, Letter::B).await;
    plant.directory.asked_times(2).await;
    let asked = plant.directory.asked();
    assert_eq!(&kinds(&asked)[..2], ["activate", "expire"]);
    // Until the projection has seen the end, the timer may ask again; it is one command all the same.
    assert!(
        asked[1..]
            .iter()
            .all(|(_, _, context)| context.command_id == asked[1].2.command_id)
    );
}

#[tokio::test]
async fn old_and_historical_samples_raise_nothing() {
    let plant = Plant::new().await;
    plant.rule(definition("pressure", plant.scope())).await;
    plant.quiet().await;
    plant.world.clock.advance(Duration::from_hours(1));
    plant
        .publish(plant.batch(plant.thing, &[(NEW_YEAR, 99.0)]))
        .await;
    let now = plant.world.clock.now();
    let batch = MessageBatch {
        historical: true,
        ..MessageBatch::clone(&plant.batch(plant.thing, &[(now, 99.0)]))
    };
    plant.publish(Arc::new(batch)).await;
    plant.quiet().await;
    assert!(plant.directory.asked().is_empty());
}
