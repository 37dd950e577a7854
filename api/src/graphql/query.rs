//! The queries.

use async_graphql::{Context, ID, Json, Object, Result, SimpleObject};
use serde_json::{Map, Value};
use tellee_actors::ids::{AlarmId, ChannelId, EdgeDeviceId, ModelId, Position, ThingId};
use tellee_projections::alarms::JournalQuery;
use tellee_projections::audit::AuditQuery;
use tellee_projections::registry::{
    AlarmRuleFilter, ChannelFilter, EdgeDeviceFilter, ModelFilter, ThingFilter,
};

use super::alarm::{
    Alarm, AlarmConnection, AlarmCounts, AlarmFilter, AlarmJournalConnection, AlarmKpis, alarms_of,
    position,
};
use super::alarm_rule::AlarmRule;
use super::channel::{Channel, channel_by_id};
use super::context::{caller, id as input_id, look_up, platform};
use super::device_type::DeviceType;
use super::edge_device::{EdgeDevice, UnknownDevice, UnknownDeviceConnection};
use super::enums::{BootstrapState, EntityKind};
use super::history::{
    AuditConnection, Change, EntitySnapshot, HistoryConnection, HistoryEntry, diff_of, history_of,
    owned, snapshot_at,
};
use super::model::Model;
use super::page::{
    AlarmRuleConnection, ChannelConnection, DeviceTypeConnection, EdgeDeviceConnection,
    ModelConnection, PageInfo, ThingConnection, UserConnection, first as bounded, page,
};
use super::scalars::{DateTime, Long};
use super::series::{Series, SeriesConnection, series_by_id, series_id, series_of};
use super::thing::{Thing, thing_by_id};
use super::user::{Organisation, User, Viewer};
use crate::error::ApiError;

/// The longest range of alarm figures: 400 days.
const KPI_RANGE_NS: i64 = 400 * 86_400 * 1_000_000_000;

pub struct Query;

/// What runs here.
#[derive(Debug, Clone, SimpleObject)]
pub struct Server {
    pub version: String,
    pub node: String,
    pub time: DateTime,
    pub ml: MlStatus,
}

/// Whether models can run. `state`: ABSENT (no worker or no libtorch), STARTING, READY, BACKING_OFF, BROKEN.
#[derive(Debug, Clone, SimpleObject)]
pub struct MlStatus {
    pub state: String,
    pub reason: Option<String>,
}

#[Object]
impl Query {
    /// Who asks.
    async fn me(&self, ctx: &Context<'_>) -> Result<Viewer> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let registry = platform.projections.registry();
        let user = registry
            .user(caller.organisation, caller.user)
            .await
            .map_err(ApiError::from)?;
        let user = user.ok_or_else(ApiError::unauthenticated)?;
        let organisation = registry
            .organisation(caller.organisation)
            .await
            .map_err(ApiError::from)?;
        let organisation = organisation.ok_or_else(ApiError::unauthenticated)?;
        Ok(Viewer {
            id: user.id.to_string().into(),
            email: user.email,
            role: user.role.into(),
            organisation: Organisation::from(organisation),
            platform_administrator: user.platform_administrator,
        })
    }

    async fn server(&self, ctx: &Context<'_>) -> Result<Server> {
        let platform = platform(ctx)?;
        let (state, reason) = platform.ml_state();
        Ok(Server {
            version: platform.version.to_owned(),
            node: platform.node.clone(),
            time: DateTime(platform.clock.now()),
            ml: MlStatus {
                state: state.to_owned(),
                reason,
            },
        })
    }

