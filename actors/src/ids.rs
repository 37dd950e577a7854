//! Identifiers, revisions and positions. Each is a type of its own, so that none can stand in for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new identifier, ordered by creation time (UUID version 7).
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    };
}

uuid_id!(
    /// An organisation: the wall around everything that its users see.
    OrganisationId
);
uuid_id!(
    /// A person who signs in.
    UserId
);
uuid_id!(
    /// A piece of equipment or an application that sends or receives messages.
    ThingId
);
uuid_id!(
    /// A channel that things publish to and read from.
    ChannelId
);
uuid_id!(
    /// A device type: the template of a class of equipment.
    DeviceTypeId
);
uuid_id!(
    /// An edge device. It bears the identifier of the thing that it signs in as.
    EdgeDeviceId
);
uuid_id!(
    /// An alarm rule.
    AlarmRuleId
);
uuid_id!(
    /// An alarm: one rule's condition on one series of one thing.
    AlarmId
);
uuid_id!(
    /// A model with all of its versions.
    ModelId
);
uuid_id!(
    /// The identifier of a command. A retry carries the same one and is answered without a second effect.
    CommandId
);

impl AlarmId {
    /// The alarm of `rule` on the series (`thing`, `channel`, `subtopic`, `name`); the same input gives the same id.
    pub fn of(
        rule: AlarmRuleId,
        thing: ThingId,
        channel: ChannelId,
        subtopic: &str,
        name: &str,
    ) -> Self {
        let text = format!("{thing}/{channel}/{subtopic}/{name}");
        Self(Uuid::new_v5(&rule.0, text.as_bytes()))
    }
}

impl CommandId {
    /// The identifier of the `index`-th event that this command causes.
    pub fn event_id(self, index: usize) -> Uuid {
        Uuid::new_v5(&self.0, &index.to_be_bytes())
    }

    /// A command id derived from `parent` for the step `name`, so that a retried flow repeats its ids.
    pub fn step(self, name: &str) -> Self {
        Self(Uuid::new_v5(&self.0, name.as_bytes()))
    }

    /// The command id of an idempotency key that the caller `scope` (a user or a thing) chose.
    pub fn from_key(scope: &str, key: &str) -> Self {
        Self(Uuid::new_v5(
            &Uuid::NAMESPACE_OID,
            format!("{scope}\n{key}").as_bytes(),
        ))
    }
}

/// What a command's sender asked for, in short. The same command id with another digest is no retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct InputDigest(pub u64);

impl From<InputDigest> for String {
    fn from(digest: InputDigest) -> Self {
        format!("{:016x}", digest.0)
    }
}

impl TryFrom<String> for InputDigest {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

/// The kind of an entity: which aggregate its stream belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    Organisation,
    User,
    Thing,
    Channel,
    DeviceType,
    EdgeDevice,
    AlarmRule,
    Alarm,
    Model,
}

impl EntityKind {
    pub const ALL: [Self; 9] = [
        Self::Organisation,
        Self::User,
        Self::Thing,
        Self::Channel,
        Self::DeviceType,
        Self::EdgeDevice,
        Self::AlarmRule,
        Self::Alarm,
        Self::Model,
    ];

    /// The prefix of its streams, as in `thing-<uuid>`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::User => "user",
            Self::Thing => "thing",
            Self::Channel => "channel",
            Self::DeviceType => "device_type",
            Self::EdgeDevice => "edge_device",
            Self::AlarmRule => "alarm_rule",
            Self::Alarm => "alarm",
            Self::Model => "model",
        }
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One entity of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntityId {
    pub kind: EntityKind,
    pub id: Uuid,
}

impl EntityId {
    pub const fn new(kind: EntityKind, id: Uuid) -> Self {
        Self { kind, id }
    }

    /// The name of its event stream: `<kind>-<uuid>`.
    pub fn stream(&self) -> String {
        format!("{}-{}", self.kind, self.id)
    }

    /// The entity whose stream is called `stream`, or `None` if that is no entity's stream.
    pub fn from_stream(stream: &str) -> Option<Self> {
        let (kind, id) = stream.split_once('-')?;
        let kind = EntityKind::ALL
            .into_iter()
            .find(|candidate| candidate.as_str() == kind)?;
        let id = Uuid::parse_str(id).ok()?;
        Some(Self { kind, id })
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.kind, self.id)
    }
}

macro_rules! entity_of {
    ($($id:ident => $kind:ident),* $(,)?) => {
        $(impl From<$id> for EntityId {
            fn from(id: $id) -> Self {
                Self::new(EntityKind::$kind, id.0)
            }
        })*
    };
}
entity_of!(
    OrganisationId => Organisation,
    UserId => User,
    ThingId => Thing,
    ChannelId => Channel,
    DeviceTypeId => DeviceType,
    EdgeDeviceId => EdgeDevice,
    AlarmRuleId => AlarmRule,
    AlarmId => Alarm,
    ModelId => Model,
);

/// How many events a stream holds. 0 is a stream that does not exist; the first event has revision 1.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    pub const NONE: Self = Self(0);

    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A place in the log of all events. Grows; gaps are allowed. Order between streams is no promise.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    pub const START: Self = Self(0);
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_name_leads_back_to_its_entity() {
        for kind in EntityKind::ALL {
            let entity = EntityId::new(kind, Uuid::now_v7());
            assert_eq!(EntityId::from_stream(&entity.stream()), Some(entity));
        }
        assert_eq!(EntityId::from_stream("pump-1"), None);
        assert_eq!(EntityId::from_stream("thing"), None);
    }

    #[test]
    fn a_retried_command_repeats_its_event_ids() {
        let command = CommandId::from_key("user-1", "key-1");
        assert_eq!(command, CommandId::from_key("user-1", "key-1"));
        assert_ne!(command, CommandId::from_key("user-2", "key-1"));
        assert_eq!(command.event_id(0), command.event_id(0));
        assert_ne!(command.event_id(0), command.event_id(1));
    }
}
