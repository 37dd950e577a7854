//! Rules, things and channels that change or go, and restarts.

use super::*;

#[tokio::test]
async fn a_restart_takes_alarms_as_they_stand() {
    let mut plant = Plant::new().await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    let alarm = plant.alarm(rule);
    plant.sample(12.0).await;
    plant.letter(alarm, Letter::B).await;
    plant.restart(async |_| {}).await;
    plant.sample(13.0).await;
    plant.quiet().await;
    assert_eq!(
        kinds(&plant.directory.asked()),
        ["activate"],
        "it stands already"
    );
    plant.sample(5.0).await;
    plant.letter(alarm, Letter::D).await;
}

#[tokio::test]
async fn a_condition_that_changed_while_the_server_was_down_is_taken_from_the_newest_sample() {
    let mut plant = Plant::new().await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    let alarm = plant.alarm(rule);
    plant.sample(5.0).await;
    plant.quiet().await;
    // Kept by the store and never published here.
    let keep = async |plant: &Plant, value: f64| {
        plant.world.clock.advance(Duration::from_secs(60));
        let batch = plant.batch(plant.thing, &[(plant.world.clock.now(), value)]);
        plant.telemetry.append(batch).await.unwrap();
    };
    plant.restart(async |plant| keep(plant, 12.0).await).await;
    plant.letter(alarm, Letter::B).await;
    plant.restart(async |plant| keep(plant, 5.0).await).await;
    plant.letter(alarm, Letter::D).await;
    plant.restart(async |_| {}).await;
    plant.quiet().await;
    assert_eq!(
        kinds(&plant.directory.asked()),
        ["activate", "return"],
        "the same sample is news only once"
    );
}

#[tokio::test]
async fn a_new_rule_sees_what_is_there_and_a_changed_one_is_followed_at_once() {
    let plant = Plant::new().await;
    plant.sample(12.0).await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    let alarm = plant.alarm(rule);
    plant.letter(alarm, Letter::B).await;

    let mut higher = definition("pressure", plant.scope());
    higher.levels.remove(0);
    plant
        .world
        .happen(
            rule,
            DomainEvent::AlarmRule(alarm_rule::Event::Updated { definition: higher }),
        )
        .await;
    plant.letter(alarm, Letter::D).await;
    plant.sample(15.0).await;
    plant.sample(25.0).await;
    let row = plant.letter(alarm, Letter::B).await;
    assert_eq!(
        (row.state.occurrence, row.state.activation.unwrap().limit),
        (2, Some(20.0))
    );
}

#[tokio::test]
async fn a_rule_that_is_changed_says_at_once_what_it_says_of_the_value_that_stands() {
    let plant = Plant::new().await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    let alarm = plant.alarm(rule);
    plant.sample(12.0).await;
    plant.letter(alarm, Letter::B).await;
    let change = async |change: &dyn Fn(&mut Definition)| {
        let mut definition = definition("pressure", plant.scope());
        change(&mut definition);
        let updated = alarm_rule::Event::Updated { definition };
        plant
            .world
            .happen(rule, DomainEvent::AlarmRule(updated))
            .await;
    };
    // No sample comes from here on: such a device reports by exception.
    change(&|definition| definition.enabled = false).await;
    plant.letter(alarm, Letter::D).await;
    change(&|_| {}).await;
    let row = plant.letter(alarm, Letter::B).await;
    assert_eq!(row.state.occurrence, 2, "enabled again it sees the 12");
    change(&|definition| {
        definition
            .levels
            .iter_mut()
            .for_each(|level| level.limit += 5.0)
    })
    .await;
    plant.letter(alarm, Letter::D).await;
    change(&|definition| definition.levels[0].limit = 11.0).await;
    let row = plant.letter(alarm, Letter::B).await;
    assert_eq!(
        (row.state.occurrence, row.state.activation.unwrap().value),
        (3, Some(12.0))
    );
}

