//! Queries and mutations: rules, limits, codes, history.

use std::time::Duration;

use serde_json::{Value, json};

use super::node::{Node, PASSWORD};

const INTROSPECTION: &str = "query { __schema { types { name kind fields(includeDeprecated: true) { name args { name \
    type { ...T } } type { ...T } } inputFields { name type { ...T } } possibleTypes { ...T } } } } \
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
    ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

#[tokio::test]
async fn every_role_may_what_its_rule_says_and_no_more() {
    let node = Node::start().await;
    let (pump, _) = node.admin.thing("pump").await;
    let viewer = node.colleague("viewer").await;
    let data = viewer
        .data(
            "{ things { nodes { name revision } total } me { role } }",
            json!({}),
        )
        .await;
    assert_eq!(
        data["things"],
        json!({ "nodes": [{ "name": "pump", "revision": 1 }], "total": 1 })
    );
    assert_eq!(data["me"]["role"], "VIEWER");
    for query in [
        "mutation { createThing(input: { idempotencyKey: \"1\", name: \"x\" }) { revision } }",
        "{ users { total } }",
        "{ unknownDevices { total } }",
        "mutation { createUser(input: { idempotencyKey: \"1\", email: \"a@b.c\", password: \"long enough\" }) { revision } }",
    ] {
        let answer = viewer.graphql(query, json!({})).await;
        assert_eq!(
            (answer.status, answer.code()),
            (200, "forbidden".to_owned()),
            "{query}"
        );
    }
    let engineer = node.colleague("engineer").await;
    let made = "mutation { createThing(input: { idempotencyKey: \"1\", name: \"x\" }) { key thing { name } } }";
    let made = engineer.data(made, json!({})).await;
    assert_eq!(made["createThing"]["key"].as_str().map(str::len), Some(36));
    let operator = node.colleague("operator").await;
    let rotated =
        "mutation($id: ID!) { changeThingKey(input: { idempotencyKey: \"k\", id: $id }) { key } }";
    assert_eq!(
        operator
            .graphql(rotated, json!({ "id": pump }))
            .await
            .code(),
        "forbidden"
    );
}

#[tokio::test]
async fn what_asks_for_too_much_is_refused_before_it_runs() {
    let node = Node::start().await;
    let aliases: String = (0..51)
        .map(|number| format!("a{number}: me {{ id }} "))
        .collect();
    let deep = "things { nodes { channels { ".repeat(8);
    let deep = format!("{{ {deep} id {} }}", "} } }".repeat(8));
    let wide =
        "{ things(first: 1000) { nodes { series(first: 1000) { nodes { id } } } } }".to_owned();
    let fields: String = (0..1_001).map(|number| format!("f{number}: id ")).collect();
    let fields = format!("{{ me {{ {fields} }} }}");
    for query in [format!("{{ {aliases} }}"), deep, wide, fields] {
        let answer = node.admin.graphql(&query, json!({})).await;
        assert_eq!(answer.code(), "query_too_complex", "{}", answer.text);
    }
    let large = node.admin.graphql(&" ".repeat(65 * 1024), json!({})).await;
    assert_eq!(
        (large.status, large.code()),
        (413, "body_too_large".to_owned())
    );
    for query in [
        "{",
        "{ nothing }",
        "{ things(first: 0) { total } }",
        "{ things(first: 1001) { total } }",
    ] {
        let answer = node.admin.graphql(query, json!({})).await;
        assert_eq!(
            (answer.status, answer.code()),
            (200, "invalid_input".to_owned()),
            "{query}"
        );
    }
    let batch = node
        .admin
        .post("/graphql", &json!([{ "query": "{ me { id } }" }]))
        .await;
    assert_eq!(
        (batch.status, batch.code()),
        (400, "invalid_input".to_owned())
    );
    let subscription = node
        .admin
        .graphql("subscription { alarmChanges { cursor } }", json!({}))
        .await;
    assert_eq!(subscription.code(), "invalid_input");
}

/// What the dashboard asks on opening, as wide as it ever is.
const OVERVIEW: &str = "{ things(first: 20) { nodes { id name metadata lastSeen tags { series title unit low high decimals \
    expectedIntervalMs } deviceType { name } worstAlarm { id } models { id } series(first: 60) { nodes { id name subtopic \
    unit tag { series title unit low high decimals expectedIntervalMs } limits { kind limit priority rule } channel { id \
    name } latest { time receivedAt number text boolean quality } } } } pageInfo { hasNextPage endCursor } total } }";

