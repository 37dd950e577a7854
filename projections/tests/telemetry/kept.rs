//! What samples and the rollups that outlived them must answer, from plain rows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{
    AggregateFunction, Engine, MessageBatch, Quality, Retained, Retention, SeriesId,
    TelemetryConfig, TelemetryError, TimeRange, Value,
};

use super::conformance::{batch, record};
use super::oracle::channel;

pub const SECOND: i64 = 1_000_000_000;
pub const HOUR: i64 = 3600;

/// Small blocks, so that many meet; not every run has a rollup.
pub fn config() -> TelemetryConfig {
    TelemetryConfig {
        block_samples: 16,
        compacted_block_samples: 64,
        rollup_samples: 40,
        rollup_density: 2,
        log_allocation_bytes: 700,
        ..TelemetryConfig::default()
    }
}

#[derive(Debug, Clone)]
pub enum Step {
    /// A regular stretch of samples: start in seconds, step in seconds, values.
    Append(i64, i64, Vec<Value>, Quality),
    Flush,
    Compact,
    Reopen,
    /// Samples before the first go, rollups before the second. In seconds.
    RetainAll(i64, i64),
    /// Both go, by the log.
    Retain(i64),
}

pub fn step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![
        20 => (-900_i32..900).prop_map(|number| Value::Number(f64::from(number) / 100.0)),
        2 => (-1e6_f64..1e6).prop_map(Value::Number),
        1 => any::<bool>().prop_map(Value::Boolean),
        1 => Just(Value::Text("stopped".to_owned())),
    ];
    let numbers = prop::collection::vec(
        (-900_i32..900).prop_map(|number| Value::Number(f64::from(number) / 100.0)),
        1..120,
    );
    let values = prop_oneof![3 => numbers, 1 => prop::collection::vec(value, 1..60)];
    let quality =
        prop_oneof![3 => Just(Quality::GOOD), 1 => Just(Quality::BAD), 1 => Just(Quality(216))];
    prop_oneof![
        8 => (0..8 * HOUR, 1_i64..200, values, quality)
            .prop_map(|(start, step, values, quality)| Step::Append(start, step, values, quality)),
        2 => Just(Step::Flush),
        2 => Just(Step::Compact),
        1 => Just(Step::Reopen),
        5 => (0..10 * HOUR, 0..3 * HOUR).prop_map(|(samples, rollups)| Step::RetainAll(samples, rollups)),
        1 => (0..3 * HOUR).prop_map(Step::Retain),
    ]
}

pub fn samples(start: i64, step: i64, values: &[Value], quality: Quality) -> Arc<MessageBatch> {
    let records = values.iter().zip(0..).map(|(value, index)| {
        let mut record = record("p", start + index * step, value.clone());
        record.quality = quality;
        record
    });
    Arc::new(batch(records.collect()))
}

pub fn retain_all(engine: &Engine, samples: i64, rollups: i64) -> Result<Retained, TelemetryError> {
    engine.retain_all(&[Retention {
        channel: channel(0),
        samples_before: Timestamp(samples * SECOND),
        rollups_before: Timestamp(rollups * SECOND),
    }])
}

type Samples = BTreeMap<i64, (Option<f64>, Quality)>;

/// Times are in seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    pub raw: Samples,
    /// Numbers by the minute that they were summed up in.
    kept: BTreeMap<i64, Samples>,
    /// The time from which on rollups were kept last; never earlier than before.
    pub floor: i64,
}

const fn hour_of(time: i64) -> i64 {
    time.div_euclid(HOUR) * HOUR
}

const fn minute_of(time: i64) -> i64 {
    time.div_euclid(60) * 60
}

impl Model {
    pub fn append(&mut self, batch: &MessageBatch) {
        for record in &batch.records {
            let sample = (record.value.as_number(), record.quality);
            self.raw.insert(record.time.0 / SECOND, sample);
        }
    }

    /// Answers how many samples go, and how many of them came too late for their minute.
    pub fn retain_all(&mut self, samples: i64, rollups: i64) -> (u64, u64) {
        let samples = hour_of(samples);
        self.floor = self.floor.max(hour_of(rollups).min(samples));
        let left = self.raw.split_off(&samples);
        let gone = std::mem::replace(&mut self.raw, left);
        let before = self.kept.clone();
        let mut late = 0;
        for (time, sample) in &gone {
            let minute = minute_of(*time);
            if before.contains_key(&minute) {
                late += 1;
            } else if sample.0.is_some() {
                let kept = self.kept.entry(minute).or_default();
                kept.insert(*time, *sample);
            }
        }
        self.kept = self.kept.split_off(&self.floor);
        (gone.len() as u64, late)
    }

