//! All states × all triggers, against the table of ISA-18.2.
//!
//! `from` is the state that the trigger meets: `G(C)` was acknowledged when it was shelved, `GH(B)` is shelved and suppressed
//! by design too. A cell is the letter that the trigger leads to, `=` where the letter stays though something happened, `.`
//! where nothing happens, and `x` where it is refused.

use super::super::testing::{NOW, context, seconds};
use super::tests::{acknowledge, activate, activation, commit, shelve};
use super::*;
use crate::entity::DecideContext;

const NOT_LATCHING: &str = "
from    activate worse return ack stale reset shelve unshelve early late suppress unsuppress out in comment re-alarm
A       B        B     .      x   x     x     G      .        .     .    H        .          I   .  =       .
B       .        =     D      C   x     x     G      .        .     .    H        .          I   .  =       .
C       .        B     A      x   x     x     G      .        .     .    H        .          I   .  =       B
D       B        B     .      A   x     x     G      .        .     .    H        .          I   .  =       .
G(A)    =        =     .      x   x     x     =      A        .     A    H        .          I   .  =       .
G(B)    .        =     =      x   x     x     =      B        .     B    H        .          I   .  =       .
G(C)    .        =     =      x   x     x     =      B        .     B    H        .          I   .  =       .
G(D)    =        =     .      x   x     x     =      A        .     A    H        .          I   .  =       .
H(A)    =        =     .      x   x     x     =      .        .     .    .        A          I   .  =       .
H(B)    .        =     =      x   x     x     =      .        .     .    .        B          I   .  =       .
H(C)    .        =     =      x   x     x     =      .        .     .    .        B          I   .  =       .
H(D)    =        =     .      x   x     x     =      .        .     .    .        A          I   .  =       .
I(A)    =        =     .      x   x     x     =      .        .     .    =        .          .   A  =       .
I(B)    .        =     =      x   x     x     =      .        .     .    =        .          .   B  =       .
I(C)    .        =     =      x   x     x     =      .        .     .    =        .          .   B  =       .
I(D)    =        =     .      x   x     x     =      .        .     .    =        .          .   A  =       .
GH(A)   =        =     .      x   x     x     =      =        .     =    .        G          I   .  =       .
GH(B)   .        =     =      x   x     x     =      =        .     =    .        G          I   .  =       .
GI(A)   =        =     .      x   x     x     =      =        .     =    =        .          .   G  =       .
GI(B)   .        =     =      x   x     x     =      =        .     =    =        .          .   G  =       .
HI(A)   =        =     .      x   x     x     =      .        .     .    .        =          .   H  =       .
HI(B)   .        =     =      x   x     x     =      .        .     .    .        =          .   H  =       .
GHI(A)  =        =     .      x   x     x     =      =        .     =    .        =          .   H  =       .
GHI(B)  .        =     =      x   x     x     =      =        .     =    .        =          .   H  =       .
";

const LATCHING: &str = "
from    activate worse return ack stale reset shelve unshelve early late suppress unsuppress out in comment re-alarm
A       B        B     .      x   x     x     G      .        .     .    H        .          I   .  =       .
B       .        =     E      C   x     x     G      .        .     .    H        .          I   .  =       .
C       .        B     F      x   x     x     G      .        .     .    H        .          I   .  =       B
E       B        B     .      F   x     x     G      .        .     .    H        .          I   .  =       .
F       B        B     .      x   x     A     G      .        .     .    H        .          I   .  =       .
G(A)    =        =     .      x   x     x     =      A        .     A    H        .          I   .  =       .
G(B)    .        =     =      x   x     x     =      B        .     B    H        .          I   .  =       .
G(E)    =        =     .      x   x     x     =      A        .     A    H        .          I   .  =       .
G(F)    =        =     .      x   x     x     =      A        .     A    H        .          I   .  =       .
H(B)    .        =     =      x   x     x     =      .        .     .    .        B          I   .  =       .
H(E)    =        =     .      x   x     x     =      .        .     .    .        A          I   .  =       .
H(F)    =        =     .      x   x     x     =      .        .     .    .        A          I   .  =       .
I(B)    .        =     =      x   x     x     =      .        .     .    =        .          .   B  =       .
I(E)    =        =     .      x   x     x     =      .        .     .    =        .          .   A  =       .
I(F)    =        =     .      x   x     x     =      .        .     .    =        .          .   A  =       .
";

const ACKNOWLEDGES_ITSELF: &str = "
from    activate worse return ack stale reset shelve unshelve early late suppress unsuppress out in comment re-alarm
A       B        B     .      x   x     x     G      .        .     .    H        .          I   .  =       .
B       .        =     A      C   x     x     G      .        .     .    H        .          I   .  =       .
C       .        B     A      x   x     x     G      .        .     .    H        .          I   .  =       B
G(A)    =        =     .      x   x     x     =      A        .     A    H        .          I   .  =       .
G(B)    .        =     =      x   x     x     =      B        .     B    H        .          I   .  =       .
H(B)    .        =     =      x   x     x     =      .        .     .    .        B          I   .  =       .
I(B)    .        =     =      x   x     x     =      .        .     .    =        .          .   B  =       .
";

const LATCHING_AND_ACKNOWLEDGES_ITSELF: &str = "
from    activate worse return ack stale reset shelve unshelve early late suppress unsuppress out in comment re-alarm
B       .        =     F      C   x     x     G      .        .     .    H        .          I   .  =       .
C       .        B     F      x   x     x     G      .        .     .    H        .          I   .  =       B
F       B        B     .      x   x     A     G      .        .     .    H        .          I   .  =       .
";

