//! Power cuts at any operation, on a disk that loses and tears what was not synced: what was acknowledged is there
//! afterwards, nothing is there twice, and nothing that was never sent.
//!
//! `TELLEE_CRASH_SEEDS` sets how many power cuts are tried, `TELLEE_CRASH_FIRST` the first seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

#[path = "telemetry/compare.rs"]
mod compare;
#[path = "telemetry/conformance.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod conformance;
#[path = "telemetry/generate.rs"]
mod generate;
#[path = "telemetry/oracle.rs"]
mod oracle;

use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tellee_projections::telemetry::disk::{Disk, Faults, SimulatedDisk};
use tellee_projections::telemetry::{Access, Engine, SeriesFilter, TelemetryError, Value};

use compare::{assert_equal, assert_same_samples};
use conformance::{batch, record};
use generate::{Step, config, samples_of, step};
use oracle::Oracle;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// What the store may hold after the cut: all that was acknowledged, and perhaps one step whose outcome nobody was told.
#[derive(Default)]
struct Expected {
    acknowledged: Oracle,
    unknown: Vec<Oracle>,
}

/// A backup, what it must hold, and whether its end was reported.
struct Backup {
    disk: SimulatedDisk,
    holds: Oracle,
    complete: bool,
}

/// What goes wrong while a part of the steps runs, besides the power cut at its end.
fn set_trouble(disk: &SimulatedDisk, seed: u64, index: u64) {
    let used = disk.used();
    disk.update_faults(|faults| {
        let full = seed % 3 == 1 && (seed / 3 + index).is_multiple_of(4);
        faults.capacity = full.then_some(used + seed % 900);
        faults.sync_fails = seed % 3 == 2 && (seed / 3 + index).is_multiple_of(5);
    });
}

/// Ends when the power is gone. Whatever else goes wrong refuses one step, and the next one goes on.
fn run(
    disk: &SimulatedDisk,
    engine: &Engine,
    steps: &[Step],
    seed: u64,
    expected: &mut Expected,
    backups: &mut Vec<Backup>,
) {
    for (index, step) in steps.iter().enumerate() {
        set_trouble(disk, seed, index as u64);
        let mut next = expected.acknowledged.clone();
        let done = match step {
            Step::Append(batch) => {
                next.append(batch);
                engine.commit([batch].into_iter())
            }
            Step::Samples(batch) => {
                let samples = samples_of(engine, batch);
                next.append(batch);
                engine.commit([&samples].into_iter())
            }
            Step::Retain(channel, before) => {
                next.retain(*channel, *before);
                engine.retain(*channel, *before)
            }
            Step::Flush | Step::Reopen => engine.flush().map(drop),
            Step::Compact => compact_all(engine),
            Step::Backup => {
                let target = SimulatedDisk::new(seed + index as u64);
                target.set_faults(Faults {
                    crash_after: (seed % 2 == 1).then_some(seed / 2 % 20),
                    ..Faults::default()
                });
                let done = engine.backup_onto(&target);
                backups.push(Backup {
                    disk: target,
                    holds: next.clone(),
                    complete: done.is_ok(),
                });
                if done.is_err() && !disk.is_down() {
                    continue;
                }
                done
            }
        };
        match done {
            Ok(()) => {
                expected.acknowledged = next;
                // Whatever writes to the log first takes back what was refused.
                if !matches!(step, Step::Compact) {
                    expected.unknown.clear();
                }
            }
            Err(_) if disk.is_down() => {
                expected.unknown.push(next);
                return;
            }
            Err(TelemetryError::DiskFull) if seed % 3 == 1 => expected.unknown.push(next),
            Err(TelemetryError::Failed(_)) if seed % 3 == 2 => expected.unknown.push(next),
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
}

fn compact_all(engine: &Engine) -> Result<(), TelemetryError> {
    while engine.compact()? {}
    Ok(())
}

fn answers(engine: &Engine, oracle: &Oracle) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        assert_same_samples(engine, oracle)
    }))
    .is_ok()
}

/// Takes note of what was found after the cut, which must be one of what could be.
fn settle(engine: &Engine, expected: &mut Expected, seed: u64) {
    assert_eq!(engine.damages(), [], "seed {seed}");
    let possible = std::mem::take(&mut expected.unknown);
    let found = possible
        .into_iter()
        .filter(|oracle| *oracle != expected.acknowledged)
        .find(|oracle| {
            let series = engine.keys(&SeriesFilter::default()).len();
            // Told apart without a panic where that is cheap.
            series == oracle.series.len() && answers(engine, oracle)
        });
    if let Some(found) = found {
        expected.acknowledged = found;
        return;
    }
    assert!(
        answers(engine, &expected.acknowledged),
        "seed {seed}: acknowledged samples are lost"
    );
}

fn check_backups(backups: Vec<Backup>, seed: u64) {
    for backup in backups {
        let disk = backup.disk.after_power_cut();
        let has_manifest = disk.list().unwrap().iter().any(|name| name == "manifest");
        if !has_manifest {
            assert!(!backup.complete, "seed {seed}: a finished backup is lost");
            continue;
        }
        let engine = Engine::open(Arc::new(disk), config(), Access::Write).unwrap();
        assert_eq!(engine.damages(), [], "seed {seed}");
        assert!(
            answers(&engine, &backup.holds),
            "seed {seed}: a backup holds something else"
        );
    }
}

