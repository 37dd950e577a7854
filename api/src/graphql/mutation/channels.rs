//! Channels and connections.

use async_graphql::{Context, ID, InputObject, Json, Object, Result, SimpleObject};
use serde_json::{Map, Value};
use tellee_actors::domain::channel::{self, Details};
use tellee_actors::ids::{ChannelId, Revision, ThingId};

use super::{RemoveInput, RemovedPayload, request};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::graphql::channel::Channel;
use crate::graphql::context::{caller, id, platform};
use crate::graphql::enums::{Retention, RollupRetention};
use crate::graphql::scalars::Long;
use crate::platform::Platform;

#[derive(Debug, Clone, InputObject)]
pub struct CreateChannelInput {
    pub idempotency_key: String,
    pub name: String,
    pub metadata: Option<Json<Map<String, Value>>>,
    pub retention: Option<Retention>,
    pub rollup_retention: Option<RollupRetention>,
}

#[derive(Debug, Clone, InputObject)]
pub struct UpdateChannelInput {
    pub idempotency_key: String,
    pub expected_revision: Option<Long>,
    pub id: ID,
    pub name: Option<String>,
    pub metadata: Option<Json<Map<String, Value>>>,
    /// Holds for data that is dropped from now on.
    pub retention: Option<Retention>,
    /// As `retention`: what is gone does not come back.
    pub rollup_retention: Option<RollupRetention>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, InputObject)]
pub struct ConnectInput {
    pub idempotency_key: String,
    pub channels: Vec<ID>,
    pub things: Vec<ID>,
}

impl ConnectInput {
    fn ids(&self) -> Result<(Vec<ChannelId>, Vec<ThingId>), ApiError> {
        let channels = self
            .channels
            .iter()
            .map(|channel| id(channel, "input.channels"));
        let things = self.things.iter().map(|thing| id(thing, "input.things"));
        Ok((
            channels.collect::<Result<_, _>>()?,
            things.collect::<Result<_, _>>()?,
        ))
    }
}

#[derive(Debug, Clone, SimpleObject)]
pub struct ChannelPayload {
    pub channel: Channel,
    pub revision: Long,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct ConnectPayload {
    pub channels: Vec<Channel>,
}

#[derive(Default)]
pub struct ChannelMutations;

#[Object]
impl ChannelMutations {
    async fn create_channel(
        &self,
        ctx: &Context<'_>,
        input: CreateChannelInput,
    ) -> Result<ChannelPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        let details = Details {
            name: input.name,
            metadata: input
                .metadata
                .map(|metadata| metadata.0)
                .unwrap_or_default(),
            retention: input.retention.map(Into::into).unwrap_or_default(),
            rollup_retention: input.rollup_retention.map(Into::into).unwrap_or_default(),
        };
        let (channel, accepted) = platform
            .create_channel(caller, None, details, &asked)
            .await?;
        Ok(payload(platform, caller, channel, accepted.revision).await?)
    }

    async fn update_channel(
        &self,
        ctx: &Context<'_>,
        input: UpdateChannelInput,
    ) -> Result<ChannelPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(
            ctx,
            &input.idempotency_key,
            input.expected_revision,
            input.note,
        )?;
        let channel: ChannelId = id(&input.id, "input.id")?;
        let update = channel::Command::Update {
            name: input.name,
            metadata: input.metadata.map(|metadata| metadata.0),
            retention: input.retention.map(Into::into),
            rollup_retention: input.rollup_retention.map(Into::into),
        };
        let accepted = platform
            .update_channel(caller, channel, update, &asked)
            .await?;
        Ok(payload(platform, caller, channel, accepted.revision).await?)
    }

    async fn remove_channel(
        &self,
        ctx: &Context<'_>,
        input: RemoveInput,
    ) -> Result<RemovedPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let channel: ChannelId = id(&input.id, "input.id")?;
        let accepted = platform
            .remove_channel(caller, channel, &input.request(ctx)?)
            .await?;
        Ok(RemovedPayload {
            id: input.id,
            revision: Long(accepted.revision.0),
        })
    }

    /// Connects each thing to each channel.
    async fn connect(&self, ctx: &Context<'_>, input: ConnectInput) -> Result<ConnectPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let (channels, things) = input.ids()?;
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        platform.connect(caller, &channels, &things, &asked).await?;
        Ok(connected(platform, caller, &channels).await?)
    }

    /// Disconnects each thing from each channel.
    async fn disconnect(&self, ctx: &Context<'_>, input: ConnectInput) -> Result<ConnectPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let (channels, things) = input.ids()?;
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        platform
            .disconnect(caller, &channels, &things, &asked)
            .await?;
        Ok(connected(platform, caller, &channels).await?)
    }
}

async fn payload(
    platform: &Platform,
    caller: &Caller,
    id: ChannelId,
    revision: Revision,
) -> Result<ChannelPayload, ApiError> {
    let channel = Channel::from(platform.channel(caller, id).await?);
    Ok(ChannelPayload {
        channel,
        revision: Long(revision.0),
    })
}

async fn connected(
    platform: &Platform,
    caller: &Caller,
    ids: &[ChannelId],
) -> Result<ConnectPayload, ApiError> {
    let mut channels = Vec::with_capacity(ids.len());
    for id in ids {
        channels.push(Channel::from(platform.channel(caller, *id).await?));
    }
    Ok(ConnectPayload { channels })
}
