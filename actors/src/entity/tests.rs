mod faults;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::testing::{Fault, FaultyStore, Notes, NotesState, note};
use super::*;
use crate::event::{RecordedEvent, Who};
use crate::ids::{CommandId, InputDigest, Position};
use crate::store::{EventStore, Snapshot, StoreError};
use crate::time::ManualClock;

struct World {
    store: Arc<FaultyStore>,
    deps: EntityDeps,
    entity: EntityId,
}

impl World {
    fn new() -> Self {
        Self::with(EntityConfig {
            snapshot_every: 8,
            ..EntityConfig::default()
        })
    }

    fn with(config: EntityConfig) -> Self {
        let store = Arc::new(FaultyStore::new());
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(5)));
        let deps = EntityDeps {
            store: Arc::clone(&store) as Arc<dyn EventStore>,
            clock,
            config,
        };
        Self {
            store,
            deps,
            entity: EntityId::new(EntityKind::Thing, Uuid::now_v7()),
        }
    }

    fn spawn(&self) -> EntityHandle {
        spawn::<Notes>(self.entity, self.deps.clone(), None, None).unwrap()
    }

    async fn events(&self) -> Vec<RecordedEvent> {
        self.store
            .inner
            .read_stream(&self.entity.stream(), Revision::NONE, 4096)
            .await
            .unwrap()
    }

    async fn notes(&self) -> Vec<String> {
        let mut state = NotesState::default();
        for event in self.events().await {
            Notes::apply(
                &mut state,
                &Notes::decode(&event.event_type, event.schema, &event.data).unwrap(),
            );
        }
        state.notes
    }
}

fn context() -> CommandContext {
    CommandContext {
        command_id: CommandId::generate(),
        who: Who::System("test".to_owned()),
        organisation: None,
        expected_revision: None,
        note: Some("because".to_owned()),
        input: None,
        timeout: Duration::from_secs(20),
    }
}

fn expecting(revision: u64) -> CommandContext {
    CommandContext {
        expected_revision: Some(Revision(revision)),
        ..context()
    }
}

async fn ask(
    handle: &EntityHandle,
    command: Command,
    context: CommandContext,
) -> Result<Accepted, AskError> {
    let (ask, answer) = Ask::new(command, context, &EntityConfig::default());
    let deadline = ask.deadline();
    assert!(handle.send(Box::new(ask)).is_ok());
    wait_for_answer(answer, deadline).await
}

async fn say(handle: &EntityHandle, text: &str) -> Result<Accepted, AskError> {
    ask(handle, note(text), context()).await
}

fn at(revision: u64, unchanged: bool) -> Accepted {
    Accepted {
        revision: Revision(revision),
        position: Position(revision),
        unchanged,
    }
}

#[tokio::test]
async fn a_command_becomes_events_with_who_when_and_why() {
    let world = World::new();
    let entity = world.spawn();
    let context = context();
    assert_eq!(
        ask(&entity, note("two"), context.clone()).await.unwrap(),
        at(2, false)
    );
    let events = world.events().await;
    assert_eq!(events.len(), 2);
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event.id, context.command_id.event_id(index));
        assert_eq!(event.meta.command, context.command_id);
        assert_eq!(
            (&event.meta.who, &event.meta.note),
            (&context.who, &context.note)
        );
        assert_eq!(event.at, Timestamp::from_millis(5));
    }
    let status = entity.status();
    assert_eq!(
        (
            status.revision,
            status.handled,
            status.rejected,
            status.queue
        ),
        (Revision(2), 1, 0, 0)
    );
    assert_eq!(
        serde_json::to_value(&status).unwrap()["entity"]["kind"],
        json!("thing")
    );
}

#[tokio::test]
async fn an_entity_that_starts_again_knows_its_past() {
    let world = World::new();
    say(&world.spawn(), "once").await.unwrap();
    let again = world.spawn();
    assert!(matches!(
        say(&again, "once").await,
        Err(AskError::Rejected(Rejection::AlreadyExists { .. }))
    ));
    assert_eq!(say(&again, "more").await.unwrap(), at(2, false));
    assert_eq!(again.status().rejected, 1);
}

