use proptest::prelude::*;

use super::super::testing::{given, id, key_hash, lives, organisation, replay_gives_the_state};
use super::*;

const ACTIVE: Event = Event::StateChanged {
    state: BootstrapState::Active,
};

fn config(content: &str) -> BootstrapConfig {
    BootstrapConfig {
        name: "Pump house".to_owned(),
        content: content.to_owned(),
        channels: BTreeSet::from([id(1), id(2)]),
        ..BootstrapConfig::default()
    }
}

fn register(external_id: &str) -> Command {
    Command::Register {
        organisation: organisation(),
        thing: id(0xE1),
        external_id: external_id.to_owned(),
        external_key: key_hash(1),
        config: config("{}"),
    }
}

fn registered() -> Event {
    Event::Registered {
        organisation: organisation(),
        thing: id(0xE1),
        external_id: "AA:BB:01".to_owned(),
        external_key: key_hash(1),
        config: config("{}"),
    }
}

fn info(content: &str) -> Command {
    Command::UpdateInfo {
        name: None,
        content: Some(content.to_owned()),
    }
}

#[test]
fn a_registered_device_is_inactive() {
    let state = given::<EdgeDevice>(&[])
        .when(register("AA:BB:01"))
        .then(&[registered()]);
    assert_eq!(state.bootstrap_state, BootstrapState::Inactive);
    given::<EdgeDevice>(&[registered()])
        .when(register("AA:BB:01"))
        .then_exists_already();
}

#[test]
fn a_thing_may_get_a_new_config_after_its_old_one_was_removed() {
    let life = [
        registered(),
        ACTIVE,
        Event::Bootstrapped {
            revision: Revision(1),
        },
    ];
    let gone = [life.as_slice(), &[Event::Removed {}]].concat();
    let state = given::<EdgeDevice>(&gone)
        .when(register("AA:BB:01"))
        .then(&[registered()]);
    assert!(state.is_there());
    assert_eq!((state.bootstraps, state.fetched_revision), (0, None));
    assert_eq!(state.bootstrap_state, BootstrapState::Inactive);
    assert_eq!(
        (state.revision, state.config_revision),
        (Revision(5), Revision(5))
    );
}

#[test]
fn bad_input_is_named_by_its_field() {
    let long = "x".repeat(limits::EXTERNAL_ID_CHARS + 1);
    for bad in ["", ":-.", "a b", "a\nb", &long] {
        given::<EdgeDevice>(&[])
            .when(register(bad))
            .then_invalid("external_id");
    }
    given::<EdgeDevice>(&[registered()])
        .when(info(&"x".repeat(limits::CONTENT_BYTES + 1)))
        .then_invalid("content");
    given::<EdgeDevice>(&[registered()])
        .when(Command::ChangeExternalKey {
            external_key: KeyHash("secret".to_owned()),
        })
        .then_invalid("external_key");
    let in_clear = Command::UpdateCertificates {
        client_cert: String::new(),
        client_key_sealed: "-----BEGIN PRIVATE KEY-----".to_owned(),
        ca_cert: String::new(),
    };
    given::<EdgeDevice>(&[registered()])
        .when(in_clear)
        .then_invalid("client_key_sealed");
    let channels = (0..=limits::CHANNELS_PER_CONFIG as u128).map(id).collect();
    given::<EdgeDevice>(&[registered()])
        .when(Command::UpdateConnections { channels })
        .then_invalid("channels");
}

#[test]
fn what_is_so_already_changes_nothing() {
    for command in [
        info("{}"),
        Command::UpdateConnections {
            channels: BTreeSet::from([id(2), id(1)]),
        },
        Command::ChangeExternalKey {
            external_key: key_hash(1),
        },
        Command::ChangeState {
            state: BootstrapState::Inactive,
        },
    ] {
        given::<EdgeDevice>(&[registered()])
            .when(command)
            .then_nothing();
    }
    given::<EdgeDevice>(&[registered(), ACTIVE])
        .when(Command::ChangeState {
            state: BootstrapState::Active,
        })
        .then_nothing();
}