fn survive(seed: u64) {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(seed + 1).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let steps = proptest::collection::vec(step(), 2..25)
        .new_tree(&mut runner)
        .unwrap()
        .current();

    let mut disk = SimulatedDisk::new(seed);
    let mut expected = Expected::default();
    // A cut, a recovery that may itself be cut, and so on; the last one runs through.
    for (round, part) in steps.chunks(steps.len().div_ceil(3)).enumerate() {
        let limit = (seed / 7 + round as u64 * 11) % 60;
        disk.set_faults(Faults {
            crash_after: Some(limit),
            ..Faults::default()
        });
        let mut backups = Vec::new();
        match Engine::open(Arc::new(disk.clone()), config(), Access::Write) {
            Ok(engine) => run(&disk, &engine, part, seed, &mut expected, &mut backups),
            Err(error) => assert!(
                matches!(error, TelemetryError::Failed(_)),
                "seed {seed}: {error}"
            ),
        }
        check_backups(backups, seed);
        disk = disk.after_power_cut();
        let engine = Engine::open(Arc::new(disk.clone()), config(), Access::Write)
            .unwrap_or_else(|error| panic!("seed {seed}: cannot open after the cut: {error}"));
        settle(&engine, &mut expected, seed);
        drop(engine);
        disk = disk.after_power_cut();
    }
}

/// The seeds of one of `parts` tests, which run beside each other.
fn survive_part(part: u64, parts: u64) {
    // The comparison panics where answers differ, which is expected of one of two candidates.
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            if info
                .payload_as_str()
                .is_none_or(|text| !text.contains("left"))
            {
                eprintln!("{info}");
            }
        }));
    });
    let first = setting("TELLEE_CRASH_FIRST", 0);
    let count = setting("TELLEE_CRASH_SEEDS", 10_000);
    let started = std::time::Instant::now();
    let mut seeds = 0;
    for seed in (first..first + count).filter(|seed| seed % parts == part) {
        survive(seed);
        seeds += 1;
    }
    let rate = f64::from(seeds) / started.elapsed().as_secs_f64();
    println!("{seeds} seeds, {rate:.0} a second");
}

#[test]
fn whatever_was_acknowledged_outlives_a_power_cut() {
    survive_part(0, 2);
}

#[test]
fn whatever_was_acknowledged_outlives_a_power_cut_of_other_seeds() {
    survive_part(1, 2);
}

#[test]
fn a_full_disk_refuses_keeps_nothing_partial_and_recovers() {
    let mut refused = 0;
    for seed in 0..100 {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&u64::to_le_bytes(seed));
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let steps = proptest::collection::vec(step(), 10..40)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let disk = SimulatedDisk::new(seed);
        let engine = Engine::open(Arc::new(disk.clone()), config(), Access::Write).unwrap();
        let mut oracle = Oracle::default();
        for (index, step) in steps.iter().enumerate() {
            let full = (index / 5) % 2 == 1;
            let capacity = full.then_some(600 + seed * 20);
            disk.set_faults(Faults {
                capacity,
                ..Faults::default()
            });
            let done = match step {
                Step::Append(batch) => engine
                    .commit([batch].into_iter())
                    .map(|()| oracle.append(batch)),
                Step::Samples(batch) => engine
                    .commit([&samples_of(&engine, batch)].into_iter())
                    .map(|()| oracle.append(batch)),
                Step::Retain(channel, before) => engine.retain(*channel, *before).map(|()| {
                    oracle.retain(*channel, *before);
                }),
                Step::Flush | Step::Reopen => engine.flush().map(drop),
                Step::Compact => engine.compact().map(drop),
                Step::Backup => engine.backup_onto(&SimulatedDisk::new(seed)),
            };
            match done {
                Ok(()) => {}
                Err(TelemetryError::DiskFull) if full => refused += 1,
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
        disk.set_faults(Faults::default());
        assert_equal(&engine, &oracle);
        engine.flush().unwrap();
        engine.flush().unwrap();
        assert_equal(&engine, &oracle);
        drop(engine);
        let engine = Engine::open(Arc::new(disk.clone()), config(), Access::Write).unwrap();
        assert_equal(&engine, &oracle);
        assert_eq!(engine.damages(), []);
    }
    assert!(refused > 100, "the disks hardly ever ran full: {refused}");
}

#[test]
fn attempts_on_a_full_disk_leave_nothing_behind() {
    let disk = SimulatedDisk::new(1);
    let engine = Engine::open(Arc::new(disk.clone()), config(), Access::Write).unwrap();
    let append = |second: i64| {
        let records = (0..50)
            .map(|step| record("p", second + step, Value::Number(step as f64)))
            .collect();
        engine.commit([&Arc::new(batch(records))].into_iter())
    };
    append(0).unwrap();
    let names = disk.list().unwrap();
    let used = |names: &[String]| -> u64 {
        names
            .iter()
            .map(|name| disk.open(name).unwrap().length().unwrap())
            .sum()
    };
    for room in 0..300 {
        disk.set_faults(Faults {
            capacity: Some(used(&names) + room * 20),
            ..Faults::default()
        });
        match engine.flush() {
            Ok(_) => {
                assert!(room > 0, "the disk was never full");
                return;
            }
            Err(error) => assert!(matches!(error, TelemetryError::DiskFull), "{error}"),
        }
        let left: Vec<String> = disk
            .list()
            .unwrap()
            .into_iter()
            .filter(|name| name != "manifest.tmp")
            .collect();
        assert_eq!(left, names, "room for {} bytes", room * 20);
    }
    panic!("the flush never came through");
}
