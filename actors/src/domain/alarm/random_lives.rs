//! Random commands: replaying their events gives the state, and its letter moves as the table allows.

use proptest::prelude::*;

use super::super::testing::{NOW, lives, replay_gives_the_state, seconds};
use super::tests::{acknowledge, activate, activation, shelve};
use super::*;

fn activations() -> impl Strategy<Value = Activation> {
    let causes = prop_oneof![
        Just(Cause::Limit(LimitKind::Hi)),
        Just(Cause::Limit(LimitKind::HiHi)),
        Just(Cause::Limit(LimitKind::Lo)),
        Just(Cause::Deadman),
        Just(Cause::Score),
    ];
    let priorities = prop_oneof![Just(Priority::P1), Just(Priority::P2), Just(Priority::P3)];
    (
        causes,
        priorities,
        any::<bool>(),
        any::<bool>(),
        -1e9_f64..1e9,
        0_u64..100,
    )
        .prop_map(
            |(cause, priority, latching, acknowledge_required, value, later)| Activation {
                cause,
                priority,
                latching,
                acknowledge_required,
                value: Some(value),
                source_time: NOW.saturating_add(seconds(later)),
                ..activation(LimitKind::Hi, Priority::P2)
            },
        )
}

fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        8 => activations().prop_map(activate),
        6 => (0_u64..100).prop_map(|later| Command::Return {
            source_time: NOW.saturating_add(seconds(later)),
            value: Some(1.0),
        }),
        4 => (0_u64..4).prop_map(acknowledge),
        2 => Just(Command::Reset),
        2 => (1_u64..50_000, any::<bool>()).prop_map(|(end, one_shot)| shelve(end, one_shot)),
        2 => Just(Command::Unshelve),
        1 => Just(Command::ExpireShelving),
        1 => "[ab]".prop_map(|by| Command::Suppress { by }),
        2 => Just(Command::Unsuppress),
        1 => "[ab]".prop_map(|order| Command::TakeOutOfService {
            work_order: order,
            reason: "calibration".to_owned(),
        }),
        2 => Just(Command::ReturnToService),
        1 => "[ab]?".prop_map(|text| Command::Comment { text }),
        2 => Just(Command::ReAlarm),
    ]
}

/// The letters that one command may lead to, from the table.
const fn leads_to(from: Letter, to: Letter) -> bool {
    use Letter::{A, B, C, D, E, F, G, H, I};
    matches!(
        (from, to),
        (_, G | H | I)
            | (A, A | B)
            | (B, A | B | C | D | E | F)
            | (C, A | B | C | F)
            | (D, A | B | D)
            | (E, B | E | F)
            | (F, A | B | F)
            | (G | H | I, A | B)
    )
}

proptest! {
    #[test]
    fn replaying_the_events_gives_the_state_and_letters_follow_the_table(
        life in lives(commands())
    ) {
        replay_gives_the_state::<Alarm>(life, |before, after| {
            prop_assert!(leads_to(before.letter(), after.letter()));
            prop_assert!((before.occurrence..=before.occurrence + 1).contains(&after.occurrence));
            prop_assert_eq!(after.occurrence == 0, after.activation.is_none());
            prop_assert_eq!(after.occurrence == 0, after.source.is_none());
            prop_assert!(!after.condition_abnormal || after.returned_at.is_none());
            prop_assert_eq!(after.is_suppressed(), !matches!(
                after.letter(),
                Letter::A | Letter::B | Letter::C | Letter::D | Letter::E | Letter::F
            ));
            Ok(())
        })?;
    }
}
