//! Statements of MQTT 5 about exchanges of packets, and the page that lists all of them.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use tellee_actors::ids::ChannelId;

use super::raw::{Level, Options, Raw};
use super::support::{Server, until};

const PACK: &[u8] = br#"[{"n":"speed","v":1480}]"#;

/// MQTT-1.5.4-3.
#[tokio::test]
async fn a_byte_order_mark_stays_in_a_topic() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    raw.subscribe(&server.topic("#"), 0).await;
    let topic = server.topic("\u{feff}x");
    let packet = raw.publish_packet(&topic, 0, 0, 0, b"");
    raw.send(&packet).await;
    assert_eq!(raw.next().await.publish(Level::V5).0, topic);
}

/// MQTT-3.1.2-14 and -15.
#[tokio::test]
async fn a_will_is_retained_if_it_asks_for_it_and_only_then() {
    let server = Server::start().await;
    for (subtopic, retain) in [("kept", true), ("passing", false)] {
        let options = Options {
            will: Some((server.topic(subtopic), b"gone".to_vec(), 1, retain, vec![])),
            ..Options::new(Level::V5, subtopic)
        };
        Raw::join(&server, &server.thing, &options).await.vanish();
    }
    until(|| server.broker.metrics().wills_published.get() == 2).await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    raw.subscribe(&server.topic("#"), 0).await;
    let got = raw.next().await;
    assert!(got.is_retained());
    assert_eq!(got.publish(Level::V5).0, server.topic("kept"));
    raw.expect_nothing().await;
}

/// The body of the PUBACK or PUBREC that refuses a message to a foreign channel.
async fn refusal(server: &Server, properties: &[u8], qos: u8) -> Vec<u8> {
    let options = Options {
        properties: properties.to_vec(),
        ..Options::new(Level::V5, "c")
    };
    let mut raw = Raw::join(server, &server.thing, &options).await;
    let foreign = format!("channels/{}/messages", ChannelId::generate());
    raw.publish(&foreign, qos, 9, PACK).await;
    let refused = raw.next().await;
    assert_eq!((refused.first, refused.body[2]), (0x30 + 0x10 * qos, 0x87));
    refused.body
}

/// MQTT-3.1.2-29.
#[tokio::test]
async fn a_client_that_wants_no_reason_strings_gets_none() {
    let server = Server::start().await;
    for qos in [1, 2] {
        assert!(refusal(&server, &[], qos).await.len() > 4);
        assert!(refusal(&server, &[0x17, 0], qos).await.len() <= 4);
    }
}

/// MQTT-3.4.2-2 and MQTT-3.5.2-2.
#[tokio::test]
async fn the_reason_string_of_a_refusal_is_left_out_where_it_may_make_the_packet_too_large() {
    let server = Server::start().await;
    for qos in [1, 2] {
        assert!(refusal(&server, &[0x27, 0, 0, 0, 200], qos).await.len() <= 4);
    }
}

/// MQTT-3.10.4-3.
#[tokio::test]
async fn what_is_on_its_way_is_completed_after_an_unsubscribe() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    raw.subscribe(&server.topic("#"), 2).await;
    let mut publisher = Raw::simple(&server, Level::V5, "p").await;
    publisher.publish(&server.topic("x"), 2, 3, PACK).await;
    assert_eq!(publisher.next().await.first, 0x50);
    let got = raw.next().await;
    assert_eq!(got.qos(), 2);
    let id = got.publish(Level::V5).1;
    assert_eq!(raw.unsubscribe(&server.topic("#")).await.first, 0xB0);
    raw.acknowledge(0x50, id).await;
    let release = raw.next().await;
    assert_eq!(
        (release.first, &release.body[..2]),
        (0x62, &id.to_be_bytes()[..])
    );
    raw.acknowledge(0x70, id).await;
    raw.expect_nothing().await;
}

