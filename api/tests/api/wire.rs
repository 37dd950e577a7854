//! What holds for all of REST: errors, methods, keys and who sees them.

use reqwest::Method;
use serde_json::json;

use super::node::{Node, Settings};

#[tokio::test]
async fn errors_are_json_everywhere() {
    let node = Node::start().await;
    let nowhere = node.admin.get("/no/such/path").await;
    assert_eq!(
        (nowhere.status, nowhere.code()),
        (404, "not_found".to_owned())
    );
    let method = node.admin.delete("/things").await;
    assert_eq!(
        (method.status, method.code()),
        (405, "method_not_allowed".to_owned())
    );
    assert_eq!(method.header("allow"), "POST,GET,HEAD");
    let options = node
        .admin
        .send(node.admin.request(Method::OPTIONS, "/things"))
        .await;
    assert_eq!(
        (options.status, options.header("allow")),
        (204, "POST,GET,HEAD")
    );
    let head = node
        .admin
        .send(node.admin.request(Method::HEAD, "/things"))
        .await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    let kind = node
        .admin
        .request(Method::POST, "/things")
        .header("content-type", "text/plain")
        .body("{}");
    let kind = node.admin.send(kind).await;
    assert_eq!(
        (kind.status, kind.code()),
        (415, "unsupported_media_type".to_owned())
    );
    for body in ["", "{", "[7]", "{\"name\": 7}", "\u{0}"] {
        let request = node
            .admin
            .request(Method::POST, "/things")
            .header("content-type", "application/json");
        let answer = node.admin.send(request.body(body)).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "invalid_input".to_owned()),
            "{body}"
        );
    }
    let large = vec![b' '; 10 * 1024 * 1024];
    let request = node
        .admin
        .request(Method::POST, "/things")
        .header("content-type", "application/json")
        .body(large);
    let large = node.admin.send(request).await;
    assert_eq!(
        (large.status, large.code()),
        (413, "body_too_large".to_owned())
    );
    for answer in [nowhere, method, kind, large] {
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(
            answer.json()["error"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
}

#[tokio::test]
async fn each_reading_of_keys_stands_on_the_audit_time_line() {
    let node = Node::start().await;
    let (pump, _) = node.admin.thing("pump").await;
    node.admin.thing("fan").await;
    node.admin.get("/things").await;
    node.settled().await;
    let query =
        "{ audit(first: 3) { nodes { entity id revision type note who changes { path } } } }";
    let audit = node.admin.data(query, json!({})).await;
    let nodes = audit["audit"]["nodes"].as_array().unwrap();
    assert_eq!(nodes[0]["type"], "thing.keys_revealed");
    assert_eq!(
        (&nodes[0]["entity"], &nodes[0]["note"]),
        (&json!("ORGANISATION"), &json!("the keys of 2 things"))
    );
    assert_eq!(nodes[0]["who"], "admin@plant.example");
    assert_eq!(nodes[0]["changes"], json!([]));
    // Reading a key is no new revision of the thing.
    let thing = "query($id: ID!) { thing(id: $id) { revision } history(entity: THING, id: $id) { nodes { type } } }";
    let thing = node.admin.data(thing, json!({ "id": pump })).await;
    assert_eq!(thing["thing"]["revision"], 1);
    assert_eq!(
        thing["history"]["nodes"],
        json!([{ "type": "thing.created" }])
    );
    assert!(
        node.platform
            .projections
            .skipped(10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn keys_stay_hidden_where_the_role_or_the_configuration_says_so() {
    let node = Node::start().await;
    let (pump, _) = node.admin.thing("pump").await;
    let viewer = node.colleague("viewer").await;
    assert_eq!(
        viewer.get(&format!("/things/{pump}")).await.json()["key"],
        ""
    );
    let hidden = Node::with(Settings {
        reveal_thing_keys: false,
        ..Settings::default()
    })
    .await;
    let id = hidden.admin.post("/things", &json!({})).await.made();
    assert_eq!(
        hidden.admin.get(&format!("/things/{id}")).await.json()["key"],
        ""
    );
}

#[tokio::test]
async fn adapters_ask_whose_key_it_is_and_where_it_opens() {
    let node = Node::start().await;
    let (pump, key) = node.admin.thing("pump").await;
    let (data, other) = (
        node.admin.channel("data").await,
        node.admin.channel("other").await,
    );
    node.admin.connect(&data, &pump).await;
    let anonymous = node.anonymous();
    assert_eq!(
        anonymous
            .post("/identify", &json!({ "token": key }))
            .await
            .json()["id"],
        pump.as_str()
    );
    assert_eq!(
        anonymous
            .post("/identify", &json!({ "token": "wrong" }))
            .await
            .status,
        401
    );
    let by_key = async |channel: &str| {
        anonymous
            .post(
                &format!("/identify/channels/{channel}/access-by-key"),
                &json!({ "token": key }),
            )
            .await
            .status
    };
    assert_eq!((by_key(&data).await, by_key(&other).await), (200, 403));
    let by_id = format!("/identify/channels/{data}/access-by-id");
    assert_eq!(
        anonymous
            .post(&by_id, &json!({ "thing_id": pump }))
            .await
            .status,
        401
    );
    assert_eq!(
        node.admin
            .post(&by_id, &json!({ "thing_id": pump }))
            .await
            .status,
        200
    );
}
