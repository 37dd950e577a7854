//! The walk against the oracle, and with a table against the walk without one.

use proptest::prelude::*;
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{SampleValues, SeriesId, Value};

use super::*;

const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);
const LIMITS: LineLimits = LineLimits {
    max_samples: 40,
    max_line_bytes: 200,
    max_key_bytes: 20,
    max_tags: 3,
    max_fields: 4,
    max_text_bytes: 100,
};

fn all(body: &str) -> Result<Vec<Point>, LineError> {
    points(body.as_bytes(), Precision::Seconds, NOW, &LIMITS)
}

fn fault(body: &str) -> (u32, LineFault) {
    let error = all(body).unwrap_err();
    (error.line, error.fault)
}

/// A body read with a table as ingest does, as points. Ids are given out in the order of asking.
fn by_table(
    body: &[u8],
    table: &SeriesTable,
    given: &mut Vec<SeriesName>,
) -> Result<Vec<Point>, LineError> {
    let reading = Reading {
        precision: Precision::Seconds,
        now: NOW,
        limits: &LIMITS,
    };
    let mut lines = read(body, table, reading)?;
    let ids: Vec<SeriesId> = lines
        .unknown
        .iter()
        .map(|unknown| {
            let place = given
                .iter()
                .position(|name| *name == unknown.name)
                .unwrap_or_else(|| {
                    given.push(unknown.name.clone());
                    given.len() - 1
                });
            SeriesId(place as u64)
        })
        .collect();
    lines.learn(table, &ids);
    assert!(lines.unknown.is_empty());
    let names = table.names(&lines.slots, &LIMITS);
    let points = (0..lines.len()).map(|at| {
        let series = given[lines.series[at].0 as usize].clone();
        assert_eq!(names[at].as_deref(), Some(&series));
        Point {
            series,
            time: lines.times[at],
            value: value_at(&lines.values, at),
        }
    });
    Ok(points.collect())
}

fn value_at(values: &SampleValues, at: usize) -> FieldValue<'static> {
    let value = match values {
        SampleValues::Numbers(numbers) => Value::Number(numbers[at]),
        SampleValues::Any(values) => values[at].clone(),
    };
    match value {
        Value::Number(number) => FieldValue::Number(number),
        Value::Boolean(boolean) => FieldValue::Boolean(boolean),
        Value::Text(text) => FieldValue::Text(text.into()),
        Value::Data(_) => panic!("line protocol has no data"),
    }
}

#[test]
fn a_line_gives_one_point_a_field() {
    let found =
        all("cpu,host=a user=1.5,idle=90i,ok=t,state=\"a \\\"b\\\" \\\\\" 1600000000\n").unwrap();
    let values: Vec<_> = found
        .iter()
        .map(|point| (point.series.name.as_str(), point.value.clone()))
        .collect();
    assert_eq!(
        values,
        [
            ("cpu/user", FieldValue::Number(1.5)),
            ("cpu/idle", FieldValue::Number(90.0)),
            ("cpu/ok", FieldValue::Boolean(true)),
            ("cpu/state", FieldValue::Text("a \"b\" \\".into())),
        ]
    );
    assert!(found.iter().all(|point| point.series.subtopic == "host=a"));
    assert!(
        found
            .iter()
            .all(|point| point.time.0 == 1_600_000_000_000_000_000)
    );
}

#[test]
fn comments_blank_lines_carriage_returns_and_spaces_say_nothing() {
    let found = all("\n# a,b c=1\r\n  \r\n\r\n  m   f=1   7  \r\nm f=2\r\nm f=3\r").unwrap();
    let times: Vec<i64> = found.iter().map(|point| point.time.0).collect();
    assert_eq!(times, [7_000_000_000, NOW.0, NOW.0]);
    assert!(all("").unwrap().is_empty());
    assert!(all("#").unwrap().is_empty());
}

#[test]
fn a_text_may_go_over_lines_and_the_count_goes_on() {
    let found = all("m f=\"a\nb # c\"\nm f=1").unwrap();
    assert_eq!(found[0].value, FieldValue::Text("a\nb # c".into()));
    assert_eq!(
        fault("m f=\"a\nb\"\nm f="),
        (3, LineFault::NoFieldValue("f".to_owned()))
    );
}

