//! Rules of the specifications, one by one.

use tellee_api::mqtt::MqttConfig;
use tellee_projections::telemetry::Value;

use super::raw::{Level, Options, Raw, frame, text};
use super::support::{Server, until};

const PACK: &[u8] = br#"[{"n":"speed","t":1700000000,"v":1480}]"#;
const BOTH: [Level; 2] = [Level::V3, Level::V5];

#[tokio::test]
async fn a_wrong_key_user_or_none_is_answered_and_closed() {
    let server = Server::start().await;
    let other = server.new_thing();
    let id = server.thing.id.to_string();
    for level in BOTH {
        let refused = if level == Level::V3 { 5 } else { 0x87 };
        let wrong = [
            (id.clone(), "wrong".to_owned()),
            (other.id.to_string(), server.thing.key.clone()),
            ("no-id".to_owned(), server.thing.key.clone()),
            (String::new(), server.thing.key.clone()),
        ];
        for (user, password) in wrong {
            let mut raw = Raw::open(&server, level).await;
            raw.send(&Options::new(level, "c").connect(&user, password.as_bytes()))
                .await;
            assert_eq!(raw.next().await.body[..2], [0, refused]);
            assert_eq!(raw.try_next().await, None);
        }
    }
    assert_eq!(server.broker.metrics().authentication_failures.get(), 8);
}

#[tokio::test]
async fn versions_that_are_not_spoken_are_told_so() {
    let server = Server::start().await;
    for (name, level, code) in [(&b"MQTT"[..], 3, 1), (b"MQIsdp", 3, 1), (b"MQTT", 6, 0x84)] {
        let mut raw = Raw::open(&server, Level::V3).await;
        let mut body = Vec::new();
        text(&mut body, name);
        body.extend_from_slice(&[level, 2, 0, 60]);
        if level > 4 {
            body.push(0);
        }
        text(&mut body, b"c");
        raw.send(&frame(0x10, &body)).await;
        assert_eq!(raw.next().await.body[1], code);
        assert_eq!(raw.try_next().await, None);
    }
}

#[tokio::test]
async fn an_empty_client_id_is_filled_in_where_that_is_allowed() {
    let server = Server::start().await;
    let raw = Raw::join(&server, &server.thing, &Options::new(Level::V5, "")).await;
    let assigned = raw.connack.windows(5).any(|window| window == b"auto-");
    assert!(assigned, "{:x?}", raw.connack);
    Raw::join(&server, &server.thing, &Options::new(Level::V3, "")).await;
    let mut raw = Raw::open(&server, Level::V3).await;
    let options = Options {
        clean: false,
        ..Options::new(Level::V3, "")
    };
    raw.send(&options.connect(&server.thing.id.to_string(), server.thing.key.as_bytes()))
        .await;
    assert_eq!(raw.next().await.body, [0, 2]);
}

#[tokio::test]
async fn the_connack_says_that_a_puback_means_stored() {
    let server = Server::start().await;
    let raw = Raw::simple(&server, Level::V5, "c").await;
    let property = [&[0x26, 0, 11][..], b"durable-ack", &[0, 6], b"puback"].concat();
    assert!(
        raw.connack
            .windows(property.len())
            .any(|window| window == property)
    );
}

#[tokio::test]
async fn a_longer_keep_alive_is_cut_and_the_client_told() {
    let server = Server::with(MqttConfig {
        max_keep_alive_seconds: 30,
        ..MqttConfig::default()
    })
    .await;
    let raw = Raw::join(
        &server,
        &server.thing,
        &Options {
            keep_alive: 60,
            ..Options::new(Level::V5, "c")
        },
    )
    .await;
    assert!(raw.connack.windows(3).any(|window| window == [0x13, 0, 30]));
}

#[tokio::test]
async fn a_silent_client_is_ended_after_one_and_a_half_keep_alives() {
    let server = Server::start().await;
    for level in BOTH {
        let mut raw = Raw::join(
            &server,
            &server.thing,
            &Options {
                keep_alive: 1,
                ..Options::new(level, "c")
            },
        )
        .await;
        raw.expect_end(0x8D).await;
    }
}

