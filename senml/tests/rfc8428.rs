//! The examples of RFC 8428 §5 and §6, and its rules one by one.

#![allow(clippy::unwrap_used)]

use tellee_senml::{
    Limits, Record, SenmlError, SenmlErrorKind, Value, decode_cbor, decode_json, encode_cbor,
    encode_json,
};

const NOW: i64 = 1_700_000_000_000_000_000;

fn json(body: &str) -> Result<Vec<Record>, SenmlError> {
    decode_json(body.as_bytes(), NOW, &Limits::default())
}

fn cbor(hex_text: &str) -> Result<Vec<Record>, SenmlError> {
    let digits: String = hex_text.split_whitespace().collect();
    decode_cbor(&hex::decode(digits).unwrap(), NOW, &Limits::default())
}

fn kind(body: &str) -> SenmlErrorKind {
    json(body).unwrap_err().kind
}

fn number(name: &str, unit: &str, time: Option<i64>, value: f64) -> Record {
    Record {
        name: name.into(),
        unit: (!unit.is_empty()).then(|| unit.into()),
        time,
        value: Some(Value::Number(value)),
        sum: None,
        update_time: None,
    }
}

#[test]
fn single_data_point() {
    let expected = vec![number("urn:dev:ow:10e2073a01080063", "Cel", None, 23.1)];
    assert_eq!(
        json(r#"[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]"#).unwrap(),
        expected
    );
}

#[test]
fn multiple_data_points_share_a_base_name_and_have_no_time() {
    let records = json(
        r#"[{"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},{"n":"current","u":"A","v":1.2}]"#,
    )
    .unwrap();
    assert_eq!(
        records,
        [
            number("urn:dev:ow:10e2073a01080063:voltage", "V", None, 120.1),
            number("urn:dev:ow:10e2073a01080063:current", "A", None, 1.2)
        ]
    );
}

/// §5.1.2, second example, and its CBOR form of §6.
const VOLTAGE_AND_CURRENT: &str = r#"[
  {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},
  {"n":"current","t":-5,"v":1.2},
  {"n":"current","t":-4,"v":1.3},
  {"n":"current","t":-3,"v":1.4},
  {"n":"current","t":-2,"v":1.5},
  {"n":"current","t":-1,"v":1.6},
  {"n":"current","v":1.7}
]"#;

const VOLTAGE_AND_CURRENT_CBOR: &str = "
87 a7 21 78 1b 75726e3a6465763a6f773a3130653230373361303130383030363a
   22 fb 41d303a15b001062 23 61 41 20 05
   00 67 766f6c74616765 01 61 56 02 fb 405e066666666666
a3 00 67 63757272656e74 06 24 02 fb 3ff3333333333333
a3 00 67 63757272656e74 06 23 02 fb 3ff4cccccccccccd
a3 00 67 63757272656e74 06 22 02 fb 3ff6666666666666
a3 00 67 63757272656e74 06 21 02 f9 3e00
a3 00 67 63757272656e74 06 20 02 fb 3ff999999999999a
a3 00 67 63757272656e74 06 00 02 fb 3ffb333333333333";

#[test]
fn base_time_keeps_its_milliseconds_and_offsets_are_exact() {
    let records = json(VOLTAGE_AND_CURRENT).unwrap();
    assert_eq!(records.len(), 7);
    assert_eq!(
        records[0],
        number(
            "urn:dev:ow:10e2073a0108006:voltage",
            "V",
            Some(1_276_020_076_001_000_000),
            120.1
        )
    );
    assert_eq!(
        records[1],
        number(
            "urn:dev:ow:10e2073a0108006:current",
            "A",
            Some(1_276_020_071_001_000_000),
            1.2
        )
    );
    assert_eq!(records[6].time, Some(1_276_020_076_001_000_000));
}

#[test]
fn the_cbor_example_says_the_same_as_the_json_example() {
    assert_eq!(
        cbor(VOLTAGE_AND_CURRENT_CBOR).unwrap(),
        json(VOLTAGE_AND_CURRENT).unwrap()
    );
}

