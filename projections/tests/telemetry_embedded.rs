//! The embedded store with its threads, on a real folder.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

#[path = "telemetry/conformance.rs"]
mod conformance;
#[path = "telemetry/oracle.rs"]
#[allow(dead_code, reason = "shared by several test programs")]
mod oracle;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tellee_actors::time::{SystemClock, Timestamp};
use tellee_projections::telemetry::{
    AggregateFunction, Aggregates, EmbeddedTelemetryStore, Memory, MessageBatch, SeriesFilter,
    TelemetryConfig, TelemetryError, TelemetryStore, TimeRange, Value, check, write_csv,
};
use tokio::task::JoinSet;

use conformance::{batch, record};
use oracle::channel;

fn open(folder: &Path, config: TelemetryConfig) -> EmbeddedTelemetryStore {
    EmbeddedTelemetryStore::open(folder, config, Arc::new(SystemClock::default())).unwrap()
}

fn small() -> TelemetryConfig {
    TelemetryConfig {
        block_samples: 16,
        compacted_block_samples: 32,
        log_bytes: 4096,
        ..TelemetryConfig::default()
    }
}

fn numbers(name: &str, seconds: std::ops::Range<i64>) -> Arc<MessageBatch> {
    Arc::new(batch(
        seconds
            .map(|second| record(name, second, Value::Number(second as f64 / 4.0)))
            .collect(),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_store_must() {
    let folders = std::sync::Mutex::new(Vec::new());
    conformance::all(async || {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), small());
        folders.lock().unwrap().push(folder);
        Arc::new(store) as Arc<dyn TelemetryStore>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_memory_it_does_what_every_store_must() {
    conformance::all(async || {
        let clock = Arc::new(SystemClock::default());
        let store = EmbeddedTelemetryStore::open_in(&Memory::default(), small(), clock).unwrap();
        Arc::new(store) as Arc<dyn TelemetryStore>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_memory_refuses_a_backup_by_naming_the_folder() {
    let clock = Arc::new(SystemClock::default());
    let store = EmbeddedTelemetryStore::open_in(&Memory::default(), small(), clock).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let refused = store.backup_to(folder.path()).await;
    assert!(
        matches!(
            refused,
            Err(TelemetryError::Invalid {
                field: "folder",
                ..
            })
        ),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_at_once_are_all_kept_and_found_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path(), small()));
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for second in 0..40 {
                store
                    .append(numbers(&format!("p{writer}"), second..second + 1))
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    for round in 0..2 {
        let (series, total) = store
            .series(&SeriesFilter::default(), 0, 100)
            .await
            .unwrap();
        assert_eq!(total, 16, "round {round}");
        for info in series {
            let samples = store.range(info.id, TimeRange::ALL, 1000).await.unwrap();
            assert_eq!(samples.len(), 40);
            assert_eq!(info.latest.as_ref(), samples.last());
        }
        store.flush().await.unwrap();
    }
    store.close().await.unwrap();
    let closed_figures = store.figures();
    drop(store);
    let reopened = open(folder.path(), small());
    assert_eq!(
        reopened
            .series(&SeriesFilter::default(), 0, 1)
            .await
            .unwrap()
            .1,
        16
    );
    assert_eq!(reopened.figures().log_bytes, 0);
    assert_eq!(reopened.figures().series, closed_figures.series);
    assert_eq!(reopened.damages(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_with_overloaded() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(
        folder.path(),
        TelemetryConfig {
            queue_bytes: 2000,
            ..small()
        },
    ));
    let mut writers = JoinSet::new();
    for writer in 0..200 {
        let store = Arc::clone(&store);
        writers.spawn(async move { store.append(numbers(&format!("p{writer}"), 0..5)).await });
    }
    let (mut kept, mut refused) = (0, 0);
    while let Some(done) = writers.join_next().await {
        match done.unwrap() {
            Ok(_) => kept += 1,
            Err(TelemetryError::Overloaded) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(kept > 0);
    assert_eq!(store.overloads(), refused);
    assert_eq!(
        store
            .series(&SeriesFilter::default(), 0, 1)
            .await
            .unwrap()
            .1,
        kept
    );
    assert_eq!(store.queued_bytes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _store = open(folder.path(), small());
    let second =
        EmbeddedTelemetryStore::open(folder.path(), small(), Arc::new(SystemClock::default()));
    assert!(
        matches!(second.err(), Some(TelemetryError::Failed(reason)) if reason.contains("in use"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_holds_what_was_acknowledged_and_opens_like_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let copies = tempfile::tempdir().unwrap();
    let store = open(folder.path(), small());
    store.append(numbers("p", 0..100)).await.unwrap();
    let target = copies.path().join("one");
    store.backup_to(&target).await.unwrap();
    store.append(numbers("p", 100..120)).await.unwrap();
    store.retain(channel(0), Timestamp::MAX).await.unwrap();
    assert!(matches!(
        store.backup_to(&target).await,
        Err(TelemetryError::Invalid { .. })
    ));

    assert!(check(&target).unwrap().is_whole());
    let copy = open(&target, small());
    let (series, _) = copy.series(&SeriesFilter::default(), 0, 10).await.unwrap();
    assert_eq!(
        copy.range(series[0].id, TimeRange::ALL, 1000)
            .await
            .unwrap()
            .len(),
        100
    );
    copy.append(numbers("p", 200..201)).await.unwrap();
    assert_eq!(
        copy.range(series[0].id, TimeRange::ALL, 1000)
            .await
            .unwrap()
            .len(),
        101
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn export_and_check_tell_the_same_number_of_samples() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), small());
    store.append(numbers("p, \"quoted\"", 0..50)).await.unwrap();
    store
        .append(Arc::new(batch(vec![record(
            "s",
            3,
            Value::Text("a\nb".to_owned()),
        )])))
        .await
        .unwrap();
    let mut csv = Vec::new();
    let rows = store
        .export(&SeriesFilter::default(), TimeRange::ALL)
        .unwrap();
    assert_eq!(write_csv(rows, &mut csv).unwrap(), 51);
    let mut reader = csv::Reader::from_reader(csv.as_slice());
    let last = reader.records().last().unwrap().unwrap();
    assert_eq!((&last[3], &last[8], &last[9]), ("s", "text", "a\nb"));
    store.close().await.unwrap();
    drop(store);
    let report = check(folder.path()).unwrap();
    assert_eq!((report.samples, report.series), (51, 2));
    assert!(report.is_whole());
    assert!(report.block_bytes > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_whose_samples_were_all_dropped_go_away() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), small());
    store.append(numbers("p", 0..100)).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(store.figures().block_files, 1);
    assert_eq!(store.retain(channel(0), Timestamp::MAX).await.unwrap(), 100);
    // The tidying thread removes them; bounded, should it never come.
    for _ in 0..500 {
        if store.figures().block_files == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(store.figures().block_files, 0);
    let left = std::fs::read_dir(folder.path()).unwrap();
    let blocks = left.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("blocks-")
    });
    assert_eq!(blocks.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_at_hand_is_what_was_read_and_late_samples_are_seen_at_once() {
    const MINUTE: i64 = 60;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), TelemetryConfig::default());
    store.append(numbers("p", 0..7_200)).await.unwrap();
    store.flush().await.unwrap();
    // In memory, behind all blocks, in the middle of a minute, and more than a head keeps in the pool.
    store.append(numbers("p", 7_200..7_350)).await.unwrap();
    let (series, _) = store.series(&SeriesFilter::default(), 0, 1).await.unwrap();
    let id = series[0].id;
    let range = TimeRange {
        from: Timestamp(30_000_000_000),
        to: Timestamp(7_300_000_000_000),
    };
    let ask = async || {
        let every = Duration::from_secs(MINUTE as u64);
        let functions = [AggregateFunction::Count, AggregateFunction::Sum];
        store.aggregate(id, range, every, &functions).await.unwrap()
    };
    let expected = |late: &[i64]| {
        let mut rows: Vec<(i64, f64, f64)> = Vec::new();
        for second in 30..7_300 {
            let start = second / MINUTE * MINUTE;
            let value = if late.contains(&second) {
                1e6
            } else {
                second as f64 / 4.0
            };
            match rows.last_mut() {
                Some((last, count, sum)) if *last == start => {
                    *count += 1.0;
                    *sum += value;
                }
                _ => rows.push((start, 1.0, value)),
            }
        }
        rows
    };
    let rows = |found: &Aggregates| -> Vec<(i64, f64, f64)> {
        let starts = found.starts.iter().map(|start| start.0 / 1_000_000_000);
        let columns = found.columns[0].iter().zip(&found.columns[1]);
        let rows = starts.zip(columns);
        rows.map(|(start, (count, sum))| (start, *count, *sum))
            .collect()
    };
    let read = ask().await;
    assert_eq!(rows(&read), expected(&[]));
    for _ in 0..2 {
        assert_eq!(ask().await, read);
    }
    // Rewritten, one in a block and one in memory: the newest do not stand alone any more.
    let late = [40, 7_210];
    for second in late {
        let rewritten = record("p", second, Value::Number(1e6));
        store
            .append(Arc::new(batch(vec![rewritten])))
            .await
            .unwrap();
    }
    assert_eq!(rows(&ask().await), expected(&late));
    store.flush().await.unwrap();
    assert_eq!(rows(&ask().await), expected(&late));
    assert_eq!(rows(&ask().await), expected(&late));
}