    /// `name` is a part of the name, without regard to case; `metadata` must be contained in the thing's.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn things(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        name: Option<String>,
        metadata: Option<Json<Map<String, Value>>>,
    ) -> Result<ThingConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let filter = ThingFilter {
            name: name.filter(|name| !name.is_empty()),
            metadata: metadata.map(|metadata| metadata.0),
            ..ThingFilter::default()
        };
        let page = page(first, after.as_deref())?;
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

    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn channels(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        name: Option<String>,
    ) -> Result<ChannelConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let filter = ChannelFilter {
            name: name.filter(|name| !name.is_empty()),
            ..ChannelFilter::default()
        };
        let page = page(first, after.as_deref())?;
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

    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn edge_devices(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        name: Option<String>,
        state: Option<BootstrapState>,
    ) -> Result<EdgeDeviceConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let filter = EdgeDeviceFilter {
            name: name.filter(|name| !name.is_empty()),
            state: state.map(Into::into),
            ..EdgeDeviceFilter::default()
        };
        let page = page(first, after.as_deref())?;
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
        let offset: u64 = super::page::cursor(after.as_deref())?.unwrap_or(0);
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

    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn device_types(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
    ) -> Result<DeviceTypeConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let page = page(first, after.as_deref())?;
        let listing = platform
            .projections
            .registry()
            .device_types(caller.organisation, page)
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

    /// Unacknowledged first, then by priority, then the newest first.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn alarms(
        &self,
        ctx: &Context<'_>,
        filter: Option<AlarmFilter>,
        #[graphql(default = 100)] first: i32,
        after: Option<String>,
    ) -> Result<AlarmConnection> {
        Ok(alarms_of(platform(ctx)?, caller(ctx)?, filter, first, after).await?)
    }

    async fn alarm(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Alarm>> {
        let Some(id) = look_up::<AlarmId>(&id) else {
            return Ok(None);
        };
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let row = platform
            .projections
            .alarms()
            .alarm(caller.organisation, id)
            .await;
        Ok(row.map_err(ApiError::from)?.map(Alarm::from))
    }

    /// Per priority and state, for the tally of the header.
    async fn alarm_counts(&self, ctx: &Context<'_>) -> Result<AlarmCounts> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let counts = platform
            .projections
            .alarms()
            .counts(caller.organisation)
            .await;
        Ok(counts.map_err(ApiError::from)?.into())
    }

    /// What happened to alarms, newest first.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    #[allow(clippy::too_many_arguments)]
    async fn alarm_journal(
        &self,
        ctx: &Context<'_>,
        alarm: Option<ID>,
        thing: Option<ID>,
        from: Option<DateTime>,
        to: Option<DateTime>,
        #[graphql(default = 100)] first: i32,
        after: Option<String>,
    ) -> Result<AlarmJournalConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let query = JournalQuery {
            alarm: alarm
                .as_ref()
                .map(|alarm| input_id(alarm, "alarm"))
                .transpose()?,
            thing: thing
                .as_ref()
                .map(|thing| input_id(thing, "thing"))
                .transpose()?,
            from: from.map(|from| from.0),
            to: to.map(|to| to.0),
            before: position(after.as_deref())?,
            limit: bounded(first)?,
        };
        let listing = platform
            .projections
            .alarms()
            .journal(caller.organisation, query)
            .await;
        Ok(listing.map_err(ApiError::from)?.into())
    }

    /// Figures of ISA-18.2 from `from`, inclusive, to `to`, exclusive, or now if that is earlier. At most 400 days.
    #[graphql(complexity = "50 + child_complexity")]
    async fn alarm_kpis(
        &self,
        ctx: &Context<'_>,
        from: DateTime,
        to: DateTime,
    ) -> Result<AlarmKpis> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let to = to.0.min(platform.clock.now());
        if from.0 >= to {
            return Err(ApiError::invalid("from", "must be earlier than `to` and than now").into());
        }
        if to.0.saturating_sub(from.0.0) > KPI_RANGE_NS {
            return Err(ApiError::invalid("from", "lies more than 400 days before `to`").into());
        }
        let alarms = platform.projections.alarms();
        let kpis = alarms
            .kpis(caller.organisation, from.0, to)
            .await
            .map_err(ApiError::from)?;
        let now = alarms
            .counts(caller.organisation)
            .await
            .map_err(ApiError::from)?;
        Ok(AlarmKpis::of(kpis, now))
    }

    /// With `thing`: rules that watch it, also by its device type.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn alarm_rules(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        thing: Option<ID>,
    ) -> Result<AlarmRuleConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let thing = thing
            .as_ref()
            .map(|thing| input_id(thing, "thing"))
            .transpose()?;
        let filter = AlarmRuleFilter {
            thing,
            ..AlarmRuleFilter::default()
        };
        let page = page(first, after.as_deref())?;
        let listing = platform
            .projections
            .registry()
            .alarm_rules(caller.organisation, filter, page)
            .await;
        Ok(AlarmRuleConnection::of(
            listing.map_err(ApiError::from)?,
            AlarmRule::from,
        ))
    }

    async fn alarm_rule(&self, ctx: &Context<'_>, id: ID) -> Result<Option<AlarmRule>> {
        let Some(id) = look_up(&id) else {
            return Ok(None);
        };
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let row = platform
            .projections
            .registry()
            .alarm_rule(caller.organisation, id)
            .await;
        Ok(row.map_err(ApiError::from)?.map(AlarmRule::from))
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

    /// Users of the caller's organisation.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
    ) -> Result<UserConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let page = page(first, after.as_deref())?;
        let listing = platform
            .projections
            .registry()
            .users(caller.organisation, page)
            .await;
        Ok(UserConnection::of(
            listing.map_err(ApiError::from)?,
            User::from,
        ))
    }

    /// Changes of one entity, oldest first, with what each changed.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn history(
        &self,
        ctx: &Context<'_>,
        entity: EntityKind,
        id: ID,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
    ) -> Result<HistoryConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let entity = owned(platform, caller, entity, &id).await?;
        Ok(history_of(platform, entity, first, after).await?)
    }

    /// The entity as it was; give one of revision and time.
    #[graphql(complexity = "20")]
    async fn entity_at(
        &self,
        ctx: &Context<'_>,
        entity: EntityKind,
        id: ID,
        revision: Option<Long>,
        time: Option<DateTime>,
    ) -> Result<Option<EntitySnapshot>> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let entity = owned(platform, caller, entity, &id).await?;
        Ok(snapshot_at(platform, entity, revision, time).await?)
    }

    /// What differs between two revisions; revision 0 is nothing.
    #[graphql(complexity = "20")]
    async fn diff(
        &self,
        ctx: &Context<'_>,
        entity: EntityKind,
        id: ID,
        from: Long,
        to: Long,
    ) -> Result<Vec<Change>> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let entity = owned(platform, caller, entity, &id).await?;
        Ok(diff_of(platform, entity, from.0, to.0).await?)
    }

    /// Who did what, newest first, over all entities of the organisation.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn audit(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        from: Option<DateTime>,
        to: Option<DateTime>,
    ) -> Result<AuditConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let query = AuditQuery {
            entity: None,
            from: from.map(|from| from.0),
            to: to.map(|to| to.0),
            before: super::page::cursor::<u64>(after.as_deref())?.map(Position),
            limit: bounded(first)?,
        };
        let listing = platform
            .projections
            .audit()
            .entries(caller.organisation, query)
            .await;
        let listing = listing.map_err(ApiError::from)?;
        let end = listing.rows.last().map(|row| row.position);
        let nodes = listing.rows.into_iter().map(|row| HistoryEntry {
            entity: row.entity.kind.into(),
            id: row.entity.id.to_string().into(),
            revision: Long(row.revision.0),
            at: DateTime(row.at),
            event_type: row.event_type,
            note: row.note,
            by: row.who,
            entity_id: row.entity,
        });
        Ok(AuditConnection {
            nodes: nodes.collect(),
            page_info: PageInfo::new(listing.has_more, end),
        })
    }
}
