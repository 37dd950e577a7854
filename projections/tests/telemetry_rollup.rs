//! Rollups against a store of plain rows: late samples, rewritten ones and retention included, every answer that may
//! come from a rollup is the one that the samples give.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

#[path = "telemetry/conformance.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod conformance;
#[path = "telemetry/oracle.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod oracle;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::disk::{Disk, SimulatedDisk};
use tellee_projections::telemetry::{
    Access, AggregateFunction, Aggregates, Engine, Hit, MessageBatch, Quality, Sample,
    SeriesFilter, SeriesId, TelemetryConfig, TimeRange, Value, check_disk,
};

use conformance::{batch, record};
use oracle::{Oracle, channel};

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600;

/// Every run gets rollups, however small it is.
fn config() -> TelemetryConfig {
    TelemetryConfig {
        block_samples: 16,
        compacted_block_samples: 64,
        rollup_samples: 1,
        rollup_density: 1,
        ..TelemetryConfig::default()
    }
}

fn open(disk: &SimulatedDisk) -> Engine {
    Engine::open(Arc::new(disk.clone()), config(), Access::Write).unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    /// A regular stretch of samples: start in seconds, step in seconds, values.
    Append(i64, i64, Vec<Value>, Quality),
    Flush,
    Compact,
    Reopen,
    Retain(i64),
}

fn step() -> impl Strategy<Value = Step> {
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
    let mixed = prop::collection::vec(value, 1..60);
    let quality =
        prop_oneof![3 => Just(Quality::GOOD), 1 => Just(Quality::BAD), 1 => Just(Quality(216))];
    prop_oneof![
        8 => (0..12 * HOUR, 1_i64..200, prop_oneof![3 => numbers, 1 => mixed], quality)
            .prop_map(|(start, step, values, quality)| Step::Append(start, step, values, quality)),
        3 => Just(Step::Flush),
        2 => Just(Step::Compact),
        1 => Just(Step::Reopen),
        1 => (0..8 * HOUR).prop_map(Step::Retain),
    ]
}

fn samples(start: i64, step: i64, values: &[Value], quality: Quality) -> Arc<MessageBatch> {
    let records = values
        .iter()
        .zip(0..)
        .map(|(value, index)| {
            let mut record = record("p", start + index * step, value.clone());
            record.quality = quality;
            record
        })
        .collect();
    Arc::new(batch(records))
}

fn ranges() -> [TimeRange; 4] {
    let range = |from: i64, to: i64| TimeRange {
        from: Timestamp(from * SECOND),
        to: Timestamp(to * SECOND),
    };
    [
        TimeRange::ALL,
        range(HOUR, 9 * HOUR),
        range(HOUR + 17, 7 * HOUR + 1),
        range(3 * HOUR - 61, 3 * HOUR + 61),
    ]
}

const FUNCTIONS: [AggregateFunction; 7] = [
    AggregateFunction::Count,
    AggregateFunction::Min,
    AggregateFunction::Max,
    AggregateFunction::First,
    AggregateFunction::Last,
    AggregateFunction::Sum,
    AggregateFunction::Mean,
];

/// Exact but for sum, mean and deviation, which may differ by what adding doubles loses.
fn assert_aggregates(engine: &Engine, id: SeriesId, range: TimeRange, every: i64, all: &[Sample]) {
    let ask = |functions: &[AggregateFunction]| -> Aggregates {
        engine
            .aggregate(id, range, Duration::from_secs(every as u64), functions)
            .unwrap()
    };
    let found = ask(&FUNCTIONS);
    let sums = ask(&FUNCTIONS[5..]);
    let deviation = ask(&[AggregateFunction::Deviation, AggregateFunction::Count]);
    let mut expected: Vec<(i64, Vec<f64>)> = Vec::new();
    for sample in all {
        let Some(number) = sample.value.as_number() else {
            continue;
        };
        let start = sample.time.0.div_euclid(every * SECOND) * every * SECOND;
        match expected.last_mut() {
            Some((last, numbers)) if *last == start => numbers.push(number),
            _ => expected.push((start, vec![number])),
        }
    }
    let starts: Vec<i64> = expected.iter().map(|(start, _)| *start).collect();
    for aggregates in [&found, &sums, &deviation] {
        let theirs: Vec<i64> = aggregates.starts.iter().map(|start| start.0).collect();
        assert_eq!(theirs, starts, "every {every} s of {range:?}");
    }
    for (index, (_, numbers)) in expected.iter().enumerate() {
        let exact = [
            numbers.len() as f64,
            numbers.iter().copied().fold(f64::INFINITY, f64::min),
            numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            numbers[0],
            *numbers.last().unwrap(),
        ];
        for (column, exact) in found.columns.iter().zip(exact) {
            assert_eq!(column[index], exact, "every {every} s, row {index}");
        }
        let sum: f64 = numbers.iter().sum();
        let largest = numbers
            .iter()
            .fold(0.0, |most: f64, number| most.max(number.abs()));
        let allowed = 4.0 * f64::EPSILON * numbers.len() as f64 * largest;
        for columns in [&found.columns[5..], &sums.columns] {
            assert!((columns[0][index] - sum).abs() <= allowed * numbers.len() as f64);
            let mean = sum / numbers.len() as f64;
            assert!((columns[1][index] - mean).abs() <= allowed * 2.0);
        }
        let mean = sum / numbers.len() as f64;
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        let expected = if numbers.len() < 2 {
            0.0
        } else {
            (squares / (numbers.len() - 1) as f64).sqrt()
        };
        let found = deviation.columns[0][index];
        assert!(
            (found - expected).abs() <= 1e-6 * (largest + 1.0),
            "{found} {expected}"
        );
    }
}

