use proptest::prelude::*;

use super::super::limits;
use super::super::testing::{given, lives, organisation, replay_gives_the_state};
use super::*;

fn level(kind: LimitKind, limit: f64, priority: Priority) -> Level {
    Level {
        kind,
        limit,
        priority,
    }
}

fn definition() -> Definition {
    Definition {
        name: "Drive-end vibration".to_owned(),
        scope: Scope {
            series: "vibration_de".to_owned(),
            ..Scope::default()
        },
        levels: vec![
            level(LimitKind::HiHi, 11.0, Priority::P1),
            level(LimitKind::Hi, 7.0, Priority::P2),
            level(LimitKind::Lo, 1.0, Priority::P3),
            level(LimitKind::LoLo, 0.5, Priority::P3),
        ],
        deadman: Some(Deadman {
            period_ms: 60_000,
            priority: Priority::P4,
        }),
        deadband: 0.25,
        on_delay_ms: 5_000,
        off_delay_ms: 10_000,
        class: AlarmClass::Process,
        latching: false,
        acknowledge_required: true,
        message: "Drive-end vibration high".to_owned(),
        consequence: "The bearing fails".to_owned(),
        action: "Reduce the speed; inspect the bearing".to_owned(),
        time_to_respond_ms: Some(600_000),
        enabled: true,
    }
}

fn create(definition: Definition) -> Command {
    Command::Create {
        organisation: organisation(),
        definition,
    }
}

fn created() -> Event {
    Event::Created {
        organisation: organisation(),
        definition: definition(),
    }
}

#[test]
fn a_rule_is_created_once() {
    given::<AlarmRule>(&[])
        .when(create(definition()))
        .then(&[created()]);
    given::<AlarmRule>(&[created()])
        .when(create(definition()))
        .then_exists_already();
    given::<AlarmRule>(&[created(), Event::Removed {}])
        .when(create(definition()))
        .then_exists_already();
}

#[test]
fn a_deadman_alone_or_a_level_alone_is_enough() {
    let deadman = Definition {
        levels: vec![],
        ..definition()
    };
    assert!(given::<AlarmRule>(&[]).when(create(deadman)).result.is_ok());
    let levels = Definition {
        deadman: None,
        ..definition()
    };
    assert!(given::<AlarmRule>(&[]).when(create(levels)).result.is_ok());
    let neither = Definition {
        levels: vec![],
        deadman: None,
        ..definition()
    };
    given::<AlarmRule>(&[])
        .when(create(neither))
        .then_invalid("levels");
}

