use super::super::alarm_rule::{AlarmClass, Deadman, Level, LimitKind, Scope};
use super::super::testing::{NOW, id, organisation, seconds};
use super::*;
use LimitKind::{Hi, HiHi, Lo, LoLo};
use Priority::{P1, P2, P3};

pub(super) fn at(second: u64) -> Timestamp {
    NOW.saturating_add(seconds(second))
}

/// LOLO -20 (P1), LO -10 (P3), HI 10 (P3), HIHI 20 (P1), without delays.
pub(super) fn definition() -> Definition {
    let level = |kind, limit, priority| Level {
        kind,
        limit,
        priority,
    };
    Definition {
        name: "Axial position".to_owned(),
        scope: Scope {
            series: "axial".to_owned(),
            ..Scope::default()
        },
        levels: vec![
            level(Hi, 10.0, P3),
            level(HiHi, 20.0, P1),
            level(LoLo, -20.0, P1),
            level(Lo, -10.0, P3),
        ],
        deadman: None,
        deadband: 0.0,
        on_delay_ms: 0,
        off_delay_ms: 0,
        class: AlarmClass::Process,
        latching: false,
        acknowledge_required: true,
        message: "Axial position".to_owned(),
        consequence: String::new(),
        action: "Trip".to_owned(),
        time_to_respond_ms: None,
        enabled: true,
    }
}

fn silent_after(period_ms: u64, priority: Priority) -> Definition {
    Definition {
        deadman: Some(Deadman {
            period_ms,
            priority,
        }),
        ..definition()
    }
}

fn watch(definition: &Definition) -> Evaluator {
    Evaluator::new(definition, Standing::default())
}

pub(super) fn evidence(
    time: Timestamp,
    received_at: Timestamp,
    value: Option<f64>,
    good: bool,
    historical: bool,
) -> Evidence {
    Evidence {
        time,
        received_at,
        value,
        good,
        historical,
    }
}

fn live(watch: &mut Evaluator, second: u64, value: f64) -> Vec<Outcome> {
    watch.sample(evidence(at(second), at(second), Some(value), true, false))
}

/// The outcomes of live samples, as in `10 HI, 14 back`: at which second what happened.
fn run(definition: &Definition, samples: &[(u64, f64)]) -> String {
    let mut watch = watch(definition);
    let outcomes = samples
        .iter()
        .flat_map(|(second, value)| live(&mut watch, *second, *value));
    described(outcomes)
}

fn described(outcomes: impl IntoIterator<Item = Outcome>) -> String {
    let second = |time: Timestamp| time.since(NOW).as_secs();
    let words: Vec<String> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Return { source_time, .. } => format!("{} back", second(source_time)),
            Outcome::Activate {
                cause, source_time, ..
            } => {
                let name = match cause {
                    Cause::Limit(HiHi) => "HIHI",
                    Cause::Limit(Hi) => "HI",
                    Cause::Limit(Lo) => "LO",
                    Cause::Limit(LoLo) => "LOLO",
                    Cause::Deadman => "SILENT",
                    Cause::Score => "SCORE",
                };
                format!("{} {name}", second(source_time))
            }
        })
        .collect();
    words.join(", ")
}

#[test]
fn the_limit_itself_raises_and_a_value_short_of_it_does_not() {
    assert_eq!(
        run(&definition(), &[(1, 9.999), (2, 10.0), (3, 9.999)]),
        "2 HI, 3 back"
    );
    assert_eq!(
        run(&definition(), &[(1, -9.999), (2, -10.0), (3, -9.999)]),
        "2 LO, 3 back"
    );
}

#[test]
fn an_activation_says_all_that_the_alarm_fixes() {
    let outcomes = watch(&definition()).sample(evidence(at(1), at(3), Some(21.0), true, false));
    let activate = Outcome::Activate {
        cause: Cause::Limit(HiHi),
        priority: P1,
        value: Some(21.0),
        limit: Some(20.0),
        source_time: at(1),
        received_at: at(3),
    };
    assert_eq!(outcomes, [activate]);
}

