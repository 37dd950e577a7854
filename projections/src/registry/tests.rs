use serde_json::{Map, Value, json};
use tellee_actors::domain::alarm_rule::{self, Definition, Scope};
use tellee_actors::domain::edge_device::{self, BootstrapConfig, BootstrapState};
use tellee_actors::domain::secret::KeyHash;
use tellee_actors::domain::{channel, device_type, organisation, thing, user};
use tellee_actors::ids::{
    AlarmRuleId, ChannelId, DeviceTypeId, EdgeDeviceId, OrganisationId, Revision, ThingId, UserId,
};

use super::*;
use crate::follower::DomainEvent;
use crate::testing::{World, sealed};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

async fn names(world: &World, organisation: OrganisationId, filter: ThingFilter) -> Vec<String> {
    let page = Page::offset(0, 100).ordered(Order::Name, Direction::Ascending);
    let listing = world
        .projections
        .registry()
        .things(organisation, filter, page)
        .await
        .unwrap();
    assert_eq!(listing.total, listing.rows.len() as u64);
    listing.rows.into_iter().map(|row| row.name).collect()
}

#[tokio::test]
async fn every_way_of_paging_gives_each_thing_once_and_in_order() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let mut all = Vec::new();
    for number in 0..23 {
        // Names repeat, so that their order needs the id.
        let name = format!("Pump {}", number % 5);
        let id = world
            .thing(plant, &name, json!({"even": number % 2 == 0}))
            .await;
        all.push((name.to_lowercase(), id, number % 2 == 0));
    }
    let last = world.channel(plant, "end").await;
    let position = world.connect(last, all[0].1).await;
    world.seen(position).await;

    for order in [Order::Id, Order::Created, Order::Name] {
        for direction in [Direction::Ascending, Direction::Descending] {
            for metadata in [None, Some(object(json!({"even": true})))] {
                let mut expected: Vec<_> = all
                    .iter()
                    .filter(|(_, _, even)| metadata.is_none() || *even)
                    .cloned()
                    .collect();
                match order {
                    Order::Id => expected.sort_by_key(|(_, id, _)| *id),
                    Order::Created => {}
                    Order::Name => expected.sort(),
                }
                if direction == Direction::Descending {
                    expected.reverse();
                }
                let expected: Vec<ThingId> = expected.into_iter().map(|(_, id, _)| id).collect();
                for by_cursor in [false, true] {
                    let mut found = Vec::new();
                    let mut page = Page::offset(0, 4).ordered(order, direction);
                    loop {
                        let filter = ThingFilter {
                            metadata: metadata.clone(),
                            ..ThingFilter::default()
                        };
                        let listing = world
                            .projections
                            .registry()
                            .things(plant, filter, page.clone())
                            .await
                            .unwrap();
                        assert_eq!(listing.total, expected.len() as u64);
                        found.extend(listing.rows.iter().map(|row| row.id));
                        assert_eq!(listing.has_more, found.len() < expected.len());
                        if !listing.has_more {
                            break;
                        }
                        page.start = if by_cursor {
                            Start::After(listing.end.unwrap().to_string().parse().unwrap())
                        } else {
                            Start::Offset(found.len() as u64)
                        };
                    }
                    assert_eq!(
                        found, expected,
                        "{order:?} {direction:?} by cursor: {by_cursor}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_page_has_a_greatest_size_and_may_be_empty() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let thing = world.thing(plant, "pump", json!({})).await;
    let channel = world.channel(plant, "data").await;
    world.seen(world.connect(channel, thing).await).await;
    let registry = world.projections.registry();
    let listing = registry
        .things(plant, ThingFilter::default(), Page::offset(5, u32::MAX))
        .await
        .unwrap();
    assert_eq!(
        (
            listing.rows.len(),
            listing.total,
            listing.has_more,
            listing.end
        ),
        (0, 1, false, None)
    );
    let listing = registry
        .things(plant, ThingFilter::default(), Page::offset(0, 0))
        .await
        .unwrap();
    assert_eq!(
        (listing.rows.len(), listing.total, listing.has_more),
        (0, 1, true)
    );
}

#[tokio::test]
async fn a_name_is_found_by_a_part_without_regard_to_case() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    for name in [
        "Feed pump 1",
        "FEED PUMP 2",
        "Насос подпиточный",
        "100%_wet",
        "compressor",
    ] {
        world.thing(plant, name, json!({})).await;
    }
    let end = world.channel(plant, "end").await;
    world
        .seen(world.connect(end, ThingId::generate()).await)
        .await;
    for (part, expected) in [
        ("feed", vec!["Feed pump 1", "FEED PUMP 2"]),
        ("PUMP 2", vec!["FEED PUMP 2"]),
        ("НАСОС", vec!["Насос подпиточный"]),
        ("%_", vec!["100%_wet"]),
        ("' OR 1=1 --", vec![]),
    ] {
        let filter = ThingFilter {
            name: Some(part.to_owned()),
            ..ThingFilter::default()
        };
        assert_eq!(names(&world, plant, filter).await, expected, "{part}");
    }
}

#[tokio::test]
async fn metadata_are_found_by_what_they_contain_even_if_there_are_very_many() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let many: Map<String, Value> = (0..300)
        .map(|key| (format!("key {key}"), json!(key)))
        .collect();
    world
        .thing(
            plant,
            "a",
            json!({"site": {"name": "north", "tags": ["x", "y"]}}),
        )
        .await;
    world
        .thing(
            plant,
            "b",
            json!({"site": {"name": "south", "tags": ["y"]}}),
        )
        .await;
    world.thing(plant, "c", Value::Object(many)).await;
    world.caught_up().await;
    for (part, expected) in [
        (json!({"site": {"tags": ["y"]}}), vec!["a", "b"]),
        (json!({"site": {"tags": ["y", "x"]}}), vec!["a"]),
        (json!({"site": {}}), vec!["a", "b"]),
        (json!({"key 299": 299.0}), vec!["c"]),
        (json!({"key 299": 299, "site": {}}), vec![]),
        (json!({}), vec!["a", "b", "c"]),
    ] {
        let filter = ThingFilter {
            metadata: Some(object(part.clone())),
            ..ThingFilter::default()
        };
        assert_eq!(names(&world, plant, filter).await, expected, "{part}");
    }
    let details = thing::Details {
        name: "a".to_owned(),
        ..thing::Details::default()
    };
    let page = Page::offset(0, 10);
    let filter = ThingFilter {
        name: Some("a".to_owned()),
        ..ThingFilter::default()
    };
    let found = world
        .projections
        .registry()
        .things(plant, filter, page)
        .await
        .unwrap();
    world
        .happen(
            found.rows[0].id,
            DomainEvent::Thing(thing::Event::Updated { details }),
        )
        .await;
    let filter = ThingFilter {
        metadata: Some(object(json!({"site": {}}))),
        ..ThingFilter::default()
    };
    assert_eq!(names(&world, plant, filter).await, ["b"]);
}

#[tokio::test]
async fn an_organisation_sees_nothing_of_another() {
    let world = World::new().await;
    let (ours, theirs) = (
        world.organisation("ours").await,
        world.organisation("theirs").await,
    );
    let thing = world.thing(theirs, "pump", json!({})).await;
    let channel = world.channel(theirs, "data").await;
    let user = world.user(theirs, "op@theirs.example").await;
    world.seen(world.connect(channel, thing).await).await;
    let registry = world.projections.registry();
    assert!(registry.thing(theirs, thing).await.unwrap().is_some());
    assert!(registry.thing(ours, thing).await.unwrap().is_none());
    assert!(registry.channel(theirs, channel).await.unwrap().is_some());
    assert!(registry.channel(ours, channel).await.unwrap().is_none());
    assert!(registry.user(ours, user).await.unwrap().is_none());
    let page = Page::offset(0, 10);
    let filter = ThingFilter {
        connection: Some(Connected::To(channel)),
        ..ThingFilter::default()
    };
    assert_eq!(
        registry
            .things(ours, filter, page.clone())
            .await
            .unwrap()
            .total,
        0
    );
    let filter = ThingFilter {
        ids: Some(vec![thing]),
        ..ThingFilter::default()
    };
    assert_eq!(
        registry
            .things(ours, filter, page.clone())
            .await
            .unwrap()
            .total,
        0
    );
    assert_eq!(registry.users(ours, None, page).await.unwrap().total, 0);
}

#[tokio::test]
async fn connections_are_listed_from_both_sides_and_go_with_the_thing() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let (a, b) = (
        world.thing(plant, "a", json!({})).await,
        world.thing(plant, "b", json!({})).await,
    );
    let channel = world.channel(plant, "data").await;
    world.seen(world.connect(channel, a).await).await;
    let things = async |connection| {
        names(
            &world,
            plant,
            ThingFilter {
                connection: Some(connection),
                ..ThingFilter::default()
            },
        )
        .await
    };
    assert_eq!(things(Connected::To(channel)).await, ["a"]);
    assert_eq!(things(Connected::NotTo(channel)).await, ["b"]);
    let of_thing = ChannelFilter {
        connection: Some(Connected::To(a)),
        ..ChannelFilter::default()
    };
    let channels = world
        .projections
        .registry()
        .channels(plant, of_thing, Page::offset(0, 10))
        .await
        .unwrap();
    assert_eq!(
        channels.rows.iter().map(|row| row.id).collect::<Vec<_>>(),
        [channel]
    );

    let rolled_back = channel::Event::RolledBack {
        to: Revision(1),
        details: channel::Details {
            name: "old".to_owned(),
            ..channel::Details::default()
        },
        things: [b].into(),
    };
    world
        .happen(channel, DomainEvent::Channel(rolled_back))
        .await;
    assert_eq!(things(Connected::To(channel)).await, ["b"]);
    let row = world
        .projections
        .registry()
        .channel(plant, channel)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.name.as_str(), row.stamps.revision),
        ("old", Revision(3))
    );

    world
        .happen(b, DomainEvent::Thing(thing::Event::Removed {}))
        .await;
    assert!(things(Connected::To(channel)).await.is_empty());
    assert!(
        world
            .projections
            .registry()
            .thing(plant, b)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_row_bears_the_revision_of_its_entity_even_if_nothing_else_changed() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let thing = world.thing(plant, "pump", json!({})).await;
    world.clock.advance(std::time::Duration::from_secs(5));
    let unchanged = thing::Event::Updated {
        details: thing::Details {
            name: "pump".to_owned(),
            ..thing::Details::default()
        },
    };
    let position = world.happen(thing, DomainEvent::Thing(unchanged)).await;
    let row = world
        .projections
        .registry()
        .thing(plant, thing)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.stamps.revision, Revision(2));
    assert_eq!(row.stamps.position, position);
    assert_eq!(
        row.stamps.updated_at.since(row.stamps.created_at).as_secs(),
        5
    );
    world
        .happen(
            thing,
            DomainEvent::Thing(thing::Event::KeyChanged { key: sealed("new") }),
        )
        .await;
    let found = world
        .projections
        .registry()
        .thing_by_key_hash(&sealed("new").hash)
        .await
        .unwrap();
    assert_eq!(found.unwrap().id, thing);
}

