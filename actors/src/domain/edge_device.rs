//! An edge device and its bootstrap config. Its id is the id of the thing that it signs in as.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event_names::{decode_v1, event_names};
use super::secret::KeyHash;
use super::{Rejection, limits, presence, validate};
use crate::command;
use crate::entity::{Aggregate, DecideContext, DecodeError};
use crate::ids::{ChannelId, EntityKind, OrganisationId, Revision, ThingId};

/// Mainflux' two states of a bootstrap config.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootstrapState {
    /// 0: exists, its thing is not connected to the config's channels.
    #[default]
    Inactive,
    /// 1: connected.
    Active,
}

/// What the device gets beside its thing and channels. Rolled back and diffed as one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BootstrapConfig {
    pub name: String,
    /// Opaque to Mainflux clients; Tellee's own edge agent reads JSON from it.
    pub content: String,
    pub channels: BTreeSet<ChannelId>,
    #[serde(default)]
    pub client_cert: String,
    /// Sealed (AEAD, base64) with the master key; empty if none.
    #[serde(default)]
    pub client_key_sealed: String,
    #[serde(default)]
    pub ca_cert: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub removed: bool,
    pub organisation: Option<OrganisationId>,
    pub thing: Option<ThingId>,
    /// As given; compared without case and the separators `:`, `-` and `.` (see [`normal_external_id`]).
    pub external_id: String,
    pub external_key: Option<KeyHash>,
    pub config: BootstrapConfig,
    pub bootstrap_state: BootstrapState,
    /// How often the device fetched its config, and the revision of it that it got last.
    pub bootstraps: u64,
    pub fetched_revision: Option<Revision>,
    /// The revision of the stream, and the one at which the config last changed.
    pub revision: Revision,
    pub config_revision: Revision,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Register {
        organisation: OrganisationId,
        thing: ThingId,
        external_id: String,
        external_key: KeyHash,
        config: BootstrapConfig,
    },
    UpdateInfo {
        name: Option<String>,
        content: Option<String>,
    },
    UpdateConnections {
        channels: BTreeSet<ChannelId>,
    },
    UpdateCertificates {
        client_cert: String,
        client_key_sealed: String,
        ca_cert: String,
    },
    ChangeExternalKey {
        external_key: KeyHash,
    },
    ChangeState {
        state: BootstrapState,
    },
    /// The device fetched its config.
    RecordBootstrap,
    Remove,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Event {
    Registered {
        organisation: OrganisationId,
        thing: ThingId,
        external_id: String,
        external_key: KeyHash,
        config: BootstrapConfig,
    },
    /// The whole config after the change.
    ConfigChanged {
        config: BootstrapConfig,
    },
    RolledBack {
        to: Revision,
        config: BootstrapConfig,
    },
    ExternalKeyChanged {
        external_key: KeyHash,
    },
    StateChanged {
        state: BootstrapState,
    },
    Bootstrapped {
        revision: Revision,
    },
    Removed {},
}

