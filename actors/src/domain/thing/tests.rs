use proptest::prelude::*;
use serde_json::json;

use super::super::testing::{given, id, key, lives, organisation, replay_gives_the_state};
use super::*;

fn tag(series: &str) -> Tag {
    Tag {
        series: series.to_owned(),
        title: "Drive-end vibration".to_owned(),
        unit: "mm/s".to_owned(),
        low: Some(0.0),
        high: Some(20.0),
        decimals: 1,
        expected_interval_ms: Some(1_000),
    }
}

fn details(name: &str) -> Details {
    Details {
        name: name.to_owned(),
        tags: vec![tag("vibration_de")],
        ..Details::default()
    }
}

fn create(details: Details) -> Command {
    Command::Create {
        organisation: organisation(),
        key: key(1),
        details,
    }
}

fn created() -> Event {
    Event::Created {
        organisation: organisation(),
        key: key(1),
        details: details("P-101"),
    }
}

fn rename(name: &str) -> Command {
    Command::Update {
        name: Some(name.to_owned()),
        metadata: None,
        device_type: None,
        tags: None,
    }
}

fn with_tags(tags: Vec<Tag>) -> Command {
    Command::Update {
        name: None,
        metadata: None,
        device_type: None,
        tags: Some(tags),
    }
}

#[test]
fn a_thing_is_created_once_even_if_it_was_removed() {
    let state = given::<Thing>(&[])
        .when(create(details("P-101")))
        .then(&[created()]);
    assert!(state.is_there());
    given::<Thing>(&[created()])
        .when(create(details("P-101")))
        .then_exists_already();
    given::<Thing>(&[created(), Event::Removed {}])
        .when(create(details("P-101")))
        .then_exists_already();
}

#[test]
fn an_update_changes_what_is_given_and_leaves_the_rest() {
    let command = Command::Update {
        name: None,
        metadata: json!({ "area": 3 }).as_object().cloned(),
        device_type: Some(Some(id(7))),
        tags: None,
    };
    let expected = Details {
        metadata: json!({ "area": 3 }).as_object().cloned().unwrap(),
        device_type: Some(id(7)),
        ..details("P-101")
    };
    let updated = Event::Updated {
        details: expected.clone(),
    };
    let state = given::<Thing>(&[created()])
        .when(command.clone())
        .then(std::slice::from_ref(&updated));
    assert_eq!(state.details, expected);
    given::<Thing>(&[created(), updated])
        .when(command)
        .then_nothing();
}

#[test]
fn a_key_changes_when_it_is_another_or_sealed_anew() {
    let change = |key| given::<Thing>(&[created()]).when(Command::ChangeKey { key });
    change(key(1)).then_nothing();
    change(key(2)).then(&[Event::KeyChanged { key: key(2) }]);
    // As when the master key is replaced.
    let sealed_anew = SealedKey {
        sealed: "YW5ldw".to_owned(),
        ..key(1)
    };
    change(sealed_anew.clone()).then(&[Event::KeyChanged { key: sealed_anew }]);
    let clear = SealedKey {
        hash: "secret".to_owned(),
        ..key(1)
    };
    change(clear).then_invalid("key.hash");
}

#[test]
fn a_removed_thing_is_not_found_and_keeps_no_key() {
    let state = given::<Thing>(&[created()])
        .when(Command::Remove)
        .then(&[Event::Removed {}]);
    assert_eq!((state.is_there(), state.key), (false, None));
    let gone = [created(), Event::Removed {}];
    for command in [
        rename("P-102"),
        Command::ChangeKey { key: key(2) },
        Command::Remove,
    ] {
        given::<Thing>(&gone).when(command.clone()).then_not_found();
        given::<Thing>(&[]).when(command).then_not_found();
    }
}

