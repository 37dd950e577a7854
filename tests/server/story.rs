//! What an unmodified Mainflux client of the 0.13 era does.

use std::time::Duration;

use base64::Engine as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{EMAIL, PASSWORD, Server};
use crate::mqtt_client::Mqtt;

#[tokio::test]
async fn a_mainflux_client_provisions_publishes_and_reads() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;

    let made = admin
        .post(
            "/users",
            &json!({ "email": "eng@plant.example", "password": "another pass phrase" }),
        )
        .await;
    assert!(made.expect(201).location.unwrap().starts_with("/users/"));
    let user = server
        .anonymous()
        .sign_in("eng@plant.example", "another pass phrase")
        .await;

    let made = user
        .post(
            "/things",
            &json!({ "name": "pump", "metadata": { "area": "north" } }),
        )
        .await
        .expect(201);
    assert_eq!(made.text, "", "the body of a creation is empty");
    assert_eq!(
        made.location.as_deref(),
        Some(format!("/things/{}", made.id()).as_str())
    );
    assert_eq!(made.headers["access-control-expose-headers"], "Location");
    let view = user
        .get(&format!("/things/{}", made.id()))
        .await
        .expect(200)
        .json();
    assert_eq!(view["metadata"], json!({ "area": "north" }));
    let key = view["key"].as_str().unwrap().to_owned();
    let thing = crate::client::Thing { id: made.id(), key };

    let channel = user.create_channel("data").await;
    user.connect(&channel, &thing.id).await;
    let list = user
        .get(&format!("/channels/{channel}/things"))
        .await
        .expect(200)
        .json();
    assert_eq!(list["things"][0]["id"], json!(thing.id));
    let list = user
        .get(&format!("/things/{}/channels", thing.id))
        .await
        .expect(200)
        .json();
    assert_eq!(list["channels"][0]["id"], json!(channel));

    let pack = json!([{ "bn": "pump-", "bt": 1_700_000_000.25, "n": "speed", "u": "1/min", "v": 1480.5 }, { "n": "on", "vb": true }]);
    let published = user.publish(&thing, &channel, &pack).await;
    assert_eq!(published.expect(202).text, "");
    let mut mqtt = Mqtt::of(server.mqtt, "pump", &thing).await;
    let topic = format!("channels/{channel}/messages/bearing/drive");
    assert!(
        mqtt.publish(
            &topic,
            br#"[{"n":"temperature","t":1700000001,"v":61.5,"u":"Cel"}]"#
        )
        .await
    );

    let page = user
        .get(&format!("/channels/{channel}/messages"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&page["total"], &page["offset"], &page["limit"]),
        (&json!(3), &json!(0), &json!(10))
    );
    let newest = &page["messages"][0];
    assert_eq!(newest["name"], "temperature");
    assert_eq!(newest["subtopic"], "bearing.drive");
    assert_eq!(newest["protocol"], "mqtt");
    assert_eq!(newest["publisher"], json!(thing.id));
    let by_name =
        format!("/channels/{channel}/messages?name=pump-speed&from=1700000000&to=1700000001");
    let page = user.get(&by_name).await.expect(200).json();
    assert_eq!(page["messages"][0]["value"], json!(1480.5));
    assert_eq!(page["messages"][0]["time"], json!(1_700_000_000.25));
    assert_eq!(page["messages"][0]["unit"], "1/min");
    // A connected thing reads too.
    let page = user
        .as_who(&thing.key)
        .get(&format!("/channels/{channel}/messages?vb=true"))
        .await
        .expect(200)
        .json();
    assert_eq!(page["messages"][0]["bool_value"], json!(true));
}

#[tokio::test]
async fn a_thing_may_show_its_key_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let basic =
        base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", thing.id, thing.key));
    let path = format!("/channels/{channel}/messages");
    for (header, prefix) in [
        (thing.key.clone(), ""),
        (format!("Thing {}", thing.key), ""),
        (format!("Basic {basic}"), ""),
        (thing.key.clone(), "/http"),
    ] {
        let client = server.anonymous().as_who(&header);
        let target = format!("{prefix}{path}");
        let answer = client
            .raw(
                Method::POST,
                &target,
                "application/senml+json",
                r#"[{"n":"a","v":1}]"#,
            )
            .await;
        assert_eq!(answer.status, 202, "{header}");
    }
    let by_query = format!("{path}?authorization={}", thing.key);
    let anonymous = server.anonymous();
    anonymous
        .raw(
            Method::POST,
            &by_query,
            "application/senml+json",
            r#"[{"n":"a","v":1}]"#,
        )
        .await
        .expect(202);
    // A user's token raw and as Bearer.
    server
        .anonymous()
        .as_who(admin.token())
        .get("/things")
        .await
        .expect(200);
    server
        .anonymous()
        .as_who(&format!("Bearer {}", admin.token()))
        .get("/things")
        .await
        .expect(200);
}

