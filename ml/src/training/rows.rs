//! The healthy window out of the telemetry store, as rows on the grid of the model.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tellee_actors::domain::model::{Definition, Signal};
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{Sample, SeriesFilter, SeriesId, TelemetryStore, TimeRange};

use super::TrainError;
use crate::grid::{Grid, Reading};
use crate::protocol::MAX_TRAINING_VALUES;
use crate::runner::TOLERANCE_PERIODS;

/// The most samples that one training reads.
const MAX_SAMPLES: usize = 4_000_000;
/// Samples of one read.
const PAGE: usize = 10_000;

/// Rows (rows × signals), NaN where a value is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingRows {
    pub values: Vec<f32>,
    pub rows: u32,
    /// Hex SHA-256 over the grid, the names of the signals and the values.
    pub hash: String,
}

/// Reads all signals of the model over `range` and aligns them.
pub async fn read(
    store: &dyn TelemetryStore,
    definition: &Definition,
    range: TimeRange,
) -> Result<TrainingRows, TrainError> {
    let mut signals = Vec::with_capacity(definition.signals.len());
    let mut budget = MAX_SAMPLES;
    for signal in &definition.signals {
        let series = find(store, definition, signal).await?;
        let readings = read_series(store, series, range, &mut budget).await?;
        signals.push(readings);
    }
    let definition = definition.clone();
    // Minutes of samples at most, but too long for a thread that others wait for.
    tokio::task::spawn_blocking(move || align(&definition, &signals))
        .await
        .map_err(|error| TrainError::Internal(error.to_string()))?
}

async fn find(
    store: &dyn TelemetryStore,
    definition: &Definition,
    signal: &Signal,
) -> Result<SeriesId, TrainError> {
    let filter = SeriesFilter {
        channels: Some(vec![signal.channel]),
        thing: Some(definition.thing),
        subtopic: Some(signal.subtopic.clone()),
        name: Some(signal.series.clone()),
        name_contains: None,
    };
    let (found, _) = store.series(&filter, 0, 1).await?;
    found
        .first()
        .map(|series| series.id)
        .ok_or_else(|| TrainError::NoSeries {
            series: signal.series.clone(),
        })
}

async fn read_series(
    store: &dyn TelemetryStore,
    series: SeriesId,
    range: TimeRange,
    budget: &mut usize,
) -> Result<Vec<Reading>, TrainError> {
    let mut readings: Vec<Reading> = Vec::new();
    let mut from = range.from;
    while from < range.to {
        let page = store
            .range(series, TimeRange { from, to: range.to }, PAGE)
            .await?;
        let full = page.len() >= PAGE;
        let before = readings.len();
        // A page starts at the time of the last sample, which has come already; others of the same time have not.
        let last = readings.last().map(|reading| (reading.time, reading.seq));
        readings.extend(
            page.iter()
                .map(reading)
                .filter(|reading| last < Some((reading.time, reading.seq))),
        );
        let added = readings.len() - before;
        *budget = budget
            .checked_sub(added)
            .ok_or(TrainError::TooManySamples { limit: MAX_SAMPLES })?;
        let Some(newest) = readings.last().filter(|_| full) else {
            break;
        };
        from = if added == 0 {
            Timestamp(newest.time.0.saturating_add(1))
        } else {
            newest.time
        };
    }
    Ok(readings)
}

fn reading(sample: &Sample) -> Reading {
    let value = if sample.quality.is_good() {
        sample.value.as_number()
    } else {
        None
    };
    Reading {
        time: sample.time,
        seq: sample.seq,
        value,
    }
}

