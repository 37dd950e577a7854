//! Things and their tags.

use async_graphql::{ComplexObject, Context, ID, Json, Result, SimpleObject};
use serde_json::{Map, Value};
use tellee_actors::domain::thing::Tag as DomainTag;
use tellee_actors::ids::{DeviceTypeId, EdgeDeviceId, ThingId};
use tellee_projections::registry::ThingRow;

use super::alarm::{Alarm, AlarmConnection, AlarmFilter, alarms_of};
use super::channel::{Channel, channels_by_id};
use super::context::{caller, platform, rows};
use super::device_type::DeviceType;
use super::edge_device::EdgeDevice;
use super::model::Model;
use super::rows::{ModelsOf, WorstAlarmOf};
use super::scalars::{DateTime, Long};
use super::series::{SeriesConnection, series_of};
use crate::error::ApiError;

#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct Thing {
    pub id: ID,
    pub name: String,
    pub metadata: Json<Map<String, Value>>,
    pub revision: Long,
    pub created_at: DateTime,
    pub updated_at: DateTime,
    #[graphql(skip)]
    pub thing: ThingId,
    #[graphql(skip)]
    pub own_tags: Vec<DomainTag>,
    #[graphql(skip)]
    pub type_id: Option<DeviceTypeId>,
}

impl From<ThingRow> for Thing {
    fn from(row: ThingRow) -> Self {
        Self {
            id: row.id.to_string().into(),
            name: row.name,
            metadata: Json(row.metadata),
            revision: Long(row.stamps.revision.0),
            created_at: DateTime(row.stamps.created_at),
            updated_at: DateTime(row.stamps.updated_at),
            thing: row.id,
            own_tags: row.tags,
            type_id: row.device_type,
        }
    }
}

/// An engineer's description of a series.
#[derive(Debug, Clone, PartialEq, SimpleObject)]
pub struct Tag {
    pub series: String,
    pub title: String,
    pub unit: String,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub decimals: i32,
    pub expected_interval_ms: Option<Long>,
}

impl From<DomainTag> for Tag {
    fn from(tag: DomainTag) -> Self {
        Self {
            series: tag.series,
            title: tag.title,
            unit: tag.unit,
            low: tag.low,
            high: tag.high,
            decimals: i32::from(tag.decimals),
            expected_interval_ms: tag.expected_interval_ms.map(Long),
        }
    }
}

#[ComplexObject]
impl Thing {
    /// Its own tags, then those of its device type for series that it does not describe itself.
    async fn tags(&self, ctx: &Context<'_>) -> Result<Vec<Tag>> {
        let tags = all_tags(ctx, self.own_tags.clone(), self.type_id).await?;
        Ok(tags.into_iter().map(Tag::from).collect())
    }

    async fn device_type(&self, ctx: &Context<'_>) -> Result<Option<DeviceType>> {
        let Some(id) = self.type_id else {
            return Ok(None);
        };
        Ok(rows(ctx)?.load_one(id).await?.map(DeviceType::from))
    }

    #[graphql(complexity = "10 * child_complexity + 1")]
    async fn channels(&self, ctx: &Context<'_>) -> Result<Vec<Channel>> {
        let ids = platform(ctx)?
            .projections
            .access()
            .thing_channels(self.thing);
        Ok(channels_by_id(ctx, ids.iter().copied()).await?)
    }

    async fn edge_device(&self, ctx: &Context<'_>) -> Result<Option<EdgeDevice>> {
        let device = EdgeDeviceId(self.thing.0);
        Ok(rows(ctx)?.load_one(device).await?.map(EdgeDevice::from))
    }

    /// `match` is a part of the name, without regard to case.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn series(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "match")] part: Option<String>,
        #[graphql(default = 100)] first: i32,
        after: Option<String>,
    ) -> Result<SeriesConnection> {
        Ok(series_of(
            platform(ctx)?,
            caller(ctx)?,
            Some(self.thing),
            None,
            part,
            first,
            after,
        )
        .await?)
    }

    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn alarms(
        &self,
        ctx: &Context<'_>,
        filter: Option<AlarmFilter>,
        #[graphql(default = 50)] first: i32,
    ) -> Result<AlarmConnection> {
        let mut filter = filter.unwrap_or_default();
        filter.thing = Some(self.id.clone());
        Ok(alarms_of(platform(ctx)?, caller(ctx)?, Some(filter), first, None).await?)
    }

    #[graphql(complexity = "5 * child_complexity + 1")]
    async fn models(&self, ctx: &Context<'_>) -> Result<Vec<Model>> {
        let found = rows(ctx)?.load_one(ModelsOf(self.thing)).await?;
        Ok(found
            .unwrap_or_default()
            .into_iter()
            .map(Model::from)
            .collect())
    }

    /// Receive time of its newest message.
    async fn last_seen(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        Ok(platform(ctx)?.last_seen(self.thing).await?.map(DateTime))
    }

    /// Its highest active alarm: unacknowledged first, then by priority.
    async fn worst_alarm(&self, ctx: &Context<'_>) -> Result<Option<Alarm>> {
        let worst = rows(ctx)?.load_one(WorstAlarmOf(self.thing)).await?;
        Ok(worst.map(Alarm::from))
    }
}

/// A thing's own tags, then those of its device type for series that it does not describe itself.
async fn all_tags(
    ctx: &Context<'_>,
    mut tags: Vec<DomainTag>,
    device_type: Option<DeviceTypeId>,
) -> Result<Vec<DomainTag>, ApiError> {
    let Some(device_type) = device_type else {
        return Ok(tags);
    };
    if let Some(row) = rows(ctx)?.load_one(device_type).await? {
        for tag in row.tags {
            if !tags.iter().any(|own| own.series == tag.series) {
                tags.push(tag);
            }
        }
    }
    Ok(tags)
}

/// The engineer's descriptions of the series of `thing`: the thing's own before those of its device type.
pub async fn tags_of(ctx: &Context<'_>, thing: ThingId) -> Result<Vec<DomainTag>, ApiError> {
    match rows(ctx)?.load_one(thing).await? {
        Some(row) => all_tags(ctx, row.tags, row.device_type).await,
        None => Ok(Vec::new()),
    }
}

/// The thing with this id, if it is of the caller's organisation.
pub async fn thing_by_id(ctx: &Context<'_>, id: ThingId) -> Result<Option<Thing>, ApiError> {
    Ok(rows(ctx)?.load_one(id).await?.map(Thing::from))
}
