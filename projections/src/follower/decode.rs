//! From recorded events to the events of the domain.

use serde_json::Value;
use tellee_actors::domain::{
    Alarm, AlarmRule, Channel, DeviceType, EdgeDevice, Model, Organisation, Thing, User,
};
use tellee_actors::domain::{
    alarm, alarm_rule, channel, device_type, edge_device, model, organisation, thing, user,
};
use tellee_actors::entity::{Aggregate, DecodeError};
use tellee_actors::event::{EventMeta, RecordedEvent};
use tellee_actors::ids::{EntityId, EntityKind, Position, Revision, ThingId};
use tellee_actors::time::Timestamp;

use crate::audit::{KEYS_REVEALED, organisation_of_key_reveals};

/// An event of any aggregate.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant)]
pub enum DomainEvent {
    Organisation(organisation::Event),
    User(user::Event),
    Thing(thing::Event),
    Channel(channel::Event),
    DeviceType(device_type::Event),
    EdgeDevice(edge_device::Event),
    AlarmRule(alarm_rule::Event),
    Alarm(alarm::Event),
    Model(model::Event),
    /// A person saw the keys of these many things. It changes no entity and has no revision.
    KeysRevealed {
        things: usize,
    },
}

/// An event with all that projections need of its record.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedEvent {
    pub position: Position,
    pub entity: EntityId,
    pub revision: Revision,
    pub event_type: String,
    pub event: DomainEvent,
    pub meta: EventMeta,
    pub at: Timestamp,
}

/// What `recorded` means; `None` if its stream is no entity's.
pub fn decode(recorded: &RecordedEvent) -> Result<Option<DecodedEvent>, DecodeError> {
    let Some(entity) = EntityId::from_stream(&recorded.stream) else {
        return Ok(keys_revealed(recorded));
    };
    let event = match entity.kind {
        EntityKind::Organisation => DomainEvent::Organisation(read::<Organisation>(recorded)?),
        EntityKind::User => DomainEvent::User(read::<User>(recorded)?),
        EntityKind::Thing => DomainEvent::Thing(read::<Thing>(recorded)?),
        EntityKind::Channel => DomainEvent::Channel(read::<Channel>(recorded)?),
        EntityKind::DeviceType => DomainEvent::DeviceType(read::<DeviceType>(recorded)?),
        EntityKind::EdgeDevice => DomainEvent::EdgeDevice(read::<EdgeDevice>(recorded)?),
        EntityKind::AlarmRule => DomainEvent::AlarmRule(read::<AlarmRule>(recorded)?),
        EntityKind::Alarm => DomainEvent::Alarm(read::<Alarm>(recorded)?),
        EntityKind::Model => DomainEvent::Model(read::<Model>(recorded)?),
    };
    Ok(Some(DecodedEvent {
        position: recorded.position,
        entity,
        revision: recorded.revision,
        event_type: recorded.event_type.clone(),
        event,
        meta: recorded.meta.clone(),
        at: recorded.at,
    }))
}

/// A reading of keys: of the thing if it was one, else of the organisation.
fn keys_revealed(recorded: &RecordedEvent) -> Option<DecodedEvent> {
    let organisation = organisation_of_key_reveals(&recorded.stream)?;
    if recorded.event_type != KEYS_REVEALED {
        return None;
    }
    let things = recorded.data.get("things").and_then(Value::as_array);
    let things = things.map(Vec::as_slice).unwrap_or_default();
    let only = match things {
        [only] => only.as_str().and_then(|id| id.parse::<ThingId>().ok()),
        _ => None,
    };
    let mut meta = recorded.meta.clone();
    meta.organisation = Some(organisation);
    if only.is_none() {
        meta.note = Some(format!("the keys of {} things", things.len()));
    }
    Some(DecodedEvent {
        position: recorded.position,
        entity: only.map_or_else(|| organisation.into(), EntityId::from),
        revision: Revision::NONE,
        event_type: recorded.event_type.clone(),
        event: DomainEvent::KeysRevealed {
            things: things.len(),
        },
        meta,
        at: recorded.at,
    })
}

fn read<A: Aggregate>(recorded: &RecordedEvent) -> Result<A::Event, DecodeError> {
    A::decode(&recorded.event_type, recorded.schema, &recorded.data)
}