    pub fn retain(&mut self, before: i64) {
        self.raw = self.raw.split_off(&before);
        self.floor = self.floor.max(hour_of(before));
        self.kept = self.kept.split_off(&self.floor);
    }

    pub fn kept_minutes(&self) -> usize {
        self.kept.len()
    }

    fn end(&self) -> i64 {
        let last = self.kept.keys().next_back();
        last.map_or(i64::MIN, |minute| hour_of(*minute) + HOUR)
    }

    /// The numbers that an aggregate over `from` to `to` is made of, where kept ones lie in rows of `width` seconds.
    fn numbers(&self, (from, to): (i64, i64), width: i64) -> Vec<(i64, f64)> {
        let early = to.min(self.end());
        let overlaps = |minute: i64| {
            let start = minute.div_euclid(width) * width;
            start + width > from && start < early
        };
        let mut numbers: BTreeMap<i64, f64> = BTreeMap::new();
        for (minute, samples) in &self.kept {
            if overlaps(*minute) {
                numbers.extend(
                    samples
                        .iter()
                        .filter_map(|(time, sample)| Some((*time, sample.0?))),
                );
            }
        }
        for (time, sample) in self.raw.range(from..to) {
            let late = *time < self.end() && self.kept.contains_key(&minute_of(*time));
            if !late && let Some(number) = sample.0 {
                numbers.insert(*time, number);
            }
        }
        numbers.into_iter().collect()
    }
}

const FUNCTIONS: [AggregateFunction; 6] = [
    AggregateFunction::Count,
    AggregateFunction::Min,
    AggregateFunction::Max,
    AggregateFunction::First,
    AggregateFunction::Last,
    AggregateFunction::Sum,
];

fn intervals(numbers: &[(i64, f64)], every: i64) -> Vec<(i64, Vec<f64>)> {
    let mut rows: Vec<(i64, Vec<f64>)> = Vec::new();
    for (time, number) in numbers {
        let start = time.div_euclid(every) * every;
        match rows.last_mut() {
            Some((last, row)) if *last == start => row.push(*number),
            _ => rows.push((start, vec![*number])),
        }
    }
    rows
}

fn range_of((from, to): (i64, i64)) -> TimeRange {
    let time = |second: i64| Timestamp(second.saturating_mul(SECOND));
    TimeRange {
        from: time(from),
        to: time(to),
    }
}

const ALL: (i64, i64) = (-HOUR, 100 * HOUR);
const SERIES: SeriesId = SeriesId(1);

/// What is wrong with an answer, if anything is.
pub fn difference(engine: &Engine, model: &Model) -> Option<String> {
    if engine.series_by_id(SERIES).is_none() {
        return (!model.raw.is_empty() || !model.kept.is_empty())
            .then(|| "the series is unknown".to_owned());
    }
    let found = engine.range(SERIES, TimeRange::ALL, usize::MAX).unwrap();
    let found: Vec<i64> = found.iter().map(|sample| sample.time.0 / SECOND).collect();
    let raw: Vec<i64> = model.raw.keys().copied().collect();
    if found != raw {
        return Some(format!("samples at {found:?}, not {raw:?}"));
    }
    let ranges = [
        ALL,
        (HOUR, 6 * HOUR),
        (HOUR + 17, 5 * HOUR + 1),
        (3 * HOUR - 61, 3 * HOUR + 61),
        (2 * HOUR + 100, 2 * HOUR + 110),
    ];
    let mut wrong = line(engine, model);
    for range in ranges {
        for every in [60, 300, HOUR, 2 * HOUR] {
            wrong = wrong.or_else(|| aggregates(engine, model, range, every));
        }
        wrong = wrong.or_else(|| deviations(engine, model, range, 2 * HOUR));
    }
    wrong
}