#[test]
fn the_condition_ends_only_beyond_the_deadband() {
    let with = Definition {
        deadband: 2.0,
        ..definition()
    };
    assert_eq!(
        run(&with, &[(1, 10.0), (2, 9.0), (3, 8.0), (4, 7.9)]),
        "1 HI, 4 back"
    );
    assert_eq!(
        run(&with, &[(1, -10.0), (2, -9.0), (3, -8.0), (4, -7.9)]),
        "1 LO, 4 back"
    );
}

#[test]
fn worse_is_told_and_milder_is_not() {
    let samples = [(1, 12.0), (2, 25.0), (3, 12.0), (4, 25.0), (5, 0.0)];
    assert_eq!(run(&definition(), &samples), "1 HI, 2 HIHI, 5 back");
    assert_eq!(
        run(&definition(), &[(1, -25.0), (2, -12.0), (3, 0.0)]),
        "1 LOLO, 3 back"
    );
}

#[test]
fn a_leap_from_too_high_to_too_low_is_a_return_and_a_new_condition() {
    assert_eq!(
        run(&definition(), &[(1, 12.0), (2, -25.0)]),
        "1 HI, 2 back, 2 LOLO"
    );
    // Even if the off-delay of the high side is still running.
    let slow = Definition {
        off_delay_ms: 60_000,
        ..definition()
    };
    assert_eq!(
        run(&slow, &[(1, 12.0), (2, -12.0), (3, 0.0)]),
        "1 HI, 2 back, 2 LO"
    );
}

#[test]
fn the_on_delay_runs_in_event_time_and_starts_anew_when_interrupted() {
    let slow = Definition {
        on_delay_ms: 5_000,
        ..definition()
    };
    assert_eq!(run(&slow, &[(1, 12.0), (3, 12.0), (5, 12.0)]), "");
    assert_eq!(run(&slow, &[(1, 12.0), (3, 12.0), (6, 12.0)]), "6 HI");
    assert_eq!(
        run(
            &slow,
            &[(1, 12.0), (3, 9.0), (6, 12.0), (10, 12.0), (11, 12.0)]
        ),
        "11 HI"
    );
    // Each level has its own delay.
    assert_eq!(
        run(&slow, &[(1, 12.0), (4, 25.0), (6, 25.0), (9, 25.0)]),
        "6 HI, 9 HIHI"
    );
}

#[test]
fn the_off_delay_runs_in_event_time_and_starts_anew_when_interrupted() {
    let slow = Definition {
        off_delay_ms: 5_000,
        ..definition()
    };
    assert_eq!(run(&slow, &[(1, 12.0), (2, 0.0), (6, 0.0)]), "1 HI");
    assert_eq!(run(&slow, &[(1, 12.0), (2, 0.0), (7, 0.0)]), "1 HI, 7 back");
    let interrupted = [
        (1, 12.0),
        (2, 0.0),
        (5, 12.0),
        (6, 0.0),
        (10, 0.0),
        (11, 0.0),
    ];
    assert_eq!(run(&slow, &interrupted), "1 HI, 11 back");
}

#[test]
fn late_historical_and_future_samples_are_no_evidence() {
    let mut watch = watch(&definition());
    assert!(live(&mut watch, 1_000, 0.0).is_empty());
    let mut sample = |time, received_at, historical| {
        watch.sample(evidence(
            at(time),
            at(received_at),
            Some(25.0),
            true,
            historical,
        ))
    };
    assert!(sample(1_000, 1_001, false).is_empty(), "not newer");
    assert!(sample(999, 1_001, false).is_empty(), "older");
    assert!(sample(1_001, 1_001, true).is_empty(), "historical");
    assert!(
        sample(1_001, 1_122, false).is_empty(),
        "older than the bound when received"
    );
    assert!(sample(1_123, 1_002, false).is_empty(), "from the future");
    assert_eq!(
        described(sample(1_001, 1_121, false)),
        "1001 HIHI",
        "just in time"
    );
}

