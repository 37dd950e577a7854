//! What the tests of this crate share: a node's read models over an event store in memory.

pub(crate) mod doubles;
pub(crate) mod history;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::Value as SqlValue;
use serde_json::Value;
use tellee_actors::domain::secret::{PasswordHash, SealedKey};
use tellee_actors::domain::user::Role;
use tellee_actors::domain::{
    Alarm, AlarmRule, Channel, DeviceType, EdgeDevice, Model, Organisation, Thing, User,
};
use tellee_actors::domain::{channel, organisation, thing, user};
use tellee_actors::entity::Aggregate;
use tellee_actors::event::{EventMeta, NewEvent, Who};
use tellee_actors::ids::{
    ChannelId, CommandId, EntityId, OrganisationId, Position, ThingId, UserId,
};
use tellee_actors::store::database::{Database, DatabaseConfig};
use tellee_actors::store::{EventStore, ExpectedRevision, MemoryEventStore};
use tellee_actors::time::{Clock, ManualClock, SharedClock, Timestamp};
use tempfile::TempDir;

use crate::Projections;
use crate::follower::DomainEvent;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// 2026-01-01T00:00:00Z.
pub(crate) const NEW_YEAR: Timestamp = Timestamp(1_767_225_600_000_000_000);

pub(crate) struct World {
    pub store: Arc<MemoryEventStore>,
    pub database: Database,
    pub clock: Arc<ManualClock>,
    pub projections: Projections,
    pub folder: TempDir,
}

pub(crate) fn open(folder: &TempDir) -> Database {
    Database::open(&folder.path().join("events.db"), DatabaseConfig::default())
        .expect("the database opens")
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::over(Arc::new(MemoryEventStore::new())).await
    }

    /// New tables over `store`.
    pub(crate) async fn over(store: Arc<MemoryEventStore>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = open(&folder);
        let clock = Arc::new(ManualClock::at(NEW_YEAR));
        let projections = start(&store, &database, &clock).await;
        Self {
            store,
            database,
            clock,
            projections,
            folder,
        }
    }

    pub(crate) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Stops, closes the file and starts again.
    pub(crate) async fn restart(&mut self) {
        self.projections.stop().await;
        self.database.close().await.expect("the database closes");
        self.database = open(&self.folder);
        self.projections = start(&self.store, &self.database, &self.clock).await;
    }

    pub(crate) async fn append(&self, entity: impl Into<EntityId>, event: DomainEvent) -> Position {
        append(&self.store, entity.into(), &event, self.clock.now()).await
    }

    pub(crate) async fn seen(&self, position: Position) {
        self.projections
            .wait_for(position, DEADLINE)
            .await
            .expect("the projections follow");
    }

    /// Waits until everything in the store is visible.
    pub(crate) async fn caught_up(&self) {
        let head = *self.store.head().borrow();
        self.seen(head).await;
    }

    /// Appends and waits until it is visible.
    pub(crate) async fn happen(&self, entity: impl Into<EntityId>, event: DomainEvent) -> Position {
        let position = self.append(entity, event).await;
        self.seen(position).await;
        position
    }

    pub(crate) async fn organisation(&self, name: &str) -> OrganisationId {
        let id = OrganisationId::generate();
        let event = organisation::Event::Created {
            name: name.to_owned(),
        };
        self.append(id, DomainEvent::Organisation(event)).await;
        id
    }

    pub(crate) async fn thing(
        &self,
        organisation: OrganisationId,
        name: &str,
        metadata: Value,
    ) -> ThingId {
        let id = ThingId::generate();
        self.append(
            id,
            thing_created(organisation, name, metadata, &id.to_string()),
        )
        .await;
        id
    }

    pub(crate) async fn channel(&self, organisation: OrganisationId, name: &str) -> ChannelId {
        let id = ChannelId::generate();
        let details = channel::Details {
            name: name.to_owned(),
            ..channel::Details::default()
        };
        self.append(
            id,
            DomainEvent::Channel(channel::Event::Created {
                organisation,
                details,
            }),
        )
        .await;
        id
    }

    pub(crate) async fn connect(&self, channel: ChannelId, thing: ThingId) -> Position {
        self.append(
            channel,
            DomainEvent::Channel(channel::Event::ThingConnected { thing }),
        )
        .await
    }

    /// A person reads the keys of `things`; waits until it is visible.
    pub(crate) async fn reveal_keys(&self, organisation: OrganisationId, things: Value) {
        let command = CommandId::generate();
        let event = NewEvent {
            id: command.event_id(0),
            event_type: crate::audit::KEYS_REVEALED.to_owned(),
            schema: 1,
            data: serde_json::json!({ "things": things }),
            meta: EventMeta {
                who: Who::System("test".to_owned()),
                organisation: Some(organisation),
                command,
                note: None,
                input: None,
            },
            at: self.clock.now(),
        };
        let stream = crate::audit::key_reveals_stream(organisation);
        let appended = self
            .store
            .append(&stream, ExpectedRevision::Any, vec![event])
            .await;
        self.seen(appended.expect("the store takes the event").position)
            .await;
    }

    pub(crate) async fn user(&self, organisation: OrganisationId, email: &str) -> UserId {
        let id = UserId::generate();
        let event = user::Event::Created {
            organisation,
            email: email.to_owned(),
            password: PasswordHash("hash".to_owned()),
            role: Role::Operator,
            platform_administrator: false,
            metadata: serde_json::Map::new(),
        };
        self.append(id, DomainEvent::User(event)).await;
        id
    }
}