/// A line that may come from hours shows samples that are there, first and last, and every extreme of every stretch.
fn assert_line(engine: &Engine, id: SeriesId, range: TimeRange, budget: usize, all: &[Sample]) {
    let line = engine.points(id, range, budget).unwrap();
    assert_eq!(line.samples, all.len() as u64);
    assert!(line.times.len() <= budget);
    assert!(line.times.is_sorted());
    let shown: Vec<(Timestamp, Option<f64>, Quality)> = all
        .iter()
        .map(|sample| (sample.time, sample.value.as_number(), sample.quality))
        .collect();
    for ((time, value), quality) in line.times.iter().zip(&line.values).zip(&line.qualities) {
        assert!(shown.contains(&(*time, *value, *quality)));
    }
    if all.len() <= budget {
        return;
    }
    assert_eq!(line.times.first(), all.first().map(|sample| &sample.time));
    assert_eq!(line.times.last(), all.last().map(|sample| &sample.time));
    let extremes = |numbers: &mut dyn Iterator<Item = f64>| {
        numbers.fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(least, most), number| (least.min(number), most.max(number)),
        )
    };
    assert_eq!(
        extremes(&mut line.values.iter().copied().flatten()),
        extremes(&mut shown.iter().filter_map(|(_, number, _)| *number))
    );
}