#[test]
fn each_fault_is_named_with_its_line() {
    for (body, expected) in [
        ("m", LineFault::NoField),
        ("m,a=b", LineFault::NoField),
        ("m ", LineFault::NoField),
        (",a=b f=1", LineFault::NoMeasurement),
        ("m f", LineFault::NoFieldValue("f".to_owned())),
        ("m =1", LineFault::NoFieldKey),
        ("m f=", LineFault::NoFieldValue("f".to_owned())),
        ("m f=1,", LineFault::NoFieldKey),
        ("m f=+1", LineFault::NotAValue("f".to_owned())),
        ("m f=NaN", LineFault::NotAValue("f".to_owned())),
        ("m f=Inf", LineFault::NotAValue("f".to_owned())),
        ("m f=fals", LineFault::NotAValue("f".to_owned())),
        ("m f=-Inf", LineFault::NotANumber("f".to_owned())),
        ("m f=1x", LineFault::NotANumber("f".to_owned())),
        ("m f=1.5i", LineFault::NotANumber("f".to_owned())),
        ("m f=1e309", LineFault::NumberOutOfRange("f".to_owned())),
        ("m f=\"a", LineFault::OpenText("f".to_owned())),
        ("m f=1 x", LineFault::NotATime),
        ("m f=1 1.5", LineFault::NotATime),
        ("m f=1 1 1", LineFault::AfterTime),
        ("m f=1 9999999999999999999", LineFault::TimeOutOfRange),
        ("m f=1 9223372037", LineFault::TimeOutOfRange),
        (
            "m a=1,b=2,c=3,d=4,e=5",
            LineFault::TooManyFields { limit: 4 },
        ),
    ] {
        assert_eq!(
            fault(&format!("ok f=1\n{body}\nok f=1")),
            (2, expected),
            "{body}"
        );
    }
    let many = "m a=1\n".repeat(41);
    assert_eq!(fault(&many), (41, LineFault::TooManySamples { limit: 40 }));
    let long = format!("m f=1 {}", " ".repeat(300));
    assert_eq!(fault(&long), (1, LineFault::LineTooLong { limit: 200 }));
    let error = points(b"m f=\"\xff\"", Precision::Seconds, NOW, &LIMITS).unwrap_err();
    assert_eq!(error.fault, LineFault::TextEncoding("f".to_owned()));
    let error = points(b"m\xff f=1", Precision::Seconds, NOW, &LIMITS).unwrap_err();
    assert_eq!(error.fault, LineFault::KeyEncoding);
}

#[test]
fn known_lines_lead_to_their_series_in_any_order() {
    let table = SeriesTable::default();
    let mut given = Vec::new();
    let bodies = [
        "a,t=1 x=1,y=2 5\na,t=2 x=3 5\nb z=1\n",
        "a,t=1 x=1,y=2 6\na,t=2 x=3 6\nb z=1\n",
        "b z=1\na,t=2 x=3,y=7,new=1 6\na,t=1 y=2,x=1 6\na,t=10 x=1\n",
        "a,t=1 xy=1,x=1\na,t=1\\  x=1\n",
    ];
    for body in bodies {
        let expected = all(body).unwrap();
        assert_eq!(
            by_table(body.as_bytes(), &table, &mut given).unwrap(),
            expected,
            "{body}"
        );
        assert_eq!(
            by_table(body.as_bytes(), &table, &mut given).unwrap(),
            expected,
            "{body}"
        );
    }
    assert_eq!(given.len(), 9);
}

#[test]
fn tables_beyond_their_bound_are_forgotten_and_counted_back() {
    let tables = SeriesTables::new(4_000);
    let (channel, thing) = (
        tellee_actors::ids::ChannelId::generate(),
        tellee_actors::ids::ThingId::generate(),
    );
    let table = tables.of(channel, thing);
    let reading = Reading {
        precision: Precision::Seconds,
        now: NOW,
        limits: &LIMITS,
    };
    for number in 0..40_u64 {
        let body = format!("m,t={number} f=1");
        let mut lines = read(body.as_bytes(), &table, reading).unwrap();
        lines.learn(&table, &[SeriesId(number)]);
    }
    assert!(tables.bytes() > 4_000);
    tables.trim();
    drop(table);
    assert_eq!(tables.bytes(), 0);
    let new = tables.of(channel, thing);
    assert_eq!(read(b"m,t=1 f=1", &new, reading).unwrap().unknown.len(), 1);
}

/// Bytes among which much of what line protocol gives a meaning is likely.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        8 => prop::sample::select(b"m,=f \\\"\n\r#1t.-iue".to_vec()),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..60)
}

/// Lines that are mostly whole, with a byte changed here and there.
fn nearly_whole() -> impl Strategy<Value = Vec<u8>> {
    let line = (
        "[a-c]{1,2}(,[a-c]=[1-3]){0,2}",
        prop::collection::vec("[x-z](\\\\ |\\\\=)?=(-?[0-9]{1,3}(\\.[0-9]{0,3})?|[0-9]{1,3}[iu]|t|false|\"[a \\n,\\\\]{0,4}\")", 1..4),
        "( {1,2}-?[0-9]{1,11})?",
        "(\r)?\n",
    )
        .prop_map(|(head, fields, time, end)| format!("{head} {}{time}{end}", fields.join(",")));
    let change = (
        any::<prop::sample::Index>(),
        prop::sample::select(b" ,=\\\"\n#1e".to_vec()),
    );
    (
        prop::collection::vec(line, 1..6),
        prop::collection::vec(change, 0..2),
    )
        .prop_map(|(lines, changes)| {
            let mut bytes = lines.concat().into_bytes();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![noise(), nearly_whole()]
}

proptest! {
    #[test]
    fn the_walk_reads_what_the_oracle_reads(body in body()) {
        let expected = oracle::points(&body, Precision::Seconds, NOW, &LIMITS);
        let found = points(&body, Precision::Seconds, NOW, &LIMITS);
        match (found, expected) {
            (Ok(found), Ok(expected)) => prop_assert_eq!(found, expected),
            (Err(found), Err(line)) => prop_assert_eq!(found.line, line, "{}", found),
            (found, expected) => prop_assert!(false, "{:?} against {:?}", found, expected),
        }
    }

    #[test]
    fn a_table_changes_nothing(bodies in prop::collection::vec(body(), 1..5)) {
        let table = SeriesTable::default();
        let mut given = Vec::new();
        for body in bodies.iter().chain(&bodies) {
            let expected = points(body, Precision::Seconds, NOW, &LIMITS);
            prop_assert_eq!(by_table(body, &table, &mut given), expected);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = points(&body, Precision::Hours, NOW, &LineLimits::default());
    }
}
