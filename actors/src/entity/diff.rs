//! What differs between two states.

use serde::Serialize;
use serde_json::Value;

/// Changes that one comparison tells, at most.
const CHANGES_LIMIT: usize = 10_000;

/// One place where two values differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// A JSON pointer (RFC 6901); empty for the whole.
    pub path: String,
    /// `None`: it was not there.
    pub before: Option<Value>,
    /// `None`: it is not there any more.
    pub after: Option<Value>,
}

/// The smallest places where `before` and `after` differ, in the order of their keys. Lists are compared place by place.
pub fn diff(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", Some(before), Some(after), &mut changes);
    changes
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    if before == after || changes.len() >= CHANGES_LIMIT {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            let mut keys: Vec<&String> = old.keys().chain(added).collect();
            keys.sort_unstable();
            for key in keys {
                compare(
                    &format!("{path}/{}", escape(key)),
                    old.get(key),
                    new.get(key),
                    changes,
                );
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                compare(
                    &format!("{path}/{index}"),
                    old.get(index),
                    new.get(index),
                    changes,
                );
            }
        }
        _ => changes.push(Change {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

/// RFC 6901 §3: `~` and `/` cannot stand in a reference token as they are.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    fn change(path: &str, before: Option<Value>, after: Option<Value>) -> Change {
        Change {
            path: path.to_owned(),
            before,
            after,
        }
    }

    #[test]
    fn a_change_is_named_by_its_smallest_place() {
        let before = json!({ "name": "P-101", "limits": { "high": 7.1, "low": null }, "tags": ["a", "b"], "old": 1 });
        let after = json!({ "name": "P-101", "limits": { "high": 4.5, "low": null }, "tags": ["a", "c", "d"], "new": {} });
        assert_eq!(
            diff(&before, &after),
            [
                change("/limits/high", Some(json!(7.1)), Some(json!(4.5))),
                change("/new", None, Some(json!({}))),
                change("/old", Some(json!(1)), None),
                change("/tags/1", Some(json!("b")), Some(json!("c"))),
                change("/tags/2", None, Some(json!("d"))),
            ]
        );
    }

    #[test]
    fn keys_with_slashes_and_tildes_are_escaped() {
        let changes = diff(&json!({ "a/b~c": 1 }), &json!({ "a/b~c": null }));
        assert_eq!(
            changes,
            [change("/a~1b~0c", Some(json!(1)), Some(json!(null)))]
        );
    }

    #[test]
    fn a_change_of_type_is_one_change() {
        assert_eq!(
            diff(&json!([1]), &json!({ "0": 1 })),
            [change("", Some(json!([1])), Some(json!({ "0": 1 })))]
        );
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a/~]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c/~]{1,2}", inner, 0..4)
                    .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn each_change_says_what_stands_at_its_path(before in any_value(), after in any_value()) {
            let changes = diff(&before, &after);
            prop_assert_eq!(changes.is_empty(), before == after);
            for change in changes {
                prop_assert_eq!(before.pointer(&change.path), change.before.as_ref());
                prop_assert_eq!(after.pointer(&change.path), change.after.as_ref());
                prop_assert_ne!(change.before, change.after);
            }
        }
    }
}
