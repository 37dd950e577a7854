//! MQTT over WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use tellee_api::http::{self, HttpLimits};
use tellee_api::mqtt::MqttConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::raw::{Level, Options};
use super::support::{Server, in_time, until};

#[tokio::test]
async fn packets_cross_a_websocket_whatever_the_bounds_of_its_messages() {
    let server = Server::start().await;
    let address = serve(&server).await;
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

/// The routes on a port of their own.
async fn serve(server: &Server) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = tellee_api::mqtt::websocket::routes(Arc::clone(&server.broker));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    address
}

/// Opens a socket by hand and answers the head of the response.
async fn upgrade(address: SocketAddr, protocol: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /mqtt HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{protocol}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(in_time(stream.read_u8()).await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

/// A frame's head and its key, which is 0: payloads follow as they are.
fn head(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | 127];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

/// The server sends this close frame, and nothing more.
async fn expect_close(stream: &mut TcpStream, code: u16) -> String {
    let mut rest = Vec::new();
    in_time(stream.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest[0], 0x88, "{rest:x?}");
    assert_eq!(usize::from(rest[1]), rest.len() - 2);
    assert_eq!(rest[2..4], code.to_be_bytes(), "{rest:x?}");
    String::from_utf8(rest[4..].to_vec()).unwrap()
}

#[tokio::test]
async fn frames_that_cannot_be_taken_end_the_socket_with_the_code_that_says_why() {
    let config = MqttConfig {
        max_packet_bytes: 2_000,
        ..MqttConfig::default()
    };
    let server = Server::with(config).await;
    let address = serve(&server).await;
    let mut two_parts = head(2, 1_500);
    two_parts.extend(vec![0; 1_500]);
    two_parts.extend(head(0x80, 1_500));
    two_parts.extend(vec![0; 1_500]);
    let cases = [
        // One byte more than is taken; nothing of it has come yet.
        (head(0x82, 2_001), 1009),
        (head(0x82, u64::MAX >> 1), 1009),
        (two_parts, 1009),
        // No such kind of frame; text; text that is none.
        (head(0x83, 0), 1002),
        ([head(0x81, 2), b"hi".to_vec()].concat(), 1003),
        ([head(0x81, 1), vec![0xFF]].concat(), 1007),
    ];
    for (sent, code) in cases {
        let (mut stream, answer) = upgrade(address, "Sec-WebSocket-Protocol: mqtt\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        stream.write_all(&sent).await.unwrap();
        let reason = expect_close(&mut stream, code).await;
        assert!(!reason.is_empty());
        assert!(code != 1009 || reason.contains("2000"), "{reason}");
    }
    // A client that is signed in is told the same.
    let (mut stream, _) = upgrade(address, "Sec-WebSocket-Protocol: mqtt\r\n").await;
    let connect = Options::new(Level::V5, "ws")
        .connect(&server.thing.id.to_string(), server.thing.key.as_bytes());
    let frame = [head(0x82, connect.len() as u64), connect].concat();
    stream.write_all(&frame).await.unwrap();
    assert_eq!(in_time(stream.read_u8()).await.unwrap(), 0x82);
    let mut connack = vec![0; usize::from(in_time(stream.read_u8()).await.unwrap())];
    in_time(stream.read_exact(&mut connack)).await.unwrap();
    assert_eq!(connack[0], 0x20);
    stream.write_all(&head(0x82, 1 << 30)).await.unwrap();
    expect_close(&mut stream, 1009).await;
    until(|| server.broker.metrics().connected.get() == 0).await;
}

#[tokio::test]
async fn a_client_that_does_not_offer_mqtt_is_not_let_in() {
    let server = Server::start().await;
    let address = serve(&server).await;
    for protocol in ["", "Sec-WebSocket-Protocol: mqttv3.1\r\n"] {
        let (_, answer) = upgrade(address, protocol).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let protocols = "Sec-WebSocket-Protocol: mqttv3.1, mqtt\r\n";
    let (_, answer) = upgrade(address, protocols).await;
    assert!(
        answer.contains("sec-websocket-protocol: mqtt\r\n"),
        "{answer}"
    );
}
