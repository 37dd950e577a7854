//! graphql-transport-ws over real sockets: who gets in, and how long they stay.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::{self, Message};

use super::client::{Frame, Socket};
use super::node::{Node, Settings, in_time};

const CHANGES: &str = "subscription { alarmChanges { cursor kind } }";

async fn with_sockets(change: impl FnOnce(&mut tellee_api::graphql::SocketLimits)) -> Node {
    let mut settings = Settings::default();
    change(&mut settings.sockets);
    Node::with(settings).await
}

#[tokio::test]
async fn only_a_valid_token_opens_a_socket() {
    let node = Node::start().await;
    for token in ["", "a.b.c", "no token"] {
        let mut socket = node.admin.open().await;
        socket.init(token).await;
        assert_eq!(
            socket.next().await,
            Frame::Closed(4403, "unauthenticated".to_owned())
        );
    }
    let mut socket = node.admin.open().await;
    socket.send(&json!({ "type": "connection_init" })).await;
    assert_eq!(socket.close_code().await, 4403);
    let mut socket = node.admin.open().await;
    socket.subscribe("1", CHANGES, json!({})).await;
    assert_eq!(socket.close_code().await, 4401);
    let mut socket = node.admin.socket().await;
    socket.0.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(socket.close_code().await, 4400);
}

#[tokio::test]
async fn a_page_of_another_origin_opens_no_socket() {
    let node = Node::start().await;
    let own = format!("http://{}", node.address);
    for origin in [own.as_str(), "https://desk.example"] {
        assert!(
            Socket::connect(node.address, Some(origin)).await.is_ok(),
            "{origin}"
        );
    }
    match Socket::connect(node.address, Some("https://evil.example")).await {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 403),
        _ => panic!("it opened"),
    }
}

