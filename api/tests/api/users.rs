//! Users, tokens, sessions.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::client::Session;
use super::node::{Node, PASSWORD, Settings};

#[tokio::test]
async fn a_token_opens_until_it_expires_and_says_so() {
    let node = Node::start().await;
    let profile = node.admin.get("/users/profile").await;
    assert_eq!(profile.status, 200);
    assert_eq!(profile.json()["email"], "admin@plant.example");
    node.clock.advance(Duration::from_secs(3_600));
    let late = node.admin.get("/things").await;
    assert_eq!(
        (late.status, late.code()),
        (401, "token_expired".to_owned())
    );
    let late = node.admin.graphql("{ me { id } }", json!({})).await;
    assert_eq!(
        (late.status, late.code()),
        (401, "token_expired".to_owned())
    );
}

#[tokio::test]
async fn without_a_credential_only_health_and_what_leads_in_answers() {
    let node = Node::start().await;
    let anonymous = node.anonymous();
    for path in [
        "/things",
        "/channels",
        "/users",
        "/users/profile",
        "/things/configs",
        "/things/bootstrap/x",
    ] {
        let answer = anonymous.get(path).await;
        assert_eq!(
            (answer.status, answer.code()),
            (401, "unauthenticated".to_owned()),
            "{path}"
        );
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{path}");
    }
    let health = anonymous.get("/health").await;
    assert_eq!(
        (health.status, health.header("content-type")),
        (200, "application/health+json")
    );
    assert_eq!(health.json()["status"], "pass");
    assert_eq!(anonymous.get("/version").await.json()["service"], "tellee");
    let made = anonymous
        .post(
            "/users",
            &json!({ "email": "x@y.example", "password": PASSWORD }),
        )
        .await;
    assert_eq!(
        (made.status, made.code()),
        (401, "unauthenticated".to_owned())
    );
}

#[tokio::test]
async fn whoever_registers_gets_an_organisation_of_their_own() {
    let node = Node::with(Settings {
        self_registration: true,
        ..Settings::default()
    })
    .await;
    let body = json!({ "email": "New@Plant.example", "password": PASSWORD });
    let made = node.anonymous().post("/users", &body).await;
    assert!(made.header("location").starts_with("/users/"), "{made:?}");
    made.made();
    let again = node.anonymous().post("/users", &body).await;
    assert_eq!(
        (again.status, again.code()),
        (409, "already_exists".to_owned())
    );
    let new = Session::sign_in(node.address, "new@plant.example").await;
    assert_ne!(
        new.session_organisation().await,
        node.admin.session_organisation().await
    );
}

#[tokio::test]
async fn wrong_passwords_are_refused_and_then_slowed_down() {
    let node = Node::start().await;
    let wrong = json!({ "email": "admin@plant.example", "password": "wrong wrong wrong" });
    for _ in 0..5 {
        let answer = node.anonymous().post("/tokens", &wrong).await;
        assert_eq!(
            (answer.status, answer.code()),
            (401, "unauthenticated".to_owned())
        );
    }
    let answer = node.anonymous().post("/tokens", &wrong).await;
    assert_eq!(
        (answer.status, answer.code()),
        (429, "rate_limited".to_owned())
    );
    assert_eq!(answer.header("retry-after"), "1");
    node.clock.advance(Duration::from_secs(2));
    Session::sign_in(node.address, "admin@plant.example").await;
}

#[tokio::test]
async fn a_new_password_ends_all_sessions() {
    let node = Node::start().await;
    let body = json!({ "old_password": PASSWORD, "password": "another long password" });
    assert_eq!(node.admin.patch("/password", &body).await.status, 201);
    assert_eq!(node.admin.get("/things").await.code(), "unauthenticated");
}

#[tokio::test]
async fn the_session_cookie_reads_but_changes_nothing_without_the_header() {
    let node = Node::start().await;
    let anonymous = node.anonymous();
    let body = json!({ "email": "admin@plant.example", "password": PASSWORD });
    assert_eq!(anonymous.post("/ui/session", &body).await.status, 403);
    let request = anonymous
        .request(Method::POST, "/ui/session")
        .header("x-tellee-csrf", "1")
        .json(&body);
    let opened = anonymous.send(request).await;
    assert_eq!(opened.status, 204);
    let cookie = opened.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap();
    let with =
        |method: Method, path: &str| anonymous.request(method, path).header("cookie", cookie);
    assert_eq!(
        anonymous.send(with(Method::GET, "/things")).await.status,
        200
    );
    let thing = json!({ "name": "pump", "email": "x@plant.example", "password": PASSWORD });
    for path in ["/things", "/users", "/graphql"] {
        let refused = anonymous.send(with(Method::POST, path).json(&thing)).await;
        assert_eq!(
            (refused.status, refused.code()),
            (403, "forbidden".to_owned()),
            "{path}"
        );
    }
    let made = anonymous
        .send(
            with(Method::POST, "/things")
                .header("x-tellee-csrf", "1")
                .json(&thing),
        )
        .await;
    made.made();
}

#[tokio::test]
async fn who_joins_an_organisation_is_an_operator_unless_told_otherwise() {
    let node = Node::start().await;
    let organisation = node.admin.session_organisation().await;
    let body =
        json!({ "email": "o@plant.example", "password": PASSWORD, "organisation": organisation });
    node.admin.post("/users", &body).await.made();
    let operator = Session::sign_in(node.address, "o@plant.example").await;
    assert_eq!(
        operator.get("/users/profile").await.json()["role"],
        "operator"
    );
    let refused = operator.post("/things", &json!({})).await;
    assert_eq!(
        (refused.status, refused.code()),
        (403, "forbidden".to_owned())
    );
    let refused = operator.post("/users", &body).await;
    assert_eq!(
        (refused.status, refused.code()),
        (403, "forbidden".to_owned())
    );
}