fn aggregates(engine: &Engine, model: &Model, range: (i64, i64), every: i64) -> Option<String> {
    let length = Duration::from_secs(every.unsigned_abs());
    let found = engine
        .aggregate(SERIES, range_of(range), length, &FUNCTIONS)
        .unwrap();
    let expected = intervals(&model.numbers(range, 60), every);
    let starts: Vec<i64> = found.starts.iter().map(|start| start.0 / SECOND).collect();
    let wanted: Vec<i64> = expected.iter().map(|(start, _)| *start).collect();
    if starts != wanted {
        return Some(format!(
            "every {every} s of {range:?}: {starts:?}, not {wanted:?}"
        ));
    }
    for (index, (start, numbers)) in expected.iter().enumerate() {
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
        let exact = [numbers.len() as f64, least, most, first, last];
        let theirs: Vec<f64> = found.columns.iter().map(|column| column[index]).collect();
        let sum: f64 = numbers.iter().sum();
        let allowed = 1e-9 * (1.0 + least.abs().max(most.abs())) * numbers.len() as f64;
        if theirs[..5] != exact || (theirs[5] - sum).abs() > allowed {
            return Some(format!(
                "every {every} s of {range:?} at {start}: {theirs:?}, not {exact:?}"
            ));
        }
    }
    None
}

fn deviations(engine: &Engine, model: &Model, range: (i64, i64), every: i64) -> Option<String> {
    let functions = [AggregateFunction::Deviation, AggregateFunction::Count];
    let length = Duration::from_secs(every.unsigned_abs());
    let found = engine
        .aggregate(SERIES, range_of(range), length, &functions)
        .unwrap();
    let expected = intervals(&model.numbers(range, HOUR), every);
    if found.starts.len() != expected.len() {
        return Some(format!(
            "{} deviations of {range:?}, not {}",
            found.starts.len(),
            expected.len()
        ));
    }
    for (index, (start, numbers)) in expected.iter().enumerate() {
        let count = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / count;
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
        let (ours, theirs) = (found.columns[0][index], found.columns[1][index]);
        if theirs != count || (ours - deviation).abs() > 1e-6 * (1.0 + deviation) {
            return Some(format!(
                "deviation of {range:?} at {start}: {ours} of {theirs}, not {deviation} of {count}"
            ));
        }
    }
    None
}

/// A line shows samples that were there, and of all time the first, the last and the extremes.
fn line(engine: &Engine, model: &Model) -> Option<String> {
    let mut all = model.raw.clone();
    all.extend(
        model
            .kept
            .values()
            .flatten()
            .map(|(time, sample)| (*time, *sample)),
    );
    for budget in [1, 3, 4, 9, 1000] {
        let line = engine.points(SERIES, TimeRange::ALL, budget).unwrap();
        let shown: Vec<(i64, Option<f64>)> = line
            .times
            .iter()
            .map(|time| time.0 / SECOND)
            .zip(line.values.iter().copied())
            .collect();
        let was_there = |(time, value): &(i64, Option<f64>)| {
            // A late sample may stand beside the one that was summed up at its time.
            let raw = model.raw.get(time).map(|sample| sample.0);
            let kept = model.kept.get(&minute_of(*time));
            let kept = kept
                .and_then(|samples| samples.get(time))
                .map(|sample| sample.0);
            raw == Some(*value) || kept == Some(*value)
        };
        if let Some(point) = shown.iter().find(|point| !was_there(point)) {
            return Some(format!("point {point:?} is invented"));
        }
        let counted = model.raw.len() + model.kept.values().map(Samples::len).sum::<usize>();
        if line.samples != counted as u64 || shown.len() > budget || !line.times.is_sorted() {
            return Some(format!(
                "{} points of {} samples, not {counted}",
                shown.len(),
                line.samples
            ));
        }
        if budget < 4 || all.is_empty() {
            continue;
        }
        let ends = (
            shown.first().map(|point| point.0),
            shown.last().map(|point| point.0),
        );
        let wanted = (all.keys().next().copied(), all.keys().next_back().copied());
        // Of samples that are no numbers nothing is left.
        if ends != wanted {
            return Some(format!(
                "budget {budget}: a line from {ends:?}, not {wanted:?}"
            ));
        }
        let extremes = |numbers: &mut dyn Iterator<Item = f64>| {
            numbers.fold(
                (f64::INFINITY, f64::NEG_INFINITY),
                |(least, most), number| (least.min(number), most.max(number)),
            )
        };
        let raw = model.raw.values().filter_map(|sample| sample.0);
        let kept = model
            .kept
            .values()
            .flatten()
            .filter_map(|(_, sample)| sample.0);
        let wanted = extremes(&mut raw.chain(kept));
        let found = extremes(&mut shown.iter().filter_map(|point| point.1));
        if found != wanted {
            return Some(format!(
                "budget {budget}: extremes {found:?}, not {wanted:?}"
            ));
        }
    }
    None
}