#[test]
fn a_backlog_ends_nothing_either() {
    let mut watch = watch(&definition());
    assert_eq!(described(live(&mut watch, 1_000, 12.0)), "1000 HI");
    for second in 1..1_000 {
        assert!(
            watch
                .sample(evidence(at(second), at(1_001), Some(0.0), true, false))
                .is_empty()
        );
    }
    assert!(watch.is_abnormal());
}

#[test]
fn bad_quality_and_what_is_no_number_hold_the_condition_and_its_delay() {
    let slow = Definition {
        on_delay_ms: 5_000,
        off_delay_ms: 5_000,
        ..definition()
    };
    let mut watch = watch(&slow);
    let bad = |watch: &mut Evaluator, second| {
        for value in [Some(0.0), Some(f64::NAN), Some(f64::NEG_INFINITY), None] {
            let good = value != Some(0.0);
            assert!(
                watch
                    .sample(evidence(at(second), at(second), value, good, false))
                    .is_empty()
            );
        }
    };
    assert!(live(&mut watch, 1, 12.0).is_empty());
    bad(&mut watch, 3);
    assert_eq!(described(live(&mut watch, 6, 12.0)), "6 HI");
    bad(&mut watch, 60);
    assert!(watch.is_abnormal());
    assert!(live(&mut watch, 61, 0.0).is_empty());
    bad(&mut watch, 62);
    assert_eq!(described(live(&mut watch, 66, 0.0)), "66 back");
}

#[test]
fn silence_raises_after_its_period_of_processing_time_and_any_good_sample_ends_it() {
    let mut watch = watch(&silent_after(10_000, P2));
    assert!(
        watch.tick(at(100)).is_empty(),
        "the period starts with the watch"
    );
    assert!(watch.tick(at(109)).is_empty());
    assert!(live(&mut watch, 109, 0.0).is_empty());
    assert!(watch.tick(at(118)).is_empty());
    assert_eq!(described(watch.tick(at(119))), "119 SILENT");
    assert!(watch.tick(at(200)).is_empty(), "told once");
    assert_eq!(described(live(&mut watch, 201, 0.0)), "201 back");
    assert!(watch.tick(at(202)).is_empty());
}

#[test]
fn bad_late_and_historical_samples_do_not_break_the_silence() {
    let mut watch = watch(&silent_after(10_000, P2));
    assert!(live(&mut watch, 1_000, 0.0).is_empty());
    watch.sample(evidence(at(1_005), at(1_005), Some(0.0), false, false));
    watch.sample(evidence(at(1_005), at(1_005), Some(0.0), true, true));
    watch.sample(evidence(at(1), at(1_005), Some(0.0), true, false));
    assert_eq!(described(watch.tick(at(1_010))), "1010 SILENT");
}

#[test]
fn silence_overtakes_a_limit_only_with_a_higher_priority() {
    let mut mild = watch(&silent_after(10_000, P3));
    assert_eq!(described(live(&mut mild, 1, 12.0)), "1 HI");
    assert!(mild.tick(at(60)).is_empty());
    assert!(live(&mut mild, 61, 12.0).is_empty());

    let mut urgent = watch(&silent_after(10_000, P2));
    assert_eq!(described(live(&mut urgent, 1, 12.0)), "1 HI");
    assert_eq!(described(urgent.tick(at(60))), "60 SILENT");
    assert_eq!(described(live(&mut urgent, 61, 12.0)), "61 back, 61 HI");
}

#[test]
fn after_a_restart_the_watch_goes_on_where_the_alarm_stands() {
    let standing = |cause, priority| Standing {
        abnormal: Some(Severity { cause, priority }),
        newest: Some(at(100)),
        ..Standing::default()
    };
    let with = Definition {
        deadband: 2.0,
        ..silent_after(10_000, P2)
    };
    let mut watch = Evaluator::new(&with, standing(Cause::Limit(HiHi), P1));
    assert!(live(&mut watch, 99, 0.0).is_empty(), "seen before");
    assert!(live(&mut watch, 101, 19.0).is_empty());
    assert!(
        live(&mut watch, 102, 9.0).is_empty(),
        "within the deadband of HI"
    );
    assert!(live(&mut watch, 103, 25.0).is_empty(), "told before");
    assert_eq!(described(live(&mut watch, 104, 0.0)), "104 back");

    let mut watch = Evaluator::new(&with, standing(Cause::Deadman, P2));
    assert!(watch.tick(at(200)).is_empty(), "told before");
    assert_eq!(described(live(&mut watch, 201, 0.0)), "201 back");
}

