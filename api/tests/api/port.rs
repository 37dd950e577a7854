//! The HTTP port under bad manners, and how it stops.

use std::net::SocketAddr;
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

/// What is written on one connection, in pieces, and all that comes back until it is closed.
pub async fn exchange(address: SocketAddr, request: &[u8], piece: usize) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    for piece in request.chunks(piece) {
        socket.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    in_time(socket.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    // The clock may tick between two answers.
    let lines = answer.split_inclusive("\r\n");
    lines.filter(|line| !line.starts_with("date: ")).collect()
}

/// An answer with the lines of its head in one order: theirs says nothing.
pub fn in_order(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, fields) = head.split_once("\r\n").unwrap();
    let mut fields: Vec<&str> = fields.split("\r\n").collect();
    fields.sort_unstable();
    format!("{status}\n{}\n\n{body}", fields.join("\n"))
}

const SENML: &str = "authorization: Thing KEY\r\ncontent-type: application/senml+json\r\n";

/// Publishes of all kinds: path, header fields, body, and the status that they are answered with.
pub const PUBLISHES: [(&str, &str, &str, &str); 15] = [
    ("/write?db=CHANNEL&u=THING&p=KEY", "", "m f=1 1\n", "204"),
    ("/write?db=CHANNEL&u=THING&p=KEY", "", "", "204"),
    ("/write?db=CHANNEL&u=THING&p=KEY", "", "m f= 1\n", "400"),
    ("/write?db=CHANNEL&u=THING&p=wrong", "", "m f=1 1\n", "401"),
    ("/write?db=nowhere&u=THING&p=KEY", "", "m f=1 1\n", "403"),
    ("/write?u=THING&p=KEY", "", "m f=1 1\n", "400"),
    (
        "/write?db=CHANNEL&u=THING&p=KEY&precision=d",
        "",
        "m f=1 1\n",
        "400",
    ),
    (
        "/write?db=CHANNEL&u=THING&p=KEY",
        "content-encoding: br\r\n",
        "m f=1 1\n",
        "415",
    ),
    (
        "/api/v2/write?bucket=CHANNEL",
        "authorization: Token KEY\r\n",
        "m f=1 1\n",
        "204",
    ),
    (
        "/api/v2/write?bucket=CHANNEL",
        "authorization: Token KEY\r\n",
        "m f\n",
        "400",
    ),
    ("/api/v2/write?bucket=CHANNEL", "", "m f=1 1\n", "401"),
    (
        "/channels/CHANNEL/messages",
        SENML,
        "[{\"n\":\"a\",\"t\":1,\"v\":1}]",
        "202",
    ),
    ("/channels/CHANNEL/messages", SENML, "[{\"n\":\"a\"", "400"),
    (
        "/channels/nowhere/messages",
        SENML,
        "[{\"n\":\"a\",\"t\":1,\"v\":1}]",
        "403",
    ),
    (
        "/channels/CHANNEL/messages",
        "authorization: Thing KEY\r\n",
        "[]",
        "415",
    ),
];

/// The same request twice: with a declared length it comes by the shorter way, in chunks by the routes.
#[tokio::test]
async fn the_shorter_ways_answer_as_the_routes() {
    let node = Node::start().await;
    let (thing, key) = node.admin.thing("pump").await;
    let channel = node.admin.channel("data").await;
    node.admin.connect(&channel, &thing).await;
    for (path, headers, body, status) in PUBLISHES {
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}");
        let head = head
            .replace("CHANNEL", &channel)
            .replace("THING", &thing)
            .replace("KEY", &key);
        let declared = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        let chunk = match body.len() {
            0 => String::new(),
            length => format!("{length:x}\r\n{body}\r\n"),
        };
        let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n");
        let by_routes = exchange(node.address, chunked.as_bytes(), usize::MAX).await;
        assert!(
            by_routes.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {by_routes}"
        );
        // A refusal may come before the last piece, and the pieces after it find the connection closed.
        let pieces: &[usize] = match status {
            "202" | "204" => &[usize::MAX, 7],
            _ => &[usize::MAX],
        };
        for &piece in pieces {
            let short = exchange(node.address, declared.as_bytes(), piece).await;
            assert_eq!(
                in_order(&short),
                in_order(&by_routes),
                "{path} {body:?} in pieces of {piece}"
            );
        }
    }
}

#[tokio::test]
async fn requests_of_all_ways_are_answered_in_order_on_one_connection() {
    for rings in [false, true] {
        let node = Node::with(Settings {
            rings,
            ..Settings::default()
        })
        .await;
        answers_come_in_order(&node).await;
    }
}

async fn answers_come_in_order(node: &Node) {
    let (thing, key) = node.admin.thing("pump").await;
    let channel = node.admin.channel("data").await;
    node.admin.connect(&channel, &thing).await;
    let line = "m f=1 1\n";
    let write = format!(
        "POST /write?db={channel}&u={thing}&p={key} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{line}",
        line.len()
    );
    let senml = r#"[{"n":"a","t":1,"v":1}]"#;
    let publish = format!(
        "POST /channels/{channel}/messages HTTP/1.1\r\nhost: x\r\nauthorization: Thing {key}\r\n\
         content-type: application/senml+json\r\ncontent-length: {}\r\n\r\n{senml}",
        senml.len()
    );
    let version = "GET /version HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = "GET /none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let all = [&write, &publish, version, &write, &publish, last].concat();
    for piece in [usize::MAX, 64, 11] {
        let answers = exchange(node.address, all.as_bytes(), piece).await;
        let statuses: Vec<&str> = answers
            .split("HTTP/1.1 ")
            .skip(1)
            .map(|answer| &answer[..3])
            .collect();
        assert_eq!(
            statuses,
            ["204", "202", "200", "204", "202", "404"],
            "{answers}"
        );
    }
}
