//! What subscribers get.

use super::raw::{Level, Options, Raw};
use super::support::{Server, until};
use tellee_api::mqtt::MqttConfig;

const PACK: &[u8] = br#"[{"n":"speed","v":1480}]"#;

#[tokio::test]
async fn the_quality_of_service_is_the_lower_of_both() {
    let server = Server::start().await;
    let mut publisher = Raw::simple(&server, Level::V3, "p").await;
    let mut subscribers = vec![];
    for subscribed in 0..3_u8 {
        let mut raw = Raw::simple(&server, Level::V3, &format!("s{subscribed}")).await;
        assert_eq!(
            raw.subscribe(&server.topic("#"), subscribed).await,
            subscribed
        );
        subscribers.push((subscribed, raw));
    }
    for published in 0..3_u8 {
        publisher
            .publish(&server.topic("x"), published, 1, PACK)
            .await;
        if published > 0 {
            publisher.next().await;
        }
        if published == 2 {
            publisher.acknowledge(0x62, 1).await;
            publisher.next().await;
        }
        for (subscribed, raw) in &mut subscribers {
            let got = raw.next().await;
            assert_eq!(got.qos(), published.min(*subscribed));
            let id = got.publish(Level::V3).1;
            if got.qos() == 1 {
                raw.acknowledge(0x40, id).await;
            }
            if got.qos() == 2 {
                raw.acknowledge(0x50, id).await;
                assert_eq!(raw.next().await.first, 0x62);
                raw.acknowledge(0x70, id).await;
            }
        }
    }
}

#[tokio::test]
async fn topics_of_any_script_are_delivered() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    raw.subscribe(&server.topic("+/подшипник"), 0).await;
    let topic = server.topic("Насос №1 қазақ 泵/подшипник");
    assert_eq!(raw.publish_acknowledged_then(&topic, PACK).await, topic);
}

impl Raw {
    /// Publishes at QoS 1 and answers the topic of the message that comes back.
    async fn publish_acknowledged_then(&mut self, topic: &str, payload: &[u8]) -> String {
        self.publish(topic, 1, 9, payload).await;
        let (mut a, mut b) = (self.next().await, self.next().await);
        if a.first == 0x40 {
            std::mem::swap(&mut a, &mut b);
        }
        assert_eq!(b.first, 0x40);
        a.publish(Level::V5).0
    }
}

#[tokio::test]
async fn overlapping_subscriptions_give_one_message_with_all_identifiers() {
    let server = Server::start().await;
    let mut publisher = Raw::simple(&server, Level::V3, "p").await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    for (filter, qos, id) in [("#", 0, 1), ("+", 2, 2), ("x", 1, 3)] {
        let filter = server.topic(filter);
        let packet = raw.subscribe_packet(&[(&filter, qos)], &[0x0B, id]);
        raw.send(&packet).await;
        raw.next().await;
    }
    publisher
        .publish_acknowledged(&server.topic("x"), PACK)
        .await;
    let got = raw.next().await;
    assert_eq!(got.qos(), 1);
    let ids: Vec<u8> = got
        .body
        .windows(2)
        .filter(|window| window[0] == 0x0B)
        .map(|window| window[1])
        .collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    raw.expect_nothing().await;
}

#[tokio::test]
async fn no_local_spares_the_publisher_only() {
    let server = Server::start().await;
    let mut own = Raw::simple(&server, Level::V5, "own").await;
    let mut other = Raw::simple(&server, Level::V5, "other").await;
    own.subscribe(&server.topic("#"), 0x04).await;
    other.subscribe(&server.topic("#"), 0x04).await;
    own.publish_acknowledged(&server.topic("x"), PACK).await;
    own.expect_nothing().await;
    assert_eq!(other.next().await.publish(Level::V5).0, server.topic("x"));
}

#[tokio::test]
async fn retained_messages_follow_the_options() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    raw.retain(&server.topic("x"), PACK).await;
    // Send always; then as published.
    raw.subscribe(&server.topic("x"), 0x08).await;
    assert!(raw.next().await.is_retained());
    raw.subscribe(&server.topic("x"), 0x18).await;
    raw.expect_nothing().await;
    raw.subscribe(&server.topic("x"), 0x28).await;
    raw.expect_nothing().await;
    raw.subscribe(&server.topic("x"), 0x00).await;
    assert!(raw.next().await.is_retained());
    // A live message is not marked unless the subscription asks for it.
    let mut publisher = Raw::simple(&server, Level::V5, "p").await;
    publisher.retain(&server.topic("x"), PACK).await;
    assert!(!raw.next().await.is_retained());
    raw.subscribe(&server.topic("x"), 0x28).await;
    publisher.retain(&server.topic("x"), PACK).await;
    assert!(raw.next().await.is_retained());
    // Shared subscriptions get none.
    raw.subscribe(&format!("$share/g/{}", server.topic("x")), 0)
        .await;
    raw.expect_nothing().await;
}

