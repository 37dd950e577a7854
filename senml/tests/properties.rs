//! What holds for every input.

#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tellee_senml::{
    Limits, PlainJsonOptions, Record, Value, decode_cbor, decode_json, decode_plain_json,
    encode_cbor, encode_json,
};

const NOW: i64 = 1_700_000_000_000_000_000;

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("finite", |number| number.is_finite())
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        finite().prop_map(Value::Number),
        any::<String>().prop_map(Value::Text),
        any::<bool>().prop_map(Value::Boolean),
        vec(any::<u8>(), 0..40).prop_map(Value::Data),
    ]
}

prop_compose! {
    fn record()(
        name in "[a-zA-Z0-9][-:./_a-zA-Z0-9]{0,20}",
        unit in option::of("[a-zA-Z%/]{1,8}"),
        time in option::of(268_435_456_000_000_000..i64::MAX),
        value in value(),
        sum in option::of(finite()),
        update_time in option::of(finite()),
    ) -> Record {
        Record { name, unit, time, value: Some(value), sum, update_time }
    }
}

/// Near-valid SenML JSON, so that the fuzz reaches the rules and not only the syntax.
fn near_json() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec![
        "bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut", "x",
        "x_",
    ]);
    let value = prop_oneof![
        any::<f64>().prop_map(|number| number.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        "-?[0-9]{1,40}(\\.[0-9]{1,40})?([eE][-+]?[0-9]{1,12})?",
        "\"[ -~]{0,8}\"",
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("[{}]".to_owned()),
    ];
    vec(vec((label, value), 0..6), 0..6).prop_map(|records| {
        let records: Vec<_> = records
            .into_iter()
            .map(|fields| {
                let fields: Vec<_> = fields
                    .into_iter()
                    .map(|(label, value)| format!("\"{label}\":{value}"))
                    .collect();
                format!("{{{}}}", fields.join(","))
            })
            .collect();
        format!("[{}]", records.join(","))
    })
}

proptest! {
    #[test]
    fn json_reads_back_what_it_wrote(records in vec(record(), 1..12)) {
        let body = encode_json(&records).unwrap();
        prop_assert_eq!(decode_json(&body, NOW, &Limits::default()).unwrap(), records);
    }

    #[test]
    fn cbor_reads_back_what_it_wrote(records in vec(record(), 1..12)) {
        let body = encode_cbor(&records).unwrap();
        prop_assert_eq!(decode_cbor(&body, NOW, &Limits::default()).unwrap(), records);
    }

    #[test]
    fn our_cbor_is_well_formed_to_another_reader(records in vec(record(), 1..12)) {
        let body = encode_cbor(&records).unwrap();
        let tree: ciborium::Value = ciborium::from_reader(body.as_slice()).unwrap();
        prop_assert_eq!(tree.as_array().map(Vec::len), Some(records.len()));
    }

    #[test]
    fn equal_times_share_a_base_time_and_stay_equal(mut records in vec(record(), 2..6), time in 268_435_456_000_000_000..i64::MAX) {
        for record in &mut records {
            record.time = Some(time);
        }
        prop_assert_eq!(&decode_json(&encode_json(&records).unwrap(), NOW, &Limits::default()).unwrap(), &records);
        prop_assert_eq!(&decode_cbor(&encode_cbor(&records).unwrap(), NOW, &Limits::default()).unwrap(), &records);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(body in vec(any::<u8>(), 0..400)) {
        let limits = Limits::default();
        let _ = decode_json(&body, NOW, &limits);
        let _ = decode_cbor(&body, NOW, &limits);
        let _ = decode_plain_json(&body, &PlainJsonOptions::default(), &limits);
    }

    #[test]
    fn a_damaged_pack_makes_no_decoder_panic(records in vec(record(), 1..4), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for mut body in [encode_json(&records).unwrap(), encode_cbor(&records).unwrap()] {
            let at = at.index(body.len());
            body[at] = byte;
            let _ = decode_json(&body, i64::MAX, &Limits::default());
            let _ = decode_cbor(&body, i64::MIN, &Limits::default());
        }
    }

    #[test]
    fn what_is_accepted_is_whole_and_finite(body in near_json(), now in any::<i64>()) {
        let Ok(records) = decode_json(body.as_bytes(), now, &Limits::default()) else {
            return Ok(());
        };
        for record in records {
            prop_assert!(record.name.starts_with(|first: char| first.is_ascii_alphanumeric()));
            prop_assert!(record.value.is_some() || record.sum.is_some());
            if let Some(Value::Number(number)) = record.value {
                prop_assert!(number.is_finite());
            }
        }
    }
}
