//! Things and device types, and roll-back of anything that can be rolled back.

use async_graphql::{Context, ID, InputObject, Json, MaybeUndefined, Object, Result, SimpleObject};
use serde_json::{Map, Value};
use tellee_actors::command::Command;
use tellee_actors::domain::device_type;
use tellee_actors::domain::thing::Tag;
use tellee_actors::ids::{DeviceTypeId, Revision, ThingId};

use super::{RemoveInput, RemovedPayload, RevisionPayload, request};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::graphql::context::{caller, id, platform};
use crate::graphql::device_type::DeviceType;
use crate::graphql::enums::EntityKind;
use crate::graphql::history::owned;
use crate::graphql::scalars::Long;
use crate::graphql::thing::Thing;
use crate::identity::Action;
use crate::platform::{NewThing, Platform, ThingUpdate};

#[derive(Debug, Clone, InputObject)]
pub struct TagInput {
    pub series: String,
    pub title: String,
    pub unit: String,
    pub low: Option<f64>,
    pub high: Option<f64>,
    #[graphql(default = 2)]
    pub decimals: i32,
    pub expected_interval_ms: Option<Long>,
}

pub fn tags(inputs: Vec<TagInput>) -> Result<Vec<Tag>, ApiError> {
    let tag = |(index, input): (usize, TagInput)| {
        let decimals = u8::try_from(input.decimals).map_err(|_| {
            ApiError::invalid(
                format!("tags[{index}].decimals"),
                "must lie between 0 and 12",
            )
        })?;
        Ok(Tag {
            series: input.series,
            title: input.title,
            unit: input.unit,
            low: input.low,
            high: input.high,
            decimals,
            expected_interval_ms: input.expected_interval_ms.map(|interval| interval.0),
        })
    };
    inputs.into_iter().enumerate().map(tag).collect()
}

#[derive(Debug, Clone, InputObject)]
pub struct CreateThingInput {
    pub idempotency_key: String,
    pub name: String,
    pub metadata: Option<Json<Map<String, Value>>>,
    pub device_type: Option<ID>,
    pub tags: Option<Vec<TagInput>>,
    /// Channels to connect it to.
    pub channels: Option<Vec<ID>>,
}

#[derive(Debug, Clone, InputObject)]
pub struct UpdateThingInput {
    pub idempotency_key: String,
    pub expected_revision: Option<Long>,
    pub id: ID,
    pub name: Option<String>,
    pub metadata: Option<Json<Map<String, Value>>>,
    /// Null takes the device type away; left out it stays.
    pub device_type: MaybeUndefined<ID>,
    pub tags: Option<Vec<TagInput>>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, InputObject)]
pub struct DeviceTypeInput {
    pub idempotency_key: String,
    pub name: String,
    #[graphql(default)]
    pub description: String,
    #[graphql(default)]
    pub tags: Vec<TagInput>,
    pub metadata: Option<Json<Map<String, Value>>>,
}

#[derive(Debug, Clone, InputObject)]
pub struct UpdateDeviceTypeInput {
    pub idempotency_key: String,
    pub expected_revision: Option<Long>,
    pub id: ID,
    pub name: String,
    pub description: String,
    pub tags: Vec<TagInput>,
    pub metadata: Option<Json<Map<String, Value>>>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, InputObject)]
pub struct RollBackInput {
    pub idempotency_key: String,
    pub expected_revision: Long,
    pub entity: EntityKind,
    pub id: ID,
    pub to: Long,
    pub note: Option<String>,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct ThingPayload {
    pub thing: Thing,
    pub revision: Long,
    /// The new thing's key, on creation only.
    pub key: Option<String>,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct ThingKeyPayload {
    pub thing: Thing,
    pub revision: Long,
    pub key: String,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct DeviceTypePayload {
    pub device_type: DeviceType,
    pub revision: Long,
}

#[derive(Default)]
pub struct ThingMutations;

#[Object]
impl ThingMutations {
    async fn create_thing(
        &self,
        ctx: &Context<'_>,
        input: CreateThingInput,
    ) -> Result<ThingPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        let channels = input.channels.unwrap_or_default();
        let channels = channels
            .iter()
            .map(|channel| id(channel, "input.channels"))
            .collect::<Result<Vec<_>, _>>()?;
        let new = NewThing {
            name: input.name,
            metadata: input
                .metadata
                .map(|metadata| metadata.0)
                .unwrap_or_default(),
            device_type: input
                .device_type
                .as_ref()
                .map(|of| id(of, "input.deviceType"))
                .transpose()?,
            tags: tags(input.tags.unwrap_or_default())?,
            ..NewThing::default()
        };
        platform.require_channels(caller, &channels)?;
        let created = platform.create_thing(caller, new, &asked).await?;
        if !channels.is_empty() {
            let step = request(
                ctx,
                &format!("{} connect", input.idempotency_key),
                None,
                None,
            )?;
            platform
                .connect(caller, &channels, &[created.id], &step)
                .await?;
        }
        Ok(ThingPayload {
            thing: view(platform, caller, created.id).await?,
            revision: Long(created.accepted.revision.0),
            key: Some(created.key),
        })
    }

    async fn update_thing(
        &self,
        ctx: &Context<'_>,
        input: UpdateThingInput,
    ) -> Result<ThingPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(
            ctx,
            &input.idempotency_key,
            input.expected_revision,
            input.note,
        )?;
        let device_type = match &input.device_type {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(of) => Some(Some(id::<DeviceTypeId>(of, "input.deviceType")?)),
        };
        let update = ThingUpdate {
            name: input.name,
            metadata: input.metadata.map(|metadata| metadata.0),
            device_type,
            tags: input.tags.map(tags).transpose()?,
        };
        let thing: ThingId = id(&input.id, "input.id")?;
        let accepted = platform.update_thing(caller, thing, update, &asked).await?;
        let revision = Long(accepted.revision.0);
        Ok(ThingPayload {
            thing: view(platform, caller, thing).await?,
            revision,
            key: None,
        })
    }

    async fn remove_thing(&self, ctx: &Context<'_>, input: RemoveInput) -> Result<RemovedPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let thing: ThingId = id(&input.id, "input.id")?;
        let accepted = platform
            .remove_thing(caller, thing, &input.request(ctx)?)
            .await?;
        Ok(RemovedPayload {
            id: input.id,
            revision: Long(accepted.revision.0),
        })
    }

    /// Gives the thing a new key, shows it once, and cuts sessions that use the old one.
    async fn change_thing_key(
        &self,
        ctx: &Context<'_>,
        input: RemoveInput,
    ) -> Result<ThingKeyPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let thing: ThingId = id(&input.id, "input.id")?;
        let (key, accepted) = platform
            .change_thing_key(caller, thing, None, &input.request(ctx)?)
            .await?;
        let revision = Long(accepted.revision.0);
        Ok(ThingKeyPayload {
            thing: view(platform, caller, thing).await?,
            revision,
            key,
        })
    }

