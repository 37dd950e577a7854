//! The HTTP port under bad manners, and how it stops.

use std::time::Duration;

use serde_json::json;
use tellee_api::http::HttpLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::node::{Node, Settings, in_time};

async fn with_connections(most: usize) -> Node {
    let limits = HttpLimits {
        max_connections: most,
        ..Settings::default().limits
    };
    Node::with(Settings {
        limits,
        ..Settings::default()
    })
    .await
}

#[tokio::test]
async fn two_thousand_silent_sockets_harm_nobody() {
    let node = with_connections(500).await;
    let mut silent = Vec::new();
    for _ in 0..2_000 {
        silent.push(in_time(TcpStream::connect(node.address)).await.unwrap());
    }
    for _ in 0..20 {
        let client = super::client::Session::anonymous(node.address);
        assert_eq!(client.get("/health").await.status, 200);
    }
    // Those that came first made room.
    let mut first = silent.swap_remove(0);
    assert_eq!(in_time(first.read(&mut [0])).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_connection_is_kept_for_further_requests() {
    let node = Node::start().await;
    let mut socket = TcpStream::connect(node.address).await.unwrap();
    for _ in 0..3 {
        socket
            .write_all(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = vec![0; 4_096];
        let count = in_time(socket.read(&mut answer)).await.unwrap();
        assert!(answer[..count].starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_large_body_that_asks_first_is_refused_unsent() {
    let node = Node::start().await;
    let mut socket = TcpStream::connect(node.address).await.unwrap();
    let head = "POST /things HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999\r\n\
        expect: 100-continue\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    in_time(socket.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("\"code\":\"body_too_large\""), "{answer}");
}

#[tokio::test]
async fn a_body_that_asks_first_and_is_welcome_is_asked_for() {
    let node = Node::start().await;
    let mut socket = TcpStream::connect(node.address).await.unwrap();
    let body = b"{\"name\":\"pump\"}";
    let head = format!(
        "POST /things HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
        node.admin.token,
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    in_time(socket.read_exact(&mut interim)).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(body).await.unwrap();
    let mut answer = String::new();
    in_time(socket.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[tokio::test]
async fn garbage_is_answered_and_the_port_lives_on() {
    let node = Node::start().await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        &[b'a'; 100_000],
    ] {
        let mut socket = TcpStream::connect(node.address).await.unwrap();
        let _ = socket.write_all(garbage).await;
        let _ = socket.shutdown().await;
        let mut answer = Vec::new();
        let _ = in_time(socket.read_to_end(&mut answer)).await;
    }
    assert_eq!(node.admin.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_stop_tells_open_sockets_and_waits_for_no_silent_one() {
    let node = Node::start().await;
    let mut socket = node.admin.socket().await;
    socket
        .subscribe("1", "subscription { alarmChanges { cursor } }", json!({}))
        .await;
    socket.data().await;
    let mut silent = TcpStream::connect(node.address).await.unwrap();
    let mut half = TcpStream::connect(node.address).await.unwrap();
    half.write_all(b"GET /health HT").await.unwrap();
    node.begin_stop();
    assert_eq!(socket.close_code().await, 1001);
    tokio::time::timeout(Duration::from_secs(10), node.stop())
        .await
        .expect("the stop is bounded");
    assert_eq!(in_time(silent.read(&mut [0])).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn metrics_show_every_house_and_no_path_of_a_client() {
    let node = Node::start().await;
    let (pump, key) = node.admin.thing("pump").await;
    let channel = node.admin.channel("data").await;
    node.admin.connect(&channel, &pump).await;
    node.admin
        .publish(
            &channel,
            &key,
            &json!([{ "n": "a", "v": 1 }, { "n": "b", "v": 1 }]),
        )
        .await;
    node.admin.get("/things/no-id-of-mine").await;
    node.admin.get("/made/up/path").await;
    let metrics = node.anonymous().get("/metrics").await;
    assert_eq!(metrics.status, 200);
    for line in [
        "tellee_http_requests_total{method=\"POST\",route=\"/things\",status=\"201\"} 1",
        "tellee_http_requests_total{method=\"GET\",route=\"/things/{id}\",status=\"404\"} 1",
        "tellee_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1",
        "tellee_http_requests_in_flight 1",
        "tellee_records_stored_total{protocol=\"http\"} 2",
        "tellee_telemetry_series 2",
        "tellee_projections_lag 0",
        "tellee_mqtt_connected 0",
    ] {
        assert!(
            metrics.text.contains(line),
            "`{line}` is missing in\n{}",
            metrics.text
        );
    }
    assert!(!metrics.text.contains("no-id-of-mine") && !metrics.text.contains("made/up"));
    let forwarded = node.anonymous();
    let request = forwarded
        .request(reqwest::Method::GET, "/metrics")
        .header("x-forwarded-for", "10.0.0.1");
    assert_eq!(forwarded.send(request).await.status, 401);
}