#[tokio::test]
async fn a_keep_alive_of_zero_is_allowed() {
    let server = Server::start().await;
    for level in BOTH {
        let mut raw = Raw::join(
            &server,
            &server.thing,
            &Options {
                keep_alive: 0,
                ..Options::new(level, "c")
            },
        )
        .await;
        raw.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_puback_comes_only_after_the_store_and_in_the_order_of_arrival() {
    let server = Server::start().await;
    for level in BOTH {
        let mut raw = Raw::simple(&server, level, "c").await;
        let before = server.store.batches().len();
        server.store.shut();
        let topic = server.topic("a");
        let packets: Vec<u8> = [3, 1, 2]
            .iter()
            .flat_map(|id| raw.publish_packet(&topic, 1, *id, 0, PACK))
            .collect();
        raw.send(&packets).await;
        until(|| server.store.waiting() == 3).await;
        raw.expect_nothing().await;
        server.store.open();
        for id in [3, 1, 2] {
            assert_eq!(raw.next().await.body, [0, id]);
        }
        assert_eq!(server.store.batches().len(), before + 3);
    }
    let record = &server.store.records()[0];
    assert_eq!(
        (record.name.as_str(), &record.value),
        ("speed", &Value::Number(1480.0))
    );
    assert_eq!(&*server.store.batches()[0].subtopic, "a");
}

#[tokio::test]
async fn an_exchange_of_qos_2_stores_once() {
    let server = Server::start().await;
    for (level, unknown) in [(Level::V3, vec![0, 5]), (Level::V5, vec![0, 5, 0x92])] {
        let before = server.store.batches().len();
        let mut raw = Raw::simple(&server, level, "c").await;
        let topic = server.topic("");
        raw.publish(&topic, 2, 5, PACK).await;
        let again = raw.publish_packet(&topic, 2, 5, 8, PACK);
        raw.send(&again).await;
        for _ in 0..2 {
            let got = raw.next().await;
            assert_eq!((got.first, got.body), (0x50, vec![0, 5]));
        }
        assert_eq!(server.store.batches().len(), before + 1);
        raw.acknowledge(0x62, 5).await;
        assert_eq!(
            raw.next().await,
            super::raw::Got {
                first: 0x70,
                body: vec![0, 5]
            }
        );
        raw.acknowledge(0x62, 5).await;
        assert_eq!(raw.next().await.body, unknown);
        raw.publish(&topic, 2, 5, PACK).await;
        assert_eq!(raw.next().await.first, 0x50);
        assert_eq!(server.store.batches().len(), before + 2);
        raw.leave().await;
    }
}

#[tokio::test]
async fn qos_2_taken_before_a_reconnect_is_released_after_it() {
    let server = Server::start().await;
    let options = Options::lasting(Level::V3, "c");
    let mut raw = Raw::join(&server, &server.thing, &options).await;
    raw.publish(&server.topic(""), 2, 5, PACK).await;
    assert_eq!(raw.next().await.first, 0x50);
    raw.vanish();
    let mut raw = Raw::join(&server, &server.thing, &options).await;
    assert!(raw.session_present());
    let again = raw.publish_packet(&server.topic(""), 2, 5, 8, PACK);
    raw.send(&again).await;
    assert_eq!(raw.next().await.first, 0x50);
    raw.acknowledge(0x62, 5).await;
    assert_eq!(raw.next().await.first, 0x70);
    assert_eq!(server.store.batches().len(), 1);
}

#[tokio::test]
async fn a_foreign_publish_is_refused_in_5_and_closed_in_3() {
    let server = Server::start().await;
    let foreign = format!(
        "channels/{}/messages",
        tellee_actors::ids::ChannelId::generate()
    );
    for topic in [foreign.as_str(), "elsewhere", "$SYS/x"] {
        let mut raw = Raw::simple(&server, Level::V5, "c5").await;
        assert_eq!(raw.publish_acknowledged(topic, PACK).await, 0x87);
        raw.publish(topic, 2, 3, PACK).await;
        let got = raw.next().await;
        assert_eq!((got.first, got.body[2]), (0x50, 0x87));
        raw.publish(topic, 0, 0, PACK).await;
        raw.expect_nothing().await;
        for qos in [0, 1, 2] {
            let mut raw = Raw::simple(&server, Level::V3, "c3").await;
            raw.publish(topic, qos, 1, PACK).await;
            assert_eq!(raw.try_next().await, None);
        }
    }
    assert!(server.store.batches().is_empty());
}

#[tokio::test]
async fn a_subscription_beyond_the_granted_channel_is_refused() {
    let server = Server::start().await;
    for (level, code) in [(Level::V3, 0x80), (Level::V5, 0x87)] {
        let mut raw = Raw::simple(&server, level, "c").await;
        let foreign = format!(
            "channels/{}/messages",
            tellee_actors::ids::ChannelId::generate()
        );
        for filter in [
            "#",
            "+/+/messages",
            "channels/+/messages/#",
            "$SYS/#",
            "$share/g/#",
            foreign.as_str(),
        ] {
            assert_eq!(raw.subscribe(filter, 0).await, code, "{filter}");
        }
        let invalid = if level == Level::V3 { 0x80 } else { 0x8F };
        for filter in [
            server.topic("#/a"),
            server.topic("a+"),
            "$share//a".into(),
            String::new(),
        ] {
            assert_eq!(raw.subscribe(&filter, 0).await, invalid, "{filter}");
        }
        let mixed = server.topic("+");
        let packet = raw.subscribe_packet(&[("#", 1), (&mixed, 2)], &[]);
        raw.send(&packet).await;
        let got = raw.next().await;
        assert_eq!(got.body[got.body.len() - 2..], [code, 2]);
    }
}

#[tokio::test]
async fn an_unsubscribe_is_answered_filter_by_filter() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    raw.subscribe(&server.topic("a"), 0).await;
    assert_eq!(raw.unsubscribe(&server.topic("a")).await.body, [0, 8, 0, 0]);
    assert_eq!(
        raw.unsubscribe(&server.topic("a")).await.body,
        [0, 8, 0, 0x11]
    );
    let mut raw = Raw::simple(&server, Level::V3, "d").await;
    assert_eq!(
        raw.unsubscribe(&server.topic("a")).await,
        super::raw::Got {
            first: 0xB0,
            body: vec![0, 8]
        }
    );
}

#[tokio::test]
async fn packets_against_the_rules_end_with_the_right_reason() {
    let server = Server::start().await;
    let topic = server.topic("");
    let mut body = Vec::new();
    text(&mut body, topic.as_bytes());
    let connect = Options::new(Level::V5, "c").connect("u", b"p");
    let no_local_share = {
        let mut body = vec![0, 1, 0];
        text(&mut body, format!("$share/g/{topic}").as_bytes());
        body.push(0x04);
        frame(0x82, &body)
    };
    let cases: Vec<(&str, Vec<u8>, u8)> = vec![
        ("a second CONNECT", connect, 0x82),
        ("QoS 3", frame(0x36, &body), 0x81),
        ("a duplicate of QoS 0", frame(0x38, &body), 0x81),
        (
            "packet identifier 0",
            frame(0x32, &[&body[..], &[0, 0, 0]].concat()),
            0x82,
        ),
        (
            "SUBSCRIBE with wrong flags",
            frame(0x80, &[0, 1, 0, 0, 1, b'a', 0]),
            0x81,
        ),
        ("SUBSCRIBE without filters", frame(0x82, &[0, 1, 0]), 0x82),
        (
            "subscription identifier 0",
            frame(0x82, &[0, 1, 2, 0x0B, 0, 0, 1, b'a', 0]),
            0x82,
        ),
        (
            "reserved subscription options",
            frame(0x82, &[0, 1, 0, 0, 1, b'a', 0x40]),
            0x81,
        ),
        (
            "retain handling 3",
            frame(0x82, &[0, 1, 0, 0, 1, b'a', 0x30]),
            0x82,
        ),
        ("no local on a share", no_local_share, 0x82),
        ("UNSUBSCRIBE without filters", frame(0xA2, &[0, 1, 0]), 0x82),
        ("a server's packet", frame(0x20, &[0, 0, 0]), 0x82),
        ("type 0", frame(0x00, &[]), 0x81),
        ("AUTH without a method", frame(0xF0, &[0x18, 0]), 0x82),
        (
            "a topic with a wildcard",
            frame(0x30, &[0, 2, b'a', b'+', 0]),
            0x90,
        ),
        (
            "a topic that is no UTF-8",
            frame(0x30, &[0, 1, 0xFF, 0]),
            0x81,
        ),
        (
            "a surrogate in a topic",
            frame(0x30, &[0, 3, 0xED, 0xA0, 0x80, 0]),
            0x81,
        ),
        ("U+0000 in a topic", frame(0x30, &[0, 1, 0, 0]), 0x81),
        ("no topic and no alias", frame(0x30, &[0, 0, 0]), 0x82),
        (
            "topic alias 0",
            frame(0x30, &[0, 1, b'a', 3, 0x23, 0, 0]),
            0x94,
        ),
        (
            "a topic alias too high",
            frame(0x30, &[0, 1, b'a', 3, 0x23, 0xFF, 0]),
            0x94,
        ),
        (
            "an alias that stands for nothing",
            frame(0x30, &[0, 0, 3, 0x23, 0, 1]),
            0x82,
        ),
        (
            "a property twice",
            frame(0x30, &[0, 1, b'a', 4, 0x01, 0, 0x01, 0]),
            0x82,
        ),
        (
            "a property of another packet",
            frame(0x30, &[0, 1, b'a', 3, 0x21, 0, 1]),
            0x82,
        ),
        (
            "an unknown property",
            frame(0x30, &[0, 1, b'a', 2, 0x7E, 0]),
            0x81,
        ),
        (
            "a property list that is too long",
            frame(0x30, &[0, 1, b'a', 9, 0x01, 0]),
            0x81,
        ),
        (
            "payload format 2",
            frame(0x30, &[0, 1, b'a', 2, 0x01, 2]),
            0x82,
        ),
        (
            "a remaining length of five bytes",
            vec![0x30, 0x80, 0x80, 0x80, 0x80, 1],
            0x81,
        ),
        (
            "a packet over the limit",
            vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F],
            0x95,
        ),
        ("PINGREQ with a body", frame(0xC0, &[0]), 0x81),
        ("an unknown reason", frame(0x40, &[0, 1, 0x55]), 0x82),
        (
            "DISCONNECT with a server's reason",
            frame(0xE0, &[0x8B]),
            0x82,
        ),
        (
            "a session expiry from nothing",
            frame(0xE0, &[0, 5, 0x11, 0, 0, 0, 9]),
            0x82,
        ),
    ];
    for (what, packet, reason) in cases {
        let mut raw = Raw::simple(&server, Level::V5, "c").await;
        raw.send(&packet).await;
        let got = raw.next().await;
        assert_eq!((got.first, got.body[0]), (0xE0, reason), "{what}: {got:x?}");
        assert_eq!(raw.try_next().await, None, "{what}");
    }
}

