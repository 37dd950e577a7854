use proptest::prelude::*;

use super::*;
use crate::telemetry::columns::SampleRef;
use crate::telemetry::model::Quality;

#[derive(Debug, Clone)]
struct Row {
    time: i64,
    seq: u32,
    value: Value,
    sum: Option<f64>,
    quality: u8,
    received_at: i64,
    unit: String,
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-10_000_i32..10_000).prop_map(|number| Value::Number(f64::from(number) / 100.0)),
        1 => any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::Number),
        1 => any::<bool>().prop_map(Value::Boolean),
        1 => ".{0,6}".prop_map(Value::Text),
        1 => prop::collection::vec(any::<u8>(), 0..6).prop_map(Value::Data),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let sum = prop_oneof![Just(None), (-1e9_f64..1e9).prop_map(Some)];
    (
        any::<i64>(),
        0_u32..3,
        value(),
        sum,
        any::<u8>(),
        any::<i64>(),
        "[a-c]{0,1}",
    )
        .prop_map(|(time, seq, value, sum, quality, received_at, unit)| Row {
            time,
            seq,
            value,
            sum,
            quality,
            received_at,
            unit,
        })
}

fn columns(rows: &[Row]) -> Columns {
    let mut columns = Columns::default();
    for row in rows {
        columns.push(SampleRef {
            time: row.time,
            seq: row.seq,
            value: &row.value,
            sum: row.sum,
            update_time: row.sum.map(|sum| sum / 2.0),
            quality: Quality(row.quality),
            received_at: row.received_at,
            unit: &row.unit,
            protocol: "mqtt",
        });
    }
    columns.into_sorted()
}

proptest! {
    #[test]
    fn every_sample_comes_back_whole(rows in prop::collection::vec(row(), 1..80)) {
        let columns = columns(&rows);
        let bytes = encode(SeriesId(7), &columns);
        let back = decode(&bytes, Depth::All).unwrap();
        prop_assert_eq!(decode_heading(&bytes).unwrap().series, SeriesId(7));
        prop_assert_eq!(back.len(), columns.len());
        for index in 0..columns.len() {
            prop_assert_eq!(back.sample(index), columns.sample(index));
            prop_assert_eq!(back.origin_at(index), columns.origin_at(index));
        }
        let thin = decode(&bytes, Depth::Values).unwrap();
        prop_assert_eq!(thin.times, columns.times);
    }

    #[test]
    fn garbage_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..300), compressed in any::<bool>()) {
        if bytes.len() > 4 {
            bytes[0] = FORMAT;
            bytes[3] = u8::from(compressed);
        }
        let _ = decode(&bytes, Depth::All);
    }

    #[test]
    fn a_flipped_bit_never_panics(rows in prop::collection::vec(row(), 1..40), place in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut bytes = encode(SeriesId(7), &columns(&rows));
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let _ = decode(&bytes, Depth::All);
    }
}

/// `count` samples whose numbers have 53 bits of noise, as a block.
fn noisy(count: i64) -> (Columns, Vec<u8>) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 * 1000.0 - 500.0
    };
    let rows: Vec<Row> = (0..count)
        .map(|time| Row {
            time,
            seq: 0,
            value: Value::Number(noise()),
            sum: None,
            quality: Quality::GOOD.0,
            received_at: time,
            unit: String::new(),
        })
        .collect();
    let columns = columns(&rows);
    let bytes = encode(SeriesId(7), &columns);
    (columns, bytes)
}

#[test]
fn noise_in_low_bytes_does_not_keep_high_bytes_from_being_compressed() {
    for (count, most) in [(4096, 7.25), (800, 7.75)] {
        let (columns, bytes) = noisy(count);
        // 52 bits of noise, a sign, and two bits for what the exponent tells; more in a short block.
        let each = bytes.len() as f64 / count as f64;
        assert!(each < most, "{count}: {each}");
        assert_eq!(decode(&bytes, Depth::All).unwrap().values, columns.values);
    }
}

#[test]
fn a_newer_block_is_called_newer() {
    assert_eq!(
        decode(&[FORMAT + 1, 0, 0], Depth::All),
        Err(CodecError::Newer {
            found: u32::from(FORMAT) + 1,
            known: u32::from(FORMAT),
        })
    );
}
