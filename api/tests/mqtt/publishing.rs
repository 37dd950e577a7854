//! From PUBLISH to its acknowledgement.

use tellee_api::mqtt::MqttConfig;
use tellee_projections::telemetry::Value;

use super::raw::{Level, Options, Raw};
use super::support::{Server, until};

const PACK: &[u8] = br#"[{"n":"speed","t":1700000000,"v":1480}]"#;
const BOTH: [Level; 2] = [Level::V3, Level::V5];

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
