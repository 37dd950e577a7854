//! What clients and publishers meet while the journal's disk fails.

use std::sync::Arc;

use tellee_api::ingest::{ContentType, IngestError};
use tellee_api::mqtt::MqttConfig;
use tellee_api::mqtt::journal::ROOM_BYTES;
use tellee_projections::telemetry::disk::{Faults, SimulatedDisk};

use super::raw::{Level, Options, Raw};
use super::support::{Server, in_time, until};

fn fail(disk: &SimulatedDisk, sync_fails: bool) {
    disk.set_faults(Faults {
        sync_fails,
        ..Faults::default()
    });
}

async fn publish(server: &Server, payload: &[u8]) -> Result<(), IngestError> {
    let ingest = Arc::clone(&server.ingest);
    ingest
        .publish(
            server.thing.publisher(),
            server.channel,
            "",
            ContentType::Opaque,
            payload,
            "http",
            false,
        )
        .await
        .map(|_| ())
}

#[tokio::test]
async fn a_client_whose_session_cannot_become_durable_is_told_that_the_server_is_unavailable() {
    let disk = SimulatedDisk::new(1);
    let config = MqttConfig {
        handshake_timeout_seconds: 1,
        ..MqttConfig::default()
    };
    let server = Server::journaled_on(config, &disk).await;
    fail(&disk, true);
    for (level, code) in [(Level::V3, 3), (Level::V5, 0x88)] {
        let mut raw = Raw::open(&server, level).await;
        let options = Options {
            clean: false,
            properties: if level == Level::V5 {
                vec![0x11, 0, 0, 0, 60]
            } else {
                Vec::new()
            },
            ..Options::new(level, &format!("c{code}"))
        };
        let connect = options.connect(&server.thing.id.to_string(), server.thing.key.as_bytes());
        raw.send(&connect).await;
        let connack = in_time(raw.next()).await;
        assert_eq!((connack.first, connack.body[1]), (0x20, code));
        assert!(in_time(raw.try_next()).await.is_none(), "still open");
    }
    fail(&disk, false);
    let options = Options::lasting(Level::V5, "later");
    let raw = in_time(Raw::join(&server, &server.thing, &options)).await;
    assert!(!raw.session_present());
}

#[tokio::test]
async fn publishers_of_other_protocols_wait_for_the_journal_and_nothing_is_kept_from_lasting_sessions()
 {
    let disk = SimulatedDisk::new(2);
    let server = Arc::new(Server::journaled_on(MqttConfig::default(), &disk).await);
    let options = Options::lasting(Level::V3, "away");
    let mut raw = Raw::join(&server, &server.thing, &options).await;
    assert_eq!(raw.subscribe(&server.topic("#"), 1).await, 1);
    raw.leave().await;
    until(|| server.broker.metrics().connected.get() == 0).await;
    fail(&disk, true);
    let mut taken = Vec::new();
    // As many as the journal has room for.
    for _ in 0..37 {
        let server = Arc::clone(&server);
        taken.push(tokio::spawn(async move {
            publish(&server, &vec![7; 900_000]).await
        }));
    }
    until(|| server.store.batches().len() == taken.len()).await;
    let stored = server.store.batches().len();
    let refused = in_time(publish(&server, &vec![7; 900_000])).await;
    assert!(matches!(refused, Err(IngestError::Overloaded)));
    assert_eq!(server.store.batches().len(), stored, "refused and stored");
    fail(&disk, false);
    let count = taken.len();
    for publish in taken {
        in_time(publish).await.unwrap().unwrap();
    }
    in_time(publish(&server, b"later")).await.unwrap();
    let logged = server
        .broker
        .journal()
        .read(|state| state.logged_messages());
    assert_eq!(logged, count + 1);
}

#[tokio::test]
async fn a_publisher_of_another_protocol_is_told_when_what_it_sent_does_not_become_safe_in_time() {
    let disk = SimulatedDisk::new(3);
    let server = Server::journaled_on(MqttConfig::default(), &disk).await;
    let options = Options::lasting(Level::V3, "away");
    let mut raw = Raw::join(&server, &server.thing, &options).await;
    assert_eq!(raw.subscribe(&server.topic("#"), 1).await, 1);
    raw.leave().await;
    until(|| server.broker.metrics().connected.get() == 0).await;
    fail(&disk, true);
    let refused = publish(&server, b"unsafe").await;
    assert!(matches!(refused, Err(IngestError::Unconfirmed)));
    assert!(refused.is_err_and(|error| error.is_retryable()));
    assert_eq!(server.ingest.unconfirmed(), 1);
    // It is stored, and reaches its subscriber once the disk works.
    assert_eq!(server.store.batches().len(), 1);
    fail(&disk, false);
    publish(&server, b"safe").await.unwrap();
    let journal = server.broker.journal();
    assert_eq!(journal.read(|state| state.logged_messages()), 2);
}

#[tokio::test]
async fn many_publishers_at_once_never_bring_more_than_the_journal_has_room_for() {
    let disk = SimulatedDisk::new(4);
    let config = MqttConfig {
        node_bytes_in_flight: 1 << 30,
        ..MqttConfig::default()
    };
    let server = Server::journaled_on(config, &disk).await;
    let mut away = Raw::join(&server, &server.thing, &Options::lasting(Level::V3, "away")).await;
    assert_eq!(away.subscribe(&server.topic("#"), 1).await, 1);
    away.leave().await;
    until(|| server.broker.metrics().connected.get() == 0).await;
    // All are on their way to the store before the first of them is in the journal.
    server.store.shut();
    fail(&disk, true);
    let mut publishers = Vec::new();
    for number in 0..50 {
        let mut raw = Raw::simple(&server, Level::V3, &format!("p{number}")).await;
        let packet = raw.publish_packet(&server.topic("a"), 1, 9, 0, &vec![7; 900_000]);
        publishers.push(tokio::spawn(async move {
            raw.send(&packet).await;
            raw
        }));
    }
    let journal = server.broker.journal();
    // One more would be too much.
    until(|| server.store.waiting() == 37).await;
    let mut sent = Vec::new();
    for publisher in publishers {
        sent.push(in_time(publisher).await.unwrap());
    }
    assert!(journal.waiting_bytes() <= ROOM_BYTES);
    server.store.open();
    until(|| server.store.batches().len() == 37 && server.store.waiting() == 0).await;
    assert!(journal.waiting_bytes() <= ROOM_BYTES);
    assert_eq!(server.store.batches().len(), 37, "stored without room");
    // Who needs no room is not held up.
    let mut other = Raw::simple(&server, Level::V3, "other").await;
    other.publish(&server.topic("a"), 0, 0, b"x").await;
    other.expect_nothing().await;
    fail(&disk, false);
    for mut raw in sent {
        assert_eq!(raw.next().await.first, 0x40);
    }
    assert_eq!(journal.read(|state| state.logged_messages()), 50);
    until(|| journal.waiting_bytes() == 0).await;
}
