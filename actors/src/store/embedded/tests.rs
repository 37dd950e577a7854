use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::store::conformance::{Opened, conformance, event, events, read_whole};

async fn open() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(folder.path()).await;
    Opened {
        store: Arc::new(store),
        folder: Some(folder),
    }
}

async fn open_in(folder: &Path) -> EmbeddedEventStore {
    EmbeddedEventStore::open(&folder.join("events.db"), DatabaseConfig::default())
        .await
        .unwrap()
}

conformance!(open);

#[tokio::test]
async fn a_store_that_is_opened_again_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(folder.path()).await;
    let appended = store
        .append("a", ExpectedRevision::Any, events(5))
        .await
        .unwrap();
    let before = read_whole(&store, "a").await;
    store
        .save_snapshot(
            "a",
            Snapshot {
                revision: Revision(5),
                schema: 1,
                state: json!([1]),
            },
        )
        .await
        .unwrap();
    // Once by closing, once by dropping.
    store.database().close().await.unwrap();
    assert_eq!(
        store.append("a", ExpectedRevision::Any, events(1)).await,
        Err(StoreError::Closed)
    );
    drop(store);
    drop(open_in(folder.path()).await);
    let store = open_in(folder.path()).await;
    assert_eq!(read_whole(&store, "a").await, before);
    assert_eq!(*store.head().borrow(), appended.position);
    assert!(store.load_snapshot("a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_full_disk_keeps_nothing_partial_and_room_heals_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(folder.path()).await;
    store
        .append("a", ExpectedRevision::Any, events(1))
        .await
        .unwrap();
    store.database().limit_pages(Some(40)).await.unwrap();
    let mut kept = 1;
    let refused = loop {
        let batch: Vec<NewEvent> = (0..10).map(|_| event(json!("x".repeat(1500)))).collect();
        match store.append("a", ExpectedRevision::Any, batch).await {
            Ok(_) => kept += 10,
            Err(error) => break error,
        }
        assert!(kept < 1000, "the disk never got full");
    };
    assert_eq!(refused, StoreError::DiskFull);
    assert!(refused.is_retryable());
    assert_eq!(read_whole(&store, "a").await.len(), kept);
    // Small and large writers at once: those that are told no kept nothing, those that are told yes kept all.
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..16_usize {
        let store = store.clone();
        writers.spawn(async move {
            let size = if writer.is_multiple_of(2) {
                10
            } else {
                200_000
            };
            let stream = format!("w{writer}");
            let outcome = store
                .append(
                    &stream,
                    ExpectedRevision::Any,
                    vec![event(json!("x".repeat(size)))],
                )
                .await;
            (stream, outcome)
        });
    }
    while let Some(done) = writers.join_next().await {
        let (stream, outcome) = done.unwrap();
        let found = read_whole(&store, &stream).await.len();
        match outcome {
            Ok(_) => assert_eq!(found, 1),
            Err(error) => assert_eq!((error, found), (StoreError::DiskFull, 0)),
        }
    }
    store.database().limit_pages(None).await.unwrap();
    let batch: Vec<NewEvent> = (0..10).map(|_| event(json!("x".repeat(1500)))).collect();
    store
        .append("a", ExpectedRevision::Exact(Revision(kept as u64)), batch)
        .await
        .unwrap();
    assert_eq!(read_whole(&store, "a").await.len(), kept + 10);
    store.database().check().await.unwrap();
}

/// As the one before, on a file system that is full in truth: a small one of its own, as in `mount -t tmpfs -o size=1m`.
#[tokio::test]
#[ignore = "needs the folder of a small file system in TELLEE_TEST_SMALL_DISK"]
async fn a_file_system_that_is_full_keeps_nothing_partial_and_room_heals_it() {
    let folder = PathBuf::from(std::env::var("TELLEE_TEST_SMALL_DISK").unwrap());
    let folder = tempfile::tempdir_in(folder).unwrap();
    let filler = folder.path().join("filler");
    std::fs::write(&filler, vec![1; 400 * 1024]).unwrap();
    let store = open_in(folder.path()).await;
    let mut kept = 0;
    let refused = loop {
        let batch = (0..10).map(|_| event(json!("x".repeat(1500)))).collect();
        match store.append("a", ExpectedRevision::Any, batch).await {
            Ok(_) => kept += 10,
            Err(error) => break error,
        }
        assert!(kept < 100_000, "the disk never got full");
    };
    assert_eq!(refused, StoreError::DiskFull);
    assert!(kept > 0);
    assert_eq!(read_whole(&store, "a").await.len(), kept);
    assert_eq!(
        store
            .database()
            .backup(&folder.path().join("copy.db"))
            .await,
        Err(StoreError::DiskFull)
    );
    assert!(!folder.path().join("copy.db.partial").exists());
    std::fs::remove_file(filler).unwrap();
    store
        .append(
            "a",
            ExpectedRevision::Exact(Revision(kept as u64)),
            events(1),
        )
        .await
        .unwrap();
    store.database().close().await.unwrap();
    let store = open_in(folder.path()).await;
    assert_eq!(read_whole(&store, "a").await.len(), kept + 1);
    store.database().check().await.unwrap();
}

#[tokio::test]
async fn a_caller_that_stops_waiting_still_moves_the_head() {
    let opened = open().await;
    let store = &opened.store;
    let mut head = store.head();
    {
        let append = store.append("a", ExpectedRevision::Any, events(1));
        tokio::pin!(append);
        // Polled once: the job is in the queue. It is either run whole or withdrawn.
        tokio::select! { biased; _ = &mut append => {}, () = std::future::ready(()) => {} }
    }
    store
        .append("b", ExpectedRevision::Any, events(1))
        .await
        .unwrap();
    let all = store.read_all(Position::START, 10).await.unwrap();
    assert_eq!(*head.borrow_and_update(), all.last().unwrap().position);
    assert!(all.iter().any(|event| event.stream == "b"));
}

/// Writes ten appends and copies the files as a crash would leave them: the write-ahead log not yet in the file.
async fn crashed(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let store = open_in(folder).await;
    for _ in 0..10 {
        store
            .append("a", ExpectedRevision::Any, events(3))
            .await
            .unwrap();
    }
    let file = std::fs::read(folder.join("events.db")).unwrap();
    let log = std::fs::read(folder.join("events.db-wal")).unwrap();
    store.database().close().await.unwrap();
    (file, log)
}

#[tokio::test]
async fn a_torn_write_ahead_log_loses_whole_appends_from_its_end_only() {
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = crashed(folder.path()).await;
    let mut kept = Vec::new();
    for part in 0..=20 {
        for garbled in [false, true] {
            let torn = tempfile::tempdir().unwrap();
            std::fs::write(torn.path().join("events.db"), &file).unwrap();
            let cut = log.len() * part / 20;
            let mut tail = log.clone();
            if garbled {
                tail[cut..].iter_mut().for_each(|byte| *byte ^= 0xff);
            } else {
                tail.truncate(cut);
            }
            std::fs::write(torn.path().join("events.db-wal"), tail).unwrap();
            let store = open_in(torn.path()).await;
            store.database().check().await.unwrap();
            let read = read_whole(&store, "a").await;
            assert!(read.len().is_multiple_of(3), "half an append was kept");
            assert!(
                read.iter()
                    .enumerate()
                    .all(|(index, event)| event.revision.0 == index as u64 + 1)
            );
            store
                .append(
                    "a",
                    ExpectedRevision::Exact(Revision(read.len() as u64)),
                    events(1),
                )
                .await
                .unwrap();
            kept.push(read.len());
        }
    }
    assert!(kept.is_sorted());
    assert_eq!((kept.first(), kept.last()), (Some(&0), Some(&30)));
}

#[tokio::test]
async fn a_damaged_file_is_told_and_does_not_panic() {
    let folder = tempfile::tempdir().unwrap();
    crashed(folder.path()).await;
    let path = folder.path().join("events.db");
    let whole = std::fs::read(&path).unwrap();
    let mut told = 0;
    for page in 1..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xa5);
        std::fs::write(&path, damaged).unwrap();
        let opened = EmbeddedEventStore::open(&path, DatabaseConfig::default()).await;
        let outcome = match opened {
            Ok(store) => store.database().check().await,
            Err(error) => Err(error),
        };
        told += u32::from(matches!(outcome, Err(StoreError::Damaged(_))));
    }
    assert_eq!(told as usize, whole.len() / 4096 - 1);
}

