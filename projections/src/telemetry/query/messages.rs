//! The records of a channel, newest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::telemetry::codec::block::Depth;
use crate::telemetry::columns::Columns;
use crate::telemetry::merge::{Cluster, Loaded, clusters};
use crate::telemetry::model::{MessageQuery, SeriesKey, StoredMessage, Value, ValueFilter};
use crate::telemetry::state::View;
use crate::telemetry::store::TelemetryError;
use crate::telemetry::summary::Summary;

pub const MAX_LIMIT: u32 = 1_000;

/// Whether a series can have records that are asked for.
pub fn matches_key(query: &MessageQuery, key: &SeriesKey) -> bool {
    query.channel == key.channel
        && query
            .publisher
            .is_none_or(|publisher| publisher == key.thing)
        && query
            .subtopic
            .as_ref()
            .is_none_or(|subtopic| *subtopic == key.subtopic)
        && query.name.as_ref().is_none_or(|name| *name == key.name)
}

fn matches_value(filter: &ValueFilter, value: &Value) -> bool {
    match (filter, value) {
        (ValueFilter::Equal(wanted), Value::Number(number)) => number == wanted,
        (ValueFilter::Less(wanted), Value::Number(number)) => number < wanted,
        (ValueFilter::LessOrEqual(wanted), Value::Number(number)) => number <= wanted,
        (ValueFilter::Greater(wanted), Value::Number(number)) => number > wanted,
        (ValueFilter::GreaterOrEqual(wanted), Value::Number(number)) => number >= wanted,
        (ValueFilter::Text(wanted), Value::Text(text)) => wanted == text,
        (ValueFilter::Boolean(wanted), Value::Boolean(boolean)) => wanted == boolean,
        (ValueFilter::Data(wanted), Value::Data(data)) => wanted == data,
        _ => false,
    }
}

fn matches_sample(query: &MessageQuery, columns: &Columns, index: usize) -> bool {
    query
        .protocol
        .as_ref()
        .is_none_or(|protocol| **protocol == *columns.origin_at(index).protocol)
        && query
            .value
            .as_ref()
            .is_none_or(|filter| matches_value(filter, &columns.values.get(index)))
}

/// What a summary says of the samples of its block: all are asked for, none is, or one has to look.
fn matches_summary(query: &MessageQuery, summary: &Summary) -> Option<bool> {
    let by_protocol = query
        .protocol
        .as_ref()
        .map_or(Some(true), |protocol| summary.came_by(protocol));
    if by_protocol == Some(false) {
        return Some(false);
    }
    let Some(value) = &query.value else {
        return by_protocol;
    };
    let numbers = summary.numbers.as_ref()?;
    let no_number = numbers.count == 0;
    let none = match value {
        ValueFilter::Equal(wanted) => no_number || *wanted < numbers.min || *wanted > numbers.max,
        ValueFilter::Less(wanted) => no_number || numbers.min >= *wanted,
        ValueFilter::LessOrEqual(wanted) => no_number || numbers.min > *wanted,
        ValueFilter::Greater(wanted) => no_number || numbers.max <= *wanted,
        ValueFilter::GreaterOrEqual(wanted) => no_number || numbers.max < *wanted,
        ValueFilter::Boolean(_) => no_number,
        ValueFilter::Text(_) | ValueFilter::Data(_) => numbers.count == u64::from(summary.count),
    };
    if none { Some(false) } else { None }
}

/// A series on its way from its newest sample to its oldest.
struct Cursor {
    key: Arc<SeriesKey>,
    /// In order of time; taken from the end.
    clusters: Vec<Cluster>,
    /// The newest cluster taken, and which of its samples are still to come.
    loaded: Option<Loaded>,
}

