use super::super::testing::{Given, NOW, ann, context, given, id, organisation, seconds};
use super::*;
use crate::domain::limits;
use crate::event::Who;

pub(super) fn source() -> Source {
    Source {
        organisation: organisation(),
        rule: id(1),
        thing: id(2),
        channel: id(3),
        subtopic: String::new(),
        series: "vibration_de".to_owned(),
    }
}

pub(super) fn activation(kind: LimitKind, priority: Priority) -> Activation {
    Activation {
        cause: Cause::Limit(kind),
        priority,
        class: AlarmClass::Process,
        latching: false,
        acknowledge_required: true,
        message: "Drive-end vibration high".to_owned(),
        consequence: "The bearing fails".to_owned(),
        action: "Reduce the speed".to_owned(),
        time_to_respond_ms: None,
        unit: "mm/s".to_owned(),
        value: Some(7.5),
        limit: Some(7.0),
        quality: 192,
        source_time: NOW,
        received_at: NOW,
        contributions: Vec::new(),
    }
}

pub(super) fn activate(activation: Activation) -> Command {
    Command::Activate {
        source: source(),
        activation,
    }
}

pub(super) fn acknowledge(occurrence: u64) -> Command {
    Command::Acknowledge {
        occurrence,
        note: None,
    }
}

pub(super) fn shelve(for_seconds: u64, one_shot: bool) -> Command {
    Command::Shelve {
        reason: "known fault".to_owned(),
        until: NOW.saturating_add(seconds(for_seconds)),
        one_shot,
    }
}

/// Decides and applies.
pub(super) fn commit(
    state: &mut State,
    command: Command,
    context: &DecideContext,
) -> Result<Vec<Event>, Rejection> {
    let events = Alarm::decide(state, command, context)?;
    events.iter().for_each(|event| Alarm::apply(state, event));
    Ok(events)
}

fn high() -> Activation {
    activation(LimitKind::Hi, Priority::P2)
}

fn activated(activation: Activation) -> Event {
    Event::Activated {
        source: source(),
        occurrence: 1,
        activation,
    }
}

fn returned(seconds_later: u64) -> Event {
    let source_time = NOW.saturating_add(seconds(seconds_later));
    Event::Returned {
        occurrence: 1,
        source_time,
        value: Some(1.0),
        at: NOW,
    }
}

fn acknowledged() -> Event {
    Event::Acknowledged {
        occurrence: 1,
        by: ann(),
        note: None,
        at: NOW,
    }
}

fn shelved(one_shot: bool) -> Event {
    let shelving = Shelving {
        by: ann(),
        reason: "known fault".to_owned(),
        until: NOW.saturating_add(seconds(3_600)),
        one_shot,
    };
    Event::Shelved { shelving }
}

fn after(events: &[Event]) -> Given<Alarm> {
    given::<Alarm>(events)
}

#[test]
fn before_its_first_occurrence_there_is_no_alarm() {
    assert_eq!(State::default().letter(), Letter::A);
    for command in [
        Command::Return {
            source_time: NOW,
            value: None,
        },
        acknowledge(0),
        Command::Reset,
        shelve(60, false),
        Command::ReAlarm,
        Command::Comment {
            text: "?".to_owned(),
        },
    ] {
        after(&[]).when(command).then_not_found();
    }
    let state = after(&[]).when(activate(high())).then(&[activated(high())]);
    assert_eq!((state.letter(), state.raised_at), (Letter::B, Some(NOW)));
}

#[test]
fn an_acknowledgement_is_of_the_present_occurrence_only() {
    let again = Event::Activated {
        source: source(),
        occurrence: 2,
        activation: high(),
    };
    let then = after(&[activated(high()), returned(1), again]).when(acknowledge(1));
    assert_eq!(
        then.result,
        Err(Rejection::StaleOccurrence {
            given: 1,
            present: 2
        })
    );
    let state = after(&[activated(high())])
        .when(acknowledge(1))
        .then(&[acknowledged()]);
    assert_eq!(
        (state.acknowledged_by, state.acknowledged_at),
        (Some(ann()), Some(NOW))
    );
}