#[test]
fn multiple_measurements_in_mixed_kinds() {
    let records = json(
        r#"[{"bn":"urn:dev:ow:10e2073a01080063:","bt":1.320067464e+09,"bu":"%RH","v":20},
            {"u":"lon","v":24.30621},
            {"t":60,"v":20.3},
            {"n":"kitchen","t":120,"vb":true},
            {"n":"note","t":120,"vs":"Machine Room"},
            {"n":"nfc-reader","vd":"aGkgCg"}]"#,
    )
    .unwrap();
    assert_eq!(
        records[0],
        number(
            "urn:dev:ow:10e2073a01080063:",
            "%RH",
            Some(1_320_067_464_000_000_000),
            20.0
        )
    );
    assert_eq!(records[1].unit.as_deref(), Some("lon"));
    assert_eq!(records[2].time, Some(1_320_067_524_000_000_000));
    assert_eq!(records[3].value, Some(Value::Boolean(true)));
    assert_eq!(records[4].value, Some(Value::Text("Machine Room".into())));
    assert_eq!(records[5].value, Some(Value::Data(b"hi \n".to_vec())));
}

#[test]
fn base_value_and_base_sum_are_added() {
    let records =
        json(r#"[{"bn":"m","bv":100,"bs":1000,"v":1.5,"s":1},{"v":-0.5},{"vs":"x"},{"s":2}]"#)
            .unwrap();
    assert_eq!(records[0].value, Some(Value::Number(101.5)));
    assert_eq!(records[0].sum, Some(1001.0));
    assert_eq!(records[1].value, Some(Value::Number(99.5)));
    assert_eq!(records[1].sum, Some(1000.0));
    assert_eq!(records[2].value, Some(Value::Text("x".into())));
    assert_eq!(
        (records[3].value.as_ref(), records[3].sum),
        (None, Some(1002.0))
    );
}

#[test]
fn small_times_count_from_now_and_large_ones_are_absolute() {
    let time = |body: &str| json(body).unwrap()[0].time;
    assert_eq!(
        time(r#"[{"n":"a","v":1,"t":-60}]"#),
        Some(NOW - 60_000_000_000)
    );
    assert_eq!(time(r#"[{"n":"a","v":1,"t":0}]"#), Some(NOW));
    assert_eq!(
        time(r#"[{"n":"a","v":1,"t":268435455.5}]"#),
        Some(NOW + 268_435_455_500_000_000)
    );
    assert_eq!(
        time(r#"[{"n":"a","v":1,"t":268435456}]"#),
        Some(268_435_456_000_000_000)
    );
    assert_eq!(
        time(r#"[{"n":"a","v":1,"t":1320067464.123456}]"#),
        Some(1_320_067_464_123_456_000)
    );
}

#[test]
fn times_out_of_range_are_refused_without_a_panic() {
    for text in ["-1e17", "-9e15", "1e17", "9.3e9", "1e308", "1e99999999999"] {
        for field in ["t", "bt"] {
            let body = format!(r#"[{{"n":"a","v":1,"{field}":{text}}}]"#);
            assert_eq!(kind(&body), SenmlErrorKind::TimeOutOfRange, "{body}");
        }
    }
}

#[test]
fn all_records_of_a_pack_are_of_one_version() {
    for pack in [
        r#"[{"bver":5,"n":"a","v":1},{"bver":6,"n":"b","v":1}]"#,
        r#"[{"n":"a","v":1},{"bver":5,"n":"b","v":1}]"#,
    ] {
        assert!(
            matches!(kind(pack), SenmlErrorKind::MixedVersions { .. }),
            "{pack}"
        );
    }
    for pack in [
        r#"[{"bver":5,"n":"a","v":1},{"n":"b","v":1},{"bver":5,"n":"c","v":1}]"#,
        r#"[{"n":"a","v":1},{"bver":10,"n":"b","v":1}]"#,
    ] {
        assert!(json(pack).is_ok(), "{pack}");
    }
}

#[test]
fn version_up_to_ten_is_understood() {
    assert!(json(r#"[{"bver":10,"n":"a","v":1}]"#).is_ok());
    assert_eq!(
        kind(r#"[{"bver":11,"n":"a","v":1}]"#),
        SenmlErrorKind::UnsupportedVersion("11".into())
    );
    assert_eq!(
        kind(r#"[{"bver":0,"n":"a","v":1}]"#),
        SenmlErrorKind::UnsupportedVersion("0".into())
    );
    assert_eq!(
        kind(r#"[{"bver":9.5,"n":"a","v":1}]"#),
        SenmlErrorKind::UnsupportedVersion("9.5".into())
    );
}

#[test]
fn unknown_fields_are_ignored_unless_they_must_be_understood() {
    assert!(json(r#"[{"n":"a","v":1,"foo":{"deep":[1,[2,{}]]}}]"#).is_ok());
    let error = json(r#"[{"n":"a","v":1},{"n":"b","foo_":1,"v":1}]"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "record 1: field `foo_`: field must be understood and is not"
    );
    assert!(cbor("81 a3 00 61 61 02 01 63666f6f 8101").is_ok());
    assert_eq!(
        cbor("81 a3 00 61 61 02 01 64666f6f5f 01").unwrap_err().kind,
        SenmlErrorKind::MustUnderstand
    );
}

#[test]
fn a_record_has_exactly_one_value_or_a_sum() {
    assert_eq!(kind(r#"[{"n":"a"}]"#), SenmlErrorKind::NoValue);
    assert_eq!(
        kind(r#"[{"n":"a","v":1,"vb":true}]"#),
        SenmlErrorKind::ManyValues
    );
    assert_eq!(
        kind(r#"[{"n":"a","v":1,"v":2}]"#),
        SenmlErrorKind::DuplicateField
    );
    assert!(json(r#"[{"n":"a","s":1}]"#).is_ok());
}

#[test]
fn names_keep_to_their_characters() {
    assert_eq!(kind(r#"[{"v":1}]"#), SenmlErrorKind::NoName);
    assert_eq!(kind(r#"[{"n":"-a","v":1}]"#), SenmlErrorKind::NameStart);
    assert_eq!(
        kind(r#"[{"n":"a b","v":1}]"#),
        SenmlErrorKind::NameCharacter(' ')
    );
    assert_eq!(
        kind(r#"[{"n":"tempé","v":1}]"#),
        SenmlErrorKind::NameCharacter('é')
    );
    let long = format!(r#"[{{"n":"{}","v":1}}]"#, "a".repeat(1025));
    assert_eq!(kind(&long), SenmlErrorKind::TooLong { limit: 1024 });
}

#[test]
fn wrong_types_name_record_and_field() {
    let error = json(r#"[{"n":"a","v":1},{"n":"a","v":1},{"n":"a","v":1},{"n":"a","v":1e400}]"#)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "record 3: field `v`: not a finite number"
    );
    let error = json(r#"[{"n":"a","v":"1"}]"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "record 0: field `v`: wrong type: expected a number"
    );
    for body in [
        r#"[{"n":1,"v":1}]"#,
        r#"[{"n":"a","vb":1}]"#,
        r#"[{"n":"a","bv":true,"v":1}]"#,
        r#"[{"n":null,"v":1}]"#,
    ] {
        assert!(
            matches!(kind(body), SenmlErrorKind::WrongType { .. }),
            "{body}"
        );
    }
    assert_eq!(kind(r#"[{"n":"a","vd":"*"}]"#), SenmlErrorKind::NotBase64);
}

#[test]
fn what_is_no_pack_is_refused() {
    for body in ["{}", "1", "\"x\"", "null", "true", "1.5", "-1"] {
        assert_eq!(kind(body), SenmlErrorKind::NotAPack, "{body}");
    }
    assert_eq!(kind("[]"), SenmlErrorKind::EmptyPack);
    assert_eq!(
        json("[1]").unwrap_err().to_string(),
        "record 0: not an object"
    );
    assert_eq!(kind("[[]]"), SenmlErrorKind::NotARecord);
    for body in [
        "",
        "[",
        r#"[{"n":"a","v":1}"#,
        r#"[{"n":"a","v":1}] x"#,
        r#"[{"n":"a","v":NaN}]"#,
        "[{\"n\":\"\\ud800\",\"v\":1}]",
    ] {
        assert!(matches!(kind(body), SenmlErrorKind::Malformed(_)), "{body}");
    }
}

#[test]
fn size_is_bounded_in_every_direction() {
    let many = format!("[{}]", vec![r#"{"n":"a","v":1}"#; 10_001].join(","));
    assert_eq!(
        kind(&many),
        SenmlErrorKind::TooManyRecords { limit: 10_000 }
    );
    let amplified = format!(
        r#"[{{"bn":"{}","v":1}}{}]"#,
        "a".repeat(1000),
        r#",{"v":1}"#.repeat(9_999)
    );
    let limits = Limits {
        max_total_bytes: 1_000_000,
        ..Limits::default()
    };
    let error = decode_json(amplified.as_bytes(), NOW, &limits).unwrap_err();
    assert_eq!(
        error.kind,
        SenmlErrorKind::TotalTooLarge { limit: 1_000_000 }
    );
    let body = vec![b' '; 10 * 1024 * 1024];
    assert!(matches!(
        decode_json(&body, NOW, &Limits::default())
            .unwrap_err()
            .kind,
        SenmlErrorKind::BodyTooLarge { .. }
    ));
}

#[test]
fn cbor_labels_are_integers_and_numbers_may_be_decimal_fractions() {
    assert_eq!(
        cbor("81 a2 61 6e 61 61 02 01").unwrap_err().kind,
        SenmlErrorKind::TextLabel
    );
    assert_eq!(
        cbor("81 a2 00 61 61 18 63 01").unwrap_err().kind,
        SenmlErrorKind::UnknownLabel
    );
    let records = cbor("9f bf 00 61 61 02 c4 82 21 19 6ab3 ff ff").unwrap();
    assert_eq!(records[0].value, Some(Value::Number(273.15)));
    assert_eq!(
        cbor("81 a2 00 61 61 02 f9 7e00").unwrap_err().to_string(),
        "record 0: field `v`: not a finite number"
    );
    assert_eq!(
        cbor("81 a2 00 61 61 08 43 010203").unwrap()[0].value,
        Some(Value::Data(vec![1, 2, 3]))
    );
    assert!(matches!(
        cbor("81 a2 00 61 61 02 01 00").unwrap_err().kind,
        SenmlErrorKind::Malformed(_)
    ));
}

#[test]
fn what_cannot_be_said_is_not_encoded() {
    let good = Record::number("a", NOW, 1.0);
    let cases = [
        (
            Record {
                value: Some(Value::Number(f64::NAN)),
                ..good.clone()
            },
            SenmlErrorKind::NotFinite,
        ),
        (
            Record {
                value: None,
                ..good.clone()
            },
            SenmlErrorKind::NoValue,
        ),
        (
            Record {
                name: "ü".into(),
                ..good.clone()
            },
            SenmlErrorKind::NameCharacter('ü'),
        ),
        (
            Record {
                time: Some(5),
                ..good
            },
            SenmlErrorKind::TimeNotAbsolute,
        ),
    ];
    for (record, expected) in cases {
        assert_eq!(
            encode_json(std::slice::from_ref(&record)).unwrap_err().kind,
            expected
        );
        assert_eq!(encode_cbor(&[record]).unwrap_err().kind, expected);
    }
    assert_eq!(
        encode_json(&[]).unwrap_err().kind,
        SenmlErrorKind::EmptyPack
    );
}
