//! Events as they were written by every version there was must be read for ever.
//!
//! `fixtures/events/<event type>.v<schema>.json` holds one event's data each. A fixture is never changed or removed: a new
//! shape of an event is a new schema and a new file beside the old one.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, iter};

use serde_json::Value;
use tellee_actors::domain::{
    Alarm, AlarmRule, Channel, DeviceType, EdgeDevice, Model, Organisation, Thing, User,
};
use tellee_actors::entity::Aggregate;
use tellee_actors::ids::EntityKind;

/// A fixture: its event type, schema and data.
struct Fixture {
    event_type: String,
    schema: u16,
    data: Value,
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events");
    let read = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let (event_type, schema) = name
            .strip_suffix(".json")
            .and_then(|stem| stem.rsplit_once(".v"))
            .unwrap_or_else(|| panic!("`{name}` is not called `<event type>.v<schema>.json`"));
        Fixture {
            event_type: event_type.to_owned(),
            schema: schema.parse().unwrap(),
            data: serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap(),
        }
    };
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| read(&entry.unwrap().path()))
        .collect()
}

/// Reads each of the aggregate's fixtures; what has the schema of today must be written again as it was.
fn check<A: Aggregate>(event_types: &[&str]) {
    let kind = format!("{}.", A::KIND.as_str());
    let mut seen = BTreeSet::new();
    let mut written_today: BTreeMap<&str, u16> = BTreeMap::new();
    let mut state = A::State::default();
    for fixture in fixtures()
        .iter()
        .filter(|fixture| fixture.event_type.starts_with(&kind))
    {
        let Fixture {
            event_type,
            schema,
            data,
        } = fixture;
        let event = A::decode(event_type, *schema, data)
            .unwrap_or_else(|error| panic!("{event_type}.v{schema}: {error}"));
        assert_eq!(A::event_type(&event), event_type);
        A::apply(&mut state, &event);
        if A::event_schema(&event) == *schema {
            assert_eq!(
                &serde_json::to_value(&event).unwrap(),
                data,
                "{event_type}.v{schema}"
            );
        }
        written_today.insert(A::event_type(&event), A::event_schema(&event));
        seen.insert((event_type.clone(), *schema));
    }
    for event_type in event_types {
        assert!(
            event_type.starts_with(&kind),
            "`{event_type}` is not one of {kind}*"
        );
        let newest = seen
            .iter()
            .filter(|(seen, _)| seen == event_type)
            .map(|(_, schema)| *schema);
        let Some(newest) = newest.max() else {
            panic!("`{event_type}` has no fixture")
        };
        assert_eq!(
            newest, written_today[*event_type],
            "the newest fixture of `{event_type}`"
        );
        for schema in 1..=newest {
            let version = ((*event_type).to_owned(), schema);
            assert!(seen.contains(&version), "{event_type}.v{schema} is gone");
        }
    }
}

#[test]
fn every_event_of_every_version_is_read_and_written_again() {
    for kind in EntityKind::ALL {
        match kind {
            EntityKind::Organisation => check::<Organisation>(Organisation::EVENT_TYPES),
            EntityKind::User => check::<User>(User::EVENT_TYPES),
            EntityKind::Thing => check::<Thing>(Thing::EVENT_TYPES),
            EntityKind::Channel => check::<Channel>(Channel::EVENT_TYPES),
            EntityKind::DeviceType => check::<DeviceType>(DeviceType::EVENT_TYPES),
            EntityKind::EdgeDevice => check::<EdgeDevice>(EdgeDevice::EVENT_TYPES),
            EntityKind::AlarmRule => check::<AlarmRule>(AlarmRule::EVENT_TYPES),
            EntityKind::Alarm => check::<Alarm>(Alarm::EVENT_TYPES),
            EntityKind::Model => check::<Model>(Model::EVENT_TYPES),
        }
    }
}

#[test]
fn every_fixture_is_of_an_event_type_that_is_known() {
    let known: BTreeSet<&str> = iter::empty()
        .chain(Organisation::EVENT_TYPES)
        .chain(User::EVENT_TYPES)
        .chain(Thing::EVENT_TYPES)
        .chain(Channel::EVENT_TYPES)
        .chain(DeviceType::EVENT_TYPES)
        .chain(EdgeDevice::EVENT_TYPES)
        .chain(AlarmRule::EVENT_TYPES)
        .chain(Alarm::EVENT_TYPES)
        .chain(Model::EVENT_TYPES)
        .copied()
        .collect();
    for fixture in fixtures() {
        assert!(
            known.contains(fixture.event_type.as_str()),
            "`{}`",
            fixture.event_type
        );
    }
}

#[test]
fn the_data_names_its_event_as_the_event_type_does() {
    for fixture in fixtures() {
        let (_, name) = fixture.event_type.split_once('.').unwrap();
        assert_eq!(fixture.data["event"], name);
    }
}
