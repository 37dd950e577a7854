//! Reading the past of an entity, for showing. Secrets are redacted.

use serde_json::Value;

use super::Aggregate;
use super::kinds::with_aggregate;
use super::redact::redact;
use super::replay::{Replay, Until};
use crate::event::RecordedEvent;
use crate::ids::{EntityId, Revision};
use crate::store::{EventStore, StoreError};
use crate::time::Timestamp;

/// A moment in the past of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After its first so many events.
    Revision(Revision),
    /// When this time had come: with all events up to and including it.
    Time(Timestamp),
}

/// The state of `entity` at `moment` and the revision that it had. `None` if it did not exist yet or has no such revision.
///
/// # Errors
/// What the store says; [`StoreError::Damaged`] if its events cannot be read.
pub async fn state_at(
    store: &dyn EventStore,
    entity: EntityId,
    moment: Moment,
) -> Result<Option<(Revision, Value)>, StoreError> {
    with_aggregate!(entity.kind, A => state_of::<A>(store, entity, moment).await)
}

/// At most `limit` events of `entity` after revision `after`, oldest first. Pages as in [`EventStore::read_stream`].
///
/// # Errors
/// What the store says.
pub async fn history(
    store: &dyn EventStore,
    entity: EntityId,
    after: Revision,
    limit: usize,
) -> Result<Vec<RecordedEvent>, StoreError> {
    let mut events = store.read_stream(&entity.stream(), after, limit).await?;
    for event in &mut events {
        event.data = redact(event.data.take());
    }
    Ok(events)
}