#[tokio::test]
async fn the_widest_page_of_the_dashboard_is_within_the_limits() {
    let node = Node::start().await;
    let (pump, key) = node.admin.thing("pump").await;
    let channel = node.admin.channel("data").await;
    node.admin.connect(&channel, &pump).await;
    node.admin
        .publish(&channel, &key, &json!([{ "n": "speed", "v": 1 }]))
        .await;
    let data = node.admin.data(OVERVIEW, json!({})).await;
    assert_eq!(
        data["things"]["nodes"][0]["series"]["nodes"][0]["channel"]["name"],
        "data"
    );
}

#[tokio::test]
async fn the_schema_is_told_to_who_is_signed_in() {
    let node = Node::start().await;
    let anonymous = node.anonymous().graphql(INTROSPECTION, json!({})).await;
    assert_eq!(
        (anonymous.status, anonymous.code()),
        (401, "unauthenticated".to_owned())
    );
    let schema = node.admin.data(INTROSPECTION, json!({})).await;
    assert!(schema["__schema"]["types"].as_array().unwrap().len() > 80);
}

#[tokio::test]
async fn errors_say_what_and_never_how_we_are_built() {
    let node = Node::start().await;
    let update = "mutation($id: ID!, $revision: Long) { updateThing(input: { idempotencyKey: \"u\", id: $id, \
        expectedRevision: $revision, name: \"n\" }) { revision } }";
    let missing = node
        .admin
        .graphql(update, json!({ "id": uuid::Uuid::now_v7() }))
        .await;
    assert_eq!(missing.code(), "not_found");
    let (pump, _) = node.admin.thing("pump").await;
    let stale = node
        .admin
        .graphql(update, json!({ "id": pump, "revision": 7 }))
        .await;
    assert_eq!(stale.code(), "revision_mismatch");
    assert_eq!(stale.json()["errors"][0]["extensions"]["retryable"], false);
    let no_id = node.admin.graphql(update, json!({ "id": "7" })).await;
    assert_eq!(
        (
            no_id.code(),
            no_id.json()["errors"][0]["extensions"]["field"].as_str()
        ),
        ("invalid_input".to_owned(), Some("input.id"))
    );
}

#[tokio::test]
async fn a_retry_with_the_same_key_has_no_second_effect() {
    let node = Node::start().await;
    let create = "mutation { createThing(input: { idempotencyKey: \"once\", name: \"pump\" }) { key thing { id } revision } }";
    let first = node.admin.data(create, json!({})).await;
    let second = node.admin.data(create, json!({})).await;
    assert_eq!(first, second);
    let register = "mutation { registerEdgeDevice(input: { idempotencyKey: \"once more\", externalId: \"gw-1\", \
        externalKey: \"k\", name: \"gateway\", channels: [] }) { edgeDevice { id state } revision } }";
    let first = node.admin.data(register, json!({})).await;
    assert_eq!(first["registerEdgeDevice"]["edgeDevice"]["state"], "ACTIVE");
    assert_eq!(first, node.admin.data(register, json!({})).await);
    let other =
        "mutation { createChannel(input: { idempotencyKey: \"once\", name: \"x\" }) { revision } }";
    assert_eq!(
        node.admin.graphql(other, json!({})).await.code(),
        "conflict"
    );
    let total = node.admin.data("{ things { total } }", json!({})).await;
    assert_eq!(total["things"]["total"], 2);
}

#[tokio::test]
async fn a_key_that_comes_again_with_another_input_is_refused_and_nothing_is_dropped_in_silence() {
    let node = Node::start().await;
    let (pump, _) = node.admin.thing("pump").await;
    let rename = "mutation($id: ID!, $name: String!) { updateThing(input: { idempotencyKey: \"r\", id: $id, name: $name }) { revision } }";
    let named = |name: &str| json!({ "id": pump, "name": name });
    let first = node.admin.data(rename, named("feed pump")).await;
    assert_eq!(first, node.admin.data(rename, named("feed pump")).await);
    let other = node.admin.graphql(rename, named("drain pump")).await;
    assert_eq!(other.code(), "conflict");
    let thing = node
        .admin
        .data(
            "query($id: ID!) { thing(id: $id) { name } }",
            json!({ "id": pump }),
        )
        .await;
    assert_eq!(thing["thing"]["name"], "feed pump");
    let remove =
        "mutation($id: ID!) { removeThing(input: { idempotencyKey: \"r\", id: $id }) { id } }";
    let removed = node.admin.graphql(remove, json!({ "id": pump })).await;
    assert_eq!(
        removed.code(),
        "conflict",
        "the same key for another mutation"
    );
}