impl Cursor {
    /// Goes to the newest sample still to come that is asked for, within what is loaded. Answers its time.
    fn settle(&mut self, query: &MessageQuery) -> Option<i64> {
        let loaded = self.loaded.as_mut()?;
        while !loaded.wanted.is_empty() {
            let index = loaded.wanted.end - 1;
            if matches_sample(query, &loaded.columns, index) {
                return Some(loaded.columns.times[index]);
            }
            loaded.wanted.end = index;
        }
        self.loaded = None;
        None
    }

    fn take(&mut self) -> Option<(&Columns, usize)> {
        let loaded = self.loaded.as_mut()?;
        loaded.wanted.end = loaded.wanted.end.checked_sub(1)?;
        Some((&loaded.columns, loaded.wanted.end))
    }
}

/// `series` are those of the channel that [`matches_key`], in order of their keys.
pub fn messages(
    series: Vec<(Arc<SeriesKey>, View)>,
    query: &MessageQuery,
) -> Result<(Vec<StoredMessage>, u64), TelemetryError> {
    if query.limit > MAX_LIMIT {
        let reason = format!("at most {MAX_LIMIT}");
        return Err(TelemetryError::Invalid {
            field: "limit",
            reason,
        });
    }
    let mut cursors: Vec<Cursor> = series
        .into_iter()
        .map(|(key, view)| Cursor {
            key,
            clusters: clusters(view),
            loaded: None,
        })
        .collect();
    let total = total(&cursors, query)?;
    let mut found = Vec::new();
    if query.limit == 0 || query.offset >= total {
        return Ok((found, total));
    }

    // By time; of equal times those first that are only a bound, so that all stand on a sample before one is taken;
    // then in order of the keys.
    let mut queue: BinaryHeap<(i64, bool, Reverse<usize>)> = cursors
        .iter()
        .enumerate()
        .filter_map(|(place, cursor)| {
            Some((cursor.clusters.last()?.max_time, true, Reverse(place)))
        })
        .collect();
    let mut to_skip = query.offset;
    while let Some((_, is_bound, Reverse(place))) = queue.pop() {
        let cursor = &mut cursors[place];
        if is_bound {
            let Some(cluster) = cursor.clusters.pop() else {
                continue;
            };
            let nothing = cluster
                .single()
                .and_then(|part| part.part.summary())
                .and_then(|summary| matches_summary(query, summary));
            if nothing != Some(false) {
                cursor.loaded = Some(cluster.load(query.range, Depth::All)?);
            }
        } else {
            let key = Arc::clone(&cursor.key);
            if let Some((columns, index)) = cursor.take() {
                if to_skip > 0 {
                    to_skip -= 1;
                } else {
                    let origin = columns.origin_at(index);
                    found.push(StoredMessage {
                        key: SeriesKey::clone(&key),
                        unit: origin.unit.to_string(),
                        protocol: origin.protocol.to_string(),
                        sample: columns.sample(index),
                    });
                    if found.len() == query.limit as usize {
                        break;
                    }
                }
            }
        }
        if let Some(time) = cursor.settle(query) {
            queue.push((time, false, Reverse(place)));
        } else if let Some(next) = cursor.clusters.last() {
            queue.push((next.max_time, true, Reverse(place)));
        }
    }
    Ok((found, total))
}

fn total(cursors: &[Cursor], query: &MessageQuery) -> Result<u64, TelemetryError> {
    let mut total = 0;
    for cluster in cursors.iter().flat_map(|cursor| &cursor.clusters) {
        let by_summary = cluster
            .single()
            .and_then(|part| part.part.summary())
            .and_then(|summary| matches_summary(query, summary));
        if by_summary == Some(false) {
            continue;
        }
        if let Some(summary) = cluster.summary_within(query.range)
            && by_summary == Some(true)
        {
            total += u64::from(summary.count);
            continue;
        }
        let loaded = cluster.load(query.range, Depth::All)?;
        if query.protocol.is_none() && query.value.is_none() {
            total += loaded.wanted.len() as u64;
            continue;
        }
        total += loaded
            .wanted
            .filter(|index| matches_sample(query, &loaded.columns, *index))
            .count() as u64;
    }
    Ok(total)
}
