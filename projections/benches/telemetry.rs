//! What the embedded telemetry store costs: `cargo bench -p tellee-projections --bench telemetry`.
//!
//! CPU is that of the whole process from `/proc/self/stat` (generating the batches is left out), sync to disk before
//! each answer. `TELLEE_BENCH_FOLDER` says where, default a temporary folder; `TELLEE_BENCH_SCALE` divides the sizes; `TELLEE_BENCH_ONLY` measures one thing alone:
//! `resolved` is the way of line protocol (`TELLEE_BENCH_SERIES` picks one of its numbers of series), `reopen` makes about 1 GB and opens it again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tellee_actors::ids::{ChannelId, ThingId};
use tellee_actors::time::{SystemClock, Timestamp};
use tellee_projections::telemetry::{
    AggregateFunction, EmbeddedTelemetryStore, MessageBatch, MessageQuery, Quality, Record,
    SampleBatch, SampleValues, SeriesFilter, SeriesId, SeriesKey, TelemetryConfig, TelemetryStore,
    TimeRange, Value,
};
use uuid::Uuid;

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_700_000_000 * SECOND;
const DAY: i64 = 86_400;

/// User and system time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields
        .iter()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

fn resident_kilobytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with(field))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn record(time: i64, value: f64) -> Record {
    Record {
        name: "value".to_owned(),
        unit: String::new(),
        time: Timestamp(time),
        seq: 0,
        value: Value::Number(value),
        sum: None,
        update_time: None,
        quality: Quality::GOOD,
    }
}

fn batch(series: u64, received_at: i64, records: Vec<Record>) -> Arc<MessageBatch> {
    Arc::new(MessageBatch {
        channel: ChannelId(Uuid::from_u128(1)),
        thing: ThingId(Uuid::from_u128(2)),
        subtopic: Arc::from(format!("sensor.{series}")),
        protocol: "influx",
        received_at: Timestamp(received_at),
        historical: false,
        records,
    })
}

/// 220 + 10 sin(t/600 + i) + noise of ±0.1, two decimals, once a second.
fn two_decimals(series: u64, second: i64, random: &mut Random) -> f64 {
    let value =
        220.0 + 10.0 * (second as f64 / 600.0 + series as f64).sin() + random.unit() * 0.2 - 0.1;
    (value * 100.0).round() / 100.0
}

fn open(folder: &Path) -> EmbeddedTelemetryStore {
    EmbeddedTelemetryStore::open(
        folder,
        TelemetryConfig::default(),
        Arc::new(SystemClock::default()),
    )
    .unwrap_or_else(|error| panic!("cannot open the store: {error}"))
}

struct Measured {
    cpu: Duration,
    wall: Duration,
}

impl Measured {
    fn report(&self, what: &str, points: u64) {
        let per_point = self.cpu.as_secs_f64() * 1e6 / points as f64;
        let rate = points as f64 / self.wall.as_secs_f64();
        println!("{what:<58} {per_point:>9.3} µs CPU/point {rate:>12.0} points/s");
    }
}

/// Loads `seconds` of 100 series, 50 samples of each a batch of 5,000. Counts only the time in the store.
async fn load(
    store: &EmbeddedTelemetryStore,
    series: u64,
    seconds: i64,
    value: impl Fn(u64, i64, &mut Random) -> f64,
) -> Measured {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut measured = Measured {
        cpu: Duration::ZERO,
        wall: Duration::ZERO,
    };
    let mut second = 0;
    while second < seconds {
        // Several commits between two looks at the clock of 10 ms.
        let mut commits = Vec::new();
        for _ in 0..20 {
            if second >= seconds {
                break;
            }
            let received = START + (second + 50) * SECOND;
            let batches: Vec<_> = (0..series)
                .map(|series| {
                    let records = (second..(second + 50).min(seconds))
                        .map(|second| {
                            record(START + second * SECOND, value(series, second, &mut random))
                        })
                        .collect();
                    batch(series, received, records)
                })
                .collect();
            commits.push(batches);
            second += 50;
        }
        let (before, started) = (cpu(), Instant::now());
        for batches in commits {
            store
                .append_all(batches)
                .await
                .unwrap_or_else(|error| panic!("append: {error}"));
        }
        measured.cpu += cpu() - before;
        measured.wall += started.elapsed();
    }
    measured
}

