use serde_json::json;
use tellee_actors::domain::channel::RollupRetention;
use tellee_actors::domain::{channel, thing, user};
use tellee_actors::ids::Revision;

use super::*;
use crate::follower::DomainEvent;
use crate::testing::{World, sealed, sha256, thing_created};

#[tokio::test]
async fn a_thing_is_known_by_its_key_until_the_key_changes() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let thing = ThingId::generate();
    world
        .happen(thing, thing_created(plant, "pump", json!({}), "first"))
        .await;
    let access = world.projections.access();
    let expected = ThingAccess {
        thing,
        organisation: plant,
    };
    assert_eq!(access.thing_by_key_hash(&sha256("first")), Some(expected));
    assert!(access.is_key_of(thing, &sha256("first")));
    world
        .happen(
            thing,
            DomainEvent::Thing(thing::Event::KeyChanged {
                key: sealed("second"),
            }),
        )
        .await;
    assert_eq!(access.thing_by_key_hash(&sha256("first")), None);
    assert_eq!(access.thing_by_key_hash(&sha256("second")), Some(expected));
    world
        .happen(thing, DomainEvent::Thing(thing::Event::Removed {}))
        .await;
    assert_eq!(access.thing_by_key_hash(&sha256("second")), None);
    assert_eq!(access.thing(thing), None);
}

#[tokio::test]
async fn a_key_that_was_chosen_twice_is_that_of_the_older_thing() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let (first, second) = (ThingId::generate(), ThingId::generate());
    world
        .append(first, thing_created(plant, "a", json!({}), "same"))
        .await;
    world
        .happen(second, thing_created(plant, "b", json!({}), "same"))
        .await;
    let access = world.projections.access();
    assert_eq!(
        access.thing_by_key_hash(&sha256("same")).unwrap().thing,
        first
    );
    assert!(access.is_key_of(second, &sha256("same")));
    world
        .happen(first, DomainEvent::Thing(thing::Event::Removed {}))
        .await;
    assert_eq!(
        access.thing_by_key_hash(&sha256("same")).unwrap().thing,
        second
    );
}

#[tokio::test]
async fn a_thing_may_use_the_channels_that_it_is_connected_to_and_no_others() {
    let world = World::new().await;
    let (ours, theirs) = (
        world.organisation("ours").await,
        world.organisation("theirs").await,
    );
    let thing = world.thing(ours, "pump", json!({})).await;
    let (data, other, foreign) = (
        world.channel(ours, "data").await,
        world.channel(ours, "other").await,
        world.channel(theirs, "foreign").await,
    );
    world.connect(foreign, thing).await;
    world.seen(world.connect(data, thing).await).await;
    let access = world.projections.access();
    assert!(access.may_use(thing, data));
    assert!(!access.may_use(thing, other));
    assert!(!access.may_use(thing, foreign), "organisations are walls");
    assert_eq!(access.channel_organisation(foreign), Some(theirs));

    world
        .happen(
            data,
            DomainEvent::Channel(channel::Event::ThingDisconnected { thing }),
        )
        .await;
    assert!(!access.may_use(thing, data));
    let details = channel::Details {
        retention: RetentionClass::Days30,
        rollup_retention: RollupRetention::Forever,
        ..channel::Details::default()
    };
    let rolled_back = channel::Event::RolledBack {
        to: Revision(2),
        details,
        things: [thing].into(),
    };
    world.happen(data, DomainEvent::Channel(rolled_back)).await;
    assert!(access.may_use(thing, data));
    let kept = access.channel(data).unwrap();
    assert_eq!(kept.retention, RetentionClass::Days30);
    assert_eq!(kept.rollup_retention, RollupRetention::Forever);
    world
        .happen(data, DomainEvent::Channel(channel::Event::Removed {}))
        .await;
    assert!(!access.may_use(thing, data));
    assert!(!access.thing_channels(thing).contains(&data));
}

#[tokio::test]
async fn a_connection_that_comes_before_its_thing_holds_once_the_thing_is_there() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let channel = world.channel(plant, "data").await;
    let thing = ThingId::generate();
    world.seen(world.connect(channel, thing).await).await;
    assert!(!world.projections.access().may_use(thing, channel));
    world
        .happen(thing, thing_created(plant, "pump", json!({}), "key"))
        .await;
    assert!(world.projections.access().may_use(thing, channel));
}

#[tokio::test]
async fn the_epoch_grows_with_each_change_and_wakes_those_who_wait() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let access = world.projections.access();
    let mut changed = access.changed();
    let before = access.epoch();
    let thing = world.thing(plant, "pump", json!({})).await;
    world.caught_up().await;
    assert!(access.epoch() > before);
    changed.changed().await.unwrap();
    assert_eq!(*changed.borrow_and_update(), access.epoch());
    let before = access.epoch();
    let renamed = thing::Details {
        name: "pump 2".to_owned(),
        ..thing::Details::default()
    };
    world
        .happen(
            thing,
            DomainEvent::Thing(thing::Event::Updated { details: renamed }),
        )
        .await;
    assert_eq!(access.epoch(), before, "nothing about access changed");
}

#[tokio::test]
async fn the_sessions_of_a_user_end_with_a_new_password_or_when_disabled() {
    let world = World::new().await;
    let plant = world.organisation("plant").await;
    let user = world.user(plant, "ann@plant.example").await;
    world
        .happen(user, DomainEvent::User(user::Event::SessionsEnded {}))
        .await;
    let access = world.projections.access();
    assert_eq!(access.user(user).unwrap().session_epoch, 1);
    world
        .happen(
            user,
            DomainEvent::User(user::Event::RoleChanged {
                role: Role::Engineer,
            }),
        )
        .await;
    world
        .happen(user, DomainEvent::User(user::Event::Disabled {}))
        .await;
    let entry = access.user(user).unwrap();
    assert_eq!(
        (entry.session_epoch, entry.disabled, entry.role),
        (2, true, Role::Engineer)
    );
    world
        .happen(user, DomainEvent::User(user::Event::Enabled {}))
        .await;
    assert!(!access.user(user).unwrap().disabled);
}

#[tokio::test]
async fn a_restart_gives_the_same_access() {
    let mut world = World::new().await;
    let plant = world.organisation("plant").await;
    let thing = world.thing(plant, "pump", json!({})).await;
    let channel = world.channel(plant, "data").await;
    let user = world.user(plant, "ann@plant.example").await;
    world.connect(channel, thing).await;
    world
        .happen(user, DomainEvent::User(user::Event::Disabled {}))
        .await;
    let before = contents(world.projections.access());
    world.restart().await;
    assert_eq!(contents(world.projections.access()), before);
    assert!(world.projections.access().may_use(thing, channel));
}

/// Everything in the snapshot, in an order of its own.
pub(crate) fn contents(access: &Access) -> Vec<String> {
    let mut all = Vec::new();
    access
        .things
        .for_each(|key, value| all.push(format!("{key} {value:?}")));
    access
        .keys
        .for_each(|key, value| all.push(format!("{key:?} {value:?}")));
    access
        .connections
        .for_each(|key, value| all.push(format!("{key} {value:?}")));
    access
        .channels
        .for_each(|key, value| all.push(format!("{key} {value:?}")));
    access
        .users
        .for_each(|key, value| all.push(format!("{key} {value:?}")));
    all.sort();
    all
}