/// The form in which external ids are compared: lower case, without `:`, `-` and `.`.
pub fn normal_external_id(external_id: &str) -> String {
    external_id
        .chars()
        .filter(|character| !matches!(character, ':' | '-' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}

impl BootstrapConfig {
    fn validate(&self) -> Result<(), Rejection> {
        validate::optional_name("name", &self.name)?;
        validate::at_most_bytes("content", &self.content, limits::CONTENT_BYTES)?;
        validate::at_most_items("channels", self.channels.len(), limits::CHANNELS_PER_CONFIG)?;
        let limit = limits::CERTIFICATE_BYTES;
        validate::at_most_bytes("client_cert", &self.client_cert, limit)?;
        validate::base64("client_key_sealed", &self.client_key_sealed, limit)?;
        validate::at_most_bytes("ca_cert", &self.ca_cert, limit)
    }
}

fn validate_external_id(external_id: &str) -> Result<(), Rejection> {
    let field = "external_id";
    validate::at_most_chars(field, external_id, limits::EXTERNAL_ID_CHARS)?;
    if external_id
        .chars()
        .any(|character| character.is_control() || character.is_whitespace())
    {
        return Err(Rejection::invalid(field, "must not contain white space"));
    }
    // What is left of `::` to compare by is nothing, and so is that of any other such id.
    validate::not_blank(field, &normal_external_id(external_id))
}

impl State {
    /// Registered and not removed.
    pub const fn is_there(&self) -> bool {
        self.exists && !self.removed
    }

    fn change_config(&self, config: BootstrapConfig) -> Result<Vec<Event>, Rejection> {
        config.validate()?;
        if config == self.config {
            return Ok(Vec::new());
        }
        Ok(vec![Event::ConfigChanged { config }])
    }
}

/// The aggregate of an edge device.
#[derive(Debug, Clone, Copy)]
pub struct EdgeDevice;

event_names!(EdgeDevice, Event {
    Registered => "edge_device.registered",
    ConfigChanged => "edge_device.config_changed",
    RolledBack => "edge_device.rolled_back",
    ExternalKeyChanged => "edge_device.external_key_changed",
    StateChanged => "edge_device.state_changed",
    Bootstrapped => "edge_device.bootstrapped",
    Removed => "edge_device.removed",
});

impl Aggregate for EdgeDevice {
    const KIND: EntityKind = EntityKind::EdgeDevice;
    const SNAPSHOT_SCHEMA: u16 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;

    fn command(command: command::Command) -> Option<Command> {
        match command {
            command::Command::EdgeDevice(command) => Some(command),
            _ => None,
        }
    }

    fn decide(
        state: &State,
        command: Command,
        context: &DecideContext,
    ) -> Result<Vec<Event>, Rejection> {
        if !matches!(command, Command::Register { .. }) {
            presence::must_be_there(state.is_there(), context)?;
        }
        match command {
            Command::Register {
                organisation,
                thing,
                external_id,
                external_key,
                config,
            } => {
                // The id is that of the thing, which may get a new config after its old one was removed.
                presence::must_be_new(state.is_there(), context)?;
                validate_external_id(&external_id)?;
                external_key.validate("external_key")?;
                config.validate()?;
                Ok(vec![Event::Registered {
                    organisation,
                    thing,
                    external_id,
                    external_key,
                    config,
                }])
            }
            Command::UpdateInfo { name, content } => {
                let mut config = state.config.clone();
                config.name = name.unwrap_or(config.name);
                config.content = content.unwrap_or(config.content);
                state.change_config(config)
            }
            Command::UpdateConnections { channels } => state.change_config(BootstrapConfig {
                channels,
                ..state.config.clone()
            }),
            Command::UpdateCertificates {
                client_cert,
                client_key_sealed,
                ca_cert,
            } => state.change_config(BootstrapConfig {
                client_cert,
                client_key_sealed,
                ca_cert,
                ..state.config.clone()
            }),
            Command::ChangeExternalKey { external_key } => {
                external_key.validate("external_key")?;
                if state.external_key.as_ref() == Some(&external_key) {
                    return Ok(Vec::new());
                }
                Ok(vec![Event::ExternalKeyChanged { external_key }])
            }
            Command::ChangeState { state: wanted } => {
                if state.bootstrap_state == wanted {
                    return Ok(Vec::new());
                }
                Ok(vec![Event::StateChanged { state: wanted }])
            }
            Command::RecordBootstrap => Ok(vec![Event::Bootstrapped {
                revision: state.config_revision,
            }]),
            Command::Remove => Ok(vec![Event::Removed {}]),
        }
    }

    fn apply(state: &mut State, event: &Event) {
        state.revision = state.revision.next();
        match event {
            Event::Registered {
                organisation,
                thing,
                external_id,
                external_key,
                config,
            } => {
                *state = State {
                    exists: true,
                    removed: false,
                    organisation: Some(*organisation),
                    thing: Some(*thing),
                    external_id: external_id.clone(),
                    external_key: Some(external_key.clone()),
                    config: config.clone(),
                    bootstrap_state: BootstrapState::Inactive,
                    bootstraps: 0,
                    fetched_revision: None,
                    revision: state.revision,
                    config_revision: state.revision,
                };
            }
            Event::ConfigChanged { config } | Event::RolledBack { config, .. } => {
                state.config.clone_from(config);
                state.config_revision = state.revision;
            }
            Event::ExternalKeyChanged { external_key } => {
                state.external_key = Some(external_key.clone());
            }
            Event::StateChanged { state: now } => state.bootstrap_state = *now,
            Event::Bootstrapped { revision } => {
                state.bootstraps += 1;
                state.fetched_revision = Some(*revision);
            }
            Event::Removed {} => {
                state.removed = true;
                state.external_key = None;
                state.bootstrap_state = BootstrapState::Inactive;
            }
        }
    }

    /// The bootstrap config only. If its channels are others than the present ones, the thing is not connected to them, so
    /// that an active config becomes inactive.
    fn roll_back(state: &State, past: &State, to: Revision) -> Result<Vec<Event>, Rejection> {
        presence::must_have_been_there(state.is_there(), past.is_there(), to)?;
        if past.config == state.config {
            return Ok(Vec::new());
        }
        let mut events = vec![Event::RolledBack {
            to,
            config: past.config.clone(),
        }];
        let other_channels = past.config.channels != state.config.channels;
        if other_channels && state.bootstrap_state == BootstrapState::Active {
            events.push(Event::StateChanged {
                state: BootstrapState::Inactive,
            });
        }
        Ok(events)
    }

    fn event_type(event: &Event) -> &'static str {
        Self::name_of(event)
    }

    fn decode(event_type: &str, schema: u16, data: &Value) -> Result<Event, DecodeError> {
        decode_v1(Self::EVENT_TYPES, Self::name_of, event_type, schema, data)
    }
}

#[cfg(test)]
mod tests;