#[tokio::test]
async fn lists_come_in_pages_with_filters() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let bodies: Vec<Value> = (0..25)
        .map(|number| json!({ "name": format!("pump-{number:02}"), "metadata": { "line": number % 2 } }))
        .collect();
    let made = admin
        .post("/things/bulk", &json!(bodies))
        .await
        .expect(201)
        .json();
    assert_eq!(made["things"].as_array().unwrap().len(), 25);
    assert!(made["things"][0]["key"].is_string());
    let page = admin.get("/things").await.expect(200).json();
    assert_eq!(
        (
            page["total"].as_u64(),
            page["things"].as_array().unwrap().len()
        ),
        (Some(25), 10)
    );
    let page = admin
        .get("/things?limit=100&offset=20&order=name&dir=desc")
        .await
        .expect(200)
        .json();
    let names: Vec<&str> = page["things"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|thing| thing["name"].as_str())
        .collect();
    assert_eq!(
        names,
        ["pump-04", "pump-03", "pump-02", "pump-01", "pump-00"]
    );
    let page = admin
        .get("/things?metadata=%7B%22line%22%3A1%7D&limit=100")
        .await
        .expect(200)
        .json();
    assert_eq!(page["total"], json!(12));
    let page = admin.get("/things?name=PUMP-1").await.expect(200).json();
    assert_eq!(
        page["total"],
        json!(10),
        "names are matched in part and without regard to case"
    );
    admin.get("/things?limit=101").await.expect(400);
}

#[tokio::test]
async fn a_bulk_request_makes_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let bodies = json!([{ "name": "good" }, { "name": "bad", "id": "no uuid" }]);
    let refused = admin.post("/things/bulk", &bodies).await.expect(400).json();
    assert_eq!(refused["field"], "[1].id");
    assert_eq!(admin.get("/things").await.json()["total"], json!(0));
}

#[tokio::test]
async fn what_was_removed_is_gone_and_removing_it_again_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let mut mqtt = Mqtt::of(server.mqtt, "pump", &thing).await;
    admin
        .delete(&format!("/channels/{channel}/things/{}", thing.id))
        .await
        .expect(204);
    admin
        .publish(&thing, &channel, &json!([{ "n": "a", "v": 1 }]))
        .await
        .expect(403);
    for _ in 0..2 {
        admin
            .delete(&format!("/things/{}", thing.id))
            .await
            .expect(204);
    }
    admin
        .get(&format!("/things/{}", thing.id))
        .await
        .expect(404);
    admin
        .publish(&thing, &channel, &json!([{ "n": "a", "v": 1 }]))
        .await
        .expect(401);
    assert!(
        mqtt.closes(Duration::from_secs(5)).await,
        "the session of a removed thing stays open"
    );
}

#[tokio::test]
async fn subscribers_of_a_channel_get_what_others_publish() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let listener = admin.create_thing("listener").await;
    admin.connect(&channel, &listener.id).await;
    let mut listening = Mqtt::of(server.mqtt, "listener", &listener).await;
    assert_eq!(
        listening
            .subscribe(&format!("channels/{channel}/messages/#"))
            .await,
        1
    );
    admin
        .publish(&thing, &channel, &json!([{ "n": "speed", "v": 7 }]))
        .await
        .expect(202);
    let (topic, payload) = listening
        .next_message(Duration::from_secs(10))
        .await
        .expect("the message");
    assert_eq!(topic, format!("channels/{channel}/messages"));
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload[0]["v"], json!(7));
}

#[tokio::test]
async fn operations_have_their_pages() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let anonymous = server.anonymous();
    let health = anonymous.get("/health").await.expect(200);
    assert_eq!(health.headers["content-type"], "application/health+json");
    assert_eq!(health.json()["status"], "pass");
    assert_eq!(
        anonymous.get("/version").await.expect(200).json()["service"],
        "tellee"
    );
    anonymous.get("/metrics").await.expect(200);
    assert_eq!(server.ready["event"], "ready");
    assert!(server.ready["version"].is_string() && server.ready["node"].is_string());
    assert_eq!(
        server.further_lines(),
        Vec::<String>::new(),
        "stdout carries the ready line alone"
    );
    let again = anonymous
        .post(
            "/tokens",
            &json!({ "email": EMAIL.to_uppercase(), "password": PASSWORD }),
        )
        .await;
    again.expect(201);
}
