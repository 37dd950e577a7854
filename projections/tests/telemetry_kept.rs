//! Rollups that outlive their samples: whatever is sent, dropped, merged and cut off, aggregates of a time whose samples
//! are gone are those that the samples gave.
//!
//! `TELLEE_CRASH_SEEDS` sets how many power cuts are tried.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

#[path = "telemetry/conformance.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod conformance;
#[path = "telemetry/kept.rs"]
mod kept;
#[path = "telemetry/oracle.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod oracle;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::disk::{Disk, Faults, SimulatedDisk};
use tellee_projections::telemetry::{
    Access, AggregateFunction, Engine, Hit, Memory, Quality, SeriesFilter, SeriesId,
    TelemetryError, TimeRange, Value, check_disk, write_rollups_csv,
};

use kept::{HOUR, Model, SECOND, Step, config, difference, retain_all, samples, step};
use oracle::channel;

fn open(disk: &SimulatedDisk) -> Engine {
    Engine::open(Arc::new(disk.clone()), config(), Access::Write).unwrap()
}

fn assert_equal(engine: &Engine, model: &Model) {
    assert_eq!(difference(engine, model), None);
}

/// Does `steps` to an engine that `open` opens again and again, and to plain rows.
fn try_all(open: impl Fn() -> Engine, steps: Vec<Step>) {
    let mut engine = open();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append(start, step, values, quality) => {
                let batch = samples(start, step, &values, quality);
                engine.commit([&batch].into_iter()).unwrap();
                model.append(&batch);
            }
            Step::Flush => {
                engine.flush().unwrap();
            }
            Step::Compact => while engine.compact().unwrap() {},
            Step::Reopen => {
                drop(engine);
                engine = open();
            }
            Step::RetainAll(samples, rollups) => {
                let rollups = rollups.max(model.floor);
                let retained = retain_all(&engine, samples, rollups).unwrap();
                let (gone, late) = model.retain_all(samples, rollups);
                assert_eq!((retained.samples, retained.late), (gone, late));
            }
            Step::Retain(before) => {
                engine
                    .retain(channel(0), Timestamp(before * SECOND))
                    .unwrap();
                model.retain(before);
            }
        }
    }
    assert_equal(&engine, &model);
    drop(engine);
    let reopened = open();
    assert_equal(&reopened, &model);
    reopened.flush().unwrap();
    while reopened.compact().unwrap() {}
    assert_equal(&reopened, &model);
    assert_eq!(reopened.damages(), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_kept_rollups_tell_is_what_the_samples_told(steps in prop::collection::vec(step(), 1..24)) {
        let disk = SimulatedDisk::new(1);
        try_all(|| open(&disk), steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn over_memory_kept_rollups_tell_the_same(steps in prop::collection::vec(step(), 1..24)) {
        let memory = Memory::default();
        try_all(|| Engine::open_in(&memory, config()).unwrap(), steps);
    }
}

/// One step; what the store must hold then goes into `model`.
fn try_step(engine: &Engine, step: &Step, model: &mut Model) -> Result<(), TelemetryError> {
    match step {
        Step::Append(start, step, values, quality) => {
            let batch = samples(*start, *step, values, *quality);
            model.append(&batch);
            engine.commit([&batch].into_iter())
        }
        Step::Flush | Step::Reopen => engine.flush().map(drop),
        Step::Compact => {
            while engine.compact()? {}
            Ok(())
        }
        Step::RetainAll(samples, rollups) => {
            let rollups = (*rollups).max(model.floor);
            model.retain_all(*samples, rollups);
            retain_all(engine, *samples, rollups).map(drop)
        }
        Step::Retain(before) => {
            model.retain(*before);
            engine.retain(channel(0), Timestamp(before * SECOND))
        }
    }
}

/// Answers whether the power went while samples were exchanged for their rollups.
fn survive(seed: u64) -> bool {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(seed + 1).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let steps = proptest::collection::vec(step(), 4..16)
        .new_tree(&mut runner)
        .unwrap()
        .current();
    let mut disk = SimulatedDisk::new(seed);
    let mut model = Model::default();
    let mut cut_off = false;
    for (round, part) in steps.chunks(steps.len().div_ceil(2)).enumerate() {
        disk.set_faults(Faults {
            crash_after: Some((seed / 5 + round as u64 * 17) % 70),
            ..Faults::default()
        });
        let mut unknown = None;
        if let Ok(engine) = Engine::open(Arc::new(disk.clone()), config(), Access::Write) {
            for step in part {
                let mut next = model.clone();
                match try_step(&engine, step, &mut next) {
                    Ok(()) => model = next,
                    Err(error) => {
                        assert!(disk.is_down(), "seed {seed}: {error}");
                        cut_off |= matches!(step, Step::RetainAll(..)) && next != model;
                        unknown = Some(next);
                        break;
                    }
                }
            }
        }
        disk = disk.after_power_cut();
        let engine = open(&disk);
        assert_eq!(engine.damages(), [], "seed {seed}");
        // The step that was cut off was done as a whole or not at all.
        let done = unknown.filter(|next| difference(&engine, next).is_none());
        model = done.unwrap_or(model);
        if let Some(difference) = difference(&engine, &model) {
            panic!("seed {seed}: {difference}");
        }
    }
    cut_off
}

#[test]
fn a_power_cut_leaves_the_samples_or_their_rollups() {
    let setting = std::env::var("TELLEE_CRASH_SEEDS").ok();
    let seeds = setting.and_then(|text| text.parse().ok()).unwrap_or(1000);
    let cut_off = (0..seeds).filter(|seed| survive(*seed)).count();
    assert!(
        cut_off as u64 > seeds / 20,
        "{cut_off} cuts of {seeds} hit retention"
    );
}

/// A sample a second from `from` to `to`.
fn seconds(from: i64, to: i64) -> Arc<tellee_projections::telemetry::MessageBatch> {
    let value = |second: i64| Value::Number((second * 37 % 211) as f64 / 100.0);
    let values: Vec<Value> = (from..to).map(value).collect();
    samples(from, 1, &values, Quality::GOOD)
}

/// Four hours of which the first three are rollups alone.
fn three_hours_kept() -> (SimulatedDisk, Engine, Model) {
    let disk = SimulatedDisk::new(1);
    let engine = open(&disk);
    let mut model = Model::default();
    let batch = seconds(0, 4 * HOUR);
    engine.commit([&batch].into_iter()).unwrap();
    model.append(&batch);
    retain_all(&engine, 3 * HOUR + 59, 0).unwrap();
    model.retain_all(3 * HOUR + 59, 0);
    (disk, engine, model)
}

fn rows(
    engine: &Engine,
    from: i64,
    to: i64,
    every: u64,
) -> (Vec<i64>, Vec<f64>, Option<(i64, u64)>) {
    let range = TimeRange {
        from: Timestamp(from * SECOND),
        to: Timestamp(to * SECOND),
    };
    let functions = [AggregateFunction::Count];
    let found = engine
        .aggregate(SeriesId(1), range, Duration::from_secs(every), &functions)
        .unwrap();
    (
        found.starts.iter().map(|start| start.0 / SECOND).collect(),
        found.columns[0].clone(),
        found
            .rolled_up
            .map(|rolled_up| (rolled_up.before.0 / SECOND, rolled_up.step.as_secs())),
    )
}

#[test]
fn samples_go_by_the_whole_hour_and_their_rollups_stay() {
    let (_, engine, model) = three_hours_kept();
    assert_equal(&engine, &model);
    assert_eq!(model.kept_minutes(), 180);
    assert_eq!(model.raw.len() as i64, HOUR);
    let nothing = engine
        .range(
            SeriesId(1),
            TimeRange {
                from: Timestamp::MIN,
                to: Timestamp(3 * HOUR * SECOND),
            },
            10,
        )
        .unwrap();
    assert_eq!(nothing, []);
    let again = retain_all(&engine, 3 * HOUR + 59, 0).unwrap();
    assert_eq!(again, Default::default(), "there is nothing left to do");
}

#[test]
fn a_finer_step_is_answered_by_the_minute_and_says_so() {
    let (_, engine, _) = three_hours_kept();
    let (starts, counts, rolled_up) = rows(&engine, 3 * HOUR - 120, 3 * HOUR + 20, 10);
    assert_eq!(rolled_up, Some((3 * HOUR, 60)));
    let kept = [3 * HOUR - 120, 3 * HOUR - 60];
    assert_eq!(starts, [&kept[..], &[3 * HOUR, 3 * HOUR + 10]].concat());
    assert_eq!(counts, [60.0, 60.0, 10.0, 10.0]);
    // 100 s are no whole minutes: two of them up to where the samples begin, then what is left of 100 s there.
    let (starts, counts, rolled_up) = rows(&engine, 3 * HOUR - 240, 3 * HOUR + 150, 100);
    assert_eq!(rolled_up, Some((3 * HOUR, 120)));
    assert_eq!(starts, [10560, 10680, 10800, 10900]);
    assert_eq!(counts, [120.0, 120.0, 100.0, 50.0]);
    // Ten seconds in the middle of a minute: the whole minute, rather than nothing.
    assert_eq!(
        rows(&engine, 70, 80, 1),
        (vec![60], vec![60.0], Some((80, 60)))
    );
    assert_eq!(
        rows(&engine, 3 * HOUR, 3 * HOUR + 2, 1),
        (vec![10800, 10801], vec![1.0, 1.0], None)
    );
}

#[test]
fn late_samples_make_rows_of_minutes_that_have_none_and_no_minute_twice() {
    let disk = SimulatedDisk::new(1);
    let engine = open(&disk);
    let mut model = Model::default();
    let send = |from: i64, to: i64, model: &mut Model| {
        let batch = seconds(from, to);
        engine.commit([&batch].into_iter()).unwrap();
        model.append(&batch);
    };
    send(0, 600, &mut model);
    retain_all(&engine, 2 * HOUR, 0).unwrap();
    model.retain_all(2 * HOUR, 0);
    // The second half was sent already; the edge does not know.
    send(300, 1200, &mut model);
    assert_equal(&engine, &model);
    let (_, counts, _) = rows(&engine, 0, HOUR, HOUR as u64);
    assert_eq!(counts, [1200.0]);
    let retained = retain_all(&engine, 2 * HOUR, 0).unwrap();
    assert_eq!((retained.samples, retained.late), (900, 300));
    assert_eq!(engine.figures().late_dropped, 300);
    model.retain_all(2 * HOUR, 0);
    assert_equal(&engine, &model);
    let (_, counts, _) = rows(&engine, 0, HOUR, HOUR as u64);
    assert_eq!(counts, [1200.0]);
}

#[test]
fn rollups_go_when_they_are_older_than_they_are_kept_for() {
    let (disk, engine, mut model) = three_hours_kept();
    assert!(engine.figures().kept_rollup_bytes > 0);
    retain_all(&engine, 3 * HOUR, HOUR).unwrap();
    model.retain_all(3 * HOUR, HOUR);
    assert_equal(&engine, &model);
    assert_eq!(model.kept_minutes(), 120);
    // Nobody keeps rollups for longer any more.
    retain_all(&engine, 4 * HOUR, 4 * HOUR).unwrap();
    while engine.compact().unwrap() {}
    assert_eq!(engine.figures().block_files, 0);
    drop(engine);
    let names = disk.list().unwrap();
    assert!(
        !names.iter().any(|name| name.starts_with("blocks-")),
        "{names:?}"
    );
}

#[test]
fn the_newest_sample_goes_for_good_with_the_samples() {
    let disk = SimulatedDisk::new(1);
    let engine = open(&disk);
    engine.commit([&seconds(0, 100)].into_iter()).unwrap();
    engine.flush().unwrap();
    retain_all(&engine, HOUR, 0).unwrap();
    assert_eq!(engine.latest(&[SeriesId(1)]).unwrap(), [None]);
    drop(engine);
    let engine = open(&disk.after_power_cut());
    assert_eq!(engine.latest(&[SeriesId(1)]).unwrap(), [None]);
    assert_eq!(rows(&engine, 0, HOUR, 60).1, [60.0, 40.0]);
}

#[test]
fn a_backup_holds_kept_rollups() {
    let (_, engine, model) = three_hours_kept();
    let target = SimulatedDisk::new(2);
    engine.backup_onto(&target).unwrap();
    assert_equal(&open(&target), &model);
}

#[test]
fn kept_rollups_are_exported_row_by_row() {
    let (_, engine, _) = three_hours_kept();
    let mut csv = Vec::new();
    let all = SeriesFilter::default();
    let range = TimeRange {
        from: Timestamp(60 * SECOND),
        to: Timestamp(HOUR * SECOND),
    };
    assert_eq!(
        write_rollups_csv(&engine, &all, range, &mut csv).unwrap(),
        60
    );
    let text = String::from_utf8(csv).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[1].contains(",p,60,60000000000,60,60,"),
        "{}",
        lines[1]
    );
    assert!(lines[60].contains(",p,3600,0,3600,3600,"), "{}", lines[60]);
}

#[test]
fn many_sets_of_kept_rollups_become_few() {
    let disk = SimulatedDisk::new(1);
    let engine = open(&disk);
    let mut model = Model::default();
    for hour in 0..24 {
        let batch = seconds(hour * HOUR, hour * HOUR + 700);
        engine.commit([&batch].into_iter()).unwrap();
        model.append(&batch);
        retain_all(&engine, (hour + 1) * HOUR, 0).unwrap();
        model.retain_all((hour + 1) * HOUR, 0);
        while engine.compact().unwrap() {}
    }
    let figures = engine.figures();
    assert!(figures.block_files < 5, "{figures:?}");
    assert_equal(&engine, &model);
}

#[test]
fn damage_to_kept_rollups_is_named_with_its_time_and_takes_nothing_else() {
    let (disk, engine, _) = three_hours_kept();
    while engine.compact().unwrap() {}
    drop(engine);
    let files: Vec<String> = disk.list().unwrap();
    let kept = files
        .iter()
        .filter(|name| name.starts_with("blocks-"))
        .max()
        .unwrap();
    let length = disk.open(kept).unwrap().length().unwrap() as usize;
    let (mut hit_rows, mut hit_index) = (0, 0);
    for byte in (0..length).step_by(29) {
        let copy = disk.after_power_cut();
        copy.flip_bit(kept, byte, (byte % 8) as u8);
        let report = check_disk(Arc::new(copy.clone())).unwrap();
        assert!(!report.is_whole(), "byte {byte} is not seen");
        let counts = rows(&open(&copy), 0, 4 * HOUR, HOUR as u64).1;
        match &report.hits[0] {
            Some(Hit::KeptRollup { first, end, .. }) => {
                hit_rows += 1;
                assert_eq!((first.0, end.0), (0, 3 * HOUR * SECOND));
            }
            _ => {
                hit_index += 1;
                assert_eq!(counts, [3600.0; 4], "byte {byte}: {:?}", report.damages);
            }
        }
        assert_eq!(counts.last(), Some(&3600.0));
    }
    assert!(hit_rows > 2 && hit_index > 2, "{hit_rows} {hit_index}");
}
