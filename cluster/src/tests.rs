use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tellee_actors::command::{Accepted, AskError, Command, CommandContext};
use tellee_actors::domain::{Rejection, organisation};
use tellee_actors::entity::Directory;
use tellee_actors::event::{NewEvent, RecordedEvent, Who};
use tellee_actors::ids::{CommandId, EntityId, OrganisationId, Position, Revision};
use tellee_actors::store::{
    Appended, EventLocation, EventStore, ExpectedRevision, MemoryEventStore, Snapshot, StoreError,
};
use tellee_actors::time::SystemClock;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::*;

const GATE: usize = 1_000_000;

/// A store in memory whose appends wait at a gate.
struct GatedStore {
    inner: MemoryEventStore,
    gate: Semaphore,
}

impl GatedStore {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryEventStore::new(),
            gate: Semaphore::new(GATE),
        })
    }

    fn close_gate(&self) {
        self.gate.forget_permits(GATE);
    }

    fn open_gate(&self) {
        self.gate.add_permits(GATE);
    }
}

#[async_trait]
impl EventStore for GatedStore {
    async fn append(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        events: Vec<NewEvent>,
    ) -> Result<Appended, StoreError> {
        self.gate.acquire().await.unwrap().forget();
        self.inner.append(stream, expected, events).await
    }

    async fn read_stream(
        &self,
        stream: &str,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.read_stream(stream, after, limit).await
    }

    async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.inner.read_all(after, limit).await
    }

    async fn find_event(&self, id: uuid::Uuid) -> Result<Option<EventLocation>, StoreError> {
        self.inner.find_event(id).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.inner.head()
    }

    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<(), StoreError> {
        self.inner.save_snapshot(stream, snapshot).await
    }

    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>, StoreError> {
        self.inner.load_snapshot(stream).await
    }
}

fn directory(store: &Arc<GatedStore>, config: LocalDirectoryConfig) -> Arc<LocalDirectory> {
    let store = Arc::clone(store) as Arc<dyn EventStore>;
    Arc::new(LocalDirectory::new(store, Arc::new(SystemClock::default()), config).unwrap())
}

fn entity() -> EntityId {
    OrganisationId::generate().into()
}

fn create(name: &str) -> Command {
    Command::Organisation(organisation::Command::Create {
        name: name.to_owned(),
    })
}

fn rename(name: &str) -> Command {
    Command::Organisation(organisation::Command::Rename {
        name: name.to_owned(),
    })
}

fn context() -> CommandContext {
    CommandContext {
        command_id: CommandId::generate(),
        who: Who::System("test".to_owned()),
        organisation: None,
        expected_revision: None,
        note: None,
        input: None,
        timeout: Duration::from_secs(30),
    }
}

