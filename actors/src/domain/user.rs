//! A user: a person who signs in, with one role in one organisation.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::event_names::{decode_v1, event_names};
use super::secret::PasswordHash;
use super::{Rejection, presence, validate};
use crate::command;
use crate::entity::{Aggregate, DecideContext, DecodeError};
use crate::ids::{EntityKind, OrganisationId};

/// What a user may do within the organisation. Ordered by no rank: `allows` in the API's policy says what each may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Operator,
    Supervisor,
    Maintainer,
    Engineer,
    DataScientist,
    Administrator,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub organisation: Option<OrganisationId>,
    pub email: String,
    pub password: Option<PasswordHash>,
    pub role: Option<Role>,
    /// May make organisations and users in any of them.
    pub platform_administrator: bool,
    pub metadata: Map<String, Value>,
    pub disabled: bool,
    /// Grows when all sessions of the user must end: password change, disabling.
    pub session_epoch: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Create {
        organisation: OrganisationId,
        email: String,
        password: PasswordHash,
        role: Role,
        platform_administrator: bool,
        metadata: Map<String, Value>,
    },
    ChangePassword {
        password: PasswordHash,
    },
    ChangeRole {
        role: Role,
    },
    UpdateMetadata {
        metadata: Map<String, Value>,
    },
    Disable,
    Enable,
    EndSessions,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Event {
    Created {
        organisation: OrganisationId,
        email: String,
        password: PasswordHash,
        role: Role,
        platform_administrator: bool,
        metadata: Map<String, Value>,
    },
    PasswordChanged {
        password: PasswordHash,
    },
    RoleChanged {
        role: Role,
    },
    MetadataUpdated {
        metadata: Map<String, Value>,
    },
    Disabled {},
    Enabled {},
    SessionsEnded {},
}

/// The aggregate of a user.
#[derive(Debug, Clone, Copy)]
pub struct User;

event_names!(User, Event {
    Created => "user.created",
    PasswordChanged => "user.password_changed",
    RoleChanged => "user.role_changed",
    MetadataUpdated => "user.metadata_updated",
    Disabled => "user.disabled",
    Enabled => "user.enabled",
    SessionsEnded => "user.sessions_ended",
});

impl Aggregate for User {
    const KIND: EntityKind = EntityKind::User;
    const SNAPSHOT_SCHEMA: u16 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;

    fn command(command: command::Command) -> Option<Command> {
        match command {
            command::Command::User(command) => Some(command),
            _ => None,
        }
    }

    fn decide(
        state: &State,
        command: Command,
        context: &DecideContext,
    ) -> Result<Vec<Event>, Rejection> {
        if !matches!(command, Command::Create { .. }) {
            presence::must_be_there(state.exists, context)?;
        }
        let event = match command {
            Command::Create {
                organisation,
                email,
                password,
                role,
                platform_administrator,
                metadata,
            } => {
                presence::must_be_new(state.exists, context)?;
                validate::email("email", &email)?;
                password.validate("password")?;
                validate::metadata("metadata", &metadata)?;
                Event::Created {
                    organisation,
                    email,
                    password,
                    role,
                    platform_administrator,
                    metadata,
                }
            }
            Command::ChangePassword { password } => {
                password.validate("password")?;
                if state.password.as_ref() == Some(&password) {
                    return Ok(Vec::new());
                }
                Event::PasswordChanged { password }
            }
            Command::ChangeRole { role } if state.role == Some(role) => return Ok(Vec::new()),
            Command::ChangeRole { role } => Event::RoleChanged { role },
            Command::UpdateMetadata { metadata } => {
                validate::metadata("metadata", &metadata)?;
                if metadata == state.metadata {
                    return Ok(Vec::new());
                }
                Event::MetadataUpdated { metadata }
            }
            Command::Disable if state.disabled => return Ok(Vec::new()),
            Command::Disable => Event::Disabled {},
            Command::Enable if !state.disabled => return Ok(Vec::new()),
            Command::Enable => Event::Enabled {},
            Command::EndSessions => Event::SessionsEnded {},
        };
        Ok(vec![event])
    }