#[test]
fn only_a_person_acknowledges_resets_shelves_and_comments() {
    let by_system = || after(&[activated(high())]).by(Who::System("alarm_watch".to_owned()));
    by_system().when(acknowledge(1)).then_conflict();
    by_system().when(shelve(60, false)).then_conflict();
    by_system()
        .when(Command::Comment {
            text: "?".to_owned(),
        })
        .then_conflict();
    by_system().when(Command::Reset).then_conflict();
}

#[test]
fn worse_is_a_limit_farther_out_or_a_higher_priority() {
    use LimitKind::{Hi, HiHi, Lo};
    use Priority::{P1, P2, P3};
    let escalated = |activation| Event::Escalated {
        occurrence: 1,
        activation,
    };
    let is_worse = |from: Activation, to: Activation| {
        let then = after(&[activated(from)]).when(activate(to.clone()));
        match then.result.unwrap().as_slice() {
            [] => false,
            events => events == [escalated(to)],
        }
    };
    assert!(is_worse(activation(Hi, P2), activation(HiHi, P2)));
    assert!(is_worse(activation(Hi, P2), activation(HiHi, P3)));
    assert!(is_worse(activation(Hi, P2), activation(Hi, P1)));
    assert!(is_worse(activation(Hi, P2), activation(Lo, P1)));
    assert!(is_worse(
        activation(Hi, P2),
        Activation {
            cause: Cause::Deadman,
            ..activation(Hi, P1)
        }
    ));
    assert!(!is_worse(activation(HiHi, P2), activation(Hi, P1)));
    assert!(!is_worse(activation(HiHi, P1), activation(Hi, P2)));
    assert!(!is_worse(activation(Hi, P2), activation(Hi, P2)));
    assert!(!is_worse(activation(Hi, P2), activation(Lo, P2)));
}

#[test]
fn a_new_occurrence_forgets_the_one_before_but_not_its_shelving() {
    let comment = Comment {
        by: ann(),
        at: NOW,
        text: "seen".to_owned(),
    };
    let past = [
        activated(high()),
        Event::ReAlarmed { occurrence: 1 },
        acknowledged(),
        Event::Commented { comment },
        shelved(false),
        returned(1),
    ];
    let later = Activation {
        source_time: NOW.saturating_add(seconds(2)),
        ..high()
    };
    let again = Event::Activated {
        source: source(),
        occurrence: 2,
        activation: later.clone(),
    };
    let state = after(&past).when(activate(later)).then(&[again]);
    assert_eq!(state.letter(), Letter::G);
    assert!(state.comments.is_empty() && !state.acknowledged);
    assert_eq!(
        (
            state.re_alarm_count,
            state.returned_at,
            state.acknowledged_by
        ),
        (0, None, None)
    );
}

#[test]
fn news_older_than_the_last_return_raises_nothing() {
    let past = [activated(high()), returned(60), acknowledged()];
    after(&past).when(activate(high())).then_nothing();
    let silent = Activation {
        cause: Cause::Deadman,
        value: None,
        limit: None,
        ..high()
    };
    let again = Event::Activated {
        source: source(),
        occurrence: 2,
        activation: silent.clone(),
    };
    after(&past).when(activate(silent)).then(&[again]);
}