#[test]
fn a_roll_back_writes_the_old_details_but_not_the_old_key() {
    let renamed = Event::Updated {
        details: details("P-102"),
    };
    let rekeyed = Event::KeyChanged { key: key(2) };
    let rolled_back = Event::RolledBack {
        to: Revision(1),
        details: details("P-101"),
    };
    let state = given::<Thing>(&[created(), renamed.clone(), rekeyed])
        .when_rolled_back_to(&[created()])
        .then(&[rolled_back]);
    assert_eq!((state.details, state.key), (details("P-101"), Some(key(2))));
    given::<Thing>(&[created(), renamed.clone()])
        .when_rolled_back_to(&[created(), renamed])
        .then_nothing();
}

#[test]
fn there_is_no_way_back_from_removed_or_to_before_creation() {
    given::<Thing>(&[created(), Event::Removed {}])
        .when_rolled_back_to(&[created()])
        .then_conflict();
    given::<Thing>(&[created()])
        .when_rolled_back_to(&[])
        .then_invalid("to");
}

#[test]
fn bad_input_is_named_by_its_field() {
    let long = "x".repeat(limits::NAME_CHARS + 1);
    given::<Thing>(&[created()])
        .when(rename(&long))
        .then_invalid("name");
    let many = (0..=limits::TAGS)
        .map(|number| tag(&number.to_string()))
        .collect();
    given::<Thing>(&[created()])
        .when(with_tags(many))
        .then_invalid("tags");
    let cases = [
        (
            Tag {
                series: String::new(),
                ..tag("b")
            },
            "tags[1].series",
        ),
        (tag("a"), "tags[1].series"),
        (
            Tag {
                title: long,
                ..tag("b")
            },
            "tags[1].title",
        ),
        (
            Tag {
                unit: "x".repeat(65),
                ..tag("b")
            },
            "tags[1].unit",
        ),
        (
            Tag {
                low: Some(f64::NAN),
                ..tag("b")
            },
            "tags[1].low",
        ),
        (
            Tag {
                high: Some(f64::INFINITY),
                ..tag("b")
            },
            "tags[1].high",
        ),
        (
            Tag {
                low: Some(20.0),
                ..tag("b")
            },
            "tags[1].high",
        ),
        (
            Tag {
                decimals: 16,
                ..tag("b")
            },
            "tags[1].decimals",
        ),
        (
            Tag {
                expected_interval_ms: Some(0),
                ..tag("b")
            },
            "tags[1].expected_interval_ms",
        ),
    ];
    for (bad, field) in cases {
        given::<Thing>(&[created()])
            .when(with_tags(vec![tag("a"), bad]))
            .then_invalid(field);
    }
}

fn tags() -> impl Strategy<Value = Vec<Tag>> {
    let low = prop::option::of(-1e300_f64..1e300);
    let tag = ("[a-c]", low, 0_u8..20).prop_map(|(series, low, decimals)| Tag {
        low,
        decimals,
        high: None,
        ..tag(&series)
    });
    prop::collection::vec(tag, 0..3)
}

fn commands() -> impl Strategy<Value = Command> {
    let update = (
        prop::option::of("[a-c]{0,2}"),
        prop::option::of(0_u8..3),
        prop::option::of(prop::option::of(0_u128..3)),
        prop::option::of(tags()),
    )
        .prop_map(|(name, area, device_type, tags)| Command::Update {
            name,
            metadata: area.and_then(|area| json!({ "area": area }).as_object().cloned()),
            device_type: device_type.map(|number| number.map(id)),
            tags,
        });
    prop_oneof![
        2 => ("[a-c]{0,2}", tags()).prop_map(|(name, tags)| create(Details {
            name,
            tags,
            ..Details::default()
        })),
        8 => update,
        2 => (0_u8..3).prop_map(|number| Command::ChangeKey { key: key(number) }),
        1 => Just(Command::Remove),
    ]
}

proptest! {
    #[test]
    fn replaying_the_events_gives_the_state(life in lives(commands())) {
        replay_gives_the_state::<Thing>(life, |before, after| {
            prop_assert!(!before.removed || before == after);
            Ok(())
        })?;
    }
}
