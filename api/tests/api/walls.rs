//! Organisations are walls: every route and every field of the schema is tried by a stranger and by a viewer. The doors
//! come from the route table and the schema, so that a new one is tried without anybody thinking of it.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Session;
use super::node::Node;
use super::schema::{Field, Schema, name_of};

/// One of each kind, all of the administrator's organisation, all with names that begin with `our-`.
pub struct Ours {
    node: Node,
    /// By the name of their kind in the schema.
    ids: Vec<(&'static str, String)>,
    key: String,
}

impl Ours {
    async fn make() -> Self {
        let node = Node::start().await;
        let admin = &node.admin;
        let (thing, key) = admin.thing("our-pump").await;
        let channel = admin.channel("our-channel").await;
        admin.connect(&channel, &thing).await;
        admin
            .publish(
                &channel,
                &key,
                &json!([{ "n": "our-series", "t": 1_700_000_000, "v": 1 }]),
            )
            .await;
        let device = json!({ "external_id": "our-device", "external_key": "our-secret", "name": "our-device", "thing_id": thing });
        admin.post("/things/configs", &device).await.made();
        let make = "mutation($thing: ID!, $channel: ID!) { \
            createAlarmRule(input: { idempotencyKey: \"1\", definition: { name: \"our-rule\", thing: $thing, seriesName: \
            \"our-series\", levels: [{ kind: HI, limit: 5, priority: P2 }], message: \"our-message\", action: \"our-action\" } }) \
            { alarmRule { id } } \
            createDeviceType(input: { idempotencyKey: \"2\", name: \"our-type\" }) { deviceType { id } } \
            createModel(input: { idempotencyKey: \"3\", name: \"our-model\", thing: $thing, samplePeriodMs: 1000, \
            signals: [{ channel: $channel, series: \"our-series\" }] }) { model { id } } \
            createUser(input: { idempotencyKey: \"4\", email: \"our-user@plant.example\", password: \"long enough\" }) { user { id } } }";
        let made = admin
            .data(make, json!({ "thing": thing, "channel": channel }))
            .await;
        let organisation = admin.session_organisation().await;
        node.alarm(
            organisation.parse().unwrap(),
            thing.parse().unwrap(),
            channel.parse().unwrap(),
            1,
        )
        .await;
        let found = admin
            .data(
                "{ series { nodes { id } } alarms(filter: { states: [NORMAL] }) { nodes { id } } }",
                json!({}),
            )
            .await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let ids = vec![
            ("THING", thing.clone()),
            ("CHANNEL", channel),
            ("EDGE_DEVICE", thing),
            (
                "ALARM_RULE",
                text(&made["createAlarmRule"]["alarmRule"]["id"]),
            ),
            (
                "DEVICE_TYPE",
                text(&made["createDeviceType"]["deviceType"]["id"]),
            ),
            ("MODEL", text(&made["createModel"]["model"]["id"])),
            ("USER", text(&made["createUser"]["user"]["id"])),
            ("ORGANISATION", organisation),
            ("ALARM", text(&found["alarms"]["nodes"][0]["id"])),
            ("SERIES", text(&found["series"]["nodes"][0]["id"])),
        ];
        Self { node, ids, key }
    }

    pub fn id(&self, kind: &str) -> &str {
        &self.ids.iter().find(|(known, _)| *known == kind).unwrap().1
    }

    /// Everything that could have been changed.
    async fn state(&self) -> Value {
        let query = "{ things { nodes { name revision channels { name revision } } } channels { nodes { name revision } } \
            edgeDevices { nodes { name revision state bootstraps } } deviceTypes { nodes { name revision } } \
            alarmRules { nodes { name revision } } models { nodes { name revision } } users { nodes { email role revision } } \
            alarms(filter: { states: [NORMAL, SHELVED, OUT_OF_SERVICE] }) { nodes { id revision comments { text } } } \
            series { nodes { name latest { number } } } }";
        self.node.admin.data(query, json!({})).await
    }