#[test]
fn what_the_rule_no_longer_watches_returns() {
    let standing = Standing {
        abnormal: Some(Severity {
            cause: Cause::Limit(Hi),
            priority: P3,
        }),
        newest: Some(at(100)),
        ..Standing::default()
    };
    let disabled = Definition {
        enabled: false,
        ..definition()
    };
    let mut watch = Evaluator::new(&disabled, standing);
    assert_eq!(described(watch.tick(at(200))), "100 back");
    assert!(live(&mut watch, 201, 25.0).is_empty());

    let lower_only = Definition {
        levels: definition().levels[2..].to_vec(),
        ..definition()
    };
    let mut watch = Evaluator::new(&lower_only, standing);
    assert_eq!(described(live(&mut watch, 101, -12.0)), "101 back, 101 LO");
}

#[test]
fn a_priority_raised_by_an_edit_of_the_rule_is_told() {
    let standing = Standing {
        abnormal: Some(Severity {
            cause: Cause::Limit(Hi),
            priority: Priority::P4,
        }),
        newest: None,
        ..Standing::default()
    };
    let mut watch = Evaluator::new(&definition(), standing);
    assert_eq!(described(live(&mut watch, 1, 12.0)), "1 HI");
}

#[test]
fn an_outcome_becomes_the_command_of_its_alarm() {
    let source = Source {
        organisation: organisation(),
        rule: id(1),
        thing: id(2),
        channel: id(3),
        subtopic: String::new(),
        series: "axial".to_owned(),
    };
    let outcome = live(&mut watch(&definition()), 1, 12.0)[0];
    let command = outcome.into_command(&definition(), source.clone(), "mm");
    let alarm::Command::Activate {
        source: found,
        activation,
    } = command
    else {
        panic!("no activation");
    };
    assert_eq!(found, source);
    assert_eq!(
        (activation.value, activation.limit),
        (Some(12.0), Some(10.0))
    );
    assert_eq!((activation.unit.as_str(), activation.quality), ("mm", GOOD));
    assert_eq!(activation.action, definition().action);
    let back = Outcome::Return {
        source_time: at(2),
        value: Some(0.0),
    };
    assert_eq!(
        back.into_command(&definition(), source, "mm"),
        alarm::Command::Return {
            source_time: at(2),
            value: Some(0.0)
        }
    );
}

#[test]
fn a_watch_that_has_just_begun_looks_again_at_the_newest_sample_but_at_no_older_one() {
    let kept = |second, value| evidence(at(second), at(second), Some(value), true, false);
    let seen = Standing {
        newest: Some(at(100)),
        ..Standing::default()
    };
    let mut watch = Evaluator::new(&definition(), seen);
    assert!(watch.resume(kept(99, 12.0)).is_empty(), "older");
    assert!(watch.sample(kept(100, 12.0)).is_empty(), "no news");
    assert_eq!(described(watch.resume(kept(100, 12.0))), "100 HI");
    assert!(watch.resume(kept(100, 12.0)).is_empty(), "told");
    assert!(live(&mut watch, 100, 5.0).is_empty(), "still no news");

    let silent = Standing {
        abnormal: Some(Severity {
            cause: Cause::Deadman,
            priority: P2,
        }),
        silent_from: Some(at(200)),
        ..Standing::default()
    };
    let with = silent_after(10_000, P2);
    let mut watch = Evaluator::new(&with, silent);
    assert!(
        watch.resume(kept(190, 5.0)).is_empty(),
        "before the silence"
    );
    assert_eq!(described(watch.resume(kept(201, 5.0))), "201 back");
}
