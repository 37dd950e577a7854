//! Channels.

use async_graphql::{ComplexObject, Context, ID, Json, Result, SimpleObject};
use serde_json::{Map, Value};
use tellee_actors::ids::ChannelId;
use tellee_projections::registry::{ChannelRow, Connected, Listing, Page, ThingFilter, ThingRow};

use super::context::{caller, platform, rows};
use super::enums::{Retention, RollupRetention};
use super::page;
use super::scalars::{DateTime, Long};
use super::thing::Thing;
use crate::error::ApiError;

#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct Channel {
    pub id: ID,
    pub name: String,
    pub metadata: Json<Map<String, Value>>,
    pub retention: Retention,
    pub rollup_retention: RollupRetention,
    pub revision: Long,
    pub created_at: DateTime,
    pub updated_at: DateTime,
    #[graphql(skip)]
    pub channel: ChannelId,
}

impl From<ChannelRow> for Channel {
    fn from(row: ChannelRow) -> Self {
        Self {
            id: row.id.to_string().into(),
            name: row.name,
            metadata: Json(row.metadata),
            retention: row.retention.into(),
            rollup_retention: row.rollup_retention.into(),
            revision: Long(row.stamps.revision.0),
            created_at: DateTime(row.stamps.created_at),
            updated_at: DateTime(row.stamps.updated_at),
            channel: row.id,
        }
    }
}

#[ComplexObject]
impl Channel {
    /// The things connected to it, at most the `first`.
    #[graphql(complexity = "20 * child_complexity + 1")]
    async fn things(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 1000)] first: i32,
    ) -> Result<Vec<Thing>> {
        let connected = self.connected(ctx, page::first(first)?).await?;
        Ok(connected.rows.into_iter().map(Thing::from).collect())
    }

    /// How many things are connected to it.
    #[graphql(complexity = 20)]
    async fn thing_count(&self, ctx: &Context<'_>) -> Result<Long> {
        Ok(Long(self.connected(ctx, 1).await?.total))
    }
}

impl Channel {
    async fn connected(
        &self,
        ctx: &Context<'_>,
        limit: u32,
    ) -> Result<Listing<ThingRow>, ApiError> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let filter = ThingFilter {
            connection: Some(Connected::To(self.channel)),
            ..ThingFilter::default()
        };
        let registry = platform.projections.registry();
        let listing = registry.things(caller.organisation, filter, Page::offset(0, limit));
        listing.await.map_err(ApiError::from)
    }
}

/// The channel with this id, if it is of the caller's organisation.
pub async fn channel_by_id(ctx: &Context<'_>, id: ChannelId) -> Result<Option<Channel>, ApiError> {
    Ok(rows(ctx)?.load_one(id).await?.map(Channel::from))
}

/// Those of the channels with these ids that are of the caller's organisation, in the order of `ids`.
pub async fn channels_by_id(
    ctx: &Context<'_>,
    ids: impl IntoIterator<Item = ChannelId>,
) -> Result<Vec<Channel>, ApiError> {
    let ids: Vec<ChannelId> = ids.into_iter().collect();
    let mut found = rows(ctx)?.load_many(ids.iter().copied()).await?;
    Ok(ids
        .iter()
        .filter_map(|id| found.remove(id))
        .map(Channel::from)
        .collect())
}