#[tokio::test]
async fn an_edge_device_is_found_by_its_external_id_in_any_spelling() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let thing = world.thing(plant, "gateway", json!({})).await;
    let device = EdgeDeviceId(thing.0);
    let config = BootstrapConfig {
        name: "Gateway North".to_owned(),
        ..BootstrapConfig::default()
    };
    let registered = edge_device::Event::Registered {
        organisation: plant,
        thing,
        external_id: "AA:BB-cc.01".to_owned(),
        external_key: KeyHash("hash".to_owned()),
        config: config.clone(),
    };
    world
        .append(device, DomainEvent::EdgeDevice(registered))
        .await;
    let active = edge_device::Event::StateChanged {
        state: BootstrapState::Active,
    };
    world.happen(device, DomainEvent::EdgeDevice(active)).await;
    let registry = world.projections.registry();
    let row = registry
        .edge_device_by_external_id("aabbCC01")
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.id, row.external_id.as_str()), (device, "AA:BB-cc.01"));
    assert!(!row.is_up_to_date());

    let hit = EdgeDeviceFilter {
        name: Some("north".to_owned()),
        name_or_external_id: Some("B-CC".to_owned()),
        state: Some(BootstrapState::Active),
        external_id: Some("aa-bb-cc-01".to_owned()),
        thing: Some(thing),
        thing_key_hash: Some(sealed(&thing.to_string()).hash),
    };
    let page = Page::offset(0, 10);
    let by_name = EdgeDeviceFilter {
        name_or_external_id: Some("Nort".to_owned()),
        ..hit.clone()
    };
    for hit in [hit.clone(), by_name] {
        let listing = registry.edge_devices(plant, hit, page.clone()).await;
        assert_eq!(listing.unwrap().total, 1);
    }
    for miss in [
        EdgeDeviceFilter {
            name: Some("south".to_owned()),
            ..hit.clone()
        },
        EdgeDeviceFilter {
            name_or_external_id: Some("bcc2".to_owned()),
            ..hit.clone()
        },
        EdgeDeviceFilter {
            name_or_external_id: Some("--".to_owned()),
            ..hit.clone()
        },
        EdgeDeviceFilter {
            state: Some(BootstrapState::Inactive),
            ..hit.clone()
        },
        EdgeDeviceFilter {
            external_id: Some("aabbcc02".to_owned()),
            ..hit.clone()
        },
        EdgeDeviceFilter {
            thing: Some(ThingId::generate()),
            ..hit.clone()
        },
        EdgeDeviceFilter {
            thing_key_hash: Some("00".to_owned()),
            ..hit.clone()
        },
    ] {
        assert_eq!(
            registry
                .edge_devices(plant, miss, page.clone())
                .await
                .unwrap()
                .total,
            0
        );
    }

    let fetched = edge_device::Event::Bootstrapped {
        revision: Revision(2),
    };
    world.happen(device, DomainEvent::EdgeDevice(fetched)).await;
    let row = world
        .projections
        .registry()
        .edge_device(plant, device)
        .await
        .unwrap()
        .unwrap();
    assert!(row.is_up_to_date());
    assert_eq!(
        (row.bootstraps, row.last_bootstrap),
        (1, Some(row.stamps.updated_at))
    );
    world
        .happen(
            device,
            DomainEvent::EdgeDevice(edge_device::Event::ConfigChanged { config }),
        )
        .await;
    let row = world
        .projections
        .registry()
        .edge_device(plant, device)
        .await
        .unwrap()
        .unwrap();
    assert!(!row.is_up_to_date());
}

