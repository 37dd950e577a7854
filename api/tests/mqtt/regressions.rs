//! Ways in which other brokers were brought down or lost messages, as far as no other file here has them:
//!
//! | Defect | Test |
//! |---|---|
//! | a topic that does not begin with ASCII | `hostile::a_topic_that_does_not_begin_with_ascii_kills_nothing` |
//! | a lasting share with an unacknowledged message | `hostile::a_lasting_share_with_an_unacknowledged_message_kills_nothing` |
//! | client ids that are filters | `hostile::odd_client_ids_are_only_names` |
//! | one client over the limit that retries | `a_client_over_the_limit_that_retries_harms_nobody` |
//! | an idle socket on the TLS port | `tls::silent_and_slow_handshakes_block_nobody_and_are_let_go` |
//! | an idle socket on the WebSocket port | `websocket::idle_sockets_block_nobody` |
//! | a late end of an earlier connection | `short_connections_end_no_other_client` |
//! | packets of a server, unknown types | `conformance::packets_against_the_rules_end_with_the_right_reason` |
//! | subscribing to everything | `conformance::a_subscription_beyond_the_granted_channel_is_refused` |
//! | delivery above the published QoS | `delivery::the_quality_of_service_is_the_lower_of_both` |
//! | a QoS 2 duplicate that is stored again, a wrong payload that is released | `a_repeated_qos_2_message_neither_doubles_nor_replaces_another` |
//! | QoS 2 state lost with the connection | `conformance::qos_2_taken_before_a_reconnect_is_released_after_it` |
//! | PUBREL with properties ignored | `a_pubrel_with_a_reason_and_properties_is_answered` |
//! | acknowledgements out of order | `hostile::acknowledgements_of_nothing_and_in_any_order_are_borne` |
//! | clean start taken for a clean session | `sessions::a_session_of_5_ends_with_its_connection_unless_it_asks_to_stay` |
//! | a pausing subscriber loses messages | `a_subscriber_that_pauses_loses_nothing` |
//! | an empty message that is not retained clears the retained one | `delivery::only_a_retained_empty_message_removes_the_retained_one` |
//! | retained messages not sent again | `a_renewed_subscription_gets_the_retained_messages_again` |
//! | wills without a check | `sessions::a_will_to_a_foreign_channel_is_refused_at_connect` |
//! | one share name on two filters | `one_share_name_on_two_filters_loses_nothing` |
//! | keep alive 0 refused | `conformance::a_keep_alive_of_zero_is_allowed` |
//! | the keep alive timer restarts with outgoing packets | `deliveries_do_not_keep_a_silent_client_alive` |
//! | a slow local consumer without effect on publishers | `hostile::a_slow_store_stops_the_reading_and_loses_nothing` |
//! | invalid filters and wildcard topics acknowledged | `filters_against_the_rules_are_refused` |
//! | sessions and filters that are never freed | `sessions_that_are_gone_leave_nothing_behind` |

use std::time::Duration;

use tellee_api::mqtt::MqttConfig;
use tokio::io::AsyncWriteExt as _;

use super::raw::{Level, Options, Raw, frame, text};
use super::support::{Server, in_time, until};

const PACK: &[u8] = br#"[{"n":"speed","v":1480}]"#;

