//! Clients that mean harm, and the kills that brought other brokers down.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::raw::{Level, Options, Raw};
use super::support::{Server, in_time, until};
use tellee_api::mqtt::MqttConfig;
use tellee_projections::telemetry::TelemetryError;

const PACK: &[u8] = br#"[{"n":"speed","v":1480}]"#;

/// The server still lets clients in and takes messages.
async fn assert_alive(server: &Server) {
    let mut raw = Raw::simple(server, Level::V3, "alive").await;
    assert_eq!(raw.publish_acknowledged(&server.topic(""), PACK).await, 0);
}

#[tokio::test]
async fn two_thousand_silent_sockets_harm_nobody() {
    let server = Server::start().await;
    let mut silent = Vec::new();
    // The process may have fewer descriptors than that; what it has must do.
    for _ in 0..2_000 {
        match in_time(TcpStream::connect(server.address)).await {
            Ok(stream) => silent.push(stream),
            Err(_) => break,
        }
        if silent.len() >= 400 && open_files_are_scarce() {
            break;
        }
    }
    assert!(silent.len() >= 400);
    assert_alive(&server).await;
    drop(silent);
    assert_alive(&server).await;
}

fn open_files_are_scarce() -> bool {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap_or_default();
    let soft = line
        .split_whitespace()
        .nth(3)
        .and_then(|word| word.parse::<u64>().ok());
    soft.is_some_and(|soft| soft < 8_192)
}

#[tokio::test]
async fn the_oldest_silent_socket_makes_way_for_a_new_one() {
    let server = Server::with(MqttConfig {
        max_handshakes: 2,
        ..MqttConfig::default()
    })
    .await;
    let mut oldest = Raw::open(&server, Level::V3).await;
    until(|| server.broker.metrics().connections_accepted.get() == 1).await;
    let _second = Raw::open(&server, Level::V3).await;
    let _third = Raw::open(&server, Level::V3).await;
    assert_eq!(oldest.try_next().await, None);
    assert_alive(&server).await;
}

#[tokio::test]
async fn a_client_that_never_says_connect_is_let_go() {
    let server = Server::with(MqttConfig {
        handshake_timeout_seconds: 1,
        ..MqttConfig::default()
    })
    .await;
    let mut raw = Raw::open(&server, Level::V3).await;
    raw.send(&[0x10, 0x20, 0]).await;
    assert_eq!(raw.try_next().await, None);
    assert_eq!(server.broker.metrics().handshakes_given_up.get(), 1);
}

