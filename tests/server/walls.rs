//! Organisations are walls: every door of REST and GraphQL, tried by a user of another organisation.
//!
//! The doors come from the route table and the schema themselves, so that a new one without a case fails here.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::{Client, Thing};
use crate::harness::Server;

const ROUTES: &str = include_str!("../../api/src/rest.rs");
const SCHEMA: &str = include_str!("../../api/schema.graphql");

/// What the first organisation owns, by kind.
struct Owned {
    thing: Thing,
    channel: String,
    device: String,
    user: String,
    rule: String,
    device_type: String,
    model: String,
    series: String,
}

async fn plant(admin: &Client) -> Owned {
    let (thing, channel) = admin.provision("secret pump").await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    admin
        .publish(
            &thing,
            &channel,
            &json!([{ "n": "secret", "t": now, "v": 1 }]),
        )
        .await
        .expect(202);
    let config = json!({ "external_id": "secret-gw", "external_key": "k", "channels": [channel] });
    let device = admin
        .post("/things/configs", &config)
        .await
        .expect(201)
        .id();
    let me = admin.get("/users/profile").await.expect(200).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let made = |query: &'static str, input: Value| async move {
        admin.graphql(query, json!({ "input": input })).await
    };
    let rule = made(
        "mutation($input: CreateAlarmRuleInput!) { createAlarmRule(input: $input) { alarmRule { id } } }",
        json!({ "idempotencyKey": "rule", "definition": {
            "name": "secret rule", "thing": thing.id, "seriesName": "secret", "message": "secret", "action": "none",
            "levels": [{ "kind": "HI", "limit": 10, "priority": "P2" }],
        } }),
    )
    .await;
    let device_type = made(
        "mutation($input: DeviceTypeInput!) { createDeviceType(input: $input) { deviceType { id } } }",
        json!({ "idempotencyKey": "type", "name": "secret type" }),
    )
    .await;
    let model = made(
        "mutation($input: CreateModelInput!) { createModel(input: $input) { model { id } } }",
        json!({ "idempotencyKey": "model", "name": "secret model", "thing": thing.id, "samplePeriodMs": 1000,
            "signals": [{ "channel": channel, "series": "secret" }] }),
    )
    .await;
    let series = admin
        .graphql("{ series { nodes { id } } }", json!({}))
        .await;
    let id = |answer: &Value, path: &str| {
        Client::data(answer)
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{path}: {answer}"))
            .to_owned()
    };
    Owned {
        rule: id(&rule, "/createAlarmRule/alarmRule/id"),
        device_type: id(&device_type, "/createDeviceType/deviceType/id"),
        model: id(&model, "/createModel/model/id"),
        series: id(&series, "/series/nodes/0/id"),
        thing,
        channel,
        device,
        user: me,
    }
}

impl Owned {
    fn ids(&self) -> BTreeSet<&str> {
        [
            &self.thing.id,
            &self.channel,
            &self.device,
            &self.user,
            &self.rule,
            &self.device_type,
            &self.model,
            &self.series,
        ]
        .into_iter()
        .map(String::as_str)
        .collect()
    }

    /// Everything that must be the same after the attempts.
    async fn snapshot(&self, admin: &Client) -> Vec<Value> {
        let mut all = Vec::new();
        for path in [
            format!("/things/{}", self.thing.id),
            format!("/channels/{}", self.channel),
            format!("/things/configs/{}", self.device),
            format!("/channels/{}/things", self.channel),
            format!("/channels/{}/messages", self.channel),
        ] {
            all.push(admin.get(&path).await.expect(200).json());
        }
        let query = "query($rule: ID!, $type: String, $model: ID!) {
            alarmRule(id: $rule) { revision } model(id: $model) { revision }
            deviceTypes { nodes { id revision } } users { nodes { id revision role } }
        }";
        let variables = json!({ "rule": self.rule, "model": self.model });
        let query = query.replace(", $type: String", "");
        all.push(admin.graphql(&query, variables).await);
        all
    }
}

