//! Wrong, foreign, revoked and expired credentials.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::plant;
use crate::client::Thing;
use crate::harness::Server;
use crate::mqtt_client::Mqtt;

#[tokio::test]
async fn an_unknown_or_foreign_channel_takes_nothing() {
    let plant = plant().await;
    let foreign = plant.admin.create_channel("not connected").await;
    let pack = json!([{ "n": "a", "v": 1 }]);
    for channel in [
        foreign.as_str(),
        "018f0000-0000-7000-8000-000000000000",
        "no uuid",
    ] {
        assert_eq!(
            plant
                .admin
                .publish(&plant.thing, channel, &pack)
                .await
                .status,
            403,
            "{channel}"
        );
        let mut mqtt = Mqtt::of(plant.server.mqtt, "pump", &plant.thing).await;
        let refused = mqtt
            .subscribe(&format!("channels/{channel}/messages/#"))
            .await;
        assert_eq!(refused, 0x80, "{channel}");
    }
    let mut mqtt = Mqtt::of(plant.server.mqtt, "pump", &plant.thing).await;
    for filter in ["#", "+/+/messages", "channels/+/messages", "$SYS/#"] {
        assert_eq!(mqtt.subscribe(filter).await, 0x80, "{filter}");
    }
    let acknowledged = mqtt
        .publish(
            &format!("channels/{foreign}/messages"),
            br#"[{"n":"a","v":1}]"#,
        )
        .await;
    assert!(!acknowledged, "a foreign publish was acknowledged");
    assert_eq!(plant.admin.messages(&foreign).await.len(), 0);
    plant.is_well().await;
}

#[tokio::test]
async fn a_wrong_key_opens_nothing() {
    let plant = plant().await;
    let wrong = Thing {
        key: "018f0000-0000-4000-8000-000000000000".to_owned(),
        ..plant.thing.clone()
    };
    plant
        .admin
        .publish(&wrong, &plant.channel, &json!([{ "n": "a", "v": 1 }]))
        .await
        .expect(401);
    let (_, code) = Mqtt::open(plant.server.mqtt, "pump", &wrong.id, &wrong.key).await;
    assert!(code == 4 || code == 5, "CONNACK {code}");
    let other = plant.admin.create_thing("other").await;
    let (_, code) = Mqtt::open(plant.server.mqtt, "pump", &other.id, &plant.thing.key).await;
    assert!(
        code == 4 || code == 5,
        "the key of one thing with the id of another: CONNACK {code}"
    );
    for token in ["Bearer x", "Bearer a.b.c", "Basic !", "Digest x"] {
        plant
            .server
            .anonymous()
            .as_who(token)
            .get("/things")
            .await
            .expect(401);
    }
    plant.server.anonymous().get("/things").await.expect(401);
}

#[tokio::test]
async fn a_revoked_key_ends_open_sessions() {
    let plant = plant().await;
    let mut mqtt = Mqtt::of(plant.server.mqtt, "pump", &plant.thing).await;
    assert!(
        mqtt.publish(
            &format!("channels/{}/messages", plant.channel),
            br#"[{"n":"a","v":1}]"#
        )
        .await
    );
    let body = json!({ "key": "018f0000-0000-4000-8000-00000000beef" });
    plant
        .admin
        .patch(&format!("/things/{}/key", plant.thing.id), &body)
        .await
        .expect(200);
    let begin = Instant::now();
    assert!(
        mqtt.closes(Duration::from_secs(5)).await,
        "the session is open still"
    );
    // Told, not asserted: the machine may be busy. The promise is one second, the look for revoked keys every 250 ms.
    eprintln!("the session ended after {:?}", begin.elapsed());
    plant
        .admin
        .publish(&plant.thing, &plant.channel, &json!([{ "n": "a", "v": 1 }]))
        .await
        .expect(401);
    let (_, code) = Mqtt::open(plant.server.mqtt, "pump", &plant.thing.id, &plant.thing.key).await;
    assert_ne!(code, 0);
}

#[tokio::test]
async fn a_withdrawn_connection_ends_deliveries() {
    let plant = plant().await;
    let listener = plant.admin.create_thing("listener").await;
    plant.admin.connect(&plant.channel, &listener.id).await;
    let mut listening = Mqtt::of(plant.server.mqtt, "listener", &listener).await;
    assert_eq!(
        listening
            .subscribe(&format!("channels/{}/messages", plant.channel))
            .await,
        1
    );
    plant
        .admin
        .delete(&format!(
            "/channels/{}/things/{}",
            plant.channel, listener.id
        ))
        .await
        .expect(204);
    plant
        .admin
        .publish(
            &plant.thing,
            &plant.channel,
            &json!([{ "n": "secret", "v": 1 }]),
        )
        .await
        .expect(202);
    assert_eq!(
        listening.next_message(Duration::from_millis(500)).await,
        None
    );
}

#[tokio::test]
async fn an_expired_token_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    // The same claims with an earlier end and the old signature: altered, and so no token at all.
    let parts: Vec<&str> = admin.token().split('.').collect();
    let altered = format!("{}.{}x.{}", parts[0], parts[1], parts[2]);
    let answer = server
        .anonymous()
        .as_who(&format!("Bearer {altered}"))
        .get("/things")
        .await
        .expect(401);
    assert_eq!(answer.json()["code"], "unauthenticated");
    // One signed with the server's own key an hour ago.
    let key = std::fs::read(folder.path().join("secrets/token.key")).unwrap();
    let expired = sign(&key, parts[1]);
    let answer = server
        .anonymous()
        .as_who(&format!("Bearer {expired}"))
        .get("/things")
        .await
        .expect(401);
    assert_eq!(answer.json()["code"], "token_expired");
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
}

/// A token with the claims of `payload`, expired an hour ago.
fn sign(key: &[u8], payload: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::Mac as _;
    let mut claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 3_600);
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(signed.as_bytes());
    format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    )
}

#[tokio::test]
async fn who_guesses_passwords_has_to_wait() {
    let plant = plant().await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let body = json!({ "email": "victim@plant.example", "password": "guess" });
        statuses.push(plant.server.anonymous().post("/tokens", &body).await.status);
    }
    assert_eq!(statuses[0], 401);
    assert_eq!(*statuses.last().unwrap(), 429, "{statuses:?}");
}
