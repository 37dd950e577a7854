//! Who is let in, and how long a silent one may stay.

use tellee_api::mqtt::MqttConfig;

use super::raw::{Level, Options, Raw, frame, text};
use super::support::Server;

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
