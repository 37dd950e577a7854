//! An organisation: the wall around things, channels, users and all else.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event_names::{decode_v1, event_names};
use super::{Rejection, presence, validate};
use crate::command;
use crate::entity::{Aggregate, DecideContext, DecodeError};
use crate::ids::EntityKind;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Create { name: String },
    Rename { name: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Created { name: String },
    Renamed { name: String },
}

/// Refuses what no organisation can be called.
///
/// # Errors
/// [`Rejection`] of the field `name`.
pub fn check_name(name: &str) -> Result<(), Rejection> {
    validate::name("name", name)
}

/// The aggregate of an organisation.
#[derive(Debug, Clone, Copy)]
pub struct Organisation;

event_names!(Organisation, Event {
    Created => "organisation.created",
    Renamed => "organisation.renamed",
});

impl Aggregate for Organisation {
    const KIND: EntityKind = EntityKind::Organisation;
    const SNAPSHOT_SCHEMA: u16 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;

    fn command(command: command::Command) -> Option<Command> {
        match command {
            command::Command::Organisation(command) => Some(command),
            _ => None,
        }
    }

    fn decide(
        state: &State,
        command: Command,
        context: &DecideContext,
    ) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Create { name } => {
                presence::must_be_new(state.exists, context)?;
                validate::name("name", &name)?;
                Ok(vec![Event::Created { name }])
            }
            Command::Rename { name } => {
                presence::must_be_there(state.exists, context)?;
                validate::name("name", &name)?;
                if name == state.name {
                    return Ok(Vec::new());
                }
                Ok(vec![Event::Renamed { name }])
            }
        }
    }

    fn apply(state: &mut State, event: &Event) {
        match event {
            Event::Created { name } => {
                *state = State {
                    exists: true,
                    name: name.clone(),
                }
            }
            Event::Renamed { name } => state.name.clone_from(name),
        }
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

    use super::super::testing::{given, lives, replay_gives_the_state};
    use super::*;

    fn created() -> Event {
        Event::Created {
            name: "Works 3".to_owned(),
        }
    }

    #[test]
    fn an_organisation_is_created_once() {
        let create = Command::Create {
            name: "Works 3".to_owned(),
        };
        let state = given::<Organisation>(&[])
            .when(create.clone())
            .then(&[created()]);
        assert_eq!(
            state,
            State {
                exists: true,
                name: "Works 3".to_owned()
            }
        );
        given::<Organisation>(&[created()])
            .when(create)
            .then_exists_already();
    }

    #[test]
    fn the_same_name_again_changes_nothing() {
        let rename = |name: &str| Command::Rename {
            name: name.to_owned(),
        };
        let renamed = Event::Renamed {
            name: "Works 4".to_owned(),
        };
        given::<Organisation>(&[created()])
            .when(rename("Works 4"))
            .then(&[renamed]);
        given::<Organisation>(&[created()])
            .when(rename("Works 3"))
            .then_nothing();
        given::<Organisation>(&[created()])
            .when(rename(" "))
            .then_invalid("name");
        given::<Organisation>(&[])
            .when(rename("Works 4"))
            .then_not_found();
    }

    fn commands() -> impl Strategy<Value = Command> {
        prop_oneof![
            "[a-c ]{0,2}".prop_map(|name| Command::Create { name }),
            "[a-c ]{0,2}".prop_map(|name| Command::Rename { name }),
        ]
    }

    proptest! {
        #[test]
        fn replaying_the_events_gives_the_state(life in lives(commands())) {
            replay_gives_the_state::<Organisation>(life, |_, _| Ok(()))?;
        }
    }
}
