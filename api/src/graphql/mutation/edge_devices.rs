//! Edge devices.

use std::collections::BTreeSet;

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use tellee_actors::domain::edge_device::BootstrapState as DomainState;
use tellee_actors::ids::{ChannelId, EdgeDeviceId, Revision};

use super::{RemoveInput, RemovedPayload, request};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::graphql::context::{caller, id, platform};
use crate::graphql::edge_device::EdgeDevice;
use crate::graphql::enums::BootstrapState;
use crate::graphql::scalars::Long;
use crate::platform::{NewEdgeDevice, Platform};

#[derive(Debug, Clone, InputObject)]
pub struct RegisterEdgeDeviceInput {
    pub idempotency_key: String,
    pub external_id: String,
    pub external_key: String,
    pub name: String,
    #[graphql(default)]
    pub content: String,
    pub channels: Vec<ID>,
    /// An existing thing; without it one is made.
    pub thing: Option<ID>,
    #[graphql(default = true)]
    pub activate: bool,
}

#[derive(Debug, Clone, InputObject)]
pub struct UpdateEdgeDeviceInput {
    pub idempotency_key: String,
    pub expected_revision: Option<Long>,
    pub id: ID,
    pub name: Option<String>,
    pub content: Option<String>,
    pub channels: Option<Vec<ID>>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, InputObject)]
pub struct ChangeEdgeDeviceStateInput {
    pub idempotency_key: String,
    pub expected_revision: Option<Long>,
    pub id: ID,
    pub state: BootstrapState,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct EdgeDevicePayload {
    pub edge_device: EdgeDevice,
    pub revision: Long,
}

#[derive(Default)]
pub struct EdgeDeviceMutations;

fn channel_ids(ids: &[ID]) -> Result<BTreeSet<ChannelId>, ApiError> {
    ids.iter()
        .map(|channel| id(channel, "input.channels"))
        .collect()
}

#[Object]
impl EdgeDeviceMutations {
    /// Also claims an unknown device.
    async fn register_edge_device(
        &self,
        ctx: &Context<'_>,
        input: RegisterEdgeDeviceInput,
    ) -> Result<EdgeDevicePayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        let new = NewEdgeDevice {
            external_id: input.external_id,
            external_key: input.external_key,
            thing: input
                .thing
                .as_ref()
                .map(|thing| id(thing, "input.thing"))
                .transpose()?,
            name: input.name,
            content: input.content,
            channels: channel_ids(&input.channels)?,
            ..NewEdgeDevice::default()
        };
        let (device, accepted) = platform.register_edge_device(caller, new, &asked).await?;
        let mut revision = accepted.revision;
        if input.activate {
            let step = request(
                ctx,
                &format!("{} activate", input.idempotency_key),
                None,
                None,
            )?;
            let active = DomainState::Active;
            revision = platform
                .change_edge_device_state(caller, device, active, &step)
                .await?
                .revision;
        }
        Ok(payload(platform, caller, device, revision).await?)
    }

    async fn update_edge_device(
        &self,
        ctx: &Context<'_>,
        input: UpdateEdgeDeviceInput,
    ) -> Result<EdgeDevicePayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let device: EdgeDeviceId = id(&input.id, "input.id")?;
        let asked = request(
            ctx,
            &input.idempotency_key,
            input.expected_revision,
            input.note.clone(),
        )?;
        let changes_info = input.name.is_some() || input.content.is_some();
        let mut revision = None;
        if changes_info {
            let accepted = platform
                .update_edge_device(caller, device, input.name, input.content, &asked)
                .await?;
            revision = Some(accepted.revision);
        }
        if let Some(channels) = input.channels {
            let channels = channel_ids(&channels)?;
            // After a first change of the same request the revision that the client saw is no longer the present one.
            let expected = revision.map_or(input.expected_revision, |revision: Revision| {
                Some(Long(revision.0))
            });
            let step = request(
                ctx,
                &format!("{} channels", input.idempotency_key),
                expected,
                input.note,
            )?;
            let accepted = platform
                .update_edge_device_channels(caller, device, channels, &step)
                .await?;
            revision = Some(accepted.revision);
        }
        let Some(revision) = revision else {
            return Err(ApiError::invalid("input", "changes nothing").into());
        };
        Ok(payload(platform, caller, device, revision).await?)
    }

    /// ACTIVE connects its thing to each channel of the config, INACTIVE disconnects it.
    async fn change_edge_device_state(
        &self,
        ctx: &Context<'_>,
        input: ChangeEdgeDeviceStateInput,
    ) -> Result<EdgeDevicePayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let device: EdgeDeviceId = id(&input.id, "input.id")?;
        let asked = request(ctx, &input.idempotency_key, input.expected_revision, None)?;
        let accepted = platform
            .change_edge_device_state(caller, device, input.state.into(), &asked)
            .await?;
        Ok(payload(platform, caller, device, accepted.revision).await?)
    }

    /// Its thing and the thing's connections stay.
    async fn remove_edge_device(
        &self,
        ctx: &Context<'_>,
        input: RemoveInput,
    ) -> Result<RemovedPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let device: EdgeDeviceId = id(&input.id, "input.id")?;
        let accepted = platform
            .remove_edge_device(caller, device, &input.request(ctx)?)
            .await?;
        Ok(RemovedPayload {
            id: input.id,
            revision: Long(accepted.revision.0),
        })
    }
}

async fn payload(
    platform: &Platform,
    caller: &Caller,
    id: EdgeDeviceId,
    revision: Revision,
) -> Result<EdgeDevicePayload, ApiError> {
    let edge_device = EdgeDevice::from(platform.edge_device(caller, id).await?);
    Ok(EdgeDevicePayload {
        edge_device,
        revision: Long(revision.0),
    })
}
