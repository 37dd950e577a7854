//! Bootstrap configs and the devices that fetch them.

use serde_json::json;

use super::client::{Answer, Session};
use super::node::Node;

async fn ask(node: &Node, external_id: &str, authorization: &str) -> Answer {
    let device = Session {
        token: authorization.to_owned(),
        ..node.admin.clone()
    };
    device
        .get(&format!("/things/bootstrap/{external_id}"))
        .await
}

#[tokio::test]
async fn a_device_is_registered_whitelisted_and_fetches_its_config() {
    let node = Node::start().await;
    let admin = &node.admin;
    let (control, data) = (
        admin
            .post(
                "/channels",
                &json!({ "name": "control", "metadata": { "type": "control" } }),
            )
            .await
            .made(),
        admin
            .post(
                "/channels",
                &json!({ "name": "data", "metadata": { "type": "data" } }),
            )
            .await
            .made(),
    );
    let body = json!({
        "external_id": "00:1B:44:11:3A:B7", "external_key": "s3cret", "name": "gateway",
        "content": "{\"agent\":{}}", "channels": [control, data], "client_key": "PRIVATE",
    });
    let made = admin.post("/things/configs", &body).await;
    assert!(made.header("location").starts_with("/things/configs/"));
    let id = made.made();
    let config = format!("/things/configs/{id}");
    let view = admin.get(&config).await.json();
    assert_eq!(
        (view["state"].as_u64(), view["mainflux_id"].as_str()),
        (Some(0), Some(id.as_str()))
    );
    assert_eq!(view["mainflux_channels"].as_array().unwrap().len(), 2);
    assert!(view.get("external_key").is_none(), "{view}");

    // Case and separators of a MAC address do not matter.
    for (external_id, form) in [
        ("00:1B:44:11:3A:B7", "s3cret"),
        ("00-1b-44-11-3a-b7", "Thing s3cret"),
    ] {
        let found = ask(&node, external_id, form).await;
        assert_eq!(found.status, 200, "{found:?}");
        let found = found.json();
        assert_eq!(found["mainflux_id"], id.as_str());
        assert_eq!(
            (&found["content"], &found["client_key"]),
            (&json!("{\"agent\":{}}"), &json!("PRIVATE"))
        );
        assert_eq!(found["mainflux_channels"][0]["metadata"]["type"], "control");
        let key = found["mainflux_key"].as_str().unwrap();
        assert_eq!(
            admin
                .publish(&data, key, &json!([{ "n": "a", "v": 1 }]))
                .await
                .status,
            403,
            "not active yet"
        );
    }
    let key = ask(&node, "00:1B:44:11:3A:B7", "s3cret").await.json()["mainflux_key"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        admin
            .put(&format!("/things/state/{id}"), &json!({ "state": 1 }))
            .await
            .status,
        200
    );
    assert_eq!(
        admin
            .publish(&data, &key, &json!([{ "n": "a", "v": 1 }]))
            .await
            .status,
        202
    );
    assert_eq!(
        admin
            .put(&format!("/things/state/{id}"), &json!({ "state": 0 }))
            .await
            .status,
        200
    );
    assert_eq!(
        admin
            .publish(&data, &key, &json!([{ "n": "a", "v": 1 }]))
            .await
            .status,
        403
    );
    assert_eq!(
        admin
            .put(&format!("/things/state/{id}"), &json!({ "state": 2 }))
            .await
            .status,
        400
    );

    // Disconnecting any of its channels makes it inactive again.
    admin
        .put(&format!("/things/state/{id}"), &json!({ "state": 1 }))
        .await;
    admin
        .put(
            "/disconnect",
            &json!({ "channel_ids": [data], "thing_ids": [id] }),
        )
        .await;
    assert_eq!(admin.get(&config).await.json()["state"], 0);

    assert_eq!(
        admin
            .put(&config, &json!({ "name": "g2", "content": "new" }))
            .await
            .status,
        200
    );
    let path = format!("/things/configs/connections/{id}");
    assert_eq!(
        admin
            .put(&path, &json!({ "channels": [data] }))
            .await
            .status,
        200
    );
    let certs = json!({ "client_cert": "c", "client_key": "k", "ca_cert": "a" });
    assert_eq!(
        admin
            .patch(&format!("/things/configs/certs/{id}"), &certs)
            .await
            .status,
        200
    );
    let found = ask(&node, "00:1B:44:11:3A:B7", "s3cret").await.json();
    assert_eq!(
        (&found["content"], &found["client_key"], &found["ca_cert"]),
        (&json!("new"), &json!("k"), &json!("a"))
    );
    assert_eq!(found["mainflux_channels"].as_array().unwrap().len(), 1);

    let page = admin
        .get("/things/configs?limit=500&name=G2&state=0")
        .await
        .json();
    assert_eq!(
        (page["total"].as_u64(), page["limit"].as_u64()),
        (Some(1), Some(100))
    );
    assert!(page["configs"][0].get("mainflux_channels").is_none());
    assert_eq!(
        admin
            .get(&format!("/things/configs?mainflux_key={key}"))
            .await
            .json()["total"],
        1
    );
    assert_eq!(admin.delete(&config).await.status, 204);
    assert_eq!(admin.delete(&config).await.status, 204);
    assert_eq!(ask(&node, "00:1B:44:11:3A:B7", "s3cret").await.status, 404);
    assert_eq!(
        admin.get(&format!("/things/{id}")).await.status,
        200,
        "its thing stays"
    );
}

#[tokio::test]
async fn unknown_devices_land_in_the_inbox_without_their_key() {
    let node = Node::start().await;
    let unknown = ask(&node, "lost-7", "its-own-secret").await;
    assert_eq!(
        (unknown.status, unknown.code()),
        (404, "not_found".to_owned())
    );
    let inbox = node.admin.get("/things/unknown/configs").await;
    assert_eq!(
        inbox.json()["configs"],
        json!([{ "external_id": "lost-7", "external_key": "" }])
    );
    assert!(!inbox.text.contains("its-own-secret"));
    let stranger = node.stranger().await;
    assert_eq!(
        stranger.get("/things/unknown/configs").await.json()["configs"],
        json!([])
    );

    let body = json!({ "external_id": "lost-7", "external_key": "k" });
    node.admin.post("/things/configs", &body).await.made();
    assert_eq!(
        node.admin.get("/things/unknown/configs").await.json()["configs"],
        json!([])
    );
    let wrong = ask(&node, "lost-7", "not-k").await;
    assert_eq!((wrong.status, wrong.code()), (403, "forbidden".to_owned()));
    let again = stranger.post("/things/configs", &body).await;
    assert_eq!(
        (again.status, again.code()),
        (409, "already_exists".to_owned())
    );
    assert_eq!(
        stranger.get("/things").await.json()["total"],
        0,
        "the thing made for it is gone again"
    );
}
