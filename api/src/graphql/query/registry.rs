//! Things, channels, edge devices, device types, series, models, users.

use async_graphql::{Context, ID, Json, Object, Result};
use serde_json::{Map, Value};
use tellee_actors::ids::{ChannelId, EdgeDeviceId, ModelId, ThingId};
use tellee_projections::registry::{ChannelFilter, EdgeDeviceFilter, ModelFilter, ThingFilter};

use crate::error::ApiError;
use crate::graphql::channel::{Channel, channel_by_id};
use crate::graphql::context::{caller, id as input_id, look_up, platform};
use crate::graphql::device_type::DeviceType;
use crate::graphql::edge_device::{EdgeDevice, UnknownDevice, UnknownDeviceConnection};
use crate::graphql::enums::{BootstrapState, ListOrder};
use crate::graphql::model::Model;
use crate::graphql::page::{
    ChannelConnection, DeviceTypeConnection, EdgeDeviceConnection, ModelConnection, PageInfo,
    ThingConnection, UserConnection, first as bounded, page,
};
use crate::graphql::scalars::Long;
use crate::graphql::series::{Series, SeriesConnection, series_by_id, series_id, series_of};
use crate::graphql::thing::{Thing, thing_by_id};
use crate::graphql::user::User;

#[derive(Default)]
pub struct RegistryQueries;