#[tokio::test]
async fn the_rules_of_a_thing_are_its_own_those_of_its_type_and_those_for_all() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let kind = DeviceTypeId::generate();
    let details = device_type::Details {
        name: "pump".to_owned(),
        ..device_type::Details::default()
    };
    world
        .append(
            kind,
            DomainEvent::DeviceType(device_type::Event::Created {
                organisation: plant,
                details,
            }),
        )
        .await;
    let thing = world.thing(plant, "p1", json!({})).await;
    let typed = thing::Details {
        device_type: Some(kind),
        ..thing::Details::default()
    };
    world
        .append(
            thing,
            DomainEvent::Thing(thing::Event::Updated { details: typed }),
        )
        .await;
    let plain = world.thing(plant, "p2", json!({})).await;
    let rule = async |name: &str, scope: Scope| {
        let definition = Definition {
            name: name.to_owned(),
            scope,
            levels: Vec::new(),
            deadman: None,
            deadband: 0.0,
            on_delay_ms: 0,
            off_delay_ms: 0,
            class: alarm_rule::AlarmClass::Process,
            latching: false,
            acknowledge_required: true,
            message: String::new(),
            consequence: String::new(),
            action: "look".to_owned(),
            time_to_respond_ms: None,
            enabled: true,
        };
        let created = alarm_rule::Event::Created {
            organisation: plant,
            definition,
        };
        world
            .happen(AlarmRuleId::generate(), DomainEvent::AlarmRule(created))
            .await;
    };
    let series = || "pressure".to_owned();
    rule(
        "own",
        Scope {
            thing: Some(thing),
            series: series(),
            ..Scope::default()
        },
    )
    .await;
    rule(
        "type",
        Scope {
            device_type: Some(kind),
            series: series(),
            ..Scope::default()
        },
    )
    .await;
    rule(
        "all",
        Scope {
            series: series(),
            ..Scope::default()
        },
    )
    .await;
    let of = async |thing| {
        let filter = AlarmRuleFilter {
            thing: Some(thing),
            ..AlarmRuleFilter::default()
        };
        let page = Page::offset(0, 10).ordered(Order::Name, Direction::Ascending);
        let listing = world
            .projections
            .registry()
            .alarm_rules(plant, filter, page)
            .await
            .unwrap();
        listing
            .rows
            .into_iter()
            .map(|row| row.definition.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(thing).await, ["all", "own", "type"]);
    assert_eq!(of(plain).await, ["all"]);
}