#[tokio::test]
async fn connects_against_the_rules_are_refused() {
    let server = Server::start().await;
    let with = |properties: &[u8]| {
        Options {
            properties: properties.to_vec(),
            ..Options::new(Level::V5, "c")
        }
        .connect(&server.thing.id.to_string(), server.thing.key.as_bytes())
    };
    let mut reserved = with(&[]);
    reserved[9] |= 1;
    let mut flags = with(&[]);
    flags[0] |= 1;
    for (what, packet, code) in [
        ("the reserved flag", reserved, 0x81),
        ("the fixed header's flags", flags, 0x81),
        ("receive maximum 0", with(&[0x21, 0, 0]), 0x82),
        ("maximum packet size 0", with(&[0x27, 0, 0, 0, 0]), 0x82),
        ("a property twice", with(&[0x21, 0, 1, 0x21, 0, 1]), 0x82),
        ("request problem information 2", with(&[0x17, 2]), 0x82),
        ("an authentication method", with(&[0x15, 0, 1, b'x']), 0x8C),
        ("authentication data alone", with(&[0x16, 0, 1, b'x']), 0x82),
    ] {
        let mut raw = Raw::open(&server, Level::V5).await;
        raw.send(&packet).await;
        assert_eq!(raw.next().await.body[1], code, "{what}");
        assert_eq!(raw.try_next().await, None, "{what}");
    }
    for nothing in [
        &[0xC0, 0][..],
        &[0x30, 3, 0, 1, b'a'],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut raw = Raw::open(&server, Level::V3).await;
        raw.send(nothing).await;
        assert_eq!(raw.try_next().await, None);
    }
}

