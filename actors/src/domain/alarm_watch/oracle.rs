//! Properties of the watch, against a plain computation from all samples, and together with the alarm itself.

use proptest::prelude::*;

use super::super::Alarm;
use super::super::alarm_rule::{Deadman, Level, LimitKind, Side};
use super::super::testing::{context, id, organisation, seconds};
use super::tests::{at, definition, evidence};
use super::*;
use crate::entity::Aggregate;

#[derive(Debug, Clone, Copy)]
struct Sample {
    second: u64,
    value: f64,
}

fn definitions(longest_delay: u64) -> impl Strategy<Value = Definition> {
    let levels = prop::sample::subsequence(definition().levels, 1..=4);
    let delays = (0..=longest_delay, 0..=longest_delay);
    (levels, 0_u8..8, delays, any::<bool>()).prop_map(
        |(levels, deadband, (on_delay, off_delay), with_deadman)| Definition {
            levels,
            deadband: f64::from(deadband),
            on_delay_ms: on_delay * 1_000,
            off_delay_ms: off_delay * 1_000,
            deadman: with_deadman.then_some(Deadman {
                period_ms: 3_000,
                priority: Priority::P2,
            }),
            ..definition()
        },
    )
}

/// Samples in the order of their time, one to four seconds apart.
fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let value = prop_oneof![4 => (-26_i8..26).prop_map(f64::from), 1 => -30.0_f64..30.0];
    prop::collection::vec((1_u64..5, value), 1..60).prop_map(|steps| {
        let mut second = 1_000;
        let sample = |(step, value)| {
            second += step;
            Sample { second, value }
        };
        steps.into_iter().map(sample).collect()
    })
}

/// Whether all samples up to the `last` have been so for the whole of `delay_ms`, the `last` one included.
fn held(samples: &[Sample], last: usize, delay_ms: u64, is_so: impl Fn(f64) -> bool) -> bool {
    let run = samples[..=last]
        .iter()
        .rev()
        .take_while(|sample| is_so(sample.value));
    run.last()
        .is_some_and(|first| samples[last].second - first.second >= delay_ms.div_ceil(1_000))
}

/// What must come out, computed from the whole history at each sample.
fn expected(definition: &Definition, samples: &[Sample]) -> Vec<Outcome> {
    let mut active = vec![false; definition.levels.len()];
    let mut worst: Option<&Level> = None;
    let mut outcomes = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let before = active.clone();
        for (number, level) in definition.levels.iter().enumerate() {
            active[number] = if before[number] {
                let delay = definition.off_delay_ms;
                let released = |value| level.is_released(value, definition.deadband);
                !held(samples, index, delay, released)
            } else {
                held(samples, index, definition.on_delay_ms, |value| {
                    level.is_reached(value)
                })
            };
        }
        let side_of_new = (0..active.len())
            .find(|number| active[*number] && !before[*number])
            .map(|number| definition.levels[number].kind.side());
        for (number, level) in definition.levels.iter().enumerate() {
            active[number] &= side_of_new.is_none_or(|side| level.kind.side() == side);
        }
        let present = |side: Side| {
            let levels = definition.levels.iter().enumerate();
            let mut kinds =
                levels.filter(|(number, level)| active[*number] && level.kind.side() == side);
            let first = kinds.next().map(|(_, level)| level);
            kinds
                .map(|(_, level)| level)
                .fold(first, |worst, level| match worst {
                    Some(worst) if !level.kind.is_beyond(worst.kind) => Some(worst),
                    _ => Some(level),
                })
        };
        let now = present(Side::High).or_else(|| present(Side::Low));
        let stays = worst
            .zip(now)
            .is_some_and(|(worst, now)| worst.kind.side() == now.kind.side());
        if worst.is_some() && !stays {
            worst = None;
            outcomes.push(Outcome::Return {
                source_time: at(sample.second),
                value: Some(sample.value),
            });
        }
        if let Some(now) = now
            && worst.is_none_or(|worst| now.kind.is_beyond(worst.kind))
        {
            worst = Some(now);
            outcomes.push(Outcome::Activate {
                cause: Cause::Limit(now.kind),
                priority: now.priority,
                value: Some(sample.value),
                limit: Some(now.limit),
                source_time: at(sample.second),
                received_at: at(sample.second),
            });
        }
    }
    outcomes
}