async fn state_of<A: Aggregate>(
    store: &dyn EventStore,
    entity: EntityId,
    moment: Moment,
) -> Result<Option<(Revision, Value)>, StoreError> {
    let until = match moment {
        Moment::Revision(revision) => Until::Revision(revision),
        Moment::Time(time) => Until::Time(time),
    };
    let replay = Replay::<A>::load(store, &entity.stream(), until).await?;
    let missing = match moment {
        Moment::Revision(revision) => replay.revision != revision,
        Moment::Time(_) => false,
    };
    if missing || replay.revision == Revision::NONE {
        return Ok(None);
    }
    let state = serde_json::to_value(&replay.state).map_err(|error| {
        StoreError::Damaged(format!("the state of `{entity}` is no JSON: {error}"))
    })?;
    Ok(Some((replay.revision, redact(state))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::command::{Accepted, AskError, CommandContext};
    use crate::domain::secret::{KeyHash, PasswordHash, SealedKey};
    use crate::domain::{edge_device, thing, user};
    use crate::entity::REDACTED;
    use crate::entity::testing::{Notes, note};
    use crate::entity::{Ask, EntityConfig, EntityDeps, spawn, wait_for_answer};
    use crate::event::{EventMeta, NewEvent, Who};
    use crate::ids::{CommandId, EntityKind, OrganisationId, ThingId};
    use crate::store::{ExpectedRevision, MemoryEventStore};
    use crate::time::ManualClock;

    /// An entity with the notes `0`, `1`, … of which each was made at second 10, 20, …
    async fn entity_with_notes(
        store: &Arc<MemoryEventStore>,
        count: u64,
        snapshot_every: u64,
    ) -> EntityId {
        let entity = EntityId::new(EntityKind::Thing, Uuid::now_v7());
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let config = EntityConfig {
            snapshot_every,
            ..EntityConfig::default()
        };
        let deps = EntityDeps {
            store: Arc::clone(store) as _,
            clock: Arc::clone(&clock) as _,
            config,
        };
        let handle = spawn::<Notes>(entity, deps, None, None).unwrap();
        for number in 0..count {
            clock.advance(Duration::from_secs(10));
            let context = CommandContext {
                command_id: CommandId::generate(),
                who: Who::System("test".to_owned()),
                organisation: None,
                expected_revision: None,
                note: None,
                input: None,
                timeout: Duration::from_secs(20),
            };
            let (ask, answer) =
                Ask::new(note(&number.to_string()), context, &EntityConfig::default());
            let deadline = ask.deadline();
            assert!(handle.send(Box::new(ask)).is_ok());
            let outcome: Result<Accepted, AskError> = wait_for_answer(answer, deadline).await;
            outcome.unwrap();
        }
        entity
    }

    #[tokio::test]
    async fn the_state_at_each_revision_and_time_is_what_it_was() {
        for snapshot_every in [3, 1000] {
            let store = Arc::new(MemoryEventStore::new());
            let entity = entity_with_notes(&store, 7, snapshot_every).await;
            for revision in 1..=7_u64 {
                let notes: Vec<String> = (0..revision).map(|number| number.to_string()).collect();
                let expected = Some((Revision(revision), json!({ "notes": notes })));
                let moment = Moment::Revision(Revision(revision));
                assert_eq!(
                    state_of::<Notes>(&*store, entity, moment).await.unwrap(),
                    expected
                );
                for second in [10 * revision, 10 * revision + 9] {
                    let moment = Moment::Time(Timestamp::from_millis(second as i64 * 1000));
                    assert_eq!(
                        state_of::<Notes>(&*store, entity, moment).await.unwrap(),
                        expected
                    );
                }
            }
            for moment in [
                Moment::Revision(Revision(0)),
                Moment::Revision(Revision(8)),
                Moment::Time(Timestamp(0)),
            ] {
                assert_eq!(
                    state_of::<Notes>(&*store, entity, moment).await.unwrap(),
                    None,
                    "{moment:?}"
                );
            }
        }
    }

    #[tokio::test]
    async fn history_comes_in_pages() {
        let store = Arc::new(MemoryEventStore::new());
        let entity = entity_with_notes(&store, 5, 1000).await;
        let page = history(&*store, entity, Revision(2), 2).await.unwrap();
        assert_eq!(
            page.iter()
                .map(|event| event.revision.0)
                .collect::<Vec<_>>(),
            [3, 4]
        );
        let other = EntityId::new(EntityKind::Thing, Uuid::now_v7());
        assert!(
            history(&*store, other, Revision::NONE, 10)
                .await
                .unwrap()
                .is_empty()
        );
    }

    /// Stores `data` as the first event of an entity of `kind` and gives all that is shown of it.
    async fn shown(kind: EntityKind, event_type: &str, data: Value) -> String {
        let store = MemoryEventStore::new();
        let entity = EntityId::new(kind, Uuid::now_v7());
        let event = NewEvent {
            id: Uuid::now_v7(),
            event_type: event_type.to_owned(),
            schema: 1,
            data,
            meta: EventMeta {
                who: Who::System("test".to_owned()),
                organisation: None,
                command: CommandId::generate(),
                note: None,
                input: None,
            },
            at: Timestamp(1),
        };
        store
            .append(&entity.stream(), ExpectedRevision::Any, vec![event])
            .await
            .unwrap();
        let (_, state) = state_at(&store, entity, Moment::Time(Timestamp(1)))
            .await
            .unwrap()
            .unwrap();
        let events = history(&store, entity, Revision::NONE, 10).await.unwrap();
        format!("{state} {events:?}")
    }

    #[tokio::test]
    async fn no_aggregate_shows_its_secrets() {
        let organisation = OrganisationId::generate();
        let key = || SealedKey {
            hash: "SECRET".to_owned(),
            sealed: "SECRET".to_owned(),
        };
        let created = thing::Event::Created {
            organisation,
            key: key(),
            details: thing::Details::default(),
        };
        let shown_thing = shown(
            EntityKind::Thing,
            "thing.created",
            serde_json::to_value(&created).unwrap(),
        )
        .await;
        let created = user::Event::Created {
            organisation,
            email: "a@b.example".to_owned(),
            password: PasswordHash("SECRET".to_owned()),
            role: user::Role::Viewer,
            platform_administrator: false,
            metadata: serde_json::Map::new(),
        };
        let shown_user = shown(
            EntityKind::User,
            "user.created",
            serde_json::to_value(&created).unwrap(),
        )
        .await;
        let config = edge_device::BootstrapConfig {
            client_key_sealed: "SECRET".to_owned(),
            ..edge_device::BootstrapConfig::default()
        };
        let created = edge_device::Event::Registered {
            organisation,
            thing: ThingId::generate(),
            external_id: "aa:bb".to_owned(),
            external_key: KeyHash("SECRET".to_owned()),
            config,
        };
        let shown_device = shown(
            EntityKind::EdgeDevice,
            "edge_device.registered",
            serde_json::to_value(&created).unwrap(),
        )
        .await;
        for shown in [shown_thing, shown_user, shown_device] {
            assert!(
                shown.contains(REDACTED) && !shown.contains("SECRET"),
                "{shown}"
            );
            assert!(shown.contains(&organisation.to_string()));
        }
    }
}
