//! An edge device fetches who it is and what to do.

use serde_json::{Value, json};

use crate::harness::Server;
use crate::mqtt_client::Mqtt;

#[tokio::test]
async fn a_device_bootstraps_and_publishes_with_what_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let channel = admin.create_channel("data").await;
    let body = json!({
        "external_id": "00:1B:44:11:3A:B7", "external_key": "device-secret", "name": "gateway 7",
        "channels": [channel], "content": r#"{"poll":"1s"}"#,
    });
    let made = admin.post("/things/configs", &body).await.expect(201);
    assert_eq!(made.text, "");
    assert_eq!(
        made.location.as_deref(),
        Some(format!("/things/configs/{}", made.id()).as_str())
    );

    let view = admin
        .get(&format!("/things/configs/{}", made.id()))
        .await
        .expect(200)
        .json();
    assert_eq!(view["state"], json!(0), "a new config is inactive");
    assert_eq!(view["mainflux_channels"][0]["id"], json!(channel));
    assert!(
        !view.to_string().contains("device-secret"),
        "external keys are not shown"
    );

    admin
        .put(
            &format!("/things/state/{}", made.id()),
            &json!({ "state": 1 }),
        )
        .await
        .expect(200);
    let device = server.anonymous().as_who("Thing device-secret");
    let given = device
        .get("/things/bootstrap/00:1B:44:11:3A:B7")
        .await
        .expect(200)
        .json();
    assert_eq!(given["content"], json!(r#"{"poll":"1s"}"#));
    assert_eq!(given["mainflux_channels"][0]["name"], "data");
    let thing = crate::client::Thing {
        id: given["mainflux_id"].as_str().unwrap().to_owned(),
        key: given["mainflux_key"].as_str().unwrap().to_owned(),
    };
    let mut mqtt = Mqtt::of(server.mqtt, "gateway", &thing).await;
    assert!(
        mqtt.publish(
            &format!("channels/{channel}/messages"),
            br#"[{"n":"a","v":1}]"#
        )
        .await
    );
    // The form of 0.8 and another spelling of the same address.
    let device = server.anonymous().as_who("device-secret");
    device
        .get("/things/bootstrap/00-1b-44-11-3a-b7")
        .await
        .expect(200);
}

#[tokio::test]
async fn an_unknown_device_is_noted_without_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let device = server.anonymous().as_who("Thing never to be kept");
    device.get("/things/bootstrap/gateway-9").await.expect(404);
    let noted = admin
        .get("/things/unknown/configs")
        .await
        .expect(200)
        .json();
    assert_eq!(noted["configs"][0]["external_id"], "gateway-9");
    assert!(!noted.to_string().contains("never to be kept"));
    for file in std::fs::read_dir(&server.data).unwrap().flatten() {
        let Ok(bytes) = std::fs::read(file.path()) else {
            continue;
        };
        let kept = bytes
            .windows(16)
            .any(|window| window == b"never to be kept");
        assert!(!kept, "the key lies in `{}`", file.path().display());
    }
}

#[tokio::test]
async fn a_wrong_external_key_is_refused_and_a_guesser_slowed_down() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let body = json!({ "external_id": "gateway-1", "external_key": "right" });
    admin.post("/things/configs", &body).await.expect(201);
    let guesser = server.anonymous().as_who("Thing wrong");
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(guesser.get("/things/bootstrap/gateway-1").await.status);
    }
    assert_eq!(statuses[0], 403);
    assert_eq!(*statuses.last().unwrap(), 429, "{statuses:?}");
}

#[tokio::test]
async fn two_devices_cannot_have_one_external_id() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let body = json!({ "external_id": "gateway-1", "external_key": "one" });
    admin.post("/things/configs", &body).await.expect(201);
    let things = admin.get("/things").await.json()["total"].clone();
    admin.post("/things/configs", &body).await.expect(409);
    assert_eq!(
        admin.get("/things").await.json()["total"],
        things,
        "a refused config leaves no thing behind"
    );
}

#[tokio::test]
async fn configs_are_listed_changed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let channel = admin.create_channel("data").await;
    let mut ids = Vec::new();
    for number in 0..3 {
        let body = json!({ "external_id": format!("gw-{number}"), "external_key": "k", "name": format!("Gateway {number}") });
        ids.push(admin.post("/things/configs", &body).await.expect(201).id());
    }
    let page = admin
        .get("/things/configs?limit=2")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (
            page["total"].as_u64(),
            page["configs"].as_array().unwrap().len()
        ),
        (Some(3), 2)
    );
    let found = admin
        .get("/things/configs?name=gateway%201")
        .await
        .expect(200)
        .json();
    assert_eq!(found["configs"][0]["external_id"], "gw-1");
    let config = format!("/things/configs/{}", ids[0]);
    admin
        .put(&config, &json!({ "name": "renamed", "content": "new" }))
        .await
        .expect(200);
    admin
        .put(
            &format!("/things/configs/connections/{}", ids[0]),
            &json!({ "channels": [channel] }),
        )
        .await
        .expect(200);
    let certificates = json!({ "client_cert": "c", "client_key": "k", "ca_cert": "ca" });
    admin
        .patch(&format!("/things/configs/certs/{}", ids[0]), &certificates)
        .await
        .expect(200);
    let view = admin.get(&config).await.expect(200).json();
    assert_eq!(
        (&view["name"], &view["content"]),
        (&Value::from("renamed"), &Value::from("new"))
    );
    admin.delete(&config).await.expect(204);
    admin.get(&config).await.expect(404);
}