    async fn create_device_type(
        &self,
        ctx: &Context<'_>,
        input: DeviceTypeInput,
    ) -> Result<DeviceTypePayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        caller.require(Action::Provision)?;
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        let device_type = DeviceTypeId(asked.entity("device type"));
        let details = device_type::Details {
            name: input.name,
            description: input.description,
            tags: tags(input.tags)?,
            metadata: input
                .metadata
                .map(|metadata| metadata.0)
                .unwrap_or_default(),
        };
        let create = device_type::Command::Create {
            organisation: caller.organisation,
            details,
        };
        let command = Command::DeviceType(create);
        let accepted = platform
            .ask(
                caller.who(),
                caller.organisation,
                device_type.into(),
                command,
                &asked,
            )
            .await?;
        Ok(device_type_payload(platform, caller, device_type, accepted.revision).await?)
    }

    async fn update_device_type(
        &self,
        ctx: &Context<'_>,
        input: UpdateDeviceTypeInput,
    ) -> Result<DeviceTypePayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        caller.require(Action::Provision)?;
        let asked = request(
            ctx,
            &input.idempotency_key,
            input.expected_revision,
            input.note,
        )?;
        let device_type: DeviceTypeId = id(&input.id, "input.id")?;
        owned(platform, caller, EntityKind::DeviceType, &input.id).await?;
        let details = device_type::Details {
            name: input.name,
            description: input.description,
            tags: tags(input.tags)?,
            metadata: input
                .metadata
                .map(|metadata| metadata.0)
                .unwrap_or_default(),
        };
        let command = Command::DeviceType(device_type::Command::Update { details });
        let accepted = platform
            .ask(
                caller.who(),
                caller.organisation,
                device_type.into(),
                command,
                &asked,
            )
            .await?;
        Ok(device_type_payload(platform, caller, device_type, accepted.revision).await?)
    }

    async fn remove_device_type(
        &self,
        ctx: &Context<'_>,
        input: RemoveInput,
    ) -> Result<RemovedPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        caller.require(Action::Provision)?;
        let entity = owned(platform, caller, EntityKind::DeviceType, &input.id).await?;
        let command = Command::DeviceType(device_type::Command::Remove);
        let asked = input.request(ctx)?;
        let accepted = platform
            .ask(caller.who(), caller.organisation, entity, command, &asked)
            .await?;
        Ok(RemovedPayload {
            id: input.id,
            revision: Long(accepted.revision.0),
        })
    }

    /// Writes the state of a past revision again, as a new event. Things, channels, device types, edge devices (their
    /// bootstrap config), alarm rules.
    async fn roll_back(&self, ctx: &Context<'_>, input: RollBackInput) -> Result<RevisionPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let action = match input.entity {
            EntityKind::Thing
            | EntityKind::Channel
            | EntityKind::DeviceType
            | EntityKind::EdgeDevice => Action::Provision,
            EntityKind::AlarmRule => Action::EditAlarmRules,
            EntityKind::Organisation | EntityKind::User | EntityKind::Alarm | EntityKind::Model => {
                return Err(ApiError::invalid("input.entity", "cannot be rolled back").into());
            }
        };
        caller.require(action)?;
        let entity = owned(platform, caller, input.entity, &input.id).await?;
        let asked = request(
            ctx,
            &input.idempotency_key,
            Some(input.expected_revision),
            input.note.clone(),
        )?;
        if input.to.0 == 0 {
            return Err(ApiError::invalid("input.to", "must be at least 1").into());
        }
        let accepted = platform
            .roll_back(caller, entity, Revision(input.to.0), &asked)
            .await?;
        Ok(RevisionPayload {
            id: input.id,
            revision: Long(accepted.revision.0),
        })
    }
}

async fn view(platform: &Platform, caller: &Caller, thing: ThingId) -> Result<Thing, ApiError> {
    Ok(Thing::from(platform.thing(caller, thing).await?))
}

async fn device_type_payload(
    platform: &Platform,
    caller: &Caller,
    id: DeviceTypeId,
    revision: Revision,
) -> Result<DeviceTypePayload, ApiError> {
    let row = platform
        .projections
        .registry()
        .device_type(caller.organisation, id)
        .await?;
    let row =
        row.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "there is no such device type"))?;
    Ok(DeviceTypePayload {
        device_type: DeviceType::from(row),
        revision: Long(revision.0),
    })
}
