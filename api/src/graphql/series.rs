//! Series: what they are, their newest sample, their lines and their aggregates.

use std::time::Duration;

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tellee_actors::ids::{ChannelId, ThingId};
use tellee_projections::telemetry::{
    Points as StorePoints, Sample as StoreSample, SeriesFilter, SeriesId, SeriesInfo, SeriesKey,
    TimeRange, Value,
};

use super::aggregates::Window;
use super::channel::{Channel, channel_by_id};
use super::column::Column;
use super::context::{aggregates, caller, platform};
use super::enums::{AggregateFunction, LimitKind, Priority, Quality};
use super::page::{PageInfo, first as bounded};
use super::scalars::{DateTime, Long};
use super::thing::{Tag, Thing, tags_of, thing_by_id};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::platform::Platform;

const MAX_POINTS: std::ops::RangeInclusive<i32> = 2..=10_000;
const MAX_ROWS: i128 = 10_000;
const MAX_FUNCTIONS: usize = 8;

#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct Series {
    pub id: ID,
    pub subtopic: String,
    pub name: String,
    pub unit: String,
    pub latest: Option<Sample>,
    #[graphql(skip)]
    pub series: SeriesId,
    #[graphql(skip)]
    pub key: SeriesKey,
}

impl From<SeriesInfo> for Series {
    fn from(info: SeriesInfo) -> Self {
        Self {
            id: info.id.0.to_string().into(),
            subtopic: info.key.subtopic.clone(),
            name: info.key.name.clone(),
            unit: info.unit,
            latest: info.latest.map(Sample::from),
            series: info.id,
            key: info.key,
        }
    }
}

/// One of number, text, boolean, data (base64) is set.
#[derive(Debug, Clone, SimpleObject)]
pub struct Sample {
    pub time: DateTime,
    pub received_at: DateTime,
    pub number: Option<f64>,
    pub text: Option<String>,
    pub boolean: Option<bool>,
    pub data: Option<String>,
    pub quality: Quality,
}

impl From<StoreSample> for Sample {
    fn from(sample: StoreSample) -> Self {
        let mut view = Self {
            time: DateTime(sample.time),
            received_at: DateTime(sample.received_at),
            number: None,
            text: None,
            boolean: None,
            data: None,
            quality: sample.quality.into(),
        };
        match sample.value {
            Value::Number(number) => view.number = Some(number),
            Value::Text(text) => view.text = Some(text),
            Value::Boolean(flag) => view.boolean = Some(flag),
            Value::Data(data) => view.data = Some(STANDARD.encode(data)),
        }
        view
    }
}

/// A limit of an alarm rule that watches the series.
#[derive(Debug, Clone, SimpleObject)]
pub struct SeriesLimit {
    pub kind: LimitKind,
    pub limit: f64,
    pub priority: Priority,
    pub rule: ID,
}

/// Columns of one length. `t`: milliseconds since 1970, with decimals. `q`: 192 good, 64 uncertain, 0 bad.
#[derive(SimpleObject)]
pub struct Points {
    pub t: Column<f64>,
    pub v: Column<Option<f64>>,
    pub q: Column<i32>,
    /// How many samples stand behind the line.
    pub samples: Long,
    /// Fewer points are given than there are samples; first, last and extremes are kept.
    pub thinned: bool,
}

impl From<StorePoints> for Points {
    fn from(points: StorePoints) -> Self {
        Self {
            t: Column::of_times(&points.times),
            v: Column::of_values(&points.values),
            q: Column::of_qualities(&points.qualities),
            samples: Long(points.samples),
            thinned: points.thinned,
        }
    }
}

/// One row per interval that holds a number; `t` is its start in milliseconds since 1970.
#[derive(SimpleObject)]
pub struct Aggregates {
    pub t: Column<f64>,
    pub columns: Vec<AggregateColumn>,
    /// Where the samples are gone and rollups are left.
    pub rolled_up: Option<RolledUp>,
}