fn live(watch: &mut Evaluator, sample: Sample) -> Vec<Outcome> {
    let time = at(sample.second);
    watch.sample(evidence(time, time, Some(sample.value), true, false))
}

/// A sample that must not count, beside the live one of the same index.
#[derive(Debug, Clone, Copy)]
enum Noise {
    /// So many seconds older than the live sample, or as old.
    Late(u64),
    Historical,
    BeyondTheBound,
    FromTheFuture,
    Bad,
    NotANumber,
}

fn noise() -> impl Strategy<Value = Vec<(prop::sample::Index, Noise, f64)>> {
    let kinds = prop_oneof![
        (0_u64..900).prop_map(Noise::Late),
        Just(Noise::Historical),
        Just(Noise::BeyondTheBound),
        Just(Noise::FromTheFuture),
        Just(Noise::Bad),
        Just(Noise::NotANumber),
    ];
    prop::collection::vec(
        (any::<prop::sample::Index>(), kinds, -30.0_f64..30.0),
        0..30,
    )
}

fn disturb(watch: &mut Evaluator, second: u64, noise: Noise, value: f64) -> Vec<Outcome> {
    let (time, received_at) = match noise {
        Noise::Late(by) => (at(second - by), at(second)),
        Noise::BeyondTheBound => (at(second + 1), at(second + 122)),
        Noise::FromTheFuture => (at(second + 121), at(second)),
        Noise::Historical | Noise::Bad | Noise::NotANumber => (at(second + 1), at(second + 1)),
    };
    let value = if matches!(noise, Noise::NotANumber) {
        f64::NAN
    } else {
        value
    };
    let good = !matches!(noise, Noise::Bad);
    watch.sample(evidence(
        time,
        received_at,
        Some(value),
        good,
        matches!(noise, Noise::Historical),
    ))
}

fn source() -> Source {
    Source {
        organisation: organisation(),
        rule: id(1),
        thing: id(2),
        channel: id(3),
        subtopic: String::new(),
        series: "axial".to_owned(),
    }
}

/// Gives the outcomes to an alarm, as the owner of the series does.
fn tell(alarm: &mut alarm::State, definition: &Definition, outcomes: &[Outcome]) {
    for outcome in outcomes {
        let command = outcome.into_command(definition, source(), "mm");
        let events = Alarm::decide(alarm, command, &context::<Alarm>()).unwrap();
        assert!(!events.is_empty(), "{outcome:?} told the alarm nothing");
        events.iter().for_each(|event| Alarm::apply(alarm, event));
    }
}

