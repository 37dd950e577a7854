//! The path of a message, without MQTT.

use tellee_actors::ids::ChannelId;
use tellee_api::ingest::{ContentType, IngestError};
use tellee_projections::live::LiveFilter;
use tellee_projections::telemetry::TelemetryError;

use super::raw::{Level, Raw};
use super::support::{Server, in_time, until};

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
        (ChannelId::generate(), "", PACK, "NOT_AUTHORISED"),
        (server.channel, "a/+", PACK, "INVALID_SUBTOPIC"),
        (
            server.channel,
            "",
            br#"[{"n":"a","v":1},{"n":"b"}]"#,
            "MALFORMED_MESSAGE",
        ),
        (
            server.channel,
            "",
            &[b' '; 2 * 1024 * 1024],
            "MESSAGE_TOO_LARGE",
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
        assert_eq!(error.code(), code);
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
