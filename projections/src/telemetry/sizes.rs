//! Where the bytes are. Temporary.
use super::codec::compression::{compress, compress_pieces};
use super::codec::{block, integers, numbers, rollup as rollup_codec};
use super::columns::{Columns, Repeated, Values};
use super::disk::SimulatedDisk;
use super::model::{SeriesKey, TimeRange};
use super::rollup::{Level, Row};
use super::{Access, Engine, SampleBatch, SampleValues, TelemetryConfig};
use std::sync::Arc;
use tellee_actors::ids::{ChannelId, ThingId};
use tellee_actors::time::Timestamp;
use uuid::Uuid;

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_700_000_000 * SECOND;

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

fn z(bytes: &[u8]) -> usize {
    compress(bytes).map_or(bytes.len(), |c| c.len())
}

fn ints(values: &[i64]) -> (usize, usize) {
    let mut out = Vec::new();
    integers::encode(values, &mut out);
    (out.len(), z(&out))
}

#[test]
fn sizes() {
    let disk = SimulatedDisk::new(1);
    let config = TelemetryConfig::default();
    let engine = Engine::open(Arc::new(disk.clone()), config, Access::Write).unwrap();
    let series = 10_u64;
    let seconds: i64 = 86_400;
    let keys: Vec<SeriesKey> = (0..series)
        .map(|number| SeriesKey {
            channel: ChannelId(Uuid::from_u128(1)),
            thing: ThingId(Uuid::from_u128(2)),
            subtopic: format!("sensor.{number}"),
            name: "value".to_owned(),
        })
        .collect();
    let ids = engine.resolve(&keys).unwrap();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut received = START + 3600 * SECOND;
    for from in (0..seconds).step_by(50) {
        received += 1_500_000 + (random.next() % 1_000_000) as i64;
        let mut batch = SampleBatch {
            protocol: "influx",
            received_at: Timestamp(received),
            historical: false,
            series: Vec::new(),
            times: Vec::new(),
            values: SampleValues::Numbers(Vec::new()),
        };
        for second in from..from + 50 {
            for (number, id) in ids.iter().enumerate() {
                let value = 220.0
                    + 10.0 * (second as f64 / 600.0 + number as f64).sin()
                    + random.unit() * 0.2
                    - 0.1;
                batch.series.push(*id);
                batch.times.push(Timestamp(START + second * SECOND));
                batch
                    .values
                    .push(super::Value::Number((value * 100.0).round() / 100.0));
            }
        }
        engine.commit([&Arc::new(batch)].into_iter()).unwrap();
    }
    engine.flush().unwrap();
    while engine.compact().unwrap() {}
    let points = (series as i64 * seconds) as f64;
    let sets = engine.test_sets();
    for set in &sets {
        let of = |level: Level| {
            set.all_rollups()
                .iter()
                .filter(|e| e.level == level)
                .map(|e| f64::from(e.length) + 8.0)
                .sum::<f64>()
        };
        let rollups = of(Level::Minute) + of(Level::Hour);
        println!(
            "set {} bytes/pt {:.4}: blocks {:.4} minutes {:.4} hours {:.4} rest (index, frames) {:.4}",
            set.number,
            set.length as f64 / points,
            set.block_bytes as f64 / points,
            of(Level::Minute) / points,
            of(Level::Hour) / points,
            (set.length as f64 - set.block_bytes as f64 - rollups) / points
        );
    }
    let view = engine.view(ids[0], TimeRange::ALL).unwrap();
    let mut parts = [0_usize; 6];
    let mut count = 0;
    for part in &view {
        let columns = super::merge::load_part(&part.part, block::Depth::All)
            .unwrap()
            .unwrap();
        count += columns.len();
        parts[0] += ints(&columns.times).1;
        let Values::Numbers(values) = &columns.values else {
            panic!()
        };
        let mut out = Vec::new();
        numbers::encode(values, &mut out);
        let planes = out.len() / columns.len();
        parts[1] += z(&out);
        let cuts = (planes >= 2).then(|| out.len() - columns.len());
        parts[2] += compress_pieces(&out, cuts.into_iter()).map_or(0, |c| c.len());
        parts[3] += match &columns.received {
            Repeated::Each(all) => ints(all).1,
            Repeated::Constant { .. } => 1,
        };
        parts[4] += zstd::bulk::compress(&out, 19).unwrap().len();
        let bytes = block::encode(ids[0], &columns);
        parts[5] += bytes.len();
        println!(
            "block of {}: {} bytes, body planes {planes}",
            columns.len(),
            bytes.len()
        );
    }
    println!(
        "per point: times {:.4} values {:.4} (cut {:.4}, level 19 {:.4}) received {:.4} block {:.4}",
        parts[0] as f64 / count as f64,
        parts[1] as f64 / count as f64,
        parts[2] as f64 / count as f64,
        parts[4] as f64 / count as f64,
        parts[3] as f64 / count as f64,
        parts[5] as f64 / count as f64
    );
    for level in Level::ALL {
        let mut rows: Vec<Row> = Vec::new();
        for set in &sets {
            for entry in set.rollups(ids[0], level) {
                rows.extend(
                    set.read_rollup(entry, rollup_codec::Detail::All)
                        .unwrap()
                        .unwrap(),
                );
            }
        }
        let n = rows.len();
        let col = |name: &str, values: Vec<i64>| {
            let (raw, packed) = ints(&values);
            println!(
                "  {level:?} {name}: {n} rows, {raw} raw, {packed} packed, {:.2} bits/row",
                packed as f64 * 8.0 / n as f64
            );
        };
        col("starts", rows.iter().map(|r| r.start).collect());
        col(
            "counts",
            rows.iter().map(|r| r.numbers.count as i64).collect(),
        );
        let sums: Vec<i64> = rows
            .iter()
            .map(|r| (r.numbers.sum * 100.0).round() as i64)
            .collect();
        col("sums", sums.clone());
        let means: Vec<i64> = rows
            .iter()
            .zip(&sums)
            .map(|(r, s)| s / r.numbers.count as i64)
            .collect();
        for (name, f) in [
            ("min", (|r: &Row| r.numbers.min) as fn(&Row) -> f64),
            ("max", |r| r.numbers.max),
            ("first", |r| r.numbers.first),
            ("last", |r| r.numbers.last),
        ] {
            col(
                name,
                rows.iter()
                    .zip(&means)
                    .map(|(r, m)| (f(r) * 100.0).round() as i64 - m)
                    .collect(),
            );
        }
        let slope = |i: usize| {
            let before = if i > 0 { means[i - 1] } else { means[i] };
            let after = if i + 1 < n { means[i + 1] } else { means[i] };
            (after - before) / 4
        };
        let with = |name: &str, f: fn(&Row) -> f64, sign: fn(i64) -> i64| {
            col(
                name,
                (0..n)
                    .map(|i| (f(&rows[i]) * 100.0).round() as i64 - means[i] - sign(slope(i)))
                    .collect(),
            );
        };
        with("min by slope", |r| r.numbers.min, |s| -s.abs());
        with("max by slope", |r| r.numbers.max, |s| s.abs());
        with("first by slope", |r| r.numbers.first, |s| -s);
        with("last by slope", |r| r.numbers.last, |s| s);
        let whole = rollup_codec::encode(ids[0], level, &rows);
        println!(
            "  {level:?} whole {} bytes, {:.2} a row, {:.4} a point",
            whole.len(),
            whole.len() as f64 / n as f64,
            whole.len() as f64 / seconds as f64
        );
        if level == Level::Hour {
            let mut out = Vec::new();
            numbers::encode(
                &rows.iter().map(|r| r.numbers.squares).collect::<Vec<_>>(),
                &mut out,
            );
            println!("  squares {} {}", out.len(), z(&out));
            for (name, f) in [
                (
                    "first",
                    (|r: &Row| r.first.time - r.start) as fn(&Row) -> i64,
                ),
                ("last", |r| r.last.time - r.start),
                ("min", |r| r.min.time - r.start),
                ("max", |r| r.max.time - r.start),
            ] {
                col(name, rows.iter().map(f).collect());
            }
        }
    }
    let _ = Columns::default();
}
