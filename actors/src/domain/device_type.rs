//! A device type: the template of a class of equipment.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::event_names::{decode_v1, event_names};
use super::thing::{Tag, validate_tags};
use super::{Rejection, presence, validate};
use crate::command;
use crate::entity::{Aggregate, DecideContext, DecodeError};
use crate::ids::{EntityKind, OrganisationId, Revision};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub name: String,
    pub description: String,
    pub tags: Vec<Tag>,
    pub metadata: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub removed: bool,
    pub organisation: Option<OrganisationId>,
    pub details: Details,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Create {
        organisation: OrganisationId,
        details: Details,
    },
    Update {
        details: Details,
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
    RolledBack {
        to: Revision,
        details: Details,
    },
    Removed {},
}

impl Details {
    fn validate(&self) -> Result<(), Rejection> {
        validate::name("name", &self.name)?;
        validate::optional_text("description", &self.description)?;
        validate_tags("tags", &self.tags)?;
        validate::metadata("metadata", &self.metadata)
    }
}

impl State {
    /// Created and not removed.
    pub const fn is_there(&self) -> bool {
        self.exists && !self.removed
    }
}

/// The aggregate of a device type.
#[derive(Debug, Clone, Copy)]
pub struct DeviceType;

event_names!(DeviceType, Event {
    Created => "device_type.created",
    Updated => "device_type.updated",
    RolledBack => "device_type.rolled_back",
    Removed => "device_type.removed",
});

impl Aggregate for DeviceType {
    const KIND: EntityKind = EntityKind::DeviceType;
    const SNAPSHOT_SCHEMA: u16 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;

    fn command(command: command::Command) -> Option<Command> {
        match command {
            command::Command::DeviceType(command) => Some(command),
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
        let event = match command {
            Command::Create {
                organisation,
                details,
            } => {
                presence::must_be_new(state.exists, context)?;
                details.validate()?;
                Event::Created {
                    organisation,
                    details,
                }
            }
            Command::Update { details } => {
                details.validate()?;
                if details == state.details {
                    return Ok(Vec::new());
                }
                Event::Updated { details }
            }
            Command::Remove => Event::Removed {},
        };
        Ok(vec![event])
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
                };
            }
            Event::Updated { details } | Event::RolledBack { details, .. } => {
                state.details.clone_from(details);
            }
            Event::Removed {} => state.removed = true,
        }
    }

    fn roll_back(state: &State, past: &State, to: Revision) -> Result<Vec<Event>, Rejection> {
        presence::must_have_been_there(state.is_there(), past.is_there(), to)?;
        if past.details == state.details {
            return Ok(Vec::new());
        }
        Ok(vec![Event::RolledBack {
            to,
            details: past.details.clone(),
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

    use super::super::testing::{given, lives, organisation, replay_gives_the_state};
    use super::*;

    fn tag(series: &str) -> Tag {
        Tag {
            series: series.to_owned(),
            title: String::new(),
            unit: "bar".to_owned(),
            low: None,
            high: None,
            decimals: 2,
            expected_interval_ms: None,
        }
    }

    fn details(name: &str) -> Details {
        Details {
            name: name.to_owned(),
            tags: vec![tag("pressure")],
            ..Details::default()
        }
    }

    fn created() -> Event {
        Event::Created {
            organisation: organisation(),
            details: details("Pump"),
        }
    }

    #[test]
    fn a_device_type_is_created_once_and_has_a_name() {
        let create = |name: &str| Command::Create {
            organisation: organisation(),
            details: details(name),
        };
        given::<DeviceType>(&[])
            .when(create("Pump"))
            .then(&[created()]);
        given::<DeviceType>(&[])
            .when(create(""))
            .then_invalid("name");
        given::<DeviceType>(&[created()])
            .when(create("Pump"))
            .then_exists_already();
    }

    #[test]
    fn tags_are_checked_as_those_of_a_thing() {
        let twice = Details {
            tags: vec![tag("pressure"), tag("pressure")],
            ..details("Pump")
        };
        given::<DeviceType>(&[created()])
            .when(Command::Update { details: twice })
            .then_invalid("tags[1].series");
    }

    #[test]
    fn the_same_details_again_change_nothing() {
        given::<DeviceType>(&[created()])
            .when(Command::Update {
                details: details("Pump"),
            })
            .then_nothing();
    }

    #[test]
    fn a_removed_device_type_is_not_found() {
        let gone = [created(), Event::Removed {}];
        given::<DeviceType>(&gone)
            .when(Command::Remove)
            .then_not_found();
        given::<DeviceType>(&gone)
            .when(Command::Update {
                details: details("Pump"),
            })
            .then_not_found();
        given::<DeviceType>(&gone)
            .when_rolled_back_to(&[created()])
            .then_conflict();
    }

    #[test]
    fn a_roll_back_writes_the_old_details() {
        let updated = Event::Updated {
            details: details("Compressor"),
        };
        given::<DeviceType>(&[created(), updated])
            .when_rolled_back_to(&[created()])
            .then(&[Event::RolledBack {
                to: Revision(1),
                details: details("Pump"),
            }]);
    }

    fn commands() -> impl Strategy<Value = Command> {
        let details = || {
            (
                "[a-c]{0,2}",
                "[a-c]{0,2}",
                prop::collection::vec("[a-c]", 0..3),
            )
                .prop_map(|(name, description, series)| Details {
                    name,
                    description,
                    tags: series.iter().map(|series| tag(series)).collect(),
                    metadata: Map::new(),
                })
        };
        prop_oneof![
            2 => details().prop_map(|details| Command::Create {
                organisation: organisation(),
                details,
            }),
            8 => details().prop_map(|details| Command::Update { details }),
            1 => Just(Command::Remove),
        ]
    }

    proptest! {
        #[test]
        fn replaying_the_events_gives_the_state(life in lives(commands())) {
            replay_gives_the_state::<DeviceType>(life, |before, after| {
                prop_assert!(!before.removed || before == after);
                Ok(())
            })?;
        }
    }
}
