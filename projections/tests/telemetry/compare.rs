//! Asks a store everything and compares with the oracle.

use std::time::Duration;

use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{
    AggregateFunction, Engine, MessageQuery, Points, Sample, SeriesFilter, SeriesInfo, TimeRange,
    ValueFilter,
};

use super::oracle::{Oracle, Rows, channel, thing};

const SECOND: i64 = 1_000_000_000;

pub fn ranges() -> [TimeRange; 3] {
    let range = |from: i64, to: i64| TimeRange {
        from: Timestamp(from * SECOND),
        to: Timestamp(to * SECOND),
    };
    [TimeRange::ALL, range(5, 20), range(13, 14)]
}

/// Fails where `engine` and `oracle` differ in any answer.
#[allow(dead_code, reason = "shared by several test programs")]
pub fn assert_equal(engine: &Engine, oracle: &Oracle) {
    let (infos, total) = engine.series(&SeriesFilter::default(), 0, 10_000).unwrap();
    let keys: Vec<_> = infos.iter().map(|info| &info.key).collect();
    assert_eq!(keys, oracle.series.keys().collect::<Vec<_>>());
    assert_eq!(total, keys.len());
    for info in &infos {
        assert_series_equal(engine, oracle, info, &oracle.series[&info.key]);
    }
    assert_messages_equal(engine, oracle);
}

/// Fails where `engine` and `oracle` hold different samples.
#[allow(dead_code, reason = "shared by several test programs")]
pub fn assert_same_samples(engine: &Engine, oracle: &Oracle) {
    let (infos, _) = engine.series(&SeriesFilter::default(), 0, 10_000).unwrap();
    assert!(
        infos.iter().map(|info| &info.key).eq(oracle.series.keys()),
        "left and right hold different series"
    );
    for info in &infos {
        let rows = &oracle.series[&info.key];
        assert_eq!(
            info.latest.as_ref(),
            rows.latest.as_ref().map(|message| &message.sample)
        );
        assert_eq!(
            engine.range(info.id, TimeRange::ALL, usize::MAX).unwrap(),
            oracle.range(&info.key, TimeRange::ALL)
        );
    }
}

fn assert_series_equal(engine: &Engine, oracle: &Oracle, info: &SeriesInfo, rows: &Rows) {
    let latest = rows.latest.as_ref();
    assert_eq!(info.latest.as_ref(), latest.map(|message| &message.sample));
    assert_eq!(
        engine.latest(&[info.id]).unwrap(),
        std::slice::from_ref(&info.latest)
    );
    assert_eq!(
        info.unit,
        latest
            .map(|message| message.unit.as_str())
            .unwrap_or_default()
    );
    assert_eq!(
        info.protocol,
        latest
            .map(|message| message.protocol.as_str())
            .unwrap_or_default()
    );
    for range in ranges() {
        let expected = oracle.range(&info.key, range);
        assert_eq!(engine.range(info.id, range, usize::MAX).unwrap(), expected);
        assert_eq!(
            engine.range(info.id, range, 3).unwrap(),
            expected[..expected.len().min(3)]
        );
        for every in [1, 7, 3600] {
            assert_aggregate_equal(engine, info, range, every, &expected);
        }
        for budget in [1, 2, 5, 8, 1000] {
            assert_line_true(
                &engine.points(info.id, range, budget).unwrap(),
                budget,
                &expected,
            );
        }
    }
}

fn assert_aggregate_equal(
    engine: &Engine,
    info: &SeriesInfo,
    range: TimeRange,
    every: i64,
    samples: &[Sample],
) {
    use AggregateFunction::{Count, Deviation, First, Last, Max, Mean, Min, Sum};
    let functions = [Count, Sum, Mean, Min, Max, First, Last, Deviation];
    let found = engine
        .aggregate(
            info.id,
            range,
            Duration::from_secs(every as u64),
            &functions,
        )
        .unwrap();
    let mut starts = Vec::new();
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for sample in samples {
        let Some(number) = sample.value.as_number() else {
            continue;
        };
        let start = Timestamp(sample.time.0.div_euclid(every * SECOND) * every * SECOND);
        if starts.last() == Some(&start) {
            rows.last_mut().unwrap().push(number);
        } else {
            starts.push(start);
            rows.push(vec![number]);
        }
    }
    assert_eq!(found.starts, starts);
    for (index, numbers) in rows.iter().enumerate() {
        let count = numbers.len() as f64;
        let sum: f64 = numbers.iter().sum();
        let mean = sum / count;
        let squares: f64 = numbers
            .iter()
            .map(|number| (number - mean) * (number - mean))
            .sum();
        let deviation = if numbers.len() < 2 {
            0.0
        } else {
            (squares / (count - 1.0)).sqrt()
        };
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let expected = [
            count,
            sum,
            mean,
            least,
            greatest,
            numbers[0],
            *numbers.last().unwrap(),
            deviation,
        ];
        for (column, expected) in found.columns.iter().zip(expected) {
            assert!(
                (column[index] - expected).abs() <= 1e-9 * (1.0 + expected.abs()),
                "{} {expected}",
                column[index]
            );
        }
    }
}

