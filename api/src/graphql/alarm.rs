//! Alarms, their journal, their figures.

use async_graphql::{ComplexObject, Context, ID, InputObject, Result, SimpleObject};
use tellee_actors::domain::thing::Tag;
use tellee_actors::ids::{AlarmId, AlarmRuleId, Position, ThingId};
use tellee_projections::alarms::{
    AlarmCounts as RowCounts, AlarmCursor, AlarmFilter as RowFilter, AlarmKpis as RowKpis,
    AlarmRow, JournalEntry, JournalListing, PriorityCount as RowPriorityCount,
};
use tellee_projections::telemetry::{Quality as SampleQuality, SeriesFilter};

use super::alarm_rule::AlarmRule;
use super::channel::{Channel, channel_by_id};
use super::context::{id, name_of, platform, rows, user_names, who_name};
use super::enums::{AlarmCause, AlarmClass, AlarmState, Priority, Quality};
use super::page::{PageInfo, cursor, first as bounded};
use super::scalars::{DateTime, Long};
use super::series::Series;
use super::thing::{Thing, tags_of, thing_by_id};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::platform::Platform;

#[derive(Debug, Clone, Default, InputObject)]
pub struct AlarmFilter {
    /// Only these states. Without it: all but NORMAL.
    pub states: Option<Vec<AlarmState>>,
    pub priorities: Option<Vec<Priority>>,
    pub classes: Option<Vec<AlarmClass>>,
    pub thing: Option<ID>,
    pub unacknowledged: Option<bool>,
}

impl AlarmFilter {
    fn into_row_filter(self) -> Result<RowFilter, ApiError> {
        let thing = match &self.thing {
            Some(thing) => Some(id(thing, "filter.thing")?),
            None => None,
        };
        Ok(RowFilter {
            letters: self
                .states
                .map(|states| states.into_iter().map(Into::into).collect()),
            priorities: self
                .priorities
                .map(|found| found.into_iter().map(Into::into).collect()),
            classes: self
                .classes
                .map(|found| found.into_iter().map(Into::into).collect()),
            thing,
            unacknowledged: self.unacknowledged,
        })
    }
}

