//! Durable events per second of the embedded event store, at some numbers of writers that wait at once.
//!
//! `cargo bench -p tellee-actors --bench event_store [-- FOLDER]`; the folder's disk is what is measured.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tellee_actors::event::{EventMeta, NewEvent, Who};
use tellee_actors::ids::{CommandId, Position, Revision};
use tellee_actors::store::{
    DatabaseConfig, EmbeddedEventStore, EventStore, ExpectedRevision, StoreError,
};
use tellee_actors::time::Timestamp;
use tokio::task::JoinSet;

const STREAMS: usize = 1000;
const SPAN: Duration = Duration::from_secs(3);

/// About 240 bytes of JSON.
fn event(number: u64) -> NewEvent {
    let command = CommandId::generate();
    NewEvent {
        id: command.event_id(0),
        event_type: "thing.updated".to_owned(),
        schema: 1,
        data: json!({ "number": number, "name": "P-101 feed pump", "metadata": { "site": "north", "line": 7 } }),
        meta: EventMeta {
            who: Who::System("bench".to_owned()),
            organisation: None,
            command,
            note: None,
            input: None,
        },
        at: Timestamp(0),
    }
}

/// Runs `writers` that each append `batch` events at a time and wait for the answer.
async fn measure(folder: PathBuf, writers: usize, batch: u64) -> Result<(), StoreError> {
    let file = folder.join(format!("bench-{writers}-{batch}.db"));
    let store = Arc::new(EmbeddedEventStore::open(&file, DatabaseConfig::default()).await?);
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut slowest = Duration::ZERO;
            let mut written = 0;
            while began.elapsed() < SPAN {
                let stream = format!("thing-{}", (writer * 7919 + written as usize) % STREAMS);
                let asked = Instant::now();
                let events = (0..batch).map(event).collect();
                store.append(&stream, ExpectedRevision::Any, events).await?;
                slowest = slowest.max(asked.elapsed());
                written += batch;
            }
            Ok::<_, StoreError>((written, slowest))
        });
    }
    let (mut written, mut slowest) = (0, Duration::ZERO);
    while let Some(done) = tasks.join_next().await {
        let (events, longest) = done.map_err(|error| StoreError::Failed(error.to_string()))??;
        written += events;
        slowest = slowest.max(longest);
    }
    let rate = written as f64 / began.elapsed().as_secs_f64();

    let began = Instant::now();
    let (mut after, mut read) = (Position::START, 0);
    loop {
        let page = store.read_all(after, 1024).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        read += page.len();
    }
    let scan = read as f64 / began.elapsed().as_secs_f64();
    let looked_up = Instant::now();
    for stream in 0..STREAMS {
        store
            .read_stream(&format!("thing-{stream}"), Revision::NONE, 16)
            .await?;
    }
    let lookup = looked_up.elapsed() / u32::try_from(STREAMS).unwrap_or(u32::MAX);

    store.database().close().await?;
    let bytes = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
    println!(
        "{writers:>4} writers x {batch:>3}: {rate:>8.0} events/s, slowest append {slowest:>10.1?}, \
         {:>4} bytes/event, scan {scan:>8.0} events/s, stream read {lookup:.0?}",
        bytes / written.max(1)
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), StoreError> {
    let folder = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let folder = folder.map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("tellee-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| StoreError::Failed(error.to_string()))?;
    for (writers, batch) in [(1, 1), (16, 1), (256, 1), (1, 16), (1, 256)] {
        measure(folder.clone(), writers, batch).await?;
    }
    std::fs::remove_dir_all(&folder).map_err(|error| StoreError::Failed(error.to_string()))
}