/// MQTT-4.3.3-7 and -13, and the same at QoS 1.
#[tokio::test]
async fn what_was_sent_is_sent_again_though_it_has_expired() {
    let server = Server::start().await;
    let options = Options::lasting(Level::V5, "c");
    let mut publisher = Raw::simple(&server, Level::V5, "p").await;
    for qos in [1, 2] {
        let mut raw = Raw::join(&server, &server.thing, &options).await;
        raw.subscribe(&server.topic("#"), 2).await;
        let expiring = [0x02, 0, 0, 0, 1];
        let packet = publisher.publish_with(&server.topic("x"), qos, 3, 0, &expiring, PACK);
        publisher.send(&packet).await;
        publisher.next().await;
        if qos == 2 {
            publisher.acknowledge(0x62, 3).await;
            publisher.next().await;
        }
        let sent = raw.next().await.publish(Level::V5).1;
        raw.vanish();
        until(|| server.broker.metrics().connected.get() == 1).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let mut raw = Raw::join(&server, &server.thing, &options).await;
        let again = raw.next().await;
        assert!(again.is_duplicate());
        assert_eq!((again.qos(), again.publish(Level::V5).1), (qos, sent));
        if qos == 1 {
            raw.acknowledge(0x40, sent).await;
        } else {
            raw.acknowledge(0x50, sent).await;
            assert_eq!(raw.next().await.first, 0x62);
            raw.acknowledge(0x70, sent).await;
        }
        raw.leave().await;
    }
}

/// MQTT-3.1.3-10.
#[tokio::test]
async fn the_user_properties_of_a_will_keep_their_order() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    raw.subscribe(&server.topic("#"), 0).await;
    let mut properties = Vec::new();
    for (name, value) in [(b'b', b'1'), (b'a', b'2'), (b'b', b'3')] {
        properties.extend([0x26, 0, 1, name, 0, 1, value]);
    }
    let will = (
        server.topic("a"),
        b"gone".to_vec(),
        0,
        false,
        properties.clone(),
    );
    let options = Options {
        will: Some(will),
        ..Options::new(Level::V5, "w")
    };
    Raw::join(&server, &server.thing, &options).await.vanish();
    let body = raw.next().await.body;
    let found = body
        .windows(properties.len())
        .any(|part| part == properties);
    assert!(found, "{body:x?}");
}

/// MQTT-4.6.0-4, which the standard asks of clients: what a server sends in answer keeps the order too.
#[tokio::test]
async fn pubrels_come_in_the_order_of_the_pubrecs() {
    let server = Server::start().await;
    let mut publisher = Raw::simple(&server, Level::V3, "p").await;
    let lasting = Options::lasting(Level::V5, "lasting");
    for options in [Options::new(Level::V5, "clean"), lasting] {
        let mut raw = Raw::join(&server, &server.thing, &options).await;
        raw.subscribe(&server.topic("#"), 2).await;
        for id in 1..=3 {
            publisher.publish(&server.topic("a"), 2, id, PACK).await;
            assert_eq!(publisher.next().await.first, 0x50);
            publisher.acknowledge(0x62, id).await;
            assert_eq!(publisher.next().await.first, 0x70);
        }
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(raw.next().await.publish(Level::V5).1);
        }
        ids.rotate_left(1);
        for id in &ids {
            raw.acknowledge(0x50, *id).await;
        }
        for id in ids {
            let got = raw.next().await;
            assert_eq!((got.first, &got.body[..2]), (0x62, &id.to_be_bytes()[..]));
            raw.acknowledge(0x70, id).await;
        }
        raw.leave().await;
    }
}