async fn two_organisations(server: &Server) -> (Client, Client) {
    let admin = server.administrator().await;
    for name in ["owner", "stranger"] {
        let body =
            json!({ "email": format!("{name}@plant.example"), "password": "a long pass phrase" });
        admin.post("/users", &body).await.expect(201);
    }
    let owner = server
        .anonymous()
        .sign_in("owner@plant.example", "a long pass phrase")
        .await;
    let stranger = server
        .anonymous()
        .sign_in("stranger@plant.example", "a long pass phrase")
        .await;
    (owner, stranger)
}

/// Whether `id` is a value in this JSON. Ids of series are short numbers.
fn shows(json: &str, id: &str) -> bool {
    json.contains(&format!("\"{id}\""))
}

/// The paths of the route table, with the names of their parts.
fn routes() -> BTreeSet<String> {
    ROUTES
        .split('"')
        .filter(|text| text.starts_with('/') && !text.contains(' ') && *text != "/http")
        .map(str::to_owned)
        .collect()
}

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
        if path.contains("/messages") {
            let client = stranger.as_who(&own.key);
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

/// One field of the schema: its name, its arguments and its type.
#[derive(Debug, Clone)]
struct Field {
    name: String,
    arguments: Vec<(String, String)>,
    kind: String,
}

/// The fields of `type`, `input` or the values of `enum` named `name`. Reads just the SDL that Tellee writes.
fn block(keyword: &str, name: &str) -> Option<String> {
    let head = format!("{keyword} {name} {{");
    let begin = SCHEMA.find(&head)? + head.len();
    let end = begin + SCHEMA[begin..].find('}')?;
    let mut text = String::new();
    let mut quoted = false;
    for line in SCHEMA[begin..end].lines() {
        let marks = line.matches("\"\"\"").count();
        if marks > 0 || quoted {
            quoted ^= marks % 2 == 1;
            continue;
        }
        let mut outside = true;
        for part in line.split('"') {
            if outside {
                text.push_str(part);
            }
            outside = !outside;
        }
        text.push('\n');
    }
    Some(text)
}

/// Splits `name(arguments): Type name: Type` into fields.
fn fields(keyword: &str, name: &str) -> Vec<Field> {
    let text = block(keyword, name).unwrap_or_else(|| panic!("no {keyword} {name}"));
    // Defaults (`= 50`, `= []`, `= "x"`) do not matter here.
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_alphabetic()) {
        rest = &rest[start..];
        let stop = rest
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(rest.len());
        let name = rest[..stop].to_owned();
        rest = rest[stop..].trim_start();
        let mut arguments = Vec::new();
        if let Some(inner) = rest.strip_prefix('(') {
            let close = inner.find(')').unwrap_or(inner.len());
            arguments = pairs(&inner[..close]);
            rest = inner[close + 1..].trim_start();
        }
        let Some(after) = rest.strip_prefix(':') else {
            continue;
        };
        let after = after.trim_start();
        let stop = after
            .find(|letter: char| !letter.is_ascii_alphanumeric() && !"[]!_".contains(letter))
            .unwrap_or(after.len());
        found.push(Field {
            name,
            arguments,
            kind: after[..stop].to_owned(),
        });
        rest = skip_default(&after[stop..]);
    }
    found
}

fn skip_default(rest: &str) -> &str {
    let Some(value) = rest.trim_start_matches([' ', '\t']).strip_prefix('=') else {
        return rest;
    };
    let value = value.trim_start();
    let stop = if let Some(inner) = value.strip_prefix('[') {
        inner.find(']').map_or(value.len(), |place| place + 2)
    } else {
        value.find(char::is_whitespace).unwrap_or(value.len())
    };
    &value[stop..]
}

fn pairs(text: &str) -> Vec<(String, String)> {
    text.split([',', '\n'])
        .flat_map(|part| {
            let mut words = Vec::new();
            let part = part.split('=').next().unwrap_or_default();
            if let Some((name, kind)) = part.split_once(':') {
                words.push((name.trim().to_owned(), kind.trim().to_owned()));
            }
            words
        })
        .collect()
}

