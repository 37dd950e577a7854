//! Folders that earlier versions of the store wrote open for ever, and answer what they were given.
//!
//! `telemetry/format-1` is of the first format, `telemetry/format-2` of the one with rollups, `telemetry/format-3` of the
//! last one whose rollups went with their samples. A folder of the present
//! format is made by `TELLEE_FIXTURE=FOLDER cargo test --test telemetry_formats -- --ignored`, before a format changes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

#[path = "telemetry/compare.rs"]
mod compare;
#[path = "telemetry/oracle.rs"]
mod oracle;

use std::path::Path;
use std::sync::Arc;

use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::disk::{Disk, RealDisk, SimulatedDisk};
use tellee_projections::telemetry::{
    Access, Engine, MessageBatch, Quality, Record, TelemetryConfig, Value,
};

use compare::assert_equal;
use oracle::{Oracle, channel, thing};

const SECOND: i64 = 1_000_000_000;

fn config() -> TelemetryConfig {
    TelemetryConfig {
        log_allocation_bytes: 0,
        ..TelemetryConfig::default()
    }
}

fn record(name: &str, time: i64, value: Value) -> Record {
    Record {
        name: name.to_owned(),
        unit: String::new(),
        time: Timestamp(time),
        seq: 0,
        value,
        sum: None,
        update_time: None,
        quality: Quality::GOOD,
    }
}

fn batch(to: u8, protocol: &'static str, records: Vec<Record>) -> MessageBatch {
    MessageBatch {
        channel: channel(to),
        thing: thing(0),
        subtopic: Arc::from(if to == 0 { "" } else { "a.b" }),
        protocol,
        received_at: Timestamp(5_000 * SECOND + 123_456_789),
        historical: false,
        records,
    }
}

/// A series that is long enough for a rollup.
fn long(from: i64, to: i64) -> MessageBatch {
    let records = (from..to).map(|second| {
        let value = (second * 37 % 211) as f64 / 100.0;
        record("n0", second * SECOND, Value::Number(value))
    });
    batch(0, "mqtt", records.collect())
}

/// Many series of few samples, as a slow plant has them.
fn slow(minute: i64) -> MessageBatch {
    let records = (0..40).map(|number| {
        let value = Value::Number((number * 7 + minute) as f64 / 10.0);
        record(&format!("n{number}"), minute * 60 * SECOND, value)
    });
    batch(1, "influx", records.collect())
}

/// One of each kind, with all that a sample may have.
fn wide(second: i64) -> MessageBatch {
    let values = [
        Value::Text("off".to_owned()),
        Value::Boolean(true),
        Value::Data(vec![1, 2, 3]),
        Value::Number(1e-9),
    ];
    let records = values.into_iter().enumerate().map(|(index, value)| Record {
        unit: "bar".to_owned(),
        seq: index as u32,
        sum: Some(0.5),
        update_time: Some(3.25),
        quality: if index == 1 {
            Quality::BAD
        } else {
            Quality::GOOD
        },
        ..record("wide", second * SECOND, value)
    });
    batch(0, "opcua", records.collect())
}

/// What is done to a folder, and what it must hold afterwards.
fn write(engine: &Engine, oracle: &mut Oracle) {
    let commit = |batch: MessageBatch, oracle: &mut Oracle| {
        let batch = Arc::new(batch);
        engine.commit([&batch].into_iter()).unwrap();
        oracle.append(&batch);
    };
    commit(long(0, 700), oracle);
    for minute in 0..6 {
        commit(slow(minute), oracle);
    }
    commit(wide(15), oracle);
    engine.flush().unwrap();
    engine.retain(channel(1), Timestamp(60 * SECOND)).unwrap();
    oracle.retain(channel(1), Timestamp(60 * SECOND));
    // Late, rewritten and new ones in a second file.
    commit(long(650, 760), oracle);
    commit(wide(16), oracle);
    commit(slow(6), oracle);
    engine.flush().unwrap();
    // And some in the log alone.
    commit(long(760, 765), oracle);
    commit(slow(7), oracle);
    commit(wide(14), oracle);
}

/// The folder, in memory: tests must not change it.
fn copy_of(folder: &Path) -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let file = disk.create(entry.file_name().to_str().unwrap()).unwrap();
        file.write_all_at(&std::fs::read(entry.path()).unwrap(), 0)
            .unwrap();
        file.sync().unwrap();
    }
    disk.sync_folder().unwrap();
    disk
}

fn opens_and_goes_on(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/telemetry")
        .join(name);
    let disk = copy_of(&folder);
    let mut oracle = Oracle::default();
    let twin = SimulatedDisk::new(2);
    let twin = Engine::open(Arc::new(twin), config(), Access::Write).unwrap();
    write(&twin, &mut oracle);

    let open = || Engine::open(Arc::new(disk.clone()), config(), Access::Write).unwrap();
    let engine = open();
    assert_equal(&engine, &oracle);
    for second in 0..5 {
        // Four files make a merge.
        let batch = Arc::new(long(800 + second, 801 + second));
        engine.commit([&batch].into_iter()).unwrap();
        oracle.append(&batch);
        engine.flush().unwrap();
    }
    assert_equal(&engine, &oracle);
    drop(engine);
    let engine = open();
    assert_equal(&engine, &oracle);
    assert!(engine.compact().unwrap());
    while engine.compact().unwrap() {}
    assert_equal(&engine, &oracle);
    assert_eq!(engine.damages(), []);
    drop(engine);
    let engine = open();
    assert_equal(&engine, &oracle);
    assert_eq!(engine.damages(), []);
}

#[test]
fn a_folder_of_the_first_format_opens_and_goes_on() {
    opens_and_goes_on("format-1");
}

#[test]
fn a_folder_of_the_second_format_opens_and_goes_on() {
    opens_and_goes_on("format-2");
}

#[test]
fn a_folder_of_the_third_format_opens_and_goes_on() {
    opens_and_goes_on("format-3");
}

#[test]
#[ignore = "makes a fixture"]
fn write_a_folder_of_the_present_format() {
    let folder = std::env::var("TELLEE_FIXTURE").unwrap();
    std::fs::create_dir_all(&folder).unwrap();
    let disk = RealDisk::open(Path::new(&folder)).unwrap();
    let engine = Engine::open(Arc::new(disk), config(), Access::Write).unwrap();
    write(&engine, &mut Oracle::default());
}