#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct Alarm {
    pub id: ID,
    pub state: AlarmState,
    pub priority: Priority,
    pub class: AlarmClass,
    pub cause: AlarmCause,
    pub latching: bool,
    pub subtopic: String,
    pub series_name: String,
    pub occurrence: Long,
    pub message: String,
    pub consequence: String,
    /// What the operator does.
    pub action: String,
    pub time_to_respond_ms: Option<Long>,
    /// What it had when it was raised; absent where no sample came.
    pub value: Option<f64>,
    pub limit: Option<f64>,
    pub unit: String,
    pub quality: Quality,
    pub source_time: DateTime,
    pub received_at: DateTime,
    pub raised_at: DateTime,
    pub returned_at: Option<DateTime>,
    pub acknowledged_at: Option<DateTime>,
    pub re_alarm_count: Long,
    pub shelved_until: Option<DateTime>,
    pub shelved_reason: Option<String>,
    pub out_of_service_reason: Option<String>,
    pub suppressed_by: Option<String>,
    pub revision: Long,
    #[graphql(skip)]
    pub row: Box<AlarmRow>,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct Contribution {
    pub series: String,
    /// What an engineer calls the series, where its thing or the device type has a tag with a title for it.
    pub title: Option<String>,
    pub share: f64,
    pub expected: Option<f64>,
    pub actual: Option<f64>,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct AlarmComment {
    pub by: String,
    pub at: DateTime,
    pub text: String,
}

impl From<AlarmRow> for Alarm {
    fn from(row: AlarmRow) -> Self {
        let state = &row.state;
        let activation = state.activation.as_ref();
        let raised_at = state.raised_at.unwrap_or(row.updated_at);
        Self {
            id: row.id.to_string().into(),
            state: row.letter.into(),
            priority: activation.map_or(Priority::P4, |now| now.priority.into()),
            class: activation.map_or(AlarmClass::Process, |now| now.class.into()),
            cause: activation.map_or(AlarmCause::Deadman, |now| now.cause.into()),
            latching: activation.is_some_and(|now| now.latching),
            subtopic: row.source.subtopic.clone(),
            series_name: row.source.series.clone(),
            occurrence: Long(state.occurrence),
            message: activation
                .map(|now| now.message.clone())
                .unwrap_or_default(),
            consequence: activation
                .map(|now| now.consequence.clone())
                .unwrap_or_default(),
            action: activation.map(|now| now.action.clone()).unwrap_or_default(),
            time_to_respond_ms: activation.and_then(|now| now.time_to_respond_ms).map(Long),
            value: activation.and_then(|now| now.value),
            limit: activation.and_then(|now| now.limit),
            unit: activation.map(|now| now.unit.clone()).unwrap_or_default(),
            quality: SampleQuality(activation.map_or(0, |now| now.quality)).into(),
            source_time: DateTime(activation.map_or(raised_at, |now| now.source_time)),
            received_at: DateTime(activation.map_or(raised_at, |now| now.received_at)),
            raised_at: DateTime(raised_at),
            returned_at: state.returned_at.map(DateTime),
            acknowledged_at: state.acknowledged_at.map(DateTime),
            re_alarm_count: Long(state.re_alarm_count),
            shelved_until: state
                .shelved
                .as_ref()
                .map(|shelving| DateTime(shelving.until)),
            shelved_reason: state
                .shelved
                .as_ref()
                .map(|shelving| shelving.reason.clone()),
            out_of_service_reason: state.out_of_service.as_ref().map(|out| out.reason.clone()),
            suppressed_by: state
                .suppressed
                .as_ref()
                .map(|suppression| suppression.by.clone()),
            revision: Long(row.revision.0),
            row: Box::new(row),
        }
    }
}

#[ComplexObject]
impl Alarm {
    async fn thing(&self, ctx: &Context<'_>) -> Result<Option<Thing>> {
        Ok(thing_by_id(ctx, self.row.source.thing).await?)
    }

    async fn channel(&self, ctx: &Context<'_>) -> Result<Option<Channel>> {
        Ok(channel_by_id(ctx, self.row.source.channel).await?)
    }

    async fn series(&self, ctx: &Context<'_>) -> Result<Option<Series>> {
        let source = &self.row.source;
        let filter = SeriesFilter {
            channels: Some(vec![source.channel]),
            thing: Some(source.thing),
            subtopic: Some(source.subtopic.clone()),
            name: Some(source.series.clone()),
            ..SeriesFilter::default()
        };
        let (found, _) = platform(ctx)?
            .telemetry
            .series(&filter, 0, 1)
            .await
            .map_err(ApiError::from)?;
        Ok(found.into_iter().next().map(Series::from))
    }

    /// Absent for an alarm of a model.
    async fn rule(&self, ctx: &Context<'_>) -> Result<Option<AlarmRule>> {
        let rule: AlarmRuleId = self.row.source.rule;
        Ok(rows(ctx)?.load_one(rule).await?.map(AlarmRule::from))
    }

    /// Largest first; shares sum to 1. Of a predictive alarm.
    async fn contributions(&self, ctx: &Context<'_>) -> Result<Vec<Contribution>> {
        let activation = self.row.state.activation.as_ref();
        let parts = activation.map_or(&[][..], |now| now.contributions.as_slice());
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let tags = tags_of(ctx, self.row.source.thing).await?;
        let contributions = parts.iter().map(|part| Contribution {
            series: part.series.clone(),
            title: title(&tags, &part.series),
            share: part.share,
            expected: part.expected,
            actual: part.actual,
        });
        Ok(contributions.collect())
    }

    /// The e-mail address of who acknowledged the present occurrence.
    async fn acknowledged_by(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let Some(user) = self.row.state.acknowledged_by else {
            return Ok(None);
        };
        let who = tellee_actors::event::Who::User(user);
        Ok(Some(who_name(ctx, &who).await?))
    }

    async fn comments(&self, ctx: &Context<'_>) -> Result<Vec<AlarmComment>> {
        let names = user_names(
            ctx,
            self.row.state.comments.iter().map(|comment| comment.by),
        )
        .await?;
        let comments = self.row.state.comments.iter().map(|comment| AlarmComment {
            by: name_of(&names, comment.by),
            at: DateTime(comment.at),
            text: comment.text.clone(),
        });
        Ok(comments.collect())
    }
}

/// The title of a series. Two signals of a model with the same series are told apart as `<series>#<place>`.
fn title(tags: &[Tag], series: &str) -> Option<String> {
    let named = |name: &str| {
        let tag = tags.iter().find(|tag| tag.series == name)?;
        (!tag.title.is_empty()).then(|| tag.title.clone())
    };
    named(series).or_else(|| {
        let (name, place) = series.rsplit_once('#')?;
        place.parse::<u32>().ok()?;
        named(name)
    })
}

#[derive(SimpleObject)]
pub struct AlarmConnection {
    pub nodes: Vec<Alarm>,
    pub page_info: PageInfo,
    pub total: Long,
}

/// Alarms that match: unacknowledged first, then by priority, then the newest first.
pub async fn alarms_of(
    platform: &Platform,
    caller: &Caller,
    filter: Option<AlarmFilter>,
    first: i32,
    after: Option<String>,
) -> Result<AlarmConnection, ApiError> {
    let filter = filter.unwrap_or_default().into_row_filter()?;
    let after = cursor::<AlarmCursor>(after.as_deref())?;
    let alarms = platform.projections.alarms();
    let listing = alarms
        .alarms(caller.organisation, filter, after, bounded(first)?)
        .await?;
    Ok(AlarmConnection {
        page_info: PageInfo::new(listing.has_more, listing.end),
        total: Long(listing.total),
        nodes: listing.rows.into_iter().map(Alarm::from).collect(),
    })
}

/// For the tally of the header.
#[derive(Debug, Clone, SimpleObject)]
pub struct AlarmCounts {
    pub priorities: Vec<PriorityCount>,
    pub shelved: Long,
    pub suppressed: Long,
    pub out_of_service: Long,
    pub predictive: Long,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct PriorityCount {
    pub priority: Priority,
    pub active: Long,
    pub unacknowledged: Long,
}

impl From<RowPriorityCount> for PriorityCount {
    fn from(count: RowPriorityCount) -> Self {
        Self {
            priority: count.priority.into(),
            active: Long(count.active),
            unacknowledged: Long(count.unacknowledged),
        }
    }
}

impl From<RowCounts> for AlarmCounts {
    fn from(counts: RowCounts) -> Self {
        Self {
            priorities: counts
                .priorities
                .into_iter()
                .map(PriorityCount::from)
                .collect(),
            shelved: Long(counts.shelved),
            suppressed: Long(counts.suppressed),
            out_of_service: Long(counts.out_of_service),
            predictive: Long(counts.predictive),
        }
    }
}

/// Something that happened to an alarm.
#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct AlarmJournalEntry {
    pub cursor: String,
    pub at: DateTime,
    pub alarm: ID,
    /// activated, escalated, returned, acknowledged, shelved, unshelved, suppressed, unsuppressed, taken_out_of_service,
    /// returned_to_service, commented, reset, re_alarmed
    pub kind: String,
    pub occurrence: Long,
    pub priority: Priority,
    pub class: AlarmClass,
    pub message: String,
    pub value: Option<f64>,
    pub limit: Option<f64>,
    pub unit: String,
    /// What the person wrote: note, reason, comment.
    pub text: Option<String>,
    #[graphql(skip)]
    pub by: tellee_actors::event::Who,
    #[graphql(skip)]
    pub thing_id: ThingId,
}

impl From<JournalEntry> for AlarmJournalEntry {
    fn from(entry: JournalEntry) -> Self {
        Self {
            cursor: entry.position.to_string(),
            at: DateTime(entry.at),
            alarm: entry.alarm.to_string().into(),
            kind: entry.kind,
            occurrence: Long(entry.occurrence),
            priority: entry.priority.into(),
            class: entry.class.into(),
            message: entry.message,
            value: entry.value,
            limit: entry.limit,
            unit: entry.unit,
            text: entry.text,
            by: entry.who,
            thing_id: entry.thing,
        }
    }
}

#[ComplexObject]
impl AlarmJournalEntry {
    async fn thing(&self, ctx: &Context<'_>) -> Result<Option<Thing>> {
        Ok(thing_by_id(ctx, self.thing_id).await?)
    }

    async fn who(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(who_name(ctx, &self.by).await?)
    }
}

#[derive(SimpleObject)]
pub struct AlarmJournalConnection {
    pub nodes: Vec<AlarmJournalEntry>,
    pub page_info: PageInfo,
}

impl From<JournalListing> for AlarmJournalConnection {
    fn from(listing: JournalListing) -> Self {
        let end = listing.rows.last().map(|entry| entry.position);
        Self {
            page_info: PageInfo::new(listing.has_more, end),
            nodes: listing
                .rows
                .into_iter()
                .map(AlarmJournalEntry::from)
                .collect(),
        }
    }
}

/// A place in the journal.
pub fn position(after: Option<&str>) -> Result<Option<Position>, ApiError> {
    let number: Option<u64> = cursor(after)?;
    Ok(number.map(Position))
}

/// Figures of annunciated process and instrument alarms, per operator position. Terms of ISA-18.2 and EEMUA 191.
#[derive(Debug, Clone, SimpleObject)]
pub struct AlarmKpis {
    pub total: Long,
    /// Mean over the range.
    pub per_ten_minutes: f64,
    pub peak_ten_minutes: Long,
    /// The part of the 10-minute buckets with more than ten alarms.
    pub flood_share: f64,
    /// 10 minutes each, aligned to the clock, those without alarms left out.
    pub buckets: Vec<AlarmBucket>,
    pub bad_actors: Vec<BadActor>,
    /// The alarms that stand now.
    pub priorities: Vec<PriorityCount>,
    /// Of the alarms of the range.
    pub priority_shares: Vec<PriorityShare>,
    /// Active for more than 24 hours.
    pub standing: Long,
    /// Raised three times or more within one minute.
    pub chattering: Long,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct AlarmBucket {
    pub start: DateTime,
    pub count: Long,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct PriorityShare {
    pub priority: Priority,
    pub count: Long,
    pub share: f64,
}

#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct BadActor {
    pub message: String,
    pub count: Long,
    pub share: f64,
    #[graphql(skip)]
    pub thing_id: ThingId,
    #[graphql(skip)]
    pub alarm_id: AlarmId,
}

#[ComplexObject]
impl BadActor {
    async fn thing(&self, ctx: &Context<'_>) -> Result<Option<Thing>> {
        Ok(thing_by_id(ctx, self.thing_id).await?)
    }

    async fn alarm(&self) -> ID {
        self.alarm_id.to_string().into()
    }
}

impl AlarmKpis {
    /// The figures of a range, and what stands now.
    pub fn of(kpis: RowKpis, now: RowCounts) -> Self {
        let buckets = kpis.buckets.into_iter().map(|bucket| AlarmBucket {
            start: DateTime(bucket.start),
            count: Long(bucket.count),
        });
        let bad_actors = kpis.bad_actors.into_iter().map(|actor| BadActor {
            message: actor.message,
            count: Long(actor.count),
            share: actor.share,
            thing_id: actor.thing,
            alarm_id: actor.alarm,
        });
        let shares = kpis.priorities.into_iter().map(|part| PriorityShare {
            priority: part.priority.into(),
            count: Long(part.count),
            share: part.share,
        });
        Self {
            total: Long(kpis.total),
            per_ten_minutes: kpis.per_ten_minutes,
            peak_ten_minutes: Long(kpis.peak_ten_minutes),
            flood_share: kpis.flood_share,
            buckets: buckets.collect(),
            bad_actors: bad_actors.collect(),
            priorities: now
                .priorities
                .into_iter()
                .map(PriorityCount::from)
                .collect(),
            priority_shares: shares.collect(),
            standing: Long(kpis.standing),
            chattering: Long(kpis.chattering),
        }
    }
}