#[Object]
impl RegistryQueries {
    /// `name` is a part of the name, without regard to case; `metadata` must be contained in the thing's.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn things(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        name: Option<String>,
        metadata: Option<Json<Map<String, Value>>>,
        #[graphql(default)] order: ListOrder,
    ) -> Result<ThingConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let filter = ThingFilter {
            name: name.filter(|name| !name.is_empty()),
            metadata: metadata.map(|metadata| metadata.0),
            ..ThingFilter::default()
        };
        let page = order.of(page(first, after.as_deref())?)?;
        let listing = platform
            .projections
            .registry()
            .things(caller.organisation, filter, page)
            .await;
        Ok(ThingConnection::of(
            listing.map_err(ApiError::from)?,
            Thing::from,
        ))
    }

    async fn thing(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Thing>> {
        let Some(id) = look_up::<ThingId>(&id) else {
            return Ok(None);
        };
        Ok(thing_by_id(ctx, id).await?)
    }

    /// `name` is a part of the name, without regard to case; `metadata` must be contained in the channel's.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn channels(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        name: Option<String>,
        metadata: Option<Json<Map<String, Value>>>,
        #[graphql(default)] order: ListOrder,
    ) -> Result<ChannelConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let filter = ChannelFilter {
            name: name.filter(|name| !name.is_empty()),
            metadata: metadata.map(|metadata| metadata.0),
            ..ChannelFilter::default()
        };
        let page = order.of(page(first, after.as_deref())?)?;
        let listing = platform
            .projections
            .registry()
            .channels(caller.organisation, filter, page)
            .await;
        Ok(ChannelConnection::of(
            listing.map_err(ApiError::from)?,
            Channel::from,
        ))
    }

    async fn channel(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Channel>> {
        let Some(id) = look_up::<ChannelId>(&id) else {
            return Ok(None);
        };
        Ok(channel_by_id(ctx, id).await?)
    }

    /// `name` is a part of the name or of the external id, without regard to case.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn edge_devices(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        name: Option<String>,
        state: Option<BootstrapState>,
        #[graphql(default)] order: ListOrder,
    ) -> Result<EdgeDeviceConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let filter = EdgeDeviceFilter {
            name_or_external_id: name.filter(|name| !name.is_empty()),
            state: state.map(Into::into),
            ..EdgeDeviceFilter::default()
        };
        let page = order.of(page(first, after.as_deref())?)?;
        let listing = platform
            .projections
            .registry()
            .edge_devices(caller.organisation, filter, page)
            .await;
        Ok(EdgeDeviceConnection::of(
            listing.map_err(ApiError::from)?,
            EdgeDevice::from,
        ))
    }

    async fn edge_device(&self, ctx: &Context<'_>, id: ID) -> Result<Option<EdgeDevice>> {
        let Some(id) = look_up::<EdgeDeviceId>(&id) else {
            return Ok(None);
        };
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let row = platform
            .projections
            .registry()
            .edge_device(caller.organisation, id)
            .await;
        Ok(row.map_err(ApiError::from)?.map(EdgeDevice::from))
    }

    /// Devices that asked to bootstrap and are not known, newest first. They are of no organisation yet: platform
    /// administrators see them.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn unknown_devices(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
    ) -> Result<UnknownDeviceConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let limit = bounded(first)?;
        let offset: u64 = crate::graphql::page::cursor(after.as_deref())?.unwrap_or(0);
        if !caller.platform_administrator {
            let page_info = PageInfo::new(false, None::<u64>);
            return Ok(UnknownDeviceConnection {
                nodes: Vec::new(),
                page_info,
                total: Long(0),
            });
        }
        let listing = platform
            .projections
            .unknown_devices()
            .list(offset, limit)
            .await;
        let listing = listing.map_err(ApiError::from)?;
        let end = offset + listing.rows.len() as u64;
        Ok(UnknownDeviceConnection {
            page_info: PageInfo::new(
                end < listing.total,
                (!listing.rows.is_empty()).then_some(end),
            ),
            total: Long(listing.total),
            nodes: listing.rows.into_iter().map(UnknownDevice::from).collect(),
        })
    }

    /// `name` is a part of the name, without regard to case.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn device_types(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        name: Option<String>,
        #[graphql(default)] order: ListOrder,
    ) -> Result<DeviceTypeConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let page = order.of(page(first, after.as_deref())?)?;
        let listing = platform
            .projections
            .registry()
            .device_types(caller.organisation, name.as_deref(), page)
            .await;
        Ok(DeviceTypeConnection::of(
            listing.map_err(ApiError::from)?,
            DeviceType::from,
        ))
    }

    /// `match` is a part of the name, without regard to case.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn series(
        &self,
        ctx: &Context<'_>,
        thing: Option<ID>,
        channel: Option<ID>,
        #[graphql(name = "match")] part: Option<String>,
        #[graphql(default = 100)] first: i32,
        after: Option<String>,
    ) -> Result<SeriesConnection> {
        let thing = thing
            .as_ref()
            .map(|thing| input_id(thing, "thing"))
            .transpose()?;
        let channel = channel
            .as_ref()
            .map(|channel| input_id(channel, "channel"))
            .transpose()?;
        Ok(series_of(
            platform(ctx)?,
            caller(ctx)?,
            thing,
            channel,
            part,
            first,
            after,
        )
        .await?)
    }

    async fn series_by_id(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Series>> {
        let Some(id) = series_id(&id) else {
            return Ok(None);
        };
        Ok(series_by_id(platform(ctx)?, caller(ctx)?, id).await?)
    }

    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn models(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        thing: Option<ID>,
    ) -> Result<ModelConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let thing = thing
            .as_ref()
            .map(|thing| input_id(thing, "thing"))
            .transpose()?;
        let filter = ModelFilter {
            thing,
            ..ModelFilter::default()
        };
        let page = page(first, after.as_deref())?;
        let listing = platform
            .projections
            .registry()
            .models(caller.organisation, filter, page)
            .await;
        Ok(ModelConnection::of(
            listing.map_err(ApiError::from)?,
            Model::from,
        ))
    }

    async fn model(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Model>> {
        let Some(id) = look_up::<ModelId>(&id) else {
            return Ok(None);
        };
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let row = platform
            .projections
            .registry()
            .model(caller.organisation, id)
            .await;
        Ok(row.map_err(ApiError::from)?.map(Model::from))
    }

    /// Users of the caller's organisation. `email` is a part of the address, without regard to case.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        email: Option<String>,
        #[graphql(default)] order: ListOrder,
    ) -> Result<UserConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let page = order.of(page(first, after.as_deref())?)?;
        let listing = platform
            .projections
            .registry()
            .users(caller.organisation, email.as_deref(), page)
            .await;
        Ok(UserConnection::of(
            listing.map_err(ApiError::from)?,
            User::from,
        ))
    }
}
