//! Line protocol: no panic, bounds kept, and knowing lines from before changes nothing of what they say.

use tellee_actors::time::Timestamp;
use tellee_api::line_protocol::{
    FieldValue, LineLimits, Lines, Point, Precision, Reading, SeriesName, SeriesTable, points, read,
};
use tellee_projections::telemetry::{SampleValues, SeriesId, Value};

/// 2026-01-01T00:00:00Z in nanoseconds.
const NOW: Timestamp = Timestamp(1_767_225_600_000_000_000);

/// Small, so that inputs of a fuzzer reach them.
const LIMITS: LineLimits = LineLimits {
    max_samples: 64,
    max_line_bytes: 512,
    max_key_bytes: 64,
    max_tags: 4,
    max_fields: 8,
    max_text_bytes: 256,
};

pub fn line_protocol(input: &[u8]) {
    let plain = points(input, Precision::Seconds, NOW, &LIMITS);
    if let Ok(plain) = &plain {
        check(plain);
    }
    let table = SeriesTable::default();
    let mut given = Vec::new();
    // Unknown the first time, known the second.
    for _ in 0..2 {
        let reading = Reading {
            precision: Precision::Seconds,
            now: NOW,
            limits: &LIMITS,
        };
        match (&plain, read(input, &table, reading)) {
            (Err(plain), Err(by_table)) => assert_eq!(*plain, by_table),
            (Ok(plain), Ok(mut lines)) => {
                let ids: Vec<SeriesId> = lines
                    .unknown
                    .iter()
                    .map(|unknown| id_of(&unknown.name, &mut given))
                    .collect();
                lines.learn(&table, &ids);
                compare(plain, &lines, &given);
            }
            (plain, by_table) => panic!("{plain:?} against {by_table:?}"),
        }
    }
}

fn check(points: &[Point]) {
    assert!(points.len() <= LIMITS.max_samples);
    for point in points {
        assert!(point.time.0 < i64::MAX);
        assert!(tellee_senml::check_name(&point.series.name).is_ok());
        assert!(point.series.name.len() <= 1024 && point.series.subtopic.len() <= 1024);
        match &point.value {
            FieldValue::Number(number) => assert!(number.is_finite()),
            FieldValue::Text(text) => assert!(text.len() <= LIMITS.max_text_bytes),
            FieldValue::Boolean(_) => {}
        }
    }
}

fn id_of(name: &SeriesName, given: &mut Vec<SeriesName>) -> SeriesId {
    let place = given.iter().position(|known| known == name);
    let place = place.unwrap_or_else(|| {
        given.push(name.clone());
        given.len() - 1
    });
    SeriesId(place as u64)
}

fn compare(plain: &[Point], lines: &Lines<'_>, given: &[SeriesName]) {
    assert_eq!(plain.len(), lines.len());
    for (at, point) in plain.iter().enumerate() {
        let name = usize::try_from(lines.series[at].0).map(|place| &given[place]);
        assert_eq!(name, Ok(&point.series));
        assert_eq!(lines.times[at], point.time);
        let value = match &lines.values {
            SampleValues::Numbers(numbers) => Value::Number(numbers[at]),
            SampleValues::Any(values) => values[at].clone(),
        };
        let expected = match &point.value {
            FieldValue::Number(number) => Value::Number(*number),
            FieldValue::Boolean(boolean) => Value::Boolean(*boolean),
            FieldValue::Text(text) => Value::Text(text.clone().into_owned()),
        };
        assert_eq!(value, expected);
    }
}
