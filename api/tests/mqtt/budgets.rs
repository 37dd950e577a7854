//! Bytes that connections and the node may hold while the store or a subscriber is slow.

use std::time::Duration;

use tellee_api::mqtt::MqttConfig;
use tokio::io::AsyncWriteExt as _;

use super::raw::{Level, Options, Raw};
use super::support::{Server, in_time, until};

const MIB: usize = 1024 * 1024;

/// Writes as many bytes as the server and the kernel take, in a task of its own, and never reads.
fn flood(raw: Raw, topic: &str, payload: usize, messages: u16) -> tokio::task::JoinHandle<Raw> {
    let packet = |id| raw.publish_packet(topic, 1, id, 0, &vec![b'x'; payload]);
    let packets: Vec<Vec<u8>> = (1..=messages).map(packet).collect();
    tokio::spawn(async move {
        let (reader, mut writer) = raw.split();
        for packet in packets {
            writer.write_all(&packet).await.unwrap();
        }
        Raw::join_halves(reader, writer)
    })
}

#[tokio::test]
async fn a_slow_store_holds_the_node_to_its_bytes_and_then_takes_all() {
    let server = Server::with(MqttConfig {
        node_bytes_in_flight: 4 * MIB,
        ..MqttConfig::default()
    })
    .await;
    server.store.shut();
    let topic = server.topic("");
    let mut floods = Vec::new();
    for number in 0..16 {
        let raw = Raw::simple(&server, Level::V3, &format!("c{number}")).await;
        floods.push(flood(raw, &topic, 100_000, 40));
    }
    // 64 MB are on offer; 16 MiB would be within the budgets of the connections.
    until(|| server.broker.in_flight_bytes() >= 3 * MIB).await;
    for _ in 0..20 {
        assert!(server.broker.in_flight_bytes() <= 4 * MIB);
        tokio::task::yield_now().await;
    }
    server.store.open();
    for flood in floods {
        let mut raw = in_time(flood).await.unwrap();
        for id in 1..=40 {
            assert_eq!(raw.next().await.body, [0, id]);
        }
        raw.expect_nothing().await;
    }
    assert_eq!(server.store.batches().len(), 16 * 40);
    until(|| server.broker.in_flight_bytes() == 0).await;
}

#[tokio::test]
async fn small_messages_count_with_what_they_take_beside_their_payload() {
    const BUDGET: usize = 512 * 1024;
    let server = Server::with(MqttConfig {
        node_bytes_in_flight: BUDGET,
        ..MqttConfig::default()
    })
    .await;
    server.store.shut();
    let topic = server.topic("");
    let mut floods = Vec::new();
    for number in 0..8 {
        let raw = Raw::simple(&server, Level::V3, &format!("c{number}")).await;
        floods.push(flood(raw, &topic, 10, 200));
    }
    // 16 kB of payload are on offer, which no budget would notice; in flight they would be 2.4 MB.
    until(|| server.broker.in_flight_bytes() > BUDGET * 3 / 4).await;
    for _ in 0..20 {
        assert!(server.broker.in_flight_bytes() <= BUDGET);
        tokio::task::yield_now().await;
    }
    server.store.open();
    for flood in floods {
        let mut raw = in_time(flood).await.unwrap();
        for id in 1..=200 {
            assert_eq!(raw.next().await.body, [0, id]);
        }
        raw.expect_nothing().await;
    }
    assert_eq!(server.store.batches().len(), 8 * 200);
    until(|| server.broker.in_flight_bytes() == 0).await;
}

#[tokio::test]
async fn small_messages_pass_while_large_ones_have_the_node_full() {
    let server = Server::with(MqttConfig {
        node_bytes_in_flight: MIB,
        ..MqttConfig::default()
    })
    .await;
    let topic = server.topic("");
    let mut hoarders = Vec::new();
    for number in 0..4 {
        // Half a packet each, and never the rest.
        let mut raw = Raw::simple(&server, Level::V5, &format!("half{number}")).await;
        let packet = raw.publish_packet(&topic, 1, 1, 0, &vec![b'x'; 900_000]);
        raw.send(&packet[..300_000]).await;
        hoarders.push(raw);
    }
    until(|| server.broker.in_flight_bytes() > MIB / 2).await;
    let mut small = Raw::simple(&server, Level::V3, "small").await;
    for _ in 0..50 {
        assert_eq!(small.publish_acknowledged(&topic, b"[]").await, 0);
    }
    drop(hoarders);
}

