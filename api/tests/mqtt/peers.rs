//! Clients that other people wrote.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS as QoS5;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};

use super::support::{Server, in_time, until};

const PACK: &[u8] = br#"[{"n":"speed","v":1480}]"#;

fn options(server: &Server, client_id: &str) -> MqttOptions {
    let mut options = MqttOptions::new(client_id, "127.0.0.1", server.address.port());
    options.set_credentials(server.thing.id.to_string(), server.thing.key.clone());
    options.set_keep_alive(Duration::from_secs(30));
    options
}

#[tokio::test]
async fn rumqttc_of_3_publishes_and_receives_at_every_qos() {
    let server = Server::start().await;
    let (client, mut events) = AsyncClient::new(options(&server, "peer"), 64);
    client
        .subscribe(server.topic("#"), QoS::ExactlyOnce)
        .await
        .unwrap();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for index in 0..10 {
            client
                .publish(server.topic(&format!("{index}")), qos, false, PACK)
                .await
                .unwrap();
        }
    }
    let mut received = 0;
    in_time(async {
        while received < 30 {
            if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.unwrap() {
                assert_eq!(publish.payload, PACK);
                received += 1;
            }
        }
    })
    .await;
    assert_eq!(server.store.batches().len(), 30);
    client.disconnect().await.unwrap();
    while in_time(events.poll()).await.is_ok() {}
    until(|| server.broker.metrics().connected.get() == 0).await;
}

#[tokio::test]
async fn rumqttc_of_5_publishes_and_receives_at_every_qos() {
    let server = Server::start().await;
    let mut options = rumqttc::v5::MqttOptions::new("peer", "127.0.0.1", server.address.port());
    options.set_credentials(server.thing.id.to_string(), server.thing.key.clone());
    let (client, mut events) = rumqttc::v5::AsyncClient::new(options, 64);
    client
        .subscribe(server.topic("#"), QoS5::ExactlyOnce)
        .await
        .unwrap();
    for qos in [QoS5::AtMostOnce, QoS5::AtLeastOnce, QoS5::ExactlyOnce] {
        for index in 0..10 {
            client
                .publish(server.topic(&format!("{index}")), qos, false, PACK)
                .await
                .unwrap();
        }
    }
    let mut received = 0;
    in_time(async {
        use rumqttc::v5::mqttbytes::v5::Packet;
        while received < 30 {
            if let rumqttc::v5::Event::Incoming(Packet::Publish(publish)) =
                events.poll().await.unwrap()
            {
                assert_eq!(publish.payload, PACK);
                received += 1;
            }
        }
    })
    .await;
    assert_eq!(server.store.batches().len(), 30);
}

#[tokio::test]
async fn rumqttc_with_a_wrong_key_is_told() {
    let server = Server::start().await;
    let mut options = options(&server, "peer");
    options.set_credentials(server.thing.id.to_string(), "wrong");
    let (_client, mut events) = AsyncClient::new(options, 8);
    let error = in_time(events.poll()).await.unwrap_err();
    assert!(
        matches!(
            error,
            rumqttc::ConnectionError::ConnectionRefused(rumqttc::ConnectReturnCode::NotAuthorized)
        ),
        "{error}"
    );
}
