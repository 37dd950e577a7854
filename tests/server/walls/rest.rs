//! The routes of REST, tried by a stranger.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::{plant, routes, shows, two_organisations};
use crate::client::Client;
use crate::harness::Server;

#[tokio::test]
async fn no_rest_route_opens_to_another_organisation() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (owner, stranger) = two_organisations(&server).await;
    let owned = plant(&owner).await;
    let before = owned.snapshot(&owner).await;
    let (thing, channel, device) = (&owned.thing.id, &owned.channel, &owned.device);
    let own = stranger.create_thing("own").await;
    let own_channel = stranger.create_channel("own").await;
    let both =
        |channel: &str, thing: &str| json!({ "channel_ids": [channel], "thing_ids": [thing] });
    use Method as M;
    // Route, method, path, body; all must be refused.
    let refused: Vec<(&str, Method, String, Value)> = vec![
        (
            "/users/{id}",
            M::GET,
            format!("/users/{}", owned.user),
            Value::Null,
        ),
        (
            "/things/{id}",
            M::GET,
            format!("/things/{thing}"),
            Value::Null,
        ),
        (
            "/things/{id}",
            M::PUT,
            format!("/things/{thing}"),
            json!({ "name": "taken" }),
        ),
        (
            "/things/{id}/key",
            M::PATCH,
            format!("/things/{thing}/key"),
            json!({ "key": "taken-key-taken-key" }),
        ),
        (
            "/things/{id}/channels",
            M::GET,
            format!("/things/{thing}/channels"),
            Value::Null,
        ),
        (
            "/channels/{channel}",
            M::GET,
            format!("/channels/{channel}"),
            Value::Null,
        ),
        (
            "/channels/{channel}",
            M::PUT,
            format!("/channels/{channel}"),
            json!({ "name": "taken" }),
        ),
        (
            "/channels/{channel}/things",
            M::GET,
            format!("/channels/{channel}/things"),
            Value::Null,
        ),
        (
            "/channels/{channel}/things/{thing}",
            M::PUT,
            format!("/channels/{channel}/things/{}", own.id),
            json!({}),
        ),
        (
            "/channels/{channel}/things/{thing}",
            M::PUT,
            format!("/channels/{own_channel}/things/{thing}"),
            json!({}),
        ),
        (
            "/channels/{channel}/things/{thing}",
            M::DELETE,
            format!("/channels/{channel}/things/{thing}"),
            Value::Null,
        ),
        (
            "/connect",
            M::POST,
            "/connect".to_owned(),
            both(channel, &own.id),
        ),
        (
            "/connect",
            M::POST,
            "/connect".to_owned(),
            both(&own_channel, thing),
        ),
        (
            "/disconnect",
            M::PUT,
            "/disconnect".to_owned(),
            both(channel, thing),
        ),
        (
            "/things/configs",
            M::POST,
            "/things/configs".to_owned(),
            json!({ "external_id": "x", "external_key": "k", "thing_id": thing }),
        ),
        (
            "/things/configs",
            M::POST,
            "/things/configs".to_owned(),
            json!({ "external_id": "y", "external_key": "k", "channels": [channel] }),
        ),
        (
            "/things/configs/{id}",
            M::GET,
            format!("/things/configs/{device}"),
            Value::Null,
        ),
        (
            "/things/configs/{id}",
            M::PUT,
            format!("/things/configs/{device}"),
            json!({ "name": "taken", "content": "taken" }),
        ),
        (
            "/things/configs/connections/{id}",
            M::PUT,
            format!("/things/configs/connections/{device}"),
            json!({ "channels": [] }),
        ),
        (
            "/things/configs/certs/{id}",
            M::PATCH,
            format!("/things/configs/certs/{device}"),
            json!({ "client_cert": "taken" }),
        ),
        (
            "/things/state/{id}",
            M::PUT,
            format!("/things/state/{device}"),
            json!({ "state": 1 }),
        ),
        (
            "/channels/{channel}/messages",
            M::GET,
            format!("/channels/{channel}/messages"),
            Value::Null,
        ),
        (
            "/channels/{channel}/messages",
            M::POST,
            format!("/channels/{channel}/messages"),
            json!([{ "n": "a", "v": 1 }]),
        ),
        (
            "/channels/{channel}/messages/",
            M::GET,
            format!("/channels/{channel}/messages/"),
            Value::Null,
        ),
        (
            "/channels/{channel}/messages/",
            M::POST,
            format!("/channels/{channel}/messages/"),
            json!([{ "n": "a", "v": 1 }]),
        ),
        (
            "/channels/{channel}/messages/{*subtopic}",
            M::POST,
            format!("/channels/{channel}/messages/a"),
            json!([{ "n": "a", "v": 1 }]),
        ),
        (
            "/channels/{channel}/access-by-id",
            M::POST,
            format!("/channels/{channel}/access-by-id"),
            json!({ "thing_id": own.id }),
        ),
        (
            "/identify/channels/{channel}/access-by-id",
            M::POST,
            format!("/identify/channels/{channel}/access-by-id"),
            json!({ "thing_id": own.id }),
        ),
        (
            "/channels/{channel}/access-by-key",
            M::POST,
            format!("/channels/{channel}/access-by-key"),
            json!({ "token": own.key }),
        ),
        (
            "/identify/channels/{channel}/access-by-key",
            M::POST,
            format!("/identify/channels/{channel}/access-by-key"),
            json!({ "token": own.key }),
        ),
        (
            "/write",
            M::POST,
            format!("/write?db={channel}&thing={thing}"),
            json!("m f=1"),
        ),
        (
            "/api/v2/write",
            M::POST,
            format!("/api/v2/write?bucket={channel}&org={thing}"),
            json!("m f=1"),
        ),
    ];
    // A removal answers 204 for what is not there; that it removed nothing is seen below.
    let harmless = [
        format!("/things/{thing}"),
        format!("/channels/{channel}"),
        format!("/things/configs/{device}"),
    ];
    // Lists and pages that show the caller's own only.
    let own_only = [
        "/users",
        "/users/profile",
        "/things",
        "/channels",
        "/things/configs",
        "/things/unknown/configs",
        "/ui/session",
    ];
    // No organisation's data behind them, or a credential of its own in the request.
    let open = [
        "/password",
        "/tokens",
        "/setup",
        "/ui/setup",
        "/health",
        "/version",
        "/metrics",
        "/identify",
        "/things/bulk",
        "/channels/bulk",
        "/things/search",
        "/things/bootstrap/{external_id}",
        "/query",
        "/ping",
    ];
    let covered: BTreeSet<String> = refused
        .iter()
        .map(|(route, ..)| (*route).to_owned())
        .chain(
            own_only
                .iter()
                .chain(open.iter())
                .map(|route| (*route).to_owned()),
        )
        .collect();
    let missing: Vec<_> = routes().difference(&covered).cloned().collect();
    assert!(missing.is_empty(), "routes without a case: {missing:?}");

    for (_, method, path, body) in refused {
        let request = stranger.request(method.clone(), &path);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        let answer = Client::send(request).await;
        let is_refused = [400, 401, 403, 404].contains(&answer.status);
        assert!(
            is_refused,
            "{method} {path}: {} {}",
            answer.status, answer.text
        );
        // As the stranger's thing.
        if path.contains("/messages") || path.contains("/write") {
            let client = stranger.as_who(&format!("Thing {}", own.key));
            let answer = Client::send(client.request(method.clone(), &path).json(&body)).await;
            assert!(
                [401, 403].contains(&answer.status),
                "{method} {path} as a thing: {}",
                answer.status
            );
        }
    }
    for path in harmless {
        stranger.delete(&path).await;
    }
    for path in own_only {
        let text = stranger.get(&format!("{path}?limit=100")).await.text;
        for id in owned.ids() {
            assert!(!shows(&text, id), "{path} shows `{id}`: {text}");
        }
    }
    let found = stranger
        .post("/things/search", &json!({ "name": "secret" }))
        .await
        .expect(200)
        .json();
    assert_eq!(found["total"], json!(0));
    assert_eq!(
        owned.snapshot(&owner).await,
        before,
        "a stranger changed something"
    );
}