#[tokio::test]
async fn a_client_over_the_limit_that_retries_harms_nobody() {
    let server = Server::with(MqttConfig {
        max_connections: 2,
        ..MqttConfig::default()
    })
    .await;
    let one = Raw::simple(&server, Level::V3, "one").await;
    let mut two = Raw::simple(&server, Level::V3, "two").await;
    for _ in 0..50 {
        let mut refused = Raw::open(&server, Level::V3).await;
        assert_eq!(refused.try_next().await, None);
    }
    two.expect_nothing().await;
    one.leave().await;
    until(|| server.broker.metrics().connected.get() == 1).await;
    in_time(async {
        loop {
            let mut raw = Raw::open(&server, Level::V3).await;
            let connect = Options::new(Level::V3, "three")
                .connect(&server.thing.id.to_string(), server.thing.key.as_bytes());
            raw.try_send(&connect).await;
            if raw.try_next().await.is_some() {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn short_connections_end_no_other_client() {
    let server = Server::start().await;
    let mut lasting = Vec::new();
    for number in 0..20 {
        lasting.push(Raw::simple(&server, Level::V3, &format!("lasting{number}")).await);
    }
    for number in 0..300 {
        let short = Raw::simple(&server, Level::V3, &format!("short{}", number % 7)).await;
        if number % 2 == 0 {
            short.vanish();
        } else {
            short.leave().await;
        }
    }
    until(|| server.broker.metrics().connected.get() == 20).await;
    for raw in &mut lasting {
        raw.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_repeated_qos_2_message_neither_doubles_nor_replaces_another() {
    let server = Server::start().await;
    let mut subscriber = Raw::simple(&server, Level::V3, "subscriber").await;
    subscriber.subscribe(&server.topic("#"), 0).await;
    let mut raw = Raw::simple(&server, Level::V3, "publisher").await;
    let topic = server.topic("");
    for (payload, flags) in [(b"m", 0), (b"m", 8), (b"n", 8)] {
        let packet = raw.publish_packet(&topic, 2, 1, flags, payload);
        raw.send(&packet).await;
        assert_eq!(raw.next().await.first, 0x50);
    }
    raw.acknowledge(0x62, 1).await;
    assert_eq!(raw.next().await.first, 0x70);
    raw.publish(&topic, 2, 1, b"n").await;
    assert_eq!(raw.next().await.first, 0x50);
    for expected in [b"m", b"n"] {
        assert_eq!(subscriber.next().await.publish(Level::V3).2, expected);
    }
    subscriber.expect_nothing().await;
    assert_eq!(server.store.batches().len(), 2);
}

#[tokio::test]
async fn a_pubrel_with_a_reason_and_properties_is_answered() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    let mut property = vec![0x26];
    text(&mut property, b"name");
    text(&mut property, b"value");
    let bodies = [
        vec![0, 1],
        vec![0, 1, 0],
        vec![0, 1, 0, 0],
        [&[0, 1, 0, property.len() as u8], &property[..]].concat(),
    ];
    for body in bodies {
        raw.publish(&server.topic(""), 2, 1, PACK).await;
        assert_eq!(raw.next().await.first, 0x50);
        raw.send(&frame(0x62, &body)).await;
        let got = raw.next().await;
        assert_eq!(
            (got.first, &got.body[..2]),
            (0x70, &[0, 1][..]),
            "{body:x?}"
        );
        assert_eq!(got.body.get(2).copied().unwrap_or(0), 0, "{body:x?}");
    }
}

#[tokio::test]
async fn a_subscriber_that_pauses_loses_nothing() {
    const MESSAGES: u16 = 3_000;
    let server = Server::start().await;
    let mut subscriber = Raw::simple(&server, Level::V3, "pauses").await;
    subscriber.subscribe(&server.topic("#"), 1).await;
    let raw = Raw::simple(&server, Level::V3, "publisher").await;
    let topic = server.topic("");
    let packets: Vec<u8> = (1..=MESSAGES)
        .flat_map(|id| raw.publish_packet(&topic, 1, id, 0, &id.to_be_bytes()))
        .collect();
    let (reader, mut writer) = raw.split();
    let sending = tokio::spawn(async move {
        writer.write_all(&packets).await.unwrap();
        writer
    });
    let mut raw = {
        let writer = in_time(sending).await.unwrap();
        Raw::join_halves(reader, writer)
    };
    for id in 1..=MESSAGES {
        assert_eq!(raw.next().await.body, id.to_be_bytes());
    }
    for expected in 1..=MESSAGES {
        let (_, id, payload) = subscriber.next().await.publish(Level::V3);
        assert_eq!(payload, expected.to_be_bytes());
        subscriber.acknowledge(0x40, id).await;
    }
    subscriber.expect_nothing().await;
}

#[tokio::test]
async fn a_renewed_subscription_gets_the_retained_messages_again() {
    let server = Server::start().await;
    for level in [Level::V3, Level::V5] {
        let mut raw = Raw::simple(&server, level, "c").await;
        raw.retain(&server.topic("kept"), PACK).await;
        for _ in 0..3 {
            assert_eq!(raw.subscribe(&server.topic("kept"), 0).await, 0);
            assert!(raw.next().await.is_retained());
        }
        raw.expect_nothing().await;
    }
}

#[tokio::test]
async fn one_share_name_on_two_filters_loses_nothing() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V5, "member").await;
    for subtopic in ["a", "b"] {
        let filter = format!("$share/g/{}", server.topic(subtopic));
        assert_eq!(raw.subscribe(&filter, 0).await, 0);
    }
    let mut publisher = Raw::simple(&server, Level::V3, "publisher").await;
    for number in 0..20 {
        let subtopic = if number % 2 == 0 { "a" } else { "b" };
        publisher
            .publish_acknowledged(&server.topic(subtopic), PACK)
            .await;
        assert_eq!(
            raw.next().await.publish(Level::V5).0,
            server.topic(subtopic)
        );
    }
    raw.expect_nothing().await;
}

#[tokio::test]
async fn deliveries_do_not_keep_a_silent_client_alive() {
    let server = Server::start().await;
    let mut silent = Raw::join(
        &server,
        &server.thing,
        &Options {
            keep_alive: 1,
            ..Options::new(Level::V5, "silent")
        },
    )
    .await;
    silent.subscribe(&server.topic("#"), 0).await;
    let mut publisher = Raw::simple(&server, Level::V3, "publisher").await;
    let ended = tokio::spawn(async move {
        loop {
            let got = silent.next().await;
            if got.first != 0x30 {
                return got;
            }
        }
    });
    while !ended.is_finished() {
        publisher
            .publish_acknowledged(&server.topic(""), PACK)
            .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let got = in_time(ended).await.unwrap();
    assert_eq!((got.first, got.body[0]), (0xE0, 0x8D));
}

#[tokio::test]
async fn filters_against_the_rules_are_refused() {
    let server = Server::start().await;
    let filters = ["a/#/b", "a#", "#a", "a+/b", "+a", "a/+b/c"];
    for (level, refused) in [(Level::V3, 0x80), (Level::V5, 0x8F)] {
        let mut raw = Raw::simple(&server, level, "c").await;
        for filter in filters {
            let code = raw.subscribe(&server.topic(filter), 1).await;
            assert_eq!(code, refused, "{filter}");
        }
        assert_eq!(raw.subscribe(&server.topic("+/a/#"), 1).await, 1);
    }
}

#[tokio::test]
async fn sessions_that_are_gone_leave_nothing_behind() {
    let server = Server::start().await;
    for number in 0..200 {
        let mut raw = Raw::simple(&server, Level::V5, &format!("once{number}")).await;
        let filter = server.topic(&format!("only/{number}/#"));
        assert_eq!(raw.subscribe(&filter, 1).await, 1);
        if number % 2 == 0 {
            raw.leave().await;
        } else {
            raw.vanish();
        }
    }
    until(|| server.broker.metrics().connected.get() == 0).await;
    until(|| server.broker.metrics().sessions.get() == 0).await;
    assert_eq!(server.broker.queued_bytes(), 0);
    assert_eq!(server.broker.in_flight_bytes(), 0);
}
