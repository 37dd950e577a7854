//! Channels.

use async_graphql::{ComplexObject, Context, ID, Json, Result, SimpleObject};
use serde_json::{Map, Value};
use tellee_actors::ids::ChannelId;
use tellee_projections::registry::{ChannelRow, Connected, Page, ThingFilter};

use super::context::{caller, platform, rows};
use super::enums::Retention;
use super::scalars::{DateTime, Long};
use super::thing::Thing;
use crate::error::ApiError;

/// Things of a channel that are listed at most; `things` of the query pages through more.
const THINGS: u32 = 1_000;

#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct Channel {
    pub id: ID,
    pub name: String,
    pub metadata: Json<Map<String, Value>>,
    pub retention: Retention,
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
            revision: Long(row.stamps.revision.0),
            created_at: DateTime(row.stamps.created_at),
            updated_at: DateTime(row.stamps.updated_at),
            channel: row.id,
        }
    }
}

#[ComplexObject]
impl Channel {
    /// The things connected to it, at most 1,000.
    #[graphql(complexity = "20 * child_complexity + 1")]
    async fn things(&self, ctx: &Context<'_>) -> Result<Vec<Thing>> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let filter = ThingFilter {
            connection: Some(Connected::To(self.channel)),
            ..ThingFilter::default()
        };
        let page = Page::offset(0, THINGS);
        let listing = platform
            .projections
            .registry()
            .things(caller.organisation, filter, page)
            .await;
        Ok(listing
            .map_err(ApiError::from)?
            .rows
            .into_iter()
            .map(Thing::from)
            .collect())
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
