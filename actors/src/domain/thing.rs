//! A thing: a piece of equipment or an application, with a key to sign in by.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::event_names::{decode_v1, event_names};
use super::secret::SealedKey;
use super::{Rejection, limits, presence, validate};
use crate::command;
use crate::entity::{Aggregate, DecideContext, DecodeError};
use crate::ids::{DeviceTypeId, EntityKind, OrganisationId, Revision};

/// A measured series that an engineer described.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// The name of the series in the messages, as in `vibration_de`.
    pub series: String,
    pub title: String,
    pub unit: String,
    /// The instrument's range, for indicators.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// Decimals to show.
    pub decimals: u8,
    /// A sample is stale when older than three times this.
    pub expected_interval_ms: Option<u64>,
}

/// What rollback and diff are about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub name: String,
    pub metadata: Map<String, Value>,
    #[serde(default)]
    pub device_type: Option<DeviceTypeId>,
    #[serde(default)]
    pub tags: Vec<Tag>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub removed: bool,
    pub organisation: Option<OrganisationId>,
    pub key: Option<SealedKey>,
    pub details: Details,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Create {
        organisation: OrganisationId,
        key: SealedKey,
        details: Details,
    },
    /// `None` leaves a part as it is.
    Update {
        name: Option<String>,
        metadata: Option<Map<String, Value>>,
        /// `Some(None)` takes the device type away: `null` in JSON, where `None` is no member at all.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "present"
        )]
        device_type: Option<Option<DeviceTypeId>>,
        tags: Option<Vec<Tag>>,
    },
    ChangeKey {
        key: SealedKey,
    },
    Remove,
}

/// Reads a member that is there, `null` or not, as `Some`.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Event {
    Created {
        organisation: OrganisationId,
        key: SealedKey,
        details: Details,
    },
    /// All of the details after the change.
    Updated {
        details: Details,
    },
    RolledBack {
        to: Revision,
        details: Details,
    },
    KeyChanged {
        key: SealedKey,
    },
    Removed {},
}

impl Tag {
    fn validate(&self, field: &str) -> Result<(), Rejection> {
        validate::name(&format!("{field}.series"), &self.series)?;
        validate::optional_name(&format!("{field}.title"), &self.title)?;
        validate::at_most_chars(&format!("{field}.unit"), &self.unit, limits::UNIT_CHARS)?;
        validate::optional_finite(&format!("{field}.low"), self.low)?;
        validate::optional_finite(&format!("{field}.high"), self.high)?;
        if let (Some(low), Some(high)) = (self.low, self.high)
            && low >= high
        {
            return Err(Rejection::invalid(
                format!("{field}.high"),
                "must be greater than `low`",
            ));
        }
        if self.decimals > limits::DECIMALS {
            let reason = format!("must be at most {}", limits::DECIMALS);
            return Err(Rejection::invalid(format!("{field}.decimals"), reason));
        }
        if self.expected_interval_ms == Some(0) {
            let field = format!("{field}.expected_interval_ms");
            return Err(Rejection::invalid(field, "must be at least 1"));
        }
        Ok(())
    }
}

/// Refuses a bad tag, too many of them, and two with the same series.
pub(super) fn validate_tags(field: &str, tags: &[Tag]) -> Result<(), Rejection> {
    validate::at_most_items(field, tags.len(), limits::TAGS)?;
    let mut seen = BTreeSet::new();
    for (index, tag) in tags.iter().enumerate() {
        tag.validate(&format!("{field}[{index}]"))?;
        if !seen.insert(tag.series.as_str()) {
            let field = format!("{field}[{index}].series");
            return Err(Rejection::invalid(field, "is the series of an earlier tag"));
        }
    }
    Ok(())
}

impl Details {
    fn validate(&self) -> Result<(), Rejection> {
        validate::optional_name("name", &self.name)?;
        validate::metadata("metadata", &self.metadata)?;
        validate_tags("tags", &self.tags)
    }
}

impl State {
    /// Created and not removed.
    pub const fn is_there(&self) -> bool {
        self.exists && !self.removed
    }
}

/// The aggregate of a thing.
#[derive(Debug, Clone, Copy)]
pub struct Thing;

event_names!(Thing, Event {
    Created => "thing.created",
    Updated => "thing.updated",
    RolledBack => "thing.rolled_back",
    KeyChanged => "thing.key_changed",
    Removed => "thing.removed",
});

impl Aggregate for Thing {
    const KIND: EntityKind = EntityKind::Thing;
    const SNAPSHOT_SCHEMA: u16 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;

    fn command(command: command::Command) -> Option<Command> {
        match command {
            command::Command::Thing(command) => Some(command),
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
                key,
                details,
            } => {
                presence::must_be_new(state.exists, context)?;
                key.validate("key")?;
                details.validate()?;
                Event::Created {
                    organisation,
                    key,
                    details,
                }
            }
            Command::Update {
                name,
                metadata,
                device_type,
                tags,
            } => {
                let mut details = state.details.clone();
                details.name = name.unwrap_or(details.name);
                details.metadata = metadata.unwrap_or(details.metadata);
                details.device_type = device_type.unwrap_or(details.device_type);
                details.tags = tags.unwrap_or(details.tags);
                details.validate()?;
                if details == state.details {
                    return Ok(Vec::new());
                }
                Event::Updated { details }
            }
            Command::ChangeKey { key } => {
                key.validate("key")?;
                if state.key.as_ref() == Some(&key) {
                    return Ok(Vec::new());
                }
                Event::KeyChanged { key }
            }
            Command::Remove => Event::Removed {},
        };
        Ok(vec![event])
    }

    fn apply(state: &mut State, event: &Event) {
        match event {
            Event::Created {
                organisation,
                key,
                details,
            } => {
                *state = State {
                    exists: true,
                    removed: false,
                    organisation: Some(*organisation),
                    key: Some(key.clone()),
                    details: details.clone(),
                };
            }
            Event::Updated { details } | Event::RolledBack { details, .. } => {
                state.details.clone_from(details);
            }
            Event::KeyChanged { key } => state.key = Some(key.clone()),
            Event::Removed {} => {
                state.removed = true;
                state.key = None;
            }
        }
    }

    /// The details only: an old key never comes back.
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
mod tests;