#[tokio::test]
async fn a_retried_change_of_the_password_is_answered_as_the_first() {
    let node = Node::start().await;
    let change = "mutation($old: String!, $new: String!) { changePassword(input: { idempotencyKey: \"p\", oldPassword: $old, \
        newPassword: $new }) { revision } }";
    let asked = |new: &str| json!({ "old": PASSWORD, "new": new });
    let first = node.admin.data(change, asked("another long one")).await;
    // The change has ended the session, so whoever retries has signed in again.
    let sign_in = json!({ "email": "admin@plant.example", "password": "another long one" });
    let token = node.anonymous().post("/tokens", &sign_in).await.json()["token"].clone();
    let mut again = node.anonymous();
    again.token = token.as_str().unwrap().to_owned();
    assert_eq!(first, again.data(change, asked("another long one")).await);
    let other = again.graphql(change, asked("a third long one")).await;
    assert_eq!(other.code(), "forbidden");
}

#[tokio::test]
async fn the_past_is_read_compared_and_put_back() {
    let node = Node::start().await;
    let (pump, _) = node.admin.thing("pump").await;
    let rename = "mutation($id: ID!) { updateThing(input: { idempotencyKey: \"r\", id: $id, name: \"wrong\", \
        note: \"a mistake\" }) { revision } }";
    node.admin.data(rename, json!({ "id": pump })).await;
    let past = "query($id: ID!) { history(entity: THING, id: $id) { nodes { type note who changes { path before after } } } \
        diff(entity: THING, id: $id, from: 2, to: 1) { path after } entityAt(entity: THING, id: $id, revision: 1) { state } }";
    let past = node.admin.data(past, json!({ "id": pump })).await;
    let last = &past["history"]["nodes"][1];
    assert_eq!(
        (&last["type"], &last["note"], &last["who"]),
        (
            &json!("thing.updated"),
            &json!("a mistake"),
            &json!("admin@plant.example")
        )
    );
    let changed: Vec<_> = last["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["before"])
        .collect();
    assert!(changed.contains(&&json!("pump")), "{last}");
    assert!(
        past["diff"]
            .as_array()
            .unwrap()
            .iter()
            .any(|change| change["after"] == "pump"),
        "{past}"
    );
    let state = past["entityAt"]["state"].to_string();
    assert!(
        state.contains("pump") && !state.contains("sealed\":\""),
        "{state}"
    );
    let back = "mutation($id: ID!) { rollBack(input: { idempotencyKey: \"b\", expectedRevision: 2, entity: THING, id: $id, \
        to: 1 }) { revision } }";
    assert_eq!(
        node.admin.data(back, json!({ "id": pump })).await["rollBack"]["revision"],
        3
    );
    let name = node
        .admin
        .data(
            "query($id: ID!) { thing(id: $id) { name } }",
            json!({ "id": pump }),
        )
        .await;
    assert_eq!(name["thing"]["name"], "pump");
}

#[tokio::test]
async fn a_series_is_read_as_points_and_aggregates() {
    let node = Node::start().await;
    let (pump, key) = node.admin.thing("pump").await;
    let channel = node.admin.channel("data").await;
    node.admin.connect(&channel, &pump).await;
    let pack: Vec<Value> =
        (0..600).map(|second| json!({ "n": "speed", "u": "1/min", "t": 1_700_000_100 + second, "v": second })).collect();
    assert_eq!(
        node.admin
            .publish(&channel, &key, &json!(pack))
            .await
            .status,
        202
    );
    let query = "query($thing: ID!) { series(thing: $thing) { total nodes { name unit thing { name } channel { name } \
        latest { number time } points(from: \"2023-11-14T22:00:00Z\", to: \"2023-11-14T23:00:00Z\", maxPoints: 50) { t v \
        samples thinned } aggregate(from: \"2023-11-14T22:00:00Z\", to: \"2023-11-14T23:00:00Z\", every: \"5m\", \
        functions: [MIN, MAX, COUNT]) { t columns { function v } } } } }";
    let data = node.admin.data(query, json!({ "thing": pump })).await;
    let series = &data["series"]["nodes"][0];
    assert_eq!(
        (&series["name"], &series["unit"], &series["thing"]["name"]),
        (&json!("speed"), &json!("1/min"), &json!("pump"))
    );
    assert_eq!(
        (
            series["latest"]["number"].as_f64(),
            series["points"]["samples"].as_u64()
        ),
        (Some(599.0), Some(600))
    );
    assert_eq!(series["points"]["thinned"], true);
    assert!(series["points"]["t"].as_array().unwrap().len() <= 50);
    let columns = series["aggregate"]["columns"].as_array().unwrap();
    let counts: f64 = columns[2]["v"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| count.as_f64().unwrap())
        .sum();
    assert_eq!((columns.len(), counts), (3, 600.0));
}

#[tokio::test]
async fn a_list_is_searched_and_ordered_by_the_server_page_by_page() {
    let node = Node::start().await;
    let channel = node.admin.data(
        "mutation { createChannel(input: { idempotencyKey: \"c\", name: \"hall\", metadata: { floor: 2 } }) { channel { id } } }",
        json!({}),
    );
    let channel = channel.await["createChannel"]["channel"]["id"].clone();
    for name in ["Pump C", "pump a", "Valve", "pump B"] {
        node.clock.advance(Duration::from_secs(1));
        let make = "mutation($name: String!, $channel: ID!) { createThing(input: { idempotencyKey: $name, name: $name, \
                    channels: [$channel] }) { revision } }";
        node.admin
            .data(make, json!({ "name": name, "channel": channel }))
            .await;
    }
    let by_name = pumps(&node, "NAME").await;
    assert_eq!(by_name, ["pump a", "pump B", "Pump C"]);
    let mut turned = pumps(&node, "NAME_DESCENDING").await;
    turned.reverse();
    assert_eq!(turned, by_name);
    let by_age = pumps(&node, "CREATED").await;
    assert_eq!(by_age, ["Pump C", "pump a", "pump B"]);
    let mut turned = pumps(&node, "CREATED_DESCENDING").await;
    turned.reverse();
    assert_eq!(turned, by_age);

    // A place in one order says nothing in another.
    let first = "{ things(first: 1, order: NAME) { pageInfo { endCursor } } }";
    let first = node.admin.data(first, json!({})).await;
    let after = first["things"]["pageInfo"]["endCursor"].clone();
    let query = "query($after: String) { things(after: $after, order: CREATED) { total } }";
    let refused = node
        .admin
        .graphql(query, json!({ "after": after }))
        .await
        .json();
    assert_eq!(
        refused["errors"][0]["extensions"]["field"], "after",
        "{refused}"
    );

    let hall =
        "{ channels(metadata: { floor: 2 }) { nodes { thingCount things(first: 3) { name } } } }";
    let hall = node.admin.data(hall, json!({})).await["channels"]["nodes"][0].clone();
    assert_eq!(hall["thingCount"], 4);
    assert_eq!(hall["things"].as_array().map(Vec::len), Some(3));
    let none = "{ channels(metadata: { floor: 3 }) { total } }";
    assert_eq!(
        node.admin.data(none, json!({})).await["channels"]["total"],
        0
    );

    node.clock.advance(Duration::from_secs(1));
    node.colleague("engineer").await;
    let users = "query($email: String!) { users(email: $email, order: NAME) { total } }";
    let all = node.admin.data(users, json!({ "email": "" })).await["users"]["total"].clone();
    let some =
        node.admin.data(users, json!({ "email": "ENGINEER" })).await["users"]["total"].clone();
    assert_eq!((all, some), (json!(2), json!(1)));

    // Ids of users come from their addresses and say nothing of age.
    for role in ["viewer", "operator", "supervisor"] {
        node.clock.advance(Duration::from_secs(1));
        node.colleague(role).await;
    }
    let users = "query($order: ListOrder!) { users(order: $order) { nodes { role } } }";
    let roles = async |order: &str| -> Vec<String> {
        let list = node.admin.data(users, json!({ "order": order })).await;
        let nodes = list["users"]["nodes"].as_array().unwrap().clone();
        let role = |user: &Value| user["role"].as_str().unwrap().to_lowercase();
        nodes.iter().map(role).collect()
    };
    let mut expected = [
        "administrator",
        "engineer",
        "viewer",
        "operator",
        "supervisor",
    ];
    assert_eq!(roles("CREATED").await, expected);
    expected.reverse();
    assert_eq!(roles("CREATED_DESCENDING").await, expected);
}

/// The names of all things with "pump" in theirs, two a page.
async fn pumps(node: &Node, order: &str) -> Vec<String> {
    let list = "query($order: ListOrder!, $after: String) { things(first: 2, name: \"PUMP\", order: $order, after: $after) { \
                nodes { name } total pageInfo { endCursor hasNextPage } } }";
    let mut found = Vec::new();
    let mut after = Value::Null;
    loop {
        let variables = json!({ "order": order, "after": after });
        let page = node.admin.data(list, variables).await["things"].clone();
        assert_eq!(page["total"], 3);
        for thing in page["nodes"].as_array().unwrap() {
            found.push(thing["name"].as_str().unwrap().to_owned());
        }
        if page["pageInfo"]["hasNextPage"] == false {
            return found;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}
