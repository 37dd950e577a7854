//! The embedded store against a store of plain rows: whatever is done to both, all answers are equal.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

#[path = "telemetry/compare.rs"]
mod compare;
#[path = "telemetry/generate.rs"]
mod generate;
#[path = "telemetry/oracle.rs"]
mod oracle;

use std::sync::Arc;

use proptest::prelude::*;
use tellee_projections::telemetry::disk::SimulatedDisk;
use tellee_projections::telemetry::{Access, Engine, Memory};

use compare::assert_equal;
use generate::{Step, config, samples_of, step};
use oracle::Oracle;

fn open(disk: &SimulatedDisk) -> Engine {
    Engine::open(Arc::new(disk.clone()), config(), Access::Write).unwrap()
}

/// Does `steps` to an engine that `open` opens again and again, and to plain rows.
fn try_all(open: impl Fn() -> Engine, steps: Vec<Step>, may_back_up: bool) {
    let mut engine = open();
    let mut oracle = Oracle::default();
    for step in steps {
        match step {
            Step::Append(batch) => {
                engine.commit([&batch].into_iter()).unwrap();
                oracle.append(&batch);
            }
            Step::Samples(batch) => {
                let samples = samples_of(&engine, &batch);
                engine.commit([&samples].into_iter()).unwrap();
                oracle.append(&batch);
            }
            Step::Flush => {
                engine.flush().unwrap();
            }
            Step::Compact => while engine.compact().unwrap() {},
            Step::Reopen => {
                drop(engine);
                engine = open();
            }
            Step::Backup if may_back_up => {
                let target = SimulatedDisk::new(2);
                engine.backup_onto(&target).unwrap();
                assert_equal(&self::open(&target), &oracle);
            }
            Step::Backup => {}
            Step::Retain(channel, before) => {
                let dropped = engine.count_before(channel, before).unwrap();
                engine.retain(channel, before).unwrap();
                assert_eq!(dropped, oracle.retain(channel, before));
            }
        }
    }
    assert_equal(&engine, &oracle);
    assert_eq!(engine.damages(), []);
    drop(engine);
    let reopened = open();
    assert_equal(&reopened, &oracle);
    reopened.flush().unwrap();
    while reopened.compact().unwrap() {}
    assert_equal(&reopened, &oracle);
    assert_eq!(reopened.damages(), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_equals_that_of_plain_rows(steps in prop::collection::vec(step(), 1..60)) {
        let disk = SimulatedDisk::new(1);
        try_all(|| open(&disk), steps, true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn over_memory_every_answer_equals_that_of_plain_rows(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let memory = Memory::default();
        try_all(|| Engine::open_in(&memory, config()).unwrap(), steps, false);
    }
}