#[test]
fn a_return_older_than_its_cause_ends_nothing() {
    let early = Command::Return {
        source_time: Timestamp(NOW.0 - 1),
        value: None,
    };
    after(&[activated(high())])
        .when(early.clone())
        .then_nothing();
    let silent = Activation {
        cause: Cause::Deadman,
        value: None,
        limit: None,
        ..high()
    };
    assert_eq!(
        after(&[activated(silent)])
            .when(early)
            .result
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn one_shot_shelving_ends_when_the_alarm_returns() {
    let unshelved = Event::Unshelved { automatic: true };
    let back = Command::Return {
        source_time: NOW,
        value: Some(1.0),
    };
    let state = after(&[activated(high()), shelved(true)])
        .when(back.clone())
        .then(&[returned(0), unshelved]);
    assert_eq!((state.letter(), state.shelved), (Letter::A, None));
    let state = after(&[activated(high()), shelved(false)])
        .when(back)
        .then(&[returned(0)]);
    assert_eq!(state.letter(), Letter::G);
}

#[test]
fn shelving_has_a_reason_and_an_end_within_twelve_hours() {
    let past = [activated(high())];
    let reason = |reason: &str| Command::Shelve {
        reason: reason.to_owned(),
        until: NOW.saturating_add(seconds(60)),
        one_shot: false,
    };
    after(&past).when(reason(" ")).then_invalid("reason");
    after(&past)
        .when(reason(&"x".repeat(limits::TEXT_CHARS + 1)))
        .then_invalid("reason");
    after(&past).when(shelve(0, false)).then_invalid("until");
    after(&past)
        .when(shelve(12 * 3_600 + 1, false))
        .then_invalid("until");
    assert!(after(&past).when(shelve(12 * 3_600, false)).result.is_ok());
}

#[test]
fn a_timer_of_an_earlier_shelving_does_not_end_a_later_one() {
    let extended = Event::Shelved {
        shelving: Shelving {
            by: ann(),
            reason: "still".to_owned(),
            until: NOW.saturating_add(seconds(7_200)),
            one_shot: false,
        },
    };
    let past = [activated(high()), shelved(false), extended];
    let at = |count| NOW.saturating_add(seconds(count));
    after(&past)
        .at(at(3_600))
        .when(Command::ExpireShelving)
        .then_nothing();
    after(&past)
        .at(at(7_200))
        .when(Command::ExpireShelving)
        .then(&[Event::Unshelved { automatic: true }]);
}

#[test]
fn an_alarm_never_suppresses_itself_and_knows_who_suppresses_it() {
    let suppress = |by: String| Command::Suppress { by };
    let past = [activated(high())];
    after(&past)
        .when(suppress(source().rule.to_string()))
        .then_invalid("by");
    after(&past)
        .when(suppress(context::<Alarm>().entity.id.to_string()))
        .then_invalid("by");
    after(&past)
        .when(suppress(String::new()))
        .then_invalid("by");
    let suppression = Suppression {
        by: "trip of K-1".to_owned(),
    };
    let past = [activated(high()), Event::Suppressed { suppression }];
    after(&past)
        .when(suppress("trip of K-2".to_owned()))
        .then_conflict();
}

#[test]
fn out_of_service_needs_a_work_order_and_a_reason() {
    let out = |work_order: &str, reason: &str| Command::TakeOutOfService {
        work_order: work_order.to_owned(),
        reason: reason.to_owned(),
    };
    let past = [activated(high())];
    after(&past)
        .when(out("", "calibration"))
        .then_invalid("work_order");
    after(&past).when(out("WO-7", "")).then_invalid("reason");
    let out_of_service = OutOfService {
        by: ann(),
        work_order: "WO-7".to_owned(),
        reason: "calibration".to_owned(),
    };
    let past = [
        activated(high()),
        Event::TakenOutOfService { out_of_service },
    ];
    after(&past)
        .when(out("WO-8", "calibration"))
        .then_conflict();
}

#[test]
fn numbers_that_json_does_not_have_are_refused() {
    let bad = |change: fn(&mut Activation)| {
        let mut activation = high();
        change(&mut activation);
        after(&[]).when(activate(activation))
    };
    bad(|it| it.value = Some(f64::NAN)).then_invalid("activation.value");
    bad(|it| it.limit = Some(f64::INFINITY)).then_invalid("activation.limit");
    bad(|it| {
        it.contributions = vec![Contribution {
            series: "current".to_owned(),
            share: f64::NAN,
            expected: None,
            actual: None,
        }];
    })
    .then_invalid("activation.contributions[0].share");
    after(&[activated(high())])
        .when(Command::Return {
            source_time: NOW,
            value: Some(f64::NAN),
        })
        .then_invalid("value");
}

#[test]
fn an_activation_of_another_series_is_refused() {
    let foreign = Source {
        series: "current".to_owned(),
        ..source()
    };
    after(&[activated(high())])
        .when(Command::Activate {
            source: foreign,
            activation: high(),
        })
        .then_conflict();
}

#[test]
fn the_state_keeps_the_newest_comments() {
    let mut state = after(&[activated(high())]).state;
    for number in 0..COMMENTS_LIMIT + 2 {
        let text = number.to_string();
        commit(&mut state, Command::Comment { text }, &context::<Alarm>()).unwrap();
    }
    assert_eq!(state.comments.len(), COMMENTS_LIMIT);
    assert_eq!(state.comments[0].text, "2");
}