#[derive(Clone, Copy)]
struct Class {
    latching: bool,
    acknowledge_required: bool,
}

/// The command of a trigger in `state`, and when it comes.
fn command(trigger: &str, class: Class, state: &State) -> (Command, DecideContext) {
    let at = |cause, priority| {
        activate(Activation {
            latching: class.latching,
            acknowledge_required: class.acknowledge_required,
            ..activation(cause, priority)
        })
    };
    let command = match trigger {
        "activate" => at(LimitKind::Hi, Priority::P2),
        "worse" => at(LimitKind::HiHi, Priority::P1),
        "return" => Command::Return {
            source_time: NOW,
            value: Some(1.0),
        },
        "ack" => acknowledge(state.occurrence),
        "stale" => acknowledge(state.occurrence + 1),
        "reset" => Command::Reset,
        // Another end each time, or shelving what is shelved would change nothing.
        "shelve" => shelve(
            if state.shelved.is_some() {
                7_200
            } else {
                3_600
            },
            false,
        ),
        "unshelve" => Command::Unshelve,
        "early" | "late" => Command::ExpireShelving,
        "suppress" => Command::Suppress {
            by: "first-out of train 1".to_owned(),
        },
        "unsuppress" => Command::Unsuppress,
        "out" => Command::TakeOutOfService {
            work_order: "WO-7".to_owned(),
            reason: "the transmitter is calibrated".to_owned(),
        },
        "in" => Command::ReturnToService,
        "comment" => Command::Comment {
            text: "seen".to_owned(),
        },
        "re-alarm" => Command::ReAlarm,
        other => panic!("no trigger `{other}`"),
    };
    let mut context = context::<Alarm>();
    context.at = match trigger {
        "early" => NOW.saturating_add(seconds(3_599)),
        "late" => NOW.saturating_add(seconds(3_600)),
        _ => NOW,
    };
    (command, context)
}

/// The state that `from` names, reached by triggers alone.
fn reach(from: &str, class: Class) -> State {
    let (suppressions, letter) = match from.split_once('(') {
        Some((suppressions, letter)) => (suppressions, letter.trim_end_matches(')')),
        None => ("", from),
    };
    let to_letter: &[&str] = match letter {
        "A" if class.latching => &["activate", "ack", "return", "reset"],
        "A" => &["activate", "ack", "return"],
        "B" => &["activate"],
        "C" => &["activate", "ack"],
        "D" | "E" => &["activate", "return"],
        "F" => &["activate", "ack", "return"],
        other => panic!("no state `{other}`"),
    };
    let to_suppression = suppressions.chars().map(|letter| match letter {
        'G' => "shelve",
        'H' => "suppress",
        'I' => "out",
        other => panic!("no suppression `{other}`"),
    });
    let mut state = State::default();
    for trigger in to_letter.iter().copied().chain(to_suppression) {
        let (command, context) = command(trigger, class, &state);
        commit(&mut state, command, &context).unwrap();
    }
    let shown = suppressions
        .chars()
        .last()
        .map_or_else(|| letter.to_owned(), String::from);
    assert_eq!(format!("{:?}", state.letter()), shown, "the way to {from}");
    state
}

fn check(table: &str, class: Class) {
    let mut lines = table.lines().filter(|line| !line.is_empty());
    let triggers: Vec<&str> = lines.next().unwrap().split_whitespace().skip(1).collect();
    let mut rows = 0;
    for line in lines {
        let mut cells = line.split_whitespace();
        let from = cells.next().unwrap();
        let cells: Vec<&str> = cells.collect();
        assert_eq!(cells.len(), triggers.len(), "{line}");
        for (trigger, expected) in triggers.iter().zip(cells) {
            let before = reach(from, class);
            let mut after = before.clone();
            let (command, context) = command(trigger, class, &before);
            let found = match commit(&mut after, command, &context) {
                Err(_) => "x".to_owned(),
                Ok(events) if events.is_empty() => ".".to_owned(),
                Ok(_) if after.letter() == before.letter() => "=".to_owned(),
                Ok(_) => format!("{:?}", after.letter()),
            };
            assert_eq!(found, expected, "{trigger} in {from}");
            let occurs = matches!(*trigger, "activate" | "worse") && !before.condition_abnormal;
            assert_eq!(
                after.occurrence,
                before.occurrence + u64::from(occurs),
                "{line}"
            );
            let annunciated_again = before.letter() == Letter::C && after.letter() == Letter::B;
            let re_alarms = before.re_alarm_count + u64::from(annunciated_again);
            assert_eq!(
                after.re_alarm_count,
                if occurs { 0 } else { re_alarms },
                "{line}"
            );
        }
        rows += 1;
    }
    assert!(rows > 0);
}

#[test]
fn a_plain_alarm_follows_the_table() {
    check(
        NOT_LATCHING,
        Class {
            latching: false,
            acknowledge_required: true,
        },
    );
}

#[test]
fn a_latching_alarm_follows_the_table() {
    check(
        LATCHING,
        Class {
            latching: true,
            acknowledge_required: true,
        },
    );
}

#[test]
fn an_alarm_that_acknowledges_itself_follows_the_table() {
    check(
        ACKNOWLEDGES_ITSELF,
        Class {
            latching: false,
            acknowledge_required: false,
        },
    );
}

#[test]
fn a_latching_alarm_that_acknowledges_itself_waits_for_the_reset_alone() {
    let class = Class {
        latching: true,
        acknowledge_required: false,
    };
    check(LATCHING_AND_ACKNOWLEDGES_ITSELF, class);
}
