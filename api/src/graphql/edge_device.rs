//! Edge devices and those that are not known yet.

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};
use tellee_actors::ids::ThingId;
use tellee_projections::registry::EdgeDeviceRow;
use tellee_projections::unknown_devices::UnknownDevice as UnknownRow;

use super::channel::{Channel, channels_by_id};
use super::context::platform;
use super::enums::BootstrapState;
use super::page::PageInfo;
use super::scalars::{DateTime, Long};
use super::thing::{Thing, thing_by_id};

#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct EdgeDevice {
    /// The id of the thing that it signs in as.
    pub id: ID,
    pub external_id: String,
    pub name: String,
    pub content: String,
    pub state: BootstrapState,
    pub revision: Long,
    pub bootstraps: Long,
    pub last_bootstrap: Option<DateTime>,
    /// Revision of the config that the device fetched last.
    pub fetched_revision: Option<Long>,
    /// It fetched what is in force now.
    pub up_to_date: bool,
    #[graphql(skip)]
    pub thing_id: ThingId,
    #[graphql(skip)]
    pub channel_ids: Vec<tellee_actors::ids::ChannelId>,
}

impl From<EdgeDeviceRow> for EdgeDevice {
    fn from(row: EdgeDeviceRow) -> Self {
        Self {
            up_to_date: row.is_up_to_date(),
            id: row.id.to_string().into(),
            external_id: row.external_id,
            name: row.config.name,
            content: row.config.content,
            state: row.state.into(),
            revision: Long(row.stamps.revision.0),
            bootstraps: Long(row.bootstraps),
            last_bootstrap: row.last_bootstrap.map(DateTime),
            fetched_revision: row.fetched_revision.map(|revision| Long(revision.0)),
            thing_id: row.thing,
            channel_ids: row.config.channels.into_iter().collect(),
        }
    }
}

#[ComplexObject]
impl EdgeDevice {
    async fn thing(&self, ctx: &Context<'_>) -> Result<Option<Thing>> {
        Ok(thing_by_id(ctx, self.thing_id).await?)
    }

    #[graphql(complexity = "5 * child_complexity + 1")]
    async fn channels(&self, ctx: &Context<'_>) -> Result<Vec<Channel>> {
        Ok(channels_by_id(ctx, self.channel_ids.iter().copied()).await?)
    }

    /// A message of its thing came within the last minute.
    async fn online(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(platform(ctx)?.is_online(self.thing_id).await?)
    }

    /// Receive time of the newest message of its thing.
    async fn last_seen(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        Ok(platform(ctx)?.last_seen(self.thing_id).await?.map(DateTime))
    }
}

/// A device that asked to bootstrap and is not known.
#[derive(Debug, Clone, SimpleObject)]
pub struct UnknownDevice {
    pub external_id: String,
    pub first_seen: DateTime,
    pub last_seen: DateTime,
    pub attempts: Long,
    pub address: String,
}

impl From<UnknownRow> for UnknownDevice {
    fn from(row: UnknownRow) -> Self {
        Self {
            external_id: row.external_id,
            first_seen: DateTime(row.first_seen),
            last_seen: DateTime(row.last_seen),
            attempts: Long(row.attempts),
            address: row.address,
        }
    }
}

#[derive(SimpleObject)]
pub struct UnknownDeviceConnection {
    pub nodes: Vec<UnknownDevice>,
    pub page_info: PageInfo,
    pub total: Long,
}
