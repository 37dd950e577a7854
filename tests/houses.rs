//! The arrows of the house: which crate may depend on which, and which may know what from outside.

#![allow(clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Direct dependencies of our crates, normal and build, without those for tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo metadata runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let needs = package["dependencies"].as_array().expect("dependencies");
            let names = needs
                .iter()
                .filter(|need| need["kind"].as_str() != Some("dev"))
                .filter_map(|need| need["name"].as_str().map(str::to_owned))
                .collect();
            (package["name"].as_str().expect("name").to_owned(), names)
        })
        .collect()
}

#[test]
fn crates_import_only_what_lies_below_them() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::from([
        ("tellee-actors", BTreeSet::from([])),
        ("tellee-senml", BTreeSet::from([])),
        ("tellee-cluster", BTreeSet::from(["tellee-actors"])),
        ("tellee-projections", BTreeSet::from(["tellee-actors"])),
        (
            "tellee-ml",
            BTreeSet::from(["tellee-actors", "tellee-projections"]),
        ),
        ("tellee-ml-worker", BTreeSet::from(["tellee-ml"])),
        ("tellee-edge", BTreeSet::from(["tellee-senml"])),
        (
            "tellee-fuzz",
            BTreeSet::from([
                "tellee-actors",
                "tellee-api",
                "tellee-projections",
                "tellee-senml",
            ]),
        ),
        (
            "tellee-api",
            BTreeSet::from([
                "tellee-actors",
                "tellee-cluster",
                "tellee-projections",
                "tellee-ml",
                "tellee-senml",
            ]),
        ),
        (
            "tellee",
            BTreeSet::from([
                "tellee-actors",
                "tellee-api",
                "tellee-cluster",
                "tellee-edge",
                "tellee-ml",
                "tellee-projections",
            ]),
        ),
    ]);
    let found = dependencies();
    assert_eq!(
        found.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        allowed.keys().copied().collect::<BTreeSet<_>>(),
        "a crate came or went: say here what it may import"
    );
    for (house, needs) in &found {
        for need in needs.iter().filter(|need| need.starts_with("tellee")) {
            assert!(
                allowed[house.as_str()].contains(need.as_str()),
                "`{house}` must not import `{need}`"
            );
        }
    }
}

#[test]
fn only_the_named_crates_know_the_outside() {
    // What must be known by few, and by whom.
    let guarded: &[(&str, &[&str])] = &[
        ("axum", &["tellee-api"]),
        ("async-graphql", &["tellee-api"]),
        ("async-graphql-axum", &["tellee-api"]),
        ("hyper", &["tellee-api"]),
        ("hyper-util", &["tellee-api"]),
        ("rumqttd", &["tellee-api"]),
        ("rumqttc", &["tellee-edge"]),
        ("tokio-modbus", &["tellee-edge"]),
        ("reqwest", &["tellee-edge", "tellee"]),
        ("rusqlite", &["tellee-actors", "tellee-projections"]),
        ("scylla", &["tellee-actors", "tellee-projections"]),
        ("eventstore", &["tellee-actors"]),
        ("kurrentdb", &["tellee-actors"]),
        ("tch", &["tellee-ml-worker"]),
        ("torch-sys", &["tellee-ml-worker"]),
        ("ractor_cluster", &["tellee-cluster"]),
        ("chitchat", &["tellee-cluster"]),
    ];
    for (house, needs) in dependencies() {
        for (outside, houses) in guarded {
            assert!(
                !needs.contains(*outside) || houses.contains(&house.as_str()),
                "`{house}` must not know `{outside}`"
            );
        }
    }
}