/// Feeds the grid in order of time, as if it happened now.
fn align(definition: &Definition, signals: &[Vec<Reading>]) -> Result<TrainingRows, TrainError> {
    let count = signals.len();
    let limit = MAX_TRAINING_VALUES / count.max(1);
    let period = Duration::from_millis(definition.sample_period_ms);
    let mut grid = Grid::new(count, period, period.saturating_mul(TOLERANCE_PERIODS));
    let mut values: Vec<f32> = Vec::new();
    let mut rows: u32 = 0;
    let mut take = |row: crate::grid::Row| {
        // A window must not reach over a gap: a row without values parts them.
        if row.after_gap {
            values.extend(std::iter::repeat_n(f32::NAN, count));
            rows += 1;
        }
        values.extend(row.values);
        rows += 1;
        if rows as usize > limit {
            Err(TrainError::TooManyRows { limit })
        } else {
            Ok(())
        }
    };

    let mut next: BinaryHeap<Reverse<(Timestamp, u32, usize, usize)>> = signals
        .iter()
        .enumerate()
        .filter_map(|(signal, readings)| {
            readings
                .first()
                .map(|first| Reverse((first.time, first.seq, signal, 0)))
        })
        .collect();
    while let Some(Reverse((_, _, signal, index))) = next.pop() {
        let Some(readings) = signals.get(signal) else {
            continue;
        };
        if let Some(reading) = readings.get(index) {
            grid.push(signal, *reading);
        }
        if let Some(following) = readings.get(index + 1) {
            next.push(Reverse((following.time, following.seq, signal, index + 1)));
        }
        while let Some(row) = grid.next_row() {
            take(row)?;
        }
    }
    while let Some(row) = grid.next_row_at_end() {
        take(row)?;
    }
    let hash = hash(definition, &values);
    Ok(TrainingRows { values, rows, hash })
}

fn hash(definition: &Definition, values: &[f32]) -> String {
    let mut hash = Sha256::new();
    hash.update(definition.sample_period_ms.to_le_bytes());
    for signal in &definition.signals {
        for part in [
            signal.channel.to_string().as_str(),
            &signal.subtopic,
            &signal.series,
        ] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
    for value in values {
        hash.update(value.to_le_bytes());
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use tellee_actors::ids::{ChannelId, ThingId};

    use super::*;

    fn definition() -> Definition {
        let channel = ChannelId::generate();
        Definition {
            name: "Pump".into(),
            thing: ThingId::generate(),
            signals: ["flow", "current"]
                .map(|series| Signal {
                    channel,
                    subtopic: String::new(),
                    series: series.into(),
                })
                .to_vec(),
            sample_period_ms: 1_000,
            window: 2,
            score_series: "score".into(),
            persistence: 1,
        }
    }

    fn readings(seconds: impl IntoIterator<Item = i64>) -> Vec<Reading> {
        seconds
            .into_iter()
            .map(|second| Reading {
                time: Timestamp::from_millis(second * 1_000),
                seq: 0,
                value: Some(second as f64),
            })
            .collect()
    }

    #[test]
    fn signals_are_aligned_and_gaps_are_kept() {
        let rows = align(
            &definition(),
            &[readings([1, 2, 100]), readings([1, 2, 100])],
        )
        .unwrap();
        let shown: Vec<_> = rows
            .values
            .chunks(2)
            .map(|row| {
                if row[0].is_finite() {
                    row[0] as i32
                } else {
                    -1
                }
            })
            .collect();
        // Held for three periods, then a gap, then the last.
        assert_eq!(shown, [1, 2, 2, 2, 2, -1, 100]);
        assert_eq!(rows.rows, 7);
    }

    #[test]
    fn the_hash_is_of_the_data_and_of_what_it_means() {
        let definition = definition();
        let data = [readings(1..9), readings(1..9)];
        let hash = align(&definition, &data).unwrap().hash;
        assert_eq!(hash, align(&definition, &data).unwrap().hash);
        let mut other = definition.clone();
        other.signals.reverse();
        assert_ne!(hash, align(&other, &data).unwrap().hash);
        assert_ne!(
            hash,
            align(&definition, &[readings(1..9), readings(2..9)])
                .unwrap()
                .hash
        );
    }

    #[test]
    fn nothing_gives_no_rows() {
        assert_eq!(
            align(&definition(), &[Vec::new(), Vec::new()])
                .unwrap()
                .rows,
            0
        );
    }
}