#[tokio::test]
async fn a_rule_that_is_changed_does_not_end_a_silence_that_stands() {
    let plant = Plant::new().await;
    let silent = silent_after(plant.scope(), Duration::from_secs(60));
    let rule = plant.rule(silent.clone()).await;
    let alarm = plant.alarm(rule);
    plant.sample(12.0).await;
    plant.quiet().await;
    plant.world.clock.advance(Duration::from_secs(61));
    plant.letter(alarm, Letter::B).await;
    let renamed = Definition {
        name: "renamed".to_owned(),
        ..silent
    };
    let updated = alarm_rule::Event::Updated {
        definition: renamed,
    };
    plant
        .world
        .happen(rule, DomainEvent::AlarmRule(updated))
        .await;
    plant.quiet().await;
    assert_eq!(kinds(&plant.directory.asked()), ["activate"]);
}

#[tokio::test]
async fn the_alarms_of_a_rule_that_is_disabled_or_removed_return() {
    let mut plant = Plant::new().await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    let alarm = plant.alarm(rule);
    plant.sample(12.0).await;
    plant.letter(alarm, Letter::B).await;
    let disabled = Definition {
        enabled: false,
        ..definition("pressure", plant.scope())
    };
    plant
        .world
        .happen(
            rule,
            DomainEvent::AlarmRule(alarm_rule::Event::Updated {
                definition: disabled,
            }),
        )
        .await;
    plant.letter(alarm, Letter::D).await;
    let enabled = definition("pressure", plant.scope());
    plant
        .world
        .happen(
            rule,
            DomainEvent::AlarmRule(alarm_rule::Event::Updated {
                definition: enabled,
            }),
        )
        .await;
    plant.sample(13.0).await;
    plant.letter(alarm, Letter::B).await;
    plant
        .restart(async |plant| {
            plant
                .world
                .happen(rule, DomainEvent::AlarmRule(alarm_rule::Event::Removed {}))
                .await;
        })
        .await;
    let row = plant.letter(alarm, Letter::D).await;
    assert_eq!(row.state.occurrence, 2);
}

#[tokio::test]
async fn the_alarms_of_a_thing_that_is_removed_return() {
    let plant = Plant::new().await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    let silent = plant
        .rule(silent_after(plant.scope(), Duration::from_secs(60)))
        .await;
    plant.sample(12.0).await;
    plant.letter(plant.alarm(rule), Letter::B).await;
    plant
        .world
        .happen(plant.thing, DomainEvent::Thing(thing::Event::Removed {}))
        .await;
    plant.letter(plant.alarm(rule), Letter::D).await;
    plant.world.clock.advance(Duration::from_secs(120));
    plant.quiet().await;
    assert_eq!(
        kinds(&plant.directory.asked()),
        ["activate", "return"],
        "nobody waits for it any more"
    );
    assert!(
        plant
            .world
            .projections
            .alarms()
            .present(plant.alarm(silent))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn the_alarms_of_a_channel_that_is_removed_return_and_nothing_in_it_is_missed() {
    let plant = Plant::new().await;
    let rule = plant.rule(definition("pressure", plant.scope())).await;
    let silent = plant
        .rule(silent_after(plant.scope(), Duration::from_secs(60)))
        .await;
    plant.sample(12.0).await;
    plant.letter(plant.alarm(rule), Letter::B).await;
    let removed = DomainEvent::Channel(channel::Event::Removed {});
    plant.world.happen(plant.channel, removed).await;
    plant.letter(plant.alarm(rule), Letter::D).await;
    plant.world.clock.advance(Duration::from_secs(120));
    plant.quiet().await;
    assert_eq!(kinds(&plant.directory.asked()), ["activate", "return"]);
    let alarms = plant.world.projections.alarms();
    let missed = alarms.present(plant.alarm(silent)).await.unwrap();
    assert!(missed.is_none(), "{missed:?}");
}