#[tokio::test]
async fn only_a_retained_empty_message_removes_the_retained_one() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V3, "c").await;
    raw.retain(&server.topic("x"), PACK).await;
    raw.publish_acknowledged(&server.topic("x"), b"").await;
    raw.subscribe(&server.topic("x"), 0).await;
    assert!(raw.next().await.is_retained());
    raw.retain(&server.topic("x"), b"").await;
    // The empty message itself is delivered as any other.
    assert_eq!(server.broker.retained_messages(), 0);
}

#[tokio::test]
async fn retained_messages_of_channels_that_are_gone_are_forgotten() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    raw.retain(&server.topic("x"), PACK).await;
    raw.retain(&server.topic("y"), PACK).await;
    assert_eq!(server.broker.retained_channels(), [server.channel]);
    assert_eq!(server.broker.forget_retained(|_| false), 0);
    let gone = |channel| channel == server.channel;
    assert_eq!(server.broker.forget_retained(gone), 2);
    assert_eq!(server.broker.retained_messages(), 0);
    raw.subscribe(&server.topic("#"), 0).await;
    raw.expect_nothing().await;
}

#[tokio::test]
async fn shared_subscriptions_give_each_message_to_one() {
    let server = Server::start().await;
    let mut publisher = Raw::simple(&server, Level::V3, "p").await;
    let filter = format!("$share/g/{}", server.topic("#"));
    let mut members = vec![];
    for name in ["a", "b"] {
        let mut raw = Raw::simple(&server, Level::V5, name).await;
        assert_eq!(raw.subscribe(&filter, 0).await, 0);
        members.push(raw);
    }
    for _ in 0..10 {
        publisher
            .publish_acknowledged(&server.topic("x"), PACK)
            .await;
    }
    for raw in &mut members {
        for _ in 0..5 {
            assert_eq!(raw.next().await.publish(Level::V5).0, server.topic("x"));
        }
        raw.expect_nothing().await;
    }
}

#[tokio::test]
async fn the_receive_maximum_and_packet_size_of_the_client_are_kept() {
    let server = Server::start().await;
    let mut publisher = Raw::simple(&server, Level::V3, "p").await;
    let properties = vec![0x21, 0, 1, 0x27, 0, 0, 1, 0];
    let mut raw = Raw::join(
        &server,
        &server.thing,
        &Options {
            properties,
            ..Options::new(Level::V5, "c")
        },
    )
    .await;
    raw.subscribe(&server.topic("#"), 1).await;
    publisher
        .publish_acknowledged(&server.topic("1"), PACK)
        .await;
    publisher
        .publish_acknowledged(&server.topic("large"), &[b'x'; 300])
        .await;
    publisher
        .publish_acknowledged(&server.topic("2"), PACK)
        .await;
    let (topic, id, _) = raw.next().await.publish(Level::V5);
    assert_eq!(topic, server.topic("1"));
    raw.expect_nothing().await;
    raw.acknowledge(0x40, id).await;
    assert_eq!(raw.next().await.publish(Level::V5).0, server.topic("2"));
    assert_eq!(server.broker.metrics().dropped_too_large.get(), 1);
}

#[tokio::test]
async fn topic_aliases_work_in_both_directions() {
    let server = Server::start().await;
    let properties = vec![0x22, 0, 1];
    let mut raw = Raw::join(
        &server,
        &server.thing,
        &Options {
            properties,
            ..Options::new(Level::V5, "c")
        },
    )
    .await;
    raw.subscribe(&server.topic("#"), 0).await;
    let set = raw.publish_with(&server.topic("x"), 0, 0, 0, &[0x23, 0, 5], PACK);
    raw.send(&set).await;
    let used = raw.publish_with("", 0, 0, 0, &[0x23, 0, 5], PACK);
    raw.send(&used).await;
    assert_eq!(raw.next().await.publish(Level::V5).0, server.topic("x"));
    let second = raw.next().await;
    assert_eq!(second.publish(Level::V5).0, "");
    assert_eq!(second.body[2..6], [3, 0x23, 0, 1]);
    assert_eq!(server.store.batches().len(), 2);
}

