//! A registry of 10,000 things: created, searched, loaded again. Prints how long each took (`--nocapture`).

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tellee_actors::domain::secret::SealedKey;
use tellee_actors::domain::{Channel, Thing, channel, thing};
use tellee_actors::entity::Aggregate;
use tellee_actors::event::{EventMeta, NewEvent, Who};
use tellee_actors::ids::{ChannelId, CommandId, EntityId, OrganisationId, Position, ThingId};
use tellee_actors::store::database::{Database, DatabaseConfig};
use tellee_actors::store::{EventStore, ExpectedRevision, MemoryEventStore};
use tellee_actors::time::{SharedClock, SystemClock};
use tellee_projections::Projections;
use tellee_projections::registry::{Connected, Direction, Order, Page, ThingFilter};

const THINGS: usize = 10_000;
const DEADLINE: Duration = Duration::from_secs(120);

async fn append<A: Aggregate>(
    store: &MemoryEventStore,
    clock: &SharedClock,
    entity: EntityId,
    events: &[A::Event],
) -> Position {
    let command = CommandId::generate();
    let new = events.iter().enumerate().map(|(index, event)| NewEvent {
        id: command.event_id(index),
        event_type: A::event_type(event).to_owned(),
        schema: 1,
        data: serde_json::to_value(event).unwrap(),
        meta: EventMeta {
            who: Who::System("setup".to_owned()),
            organisation: None,
            command,
            note: None,
            input: None,
        },
        at: clock.now(),
    });
    let new: Vec<NewEvent> = new.collect();
    store
        .append(&entity.stream(), ExpectedRevision::Any, new)
        .await
        .unwrap()
        .position
}

fn print_time(what: &str, began: Instant) {
    println!("{what}: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_things_are_found_by_name_by_metadata_and_by_channel() {
    let folder = tempfile::tempdir().unwrap();
    let clock: SharedClock = Arc::new(SystemClock::default());
    let store = Arc::new(MemoryEventStore::new());
    let (organisation, channel) = (OrganisationId::generate(), ChannelId::generate());
    let mut things = Vec::with_capacity(THINGS);
    for number in 0..THINGS {
        let id = ThingId::generate();
        let metadata = json!({
            "type": if number % 2 == 0 { "pump" } else { "compressor" },
            "site": {"name": format!("site {}", number % 100), "line": number % 7},
        });
        let details = thing::Details {
            name: format!("Machine {number:05}"),
            metadata: metadata.as_object().unwrap().clone(),
            ..thing::Details::default()
        };
        let key = SealedKey {
            hash: format!("{number:064x}"),
            sealed: "sealed".to_owned(),
        };
        let created = thing::Event::Created {
            organisation,
            key,
            details,
        };
        append::<Thing>(&store, &clock, id.into(), &[created]).await;
        things.push(id);
    }
    let details = channel::Details {
        name: "data".to_owned(),
        ..channel::Details::default()
    };
    let mut events = vec![channel::Event::Created {
        organisation,
        details,
    }];
    events.extend(
        things
            .iter()
            .take(1_000)
            .map(|&thing| channel::Event::ThingConnected { thing }),
    );
    let head = append::<Channel>(&store, &clock, channel.into(), &events).await;

    let began = Instant::now();
    let database =
        Database::open(&folder.path().join("events.db"), DatabaseConfig::default()).unwrap();
    let events: Arc<dyn EventStore> = Arc::<MemoryEventStore>::clone(&store);
    let projections = Projections::start(Arc::clone(&events), database.clone(), Arc::clone(&clock))
        .await
        .unwrap();
    projections.wait_for(head, DEADLINE).await.unwrap();
    print_time("follow 11,001 events", began);

    let registry = projections.registry();
    let by_name = |part: &str| ThingFilter {
        name: Some(part.to_owned()),
        ..ThingFilter::default()
    };
    let by_metadata = |part: serde_json::Value| ThingFilter {
        metadata: part.as_object().cloned(),
        ..ThingFilter::default()
    };
    let by_channel = ThingFilter {
        connection: Some(Connected::To(channel)),
        ..ThingFilter::default()
    };
    for (what, filter, page, total) in [
        (
            "first page by id",
            ThingFilter::default(),
            Page::offset(0, 100),
            THINGS as u64,
        ),
        (
            "last page by id",
            ThingFilter::default(),
            Page::offset(9_900, 100),
            THINGS as u64,
        ),
        (
            "part of a name, by name",
            by_name("MACHINE 0123"),
            Page::offset(0, 100),
            10,
        ),
        (
            "metadata, 1 in 100",
            by_metadata(json!({"site": {"name": "site 42"}})),
            Page::offset(0, 100),
            100,
        ),
        (
            "metadata, every second",
            by_metadata(json!({"type": "pump"})),
            Page::offset(0, 100),
            5_000,
        ),
        (
            "things of a channel",
            by_channel,
            Page::offset(0, 100),
            1_000,
        ),
    ] {
        let page = page.ordered(
            if total == 10 { Order::Name } else { Order::Id },
            Direction::Ascending,
        );
        let began = Instant::now();
        let listing = registry.things(organisation, filter, page).await.unwrap();
        print_time(what, began);
        assert_eq!(listing.total, total, "{what}");
        assert_eq!(listing.rows.len() as u64, total.min(100), "{what}");
    }
    projections.stop().await;

    let began = Instant::now();
    let projections = Projections::start(events, database, clock).await.unwrap();
    print_time("start again", began);
    assert!(projections.access().may_use(things[999], channel));
    assert!(!projections.access().may_use(things[1_000], channel));
    assert_eq!(
        projections.access().things_of(organisation, None).len(),
        THINGS
    );
    projections.stop().await;
}
