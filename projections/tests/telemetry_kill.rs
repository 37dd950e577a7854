//! kill -9 of a real process that appends: everything it was told to be kept is there afterwards, once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

#[path = "telemetry/conformance.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod conformance;
#[path = "telemetry/oracle.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod oracle;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tellee_actors::time::{SystemClock, Timestamp};
use tellee_projections::telemetry::{
    EmbeddedTelemetryStore, MessageBatch, Record, SampleBatch, SampleValues, SeriesFilter,
    SeriesKey, TelemetryConfig, TelemetryStore, TimeRange, Value, check,
};

use conformance::{batch, record};

const FOLDER: &str = "TELLEE_KILL_FOLDER";
const FIRST: &str = "TELLEE_KILL_FIRST";
const SECOND: i64 = 1_000_000_000;

fn open(folder: &Path) -> EmbeddedTelemetryStore {
    // Small, so that flushes and compactions are under way when the kill comes.
    let config = TelemetryConfig {
        block_samples: 8,
        log_bytes: 2048,
        ..TelemetryConfig::default()
    };
    EmbeddedTelemetryStore::open(folder, config, Arc::new(SystemClock::default())).unwrap()
}

async fn resolved(store: &EmbeddedTelemetryStore, batch: &MessageBatch) -> SampleBatch {
    let key = SeriesKey {
        channel: batch.channel,
        thing: batch.thing,
        subtopic: batch.subtopic.to_string(),
        name: batch.records[0].name.clone(),
    };
    let mut values = SampleValues::Numbers(Vec::new());
    values.push(batch.records[0].value.clone());
    SampleBatch {
        protocol: "influx",
        received_at: batch.received_at,
        historical: false,
        series: store.resolve(&[key]).await.unwrap(),
        times: vec![batch.records[0].time],
        values,
    }
}

/// The child: appends from four tasks, half of them as samples of resolved series, and prints the number of each sample once it was acknowledged.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let first: i64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async move {
        let store = Arc::new(open(Path::new(&folder)));
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..4_i64 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                for step in 0..i64::MAX {
                    let number = first + step * 4 + task;
                    let sample: Record = record(
                        &format!("p{}", number % 7),
                        number,
                        Value::Number(number as f64),
                    );
                    let batch = batch(vec![sample]);
                    if task % 2 == 0 {
                        store.append(Arc::new(batch)).await.unwrap();
                    } else {
                        let samples = resolved(&store, &batch).await;
                        store.append_samples(Arc::new(samples)).await.unwrap();
                    }
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "kept {number}").unwrap();
                    out.flush().unwrap();
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    });
}

#[test]
fn whatever_was_acknowledged_outlives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let rounds: i64 = std::env::var("TELLEE_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(6);
    let mut kept = Vec::new();
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(FIRST, (round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed after a number of acknowledgements, so that the test takes no notice of how fast the machine is.
        let wanted = 40 + usize::try_from(round).unwrap() * 37;
        let mut seen = 0;
        while seen < wanted {
            let line = lines.next().unwrap().unwrap();
            if let Some(number) = line
                .rsplit("kept ")
                .next()
                .and_then(|text| text.parse::<i64>().ok())
            {
                kept.push(number);
                seen += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was acknowledged and printed before the kill came.
        for line in lines.map_while(Result::ok) {
            kept.extend(
                line.strip_prefix("kept ")
                    .and_then(|text| text.parse::<i64>().ok()),
            );
        }
    }

    let report = check(folder.path()).unwrap();
    assert!(report.is_whole(), "{:?}", report.damages);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(folder.path());
        let (series, _) = store
            .series(&SeriesFilter::default(), 0, 100)
            .await
            .unwrap();
        let mut stored = Vec::new();
        for info in series {
            for sample in store
                .range(info.id, TimeRange::ALL, usize::MAX)
                .await
                .unwrap()
            {
                let number = sample.time.0 / SECOND;
                assert_eq!(sample.time, Timestamp(number * SECOND));
                assert_eq!(sample.value, Value::Number(number as f64));
                stored.push(number);
            }
        }
        stored.sort_unstable();
        assert!(
            stored.windows(2).all(|pair| pair[0] != pair[1]),
            "a sample is there twice"
        );
        let lost: Vec<i64> = kept
            .iter()
            .copied()
            .filter(|number| stored.binary_search(number).is_err())
            .collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
    });
}