/// Rows before this time come from rollups that outlived their samples. Their intervals are `everyMs` long:
/// what was asked for, brought up to whole minutes, or to whole hours with `DEVIATION`. A minute or hour that overlaps
/// the range counts as a whole.
#[derive(SimpleObject)]
pub struct RolledUp {
    pub before: DateTime,
    pub every_ms: Long,
}

#[derive(SimpleObject)]
pub struct AggregateColumn {
    pub function: AggregateFunction,
    pub v: Column<Option<f64>>,
}

#[derive(SimpleObject)]
pub struct SeriesConnection {
    pub nodes: Vec<Series>,
    pub page_info: PageInfo,
    pub total: Long,
}

#[ComplexObject]
impl Series {
    async fn thing(&self, ctx: &Context<'_>) -> Result<Option<Thing>> {
        Ok(thing_by_id(ctx, self.key.thing).await?)
    }

    async fn channel(&self, ctx: &Context<'_>) -> Result<Option<Channel>> {
        Ok(channel_by_id(ctx, self.key.channel).await?)
    }

    /// The engineer's description, if the thing or its device type has one for this name.
    async fn tag(&self, ctx: &Context<'_>) -> Result<Option<Tag>> {
        let tags = tags_of(ctx, self.key.thing).await?;
        let tag = tags.into_iter().find(|tag| tag.series == self.name);
        Ok(tag.map(Tag::from))
    }

    /// Limits of the alarm rules that watch it.
    async fn limits(&self, ctx: &Context<'_>) -> Result<Vec<SeriesLimit>> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let access = platform.projections.access();
        let rules = platform.projections.rules().present();
        let mut limits = Vec::new();
        for rule in rules.named(&self.name) {
            if rule.organisation != caller.organisation || !rule.watches(&self.key, access) {
                continue;
            }
            limits.extend(rule.definition.levels.iter().map(|level| SeriesLimit {
                kind: level.kind.into(),
                limit: level.limit,
                priority: level.priority.into(),
                rule: rule.id.to_string().into(),
            }));
        }
        Ok(limits)
    }

    /// A line for a chart of at most maxPoints points (2 to 10,000), extremes kept.
    #[graphql(complexity = "50 + (max_points.max(0) as usize) / 50")]
    async fn points(
        &self,
        ctx: &Context<'_>,
        from: DateTime,
        to: DateTime,
        #[graphql(default = 1000)] max_points: i32,
    ) -> Result<Points> {
        if !MAX_POINTS.contains(&max_points) {
            return Err(ApiError::invalid("maxPoints", "must lie between 2 and 10000").into());
        }
        let range = range(from, to)?;
        let budget = usize::try_from(max_points).unwrap_or(2);
        let points = platform(ctx)?
            .telemetry
            .points(self.series, range, budget)
            .await;
        Ok(points.map_err(ApiError::from)?.into())
    }

    /// `every` as in 1s, 1m, 15m, 1h, 1d. At most 10,000 rows.
    #[graphql(complexity = "100")]
    async fn aggregate(
        &self,
        ctx: &Context<'_>,
        from: DateTime,
        to: DateTime,
        every: String,
        #[graphql(default_with = "vec![AggregateFunction::Mean]")] functions: Vec<
            AggregateFunction,
        >,
    ) -> Result<Aggregates> {
        let range = range(from, to)?;
        let every = interval(&every)?;
        let rows = (i128::from(range.to.0) - i128::from(range.from.0)) / every.as_nanos() as i128;
        if rows > MAX_ROWS {
            return Err(
                ApiError::invalid("every", format!("gives more than {MAX_ROWS} rows")).into(),
            );
        }
        if functions.is_empty() || functions.len() > MAX_FUNCTIONS {
            return Err(
                ApiError::invalid("functions", "must name between 1 and 8 functions").into(),
            );
        }
        let window = Window {
            from: range.from.0,
            to: range.to.0,
            every,
            functions: functions
                .iter()
                .map(|function| (*function).into())
                .collect(),
        };
        let batches = aggregates(ctx)?;
        let found = batches.aggregate(self.series, window).await?;
        let columns = functions
            .into_iter()
            .zip(&found.columns)
            .map(|(function, numbers)| AggregateColumn {
                function,
                v: Column::of_numbers(numbers),
            });
        Ok(Aggregates {
            columns: columns.collect(),
            rolled_up: found.rolled_up.map(|rolled_up| RolledUp {
                before: DateTime(rolled_up.before),
                every_ms: Long(u64::try_from(rolled_up.step.as_millis()).unwrap_or(u64::MAX)),
            }),
            t: batches.column_of(found.starts),
        })
    }
}

