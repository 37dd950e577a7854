//! Alarms, their journal, their figures, their rules.

use async_graphql::{Context, ID, Object, Result};
use tellee_actors::ids::AlarmId;
use tellee_projections::alarms::JournalQuery;
use tellee_projections::registry::AlarmRuleFilter;

use crate::error::ApiError;
use crate::graphql::alarm::{
    Alarm, AlarmConnection, AlarmCounts, AlarmFilter, AlarmJournalConnection, AlarmKpis, alarms_of,
    position,
};
use crate::graphql::alarm_rule::AlarmRule;
use crate::graphql::context::{caller, id as input_id, look_up, platform};
use crate::graphql::enums::ListOrder;
use crate::graphql::page::{AlarmRuleConnection, first as bounded, page};
use crate::graphql::scalars::DateTime;

/// The longest range of alarm figures: 400 days.
const KPI_RANGE_NS: i64 = 400 * 86_400 * 1_000_000_000;

#[derive(Default)]
pub struct AlarmQueries;

#[Object]
impl AlarmQueries {
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

    /// With `thing`: rules that watch it, also by its device type. `name` is a part of the name, without regard to case.
    #[graphql(complexity = "(first.max(1) as usize) * child_complexity + 1")]
    async fn alarm_rules(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 50)] first: i32,
        after: Option<String>,
        thing: Option<ID>,
        name: Option<String>,
        #[graphql(default)] order: ListOrder,
    ) -> Result<AlarmRuleConnection> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let thing = thing
            .as_ref()
            .map(|thing| input_id(thing, "thing"))
            .transpose()?;
        let filter = AlarmRuleFilter {
            name,
            thing,
            ..AlarmRuleFilter::default()
        };
        let page = order.of(page(first, after.as_deref())?)?;
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
}
