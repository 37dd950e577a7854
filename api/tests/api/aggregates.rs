//! Means over HTTP and over a socket, beside those that the test counts itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::node::Node;

const START: i64 = 1_700_000_100;
const SERIES: usize = 5;
const SECONDS: i64 = 900;
const WIDTH_1: i64 = 60;
const WIDTH_2: i64 = 90;

/// What was sent: by series, then second, the number.
type Sent = Vec<BTreeMap<i64, f64>>;

/// Numbers of which every bit is noise, of any size, from one seed.
fn noise(seed: &mut u64) -> f64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    let unit = (*seed >> 11) as f64 / (1_u64 << 53) as f64;
    (unit - 0.5) * 10_f64.powi((*seed % 13) as i32 - 4)
}

async fn filled(node: &Node) -> Sent {
    let (pump, key) = node.admin.thing("pump").await;
    let channel = node.admin.channel("data").await;
    node.admin.connect(&channel, &pump).await;
    let mut seed = 7;
    let mut sent = Sent::new();
    for series in 0..SERIES {
        let mut numbers = BTreeMap::new();
        let mut pack = Vec::new();
        for second in 0..SECONDS {
            // A gap of some minutes, and texts, which no mean counts.
            if (200..480).contains(&second) && series % 2 == 1 {
                continue;
            }
            let time = START + second;
            let name = format!("s{series}");
            if second % 17 == 3 {
                pack.push(json!({ "n": name, "t": time, "vs": "no number" }));
                continue;
            }
            let number = noise(&mut seed);
            numbers.insert(time, number);
            pack.push(json!({ "n": name, "t": time, "v": number }));
        }
        let answer = node.admin.publish(&channel, &key, &json!(pack)).await;
        assert_eq!(answer.status, 202);
        sent.push(numbers);
    }
    sent
}

/// Start, count, least, greatest, mean of each interval that holds a number.
fn expected(numbers: &BTreeMap<i64, f64>, width: i64) -> Vec<(i64, [f64; 4])> {
    let mut rows: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (time, number) in numbers {
        rows.entry(time - time.rem_euclid(width))
            .or_default()
            .push(*number);
    }
    let row = |(start, numbers): (i64, Vec<f64>)| {
        let count = numbers.len() as f64;
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = numbers.iter().sum::<f64>() / count;
        (start, [count, least, greatest, mean])
    };
    rows.into_iter().map(row).collect()
}

fn numbers(column: &Value) -> Vec<f64> {
    let number = |value: &Value| value.as_f64().expect("a number");
    column.as_array().unwrap().iter().map(number).collect()
}

fn check(found: &Value, numbers_sent: &BTreeMap<i64, f64>, width: i64) {
    let expected = expected(numbers_sent, width);
    let starts: Vec<f64> = expected
        .iter()
        .map(|(start, _)| *start as f64 * 1000.0)
        .collect();
    assert_eq!(numbers(&found["t"]), starts);
    let scale = numbers_sent
        .values()
        .fold(0.0_f64, |largest, number| largest.max(number.abs()));
    for (place, function) in ["COUNT", "MIN", "MAX", "MEAN"].iter().enumerate() {
        let column = &found["columns"][place];
        assert_eq!(column["function"], *function);
        let found = numbers(&column["v"]);
        assert_eq!(found.len(), expected.len());
        for (found, (_, row)) in found.iter().zip(&expected) {
            // A mean may be added up in another order; all else comes back with all its bits.
            let allowed = if *function == "MEAN" {
                scale * 1e-13
            } else {
                0.0
            };
            assert!(
                (found - row[place]).abs() <= allowed,
                "{function}: {found} is not {}",
                row[place]
            );
        }
    }
}

const QUERY: &str = "query { series { nodes { name ...both again: aggregate(from: \"2023-11-14T22:00:00Z\", \
    to: \"2023-11-14T23:00:00Z\", every: \"1m\", functions: [COUNT, MIN, MAX, MEAN]) { t columns { function v } } } } } \
    fragment both on Series { minutes: aggregate(from: \"2023-11-14T22:00:00Z\", to: \"2023-11-14T23:00:00Z\", \
    every: \"1m\", functions: [COUNT, MIN, MAX, MEAN]) { ...table } others: aggregate(from: \"2023-11-14T22:00:00Z\", \
    to: \"2023-11-14T23:00:00Z\", every: \"90s\", functions: [COUNT, MIN, MAX, MEAN]) { ...table } } \
    fragment table on Aggregates { __typename t columns { function v } }";

fn check_all(data: &Value, sent: &Sent) {
    let nodes = data["series"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), SERIES);
    for (place, node) in nodes.iter().enumerate() {
        assert_eq!(node["name"], format!("s{place}"));
        assert_eq!(node["minutes"]["__typename"], "Aggregates");
        check(&node["minutes"], &sent[place], WIDTH_1);
        check(&node["again"], &sent[place], WIDTH_1);
        check(&node["others"], &sent[place], WIDTH_2);
    }
}

#[tokio::test]
async fn aggregates_of_many_series_are_those_of_the_numbers_sent() {
    let node = Node::start().await;
    let sent = filled(&node).await;
    check_all(&node.admin.data(QUERY, json!({})).await, &sent);

    let mut socket = node.admin.socket().await;
    socket.subscribe("means", QUERY, json!({})).await;
    check_all(&socket.data().await, &sent);
}

#[tokio::test]
async fn a_line_of_samples_comes_back_with_all_its_bits_and_its_gaps() {
    let node = Node::start().await;
    let sent = filled(&node).await;
    let query = "{ series { nodes { points(from: \"2023-11-14T22:00:00Z\", to: \"2023-11-14T23:00:00Z\", maxPoints: 10000) \
                 { t v q samples thinned } } } }";
    let data = node.admin.data(query, json!({})).await;
    for (node, sent) in data["series"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .zip(&sent)
    {
        let points = &node["points"];
        let times = numbers(&points["t"]);
        assert_eq!(points["thinned"], false);
        assert_eq!(points["samples"], times.len());
        assert!(
            numbers(&points["q"])
                .iter()
                .all(|quality| *quality == 192.0)
        );
        for (time, value) in times.iter().zip(points["v"].as_array().unwrap()) {
            let sent = sent.get(&((time / 1000.0) as i64)).copied();
            assert_eq!(value.as_f64(), sent);
        }
    }
}

#[tokio::test]
async fn an_aggregate_that_is_refused_says_where_it_stood() {
    let node = Node::start().await;
    filled(&node).await;
    let query = "{ series { nodes { good: aggregate(from: \"2023-11-14T22:00:00Z\", to: \"2023-11-14T23:00:00Z\", \
                 every: \"1m\") { t } bad: aggregate(from: \"2023-11-14T22:00:00Z\", to: \"2023-11-14T23:00:00Z\", \
                 every: \"0s\") { t } } } }";
    let answer = node.admin.graphql(query, json!({})).await.json();
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["field"], "every", "{answer}");
    let path = error["path"].as_array().unwrap();
    assert_eq!(
        (&path[0], &path[1], &path[3]),
        (&json!("series"), &json!("nodes"), &json!("bad"))
    );
}