async fn start(
    store: &Arc<MemoryEventStore>,
    database: &Database,
    clock: &Arc<ManualClock>,
) -> Projections {
    let store = Arc::<MemoryEventStore>::clone(store);
    let clock: SharedClock = Arc::<ManualClock>::clone(clock);
    Projections::start(store, database.clone(), clock)
        .await
        .expect("the projections start")
}

pub(crate) fn thing_created(
    organisation: OrganisationId,
    name: &str,
    metadata: Value,
    key: &str,
) -> DomainEvent {
    let metadata = match metadata {
        Value::Object(metadata) => metadata,
        other => panic!("{other} is no object"),
    };
    let details = thing::Details {
        name: name.to_owned(),
        metadata,
        ..thing::Details::default()
    };
    DomainEvent::Thing(thing::Event::Created {
        organisation,
        key: sealed(key),
        details,
    })
}

/// The hash of `key` as the event log has it.
pub(crate) fn sealed(key: &str) -> SealedKey {
    let hash = sha256(key)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    SealedKey {
        hash,
        sealed: format!("sealed {key}"),
    }
}

pub(crate) fn sha256(key: &str) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(key).into()
}

pub(crate) async fn append(
    store: &MemoryEventStore,
    entity: EntityId,
    event: &DomainEvent,
    at: Timestamp,
) -> Position {
    let (event_type, data) = encode(event);
    let command = CommandId::generate();
    let new = NewEvent {
        id: command.event_id(0),
        event_type,
        schema: 1,
        data,
        meta: EventMeta {
            who: Who::System("test".to_owned()),
            organisation: None,
            command,
            note: None,
            input: None,
        },
        at,
    };
    let appended = store
        .append(&entity.stream(), ExpectedRevision::Any, vec![new])
        .await;
    appended.expect("the store takes the event").position
}

fn encode(event: &DomainEvent) -> (String, Value) {
    fn of<A: Aggregate>(event: &A::Event) -> (String, Value) {
        (
            A::event_type(event).to_owned(),
            serde_json::to_value(event).expect("events are JSON"),
        )
    }
    match event {
        DomainEvent::Organisation(event) => of::<Organisation>(event),
        DomainEvent::User(event) => of::<User>(event),
        DomainEvent::Thing(event) => of::<Thing>(event),
        DomainEvent::Channel(event) => of::<Channel>(event),
        DomainEvent::DeviceType(event) => of::<DeviceType>(event),
        DomainEvent::EdgeDevice(event) => of::<EdgeDevice>(event),
        DomainEvent::AlarmRule(event) => of::<AlarmRule>(event),
        DomainEvent::Alarm(event) => of::<Alarm>(event),
        DomainEvent::Model(event) => of::<Model>(event),
        DomainEvent::KeysRevealed { .. } => panic!("it is no event of an entity"),
    }
}

/// All rows of all tables that a rebuild makes, in an order of their own.
pub(crate) async fn dump(database: &Database) -> BTreeMap<String, Vec<String>> {
    database
        .read(|connection| {
            let mut dump = BTreeMap::new();
            let tables: Vec<String> = crate::follower::PROJECTIONS
                .iter()
                .flat_map(|projection| projection.tables.iter().map(|table| (*table).to_owned()))
                .chain([
                    "projection_checkpoints".to_owned(),
                    "projection_skipped".to_owned(),
                ])
                .collect();
            for table in tables {
                let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
                let columns = statement.column_count();
                let mut rows = statement
                    .query_map([], |row| {
                        let values: Result<Vec<SqlValue>, _> =
                            (0..columns).map(|column| row.get(column)).collect();
                        Ok(format!("{:?}", values?))
                    })?
                    .collect::<Result<Vec<_>, _>>()?;
                rows.sort();
                dump.insert(table, rows);
            }
            Ok(dump)
        })
        .await
        .expect("the tables can be read")
}
