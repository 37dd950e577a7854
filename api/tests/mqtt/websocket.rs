//! MQTT over WebSocket.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use tellee_api::http::{self, HttpLimits};
use tellee_api::mqtt::MqttConfig;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::raw::{Level, Options};
use super::support::{Server, in_time, until};

#[tokio::test]
async fn packets_cross_a_websocket_whatever_the_bounds_of_its_messages() {
    let server = Server::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = tellee_api::mqtt::websocket::routes(Arc::clone(&server.broker));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let mut request = format!("ws://{address}/mqtt")
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "mqtt".parse().unwrap());
    let (mut socket, response) = in_time(tokio_tungstenite::connect_async(request))
        .await
        .unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "mqtt");
    let connect = Options::new(Level::V3, "ws")
        .connect(&server.thing.id.to_string(), server.thing.key.as_bytes());
    let (first, second) = connect.split_at(7);
    for part in [first, second] {
        socket.send(Message::binary(part.to_vec())).await.unwrap();
    }
    let answer = in_time(socket.next()).await.unwrap().unwrap();
    assert_eq!(answer.into_data()[..], [0x20, 2, 0, 0]);
    socket
        .send(Message::binary(vec![0xC0, 0, 0xC0, 0]))
        .await
        .unwrap();
    let mut answers = vec![];
    while answers.len() < 4 {
        answers.extend_from_slice(&in_time(socket.next()).await.unwrap().unwrap().into_data());
    }
    assert_eq!(answers, [0xD0, 0, 0xD0, 0]);
    socket.send(Message::text("no")).await.unwrap();
    in_time(async { while let Some(Ok(_)) = socket.next().await {} }).await;
}

#[tokio::test]
async fn idle_sockets_block_nobody() {
    let server = Server::with(MqttConfig {
        max_handshakes: 8,
        ..MqttConfig::default()
    })
    .await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = tellee_api::mqtt::websocket::routes(Arc::clone(&server.broker));
    let limits = HttpLimits {
        max_body: 1 << 20,
        max_connections: 64,
    };
    let stop = CancellationToken::new();
    let served = tokio::spawn(http::serve(
        listener,
        None,
        routes.into(),
        limits,
        None,
        stop.clone(),
    ));
    let open = async || {
        let mut request = format!("ws://{address}/mqtt")
            .into_client_request()
            .unwrap();
        let protocol = "mqtt".parse().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        in_time(tokio_tungstenite::connect_async(request))
            .await
            .unwrap()
            .0
    };
    let mut silent = Vec::new();
    for _ in 0..80 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut upgraded = Vec::new();
    for _ in 0..16 {
        upgraded.push(open().await);
    }
    // The oldest that were upgraded and never said CONNECT had to go.
    until(|| server.broker.metrics().handshakes_given_up.get() >= 8).await;
    let mut socket = open().await;
    let connect = Options::new(Level::V3, "ws")
        .connect(&server.thing.id.to_string(), server.thing.key.as_bytes());
    socket.send(Message::binary(connect)).await.unwrap();
    let answer = in_time(socket.next()).await.unwrap().unwrap();
    assert_eq!(answer.into_data()[..], [0x20, 2, 0, 0]);
    drop((silent, upgraded, socket));
    stop.cancel();
    in_time(served).await.unwrap();
}
