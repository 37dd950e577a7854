//! Given events, when a command comes, then events or a rejection; and the property that replaying events gives the state.

use std::fmt::Debug;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::Rejection;
use super::secret::{KeyHash, PasswordHash, SealedKey};
use crate::entity::{Aggregate, DecideContext};
use crate::event::Who;
use crate::ids::{EntityId, OrganisationId, Revision, UserId};
use crate::time::Timestamp;

pub const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The `number`-th id of any kind.
pub fn id<I: From<Uuid>>(number: u128) -> I {
    I::from(Uuid::from_u128(number))
}

pub fn organisation() -> OrganisationId {
    id(0x0A)
}

pub fn ann() -> UserId {
    id(0xA1)
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub fn key(number: u8) -> SealedKey {
    SealedKey {
        hash: format!("{number:02x}").repeat(32),
        sealed: "c2VhbGVk".to_owned(),
    }
}

pub fn key_hash(number: u8) -> KeyHash {
    KeyHash(key(number).hash)
}

pub fn password(number: u8) -> PasswordHash {
    PasswordHash(format!(
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA{number}"
    ))
}

pub fn context<A: Aggregate>() -> DecideContext {
    DecideContext {
        entity: EntityId::new(A::KIND, Uuid::from_u128(0xE1)),
        at: NOW,
        who: Who::User(ann()),
    }
}

/// The state after `events`, and who sends the next command when.
pub struct Given<A: Aggregate> {
    pub state: A::State,
    pub context: DecideContext,
}

pub fn given<A: Aggregate>(events: &[A::Event]) -> Given<A> {
    let mut state = A::State::default();
    for event in events {
        A::apply(&mut state, event);
    }
    Given {
        state,
        context: context::<A>(),
    }
}

impl<A: Aggregate> Given<A> {
    pub fn at(mut self, at: Timestamp) -> Self {
        self.context.at = at;
        self
    }

    pub fn by(mut self, who: Who) -> Self {
        self.context.who = who;
        self
    }

    pub fn when(self, command: A::Command) -> Then<A> {
        let result = A::decide(&self.state, command, &self.context);
        Then {
            state: self.state,
            result,
        }
    }

    /// Rolls back to the state that `past` left.
    pub fn when_rolled_back_to(self, past: &[A::Event]) -> Then<A> {
        let to = Revision(past.len() as u64);
        let past = given::<A>(past).state;
        let result = A::roll_back(&self.state, &past, to);
        Then {
            state: self.state,
            result,
        }
    }
}

/// What came of a command.
pub struct Then<A: Aggregate> {
    state: A::State,
    pub result: Result<Vec<A::Event>, Rejection>,
}

impl<A: Aggregate> Then<A>
where
    A::Event: PartialEq + Debug,
{
    /// These events; gives the state after them.
    #[track_caller]
    pub fn then(mut self, expected: &[A::Event]) -> A::State {
        assert_eq!(self.result.as_deref(), Ok(expected));
        for event in expected {
            A::apply(&mut self.state, event);
        }
        self.state
    }

    #[track_caller]
    pub fn then_nothing(self) {
        assert_eq!(self.result, Ok(Vec::new()));
    }

    #[track_caller]
    pub fn then_invalid(self, field: &str) {
        match self.result {
            Err(Rejection::Invalid { field: found, .. }) => assert_eq!(found, field),
            other => panic!("expected `{field}` to be invalid, got {other:?}"),
        }
    }

    #[track_caller]
    pub fn then_not_found(self) {
        assert!(
            matches!(self.result, Err(Rejection::NotFound { .. })),
            "got {:?}",
            self.result
        );
    }

    #[track_caller]
    pub fn then_exists_already(self) {
        let result = self.result;
        assert!(
            matches!(result, Err(Rejection::AlreadyExists { .. })),
            "got {result:?}"
        );
    }

    #[track_caller]
    pub fn then_conflict(self) {
        assert!(
            matches!(self.result, Err(Rejection::Conflict { .. })),
            "got {:?}",
            self.result
        );
    }
}

/// One step of a random life.
#[derive(Debug, Clone)]
pub enum Step<C> {
    Do(C),
    /// To a revision: this number modulo the present revision.
    RollBack(u64),
    /// Lets seconds pass.
    Wait(u64),
}

/// Random lives of `commands`.
pub fn lives<C: Debug + Clone + 'static>(
    commands: impl Strategy<Value = C> + 'static,
) -> impl Strategy<Value = Vec<Step<C>>> {
    let step = prop_oneof![
        12 => commands.prop_map(Step::Do),
        2 => (0_u64..40).prop_map(Step::RollBack),
        2 => (0_u64..20_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..40)
}

/// Runs `life` and checks after each step that: events, written and read again, lead to the same state; the state survives
/// a snapshot; both decide as the living state does; a second roll back to the same revision changes nothing; and
/// `invariant` holds between the states before and after.
pub fn replay_gives_the_state<A>(
    life: Vec<Step<A::Command>>,
    invariant: impl Fn(&A::State, &A::State) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError>
where
    A: Aggregate,
    A::State: PartialEq + Debug,
    A::Event: PartialEq + Debug,
    A::Command: Clone + Debug + PartialEq + Serialize + DeserializeOwned,
{
    let mut context = context::<A>();
    let mut live = A::State::default();
    let mut replayed = A::State::default();
    let mut history = vec![live.clone()];
    for step in life {
        let decided = match step {
            Step::Wait(count) => {
                context.at = context.at.saturating_add(seconds(count));
                continue;
            }
            Step::Do(command) => {
                prop_assert_eq!(&through_json(&command), &command);
                let decided = A::decide(&live, command.clone(), &context);
                prop_assert_eq!(&A::decide(&replayed, command.clone(), &context), &decided);
                prop_assert_eq!(
                    &A::decide(&through_json(&live), command, &context),
                    &decided
                );
                decided
            }
            Step::RollBack(number) => {
                let to = number % history.len() as u64;
                let past = &history[to as usize];
                let decided = A::roll_back(&live, past, Revision(to));
                if let Ok(events) = &decided {
                    let mut after = live.clone();
                    events.iter().for_each(|event| A::apply(&mut after, event));
                    prop_assert_eq!(A::roll_back(&after, past, Revision(to)), Ok(Vec::new()));
                }
                decided
            }
        };
        let before = live.clone();
        for event in decided.unwrap_or_default() {
            A::apply(&mut live, &event);
            history.push(live.clone());
            let data = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
            let read = A::decode(A::event_type(&event), A::event_schema(&event), &data).unwrap();
            prop_assert_eq!(&read, &event);
            A::apply(&mut replayed, &read);
        }
        prop_assert_eq!(&replayed, &live);
        prop_assert_eq!(&through_json(&live), &live);
        invariant(&before, &live)?;
    }
    Ok(())
}

fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}