#[tokio::test]
async fn sockets_beyond_the_limit_are_refused_and_the_next_ones_taken_again() {
    let server = Server::with(MqttConfig {
        max_connections_per_address: 2,
        ..MqttConfig::default()
    })
    .await;
    let one = Raw::simple(&server, Level::V3, "1").await;
    let two = Raw::simple(&server, Level::V3, "2").await;
    for _ in 0..5 {
        let mut refused = Raw::open(&server, Level::V3).await;
        assert_eq!(refused.try_next().await, None);
    }
    one.leave().await;
    two.leave().await;
    until(|| server.broker.metrics().connected.get() == 0).await;
    in_time(async {
        loop {
            let mut raw = Raw::open(&server, Level::V3).await;
            let connect = Options::new(Level::V3, "3")
                .connect(&server.thing.id.to_string(), server.thing.key.as_bytes());
            raw.send(&connect).await;
            if raw.try_next().await.is_some() {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_topic_that_does_not_begin_with_ascii_kills_nothing() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V3, "c").await;
    raw.subscribe(&server.topic("#"), 0).await;
    for topic in ["ж", "жжжжж/x", "/ж", "№"] {
        let mut raw = Raw::simple(&server, Level::V5, "d").await;
        assert_eq!(raw.publish_acknowledged(topic, PACK).await, 0x87);
    }
    assert_alive(&server).await;
}

#[tokio::test]
async fn a_lasting_share_with_an_unacknowledged_message_kills_nothing() {
    let server = Server::start().await;
    let mut publisher = Raw::simple(&server, Level::V3, "p").await;
    let options = Options::lasting(Level::V3, "c");
    let mut raw = Raw::join(&server, &server.thing, &options).await;
    raw.subscribe(&format!("$share/g/{}", server.topic("a/b")), 1)
        .await;
    publisher
        .publish_acknowledged(&server.topic("a/b"), PACK)
        .await;
    raw.next().await;
    raw.vanish();
    until(|| server.broker.metrics().connected.get() == 1).await;
    publisher
        .publish_acknowledged(&server.topic("a/b"), PACK)
        .await;
    let mut raw = Raw::join(&server, &server.thing, &options).await;
    assert!(raw.next().await.is_duplicate());
    assert_eq!(raw.next().await.publish(Level::V3).0, server.topic("a/b"));
    assert_alive(&server).await;
}

#[tokio::test]
async fn odd_client_ids_are_only_names() {
    let server = Server::start().await;
    for client_id in ["a#b", "a#b", "+", "$x", "../..", "клиент"] {
        for level in [Level::V3, Level::V5] {
            let mut raw = Raw::simple(&server, level, client_id).await;
            raw.expect_nothing().await;
        }
    }
    assert_alive(&server).await;
}

#[tokio::test]
async fn acknowledgements_of_nothing_and_in_any_order_are_borne() {
    let server = Server::start().await;
    let mut publisher = Raw::simple(&server, Level::V3, "p").await;
    for level in [Level::V3, Level::V5] {
        let mut raw = Raw::simple(&server, level, "c").await;
        raw.subscribe(&server.topic("#"), 1).await;
        for first in [0x40, 0x70] {
            raw.acknowledge(first, 77).await;
        }
        raw.acknowledge(0x50, 78).await;
        assert_eq!(raw.next().await.first, 0x62);
        let mut ids = vec![];
        for _ in 0..3 {
            publisher
                .publish_acknowledged(&server.topic("x"), PACK)
                .await;
            ids.push(raw.next().await.publish(level).1);
        }
        for id in ids.into_iter().rev() {
            raw.acknowledge(0x40, id).await;
        }
        raw.expect_nothing().await;
    }
}

#[tokio::test]
async fn a_slow_store_stops_the_reading_and_loses_nothing() {
    let server = Server::start().await;
    let raw = Raw::simple(&server, Level::V3, "c").await;
    server.store.shut();
    let payload = vec![b'x'; 100_000];
    let topic = server.topic("");
    let packets: Vec<u8> = (1..=100)
        .flat_map(|id| raw.publish_packet(&topic, 1, id, 0, &payload))
        .collect();
    let (reader, mut writer) = raw.split();
    let sending = tokio::spawn(async move {
        writer.write_all(&packets).await.unwrap();
        writer
    });
    // 1 MiB of the connection is on its way, not 10 MB.
    until(|| server.store.waiting() >= 11).await;
    assert!(server.store.waiting() <= 12, "{}", server.store.waiting());
    server.store.open();
    let writer = in_time(sending).await.unwrap();
    let mut raw = Raw::join_halves(reader, writer);
    for id in 1..=100 {
        assert_eq!(raw.next().await.body, [0, id]);
    }
}

#[tokio::test]
async fn an_overloaded_store_delays_the_acknowledgement() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V3, "c").await;
    server.store.refuse(Some(|| TelemetryError::Overloaded));
    raw.publish(&server.topic(""), 1, 1, PACK).await;
    raw.expect_nothing().await;
    server.store.refuse(None);
    assert_eq!(raw.next().await.body, [0, 1]);
    assert_eq!(server.store.batches().len(), 1);
}

#[tokio::test]
async fn what_the_store_cannot_keep_is_never_acknowledged() {
    let server = Server::start().await;
    server.store.refuse(Some(|| TelemetryError::DiskFull));
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    assert_eq!(
        raw.publish_acknowledged(&server.topic(""), PACK).await,
        0x97
    );
    let mut raw = Raw::simple(&server, Level::V3, "d").await;
    raw.publish(&server.topic(""), 1, 1, PACK).await;
    assert_eq!(raw.try_next().await, None);
}

#[test]
fn no_bytes_after_the_connect_harm_the_server() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let server = runtime.block_on(Server::start());
    let config = ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let packets = prop::collection::vec(
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)),
        1..8,
    );
    proptest!(config, |(packets in packets, v5 in any::<bool>())| {
        runtime.block_on(async {
            let level = if v5 { Level::V5 } else { Level::V3 };
            let mut raw = Raw::simple(&server, level, "fuzz").await;
            for (first, body) in &packets {
                raw.try_send(&super::raw::frame(*first, body)).await;
            }
            raw.vanish();
        });
    });
    runtime.block_on(async {
        assert_alive(&server).await;
        until(|| server.broker.metrics().connected.get() <= 1).await;
    });
}