fn assert_equal(engine: &Engine, oracle: &Oracle) {
    let (infos, _) = engine.series(&SeriesFilter::default(), 0, 10).unwrap();
    for info in infos {
        for range in ranges() {
            let all = oracle.range(&info.key, range);
            for every in [60, 300, HOUR, 3 * HOUR, 24 * HOUR, 45] {
                assert_aggregates(engine, info.id, range, every, &all);
            }
            for budget in [4, 6, 9, 40] {
                assert_line(engine, info.id, range, budget, &all);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_rollups_tell_is_what_the_samples_tell(steps in prop::collection::vec(step(), 1..24)) {
        let disk = SimulatedDisk::new(1);
        let mut engine = open(&disk);
        let mut oracle = Oracle::default();
        for step in steps {
            match step {
                Step::Append(start, step, values, quality) => {
                    let batch = samples(start, step, &values, quality);
                    engine.commit([&batch].into_iter()).unwrap();
                    oracle.append(&batch);
                }
                Step::Flush => {
                    engine.flush().unwrap();
                }
                Step::Compact => while engine.compact().unwrap() {},
                Step::Reopen => {
                    drop(engine);
                    engine = open(&disk);
                }
                Step::Retain(before) => {
                    let before = Timestamp(before * SECOND);
                    engine.retain(channel(0), before).unwrap();
                    oracle.retain(channel(0), before);
                }
            }
        }
        assert_equal(&engine, &oracle);
        engine.flush().unwrap();
        assert_equal(&engine, &oracle);
        while engine.compact().unwrap() {}
        assert_equal(&engine, &oracle);
        drop(engine);
        let reopened = open(&disk);
        assert_equal(&reopened, &oracle);
        prop_assert_eq!(reopened.damages(), []);
    }
}

/// Start in seconds, step in seconds, how many, and which of them is a text, if any.
fn stretch() -> impl Strategy<Value = (i64, i64, usize, Option<usize>)> {
    let text = prop::option::weighted(0.3, 0_usize..700);
    (0..9 * HOUR, 1_i64..3, 100_usize..700, text)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_minutes_of_blocks_in_memory_tell_is_what_the_samples_tell(
        stretches in prop::collection::vec(stretch(), 1..12),
        before in prop::option::of(0..8 * HOUR),
    ) {
        let disk = SimulatedDisk::new(1);
        let config = TelemetryConfig { block_samples: 128, ..config() };
        let engine = Engine::open(Arc::new(disk), config, Access::Write).unwrap();
        let mut oracle = Oracle::default();
        for (start, step, count, text) in stretches {
            let value = |index: usize| match text {
                Some(text) if text == index => Value::Text("stopped".to_owned()),
                _ => Value::Number(((start as usize + index * 7919) % 1800) as f64 / 100.0 - 9.0),
            };
            let values: Vec<Value> = (0..count).map(value).collect();
            let batch = samples(start, step, &values, Quality::GOOD);
            engine.commit([&batch].into_iter()).unwrap();
            oracle.append(&batch);
        }
        assert_equal(&engine, &oracle);
        if let Some(before) = before {
            let before = Timestamp(before * SECOND);
            engine.retain(channel(0), before).unwrap();
            oracle.retain(channel(0), before);
        }
        // What was kept for the questions before serves these.
        assert_equal(&engine, &oracle);
    }
}

/// One series, a sample a second for three hours, in one file.
fn three_hours() -> (SimulatedDisk, Oracle) {
    let disk = SimulatedDisk::new(1);
    let engine = open(&disk);
    let mut oracle = Oracle::default();
    let values: Vec<Value> = (0..3 * HOUR)
        .map(|second| Value::Number((second % 977) as f64 / 4.0))
        .collect();
    let all = samples(0, 1, &values, Quality::GOOD);
    engine.commit([&all].into_iter()).unwrap();
    oracle.append(&all);
    engine.flush().unwrap();
    for name in disk.list().unwrap() {
        disk.open(&name).unwrap().sync().unwrap();
    }
    disk.sync_folder().unwrap();
    (disk, oracle)
}

fn block_file(disk: &SimulatedDisk) -> String {
    let names = disk.list().unwrap();
    names
        .into_iter()
        .find(|name| name.starts_with("blocks-"))
        .unwrap()
}

#[test]
fn whole_minutes_read_no_block() {
    let (disk, oracle) = three_hours();
    let name = block_file(&disk);
    // The first block alone is damaged: whoever reads it reports it.
    disk.flip_bit(&name, 100, 1);
    let engine = open(&disk);
    let id = SeriesId(1);
    let key = oracle.series.keys().next().unwrap().clone();
    assert_aggregates_of_rollups(&engine, id, 60, &oracle.range(&key, TimeRange::ALL));
    assert_aggregates_of_rollups(&engine, id, HOUR, &oracle.range(&key, TimeRange::ALL));
    assert_eq!(engine.damages(), []);
    engine.range(id, TimeRange::ALL, 1).unwrap();
    assert_eq!(engine.damages().len(), 1);
}

#[test]
fn the_minute_that_two_files_share_is_put_together_from_both_rollups() {
    let disk = SimulatedDisk::new(1);
    let engine = open(&disk);
    let mut oracle = Oracle::default();
    // The files meet within a minute and within an hour.
    for (start, count) in [(0, 5430), (5430, 5370)] {
        let values: Vec<Value> = (0..count)
            .map(|second| Value::Number((second % 977) as f64 / 4.0))
            .collect();
        let part = samples(start, 1, &values, Quality::GOOD);
        engine.commit([&part].into_iter()).unwrap();
        oracle.append(&part);
        engine.flush().unwrap();
    }
    for name in disk.list().unwrap() {
        if name.starts_with("blocks-") {
            // The first block of each: the second file's holds its share of the minute.
            disk.flip_bit(&name, 100, 1);
        }
    }
    let key = oracle.series.keys().next().unwrap().clone();
    let all = oracle.range(&key, TimeRange::ALL);
    for every in [60, HOUR] {
        assert_aggregates_of_rollups(&engine, SeriesId(1), every, &all);
    }
    assert_eq!(engine.damages(), []);
}

fn assert_aggregates_of_rollups(engine: &Engine, id: SeriesId, every: i64, all: &[Sample]) {
    let functions = [AggregateFunction::Count, AggregateFunction::Max];
    let found = engine
        .aggregate(
            id,
            TimeRange::ALL,
            Duration::from_secs(every as u64),
            &functions,
        )
        .unwrap();
    assert_eq!(found.starts.len() as i64, 3 * HOUR / every);
    assert_eq!(found.columns[0].iter().sum::<f64>() as usize, all.len());
}

#[test]
fn a_flipped_bit_in_a_rollup_is_seen_and_changes_no_answer() {
    let (disk, oracle) = three_hours();
    let key = oracle.series.keys().next().unwrap().clone();
    let all = oracle.range(&key, TimeRange::ALL);
    let name = block_file(&disk);
    let length = disk.open(&name).unwrap().length().unwrap() as usize;
    let mut rollups_hit = 0;
    // Rollups lie behind the blocks, in front of the index: a stride finds them all without flipping each of them.
    for byte in (0..length).step_by(61) {
        let copy = disk.after_power_cut();
        copy.flip_bit(&name, byte, (byte % 8) as u8);
        let report = check_disk(Arc::new(copy.clone())).unwrap();
        assert!(!report.is_whole(), "byte {byte} is not seen");
        let hit_rollup = report
            .hits
            .iter()
            .any(|hit| matches!(hit, Some(Hit::Rollup { series }) if *series == key));
        if !hit_rollup {
            continue;
        }
        rollups_hit += 1;
        let engine = open(&copy);
        let range = TimeRange::ALL;
        for every in [60, HOUR] {
            assert_aggregates(&engine, SeriesId(1), range, every, &all);
        }
        assert!(!engine.damages().is_empty());
        // Merging makes the rollup anew.
        for second in 0..4 {
            let later = samples(4 * HOUR + second, 1, &[Value::Number(1.0)], Quality::GOOD);
            engine.commit([&later].into_iter()).unwrap();
            engine.flush().unwrap();
        }
        while engine.compact().unwrap() {}
        drop(engine);
        assert!(check_disk(Arc::new(copy)).unwrap().is_whole());
    }
    assert!(rollups_hit > 2, "{rollups_hit}");
}

#[test]
fn a_check_names_the_series_and_the_time_of_a_damaged_block() {
    let (disk, oracle) = three_hours();
    let name = block_file(&disk);
    disk.flip_bit(&name, 100, 1);
    let report = check_disk(Arc::new(disk)).unwrap();
    assert!(report.rollups >= 2);
    assert_eq!(
        report.hits,
        [Some(Hit::Block {
            series: oracle.series.keys().next().unwrap().clone(),
            samples: 16,
            first: Timestamp(0),
            last: Timestamp(15 * SECOND),
        })]
    );
}

#[test]
fn a_backup_keeps_rollups() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("copy");
    let (disk, oracle) = three_hours();
    open(&disk).backup_to(&target).unwrap();
    let report = tellee_projections::telemetry::check(&target).unwrap();
    assert!(report.is_whole());
    assert!(report.rollups >= 2);
    assert_eq!(
        report.samples as usize,
        oracle.series.values().next().unwrap().rows.len()
    );
}

#[test]
fn room_of_dropped_samples_is_freed_where_other_channels_keep_theirs() {
    let disk = SimulatedDisk::new(1);
    let engine = Engine::open(Arc::new(disk), TelemetryConfig::default(), Access::Write).unwrap();
    let mut bits = 7_u64;
    let mut values: Vec<Value> = Vec::new();
    for _ in 0..50_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        values.push(Value::Number((bits >> 11) as f64 / 3.0));
    }
    let dropped = samples(0, 1, &values, Quality::GOOD);
    let mut kept = MessageBatch::clone(&samples(0, 1, &values[..5000], Quality::GOOD));
    kept.channel = channel(1);
    engine
        .commit([&dropped, &Arc::new(kept)].into_iter())
        .unwrap();
    engine.flush().unwrap();
    let before = engine.figures().block_bytes;
    assert!(!engine.compact().unwrap());
    engine
        .retain(channel(0), Timestamp(45_000 * SECOND))
        .unwrap();
    while engine.compact().unwrap() {}
    let after = engine.figures();
    assert_eq!(after.block_files, 1);
    assert!(
        after.block_bytes < before / 4,
        "{before} {}",
        after.block_bytes
    );
    let (infos, _) = engine.series(&SeriesFilter::default(), 0, 10).unwrap();
    for info in infos {
        let left = engine.range(info.id, TimeRange::ALL, usize::MAX).unwrap();
        assert_eq!(left.len(), 5000);
    }
}
