//! Magistrala's `aggregation` and `interval`: one message per interval and series, newest first.

use std::time::Duration;

use tellee_projections::telemetry::{
    AggregateFunction, MessageQuery, Quality, Sample, SeriesFilter, SeriesInfo, StoredMessage,
    TelemetryStore, Value,
};

use crate::error::ApiError;
use crate::rest::paging::Query;

/// Series and rows of one answer, at most.
const SERIES_LIMIT: usize = 100;
const ROWS_LIMIT: i128 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aggregation {
    function: AggregateFunction,
    every: Duration,
}

/// What `query` asks for; `None` without `aggregation`.
pub fn aggregation(query: &Query) -> Result<Option<Aggregation>, ApiError> {
    let Some(name) = query.text("aggregation") else {
        return Ok(None);
    };
    let function = match name.to_ascii_uppercase().as_str() {
        "MAX" => AggregateFunction::Max,
        "MIN" => AggregateFunction::Min,
        "SUM" => AggregateFunction::Sum,
        "AVG" => AggregateFunction::Mean,
        "COUNT" => AggregateFunction::Count,
        _ => {
            let reason = format!("`{name}` is not MAX, MIN, SUM, AVG or COUNT");
            return Err(ApiError::invalid("aggregation", reason));
        }
    };
    let every = match query.text("interval") {
        Some(text) => interval(&text)?,
        None => Duration::from_secs(1),
    };
    Ok(Some(Aggregation { function, every }))
}

/// `10s`, `1m`, `1 minute`, `2 hours`, `1d`.
fn interval(text: &str) -> Result<Duration, ApiError> {
    let wrong = || {
        ApiError::invalid(
            "interval",
            format!("`{text}` is no interval such as `10s` or `1 minute`"),
        )
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let count: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let seconds = match text[digits..].trim() {
        "s" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        _ => return Err(wrong()),
    };
    let total = count
        .checked_mul(seconds)
        .filter(|total| (1..=366 * 86_400).contains(total));
    total.map(Duration::from_secs).ok_or_else(wrong)
}

/// The page of `query`, aggregated, and how many rows there are in all.
pub async fn aggregate(
    store: &dyn TelemetryStore,
    query: &MessageQuery,
    wanted: Aggregation,
) -> Result<(Vec<StoredMessage>, u64), ApiError> {
    if query.name.is_none() {
        return Err(ApiError::invalid("name", "is needed with `aggregation`"));
    }
    let span = i128::from(query.range.to.0) - i128::from(query.range.from.0);
    if span <= 0 || span / wanted.every.as_nanos() as i128 > ROWS_LIMIT {
        let reason = format!("with `from` and `to` must give between 1 and {ROWS_LIMIT} rows");
        return Err(ApiError::invalid("interval", reason));
    }
    let filter = SeriesFilter {
        channels: Some(vec![query.channel]),
        thing: query.publisher,
        subtopic: query.subtopic.clone(),
        name: query.name.clone(),
        ..SeriesFilter::default()
    };
    let (series, total) = store.series(&filter, 0, SERIES_LIMIT).await?;
    if total > series.len() {
        let reason = format!("more than {SERIES_LIMIT} publishers have this name; name one");
        return Err(ApiError::invalid("publisher", reason));
    }
    let mut rows = Vec::new();
    for info in series {
        let found = store
            .aggregate(info.id, query.range, wanted.every, &[wanted.function])
            .await?;
        let values = found.columns.into_iter().next().unwrap_or_default();
        rows.extend(
            found
                .starts
                .into_iter()
                .zip(values)
                .map(|(start, value)| row(&info, start, value)),
        );
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.sample.time));
    let total = rows.len() as u64;
    let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
    let page = rows
        .into_iter()
        .skip(offset)
        .take(query.limit as usize)
        .collect();
    Ok((page, total))
}

fn row(info: &SeriesInfo, start: tellee_actors::time::Timestamp, value: f64) -> StoredMessage {
    StoredMessage {
        key: info.key.clone(),
        unit: info.unit.clone(),
        protocol: info.protocol.clone(),
        sample: Sample {
            time: start,
            seq: 0,
            value: Value::Number(value),
            sum: None,
            update_time: None,
            quality: Quality::GOOD,
            received_at: start,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_magistrala_writes_them() {
        for (text, seconds) in [
            ("10s", 10),
            ("1 minute", 60),
            ("2 hours", 7_200),
            ("1d", 86_400),
        ] {
            assert_eq!(
                interval(text).unwrap(),
                Duration::from_secs(seconds),
                "{text}"
            );
        }
        for text in ["", "s", "0s", "1 fortnight", "-1s", "999999999999999999d"] {
            assert_eq!(
                interval(text).unwrap_err().field.as_deref(),
                Some("interval"),
                "{text}"
            );
        }
    }
}
