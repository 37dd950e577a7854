//! Calls a field of the schema with all its arguments, foreign wherever an id is asked for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Owned;
use super::sdl::{Field, block, fields};
use crate::client::Client;

/// The queries that search names.
const LISTS: [&str; 5] = [
    "things",
    "channels",
    "edgeDevices",
    "deviceTypes",
    "alarmRules",
];

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
        // A part of all names and addresses, so that the owner does find what is theirs.
        "String" if name == "name" && LISTS.contains(&owner) => json!("secret"),
        "String" if name == "email" && owner == "users" => json!("plant.example"),
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
pub fn selection(kind: &str) -> String {
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
pub async fn call(client: &Client, owned: &Owned, operation: &str, field: &Field) -> Value {
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
