//! What waits on disk for sessions that are away, or slow.

use tellee_api::mqtt::MqttConfig;

use super::raw::{Level, Options, Raw};
use super::support::{Server, until};

/// What the journal may hold in memory of messages that wait: of the channel, what one commit brings, and what was read
/// of pieces last.
const MEMORY: usize = (1 + 1 + 4) << 20;

fn numbered(number: u32) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(4 + (number as usize % 5) * 50_000, 7);
    payload
}

fn number_of(payload: &[u8]) -> u32 {
    let (number, _) = payload.split_first_chunk().unwrap();
    u32::from_be_bytes(*number)
}

/// A session at QoS 1 that is away.
async fn away(server: &Server, client_id: &str, filter: &str) {
    let options = Options::lasting(Level::V5, client_id);
    let mut raw = Raw::join(server, &server.thing, &options).await;
    assert_eq!(raw.subscribe(&server.topic(filter), 1).await, 1);
    raw.leave().await;
}

/// Takes the messages of these numbers in order, and acknowledges them.
async fn expect(raw: &mut Raw, numbers: std::ops::Range<u32>, duplicate: bool) {
    for number in numbers {
        let got = raw.next().await;
        assert_eq!(got.is_duplicate(), duplicate, "{number}");
        let (_, id, payload) = got.publish(Level::V5);
        assert_eq!(number_of(&payload), number);
        raw.acknowledge(0x40, id).await;
    }
}

#[tokio::test]
async fn many_mebibytes_wait_on_disk_and_come_in_order_also_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::journaled(MqttConfig::default(), folder.path()).await;
    away(&server, "away", "#").await;
    let mut publisher = Raw::simple(&server, Level::V5, "p").await;
    for number in 0..300 {
        publisher
            .publish_acknowledged(&server.topic("x"), &numbered(number))
            .await;
        let memory = server.broker.journal().memory_bytes();
        assert!(memory <= MEMORY, "{memory} bytes in memory");
    }
    publisher.leave().await;
    let logged = server.broker.journal().read(|state| state.log_bytes());
    assert!(logged > 4 * MEMORY, "{logged} bytes wait");
    let server = server.again(folder.path(), |_| {}).await;
    let memory = server.broker.journal().memory_bytes();
    assert!(
        memory <= MEMORY,
        "{memory} bytes in memory after the restart"
    );
    let options = Options::lasting(Level::V5, "away");
    let mut raw = Raw::join(&server, &server.thing, &options).await;
    assert!(raw.session_present());
    expect(&mut raw, 0..100, false).await;
    // These are sent, not acknowledged, and so sent again.
    for number in 100..103 {
        let (_, _, payload) = raw.next().await.publish(Level::V5);
        assert_eq!(number_of(&payload), number);
    }
    raw.vanish();
    until(|| server.broker.metrics().connected.get() == 0).await;
    let server = server.again(folder.path(), |_| {}).await;
    let mut raw = Raw::join(&server, &server.thing, &options).await;
    expect(&mut raw, 100..103, true).await;
    let mut next = 103;
    // What was on its way when the connection broke comes again as well.
    let mut got = raw.next().await;
    while next < 300 {
        let (_, id, payload) = got.publish(Level::V5);
        assert_eq!(number_of(&payload), next);
        raw.acknowledge(0x40, id).await;
        let memory = server.broker.journal().memory_bytes();
        assert!(memory <= MEMORY, "{memory} bytes in memory");
        next += 1;
        if next < 300 {
            got = raw.next().await;
        }
    }
    raw.expect_nothing().await;
    let journal = server.broker.journal();
    until(|| journal.read(|state| state.logged_messages()) == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn a_session_that_needs_nothing_of_what_lies_on_disk_does_not_hold_it_up() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::journaled(MqttConfig::default(), folder.path()).await;
    away(&server, "idle", "other").await;
    away(&server, "away", "#").await;
    let mut publisher = Raw::simple(&server, Level::V5, "p").await;
    for number in 0..30 {
        publisher
            .publish_acknowledged(&server.topic("x"), &numbered(number))
            .await;
    }
    let journal = server.broker.journal();
    assert!(journal.read(|state| state.disk_bytes()) > 0);
    let options = Options::lasting(Level::V5, "away");
    let mut raw = Raw::join(&server, &server.thing, &options).await;
    expect(&mut raw, 0..30, false).await;
    until(|| journal.read(|state| state.logged_messages()) == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn a_session_whose_messages_find_no_room_on_disk_ends_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let config = MqttConfig {
        channel_log_bytes: 3 << 20,
        ..MqttConfig::default()
    };
    let server = Server::journaled(config, folder.path()).await;
    away(&server, "away", "#").await;
    let mut publisher = Raw::simple(&server, Level::V5, "p").await;
    for number in 0..60 {
        publisher
            .publish_acknowledged(&server.topic("x"), &numbered(number))
            .await;
    }
    until(|| server.broker.metrics().sessions_overrun.get() == 1).await;
    assert_eq!(server.broker.metrics().dropped_behind.get(), 60);
    let options = Options::lasting(Level::V5, "away");
    let raw = Raw::join(&server, &server.thing, &options).await;
    assert!(!raw.session_present());
    server.stop().await;
}

#[tokio::test]
async fn a_session_whose_messages_are_damaged_on_disk_ends_rather_than_go_on_with_a_hole() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::journaled(MqttConfig::default(), folder.path()).await;
    away(&server, "away", "#").await;
    let mut publisher = Raw::simple(&server, Level::V5, "p").await;
    for number in 0..30 {
        publisher
            .publish_acknowledged(&server.topic("x"), &numbered(number))
            .await;
    }
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("messages-") {
            std::fs::write(&path, b"damaged").unwrap();
        }
    }
    let options = Options::lasting(Level::V5, "away");
    let mut raw = Raw::join(&server, &server.thing, &options).await;
    assert!(raw.session_present());
    raw.expect_end(0x97).await;
    assert!(server.broker.metrics().dropped_damaged.get() > 0);
    assert_eq!(server.broker.metrics().sessions_overrun.get(), 1);
    let raw = Raw::join(&server, &server.thing, &options).await;
    assert!(!raw.session_present());
    server.stop().await;
}