#[tokio::test]
async fn a_command_that_changes_nothing_writes_nothing() {
    let world = World::new();
    let entity = world.spawn();
    say(&entity, "a").await.unwrap();
    assert_eq!(say(&entity, "nothing").await.unwrap(), at(1, true));
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn an_expected_revision_is_held_against_the_stream() {
    let world = World::new();
    let entity = world.spawn();
    ask(&entity, note("a"), expecting(0)).await.unwrap();
    for wrong in [0, 2] {
        let refused = ask(&entity, note("b"), expecting(wrong)).await.unwrap_err();
        assert!(
            matches!(refused, AskError::RevisionMismatch { expected: Revision(given), actual: Revision(1) } if given == wrong)
        );
    }
    ask(&entity, note("b"), expecting(1)).await.unwrap();
    assert_eq!(world.notes().await, ["a", "b"]);
}

#[tokio::test]
async fn two_actors_of_one_entity_lose_nothing() {
    let world = World::new();
    let (left, right) = (world.spawn(), world.spawn());
    for round in 0..20 {
        let (one, two) = (format!("l{round}"), format!("r{round}"));
        let (one, two) = tokio::join!(say(&left, &one), say(&right, &two));
        assert_ne!(one.unwrap().revision, two.unwrap().revision);
    }
    assert_eq!(world.notes().await.len(), 40);
}

#[tokio::test]
async fn an_actor_that_fell_behind_does_not_refuse_from_old_knowledge() {
    let world = World::new();
    let (left, right) = (world.spawn(), world.spawn());
    say(&left, "a").await.unwrap();
    say(&right, "b").await.unwrap();
    // `left` knows revision 1 only.
    assert_eq!(
        ask(&left, note("c"), expecting(2)).await.unwrap(),
        at(3, false)
    );
    let refused = ask(&right, note("d"), expecting(2)).await.unwrap_err();
    assert!(
        matches!(
            refused,
            AskError::RevisionMismatch {
                actual: Revision(3),
                ..
            }
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn a_repeated_command_has_one_effect() {
    for text in ["once upon a time", "two", "many words"] {
        let world = World::new();
        let entity = world.spawn();
        say(&entity, "before").await.unwrap();
        let context = expecting(1);
        let first = ask(&entity, note(text), context.clone()).await.unwrap();
        say(&entity, "after").await.unwrap();
        let expected = Accepted {
            unchanged: true,
            ..first
        };
        // By the actor that took it, and by one that did not and must find out from the store.
        for entity in [entity, world.spawn()] {
            assert_eq!(
                ask(&entity, note(text), context.clone()).await.unwrap(),
                expected,
                "{text}"
            );
        }
        let without = CommandContext {
            expected_revision: None,
            ..context
        };
        assert_eq!(
            ask(&world.spawn(), note(text), without).await.unwrap(),
            expected,
            "{text}"
        );
        let wanted = if text == "two" { 4 } else { 3 };
        assert_eq!(world.events().await.len(), wanted, "{text}");
    }
}

#[tokio::test]
async fn a_repeated_command_is_recognised_although_it_would_cause_other_events_now() {
    let world = World::new();
    let context = context();
    let first = ask(&world.spawn(), note("short"), context.clone())
        .await
        .unwrap();
    let again = ask(&world.spawn(), note("two"), context).await.unwrap();
    assert_eq!(
        again,
        Accepted {
            unchanged: true,
            ..first
        }
    );
    assert_eq!(world.notes().await, ["short"]);
}

#[tokio::test]
async fn a_command_id_that_comes_again_with_another_input_is_refused() {
    let asking = |input: Option<u64>| CommandContext {
        input: input.map(InputDigest),
        ..context()
    };
    for (text, notes) in [("short", &["short"][..]), ("two", &["one", "two"])] {
        let world = World::new();
        let first = asking(Some(1));
        let taker = world.spawn();
        let taken = ask(&taker, note(text), first.clone()).await.unwrap();
        // By the actor that took it, and by one that must find out from the store, whatever it would decide now.
        for entity in [taker, world.spawn(), world.spawn()] {
            let other = CommandContext {
                input: Some(InputDigest(2)),
                ..first.clone()
            };
            let refused = ask(&entity, note("other"), other).await.unwrap_err();
            assert!(matches!(refused, AskError::OtherInput { .. }), "{refused}");
            let same = ask(&entity, note(text), first.clone()).await.unwrap();
            assert_eq!(same.revision, taken.revision);
            let silent = CommandContext {
                input: None,
                ..first.clone()
            };
            assert!(ask(&entity, note(text), silent).await.unwrap().unchanged);
        }
        assert_eq!(world.notes().await, notes);
    }
}

#[tokio::test]
async fn a_command_id_of_another_entity_is_refused() {
    let world = World::new();
    let context = context();
    ask(&world.spawn(), note("a"), context.clone())
        .await
        .unwrap();
    let other = EntityId::new(EntityKind::Thing, Uuid::now_v7());
    let other = spawn::<Notes>(other, world.deps.clone(), None, None).unwrap();
    let refused = ask(&other, note("a"), context).await.unwrap_err();
    assert!(
        matches!(refused, AskError::Store(StoreError::IdTaken { .. })),
        "{refused}"
    );
    assert_eq!(say(&other, "b").await.unwrap().revision, Revision(1));
}

#[tokio::test]
async fn a_panic_is_answered_and_harms_nobody_else() {
    let world = World::new();
    let entity = world.spawn();
    say(&entity, "a").await.unwrap();
    let failed = say(&entity, "panic").await.unwrap_err();
    assert!(
        matches!(failed, AskError::Failed { .. }) && !failed.is_retryable(),
        "{failed}"
    );
    assert_eq!(say(&entity, "b").await.unwrap(), at(2, false));
    // Written, so accepted; from then on the stream cannot be read, and every command is told so.
    assert_eq!(say(&entity, "poison").await.unwrap(), at(3, false));
    for _ in 0..2 {
        let damaged = say(&entity, "c").await.unwrap_err();
        assert!(
            matches!(damaged, AskError::Store(StoreError::Damaged(_))),
            "{damaged}"
        );
    }
}

#[tokio::test]
async fn a_command_of_another_kind_is_refused() {
    let world = World::new();
    let foreign = Command::Channel(crate::domain::channel::Command::Remove);
    let refused = ask(&world.spawn(), foreign, context()).await.unwrap_err();
    assert!(matches!(
        refused,
        AskError::Rejected(Rejection::Unsupported { .. })
    ));
}

#[tokio::test]
async fn more_commands_than_the_intake_holds_are_sent_back() {
    let world = World::with(EntityConfig {
        intake: 2,
        ..EntityConfig::default()
    });
    let entity = world.spawn();
    world.store.close_gate();
    let mut answers = Vec::new();
    for text in ["a", "b", "c"] {
        let (ask, answer) = Ask::new(note(text), context(), &world.deps.config);
        let sent = entity.send(Box::new(ask));
        assert_eq!(sent.is_ok(), text != "c");
        if let Err(refused) = sent {
            assert!(matches!(refused, Refused::Full(_)));
        } else {
            answers.push(answer);
        }
    }
    assert_eq!(entity.status().queue, 2);
    world.store.open_gate();
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    say(&entity, "d").await.unwrap();
    assert_eq!(world.notes().await, ["a", "b", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_leaves_the_outcome_unknown_and_a_retry_finds_it() {
    let world = World::new();
    let entity = world.spawn();
    say(&entity, "a").await.unwrap();
    world.store.close_gate();
    let context = CommandContext {
        timeout: Duration::from_millis(50),
        ..context()
    };
    let unknown = ask(&entity, note("b"), context.clone()).await.unwrap_err();
    assert!(matches!(unknown, AskError::TimedOut) && unknown.is_retryable());
    while !entity.is_idle() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.store.open_gate();
    // Another actor wrote meanwhile; the first must notice.
    say(&world.spawn(), "c").await.unwrap();
    assert_eq!(
        ask(&entity, note("b"), context).await.unwrap(),
        at(3, false)
    );
    assert_eq!(world.notes().await, ["a", "c", "b"]);
}

#[tokio::test]
async fn a_failed_append_is_safe_to_repeat_whether_it_was_written_or_not() {
    let failed = StoreError::Failed("the wire broke".to_owned());
    for fault in [
        Fault::Before(failed.clone()),
        Fault::After(failed.clone()),
        Fault::Before(StoreError::DiskFull),
    ] {
        let world = World::new();
        let entity = world.spawn();
        say(&entity, "a").await.unwrap();
        world.store.faults.lock().push_back(fault);
        let context = expecting(1);
        let refused = ask(&entity, note("b"), context.clone()).await.unwrap_err();
        assert!(refused.is_retryable(), "{refused}");
        assert_eq!(
            ask(&entity, note("b"), context).await.unwrap().revision,
            Revision(2)
        );
        assert_eq!(world.notes().await, ["a", "b"]);
    }
}

#[tokio::test]
async fn a_store_that_is_busy_or_closed_is_said_in_the_words_of_commands() {
    let world = World::new();
    let entity = world.spawn();
    world.store.faults.lock().extend([
        Fault::Before(StoreError::Overloaded),
        Fault::Before(StoreError::Closed),
    ]);
    assert!(matches!(
        say(&entity, "a").await,
        Err(AskError::Overloaded { .. })
    ));
    assert!(matches!(say(&entity, "a").await, Err(AskError::Stopping)));
}

#[tokio::test]
async fn an_append_that_always_loses_ends_in_overloaded() {
    let world = World::new();
    let entity = world.spawn();
    let lost = StoreError::WrongRevision {
        stream: "x".to_owned(),
        expected: Revision(0),
        actual: Revision(1),
    };
    world
        .store
        .faults
        .lock()
        .extend(vec![Fault::Before(lost); 10]);
    assert!(matches!(
        say(&entity, "a").await,
        Err(AskError::Overloaded { .. })
    ));
}

#[tokio::test]
async fn a_snapshot_shortens_the_next_start() {
    let world = World::new();
    let entity = world.spawn();
    for number in 0..20 {
        say(&entity, &number.to_string()).await.unwrap();
    }
    let stream = world.entity.stream();
    let snapshot = loop {
        match world.store.load_snapshot(&stream).await.unwrap() {
            Some(snapshot) if snapshot.revision == Revision(16) => break snapshot,
            _ => tokio::task::yield_now().await,
        }
    };
    assert_eq!(snapshot.schema, Notes::SNAPSHOT_SCHEMA);
    world.store.read.store(0, Ordering::SeqCst);
    assert_eq!(say(&world.spawn(), "more").await.unwrap(), at(21, false));
    assert_eq!(world.store.read.load(Ordering::SeqCst), 4);
    // One of another shape, and one that is no state at all, are not used.
    for (schema, state) in [
        (9, json!({ "notes": [] })),
        (Notes::SNAPSHOT_SCHEMA, json!("garbage")),
    ] {
        let snapshot = Snapshot {
            revision: Revision(16),
            schema,
            state,
        };
        world.store.save_snapshot(&stream, snapshot).await.unwrap();
        let revision = say(&world.spawn(), "more").await.unwrap().revision;
        assert_eq!(revision.0, world.notes().await.len() as u64);
    }
}

#[tokio::test]
async fn a_roll_back_writes_the_past_again() {
    let world = World::new();
    let entity = world.spawn();
    for number in 0..12 {
        say(&entity, &number.to_string()).await.unwrap();
    }
    let to = |revision: u64| Command::RollBack {
        to: Revision(revision),
    };
    let context = context();
    assert_eq!(
        ask(&entity, to(3), context.clone()).await.unwrap(),
        at(13, false)
    );
    assert_eq!(world.notes().await, ["0", "1", "2"]);
    assert_eq!(
        ask(&world.spawn(), to(3), context).await.unwrap(),
        at(13, true)
    );
    for wrong in [0, 13, 99] {
        let refused = ask(&entity, to(wrong), expecting(13)).await.unwrap_err();
        assert!(
            matches!(refused, AskError::Rejected(Rejection::Invalid { .. })),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_stop_answers_what_came_before_and_sends_back_what_comes_after() {
    let world = World::new();
    let entity = world.spawn();
    world.store.close_gate();
    let (first, answer) = Ask::new(note("a"), context(), &world.deps.config);
    assert!(entity.send(Box::new(first)).is_ok());
    assert!(!entity.is_idle());
    entity.stop();
    let (late, _) = Ask::new(note("b"), context(), &world.deps.config);
    assert!(matches!(entity.send(Box::new(late)), Err(Refused::Gone(_))));
    world.store.open_gate();
    answer.await.unwrap().unwrap();
    assert_eq!(world.notes().await, ["a"]);
}

#[tokio::test]
async fn a_killed_actor_leaves_its_callers_with_an_unknown_outcome() {
    let world = World::new();
    let entity = world.spawn();
    world.store.close_gate();
    let (first, answer) = Ask::new(note("a"), context(), &world.deps.config);
    let deadline = first.deadline();
    assert!(entity.send(Box::new(first)).is_ok());
    entity.cell().kill();
    assert!(matches!(
        wait_for_answer(answer, deadline).await,
        Err(AskError::TimedOut)
    ));
}
