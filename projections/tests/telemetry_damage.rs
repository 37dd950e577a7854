//! Flipped bits in every file: seen, reported, and no other series the worse for it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

#[path = "telemetry/conformance.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod conformance;
#[path = "telemetry/oracle.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod oracle;

use std::collections::BTreeMap;
use std::sync::Arc;

use tellee_projections::telemetry::disk::{Disk, SimulatedDisk};
use tellee_projections::telemetry::{
    Access, Engine, Sample, SeriesFilter, TelemetryConfig, TimeRange, Value, check_disk,
};

use conformance::{batch, record};

fn config() -> TelemetryConfig {
    TelemetryConfig {
        block_samples: 4,
        compacted_block_samples: 8,
        log_allocation_bytes: 0,
        ..TelemetryConfig::default()
    }
}

fn open(disk: &SimulatedDisk) -> Engine {
    Engine::open(Arc::new(disk.clone()), config(), Access::Write).unwrap()
}

/// Five series with samples in blocks and in the log.
fn filled() -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    let engine = open(&disk);
    let append = |series: i64, from: i64| {
        let records = (from..from + 10)
            .map(|second| record(&format!("p{series}"), second, Value::Number(second as f64)))
            .collect();
        engine
            .commit([&Arc::new(batch(records))].into_iter())
            .unwrap();
    };
    for series in 0..5 {
        append(series, 0);
    }
    engine.flush().unwrap();
    for series in 0..5 {
        append(series, 10);
    }
    disk
}

fn everything(engine: &Engine) -> BTreeMap<String, Vec<Sample>> {
    let (infos, _) = engine.series(&SeriesFilter::default(), 0, 100).unwrap();
    infos
        .into_iter()
        .map(|info| {
            (
                info.key.name,
                engine.range(info.id, TimeRange::ALL, usize::MAX).unwrap(),
            )
        })
        .collect()
}

#[test]
fn any_flipped_bit_is_seen_and_costs_at_most_what_it_hit() {
    let whole = everything(&open(&filled()));
    assert_eq!(whole.values().map(Vec::len).sum::<usize>(), 100);
    let names = filled().list().unwrap();
    assert_eq!(names.len(), 4, "{names:?}");
    for name in names {
        let length = filled().open(&name).unwrap().length().unwrap() as usize;
        for byte in 0..length {
            let disk = filled_copy();
            disk.flip_bit(&name, byte, (byte % 8) as u8);
            let engine = open(&disk);
            let found = everything(&engine);
            let damages = engine.damages();
            let last_frame = name.starts_with("log-") && damages.is_empty();
            assert!(
                !damages.is_empty() || last_frame,
                "{name} byte {byte}: not seen"
            );
            // Nothing is invented, and one block or one log frame at most is missing.
            let mut touched = 0;
            for (series, samples) in &whole {
                let left = found.get(series).map_or(&[][..], Vec::as_slice);
                assert!(
                    left.iter().all(|sample| samples.contains(sample)),
                    "{name} byte {byte}: wrong samples"
                );
                touched += usize::from(left.len() != samples.len());
            }
            assert!(touched <= 1, "{name} byte {byte}: {touched} series touched");
            let missing = 100 - found.values().map(Vec::len).sum::<usize>();
            assert!(
                missing <= 10,
                "{name} byte {byte}: {missing} samples missing"
            );
            assert_eq!(missing > 0, touched > 0);
        }
    }
}

/// Filling takes longer than copying what was filled.
fn filled_copy() -> SimulatedDisk {
    static FILLED: std::sync::OnceLock<SimulatedDisk> = std::sync::OnceLock::new();
    FILLED.get_or_init(|| synced(&filled())).after_power_cut()
}

fn synced(disk: &SimulatedDisk) -> SimulatedDisk {
    for name in disk.list().unwrap() {
        disk.open(&name).unwrap().sync().unwrap();
    }
    disk.sync_folder().unwrap();
    disk.clone()
}

#[test]
fn a_check_reports_damage_and_changes_nothing() {
    let disk = filled_copy();
    assert!(check_disk(Arc::new(disk.clone())).unwrap().is_whole());
    let blocks = disk
        .list()
        .unwrap()
        .into_iter()
        .find(|name| name.starts_with("blocks-"))
        .unwrap();
    disk.flip_bit(&blocks, 90, 1);
    let before = disk.operations();
    let report = check_disk(Arc::new(disk.clone())).unwrap();
    assert_eq!(report.damages.len(), 1);
    assert_eq!(report.damages[0].file, blocks);
    assert_eq!(disk.operations(), before);
}

#[test]
fn a_damaged_block_is_put_aside_before_compaction_drops_its_file() {
    let disk = filled_copy();
    let blocks = disk
        .list()
        .unwrap()
        .into_iter()
        .find(|name| name.starts_with("blocks-"))
        .unwrap();
    disk.flip_bit(&blocks, 90, 1);
    let engine = open(&disk);
    for round in 0..4 {
        let records = vec![record("p9", round, Value::Number(1.0))];
        engine
            .commit([&Arc::new(batch(records))].into_iter())
            .unwrap();
        engine.flush().unwrap();
    }
    assert!(engine.compact().unwrap());
    assert_eq!(engine.damages().len(), 1);
    let names = disk.list().unwrap();
    assert!(
        names.iter().any(|name| name.starts_with("damaged-")),
        "{names:?}"
    );
    assert!(!names.contains(&blocks));
    drop(engine);
    let reopened = open(&disk);
    assert_eq!(reopened.damages(), []);
    assert_eq!(
        everything(&reopened).values().map(Vec::len).sum::<usize>(),
        104 - 4
    );
}