#[tokio::test]
async fn a_will_without_a_proper_topic_is_refused() {
    let server = Server::start().await;
    for topic in [String::new(), server.topic("+"), server.topic("#")] {
        let will = Some((topic, b"x".to_vec(), 0, false, vec![]));
        let options = Options {
            will,
            ..Options::new(Level::V5, "c")
        };
        let mut raw = Raw::open(&server, Level::V5).await;
        raw.send(&options.connect(&server.thing.id.to_string(), server.thing.key.as_bytes()))
            .await;
        assert_eq!(raw.next().await.body[1], 0x90);
    }
}

#[tokio::test]
async fn more_unacknowledged_messages_than_allowed_end_a_client_of_5() {
    let server = Server::with(MqttConfig {
        receive_maximum: 2,
        ..MqttConfig::default()
    })
    .await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    for id in 1..=3 {
        raw.publish(&server.topic(""), 2, id, PACK).await;
    }
    let mut last = raw.next().await;
    while last.first == 0x50 {
        last = raw.next().await;
    }
    assert_eq!((last.first, last.body[0]), (0xE0, 0x93));
}

#[tokio::test]
async fn a_client_of_3_may_have_more_on_its_way_and_is_slowed_down() {
    let server = Server::with(MqttConfig {
        receive_maximum: 2,
        ..MqttConfig::default()
    })
    .await;
    let mut raw = Raw::simple(&server, Level::V3, "c").await;
    server.store.shut();
    for id in 1..=10 {
        raw.publish(&server.topic(""), 1, id, PACK).await;
    }
    until(|| server.store.waiting() == 2).await;
    server.store.open();
    for id in 1..=10 {
        assert_eq!(raw.next().await.body, [0, id]);
    }
}