/// The numbers of the statements of each section, as appendix B of the standard has them.
const STATEMENTS: [(&str, RangeInclusive<u8>); 56] = [
    ("1.5.4", 1..=3),
    ("1.5.5", 1..=1),
    ("1.5.7", 1..=1),
    ("2.1.3", 1..=1),
    ("2.2.1", 2..=6),
    ("2.2.2", 1..=1),
    ("3.1.0", 1..=2),
    ("3.1.2", 1..=30),
    ("3.1.3", 1..=12),
    ("3.1.4", 1..=6),
    ("3.2.0", 1..=2),
    ("3.2.2", 1..=22),
    ("3.3.1", 1..=13),
    ("3.3.2", 1..=20),
    ("3.3.4", 1..=10),
    ("3.4.2", 1..=3),
    ("3.5.2", 1..=3),
    ("3.6.1", 1..=1),
    ("3.6.2", 1..=3),
    ("3.7.2", 1..=3),
    ("3.8.1", 1..=1),
    ("3.8.3", 1..=5),
    ("3.8.4", 1..=8),
    ("3.9.2", 1..=2),
    ("3.9.3", 1..=2),
    ("3.10.1", 1..=1),
    ("3.10.3", 1..=2),
    ("3.10.4", 1..=6),
    ("3.11.2", 1..=2),
    ("3.11.3", 1..=2),
    ("3.12.4", 1..=1),
    ("3.14.0", 1..=1),
    ("3.14.1", 1..=1),
    ("3.14.2", 1..=4),
    ("3.14.4", 1..=3),
    ("3.15.1", 1..=1),
    ("3.15.2", 1..=3),
    ("4.1.0", 1..=2),
    ("4.2.0", 1..=1),
    ("4.3.1", 1..=1),
    ("4.3.2", 1..=5),
    ("4.3.3", 1..=13),
    ("4.4.0", 1..=2),
    ("4.5.0", 1..=2),
    ("4.6.0", 1..=6),
    ("4.7.0", 1..=1),
    ("4.7.1", 1..=2),
    ("4.7.2", 1..=1),
    ("4.7.3", 1..=4),
    ("4.8.2", 1..=6),
    ("4.9.0", 1..=3),
    ("4.12.0", 1..=7),
    ("4.12.1", 1..=2),
    ("4.13.1", 1..=1),
    ("4.13.2", 1..=1),
    ("6.0.0", 1..=4),
];

/// The cells of a row of a table.
fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn every_statement_names_tests_that_exist() {
    let api = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(api.join("../docs/mqtt-statements.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| MQTT-"))
        .map(cells)
        .collect();
    let mut seen = std::collections::HashSet::new();
    for row in rows {
        let [statement, about, test] = row[..] else {
            panic!("{row:?} has not three cells");
        };
        assert!(seen.insert(statement), "{statement} stands twice");
        assert!(!about.is_empty(), "{statement}");
        if let Some(why) = test.strip_prefix("no test: ") {
            assert!(!why.is_empty(), "{statement}");
            continue;
        }
        let (file, name) = test.trim_matches('`').split_once("::").unwrap();
        let (path, name) = match file.strip_prefix("src/") {
            None => (format!("tests/mqtt/{file}.rs"), name),
            Some(module) => match name.rsplit_once("::") {
                None => (format!("src/mqtt/{module}.rs"), name),
                Some((inner, name)) => (format!("src/mqtt/{module}/{inner}.rs"), name),
            },
        };
        let source = std::fs::read_to_string(api.join(&path))
            .unwrap_or_else(|error| panic!("{statement}: `{path}`: {error}"));
        let function = source.contains(&format!("fn {name}("));
        assert!(function, "{statement}: `{path}` has no `{name}`");
    }
    let left_out = page
        .lines()
        .skip_while(|line| !line.starts_with("## Left out"));
    let left_out = left_out.collect::<Vec<&str>>().join(" ");
    let named = |statement: &str| {
        let words = left_out.split([' ', ',', ';', '|']);
        words
            .map(|word| word.trim_end_matches('.'))
            .any(|word| word == statement)
    };
    for (section, numbers) in STATEMENTS {
        for number in numbers.clone() {
            let statement = format!("MQTT-{section}-{number}");
            // Once each: in the table, or beside it.
            assert!(
                seen.remove(statement.as_str()) != named(&statement),
                "{statement}"
            );
        }
    }
    assert!(seen.is_empty(), "the standard has no {seen:?}");
}
