use proptest::prelude::*;
use serde_json::json;

use super::super::testing::{NOW, given, id, lives, organisation, replay_gives_the_state, seconds};
use super::*;

fn signal(series: &str) -> Signal {
    Signal {
        channel: id(1),
        subtopic: String::new(),
        series: series.to_owned(),
    }
}

fn definition() -> Definition {
    Definition {
        name: "P-101 auto-encoder".to_owned(),
        thing: id(2),
        signals: vec![signal("pressure"), signal("current")],
        sample_period_ms: 1_000,
        window: 60,
        score_series: "score".to_owned(),
        persistence: 3,
    }
}

fn version(number: u32) -> Version {
    Version {
        version: number,
        artifact: "ab".repeat(32),
        format: "torchscript".to_owned(),
        score_limit: 0.8,
        metrics: BTreeMap::from([("f1".to_owned(), 0.75)]),
        lineage: Lineage {
            trained_from: NOW.saturating_sub(seconds(3_600)),
            trained_to: NOW,
            rows: 3_600,
            data_hash: "cd".repeat(32),
            seed: 7,
            parameters: json!({ "hidden": 16 }),
            code_version: "0.1.0".to_owned(),
            parent: None,
        },
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

fn registered(number: u32) -> Event {
    Event::VersionRegistered {
        version: version(number),
    }
}

fn promoted(number: u32, previous: Option<u32>) -> Event {
    Event::Promoted {
        version: number,
        previous,
    }
}

#[test]
fn a_model_is_created_once() {
    given::<Model>(&[])
        .when(create(definition()))
        .then(&[created()]);
    given::<Model>(&[created()])
        .when(create(definition()))
        .then_exists_already();
}

#[test]
fn a_bad_definition_is_named_by_its_field() {
    let good = definition;
    let many = (0..=limits::SIGNALS)
        .map(|number| signal(&format!("s{number}")))
        .collect();
    let cases = [
        (
            Definition {
                name: String::new(),
                ..good()
            },
            "name",
        ),
        (
            Definition {
                signals: vec![],
                ..good()
            },
            "signals",
        ),
        (
            Definition {
                signals: many,
                ..good()
            },
            "signals",
        ),
        (
            Definition {
                signals: vec![signal("")],
                ..good()
            },
            "signals[0].series",
        ),
        (
            Definition {
                signals: vec![signal("a"), signal("a")],
                ..good()
            },
            "signals[1].series",
        ),
        (
            Definition {
                signals: vec![signal("score")],
                ..good()
            },
            "score_series",
        ),
        (
            Definition {
                score_series: " ".to_owned(),
                ..good()
            },
            "score_series",
        ),
        (
            Definition {
                sample_period_ms: 0,
                ..good()
            },
            "sample_period_ms",
        ),
        (
            Definition {
                window: 0,
                ..good()
            },
            "window",
        ),
        (
            Definition {
                window: limits::WINDOW_SAMPLES + 1,
                ..good()
            },
            "window",
        ),
        (
            Definition {
                persistence: 0,
                ..good()
            },
            "persistence",
        ),
    ];
    for (bad, field) in cases {
        given::<Model>(&[]).when(create(bad)).then_invalid(field);
    }
}

#[test]
fn versions_come_in_order_and_clear_the_last_failure() {
    let failed = Event::TrainingFailed {
        reason: "too few rows".to_owned(),
    };
    let register = |number| Command::RegisterVersion {
        version: version(number),
    };
    let state = given::<Model>(&[created(), failed])
        .when(register(1))
        .then(&[registered(1)]);
    assert_eq!(state.last_failure, None);
    given::<Model>(&[created(), registered(1)])
        .when(register(1))
        .then_conflict();
    given::<Model>(&[created(), registered(1)])
        .when(register(3))
        .then_conflict();
    given::<Model>(&[created(), registered(1)])
        .when(register(2))
        .then(&[registered(2)]);
}

#[test]
fn a_bad_version_is_named_by_its_field() {
    let lineage = || version(1).lineage;
    let cases = [
        (
            Version {
                artifact: "model.pt".to_owned(),
                ..version(1)
            },
            "artifact",
        ),
        (
            Version {
                format: String::new(),
                ..version(1)
            },
            "format",
        ),
        (
            Version {
                score_limit: f64::NAN,
                ..version(1)
            },
            "score_limit",
        ),
        (
            Version {
                metrics: BTreeMap::from([("f1".to_owned(), f64::NAN)]),
                ..version(1)
            },
            "metrics.f1",
        ),
        (
            Version {
                lineage: Lineage {
                    trained_from: NOW,
                    ..lineage()
                },
                ..version(1)
            },
            "lineage.trained_to",
        ),
        (
            Version {
                lineage: Lineage {
                    data_hash: String::new(),
                    ..lineage()
                },
                ..version(1)
            },
            "lineage.data_hash",
        ),
        (
            Version {
                lineage: Lineage {
                    parent: Some(1),
                    ..lineage()
                },
                ..version(1)
            },
            "lineage.parent",
        ),
    ];
    for (bad, field) in cases {
        given::<Model>(&[created()])
            .when(Command::RegisterVersion { version: bad })
            .then_invalid(field);
    }
}

#[test]
fn a_promotion_names_the_version_before() {
    let log = [created(), registered(1), registered(2), promoted(1, None)];
    let promote = |version| Command::Promote { version };
    let state = given::<Model>(&log)
        .when(promote(2))
        .then(&[promoted(2, Some(1))]);
    assert_eq!(state.live, Some(2));
    given::<Model>(&log).when(promote(1)).then_nothing();
    given::<Model>(&log).when(promote(3)).then_not_found();
}

#[test]
fn a_retired_version_is_never_live() {
    let log = [created(), registered(1), promoted(1, None)];
    let retired = Event::Retired { version: 1 };
    let state = given::<Model>(&log)
        .when(Command::Retire { version: 1 })
        .then(std::slice::from_ref(&retired));
    assert_eq!(state.live, None);
    let log = [created(), registered(1), retired];
    given::<Model>(&log)
        .when(Command::Promote { version: 1 })
        .then_conflict();
    given::<Model>(&log)
        .when(Command::Retire { version: 1 })
        .then_nothing();
    given::<Model>(&log)
        .when(Command::Retire { version: 2 })
        .then_not_found();
}

#[test]
fn a_long_report_of_a_failed_training_is_cut() {
    let reason = "x".repeat(limits::TEXT_CHARS + 1);
    let cut = "x".repeat(limits::TEXT_CHARS);
    given::<Model>(&[created()])
        .when(Command::RecordTrainingFailure { reason })
        .then(&[Event::TrainingFailed { reason: cut }]);
}

#[test]
fn a_removed_model_is_not_found_and_scores_nothing() {
    let log = [created(), registered(1), promoted(1, None)];
    let state = given::<Model>(&log)
        .when(Command::Remove)
        .then(&[Event::Removed {}]);
    assert_eq!(state.live, None);
    for command in [Command::Promote { version: 1 }, Command::Remove] {
        given::<Model>(&[created(), Event::Removed {}])
            .when(command.clone())
            .then_not_found();
        given::<Model>(&[]).when(command).then_not_found();
    }
}

fn commands() -> impl Strategy<Value = Command> {
    let versions = (1_u32..5, -1e300_f64..1e300, prop::option::of(1_u32..5)).prop_map(
        |(number, score_limit, parent)| {
            let lineage = Lineage {
                parent,
                ..version(number).lineage
            };
            Version {
                score_limit,
                lineage,
                ..version(number)
            }
        },
    );
    prop_oneof![
        3 => Just(create(definition())),
        8 => versions.prop_map(|version| Command::RegisterVersion { version }),
        1 => "[a-c ]{0,3}".prop_map(|reason| Command::RecordTrainingFailure { reason }),
        4 => (1_u32..5).prop_map(|version| Command::Promote { version }),
        2 => (1_u32..5).prop_map(|version| Command::Retire { version }),
        1 => Just(Command::Remove),
    ]
}

proptest! {
    #[test]
    fn replaying_the_events_gives_the_state(life in lives(commands())) {
        replay_gives_the_state::<Model>(life, |_, after| {
            if let Some(live) = after.live {
                prop_assert!(after.version(live).is_some());
                prop_assert!(!after.retired.contains(&live));
            }
            for (index, version) in after.versions.iter().enumerate() {
                prop_assert_eq!(version.version as usize, index + 1);
            }
            Ok(())
        })?;
    }
}