#[tokio::test]
async fn properties_of_a_message_reach_its_subscribers() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    raw.subscribe(&server.topic("#"), 0).await;
    let properties = [
        &[1, 1][..],
        &[3, 0, 10],
        b"text/plain",
        &[8, 0, 1, b'r'],
        &[9, 0, 2, 0xFF, 0],
        &[0x26, 0, 1, b'k', 0, 1, b'1'],
        &[0x26, 0, 1, b'k', 0, 1, b'2'],
    ]
    .concat();
    let packet = raw.publish_with(&server.topic("x"), 0, 0, 0, &properties, b"on");
    raw.send(&packet).await;
    let got = raw.next().await;
    assert!(
        got.body
            .windows(properties.len())
            .any(|window| window == properties),
        "{got:x?}"
    );
}

#[tokio::test]
async fn a_slow_subscriber_loses_qos_0_and_harms_nobody() {
    let config = MqttConfig {
        session_queue_messages: 8,
        session_queue_bytes: 4096,
        ..MqttConfig::default()
    };
    let server = Server::with(config).await;
    let mut publisher = Raw::simple(&server, Level::V3, "p").await;
    let mut slow = Raw::simple(&server, Level::V3, "slow").await;
    slow.subscribe(&server.topic("#"), 0).await;
    // More than the sockets' buffers hold, to a client that reads nothing.
    let payload = vec![b'x'; 512];
    for _ in 0..400 {
        let mut packets = vec![];
        for id in 1..=50 {
            packets.extend(publisher.publish_packet(&server.topic("x"), 1, id, 0, &payload));
        }
        publisher.send(&packets).await;
        for _ in 0..50 {
            publisher.next().await;
        }
        if server.broker.metrics().dropped_queue_full.get() > 0 {
            break;
        }
    }
    assert!(server.broker.metrics().dropped_queue_full.get() > 0);
    assert!(server.broker.queued_bytes() <= 4096);
}

#[tokio::test]
async fn a_subscriber_of_qos_1_that_falls_behind_is_ended_and_told() {
    let config = MqttConfig {
        channel_log_bytes: 600,
        inflight_maximum: 2,
        ..MqttConfig::default()
    };
    let server = Server::with(config).await;
    let mut publisher = Raw::simple(&server, Level::V3, "p").await;
    let mut slow = Raw::join(&server, &server.thing, &Options::lasting(Level::V5, "slow")).await;
    slow.subscribe(&server.topic("#"), 1).await;
    let mut gone = Raw::join(&server, &server.thing, &Options::lasting(Level::V5, "gone")).await;
    gone.subscribe(&server.topic("#"), 1).await;
    gone.vanish();
    until(|| server.broker.metrics().connected.get() == 2).await;
    for _ in 0..7 {
        publisher
            .publish_acknowledged(&server.topic("x"), PACK)
            .await;
    }
    let mut last = slow.next().await;
    while last.first >> 4 == 3 {
        last = slow.next().await;
    }
    assert_eq!((last.first, last.body[0]), (0xE0, 0x97));
    for client_id in ["slow", "gone"] {
        let back = Raw::join(
            &server,
            &server.thing,
            &Options::lasting(Level::V5, client_id),
        )
        .await;
        assert!(!back.session_present());
    }
}

#[tokio::test]
async fn a_withdrawn_channel_ends_deliveries_at_once() {
    let server = Server::start().await;
    let reader = server.another_thing();
    let mut publisher = Raw::simple(&server, Level::V3, "p").await;
    let mut raw = Raw::join(&server, &reader, &Options::new(Level::V5, "c")).await;
    raw.subscribe(&server.topic("#"), 0).await;
    publisher
        .publish_acknowledged(&server.topic("x"), PACK)
        .await;
    raw.next().await;
    server.access.disconnect(&reader, server.channel);
    publisher
        .publish_acknowledged(&server.topic("x"), PACK)
        .await;
    raw.expect_nothing().await;
    // Connected again, it has to subscribe again.
    server.access.connect(&reader, server.channel);
    publisher
        .publish_acknowledged(&server.topic("x"), PACK)
        .await;
    raw.expect_nothing().await;
    assert_eq!(raw.subscribe(&server.topic("#"), 0).await, 0);
    publisher
        .publish_acknowledged(&server.topic("x"), PACK)
        .await;
    raw.next().await;
}

#[tokio::test]
async fn the_counters_can_be_read_as_prometheus_does() {
    let server = Server::start().await;
    let mut registry = prometheus_client::registry::Registry::default();
    tellee_api::mqtt::prometheus::register(std::sync::Arc::clone(&server.broker), &mut registry);
    let mut raw = Raw::simple(&server, Level::V3, "c").await;
    raw.publish_acknowledged(&server.topic(""), PACK).await;
    raw.subscribe("#", 0).await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "mqtt_connected 1",
        "mqtt_received_total{qos=\"1\"} 1",
        "mqtt_refused_total{what=\"subscribe\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}