/// `rounds` samples of each of `series` resolved series, round by round as line protocol has them, 5,000 a batch, with
/// the flush at the end. Counts only the time in the store.
async fn load_resolved(
    store: &EmbeddedTelemetryStore,
    series: u64,
    rounds: i64,
    step: i64,
) -> Measured {
    let keys: Vec<SeriesKey> = (0..series)
        .map(|number| SeriesKey {
            channel: ChannelId(Uuid::from_u128(1)),
            thing: ThingId(Uuid::from_u128(2)),
            subtopic: format!("sensor.{number}"),
            name: "value".to_owned(),
        })
        .collect();
    let mut ids = Vec::new();
    for keys in keys.chunks(50_000) {
        let some = store.resolve(keys).await;
        ids.extend(some.unwrap_or_else(|error| panic!("resolve: {error}")));
    }
    drop(keys);
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut measured = Measured {
        cpu: Duration::ZERO,
        wall: Duration::ZERO,
    };
    let empty = || SampleBatch {
        protocol: "influx",
        received_at: Timestamp(START),
        historical: false,
        series: Vec::new(),
        times: Vec::new(),
        values: SampleValues::Numbers(Vec::new()),
    };
    let mut batch = empty();
    let mut waiting = Vec::new();
    for round in 0..rounds {
        for (number, id) in ids.iter().enumerate() {
            let time = START + round * step * SECOND;
            batch.received_at = Timestamp(time);
            batch.series.push(*id);
            batch.times.push(Timestamp(time));
            let value = two_decimals(number as u64, round, &mut random);
            batch.values.push(Value::Number(value));
            let is_last = round + 1 == rounds && number + 1 == ids.len();
            if batch.len() == 5000 || is_last {
                waiting.push(Arc::new(std::mem::replace(&mut batch, empty())));
            }
            // Several commits between two looks at the clock of 10 ms.
            if waiting.len() == 20 || is_last {
                let (before, started) = (cpu(), Instant::now());
                for batch in waiting.drain(..) {
                    store
                        .append_samples(batch)
                        .await
                        .unwrap_or_else(|error| panic!("append: {error}"));
                }
                measured.cpu += cpu() - before;
                measured.wall += started.elapsed();
            }
        }
    }
    let (before, started) = (cpu(), Instant::now());
    store
        .flush()
        .await
        .unwrap_or_else(|error| panic!("flush: {error}"));
    measured.cpu += cpu() - before;
    measured.wall += started.elapsed();
    measured
}