#[test]
fn a_bootstrap_records_the_revision_of_the_config_and_not_of_the_stream() {
    let changed = Event::ConfigChanged {
        config: config("[1]"),
    };
    let state = given::<EdgeDevice>(&[registered(), changed, ACTIVE])
        .when(Command::RecordBootstrap)
        .then(&[Event::Bootstrapped {
            revision: Revision(2),
        }]);
    assert_eq!(
        (state.bootstraps, state.fetched_revision),
        (1, Some(Revision(2)))
    );
}

#[test]
fn an_active_config_stays_active_when_its_channels_change() {
    let channels = BTreeSet::from([id(3)]);
    let expected = BootstrapConfig {
        channels: channels.clone(),
        ..config("{}")
    };
    let state = given::<EdgeDevice>(&[registered(), ACTIVE])
        .when(Command::UpdateConnections { channels })
        .then(&[Event::ConfigChanged { config: expected }]);
    assert_eq!(state.bootstrap_state, BootstrapState::Active);
}

#[test]
fn a_roll_back_to_other_channels_makes_the_config_inactive() {
    let channels = BTreeSet::from([id(3)]);
    let rewired = BootstrapConfig {
        channels,
        ..config("{}")
    };
    let rewired = Event::ConfigChanged { config: rewired };
    let rolled_back = Event::RolledBack {
        to: Revision(1),
        config: config("{}"),
    };
    let state = given::<EdgeDevice>(&[registered(), ACTIVE, rewired])
        .when_rolled_back_to(&[registered()])
        .then(&[
            rolled_back.clone(),
            Event::StateChanged {
                state: BootstrapState::Inactive,
            },
        ]);
    assert_eq!(state.config_revision, Revision(4));

    let edited = Event::ConfigChanged {
        config: config("[1]"),
    };
    let state = given::<EdgeDevice>(&[registered(), ACTIVE, edited])
        .when_rolled_back_to(&[registered()])
        .then(&[rolled_back]);
    assert_eq!(state.bootstrap_state, BootstrapState::Active);
}

#[test]
fn a_removed_device_is_not_found_and_keeps_no_key() {
    let state = given::<EdgeDevice>(&[registered()])
        .when(Command::Remove)
        .then(&[Event::Removed {}]);
    assert_eq!(state.external_key, None);
    let gone = [registered(), Event::Removed {}];
    for command in [info("[1]"), Command::RecordBootstrap, Command::Remove] {
        given::<EdgeDevice>(&gone)
            .when(command.clone())
            .then_not_found();
        given::<EdgeDevice>(&[]).when(command).then_not_found();
    }
    given::<EdgeDevice>(&gone)
        .when_rolled_back_to(&[registered()])
        .then_conflict();
}

#[test]
fn external_ids_are_compared_without_case_and_separators() {
    assert_eq!(
        normal_external_id("AA:bb-01.C"),
        normal_external_id("aabb01c")
    );
}

fn commands() -> impl Strategy<Value = Command> {
    let channels = prop::collection::btree_set((0_u128..4).prop_map(id), 0..3);
    prop_oneof![
        2 => "[A-C:]{0,3}".prop_map(|external_id| register(&external_id)),
        3 => (prop::option::of("[a-c]"), prop::option::of("[a-c]"))
            .prop_map(|(name, content)| Command::UpdateInfo { name, content }),
        3 => channels.prop_map(|channels| Command::UpdateConnections { channels }),
        2 => ("[a-c]", "[a-c=]", "[a-c]").prop_map(|(client_cert, client_key_sealed, ca_cert)| {
            Command::UpdateCertificates { client_cert, client_key_sealed, ca_cert }
        }),
        1 => (0_u8..3)
            .prop_map(|number| Command::ChangeExternalKey { external_key: key_hash(number) }),
        3 => prop_oneof![Just(BootstrapState::Active), Just(BootstrapState::Inactive)]
            .prop_map(|state| Command::ChangeState { state }),
        2 => Just(Command::RecordBootstrap),
        1 => Just(Command::Remove),
    ]
}

proptest! {
    #[test]
    fn replaying_the_events_gives_the_state(life in lives(commands())) {
        replay_gives_the_state::<EdgeDevice>(life, |_, after| {
            prop_assert!(after.config_revision <= after.revision);
            prop_assert!(after.fetched_revision <= Some(after.revision));
            Ok(())
        })?;
    }
}
