use proptest::prelude::*;
use serde_json::json;
use tellee_actors::event::{EventMeta, NewEvent, Who};
use tellee_actors::ids::{CommandId, EntityId, ThingId};
use tellee_actors::store::{ExpectedRevision, MemoryEventStore};
use tellee_actors::time::Timestamp;

use super::*;
use crate::access::tests::contents;
use crate::rebuild::rebuild;
use crate::registry::{Page, ThingFilter};
use crate::testing::history::{Step, steps};
use crate::testing::{DEADLINE, NEW_YEAR, World, append, dump, open};

async fn append_raw(
    world: &World,
    stream: &str,
    event_type: &str,
    data: serde_json::Value,
) -> Position {
    let command = CommandId::generate();
    let event = NewEvent {
        id: command.event_id(0),
        event_type: event_type.to_owned(),
        schema: 1,
        data,
        meta: EventMeta {
            who: Who::System("test".to_owned()),
            organisation: None,
            command,
            note: None,
            input: None,
        },
        at: NEW_YEAR,
    };
    world
        .store
        .append(stream, ExpectedRevision::Any, vec![event])
        .await
        .unwrap()
        .position
}

#[tokio::test]
async fn an_event_that_cannot_be_decoded_stops_nobody_and_is_kept_in_sight() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let stream = EntityId::from(ThingId::generate()).stream();
    let bad = append_raw(
        &world,
        &stream,
        "thing.painted",
        json!({"event": "painted"}),
    )
    .await;
    let thing = world.thing(plant, "pump", json!({})).await;
    world.caught_up().await;
    assert!(
        world
            .projections
            .registry()
            .thing(plant, thing)
            .await
            .unwrap()
            .is_some()
    );
    let skipped = world.projections.skipped(10).await.unwrap();
    assert_eq!(skipped.len(), PROJECTIONS.len());
    assert!(
        skipped
            .iter()
            .all(|event| event.position == bad && event.stream == stream)
    );
    let status = world.projections.positions().await.unwrap();
    assert!(
        status
            .iter()
            .all(|status| status.skipped == 1 && status.position == world.projections.reached())
    );
}