/// Asks until the directory is not overloaded.
async fn insist(
    directory: &LocalDirectory,
    entity: EntityId,
    command: Command,
) -> Result<Accepted, AskError> {
    let context = context();
    loop {
        match directory
            .ask(entity, command.clone(), context.clone())
            .await
        {
            Err(AskError::Overloaded { .. }) => tokio::task::yield_now().await,
            outcome => return outcome,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_entities_work_in_the_memory_of_one_hundred() {
    let store = GatedStore::new();
    let config = LocalDirectoryConfig {
        resident_limit: 100,
        ..LocalDirectoryConfig::default()
    };
    let directory = directory(&store, config);
    let entities: Arc<Vec<EntityId>> = Arc::new((0..10_000).map(|_| entity()).collect());
    let most = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for caller in 0..32 {
        let (directory, entities, most) = (
            Arc::clone(&directory),
            Arc::clone(&entities),
            Arc::clone(&most),
        );
        callers.spawn(async move {
            for &entity in entities.iter().skip(caller).step_by(32) {
                let created = insist(&directory, entity, create("one")).await.unwrap();
                assert_eq!(created.revision, Revision(1));
                let status = directory.status();
                assert!(status.resident <= 100);
                most.fetch_max(status.live, Ordering::Relaxed);
            }
            for &entity in entities.iter().skip(caller).step_by(32 * 25) {
                let renamed = insist(&directory, entity, rename("two")).await.unwrap();
                assert_eq!(renamed.revision, Revision(2));
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    assert!(
        most.load(Ordering::Relaxed) <= 164,
        "{most:?} actors lived at once"
    );
    let status = directory.status();
    assert!(
        status.started >= 10_000 && status.passivated >= 9_900,
        "{status:?}"
    );
    assert_eq!((status.failed, status.in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_nobody_uses_is_passivated_and_comes_back() {
    let store = GatedStore::new();
    let directory = directory(&store, LocalDirectoryConfig::default());
    let (used, unused) = (entity(), entity());
    directory
        .ask(used, create("used"), context())
        .await
        .unwrap();
    directory
        .ask(unused, create("unused"), context())
        .await
        .unwrap();
    for minute in 0..7 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        directory
            .ask(used, rename(&minute.to_string()), context())
            .await
            .unwrap();
    }
    assert!(directory.entity_status(used).is_some());
    assert!(directory.entity_status(unused).is_none());
    assert_eq!(
        (directory.status().resident, directory.status().live),
        (1, 1)
    );
    let renamed = directory
        .ask(unused, rename("again"), context())
        .await
        .unwrap();
    assert_eq!(renamed.revision, Revision(2));
    assert_eq!(directory.residents(10).first().unwrap().entity, unused);
}

#[tokio::test(start_paused = true)]
async fn an_entity_with_work_is_not_passivated() {
    let store = GatedStore::new();
    let config = LocalDirectoryConfig {
        idle_timeout: Duration::from_secs(1),
        ..LocalDirectoryConfig::default()
    };
    let directory = directory(&store, config);
    let entity = entity();
    store.close_gate();
    let asked = tokio::spawn({
        let directory = Arc::clone(&directory);
        async move { directory.ask(entity, create("slow"), context()).await }
    });
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(directory.entity_status(entity).unwrap().queue, 1);
    store.open_gate();
    asked.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_to_one_entity_are_taken_one_after_the_other() {
    let store = GatedStore::new();
    let directory = directory(&store, LocalDirectoryConfig::default());
    let entity = entity();
    insist(&directory, entity, create("0")).await.unwrap();
    let mut callers = JoinSet::new();
    for caller in 0..200 {
        let directory = Arc::clone(&directory);
        callers.spawn(async move {
            insist(&directory, entity, rename(&format!("n{caller}")))
                .await
                .unwrap()
                .revision
                .0
        });
    }
    let mut revisions = callers.join_all().await;
    revisions.sort_unstable();
    assert_eq!(revisions, (2..=201).collect::<Vec<_>>());
    assert_eq!(directory.status().started, 1);
}

#[tokio::test]
async fn overload_is_a_typed_answer_at_each_bound() {
    let store = GatedStore::new();
    let mut config = LocalDirectoryConfig {
        resident_limit: 2,
        in_flight_limit: 4,
        ..LocalDirectoryConfig::default()
    };
    config.entity.intake = 2;
    let directory = directory(&store, config);
    let (one, two, three) = (entity(), entity(), entity());
    store.close_gate();
    let mut asked = JoinSet::new();
    let ask = |entity: EntityId, name: &str| {
        let (directory, command) = (Arc::clone(&directory), create(name));
        async move { directory.ask(entity, command, context()).await }
    };
    asked.spawn(ask(one, "a"));
    asked.spawn(ask(one, "b"));
    while directory.status().in_flight < 2 {
        tokio::task::yield_now().await;
    }
    // The intake of the entity.
    assert!(matches!(
        ask(one, "c").await,
        Err(AskError::Overloaded { .. })
    ));
    asked.spawn(ask(two, "d"));
    while directory.status().in_flight < 3 {
        tokio::task::yield_now().await;
    }
    // The residents, all of them busy.
    assert!(matches!(
        ask(three, "e").await,
        Err(AskError::Overloaded { .. })
    ));
    asked.spawn(ask(two, "f"));
    while directory.status().in_flight < 4 {
        tokio::task::yield_now().await;
    }
    // The directory as a whole.
    assert!(matches!(
        ask(two, "g").await,
        Err(AskError::Overloaded { .. })
    ));
    assert_eq!(directory.status().overloaded, 3);
    store.open_gate();
    let outcomes = asked.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2);
    assert!(outcomes.iter().all(|outcome| matches!(
        outcome,
        Ok(_) | Err(AskError::Rejected(Rejection::AlreadyExists { .. }))
    )));
    ask(three, "h").await.unwrap();
}

#[tokio::test]
async fn an_entity_whose_actor_died_is_started_again() {
    let store = GatedStore::new();
    let directory = directory(&store, LocalDirectoryConfig::default());
    let entity = entity();
    directory.ask(entity, create("a"), context()).await.unwrap();
    for round in 0..20 {
        let cell = directory.cell(entity).unwrap();
        cell.kill();
        // Right away, and after it is gone for sure.
        if round % 2 == 0 {
            while directory.entity_status(entity).is_some() {
                tokio::task::yield_now().await;
            }
        }
        let context = context();
        let outcome = loop {
            match directory
                .ask(entity, rename(&format!("r{round}")), context.clone())
                .await
            {
                Err(AskError::TimedOut) => tokio::task::yield_now().await,
                outcome => break outcome,
            }
        };
        assert_eq!(outcome.unwrap().revision, Revision(round + 2));
    }
}

#[tokio::test]
async fn a_stop_finishes_what_was_taken_and_refuses_the_rest() {
    let store = GatedStore::new();
    let directory = directory(&store, LocalDirectoryConfig::default());
    store.close_gate();
    let mut asked = JoinSet::new();
    for _ in 0..10 {
        let directory = Arc::clone(&directory);
        asked.spawn(async move { directory.ask(entity(), create("a"), context()).await });
    }
    while directory.status().in_flight < 10 {
        tokio::task::yield_now().await;
    }
    let stopped = tokio::spawn({
        let directory = Arc::clone(&directory);
        async move { directory.stop(Duration::from_secs(20)).await }
    });
    while !directory.status().stopping {
        tokio::task::yield_now().await;
    }
    assert!(matches!(
        directory.ask(entity(), create("late"), context()).await,
        Err(AskError::Stopping)
    ));
    store.open_gate();
    assert!(asked.join_all().await.iter().all(Result::is_ok));
    assert_eq!(
        stopped.await.unwrap(),
        StopReport {
            unanswered: 0,
            killed: 0
        }
    );
    assert_eq!(
        (directory.status().resident, directory.status().live),
        (0, 0)
    );
    assert_eq!(*store.head().borrow(), Position(10));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_runs_out_of_time_says_what_it_left() {
    let store = GatedStore::new();
    let directory = directory(&store, LocalDirectoryConfig::default());
    store.close_gate();
    let asked = tokio::spawn({
        let directory = Arc::clone(&directory);
        async move { directory.ask(entity(), create("a"), context()).await }
    });
    while directory.status().in_flight < 1 {
        tokio::task::yield_now().await;
    }
    let report = directory.stop(Duration::from_secs(1)).await;
    assert_eq!(
        report,
        StopReport {
            unanswered: 1,
            killed: 1
        }
    );
    assert!(matches!(asked.await.unwrap(), Err(AskError::TimedOut)));
    assert!(matches!(
        directory.ask(entity(), create("late"), context()).await,
        Err(AskError::Stopping)
    ));
}
