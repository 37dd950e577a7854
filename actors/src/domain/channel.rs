//! A channel, with the things that are connected to it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::event_names::{decode_v1, event_names};
use super::{Rejection, limits, presence, validate};
use crate::command;
use crate::entity::{Aggregate, DecideContext, DecodeError};
use crate::ids::{EntityKind, OrganisationId, Revision, ThingId};

/// How long the samples of a channel are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetentionClass {
    Days7,
    Days30,
    #[default]
    Year1,
    Years5,
    Forever,
}

/// How long the rollups of a channel are kept, which is never less than its samples are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollupRetention {
    /// As the server is set.
    #[default]
    AsConfigured,
    AsSamples,
    #[serde(rename = "days_30")]
    Days30,
    #[serde(rename = "year_1")]
    Year1,
    #[serde(rename = "years_5")]
    Years5,
    Forever,
}

impl RollupRetention {
    /// Whether it is what a channel has that names none.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub name: String,
    pub metadata: Map<String, Value>,
    #[serde(default)]
    pub retention: RetentionClass,
    #[serde(default, skip_serializing_if = "RollupRetention::is_default")]
    pub rollup_retention: RollupRetention,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub removed: bool,
    pub organisation: Option<OrganisationId>,
    pub details: Details,
    pub things: BTreeSet<ThingId>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Create {
        organisation: OrganisationId,
        details: Details,
    },
    Update {
        name: Option<String>,
        metadata: Option<Map<String, Value>>,
        retention: Option<RetentionClass>,
        #[serde(default)]
        rollup_retention: Option<RollupRetention>,
    },
    /// The caller has checked that the things belong to the channel's organisation. Those connected already stay so.
    Connect {
        things: Vec<ThingId>,
    },
    Disconnect {
        things: Vec<ThingId>,
    },
    Remove,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Created {
        organisation: OrganisationId,
        details: Details,
    },
    Updated {
        details: Details,
    },
    /// Details and connections of revision `to`.
    RolledBack {
        to: Revision,
        details: Details,
        things: BTreeSet<ThingId>,
    },
    ThingConnected {
        thing: ThingId,
    },
    ThingDisconnected {
        thing: ThingId,
    },
    Removed {},
}

impl Details {
    fn validate(&self) -> Result<(), Rejection> {
        validate::optional_name("name", &self.name)?;
        validate::metadata("metadata", &self.metadata)
    }
}

impl State {
    /// Created and not removed.
    pub const fn is_there(&self) -> bool {
        self.exists && !self.removed
    }
}

/// The aggregate of a channel.
#[derive(Debug, Clone, Copy)]
pub struct Channel;

event_names!(Channel, Event {
    Created => "channel.created",
    Updated => "channel.updated",
    RolledBack => "channel.rolled_back",
    ThingConnected => "channel.thing_connected",
    ThingDisconnected => "channel.thing_disconnected",
    Removed => "channel.removed",
});

impl Aggregate for Channel {
    const KIND: EntityKind = EntityKind::Channel;
    const SNAPSHOT_SCHEMA: u16 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;

    fn command(command: command::Command) -> Option<Command> {
        match command {
            command::Command::Channel(command) => Some(command),
            _ => None,
        }
    }

    fn decide(
        state: &State,
        command: Command,
        context: &DecideContext,
    ) -> Result<Vec<Event>, Rejection> {
        if !matches!(command, Command::Create { .. }) {
            presence::must_be_there(state.is_there(), context)?;
        }
        match command {
            Command::Create {
                organisation,
                details,
            } => {
                presence::must_be_new(state.exists, context)?;
                details.validate()?;
                Ok(vec![Event::Created {
                    organisation,
                    details,
                }])
            }
            Command::Update {
                name,
                metadata,
                retention,
                rollup_retention,
            } => {
                let mut details = state.details.clone();
                details.name = name.unwrap_or(details.name);
                details.metadata = metadata.unwrap_or(details.metadata);
                details.retention = retention.unwrap_or(details.retention);
                details.rollup_retention = rollup_retention.unwrap_or(details.rollup_retention);
                details.validate()?;
                if details == state.details {
                    return Ok(Vec::new());
                }
                Ok(vec![Event::Updated { details }])
            }
            Command::Connect { things } => {
                let things: BTreeSet<_> = things.into_iter().collect();
                let new: Vec<_> = things.difference(&state.things).copied().collect();
                let connected = state.things.len() + new.len();
                validate::at_most_items("things", connected, limits::THINGS_PER_CHANNEL)?;
                Ok(new
                    .into_iter()
                    .map(|thing| Event::ThingConnected { thing })
                    .collect())
            }
            Command::Disconnect { things } => {
                let things: BTreeSet<_> = things.into_iter().collect();
                let connected = things.intersection(&state.things).copied();
                Ok(connected
                    .map(|thing| Event::ThingDisconnected { thing })
                    .collect())
            }
            Command::Remove => Ok(vec![Event::Removed {}]),
        }
    }

