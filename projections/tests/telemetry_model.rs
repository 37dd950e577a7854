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
use tellee_projections::telemetry::{Access, Engine};

use compare::assert_equal;
use generate::{Step, config, samples_of, step};
use oracle::Oracle;

fn open(disk: &SimulatedDisk) -> Engine {
    Engine::open(Arc::new(disk.clone()), config(), Access::Write).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_equals_that_of_plain_rows(steps in prop::collection::vec(step(), 1..60)) {
        let disk = SimulatedDisk::new(1);
        let mut engine = open(&disk);
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
                    engine = open(&disk);
                }
                Step::Backup => {
                    let target = SimulatedDisk::new(2);
                    engine.backup_onto(&target).unwrap();
                    assert_equal(&open(&target), &oracle);
                }
                Step::Retain(channel, before) => {
                    let dropped = engine.count_before(channel, before).unwrap();
                    engine.retain(channel, before).unwrap();
                    prop_assert_eq!(dropped, oracle.retain(channel, before));
                }
            }
        }
        assert_equal(&engine, &oracle);
        prop_assert_eq!(engine.damages(), []);
        drop(engine);
        let reopened = open(&disk);
        assert_equal(&reopened, &oracle);
        reopened.flush().unwrap();
        while reopened.compact().unwrap() {}
        assert_equal(&reopened, &oracle);
        prop_assert_eq!(reopened.damages(), []);
    }
}
