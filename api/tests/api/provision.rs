//! Things, channels, connections: the wire of Mainflux 0.8 to 0.13.

use serde_json::{Value, json};

use super::node::Node;

fn ids(page: &Value, of: &str) -> Vec<String> {
    page[of]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_thing_lives_as_in_mainflux() {
    let node = Node::start().await;
    let admin = &node.admin;
    let made = admin
        .post(
            "/things",
            &json!({ "name": "pump", "metadata": { "line": 3 } }),
        )
        .await;
    let location = made.header("location").to_owned();
    let id = made.made();
    assert_eq!(location, format!("/things/{id}"));
    let view = admin.get(&location).await.json();
    assert_eq!(view["name"], "pump");
    assert_eq!(view["metadata"], json!({ "line": 3 }));
    assert_eq!(view["key"].as_str().unwrap().len(), 36);

    let updated = admin.put(&location, &json!({ "name": "pump 2" })).await;
    assert_eq!((updated.status, updated.text.as_str()), (200, ""));
    let view = admin.get(&location).await.json();
    assert_eq!(
        (&view["name"], view.get("metadata")),
        (&json!("pump 2"), None)
    );

    assert_eq!(
        admin
            .patch(&format!("{location}/key"), &json!({ "key": "my own key" }))
            .await
            .status,
        200
    );
    assert_eq!(admin.get(&location).await.json()["key"], "my own key");
    for _ in 0..2 {
        let removed = admin.delete(&location).await;
        assert_eq!((removed.status, removed.text.as_str()), (204, ""));
    }
    let gone = admin.get(&location).await;
    assert_eq!((gone.status, gone.code()), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn ids_and_keys_of_the_clients_choice_are_taken_once() {
    let node = Node::start().await;
    let id = uuid::Uuid::now_v7().to_string();
    let body = json!({ "id": id, "key": "chosen", "name": "a" });
    assert_eq!(node.admin.post("/things", &body).await.made(), id);
    let again = node
        .admin
        .post("/things", &json!({ "key": "chosen" }))
        .await;
    assert_eq!(
        (again.status, again.code()),
        (409, "already_exists".to_owned())
    );
    let again = node.admin.post("/things", &json!({ "id": id })).await;
    assert_eq!(
        (again.status, again.code()),
        (409, "already_exists".to_owned())
    );
    let wrong = node.admin.post("/things", &json!({ "id": "7" })).await;
    assert_eq!(
        (wrong.status, wrong.json()["field"].as_str()),
        (400, Some("id"))
    );
}

#[tokio::test]
async fn two_who_choose_the_same_key_at_the_same_time_get_one_thing() {
    let node = Node::start().await;
    let tries = (0..8).map(|_| {
        let admin = node.admin.clone();
        tokio::spawn(async move {
            admin
                .post("/things", &json!({ "key": "the one" }))
                .await
                .status
        })
    });
    let mut made = 0;
    for attempt in tries.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            201 => made += 1,
            status => assert_eq!(status, 409),
        }
    }
    assert_eq!(made, 1);
}

#[tokio::test]
async fn a_thousand_things_come_in_one_request() {
    let node = Node::start().await;
    let things: Vec<Value> = (0..1_000)
        .map(|number| json!({ "name": format!("t{number:04}") }))
        .collect();
    let made = node.admin.post("/things/bulk", &json!(things)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let rows = made["things"].as_array().unwrap();
    assert_eq!(rows.len(), 1_000);
    assert_eq!(
        (&rows[0]["name"], &rows[999]["name"]),
        (&json!("t0000"), &json!("t0999"))
    );
    let keys: std::collections::HashSet<_> = rows
        .iter()
        .map(|row| row["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys.len(), 1_000);
    let page = node
        .admin
        .get("/things?limit=100&offset=950&order=name")
        .await
        .json();
    assert_eq!(
        (page["total"].as_u64(), ids(&page, "things").len()),
        (Some(1_000), 50)
    );
    let large: Vec<Value> = (0..1_001).map(|_| json!({})).collect();
    assert_eq!(
        node.admin.post("/things/bulk", &json!(large)).await.code(),
        "invalid_input"
    );
}

#[tokio::test]
async fn bulk_makes_all_or_none() {
    let node = Node::start().await;
    node.admin
        .post("/things", &json!({ "key": "taken" }))
        .await
        .made();
    let mut things: Vec<Value> = (0..100)
        .map(|number| json!({ "name": format!("t{number}") }))
        .collect();
    things[70]["key"] = json!("taken");
    let refused = node.admin.post("/things/bulk", &json!(things)).await;
    assert_eq!(
        (refused.status, refused.code()),
        (409, "already_exists".to_owned())
    );
    assert_eq!(node.admin.get("/things").await.json()["total"], 1);
    things[70]["key"] = json!("twice");
    things[71]["key"] = json!("twice");
    let refused = node.admin.post("/things/bulk", &json!(things)).await;
    assert_eq!(
        (refused.status, refused.json()["field"].as_str()),
        (400, Some("[71].key"))
    );
    let channel = node.admin.channel("there").await;
    let refused = node
        .admin
        .post(
            "/channels/bulk",
            &json!([{ "name": "new" }, { "id": channel }]),
        )
        .await;
    assert_eq!(
        (refused.status, refused.code()),
        (409, "already_exists".to_owned())
    );
    assert_eq!(node.admin.get("/channels").await.json()["total"], 1);
    let made = node
        .admin
        .post("/channels/bulk", &json!([{ "name": "a" }, { "name": "b" }]))
        .await;
    assert_eq!(
        (made.status, made.json()["channels"][1]["name"].as_str()),
        (201, Some("b"))
    );
}

#[tokio::test]
async fn connections_are_made_listed_and_undone_in_every_form() {
    let node = Node::start().await;
    let admin = &node.admin;
    let (pump, _) = admin.thing("pump").await;
    let (fan, _) = admin.thing("fan").await;
    let channel = admin.channel("data").await;
    let of_channel = format!("/channels/{channel}/things");
    admin.connect(&channel, &pump).await;
    assert_eq!(
        admin
            .put(&format!("{of_channel}/{fan}"), &json!({}))
            .await
            .status,
        200
    );
    let mut both = vec![pump.clone(), fan.clone()];
    both.sort();
    assert_eq!(ids(&admin.get(&of_channel).await.json(), "things"), both);
    assert_eq!(
        ids(
            &admin.get(&format!("/things/{pump}/channels")).await.json(),
            "channels"
        ),
        [channel.as_str()]
    );

    assert_eq!(
        admin.delete(&format!("{of_channel}/{fan}")).await.status,
        204
    );
    assert_eq!(
        ids(&admin.get(&of_channel).await.json(), "things"),
        [pump.as_str()]
    );
    for query in ["disconnected=true", "connected=false"] {
        let page = admin.get(&format!("{of_channel}?{query}")).await.json();
        assert_eq!(ids(&page, "things"), [fan.as_str()], "{query}");
        let page = admin
            .get(&format!("/things/{fan}/channels?{query}"))
            .await
            .json();
        assert_eq!(ids(&page, "channels"), [channel.as_str()], "{query}");
    }
    let body = json!({ "channel_ids": [channel], "thing_ids": [pump] });
    assert_eq!(admin.put("/disconnect", &body).await.status, 200);
    assert_eq!(admin.get(&of_channel).await.json()["total"], 0);
    for body in [
        json!({ "channel_ids": [], "thing_ids": [pump] }),
        json!({ "channel_ids": [channel], "thing_ids": [] }),
    ] {
        assert_eq!(admin.post("/connect", &body).await.status, 400);
    }
    let unknown = json!({ "channel_ids": [uuid::Uuid::now_v7()], "thing_ids": [pump] });
    assert_eq!(admin.post("/connect", &unknown).await.status, 404);
}

#[tokio::test]
async fn a_removed_thing_leaves_no_connection_behind() {
    let node = Node::start().await;
    let (pump, _) = node.admin.thing("pump").await;
    let channel = node.admin.channel("data").await;
    node.admin.connect(&channel, &pump).await;
    assert_eq!(
        node.admin.delete(&format!("/things/{pump}")).await.status,
        204
    );
    assert_eq!(
        node.admin
            .get(&format!("/channels/{channel}/things"))
            .await
            .json()["total"],
        0
    );
    let query = "query($id: ID!) { history(entity: CHANNEL, id: $id) { nodes { type } } }";
    let history = node.admin.data(query, json!({ "id": channel })).await;
    assert_eq!(
        history["history"]["nodes"][2]["type"],
        "channel.thing_disconnected"
    );
}

#[tokio::test]
async fn lists_page_order_and_filter() {
    let node = Node::start().await;
    for (name, line) in [("beta", 1), ("alpha", 2), ("Gamma", 2)] {
        node.admin
            .post(
                "/things",
                &json!({ "name": name, "metadata": { "line": line } }),
            )
            .await
            .made();
    }
    let names = async |query: &str| {
        let page = node.admin.get(&format!("/things?{query}")).await.json();
        let rows = page["things"].as_array().unwrap();
        rows.iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("order=name").await, ["alpha", "beta", "Gamma"]);
    assert_eq!(
        names("order=name&dir=desc&limit=1&offset=1").await,
        ["beta"]
    );
    assert_eq!(names("name=AM").await, ["Gamma"]);
    assert_eq!(
        names("metadata=%7B%22line%22%3A2%7D&order=name").await,
        ["alpha", "Gamma"]
    );
    let page = node.admin.get("/things").await.json();
    assert_eq!(
        (
            page["total"].as_u64(),
            page["offset"].as_u64(),
            page["limit"].as_u64()
        ),
        (Some(3), Some(0), Some(10))
    );
    for query in [
        "limit=101",
        "limit=0",
        "limit=x",
        "offset=-1",
        "order=age",
        "dir=up",
        "metadata=%5B%5D",
    ] {
        let answer = node.admin.get(&format!("/things?{query}")).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "invalid_input".to_owned()),
            "{query}"
        );
    }
    let found = node
        .admin
        .post("/things/search", &json!({ "name": "alp", "limit": 5 }))
        .await
        .json();
    assert_eq!(found["total"], 1);
}
