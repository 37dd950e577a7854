//! The path of a message, without MQTT.

use std::sync::Arc;

use tellee_actors::ids::ChannelId;
use tellee_actors::time::{SystemClock, Timestamp};
use tellee_api::ingest::{ContentType, IngestError};
use tellee_api::mqtt::MqttConfig;
use tellee_projections::live::LiveFilter;
use tellee_projections::telemetry::{
    EmbeddedTelemetryStore, SeriesFilter, TelemetryConfig, TelemetryError, TelemetryStore,
    TimeRange, Value,
};

use super::raw::{Level, Raw};
use super::support::{Server, StoreDouble, in_time, until};

const PACK: &[u8] = br#"[{"n":"speed","v":1480}]"#;

#[tokio::test]
async fn a_message_is_live_only_once_it_is_stored() {
    let server = Server::start().await;
    let mut live = server.live.subscribe(LiveFilter::All, 8);
    server.store.shut();
    let publisher = server.thing.publisher();
    let publish = server.ingest.publish(
        publisher,
        server.channel,
        "a//b/",
        ContentType::SenmlJson,
        PACK,
        "http",
        false,
    );
    let watch = async {
        until(|| server.store.waiting() == 1).await;
        assert!(live.try_next().is_none());
        server.store.open();
    };
    let (published, ()) = tokio::join!(in_time(publish), watch);
    assert_eq!(published.unwrap().records(), 1);
    let batch = in_time(live.next()).await;
    assert_eq!(
        (&*batch.subtopic, batch.protocol, batch.historical),
        ("a.b", "http", false)
    );
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let server = Server::start().await;
    let mut live = server.live.subscribe(LiveFilter::All, 8);
    let publisher = server.thing.publisher();
    let cases: [(ChannelId, &str, &[u8], &str); 4] = [
        (ChannelId::generate(), "", PACK, "forbidden"),
        (server.channel, "a/+", PACK, "invalid_input"),
        (
            server.channel,
            "",
            br#"[{"n":"a","v":1},{"n":"b"}]"#,
            "malformed_message",
        ),
        (
            server.channel,
            "",
            &[b' '; 2 * 1024 * 1024],
            "body_too_large",
        ),
    ];
    for (channel, subtopic, payload, code) in cases {
        let error = server
            .ingest
            .publish(
                publisher,
                channel,
                subtopic,
                ContentType::SenmlJson,
                payload,
                "http",
                false,
            )
            .await
            .unwrap_err();
        assert_eq!(error.code().as_str(), code);
    }
    assert!(server.store.batches().is_empty());
    assert!(live.try_next().is_none());
}

#[tokio::test]
async fn a_store_that_refuses_is_a_typed_error() {
    let server = Server::start().await;
    let publisher = server.thing.publisher();
    server.store.refuse(Some(|| TelemetryError::DiskFull));
    let error = server
        .ingest
        .publish(
            publisher,
            server.channel,
            "",
            ContentType::SenmlJson,
            PACK,
            "http",
            false,
        )
        .await
        .unwrap_err();
    assert!(matches!(error, IngestError::DiskFull) && error.is_retryable());
}

#[tokio::test]
async fn messages_of_other_protocols_reach_mqtt_subscribers() {
    let server = Server::start().await;
    let mut client = Raw::simple(&server, Level::V3, "c").await;
    assert_eq!(client.subscribe(&server.topic("#"), 1).await, 1);
    let publisher = server.thing.publisher();
    server
        .ingest
        .publish(
            publisher,
            server.channel,
            "a.b",
            ContentType::SenmlJson,
            PACK,
            "http",
            false,
        )
        .await
        .unwrap();
    let (topic, _, payload) = client.next().await.publish(Level::V3);
    assert_eq!((topic, payload.as_slice()), (server.topic("a/b"), PACK));
}

#[tokio::test]
async fn what_is_acknowledged_can_be_read_from_the_real_store() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::default());
    let store =
        EmbeddedTelemetryStore::open(folder.path(), TelemetryConfig::default(), clock).unwrap();
    let store = Arc::new(store);
    let kept = Arc::<EmbeddedTelemetryStore>::clone(&store);
    let server = Server::on(MqttConfig::default(), kept, StoreDouble::new()).await;
    let pack = br#"[{"bt":1700000000.25,"n":"speed","u":"1/min","v":1480},{"n":"on","vb":true},{"n":"on","vb":false}]"#;
    for level in [Level::V3, Level::V5] {
        let mut client = Raw::simple(&server, level, "c").await;
        // The second time it is the same samples again.
        assert_eq!(
            client
                .publish_acknowledged(&server.topic("a/b"), pack)
                .await,
            0
        );
    }
    let (series, total) = store.series(&SeriesFilter::default(), 0, 10).await.unwrap();
    assert_eq!(total, 2);
    let keys: Vec<_> = series
        .iter()
        .map(|info| (info.key.subtopic.as_str(), info.key.name.as_str()))
        .collect();
    assert_eq!(keys, [("a.b", "on"), ("a.b", "speed")]);
    let on = store.range(series[0].id, TimeRange::ALL, 10).await.unwrap();
    let on: Vec<_> = on
        .iter()
        .map(|sample| (sample.seq, sample.value.clone()))
        .collect();
    assert_eq!(on, [(0, Value::Boolean(true)), (1, Value::Boolean(false))]);
    let speed = series[1].latest.clone().unwrap();
    assert_eq!(speed.time, Timestamp::from_millis(1_700_000_000_250));
    assert_eq!(speed.value, Value::Number(1480.0));
    server.stop().await;
    store.close().await.unwrap();
}