proptest! {
    #[test]
    fn the_watch_agrees_with_a_computation_from_all_samples(
        definition in definitions(8),
        samples in samples(),
    ) {
        definition.validate().unwrap();
        let mut watch = Evaluator::new(&definition, Standing::default());
        let found: Vec<_> =
            samples.iter().flat_map(|sample| live(&mut watch, *sample)).collect();
        prop_assert_eq!(found, expected(&definition, &samples));
    }

    #[test]
    fn late_historical_and_bad_samples_in_any_order_change_nothing(
        definition in definitions(8),
        samples in samples(),
        noise in noise(),
    ) {
        let mut watch = Evaluator::new(&definition, Standing::default());
        let mut found = Vec::new();
        for (index, sample) in samples.iter().enumerate() {
            found.extend(live(&mut watch, *sample));
            for (place, kind, value) in &noise {
                if place.index(samples.len()) == index {
                    prop_assert_eq!(disturb(&mut watch, sample.second, *kind, *value), vec![]);
                }
            }
        }
        prop_assert_eq!(found, expected(&definition, &samples));
    }

    #[test]
    fn a_backlog_in_any_order_never_raises_and_never_ends(
        definition in definitions(0),
        first in -30.0_f64..30.0,
        backlog in prop::collection::vec((1_u64..1_000, -30.0_f64..30.0), 0..50).prop_shuffle(),
    ) {
        let mut watch = Evaluator::new(&definition, Standing::default());
        live(&mut watch, Sample { second: 1_000, value: first });
        let abnormal = watch.is_abnormal();
        for (second, value) in backlog {
            let outcomes = watch.sample(evidence(at(second), at(1_001), Some(value), true, false));
            prop_assert!(outcomes.is_empty());
        }
        prop_assert_eq!(watch.is_abnormal(), abnormal);
    }

    /// Every outcome has an effect on the alarm, and the two agree, with silence and with restarts in between.
    #[test]
    fn the_watch_and_the_alarm_agree_at_all_times(
        definition in definitions(8),
        samples in samples(),
        restarts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut alarm = alarm::State::default();
        let mut watch = Evaluator::new(&definition, Standing::default());
        for (index, sample) in samples.iter().enumerate() {
            let silence_ends = at(sample.second).saturating_sub(seconds(1));
            tell(&mut alarm, &definition, &watch.tick(silence_ends));
            tell(&mut alarm, &definition, &live(&mut watch, *sample));
            if restarts.iter().any(|place| place.index(samples.len()) == index) {
                watch = Evaluator::new(&definition, Standing::of(&alarm));
            }
            prop_assert_eq!(watch.told, Standing::of(&alarm).abnormal);
            prop_assert_eq!(watch.is_abnormal(), alarm.condition_abnormal);
        }
    }

    #[test]
    fn without_delays_a_restart_changes_no_outcome(
        definition in definitions(0),
        samples in samples(),
        restarts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut alarm = alarm::State::default();
        let mut watch = Evaluator::new(&definition, Standing::default());
        let mut found = Vec::new();
        for (index, sample) in samples.iter().enumerate() {
            let outcomes = live(&mut watch, *sample);
            tell(&mut alarm, &definition, &outcomes);
            found.extend(outcomes);
            if restarts.iter().any(|place| place.index(samples.len()) == index) {
                watch = Evaluator::new(&definition, Standing::of(&alarm));
            }
        }
        prop_assert_eq!(found, expected(&definition, &samples));
    }

    /// Whatever is given: no panic, no value that is no number, and activations and returns that fit each other.
    #[test]
    fn any_input_whatever_gives_outcomes_in_order(
        definition in definitions(8),
        input in prop::collection::vec(
            (any::<i64>(), any::<i64>(), any::<u64>(), any::<bool>(), any::<bool>()),
            0..50,
        ),
    ) {
        let mut watch = Evaluator::with_lateness(&definition, Standing::default(), Duration::MAX);
        let mut abnormal = false;
        for (time, received_at, bits, good, is_tick) in input {
            let outcomes = if is_tick {
                watch.tick(Timestamp(received_at))
            } else {
                let value = Some(f64::from_bits(bits));
                watch.sample(evidence(Timestamp(time), Timestamp(received_at), value, good, false))
            };
            for outcome in outcomes {
                match outcome {
                    Outcome::Activate { value, .. } => {
                        prop_assert!(value.is_none_or(f64::is_finite));
                        abnormal = true;
                    }
                    Outcome::Return { value, .. } => {
                        prop_assert!(value.is_none_or(f64::is_finite));
                        prop_assert!(abnormal);
                        abnormal = false;
                    }
                }
            }
            prop_assert_eq!(watch.is_abnormal(), abnormal);
        }
    }
}

#[test]
fn the_computation_knows_all_four_levels() {
    let values = [12.0, 25.0, 0.0, -12.0, -25.0];
    let samples: Vec<_> = (1..)
        .zip(values)
        .map(|(second, value)| Sample { second, value })
        .collect();
    let causes: Vec<_> = expected(&definition(), &samples)
        .into_iter()
        .filter_map(|outcome| match outcome {
            Outcome::Activate { cause, .. } => Some(cause),
            Outcome::Return { .. } => None,
        })
        .collect();
    use LimitKind::{Hi, HiHi, Lo, LoLo};
    assert_eq!(causes, [Hi, HiHi, Lo, LoLo].map(Cause::Limit));
}
