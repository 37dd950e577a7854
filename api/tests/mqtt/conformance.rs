//! Subscriptions, and packets against the rules.

use super::raw::{Level, Options, Raw, frame, text};
use super::support::Server;

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