#[test]
fn a_bad_definition_is_named_by_its_field() {
    use LimitKind::{Hi, HiHi, Lo, LoLo};
    use Priority::{P1, P2, P3};
    let good = definition;
    let with = |levels: Vec<Level>| Definition {
        levels,
        ..definition()
    };
    let day = 24 * 3_600_000;
    let cases = [
        (
            Definition {
                name: " ".to_owned(),
                ..good()
            },
            "name",
        ),
        (
            Definition {
                scope: Scope::default(),
                ..good()
            },
            "scope.series",
        ),
        (
            Definition {
                message: String::new(),
                ..good()
            },
            "message",
        ),
        (
            Definition {
                action: "\n".to_owned(),
                ..good()
            },
            "action",
        ),
        (
            Definition {
                action: "x".repeat(limits::TEXT_CHARS + 1),
                ..good()
            },
            "action",
        ),
        (
            Definition {
                deadband: -0.1,
                ..good()
            },
            "deadband",
        ),
        (
            Definition {
                deadband: f64::NAN,
                ..good()
            },
            "deadband",
        ),
        (
            Definition {
                deadband: 0.5,
                ..good()
            },
            "deadband",
        ),
        (
            Definition {
                on_delay_ms: day + 1,
                ..good()
            },
            "on_delay_ms",
        ),
        (
            Definition {
                off_delay_ms: day + 1,
                ..good()
            },
            "off_delay_ms",
        ),
        (
            Definition {
                time_to_respond_ms: Some(0),
                ..good()
            },
            "time_to_respond_ms",
        ),
        (
            Definition {
                deadman: Some(Deadman {
                    period_ms: 0,
                    priority: P1,
                }),
                ..good()
            },
            "deadman.period_ms",
        ),
        (with(vec![level(Hi, f64::INFINITY, P1)]), "levels[0].limit"),
        (
            with(vec![level(Hi, 7.0, P1), level(Hi, 8.0, P1)]),
            "levels[1].kind",
        ),
        (
            with(vec![level(HiHi, 7.0, P1), level(Hi, 8.0, P1)]),
            "levels[0].limit",
        ),
        (
            with(vec![level(Lo, 7.0, P1), level(Hi, 7.0, P1)]),
            "levels[1].limit",
        ),
        (
            with(vec![level(LoLo, 2.0, P1), level(Lo, 1.0, P1)]),
            "levels[1].limit",
        ),
        (
            with(vec![level(LoLo, 9.0, P1), level(HiHi, 1.0, P1)]),
            "levels[1].limit",
        ),
        (
            with(vec![level(Hi, 7.0, P1), level(HiHi, 8.0, P2)]),
            "levels[1].priority",
        ),
        (
            with(vec![level(LoLo, 1.0, P3), level(Lo, 2.0, P2)]),
            "levels[1].priority",
        ),
        (
            Definition {
                deadband: f64::MAX,
                ..with(vec![level(Lo, f64::MAX, P1)])
            },
            "levels[0].limit",
        ),
    ];
    for (bad, field) in cases {
        given::<AlarmRule>(&[])
            .when(create(bad.clone()))
            .then_invalid(field);
        given::<AlarmRule>(&[created()])
            .when(Command::Update { definition: bad })
            .then_invalid(field);
    }
}

#[test]
fn the_same_definition_again_changes_nothing() {
    let update = |definition| Command::Update { definition };
    given::<AlarmRule>(&[created()])
        .when(update(definition()))
        .then_nothing();
    let disabled = Definition {
        enabled: false,
        ..definition()
    };
    given::<AlarmRule>(&[created()])
        .when(update(disabled.clone()))
        .then(&[Event::Updated {
            definition: disabled,
        }]);
}

#[test]
fn a_removed_rule_is_not_found() {
    let gone = [created(), Event::Removed {}];
    given::<AlarmRule>(&gone)
        .when(Command::Update {
            definition: definition(),
        })
        .then_not_found();
    given::<AlarmRule>(&gone)
        .when(Command::Remove)
        .then_not_found();
    given::<AlarmRule>(&[])
        .when(Command::Remove)
        .then_not_found();
    given::<AlarmRule>(&gone)
        .when_rolled_back_to(&[created()])
        .then_conflict();
}

#[test]
fn a_roll_back_writes_the_old_definition() {
    let disabled = Definition {
        enabled: false,
        ..definition()
    };
    given::<AlarmRule>(&[
        created(),
        Event::Updated {
            definition: disabled,
        },
    ])
    .when_rolled_back_to(&[created()])
    .then(&[Event::RolledBack {
        to: Revision(1),
        definition: definition(),
    }]);
    given::<AlarmRule>(&[created()])
        .when_rolled_back_to(&[created()])
        .then_nothing();
    given::<AlarmRule>(&[created()])
        .when_rolled_back_to(&[])
        .then_invalid("to");
}

fn definitions() -> impl Strategy<Value = Definition> {
    (-1e300_f64..1e300, 0_u64..3, any::<bool>(), any::<bool>()).prop_map(
        |(limit, on_delay_ms, latching, enabled)| Definition {
            levels: vec![level(LimitKind::Hi, limit, Priority::P2)],
            on_delay_ms,
            latching,
            enabled,
            ..definition()
        },
    )
}

fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => definitions().prop_map(create),
        8 => definitions().prop_map(|definition| Command::Update { definition }),
        2 => Just(Command::Update { definition: definition() }),
        1 => Just(Command::Remove),
    ]
}

proptest! {
    #[test]
    fn replaying_the_events_gives_the_state(life in lives(commands())) {
        replay_gives_the_state::<AlarmRule>(life, |before, after| {
            prop_assert!(!before.removed || before == after);
            Ok(())
        })?;
    }
}