#[tokio::test]
async fn clients_that_wait_for_each_other_with_half_a_packet_are_ended_and_told() {
    let server = Server::with(MqttConfig {
        node_bytes_in_flight: 256 * 1024,
        overload_patience_seconds: 1,
        ..MqttConfig::default()
    })
    .await;
    let topic = server.topic("");
    let mut raws = Vec::new();
    for number in 0..2 {
        let mut raw = Raw::simple(&server, Level::V5, &format!("c{number}")).await;
        let packet = raw.publish_packet(&topic, 1, 1, 0, &vec![b'x'; 900_000]);
        raw.send(&packet[..400_000]).await;
        raws.push(raw);
    }
    for mut raw in raws {
        raw.expect_end(0x97).await;
    }
    until(|| server.broker.in_flight_bytes() == 0).await;
    let mut raw = Raw::simple(&server, Level::V3, "after").await;
    assert_eq!(raw.publish_acknowledged(&topic, b"[]").await, 0);
}

#[tokio::test]
async fn a_large_packet_that_its_client_does_not_end_is_given_up() {
    let server = Server::with(MqttConfig {
        max_packet_bytes: 20 * 1024,
        packet_patience_seconds: 0,
        ..MqttConfig::default()
    })
    .await;
    let topic = server.topic("");
    let never = Options {
        keep_alive: 0,
        ..Options::new(Level::V5, "never")
    };
    let mut never = Raw::join(&server, &server.thing, &never).await;
    let mut whole = Raw::simple(&server, Level::V3, "whole").await;
    let packet = never.publish_packet(&topic, 1, 1, 0, &vec![b'x'; 16_000]);
    never.send(&packet[..12_000]).await;
    // In time, though in parts, and again and again.
    for id in 1..=3 {
        let packet = whole.publish_packet(&topic, 1, id, 0, b"[]");
        let large = whole.publish_packet(&topic, 0, 0, 0, &vec![b'x'; 10_000]);
        whole.send(&[&packet, &large[..9_000]].concat()).await;
        whole.next().await;
        whole.send(&large[9_000..]).await;
    }
    never.expect_end(0x97).await;
    assert_eq!(whole.publish_acknowledged(&topic, b"[]").await, 0);
}

#[tokio::test]
async fn subscribers_that_do_not_read_leave_room_for_those_who_do() {
    let server = Server::with(MqttConfig {
        node_queue_bytes: 256 * 1024,
        ..MqttConfig::default()
    })
    .await;
    let mut deaf = Vec::new();
    for number in 0..4 {
        let mut raw = Raw::simple(&server, Level::V5, &format!("deaf{number}")).await;
        assert_eq!(raw.subscribe(&server.topic("#"), 0).await, 0);
        deaf.push(raw);
    }
    let mut publisher = Raw::simple(&server, Level::V3, "publisher").await;
    let large = vec![b'x'; 60_000];
    while server.broker.metrics().dropped_queue_full.get() == 0 {
        let answer = publisher
            .publish_acknowledged(&server.topic(""), &large)
            .await;
        assert_eq!(answer, 0);
    }
    let mut reader = Raw::simple(&server, Level::V3, "reader").await;
    assert_eq!(reader.subscribe(&server.topic("#"), 1).await, 1);
    for _ in 0..50 {
        assert_eq!(
            publisher
                .publish_acknowledged(&server.topic(""), b"[]")
                .await,
            0
        );
        let (_, id, _) = reader.next().await.publish(Level::V3);
        reader.acknowledge(0x40, id).await;
    }
    drop(deaf);
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_slows_neither_publisher_nor_other_subscribers() {
    let server = Server::with(MqttConfig {
        session_queue_bytes: MIB,
        ..MqttConfig::default()
    })
    .await;
    let mut deaf = Raw::simple(&server, Level::V3, "deaf").await;
    assert_eq!(deaf.subscribe(&server.topic("#"), 0).await, 0);
    let mut other = Raw::simple(&server, Level::V3, "other").await;
    assert_eq!(other.subscribe(&server.topic("#"), 0).await, 0);
    let mut publisher = Raw::simple(&server, Level::V3, "publisher").await;
    let payload = vec![b'x'; 50_000];
    for _ in 0..200 {
        assert_eq!(
            publisher
                .publish_acknowledged(&server.topic(""), &payload)
                .await,
            0
        );
        assert_eq!(other.next().await.publish(Level::V3).2.len(), 50_000);
    }
    assert!(server.broker.queued_bytes() <= 2 * MIB);
    drop(deaf);
}

#[tokio::test]
async fn a_client_that_is_not_listened_to_is_not_called_silent() {
    let server = Server::with(MqttConfig {
        receive_maximum: 4,
        ..MqttConfig::default()
    })
    .await;
    let options = Options {
        keep_alive: 1,
        ..Options::new(Level::V3, "held-back")
    };
    let mut raw = Raw::join(&server, &server.thing, &options).await;
    server.store.shut();
    let packets: Vec<u8> = (1..=8)
        .flat_map(|id| raw.publish_packet(&server.topic(""), 1, id, 0, b"x"))
        .collect();
    raw.send(&packets).await;
    until(|| server.store.waiting() == 4).await;
    // Twice the time after which a silent client is ended.
    tokio::time::sleep(Duration::from_secs(3)).await;
    server.store.open();
    for id in 1..=8 {
        assert_eq!(raw.next().await.body, [0, id]);
    }
}