/// A value of type `kind` for the field `name` of `owner`, foreign wherever it is an id.
fn value(owned: &Owned, owner: &str, name: &str, kind: &str) -> Value {
    let required = kind.trim_end_matches('!');
    if let Some(inner) = required.strip_prefix('[') {
        return json!([value(owned, owner, name, inner.trim_end_matches(']'))]);
    }
    match required {
        "ID" => json!(foreign(owned, owner, name)),
        "String" if name == "idempotencyKey" => json!(format!("stranger {owner}")),
        "String" if name == "every" => json!("1m"),
        "String" if name.to_lowercase().contains("password") => json!("a long pass phrase"),
        "String" if name == "email" => json!("third@plant.example"),
        "String" => json!("taken"),
        "Int" | "Long" => json!(1),
        "Float" => json!(1.0),
        "Boolean" => json!(true),
        "DateTime" if name == "to" || name == "until" => json!("2100-01-01T00:00:00Z"),
        "DateTime" => json!("2000-01-01T00:00:00Z"),
        "JSON" => json!({}),
        other => match block("enum", other) {
            Some(values) if other == "EntityKind" => {
                assert!(values.contains("THING"));
                json!("THING")
            }
            Some(values) => json!(values.split_whitespace().next()),
            None => {
                let inner = if other.starts_with("Alarm") && name != "definition" {
                    "Alarm"
                } else {
                    owner
                };
                let map: Map<String, Value> = fields("input", other)
                    .iter()
                    .filter(|field| !matches!(field.name.as_str(), "expectedRevision" | "after"))
                    .map(|field| {
                        (
                            field.name.clone(),
                            value(owned, inner, &field.name, &field.kind),
                        )
                    })
                    .collect();
                Value::Object(map)
            }
        },
    }
}

/// The id of the first organisation that fits the field best.
fn foreign<'owned>(owned: &'owned Owned, owner: &str, name: &str) -> &'owned str {
    let owner = owner.to_lowercase();
    match name {
        "thing" | "things" => &owned.thing.id,
        "channel" | "channels" => &owned.channel,
        "model" => &owned.model,
        "deviceType" => &owned.device_type,
        "series" => &owned.series,
        _ if owner.contains("rule") => &owned.rule,
        _ if owner.contains("devicetype") => &owned.device_type,
        _ if owner.contains("edgedevice") => &owned.device,
        _ if owner.contains("channel") => &owned.channel,
        _ if owner.contains("model") => &owned.model,
        _ if owner.contains("user") => &owned.user,
        _ if owner.contains("series") => &owned.series,
        // There is no alarm to be had at rest; a rule's id is foreign all the same.
        _ if owner.contains("alarm") => &owned.rule,
        _ => &owned.thing.id,
    }
}

/// A selection that shows ids where there are some.
fn selection(kind: &str) -> String {
    let name = kind.trim_matches(['!', '[', ']']);
    let Some(_) = block("type", name) else {
        return String::new();
    };
    let known: BTreeMap<String, String> = fields("type", name)
        .into_iter()
        .map(|field| (field.name, field.kind))
        .collect();
    if let Some(nodes) = known.get("nodes") {
        return format!("{{ nodes {} }}", selection(nodes));
    }
    if known.contains_key("id") {
        return "{ id }".to_owned();
    }
    // What payloads and their like lead to.
    let has_id = |kind: &str| {
        let name = kind.trim_matches(['!', '[', ']']);
        block("type", name).is_some() && fields("type", name).iter().any(|field| field.name == "id")
    };
    let inner: Vec<String> = known
        .iter()
        .filter(|(_, kind)| has_id(kind))
        .map(|(name, _)| format!("{name} {{ id }}"))
        .collect();
    if inner.is_empty() {
        "{ __typename }".to_owned()
    } else {
        format!("{{ {} }}", inner.join(" "))
    }
}

/// Calls `field` of the root `operation` as `client`, all its arguments given.
async fn call(client: &Client, owned: &Owned, operation: &str, field: &Field) -> Value {
    let mut variables = Map::new();
    let (mut declared, mut passed) = (Vec::new(), Vec::new());
    for (name, kind) in field.arguments.iter().filter(|(name, _)| name != "after") {
        declared.push(format!("${name}: {}", kind.trim_end()));
        passed.push(format!("{name}: ${name}"));
        variables.insert(name.clone(), value(owned, &field.name, name, kind));
    }
    // `entityAt` takes a revision or a time.
    if field.name == "entityAt" {
        variables.insert("time".to_owned(), Value::Null);
    }
    let list = |open: &[String]| {
        if open.is_empty() {
            String::new()
        } else {
            format!("({})", open.join(", "))
        }
    };
    let query = format!(
        "{operation}{} {{ {}{} {} }}",
        list(&declared),
        field.name,
        list(&passed),
        selection(&field.kind)
    );
    client.graphql(&query, Value::Object(variables)).await
}

