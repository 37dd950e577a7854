//! Random commands against random faults.

use proptest::prelude::*;

use super::*;
use crate::entity::replay::{Replay, Until};

#[derive(Debug, Clone)]
struct Step {
    actor: usize,
    text: &'static str,
    fault: Option<Fault>,
    /// Whether an actor starts anew before it.
    restart: bool,
}

fn any_step() -> impl Strategy<Value = Step> {
    let lost = StoreError::WrongRevision {
        stream: "x".to_owned(),
        expected: Revision(0),
        actual: Revision(1),
    };
    let failed = StoreError::Failed("the wire broke".to_owned());
    let fault = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Fault::Before(StoreError::DiskFull))),
        1 => Just(Some(Fault::Before(lost))),
        1 => Just(Some(Fault::Before(failed.clone()))),
        2 => Just(Some(Fault::After(failed))),
    ];
    let text = prop_oneof![Just("word"), Just("two"), Just("nothing"), Just("refuse")];
    (0..2_usize, text, fault, any::<bool>()).prop_map(|(actor, text, fault, restart)| Step {
        actor,
        text,
        fault,
        restart,
    })
}

/// Two actors of one entity, faults of the store, restarts, and callers that repeat until they are answered.
async fn each_command_has_its_effect_once(steps: Vec<Step>) {
    let world = World::with(EntityConfig {
        snapshot_every: 3,
        ..EntityConfig::default()
    });
    let mut actors = [world.spawn(), world.spawn()];
    let mut expected = Vec::new();
    for step in steps {
        if step.restart {
            actors[step.actor] = world.spawn();
        }
        world.store.faults.lock().extend(step.fault);
        let context = context();
        let outcome = loop {
            match ask(&actors[step.actor], note(step.text), context.clone()).await {
                Err(error) if error.is_retryable() => {}
                outcome => break outcome,
            }
        };
        world.store.faults.lock().clear();
        match step.text {
            "refuse" => assert!(matches!(outcome, Err(AskError::Rejected(_)))),
            "nothing" => assert!(outcome.unwrap().unchanged),
            text => {
                let words: &[&str] = if text == "two" {
                    &["one", "two"]
                } else {
                    &["word"]
                };
                expected.extend_from_slice(words);
                assert_eq!(outcome.unwrap().revision, Revision(expected.len() as u64));
            }
        }
        assert_eq!(world.notes().await, expected);
    }
    let stream = world.entity.stream();
    let replayed = Replay::<Notes>::load(&world.store.inner, &stream, Until::Now)
        .await
        .unwrap();
    assert_eq!(replayed.state.notes, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn whatever_fails_each_command_has_its_effect_once(steps in prop::collection::vec(any_step(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(each_command_has_its_effect_once(steps));
    }
}
