//! Search by metadata: PostgreSQL's `@>`, as Mainflux' clients know it, with an index of leaves to make it quick.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Leaves of one entity that are indexed; one with more is a candidate of every search.
const LEAVES_LIMIT: usize = 256;

/// The leaf of entities with too many leaves.
pub(super) const MANY: i64 = 0;

/// Whether `whole` contains `part`: each key of an object with a value that contains the part's, each element of an
/// array in some element, scalars by equality, numbers by value. Order and repetition in arrays do not matter.
pub fn contains(whole: &Map<String, Value>, part: &Map<String, Value>) -> bool {
    part.iter().all(|(key, value)| {
        whole
            .get(key)
            .is_some_and(|found| value_contains(found, value))
    })
}

fn value_contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => contains(whole, part),
        (Value::Array(whole), Value::Array(part)) => part
            .iter()
            .all(|wanted| whole.iter().any(|element| value_contains(element, wanted))),
        (Value::Number(whole), Value::Number(part)) => whole == part || equal_numbers(whole, part),
        (Value::Null, Value::Null) => true,
        (Value::Bool(whole), Value::Bool(part)) => whole == part,
        (Value::String(whole), Value::String(part)) => whole == part,
        _ => false,
    }
}

/// `1` and `1.0` are one number. Two integers are compared as integers, where a float would be too coarse.
fn equal_numbers(left: &serde_json::Number, right: &serde_json::Number) -> bool {
    if left.is_f64() || right.is_f64() {
        return left.as_f64() == right.as_f64();
    }
    false
}

/// The leaves of `metadata` for the index: what contains `part` has all leaves of `part`.
pub(super) fn leaves(metadata: &Map<String, Value>) -> BTreeSet<i64> {
    let mut found = BTreeSet::new();
    let mut path = Sha256::new();
    path.update(b"metadata");
    collect_object(metadata, &path, &mut found);
    found
}

/// As [`leaves`], for the rows of the index: [`MANY`] alone where there are too many.
pub(super) fn indexed_leaves(metadata: &Map<String, Value>) -> BTreeSet<i64> {
    let found = leaves(metadata);
    if found.len() > LEAVES_LIMIT {
        BTreeSet::from([MANY])
    } else {
        found
    }
}

fn collect_object(object: &Map<String, Value>, path: &Sha256, found: &mut BTreeSet<i64>) {
    for (key, value) in object {
        let mut path = path.clone();
        path.update(b"k");
        path.update((key.len() as u64).to_be_bytes());
        path.update(key);
        collect(value, &path, found);
    }
}

fn collect(value: &Value, path: &Sha256, found: &mut BTreeSet<i64>) {
    let scalar = match value {
        Value::Object(object) => return collect_object(object, path, found),
        Value::Array(elements) => {
            let mut path = path.clone();
            path.update(b"a");
            for element in elements {
                collect(element, &path, found);
            }
            return;
        }
        Value::Null => "n".to_owned(),
        Value::Bool(flag) => format!("b{flag}"),
        // As a float, so that 1 and 1.0 share a leaf. Candidates are compared exactly afterwards.
        Value::Number(number) => format!("f{:?}", number.as_f64().map(|number| number + 0.0)),
        Value::String(text) => format!("s{text}"),
    };
    let mut leaf = path.clone();
    leaf.update(b"v");
    leaf.update(scalar);
    let digest = leaf.finalize();
    let mut short = [0; 8];
    short.copy_from_slice(&digest[..8]);
    // Never MANY.
    found.insert(i64::from_be_bytes(short) | 1);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn containment_is_that_of_postgresql() {
        let whole = json!({"type": "pump", "site": {"name": "north", "area": 7}, "tags": ["a", {"b": 1, "c": 2}, [1, 2, 3]], "none": null});
        for (part, expected) in [
            (json!({}), true),
            (json!({"type": "pump"}), true),
            (json!({"type": "Pump"}), false),
            (json!({"site": {}}), true),
            (json!({"site": []}), false),
            (json!({"site": {"area": 7.0}}), true),
            (json!({"site": {"area": "7"}}), false),
            (json!({"site": {"area": 7, "name": "north"}}), true),
            (json!({"site": {"area": 7, "name": "south"}}), false),
            (json!({"tags": ["a", "a"]}), true),
            (json!({"tags": "a"}), false),
            (json!({"tags": [{"b": 1}]}), true),
            (json!({"tags": [{"b": 1, "c": 3}]}), false),
            (json!({"tags": [[3, 1]]}), true),
            (json!({"tags": [[4]]}), false),
            (json!({"tags": []}), true),
            (json!({"none": null}), true),
            (json!({"absent": null}), false),
            (json!({"type": null}), false),
        ] {
            assert_eq!(
                contains(&object(whole.clone()), &object(part.clone())),
                expected,
                "{part}"
            );
        }
    }

    #[test]
    fn large_integers_are_told_apart() {
        let whole = object(json!({"serial": 9_007_199_254_740_993_u64}));
        assert!(contains(
            &whole,
            &object(json!({"serial": 9_007_199_254_740_993_u64}))
        ));
        assert!(!contains(
            &whole,
            &object(json!({"serial": 9_007_199_254_740_992_u64}))
        ));
    }

    #[test]
    fn zero_has_one_leaf_whatever_its_sign() {
        assert_eq!(
            leaves(&object(json!({"a": 0}))),
            leaves(&object(json!({"a": -0.0})))
        );
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..3i64).prop_map(Value::from),
            Just(json!(1.0)),
            "[ab]{0,1}".prop_map(Value::from),
        ];
        scalar.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn any_object() -> impl Strategy<Value = Map<String, Value>> {
        prop::collection::btree_map("[ab]", any_value(), 0..3)
            .prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn what_contains_a_part_has_all_of_its_leaves(whole in any_object(), part in any_object()) {
            prop_assert!(contains(&whole, &whole));
            if contains(&whole, &part) {
                prop_assert!(leaves(&part).is_subset(&leaves(&whole)));
            }
        }
    }
}