fn range(from: DateTime, to: DateTime) -> Result<TimeRange, ApiError> {
    if from >= to {
        return Err(ApiError::invalid("to", "must be later than `from`"));
    }
    Ok(TimeRange {
        from: from.0,
        to: to.0,
    })
}

/// `250ms`, `10s`, `15m`, `1h`, `1d`.
fn interval(text: &str) -> Result<Duration, ApiError> {
    let wrong = || {
        ApiError::invalid(
            "every",
            format!("`{text}` is no interval such as `10s`, `15m`, `1h` or `1d`"),
        )
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let count: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit_ms: u64 = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let milliseconds = count
        .checked_mul(unit_ms)
        .filter(|total| *total > 0)
        .ok_or_else(wrong)?;
    if milliseconds > 366 * 86_400_000 {
        return Err(ApiError::invalid("every", "is longer than a year"));
    }
    Ok(Duration::from_millis(milliseconds))
}

/// The series of a thing, of a channel, or of the whole organisation.
pub async fn series_of(
    platform: &Platform,
    caller: &Caller,
    thing: Option<ThingId>,
    channel: Option<ChannelId>,
    part: Option<String>,
    first: i32,
    after: Option<String>,
) -> Result<SeriesConnection, ApiError> {
    let limit = usize::try_from(bounded(first)?).unwrap_or(1);
    let offset: usize = match &after {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            ApiError::invalid("after", format!("`{text}` is no cursor of this list"))
        })?,
    };
    let channels = match channel {
        Some(channel) => {
            let owner = platform.projections.access().channel_organisation(channel);
            if owner == Some(caller.organisation) {
                vec![channel]
            } else {
                Vec::new()
            }
        }
        None => platform.channels_of(caller.organisation),
    };
    let filter = SeriesFilter {
        channels: Some(channels),
        thing,
        name_contains: part.filter(|part| !part.is_empty()),
        ..SeriesFilter::default()
    };
    let (found, total) = platform.telemetry.series(&filter, offset, limit).await?;
    let end = offset + found.len();
    Ok(SeriesConnection {
        page_info: PageInfo::new(end < total, (!found.is_empty()).then_some(end)),
        total: Long(total as u64),
        nodes: found.into_iter().map(Series::from).collect(),
    })
}

/// The series with this id, if its channel is of the caller's organisation.
pub async fn series_by_id(
    platform: &Platform,
    caller: &Caller,
    id: SeriesId,
) -> Result<Option<Series>, ApiError> {
    let Some(info) = platform.telemetry.series_by_id(id).await? else {
        return Ok(None);
    };
    let owner = platform
        .projections
        .access()
        .channel_organisation(info.key.channel);
    Ok((owner == Some(caller.organisation)).then(|| Series::from(info)))
}

/// The id of a series as clients write it.
pub fn series_id(id: &ID) -> Option<SeriesId> {
    id.parse().ok().map(SeriesId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_and_bad_ones_name_themselves() {
        assert_eq!(interval("15m").unwrap(), Duration::from_secs(900));
        assert_eq!(interval("250ms").unwrap(), Duration::from_millis(250));
        for text in [
            "",
            "m",
            "0s",
            "1w",
            "1",
            "-1s",
            "999999d",
            "18446744073709551615h",
        ] {
            assert_eq!(
                interval(text).unwrap_err().field.as_deref(),
                Some("every"),
                "{text}"
            );
        }
    }
}