    fn apply(state: &mut State, event: &Event) {
        match event {
            Event::Created {
                organisation,
                email,
                password,
                role,
                platform_administrator,
                metadata,
            } => {
                *state = State {
                    exists: true,
                    organisation: Some(*organisation),
                    email: email.clone(),
                    password: Some(password.clone()),
                    role: Some(*role),
                    platform_administrator: *platform_administrator,
                    metadata: metadata.clone(),
                    disabled: false,
                    session_epoch: 0,
                };
            }
            Event::PasswordChanged { password } => {
                state.password = Some(password.clone());
                state.session_epoch += 1;
            }
            Event::RoleChanged { role } => state.role = Some(*role),
            Event::MetadataUpdated { metadata } => state.metadata.clone_from(metadata),
            Event::Disabled {} => {
                state.disabled = true;
                state.session_epoch += 1;
            }
            Event::Enabled {} => state.disabled = false,
            Event::SessionsEnded {} => state.session_epoch += 1,
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
    use serde_json::json;

    use super::super::testing::{given, lives, organisation, password, replay_gives_the_state};
    use super::*;

    fn metadata(shift: u8) -> Map<String, Value> {
        json!({ "shift": shift }).as_object().cloned().unwrap()
    }

    fn create(email: &str, hash: PasswordHash) -> Command {
        Command::Create {
            organisation: organisation(),
            email: email.to_owned(),
            password: hash,
            role: Role::Operator,
            platform_administrator: false,
            metadata: metadata(1),
        }
    }

    fn created() -> Event {
        Event::Created {
            organisation: organisation(),
            email: "ann@example.org".to_owned(),
            password: password(1),
            role: Role::Operator,
            platform_administrator: false,
            metadata: metadata(1),
        }
    }

    #[test]
    fn a_user_is_created_once_and_enabled() {
        let state = given::<User>(&[])
            .when(create("ann@example.org", password(1)))
            .then(&[created()]);
        assert!(state.exists && !state.disabled);
        given::<User>(&[created()])
            .when(create("ann@example.org", password(1)))
            .then_exists_already();
    }

    #[test]
    fn a_password_in_clear_and_a_bad_address_are_refused() {
        given::<User>(&[])
            .when(create("ann", password(1)))
            .then_invalid("email");
        let clear = PasswordHash("correct horse".to_owned());
        given::<User>(&[])
            .when(create("ann@example.org", clear.clone()))
            .then_invalid("password");
        given::<User>(&[created()])
            .when(Command::ChangePassword { password: clear })
            .then_invalid("password");
    }

    #[test]
    fn a_new_password_and_disabling_end_the_sessions() {
        let state = given::<User>(&[created()])
            .when(Command::ChangePassword {
                password: password(2),
            })
            .then(&[Event::PasswordChanged {
                password: password(2),
            }]);
        assert_eq!(state.session_epoch, 1);
        let state = given::<User>(&[created()])
            .when(Command::Disable)
            .then(&[Event::Disabled {}]);
        assert_eq!((state.disabled, state.session_epoch), (true, 1));
        let state = given::<User>(&[created()])
            .when(Command::EndSessions)
            .then(&[Event::SessionsEnded {}]);
        assert_eq!(state.session_epoch, 1);
    }

    #[test]
    fn what_is_so_already_changes_nothing() {
        for command in [
            Command::ChangePassword {
                password: password(1),
            },
            Command::ChangeRole {
                role: Role::Operator,
            },
            Command::UpdateMetadata {
                metadata: metadata(1),
            },
            Command::Enable,
        ] {
            given::<User>(&[created()]).when(command).then_nothing();
        }
        given::<User>(&[created(), Event::Disabled {}])
            .when(Command::Disable)
            .then_nothing();
    }

    #[test]
    fn a_user_that_does_not_exist_is_not_found() {
        for command in [Command::Disable, Command::EndSessions, Command::Enable] {
            given::<User>(&[]).when(command).then_not_found();
        }
    }

    fn roles() -> impl Strategy<Value = Role> {
        prop_oneof![
            Just(Role::Viewer),
            Just(Role::Operator),
            Just(Role::Administrator)
        ]
    }

    fn commands() -> impl Strategy<Value = Command> {
        prop_oneof![
            (roles(), any::<bool>(), 0_u8..3).prop_map(|(role, platform_administrator, shift)| {
                Command::Create {
                    organisation: organisation(),
                    email: "ann@example.org".to_owned(),
                    password: password(shift),
                    role,
                    platform_administrator,
                    metadata: metadata(shift),
                }
            }),
            (0_u8..3).prop_map(|number| Command::ChangePassword {
                password: password(number)
            }),
            roles().prop_map(|role| Command::ChangeRole { role }),
            (0_u8..3).prop_map(|shift| Command::UpdateMetadata {
                metadata: metadata(shift)
            }),
            Just(Command::Disable),
            Just(Command::Enable),
            Just(Command::EndSessions),
        ]
    }

    proptest! {
        #[test]
        fn replaying_the_events_gives_the_state(life in lives(commands())) {
            replay_gives_the_state::<User>(life, |before, after| {
                prop_assert!(after.session_epoch >= before.session_epoch);
                Ok(())
            })?;
        }
    }
}