#[tokio::test]
async fn queries_run_on_a_socket_too_and_errors_carry_their_code() {
    let node = Node::start().await;
    let mut socket = node.admin.socket().await;
    socket.send(&json!({ "type": "ping" })).await;
    assert_eq!(socket.next().await, Frame::Json(json!({ "type": "pong" })));
    socket.subscribe("q", "{ me { email } }", json!({})).await;
    assert_eq!(socket.data().await["me"]["email"], "admin@plant.example");
    assert_eq!(
        socket.next().await,
        Frame::Json(json!({ "type": "complete", "id": "q" }))
    );
    for (query, code) in [
        ("{ nothing }", "invalid_input"),
        (
            "subscription { telemetry(series: []) { i } }",
            "invalid_input",
        ),
        (
            "subscription { telemetry(series: [\"99\"]) { i } }",
            "invalid_input",
        ),
        (
            "subscription { telemetry(series: [\"1\"], maxHz: 100) { i } }",
            "invalid_input",
        ),
        (
            "subscription { alarmChanges(after: \"x\") { cursor } }",
            "invalid_input",
        ),
    ] {
        socket.subscribe("e", query, json!({})).await;
        let Frame::Json(frame) = socket.next().await else {
            panic!("{query}")
        };
        assert_eq!(frame["type"], "error", "{frame}");
        assert_eq!(frame["payload"][0]["extensions"]["code"], code, "{frame}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_offer_the_protocol_is_told_so() {
    let node = Node::start().await;
    let url = format!("ws://{}/graphql", node.address);
    let (socket, _) = in_time(tokio_tungstenite::connect_async(url))
        .await
        .unwrap();
    assert_eq!(
        Socket(socket).next().await,
        Frame::Closed(4406, "subprotocol not acceptable".to_owned())
    );
}

#[tokio::test]
async fn a_mutation_by_a_viewer_is_refused_on_a_socket() {
    let node = Node::start().await;
    let viewer = node.colleague("viewer").await;
    let mut socket = viewer.socket().await;
    let query =
        "mutation { createThing(input: { idempotencyKey: \"1\", name: \"x\" }) { revision } }";
    socket.subscribe("m", query, json!({})).await;
    let Frame::Json(frame) = socket.next().await else {
        panic!("closed")
    };
    assert_eq!(
        (&frame["type"], &frame["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!("forbidden"))
    );
    assert_eq!(node.admin.get("/things").await.json()["total"], 0);
}

#[tokio::test]
async fn an_expired_token_ends_its_socket() {
    let node = Node::start().await;
    let mut socket = node.admin.socket().await;
    socket.subscribe("1", CHANGES, json!({})).await;
    assert_eq!(socket.data().await["alarmChanges"]["kind"], "SNAPSHOT");
    node.clock.advance(Duration::from_secs(3_600));
    assert_eq!(socket.close_code().await, 4403);
}

#[tokio::test]
async fn a_user_who_is_disabled_or_gets_another_role_loses_the_socket() {
    let node = Node::start().await;
    for mutation in [
        "mutation($id: ID!) { disableUser(input: { idempotencyKey: \"d\", id: $id }) { revision } }",
        "mutation($id: ID!) { changeUserRole(input: { idempotencyKey: \"r\", id: $id, role: OPERATOR }) { revision } }",
    ] {
        let role = if mutation.contains("disable") {
            "viewer"
        } else {
            "engineer"
        };
        let user = node.colleague(role).await;
        let mut socket = user.socket().await;
        socket.subscribe("1", CHANGES, json!({})).await;
        assert_eq!(socket.data().await["alarmChanges"]["kind"], "SNAPSHOT");
        let id = user.get("/users/profile").await.json()["id"].clone();
        node.admin.data(mutation, json!({ "id": id })).await;
        assert_eq!(socket.close_code().await, 4403, "{mutation}");
    }
}

#[tokio::test]
async fn subscriptions_of_a_socket_and_sockets_of_a_user_are_counted() {
    let node = with_sockets(|limits| {
        limits.subscriptions_per_socket = 2;
        limits.sockets_per_user = 2;
    })
    .await;
    let mut first = node.admin.socket().await;
    let _second = node.admin.socket().await;
    let mut third = node.admin.open().await;
    third.init(&node.admin.token).await;
    assert_eq!(third.close_code().await, 4429);
    for id in ["1", "2"] {
        first.subscribe(id, CHANGES, json!({})).await;
        first.data().await;
    }
    first.send(&json!({ "type": "complete", "id": "2" })).await;
    first.subscribe("2", CHANGES, json!({})).await;
    first.data().await;
    first.subscribe("3", CHANGES, json!({})).await;
    assert_eq!(first.close_code().await, 4429);
    drop(first);
    // The seat of a closed socket is free again.
    in_time(Box::pin(async {
        loop {
            let mut again = node.admin.open().await;
            again.init(&node.admin.token).await;
            if again.next().await == Frame::Json(json!({ "type": "connection_ack" })) {
                break;
            }
        }
    }))
    .await;
}

#[tokio::test]
async fn who_says_nothing_at_all_is_closed() {
    let node = with_sockets(|limits| limits.init_timeout = Duration::from_millis(200)).await;
    let mut socket = node.admin.open().await;
    assert_eq!(socket.close_code().await, 4408);
}

#[tokio::test]
async fn a_quiet_peer_that_answers_pings_stays_and_one_that_does_not_goes() {
    let node = with_sockets(|limits| limits.silence = Duration::from_millis(600)).await;
    let mut answering = node.admin.socket().await;
    // Reading answers pings.
    let mut pings = 0;
    while pings < 6 {
        match in_time(answering.0.next()).await {
            Some(Ok(Message::Ping(_))) => pings += 1,
            other => panic!("{other:?}"),
        }
    }
    let mute = node.admin.socket().await;
    let code = in_time(async {
        loop {
            if let Some(code) = mute.waiting_close_code().await {
                break code;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(code.await, 4408);
}

#[tokio::test]
async fn an_oversize_frame_ends_the_socket_and_nobody_else() {
    let node = Node::start().await;
    let mut other = node.admin.socket().await;
    let mut socket = node.admin.socket().await;
    let _ = socket.0.send(Message::text(" ".repeat(70 * 1024))).await;
    assert!(matches!(
        socket.next().await,
        Frame::Closed(..) | Frame::Gone
    ));
    other.subscribe("q", "{ me { id } }", json!({})).await;
    other.data().await;
}

#[tokio::test]
async fn get_without_an_upgrade_is_told_what_to_do() {
    let node = Node::start().await;
    let answer = node
        .admin
        .send(node.admin.request(Method::GET, "/graphql?query={me{id}}"))
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, "invalid_input".to_owned())
    );
}

#[tokio::test]
async fn frames_that_cannot_be_taken_end_the_socket_with_the_code_that_says_why() {
    let node = Node::start().await;
    // Their key is 0: payloads follow as they are.
    let head = |first: u8, length: u64| {
        let length = length.to_be_bytes();
        [&[first, 0x80 | 127], &length[..], &[0; 4]].concat()
    };
    let most = 64 * 1024;
    let half = vec![b' '; 32_769];
    let halves = [head(1, 32_769), half.clone(), head(0x80, 32_769), half].concat();
    let cases = [
        (head(0x81, most + 1), 1009),
        (halves, 1009),
        (head(0x83, 0), 1002),
        ([head(0x81, 1), vec![0xFF]].concat(), 1007),
    ];
    for (sent, wanted) in cases {
        let mut socket = node.admin.socket().await;
        socket.subscribe("1", CHANGES, json!({})).await;
        socket.data().await;
        socket.0.get_mut().write_all(&sent).await.unwrap();
        let Frame::Closed(code, reason) = socket.next().await else {
            panic!("{wanted}: no close frame")
        };
        assert_eq!(code, wanted, "{reason}");
        assert!(code != 1009 || reason.contains("65536"), "{reason}");
    }
}