#[tokio::test]
async fn malformed_senml_is_refused_in_5_and_kept_as_it_came_in_3() {
    let server = Server::start().await;
    let malformed = br#"[{"n":"a"}]"#;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    assert_eq!(
        raw.publish_acknowledged(&server.topic(""), malformed).await,
        0x99
    );
    let declared = raw.publish_with(
        &server.topic(""),
        1,
        1,
        0,
        &[&[3, 0, 21][..], b"application/senml+json"].concat()[..],
        b"x",
    );
    // The length in front is one short: the list cannot be read.
    raw.send(&declared).await;
    assert_eq!(raw.next().await.first, 0xE0);
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    let property = [&[3, 0, 22][..], b"application/senml+json"].concat();
    let declared = raw.publish_with(&server.topic(""), 1, 1, 0, &property, b"x");
    raw.send(&declared).await;
    assert_eq!(raw.next().await.body[2], 0x99);
    assert!(server.store.batches().is_empty());
    let mut raw = Raw::simple(&server, Level::V3, "c").await;
    assert_eq!(
        raw.publish_acknowledged(&server.topic(""), malformed).await,
        0
    );
    assert_eq!(
        server.store.records()[0].value,
        Value::Data(malformed.to_vec())
    );
}

#[tokio::test]
async fn a_payload_that_says_it_is_text_must_be_text() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    let packet = raw.publish_with(&server.topic(""), 1, 1, 0, &[1, 1], &[0xFF]);
    raw.send(&packet).await;
    assert_eq!(raw.next().await.body[2], 0x99);
}

#[tokio::test]
async fn the_historical_property_marks_the_batch() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    let packet = raw.publish_with(&server.topic(""), 1, 1, 0, b"\x26\0\x04hist\0\x011", PACK);
    raw.send(&packet).await;
    assert_eq!(raw.next().await.first, 0x40);
    assert!(server.store.batches()[0].historical);
}
