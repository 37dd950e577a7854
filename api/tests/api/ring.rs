//! Publishes that `io_uring` serves.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::node::{Node, Settings, in_time};
use super::port::{PUBLISHES, exchange, in_order};

/// A node, and a thing and its key on a channel.
struct Bench {
    node: Node,
    thing: String,
    key: String,
    channel: String,
}

impl Bench {
    async fn with(settings: Settings) -> Self {
        let node = Node::with(Settings {
            rings: true,
            ..settings
        })
        .await;
        let (thing, key) = node.admin.thing("pump").await;
        let channel = node.admin.channel("data").await;
        node.admin.connect(&channel, &thing).await;
        Self {
            node,
            thing,
            key,
            channel,
        }
    }

    async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    fn request(&self, path: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
        .replace("CHANNEL", &self.channel)
        .replace("THING", &self.thing)
        .replace("KEY", &self.key)
    }

    fn line(&self, line: &str) -> String {
        self.request("/write?db=CHANNEL&u=THING&p=KEY", "", line)
    }

    async fn stored(&self) -> u64 {
        let path = format!("/channels/{}/messages?limit=1", self.channel);
        self.node.admin.get(&path).await.json()["total"]
            .as_u64()
            .unwrap()
    }

    async fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.node.address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    }
}

/// The next answer, which has no body.
async fn status(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(in_time(socket.read_u8()).await.unwrap());
    }
    String::from_utf8_lossy(&answer)[9..12].to_owned()
}

const LAST: &str = "GET /none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// The first of several answers, without what says whether the connection goes on.
fn first(answers: &str) -> String {
    let (head, rest) = answers.split_once("\r\n\r\n").unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    in_order(&format!("{head}\r\n\r\n{}", &rest[..length])).replace("connection: close\n", "")
}

#[tokio::test]
async fn a_ring_answers_as_the_routes() {
    let bench = Bench::start().await;
    for (path, headers, body, status) in PUBLISHES {
        let alone = format!("connection: close\r\n{headers}");
        let by_port = bench.request(path, &alone, body);
        let by_port = exchange(bench.node.address, by_port.as_bytes(), usize::MAX).await;
        assert!(
            by_port.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {by_port}"
        );
        let stays = bench.request(path, headers, body) + LAST;
        // A refusal may come before the last piece, and the pieces after it find the connection closed.
        let pieces: &[usize] = match status {
            "202" | "204" => &[usize::MAX, 7],
            _ => &[usize::MAX],
        };
        for &piece in pieces {
            let by_ring = exchange(bench.node.address, stays.as_bytes(), piece).await;
            assert_eq!(
                first(&by_ring),
                first(&by_port),
                "{path} {body:?} in pieces of {piece}"
            );
        }
    }
    // Answers alone do not say who gave them. The compressed body is not for a ring.
    if let Some(rings) = &bench.node.rings {
        assert!(rings.connections() >= PUBLISHES.len() - 1);
    }
}

#[tokio::test]
async fn many_connections_publish_at_once_and_every_answered_sample_is_kept() {
    let bench = Bench::start().await;
    let mut sockets = Vec::new();
    for _ in 0..40 {
        sockets.push(bench.connect().await);
    }
    for round in 0..10 {
        for (number, socket) in sockets.iter_mut().enumerate() {
            let line = bench.line(&format!("m{number} f=1 {}\n", round + 1));
            socket.write_all(line.as_bytes()).await.unwrap();
        }
        for socket in &mut sockets {
            assert_eq!(status(socket).await, "204");
        }
    }
    assert_eq!(bench.stored().await, 400);
}

#[tokio::test]
async fn a_body_that_comes_in_parts_or_is_larger_than_a_ring_takes_is_kept() {
    let bench = Bench::start().await;
    let mut socket = bench.connect().await;
    let lines = |count: usize| {
        (1..=count)
            .map(|at| format!("m f=1 {at}\n"))
            .collect::<String>()
    };
    for (count, split) in [(3, 20), (500, 900), (6_000, 4_000), (9_000, 1)] {
        let request = bench.line(&lines(count));
        let (begin, end) = request.as_bytes().split_at(request.len() - split);
        socket.write_all(begin).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        socket.write_all(end).await.unwrap();
        assert_eq!(status(&mut socket).await, "204", "{count} lines");
    }
    assert_eq!(bench.stored().await, 9_000);
}

#[tokio::test]
async fn a_client_that_ends_early_leaves_nothing_and_its_place_is_free() {
    let limits = tellee_api::http::HttpLimits {
        max_connections: 4,
        ..Settings::default().limits
    };
    let bench = Bench::with(Settings {
        limits,
        ..Settings::default()
    })
    .await;
    let request = bench.line("m f=1 1\n");
    for end in [request.len() - 1, request.len() - 8, 40, 3, 1] {
        for _ in 0..4 {
            let mut socket = bench.connect().await;
            socket.write_all(request.as_bytes()).await.unwrap();
            assert_eq!(status(&mut socket).await, "204");
            socket.write_all(&request.as_bytes()[..end]).await.unwrap();
        }
    }
    assert_eq!(bench.stored().await, 1);
}

#[tokio::test]
async fn a_stop_answers_what_was_taken_and_ends_silent_publishers() {
    let bench = Bench::start().await;
    let mut silent = bench.connect().await;
    let mut half = bench.connect().await;
    let request = bench.line("m f=1 1\n");
    for socket in [&mut silent, &mut half] {
        socket.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(status(socket).await, "204");
    }
    half.write_all(&request.as_bytes()[..30]).await.unwrap();
    bench.node.begin_stop();
    for socket in [&mut silent, &mut half] {
        assert_eq!(in_time(socket.read(&mut [0])).await.unwrap_or(0), 0);
    }
    tokio::time::timeout(Duration::from_secs(10), bench.node.stop())
        .await
        .expect("the stop is bounded");
}

#[tokio::test]
async fn garbage_after_a_publish_is_answered_and_the_port_lives_on() {
    let bench = Bench::start().await;
    let publish = bench.line("m f=1 1\n");
    for garbage in [
        "GET\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "POST /write HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    ] {
        let request = format!("{publish}{garbage}");
        let answers = exchange(bench.node.address, request.as_bytes(), usize::MAX).await;
        assert!(answers.starts_with("HTTP/1.1 204"), "{answers}");
        assert!(answers.contains("HTTP/1.1 400"), "{garbage:?}: {answers}");
    }
    assert_eq!(bench.node.admin.get("/health").await.status, 200);
}