    fn assert_tight(&self, door: &str, text: &str) {
        for secret in ["our-", "admin@plant.example", self.key.as_str()] {
            assert!(
                !text.contains(secret),
                "`{secret}` leaks through {door}: {text}"
            );
        }
    }
}

/// Method and path of every route, read from the table itself.
fn routes() -> Vec<(Method, String)> {
    let table = include_str!("../../src/rest.rs");
    let mut routes = Vec::new();
    for part in table.split(".route(").skip(1) {
        let path = part.split('"').nth(1).unwrap();
        let rest = &part[part.find(path).unwrap() + path.len()..];
        for (word, method) in [
            ("get(", Method::GET),
            ("post(", Method::POST),
            ("put(", Method::PUT),
            ("patch(", Method::PATCH),
            ("delete(", Method::DELETE),
        ] {
            if rest.contains(word) {
                routes.push((method, path.to_owned()));
            }
        }
    }
    assert!(routes.len() > 50, "the table is read: {}", routes.len());
    routes
}

fn filled(path: &str, ours: &Ours) -> String {
    let own = if path.starts_with("/users/") {
        "USER"
    } else {
        "THING"
    };
    path.replace("{channel}", ours.id("CHANNEL"))
        .replace("{thing}", ours.id("THING"))
        .replace("{external_id}", "our-device")
        .replace("{*subtopic}", "a/b")
        .replace("{id}", ours.id(own))
}

/// What any body of the REST paths may hold, with our ids wherever an id goes.
fn body(ours: &Ours) -> Value {
    let (thing, channel) = (ours.id("THING"), ours.id("CHANNEL"));
    json!({
        "name": "stolen", "metadata": {}, "content": "stolen", "key": "stolen", "state": 0, "token": "no key",
        "channels": [channel], "channel_ids": [channel], "thing_ids": [thing], "thing_id": thing,
        "external_id": "stolen", "external_key": "stolen", "client_cert": "stolen", "client_key": "stolen",
        "email": "stolen@plant.example", "password": "long enough", "old_password": "wrong wrong",
        "organisation": ours.id("ORGANISATION"), "code": "stolen",
    })
}

/// Routes that take no id: what they answer is the caller's own.
const OWN: &[&str] = &[
    "/users",
    "/users/profile",
    "/things",
    "/things/search",
    "/channels",
    "/things/configs",
    "/things/unknown/configs",
    "/ui/setup",
    "/ui/session",
    "/health",
    "/ping",
    "/version",
    "/metrics",
    "/tokens",
    "/setup",
    "/identify",
];

async fn try_routes(ours: &Ours, who: &Session) {
    for (method, path) in routes() {
        let answer = match method {
            Method::GET => who.get(&filled(&path, ours)).await,
            Method::DELETE => who.delete(&filled(&path, ours)).await,
            _ => {
                who.call(method.clone(), &filled(&path, ours), &body(ours))
                    .await
            }
        };
        let door = format!("{method} {path}");
        ours.assert_tight(&door, &answer.text);
        // Removing what is not there is no error, as in Mainflux.
        let harmless =
            OWN.contains(&path.as_str()) || (method == Method::DELETE && answer.status == 204);
        assert!(
            harmless || (400..500).contains(&answer.status),
            "{door} is open: {answer:?}"
        );
    }
}

#[tokio::test]
async fn no_route_lets_a_stranger_through() {
    let ours = Ours::make().await;
    let before = ours.state().await;
    let stranger = ours.node.stranger().await;
    try_routes(&ours, &stranger).await;
    // The same with the key of a thing of theirs, where a thing may ask.
    let (_, key) = stranger.thing("theirs").await;
    let thing = Session {
        token: key,
        ..stranger.clone()
    };
    for (method, path) in routes() {
        if method != Method::GET || !path.contains('{') {
            continue;
        }
        let answer = thing.get(&filled(&path, &ours)).await;
        ours.assert_tight(&path, &answer.text);
        assert!(
            (400..500).contains(&answer.status),
            "{path} is open: {answer:?}"
        );
    }
    let published = stranger
        .publish(
            ours.id("CHANNEL"),
            &thing.token,
            &json!([{ "n": "x", "v": 1 }]),
        )
        .await;
    assert_eq!(published.status, 403);
    assert_eq!(ours.state().await, before);
}

#[tokio::test]
async fn no_route_lets_a_viewer_change_anything() {
    let ours = Ours::make().await;
    let viewer = ours.node.colleague("viewer").await;
    let before = ours.state().await;
    for (method, path) in routes() {
        if method == Method::GET {
            continue;
        }
        let answer = match method {
            Method::DELETE => viewer.delete(&filled(&path, &ours)).await,
            // Their own metadata is theirs.
            _ if path == "/users" && method == Method::PUT => continue,
            _ => {
                viewer
                    .call(method.clone(), &filled(&path, &ours), &body(&ours))
                    .await
            }
        };
        let reads = path == "/things/search" || path == "/ui/session";
        let reads = reads || path.ends_with("access-by-id");
        assert!(
            reads || (400..500).contains(&answer.status),
            "{method} {path} is open: {answer:?}"
        );
        assert!(
            !answer.text.contains(&ours.key),
            "{method} {path} shows a key"
        );
    }
    assert_eq!(ours.state().await, before);
}

/// Asks for `field` with our ids of `kind`.
async fn ask(
    schema: &Schema,
    root: &str,
    field: &Field,
    kind: &str,
    ours: &Ours,
    who: &Session,
) -> Value {
    let (name, arguments, ty) = field;
    let declared: Vec<String> = arguments
        .iter()
        .map(|(name, ty)| format!("${name}: {ty}"))
        .collect();
    let given: Vec<String> = arguments
        .iter()
        .map(|(name, _)| format!("{name}: ${name}"))
        .collect();
    let variables = arguments
        .iter()
        .filter(|(argument, _)| name != "entityAt" || argument != "time");
    let variables: serde_json::Map<_, _> = variables
        .map(|(name, ty)| (name.clone(), schema.value(name, ty, kind, ours)))
        .collect();
    let around = |parts: &[String]| {
        if parts.is_empty() {
            String::new()
        } else {
            format!("({})", parts.join(", "))
        }
    };
    let selection = schema.selection(name_of(&ty.base), 2);
    let query = format!(
        "{root}{} {{ {name}{} {{ {selection} }} }}",
        around(&declared),
        around(&given)
    );
    let answer = who.graphql(&query, Value::Object(variables)).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    ours.assert_tight(&format!("{root} {name} ({kind})"), &answer.text);
    let code = answer.code();
    assert!(
        code != "internal" && code != "query_too_complex",
        "{query}: {answer:?}"
    );
    answer.json()
}

fn is_refused(answer: &Value, field: &str) -> bool {
    let refused = answer["data"][field]["refused"]
        .as_array()
        .is_some_and(|refused| !refused.is_empty());
    answer.get("errors").is_some() || refused
}

#[tokio::test]
async fn no_field_shows_a_stranger_anything() {
    let ours = Ours::make().await;
    let (schema, before) = (Schema::read(), ours.state().await);
    let stranger = ours.node.stranger().await;
    for field in schema.fields("Query") {
        let by_id = field
            .1
            .iter()
            .any(|(_, ty)| schema.takes_id(ty) && !ty.nullable);
        for (kind, _) in &ours.ids {
            let answer = ask(&schema, "query", &field, kind, &ours, &stranger).await;
            let empty = answer["data"][&field.0].is_null();
            assert!(
                !by_id || empty,
                "`{}` answers for {kind}: {answer}",
                field.0
            );
        }
    }
    for field in schema.fields("Mutation") {
        if !field.1.iter().any(|(_, ty)| schema.takes_id(ty)) {
            continue;
        }
        for (kind, _) in &ours.ids {
            let answer = ask(&schema, "mutation", &field, kind, &ours, &stranger).await;
            assert!(
                is_refused(&answer, &field.0),
                "`{}` works for {kind}: {answer}",
                field.0
            );
        }
    }
    assert_eq!(ours.state().await, before);
    assert_eq!(
        stranger.get("/things").await.json()["total"],
        0,
        "what is refused leaves nothing behind"
    );
}

#[tokio::test]
async fn no_mutation_works_for_a_viewer() {
    let ours = Ours::make().await;
    let schema = Schema::read();
    let viewer = ours.node.colleague("viewer").await;
    let before = ours.state().await;
    for field in schema.fields("Mutation") {
        for (kind, _) in &ours.ids {
            let (name, arguments, ty) = &field;
            let variables: serde_json::Map<_, _> = arguments
                .iter()
                .map(|(name, ty)| (name.clone(), schema.value(name, ty, kind, &ours)))
                .collect();
            let selection = schema.selection(name_of(&ty.base), 0);
            let query = format!(
                "mutation($input: {}) {{ {name}(input: $input) {{ {selection} }} }}",
                arguments[0].1
            );
            let answer = viewer
                .graphql(&query, Value::Object(variables))
                .await
                .json();
            assert!(
                is_refused(&answer, name),
                "`{name}` works for {kind}: {answer}"
            );
        }
    }
    assert_eq!(ours.state().await, before);
}

#[test]
fn the_subscriptions_are_those_that_are_tried_by_hand() {
    let fields: BTreeSet<_> = Schema::read()
        .fields("Subscription")
        .into_iter()
        .map(|field| field.0)
        .collect();
    assert_eq!(
        fields,
        ["alarmChanges", "telemetry"].map(str::to_owned).into()
    );
}
