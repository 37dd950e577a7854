//! What questions to a day of 100 series cost: `cargo bench -p tellee-projections --bench telemetry_queries`.
//!
//! The set is 220 + 10 sin(t/600 + i) + noise of ±0.1, two decimals, once a second: 8.64 million samples, asked once
//! without rollups, once with them, and once as a running server has them, the newest still in memory. CPU is that of this thread from `/proc/thread-self/schedstat`, which is kept by the
//! tick of the scheduler, so each question is asked often. `TELLEE_BENCH_SERIES` changes the number of series.
//! `TELLEE_BENCH_ONLY` asks only questions whose name contains it, a hundred times as often, for a profiler.

use std::sync::Arc;
use std::time::Duration;

use tellee_actors::ids::{ChannelId, ThingId};
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::disk::RealDisk;
use tellee_projections::telemetry::{
    Access, AggregateFunction, Engine, MessageBatch, Quality, Record, SeriesId, TelemetryConfig,
    TimeRange, Value,
};
use uuid::Uuid;

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_700_000_040 * SECOND;
const DAY: i64 = 86_400;
const BATCH: i64 = 600;

/// CPU of this thread, in nanoseconds.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = stat.split_whitespace().next();
    first.and_then(|text| text.parse().ok()).unwrap_or(0)
}

struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn batch(series: u64, from: i64, random: &mut Random) -> Arc<MessageBatch> {
    let record = |second: i64| {
        let noise = random.unit() * 0.2 - 0.1;
        let value = 220.0 + 10.0 * (second as f64 / 600.0 + series as f64).sin() + noise;
        Record {
            name: "value".to_owned(),
            unit: String::new(),
            time: Timestamp(START + second * SECOND),
            seq: 0,
            value: Value::Number((value * 100.0).round() / 100.0),
            sum: None,
            update_time: None,
            quality: Quality::GOOD,
        }
    };
    Arc::new(MessageBatch {
        channel: ChannelId(Uuid::from_u128(1)),
        thing: ThingId(Uuid::from_u128(2)),
        subtopic: Arc::from(format!("sensor.{series}")),
        protocol: "influx",
        received_at: Timestamp(START + (from + BATCH) * SECOND),
        historical: false,
        records: (from..from + BATCH).map(record).collect(),
    })
}

fn must<Answer, Error: std::fmt::Display>(result: Result<Answer, Error>) -> Answer {
    result.unwrap_or_else(|error| panic!("{error}"))
}

fn filled(
    config: TelemetryConfig,
    series: u64,
    is_settled: bool,
) -> (tempfile::TempDir, Engine, f64) {
    let folder = must(tempfile::tempdir());
    let disk = must(RealDisk::open(folder.path()));
    let engine = must(Engine::open(Arc::new(disk), config, Access::Write));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for from in (0..DAY).step_by(BATCH as usize) {
        let batches: Vec<_> = (0..series)
            .map(|series| batch(series, from, &mut random))
            .collect();
        must(engine.commit(batches.iter()));
        if engine.wants_flush(Timestamp(0)) {
            must(engine.flush());
        }
    }
    if is_settled {
        must(engine.flush());
        while must(engine.compact()) {}
    }
    let bytes = engine.figures().block_bytes as f64 / (series as i64 * DAY) as f64;
    (folder, engine, bytes)
}

fn timed<Answer>(what: &str, rounds: u64, mut ask: impl FnMut() -> Answer) {
    let only = std::env::var("TELLEE_BENCH_ONLY").ok();
    let rounds = match only {
        Some(part) if !what.contains(&part) => return,
        Some(_) => rounds * 100,
        None => rounds,
    };
    std::hint::black_box(ask());
    let before = cpu();
    for _ in 0..rounds {
        std::hint::black_box(ask());
    }
    let each = (cpu() - before) as f64 / rounds as f64;
    println!("{what:<60} {:>9.4} ms CPU", each / 1e6);
}

fn queries(engine: &Engine, series: u64) {
    let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
    let ids: Vec<SeriesId> = (1..=series).map(SeriesId).collect();
    let mean = [AggregateFunction::Mean];
    let five = [
        AggregateFunction::Mean,
        AggregateFunction::Min,
        AggregateFunction::Max,
        AggregateFunction::First,
        AggregateFunction::Last,
    ];
    let ask = |id: SeriesId, every: Duration, functions: &[AggregateFunction]| {
        must(engine.aggregate(id, TimeRange::ALL, every, functions))
    };
    timed("1 series, mean per 1 m", 1000, || {
        ask(ids[0], minute, &mean)
    });
    let all = |every: Duration, functions: &[AggregateFunction]| {
        let columns = ids
            .iter()
            .map(|id| ask(*id, every, functions).columns.len());
        columns.sum::<usize>()
    };
    let ninety_seconds = Duration::from_secs(90);
    timed("all series, mean per 90 s", 10, || {
        all(ninety_seconds, &mean)
    });
    timed("all series, five functions per 90 s", 5, || {
        all(ninety_seconds, &five)
    });
    timed("all series, mean per 1 m", 20, || all(minute, &mean));
    timed("all series, mean per 1 m, written as JSON", 10, || {
        let mut json = Vec::new();
        for id in &ids {
            let answer = ask(*id, minute, &mean);
            let starts = answer.starts.iter().map(|start| start.0 / SECOND);
            let rows: Vec<(i64, f64)> = starts.zip(answer.columns[0].iter().copied()).collect();
            must(serde_json::to_writer(&mut json, &rows));
        }
        json.len()
    });
    timed("all series, five functions per 1 m", 10, || {
        all(minute, &five)
    });
    timed("all series, mean per 1 h", 50, || all(hour, &mean));
    timed("1 series, line of 2,000 points", 200, || {
        must(engine.points(ids[0], TimeRange::ALL, 2000))
    });
    timed("1 series, line of 20 points", 200, || {
        must(engine.points(ids[0], TimeRange::ALL, 20))
    });
    timed("last value of all series", 10_000, || {
        must(engine.latest(&ids))
    });
}

fn main() {
    let series = std::env::var("TELLEE_BENCH_SERIES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100);
    let default = TelemetryConfig::default().rollup_samples;
    for (name, rollup_samples, is_settled) in [
        ("from samples alone", usize::MAX, true),
        ("with rollups", default, true),
        ("while the newest are in memory", default, false),
    ] {
        let config = TelemetryConfig {
            rollup_samples,
            ..TelemetryConfig::default()
        };
        let (folder, engine, bytes) = filled(config, series, is_settled);
        println!("{name}: {bytes:.3} bytes/sample");
        queries(&engine, series);
        drop(engine);
        drop(folder);
    }
}