    fn apply(state: &mut State, event: &Event) {
        match event {
            Event::Created {
                organisation,
                details,
            } => {
                *state = State {
                    exists: true,
                    removed: false,
                    organisation: Some(*organisation),
                    details: details.clone(),
                    things: BTreeSet::new(),
                };
            }
            Event::Updated { details } => state.details.clone_from(details),
            Event::RolledBack {
                details, things, ..
            } => {
                state.details.clone_from(details);
                state.things.clone_from(things);
            }
            Event::ThingConnected { thing } => {
                state.things.insert(*thing);
            }
            Event::ThingDisconnected { thing } => {
                state.things.remove(thing);
            }
            Event::Removed {} => {
                state.removed = true;
                state.things.clear();
            }
        }
    }

    fn roll_back(state: &State, past: &State, to: Revision) -> Result<Vec<Event>, Rejection> {
        presence::must_have_been_there(state.is_there(), past.is_there(), to)?;
        if past.details == state.details && past.things == state.things {
            return Ok(Vec::new());
        }
        Ok(vec![Event::RolledBack {
            to,
            details: past.details.clone(),
            things: past.things.clone(),
        }])
    }

    fn event_type(event: &Event) -> &'static str {
        Self::name_of(event)
    }

    fn decode(event_type: &str, schema: u16, data: &Value) -> Result<Event, DecodeError> {
        decode_v1(Self::EVENT_TYPES, Self::name_of, event_type, schema, data)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::testing::{given, id, lives, organisation, replay_gives_the_state};
    use super::*;

    fn details(name: &str) -> Details {
        Details {
            name: name.to_owned(),
            ..Details::default()
        }
    }

    fn created() -> Event {
        Event::Created {
            organisation: organisation(),
            details: details("control"),
        }
    }

    fn connected(number: u128) -> Event {
        Event::ThingConnected { thing: id(number) }
    }

    fn connect(numbers: &[u128]) -> Command {
        Command::Connect {
            things: numbers.iter().copied().map(id).collect(),
        }
    }

    fn disconnect(numbers: &[u128]) -> Command {
        Command::Disconnect {
            things: numbers.iter().copied().map(id).collect(),
        }
    }

    #[test]
    fn a_channel_is_created_once() {
        let create = Command::Create {
            organisation: organisation(),
            details: details("control"),
        };
        let state = given::<Channel>(&[])
            .when(create.clone())
            .then(&[created()]);
        assert!(state.is_there() && state.things.is_empty());
        given::<Channel>(&[created()])
            .when(create.clone())
            .then_exists_already();
        given::<Channel>(&[created(), Event::Removed {}])
            .when(create)
            .then_exists_already();
    }

    #[test]
    fn only_things_that_are_not_connected_yet_are_connected() {
        let state = given::<Channel>(&[created(), connected(1)])
            .when(connect(&[1, 3, 2, 3]))
            .then(&[connected(2), connected(3)]);
        assert_eq!(state.things, BTreeSet::from([id(1), id(2), id(3)]));
        given::<Channel>(&[created(), connected(1)])
            .when(connect(&[1]))
            .then_nothing();
    }

    #[test]
    fn only_connected_things_are_disconnected() {
        let state = given::<Channel>(&[created(), connected(1), connected(2)])
            .when(disconnect(&[2, 9, 2]))
            .then(&[Event::ThingDisconnected { thing: id(2) }]);
        assert_eq!(state.things, BTreeSet::from([id(1)]));
        given::<Channel>(&[created()])
            .when(disconnect(&[1]))
            .then_nothing();
    }

    #[test]
    fn a_channel_connects_so_many_things_and_no_more() {
        let full: Vec<u128> = (1..=limits::THINGS_PER_CHANNEL as u128).collect();
        let mut events = vec![created()];
        events.extend(full.iter().copied().map(connected));
        assert_eq!(
            given::<Channel>(&[created()])
                .when(connect(&full))
                .result
                .unwrap()
                .len(),
            limits::THINGS_PER_CHANNEL
        );
        given::<Channel>(&events).when(connect(&[1])).then_nothing();
        given::<Channel>(&events)
            .when(connect(&[1, 10_001]))
            .then_invalid("things");
    }

    #[test]
    fn an_update_changes_what_is_given_and_leaves_the_rest() {
        let command = Command::Update {
            name: None,
            metadata: None,
            retention: Some(RetentionClass::Days7),
            rollup_retention: Some(RollupRetention::Years5),
        };
        let expected = Details {
            retention: RetentionClass::Days7,
            rollup_retention: RollupRetention::Years5,
            ..details("control")
        };
        let updated = Event::Updated { details: expected };
        given::<Channel>(&[created()])
            .when(command.clone())
            .then(std::slice::from_ref(&updated));
        given::<Channel>(&[created(), updated])
            .when(command)
            .then_nothing();
        let long = Some("x".repeat(limits::NAME_CHARS + 1));
        given::<Channel>(&[created()])
            .when(Command::Update {
                name: long,
                metadata: None,
                retention: None,
                rollup_retention: None,
            })
            .then_invalid("name");
    }

    #[test]
    fn details_without_an_age_for_rollups_read_and_write_as_they_did_before_there_was_one() {
        let before = json!({ "name": "control", "metadata": {}, "retention": "year1" });
        let read: Details = serde_json::from_value(before.clone()).unwrap();
        assert_eq!(read, details("control"));
        assert_eq!(serde_json::to_value(read).unwrap(), before);
        let set = Details {
            rollup_retention: RollupRetention::Years5,
            ..details("control")
        };
        let written = serde_json::to_value(&set).unwrap();
        assert_eq!(written["rollup_retention"], "years_5");
        assert_eq!(serde_json::from_value::<Details>(written).unwrap(), set);
    }

    #[test]
    fn a_removed_channel_is_not_found_and_connects_nothing() {
        let state = given::<Channel>(&[created(), connected(1)])
            .when(Command::Remove)
            .then(&[Event::Removed {}]);
        assert!(state.things.is_empty());
        for command in [connect(&[1]), disconnect(&[1]), Command::Remove] {
            given::<Channel>(&[created(), Event::Removed {}])
                .when(command.clone())
                .then_not_found();
            given::<Channel>(&[]).when(command).then_not_found();
        }
    }

    #[test]
    fn a_roll_back_writes_details_and_connections_again() {
        let past = [created(), connected(1)];
        let disconnected = Event::ThingDisconnected { thing: id(1) };
        let rolled_back = Event::RolledBack {
            to: Revision(2),
            details: details("control"),
            things: BTreeSet::from([id(1)]),
        };
        given::<Channel>(&[created(), connected(1), disconnected, connected(2)])
            .when_rolled_back_to(&past)
            .then(&[rolled_back]);
        given::<Channel>(&past)
            .when_rolled_back_to(&past)
            .then_nothing();
        given::<Channel>(&[created(), Event::Removed {}])
            .when_rolled_back_to(&[created()])
            .then_conflict();
    }

    fn commands() -> impl Strategy<Value = Command> {
        let things = || prop::collection::vec((0_u128..6).prop_map(id), 0..4);
        let retention = prop_oneof![Just(RetentionClass::Days7), Just(RetentionClass::Forever)];
        prop_oneof![
            2 => "[a-c]{0,2}".prop_map(|name| Command::Create {
                organisation: organisation(),
                details: details(&name),
            }),
            4 => (prop::option::of("[a-c]"), prop::option::of(0_u8..3), prop::option::of(retention))
                .prop_map(|(name, line, retention)| Command::Update {
                    name,
                    metadata: line.and_then(|line| json!({ "line": line }).as_object().cloned()),
                    retention,
                    rollup_retention: retention.map(|_| RollupRetention::AsSamples),
                }),
            6 => things().prop_map(|things| Command::Connect { things }),
            6 => things().prop_map(|things| Command::Disconnect { things }),
            1 => Just(Command::Remove),
        ]
    }

    proptest! {
        #[test]
        fn replaying_the_events_gives_the_state(life in lives(commands())) {
            replay_gives_the_state::<Channel>(life, |before, after| {
                prop_assert!(!before.removed || before == after);
                Ok(())
            })?;
        }
    }
}