#[tokio::test]
async fn no_graphql_query_shows_another_organisation() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (owner, stranger) = two_organisations(&server).await;
    let owned = plant(&owner).await;
    let queries = fields("type", "Query");
    assert!(queries.len() > 20, "the schema was not read: {queries:?}");
    let mut seen = BTreeSet::new();
    for field in &queries {
        let mine = call(&owner, &owned, "query", field).await;
        let text = mine["data"].to_string();
        seen.extend(
            owned
                .ids()
                .into_iter()
                .filter(|id| shows(&text, id))
                .map(str::to_owned),
        );
        let theirs = call(&stranger, &owned, "query", field).await;
        let text = theirs["data"].to_string();
        for id in owned.ids() {
            assert!(!shows(&text, id), "`{}` shows `{id}`: {theirs}", field.name);
        }
        if mine["data"][&field.name].is_object()
            && field.arguments.iter().any(|(name, _)| name == "id")
        {
            assert!(
                theirs["data"][&field.name].is_null(),
                "`{}` answers a stranger: {theirs}",
                field.name
            );
        }
    }
    // The same questions do show them to their owner: the test looks at the right place.
    let unseen: Vec<_> = owned
        .ids()
        .into_iter()
        .filter(|id| !seen.contains(*id))
        .collect();
    assert!(unseen.is_empty(), "not even their owner saw {unseen:?}");
}

#[tokio::test]
async fn no_graphql_mutation_touches_another_organisation() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (owner, stranger) = two_organisations(&server).await;
    let owned = plant(&owner).await;
    let before = owned.snapshot(&owner).await;
    // Nothing foreign can be named in these.
    let own = [
        "createChannel",
        "createDeviceType",
        "createUser",
        "changePassword",
    ];
    for field in fields("type", "Mutation") {
        let answer = call(&stranger, &owned, "mutation", &field).await;
        if own.contains(&field.name.as_str()) {
            continue;
        }
        let nothing_done = answer["data"][&field.name].is_null()
            || answer["data"][&field.name]["alarms"]
                .as_array()
                .is_some_and(Vec::is_empty);
        let refused = answer.get("errors").is_some()
            || answer["data"][&field.name]["refused"]
                .as_array()
                .is_some_and(|refused| !refused.is_empty());
        assert!(nothing_done && refused, "`{}`: {answer}", field.name);
        let code = answer["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or("not_found");
        assert!(
            ["not_found", "invalid_input", "forbidden"].contains(&code),
            "`{}` was refused for another reason: {answer}",
            field.name
        );
    }
    assert_eq!(
        owned.snapshot(&owner).await,
        before,
        "a stranger changed something"
    );
}

#[tokio::test]
async fn nobody_signed_in_sees_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (owner, _) = two_organisations(&server).await;
    let owned = plant(&owner).await;
    let anonymous = server.anonymous();
    for field in fields("type", "Query") {
        let query = json!({ "query": format!("{{ {} {} }}", field.name, selection(&field.kind)) });
        let text = anonymous.post("/graphql", &query).await.text;
        assert!(
            text.contains("unauthenticated") || text.contains("errors"),
            "`{}`: {text}",
            field.name
        );
        for id in owned.ids() {
            assert!(!shows(&text, id), "`{}` shows `{id}`", field.name);
        }
    }
    for path in routes() {
        let path = path
            .replace("{channel}", &owned.channel)
            .replace("{thing}", &owned.thing.id);
        let path = path
            .replace("{id}", &owned.thing.id)
            .replace("{external_id}", "secret-gw")
            .replace("{*subtopic}", "a");
        let text = anonymous.get(&path).await.text;
        assert!(
            !text.contains(&owned.thing.key) && !text.contains("secret pump"),
            "{path}: {text}"
        );
    }
}