#[tokio::test]
async fn a_stream_that_is_no_entitys_is_passed_over() {
    let world = World::new().await;
    let position = append_raw(&world, "settings", "settings.changed", json!({})).await;
    world.seen(position).await;
    assert!(world.projections.skipped(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_wait_ends_at_its_deadline_and_when_following_stops() {
    let world = World::new().await;
    let wanted = Position(7);
    let waited = world
        .projections
        .wait_for(wanted, Duration::from_millis(1))
        .await;
    assert_eq!(
        waited,
        Err(WaitError::TimedOut {
            wanted,
            reached: Position(0)
        })
    );
    world.projections.stop().await;
    let waited = world.projections.wait_for(wanted, DEADLINE).await;
    assert_eq!(
        waited,
        Err(WaitError::Stopped {
            reached: Position(0)
        })
    );
}

#[tokio::test]
async fn tables_of_another_version_are_made_anew_at_start() {
    let mut world = World::new().await;
    let plant = world.organisation("plant").await;
    let thing = world.thing(plant, "pump", json!({})).await;
    world.caught_up().await;
    let before = dump(&world.database).await;
    world
        .database
        .write::<_, (), _>(|connection| {
            connection.execute_batch(
                "UPDATE projection_checkpoints SET version = 0 WHERE name = 'audit';
                 DROP TABLE audit; CREATE TABLE audit (old TEXT);",
            )?;
            Ok(())
        })
        .await
        .unwrap();
    world.restart().await;
    assert_eq!(dump(&world.database).await, before);
    assert!(world.projections.access().thing(thing).is_some());
}

#[tokio::test]
async fn a_batch_that_was_taken_in_before_changes_nothing() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let user = world.user(plant, "ann@plant.example").await;
    world
        .happen(
            user,
            DomainEvent::User(tellee_actors::domain::user::Event::SessionsEnded {}),
        )
        .await;
    let before = dump(&world.database).await;
    let recorded = world.store.read_all(Position::START, 100).await.unwrap();
    let batch = Batch::decode(Position::START, &recorded).unwrap();
    world
        .database
        .write::<_, (), _>(move |connection| {
            assert_eq!(apply(connection, &batch, OnFailure::Skip).unwrap(), 0);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(dump(&world.database).await, before);
}

#[tokio::test]
async fn a_rebuild_beside_a_running_follower_loses_nothing() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    world.thing(plant, "pump", json!({})).await;
    world.caught_up().await;
    let mut seen = Vec::new();
    let store: Arc<dyn EventStore> = Arc::<MemoryEventStore>::clone(&world.store);
    let rebuilt = rebuild(store, &world.database, |progress| seen.push(progress))
        .await
        .unwrap();
    assert_eq!((rebuilt.events, rebuilt.skipped), (2, 0));
    assert_eq!(
        seen.last().map(|progress| (progress.done, progress.total)),
        Some((Position(2), Position(2)))
    );
    world.thing(plant, "other", json!({})).await;
    world.caught_up().await;
    let page = Page::offset(0, 10);
    assert_eq!(
        world
            .projections
            .registry()
            .things(plant, ThingFilter::default(), page)
            .await
            .unwrap()
            .total,
        2
    );
}

#[tokio::test]
async fn a_full_disk_delays_the_projections_and_loses_nothing() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    world.thing(plant, "first", json!({})).await;
    world.caught_up().await;
    world.database.limit_pages(Some(1)).await.unwrap();
    for number in 0..50 {
        let text = "x".repeat(4_000);
        world
            .thing(plant, &format!("pump {number}"), json!({"text": text}))
            .await;
    }
    let head = *world.store.head().borrow();
    let waited = world
        .projections
        .wait_for(head, Duration::from_millis(300))
        .await;
    assert!(
        matches!(waited, Err(WaitError::TimedOut { .. })),
        "{waited:?}"
    );
    let page = Page::offset(0, 10);
    let registry = world.projections.registry();
    let during = registry
        .things(plant, ThingFilter::default(), page.clone())
        .await
        .unwrap();
    assert_eq!(during.total, 1, "reads go on, and nothing is there by half");
    world.database.limit_pages(None).await.unwrap();
    world.seen(head).await;
    assert_eq!(
        registry
            .things(plant, ThingFilter::default(), page)
            .await
            .unwrap()
            .total,
        51
    );
    assert!(world.projections.skipped(10).await.unwrap().is_empty());
}

/// Follows `first`, restarts, follows `second`; then all tables and the access snapshot equal those made from zero.
async fn check_history(first: &[Step], second: &[Step]) {
    let mut world = World::new().await;
    for (number, step) in first.iter().chain(second).enumerate() {
        let (entity, event) = step.event();
        let position = append(
            &world.store,
            entity,
            &event,
            Timestamp(NEW_YEAR.0 + number as i64),
        )
        .await;
        if number + 1 == first.len() {
            world.seen(position).await;
            world.restart().await;
        }
    }
    let head = *world.store.head().borrow();
    world.seen(head).await;
    let followed = dump(&world.database).await;
    assert!(
        followed["projection_skipped"].is_empty(),
        "{:?}",
        followed["projection_skipped"]
    );
    let access = contents(world.projections.access());

    let fresh = World::over(Arc::<MemoryEventStore>::clone(&world.store)).await;
    assert_eq!(dump(&fresh.database).await, followed);
    assert_eq!(contents(fresh.projections.access()), access);

    world.projections.stop().await;
    let store: Arc<dyn EventStore> = Arc::<MemoryEventStore>::clone(&world.store);
    rebuild(store, &world.database, |_| {}).await.unwrap();
    assert_eq!(dump(&world.database).await, followed);
    world.database.close().await.unwrap();
    world.database = open(&world.folder);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_rebuilt_equals_what_was_followed(first in steps(60), second in steps(60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check_history(&first, &second));
    }
}