#[tokio::test]
async fn a_user_signs_in_by_email_in_any_case() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let user = world.user(plant, "Ann@Plant.example").await;
    world
        .happen(user, DomainEvent::User(user::Event::Disabled {}))
        .await;
    let row = world
        .projections
        .registry()
        .user_by_email("ann@plant.EXAMPLE")
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.id, row.disabled, row.session_epoch), (user, true, 1));
    assert_eq!(world.projections.registry().user_count().await.unwrap(), 1);
    assert!(
        world
            .projections
            .registry()
            .user(plant, UserId::generate())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn an_organisation_can_be_renamed() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let renamed = organisation::Event::Renamed {
        name: "works".to_owned(),
    };
    world
        .happen(plant, DomainEvent::Organisation(renamed))
        .await;
    let row = world
        .projections
        .registry()
        .organisation(plant)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.name, "works");
    let all = world
        .projections
        .registry()
        .organisations(Page::offset(0, 10))
        .await
        .unwrap();
    assert_eq!(all.rows, [row]);
}

#[tokio::test]
async fn a_search_without_a_match_is_empty_in_a_registry_of_channels() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let id = ChannelId::generate();
    let details = channel::Details {
        name: "control".to_owned(),
        metadata: object(json!({"type": "control"})),
        ..channel::Details::default()
    };
    world
        .happen(
            id,
            DomainEvent::Channel(channel::Event::Created {
                organisation: plant,
                details,
            }),
        )
        .await;
    let search = async |part: Value| {
        let filter = ChannelFilter {
            metadata: Some(object(part)),
            ..ChannelFilter::default()
        };
        world
            .projections
            .registry()
            .channels(plant, filter, Page::offset(0, 10))
            .await
            .unwrap()
            .total
    };
    assert_eq!(search(json!({"type": "control"})).await, 1);
    assert_eq!(search(json!({"type": "data"})).await, 0);
    world
        .happen(id, DomainEvent::Channel(channel::Event::Removed {}))
        .await;
    assert_eq!(search(json!({"type": "control"})).await, 0);
}