#[tokio::test]
async fn a_row_that_is_no_event_is_damage_and_names_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(folder.path()).await;
    store
        .append("a", ExpectedRevision::Any, events(2))
        .await
        .unwrap();
    let spoilt: Result<(), WriteError<StoreError>> = store
        .database()
        .write(|connection| {
            connection.execute("UPDATE events SET data = '{' WHERE pos = 2", [])?;
            Ok(())
        })
        .await;
    spoilt.unwrap();
    assert_eq!(
        store
            .read_stream("a", Revision::NONE, 1)
            .await
            .unwrap()
            .len(),
        1
    );
    let Err(StoreError::Damaged(reason)) = store.read_all(Position::START, 10).await else {
        panic!("a spoilt row was read");
    };
    assert!(reason.contains("position 2"), "{reason}");
}

const FILE: &str = "TELLEE_TEST_EVENTS";

/// Not a test of its own: the child of the next one. It tells each revision once its event is acknowledged.
#[tokio::test]
#[ignore = "runs as the child of another test"]
async fn child_that_appends_until_it_is_killed() {
    let Ok(path) = std::env::var(FILE) else {
        return;
    };
    let store = EmbeddedEventStore::open(&PathBuf::from(path), DatabaseConfig::default())
        .await
        .unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let store = store.clone();
        writers.spawn(async move {
            let stream = format!("w{writer}");
            let mut revision = Revision(read_whole(&store, &stream).await.len() as u64);
            loop {
                let appended = store
                    .append(&stream, ExpectedRevision::Exact(revision), events(3))
                    .await
                    .unwrap();
                revision = appended.revision;
                println!("acknowledged {writer} {revision}");
            }
        });
    }
    writers.join_next().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.db");
    let mut acknowledged = [0_u64; 4];
    for round in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "store::embedded::tests::child_that_appends_until_it_is_killed",
            ])
            .args(["--ignored", "--nocapture", "--test-threads", "1"])
            .env(FILE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = 0;
        // The harness prints the name of the test in front of the first line, so words are counted from the end.
        for line in BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
        {
            let Some((_, rest)) = line.split_once("acknowledged ") else {
                continue;
            };
            let (writer, revision) = rest.split_once(' ').unwrap();
            // The last line may be cut short by the kill.
            let (Ok(writer), Ok(revision)) = (writer.parse::<usize>(), revision.parse::<u64>())
            else {
                continue;
            };
            acknowledged[writer] = acknowledged[writer].max(revision);
            told += 1;
            if told == 40 + round * 7 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let store = EmbeddedEventStore::open(&path, DatabaseConfig::default())
            .await
            .unwrap();
        store.database().check().await.unwrap();
        for (writer, &acknowledged) in acknowledged.iter().enumerate() {
            let read = read_whole(&store, &format!("w{writer}")).await;
            assert!(
                read.len() as u64 >= acknowledged,
                "writer {writer}: {} of {acknowledged}",
                read.len()
            );
            assert!(read.len().is_multiple_of(3), "half an append was kept");
            assert!(
                read.iter()
                    .enumerate()
                    .all(|(index, event)| event.revision.0 == index as u64 + 1)
            );
        }
    }
    assert!(acknowledged.iter().sum::<u64>() > 500);
}