/// A thinned line keeps first, last and extremes, stays within its budget, and shows only what is there.
fn assert_line_true(line: &Points, budget: usize, samples: &[Sample]) {
    assert_eq!(line.samples, samples.len() as u64);
    assert!(line.times.len() <= budget);
    assert_eq!(line.values.len(), line.times.len());
    assert_eq!(line.qualities.len(), line.times.len());
    assert!(line.times.is_sorted());
    assert_eq!(line.thinned, line.times.len() < samples.len());
    let shown: Vec<_> = samples
        .iter()
        .map(|sample| (sample.time, sample.value.as_number()))
        .collect();
    for point in line.times.iter().copied().zip(line.values.iter().copied()) {
        assert!(shown.contains(&point));
    }
    if samples.len() <= budget {
        assert!(!line.thinned);
        return;
    }
    let Some((first, last)) = shown.first().zip(shown.last()) else {
        return;
    };
    assert_eq!(line.times.last(), Some(&last.0));
    if budget >= 2 {
        assert_eq!(line.times.first(), Some(&first.0));
    }
    if budget >= 4 {
        let numbers = || shown.iter().filter_map(|(_, number)| *number);
        let drawn = || line.values.iter().flatten().copied();
        assert_eq!(
            drawn().fold(f64::INFINITY, f64::min),
            numbers().fold(f64::INFINITY, f64::min)
        );
        assert_eq!(
            drawn().fold(f64::NEG_INFINITY, f64::max),
            numbers().fold(f64::NEG_INFINITY, f64::max)
        );
    }
}

fn assert_messages_equal(engine: &Engine, oracle: &Oracle) {
    for number in 0..2 {
        let all = MessageQuery {
            channel: channel(number),
            range: TimeRange::ALL,
            subtopic: None,
            publisher: None,
            protocol: None,
            name: None,
            value: None,
            offset: 0,
            limit: 1000,
        };
        let part = TimeRange {
            from: Timestamp(5 * SECOND),
            to: Timestamp(30 * SECOND),
        };
        let queries = [
            MessageQuery {
                limit: 5,
                ..all.clone()
            },
            MessageQuery {
                offset: 4,
                limit: 7,
                ..all.clone()
            },
            MessageQuery {
                range: part,
                ..all.clone()
            },
            MessageQuery {
                subtopic: Some("a.b".to_owned()),
                ..all.clone()
            },
            MessageQuery {
                publisher: Some(thing(1)),
                name: Some("n0".to_owned()),
                ..all.clone()
            },
            MessageQuery {
                protocol: Some("http".to_owned()),
                ..all.clone()
            },
            MessageQuery {
                protocol: Some("opcua".to_owned()),
                ..all.clone()
            },
            MessageQuery {
                value: Some(ValueFilter::GreaterOrEqual(2.5)),
                ..all.clone()
            },
            MessageQuery {
                value: Some(ValueFilter::Less(0.0)),
                ..all.clone()
            },
            MessageQuery {
                value: Some(ValueFilter::Equal(1.5)),
                ..all.clone()
            },
            MessageQuery {
                value: Some(ValueFilter::Boolean(true)),
                ..all.clone()
            },
            MessageQuery {
                value: Some(ValueFilter::Text("on".to_owned())),
                ..all.clone()
            },
            all,
        ];
        for query in queries {
            assert_eq!(
                engine.messages(&query).unwrap(),
                oracle.messages(&query),
                "{query:?}"
            );
        }
    }
}
