//! How often GraphQL reads the store: about as often for thirty things as for three.

use serde_json::{Value, json};
use tellee_actors::ids::{ChannelId, OrganisationId, ThingId};

use super::node::Node;

/// What a list of assets shows.
const LIST: &str = "query($first: Int!) { things(first: $first) { total nodes { name lastSeen
    tags { title } deviceType { name } channels { name } models { name }
    edgeDevice { externalId online lastSeen thing { name } channels { name } }
    worstAlarm { message rule { name } thing { name } contributions { series title } comments { by } } } } }";

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A thing of a type, with an edge device, a model and an alarm with a comment.
async fn equip(node: &Node, device_type: &str, number: usize) {
    let admin = &node.admin;
    let key = |what: &str| format!("{what} {number}");
    let made = admin
        .data(
            "mutation($input: CreateChannelInput!) { createChannel(input: $input) { channel { id } } }",
            json!({ "input": { "idempotencyKey": key("channel"), "name": key("channel") } }),
        )
        .await;
    let channel = text(&made["createChannel"]["channel"]["id"]).to_owned();
    let made = admin
        .data(
            "mutation($input: CreateThingInput!) { createThing(input: $input) { thing { id } } }",
            json!({ "input": { "idempotencyKey": key("thing"), "name": key("pump"), "deviceType": device_type } }),
        )
        .await;
    let thing = text(&made["createThing"]["thing"]["id"]).to_owned();
    admin
        .data(
            "mutation($input: RegisterEdgeDeviceInput!) { registerEdgeDevice(input: $input) { revision } }",
            json!({ "input": { "idempotencyKey": key("edge"), "externalId": format!("gateway-{number}"), "externalKey": "secret",
                               "name": key("edge"), "content": "{}", "channels": [channel], "thing": thing,
                               "activate": true } }),
        )
        .await;
    admin
        .data(
            "mutation($input: CreateModelInput!) { createModel(input: $input) { revision } }",
            json!({ "input": { "idempotencyKey": key("model"), "name": key("model"), "thing": thing,
                               "signals": [{ "channel": channel, "series": "vibration" }],
                               "samplePeriodMs": 1_000 } }),
        )
        .await;
    let organisation: OrganisationId = admin.session_organisation().await.parse().unwrap();
    let (thing, channel): (ThingId, ChannelId) = (thing.parse().unwrap(), channel.parse().unwrap());
    node.raise(organisation, thing, channel, number as u128 + 1)
        .await;
    let found = admin
        .data(
            "query($thing: ID!) { alarms(filter: { thing: $thing }) { nodes { id } } }",
            json!({ "thing": thing.to_string() }),
        )
        .await;
    admin
        .data(
            "mutation($id: ID!, $key: String!) { commentAlarm(input: { idempotencyKey: $key, id: $id, text: \"seen\" }) \
             { revision } }",
            json!({ "id": found["alarms"]["nodes"][0]["id"], "key": key("comment") }),
        )
        .await;
}

async fn reads_for(node: &Node, first: usize) -> u64 {
    node.settled().await;
    let before = node.database.reads();
    let data = node.admin.data(LIST, json!({ "first": first })).await;
    let reads = node.database.reads() - before;
    let nodes = data["things"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), first);
    for thing in nodes {
        assert_eq!(thing["tags"][0]["title"], "Vibration", "{thing}");
        assert_eq!(thing["deviceType"]["name"], "pump", "{thing}");
        let alarm = &thing["worstAlarm"];
        assert_eq!(alarm["thing"]["name"], thing["name"]);
        assert_eq!(alarm["contributions"][0]["title"], "Vibration", "{alarm}");
        assert_eq!(alarm["comments"][0]["by"], "admin@plant.example");
        let device = &thing["edgeDevice"];
        assert_eq!(device["thing"]["name"], thing["name"]);
        assert_eq!(device["channels"], thing["channels"]);
        assert_eq!(thing["models"].as_array().unwrap().len(), 1);
    }
    reads
}

#[tokio::test]
async fn a_list_of_thirty_things_is_read_in_a_handful_of_batches() {
    let node = Node::start().await;
    let made = node
        .admin
        .data(
            "mutation($input: DeviceTypeInput!) { createDeviceType(input: $input) { deviceType { id } } }",
            json!({ "input": { "idempotencyKey": "type", "name": "pump",
                               "tags": [{ "series": "vibration", "title": "Vibration", "unit": "mm/s" }] } }),
        )
        .await;
    let device_type = text(&made["createDeviceType"]["deviceType"]["id"]).to_owned();
    for number in 0..30 {
        equip(&node, &device_type, number).await;
    }
    // Once for those that were never heard of.
    reads_for(&node, 30).await;
    let few = reads_for(&node, 3).await;
    let many = reads_for(&node, 30).await;
    assert!(few > 0);
    // Eleven kinds of rows, each read once or, where its askers are not ready together, twice. One by one it were 270.
    assert!(many <= 22, "{many} reads of 30 things, {few} of 3");
}