/// `writers` tasks, each appending one sample at a time and waiting for its answer.
async fn one_by_one(store: &Arc<EmbeddedTelemetryStore>, writers: u64, each: i64) -> Measured {
    let (before, started) = (cpu(), Instant::now());
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..writers {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let mut random = Random(writer + 1);
            for second in 0..each {
                let value = two_decimals(writer, second, &mut random);
                let batch = batch(
                    1000 + writer,
                    START + second * SECOND,
                    vec![record(START + second * SECOND, value)],
                );
                store
                    .append(batch)
                    .await
                    .unwrap_or_else(|error| panic!("append: {error}"));
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap_or_else(|error| panic!("writer: {error}"));
    }
    Measured {
        cpu: cpu() - before,
        wall: started.elapsed(),
    }
}

fn bytes_in(folder: &Path, prefix: &str) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

async fn timed<Answer>(what: &str, rounds: u32, mut ask: impl AsyncFnMut() -> Answer) {
    ask().await;
    let (before, started) = (cpu(), Instant::now());
    for _ in 0..rounds {
        ask().await;
    }
    let wall = started.elapsed() / rounds;
    let cpu = (cpu() - before) / rounds;
    println!(
        "{what:<58} {:>9.3} ms CPU {:>9.3} ms wall",
        cpu.as_secs_f64() * 1e3,
        wall.as_secs_f64() * 1e3
    );
}

async fn queries(store: &EmbeddedTelemetryStore, ids: &[SeriesId]) {
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
    let mean = [AggregateFunction::Mean];
    timed("1 series, mean per 1 m, all", 100, async || {
        store.aggregate(ids[0], TimeRange::ALL, minute, &mean).await
    })
    .await;
    timed("100 series, mean per 1 m, all", 5, async || {
        for id in ids {
            let _ = store.aggregate(*id, TimeRange::ALL, minute, &mean).await;
        }
    })
    .await;
    timed("100 series, mean per 1 h, all", 5, async || {
        for id in ids {
            let _ = store.aggregate(*id, TimeRange::ALL, hour, &mean).await;
        }
    })
    .await;
    let an_hour = TimeRange {
        from: Timestamp(START),
        to: Timestamp(START + 3600 * SECOND),
    };
    timed("1 series, raw, 1 h", 100, async || {
        store.range(ids[0], an_hour, usize::MAX).await
    })
    .await;
    timed("1 series, line of 2,000 points, all", 100, async || {
        store.points(ids[0], TimeRange::ALL, 2000).await
    })
    .await;
    timed("last value of 100 series", 1000, async || {
        store.latest(ids).await
    })
    .await;
    let page = MessageQuery {
        channel: ChannelId(Uuid::from_u128(1)),
        range: TimeRange::ALL,
        subtopic: None,
        publisher: None,
        protocol: None,
        name: None,
        value: None,
        offset: 0,
        limit: 10,
    };
    timed(
        "newest 10 messages of the channel, with their total",
        100,
        async || store.messages(&page).await,
    )
    .await;
}

/// The same number of points over ever more series.
async fn many_series(fresh: &impl Fn(&str) -> std::path::PathBuf, scale: i64) {
    let only: Option<u64> = std::env::var("TELLEE_BENCH_SERIES")
        .ok()
        .and_then(|text| text.parse().ok());
    for (series, step) in [(100_u64, 1), (1_000, 10), (10_000, 60), (100_000, 60)] {
        if only.is_some_and(|only| only != series) {
            continue;
        }
        let folder = fresh(&format!("resolved-{series}"));
        let store = open(&folder);
        let rounds = 4_800_000 / scale / series as i64;
        let measured = load_resolved(&store, series, rounds, step).await;
        measured.report(
            &format!("resolved, batch 5000, {series} series"),
            series * rounds as u64,
        );
        println!(
            "{:<58} {:>9} kB now, {} kB at most; {:.3} bytes/point",
            "resident",
            resident_kilobytes("VmRSS"),
            resident_kilobytes("VmHWM"),
            bytes_in(&folder, "blocks-") as f64 / (series * rounds as u64) as f64
        );
        drop(store);
        let (before, started) = (cpu(), Instant::now());
        let store = open(&folder);
        println!(
            "{:<58} {:>9.3} ms, {:?} CPU, {} block files",
            "reopening it",
            started.elapsed().as_secs_f64() * 1e3,
            cpu() - before,
            store.figures().block_files
        );
    }
}

/// About 1 GB of blocks and a full log, opened again as after a kill: nothing is flushed on the way out.
async fn reopen(fresh: &impl Fn(&str) -> std::path::PathBuf, scale: i64) {
    let folder = fresh("reopen");
    let store = open(&folder);
    let series = 10_000_u64;
    let keys: Vec<SeriesKey> = (0..series)
        .map(|number| SeriesKey {
            channel: ChannelId(Uuid::from_u128(1)),
            thing: ThingId(Uuid::from_u128(2)),
            subtopic: format!("sensor.{number}"),
            name: "value".to_owned(),
        })
        .collect();
    let ids = store
        .resolve(&keys)
        .await
        .unwrap_or_else(|error| panic!("resolve: {error}"));
    let mut random = Random(99);
    let mut second = 0;
    let wanted = (1 << 30) / scale as u64;
    // The log must be nearly full at the end.
    while bytes_in(&folder, "blocks-") < wanted || store.figures().log_bytes < 28 << 20 {
        for ids in ids.chunks(5000) {
            let time = Timestamp(START + second * SECOND);
            let batch = SampleBatch {
                protocol: "influx",
                received_at: time,
                historical: false,
                series: ids.to_vec(),
                times: vec![time; ids.len()],
                values: SampleValues::Numbers(ids.iter().map(|_| random.unit() * 1000.0).collect()),
            };
            store
                .append_samples(Arc::new(batch))
                .await
                .unwrap_or_else(|error| panic!("append: {error}"));
        }
        second += 1;
    }
    let blocks = bytes_in(&folder, "blocks-");
    let log = store.figures().log_bytes;
    drop(store);
    for round in 0..3 {
        let (before, started) = (cpu(), Instant::now());
        let store = open(&folder);
        println!(
            "{:<58} {:>9.3} ms wall, {:?} CPU ({} MB of blocks in {} files, {} MB of log)",
            format!("reopening as after a kill, {round}"),
            started.elapsed().as_secs_f64() * 1e3,
            cpu() - before,
            blocks >> 20,
            store.figures().block_files,
            log >> 20
        );
    }
}

async fn run() {
    let scale: i64 = std::env::var("TELLEE_BENCH_SCALE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let only = std::env::var("TELLEE_BENCH_ONLY").unwrap_or_default();
    let temporary = tempfile::tempdir().unwrap_or_else(|error| panic!("temporary folder: {error}"));
    let base = std::env::var("TELLEE_BENCH_FOLDER")
        .map_or_else(|_| temporary.path().to_owned(), Into::into);
    let _ = std::fs::create_dir_all(&base);
    let fresh = |name: &str| {
        let folder = base.join(name);
        let _ = std::fs::remove_dir_all(&folder);
        folder
    };

    if only.is_empty() || only == "resolved" {
        many_series(&fresh, scale).await;
    }
    if only == "reopen" {
        reopen(&fresh, scale).await;
    }
    if !only.is_empty() {
        return;
    }
    let folder = fresh("single");
    let store = Arc::new(open(&folder));
    let each = 2000 / scale;
    one_by_one(&store, 64, each)
        .await
        .report("batch 1, 64 writers", 64 * each as u64);
    one_by_one(&store, 1, 500 / scale)
        .await
        .report("batch 1, 1 writer", 500 / scale as u64);
    drop(store);

    let folder = fresh("decimals");
    let store = open(&folder);
    let seconds = DAY / scale;
    let points = 100 * seconds as u64;
    load(&store, 100, seconds, two_decimals)
        .await
        .report("batch 5000, 100 series, two decimals", points);
    println!(
        "{:<58} {:>9} kB now, {} kB at most",
        "resident",
        resident_kilobytes("VmRSS"),
        resident_kilobytes("VmHWM")
    );
    let started = Instant::now();
    let before = cpu();
    store
        .flush()
        .await
        .unwrap_or_else(|error| panic!("flush: {error}"));
    println!(
        "{:<58} {:>9.0} ms, {:?} CPU",
        "last flush",
        started.elapsed().as_secs_f64() * 1e3,
        cpu() - before
    );
    println!(
        "{:<58} {:>9.3} bytes/point",
        "on disk",
        bytes_in(&folder, "blocks-") as f64 / points as f64
    );
    let (series, _) = store
        .series(&SeriesFilter::default(), 0, 1000)
        .await
        .unwrap_or_default();
    let ids: Vec<SeriesId> = series.iter().map(|info| info.id).collect();
    queries(&store, &ids).await;
    store
        .close()
        .await
        .unwrap_or_else(|error| panic!("close: {error}"));
    drop(store);
    let started = Instant::now();
    let store = open(&folder);
    println!(
        "{:<58} {:>9.3} ms",
        "reopening it",
        started.elapsed().as_secs_f64() * 1e3
    );
    println!(
        "{:<58} {:>9.3} bytes/point in {} files",
        "after compaction so far",
        bytes_in(&folder, "blocks-") as f64 / points as f64,
        store.figures().block_files
    );
    drop(store);

    let folder = fresh("doubles");
    let store = open(&folder);
    let seconds = DAY / 8 / scale;
    let points = 100 * seconds as u64;
    let entropy = |_: u64, _: i64, random: &mut Random| random.unit() * 1000.0 - 500.0;
    load(&store, 100, seconds, entropy)
        .await
        .report("batch 5000, 100 series, full-entropy doubles", points);
    store
        .flush()
        .await
        .unwrap_or_else(|error| panic!("flush: {error}"));
    println!(
        "{:<58} {:>9.3} bytes/point",
        "on disk",
        bytes_in(&folder, "blocks-") as f64 / points as f64
    );
    drop(store);

    let folder = fresh("many");
    let store = open(&folder);
    let (series, rounds) = (100_000 / scale as u64, 12);
    let mut measured = Measured {
        cpu: Duration::ZERO,
        wall: Duration::ZERO,
    };
    let mut random = Random(7);
    for round in 0..rounds {
        for chunk in 0..series / 5000 {
            let time = START + round * 60 * SECOND;
            let batches: Vec<_> = (chunk * 5000..(chunk + 1) * 5000)
                .map(|series| {
                    batch(
                        series,
                        time,
                        vec![record(time, two_decimals(series, round, &mut random))],
                    )
                })
                .collect();
            let (before, started) = (cpu(), Instant::now());
            store
                .append_all(batches)
                .await
                .unwrap_or_else(|error| panic!("append: {error}"));
            measured.cpu += cpu() - before;
            measured.wall += started.elapsed();
        }
    }
    measured.report("batch 5000, 100,000 series", series * rounds as u64);
    println!(
        "{:<58} {:>9} kB now, {} kB at most",
        "resident",
        resident_kilobytes("VmRSS"),
        resident_kilobytes("VmHWM")
    );
    drop(store);
    let started = Instant::now();
    drop(open(&folder));
    println!(
        "{:<58} {:>9.3} ms",
        "reopening it",
        started.elapsed().as_secs_f64() * 1e3
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(run()),
        Err(error) => eprintln!("cannot start: {error}"),
    }
}
