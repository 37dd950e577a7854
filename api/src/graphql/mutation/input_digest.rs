//! What a mutation asks for, in short: a key that comes again with anything else is no retry.

use async_graphql::{Context, Value};
use sha2::{Digest as _, Sha256};
use tellee_actors::ids::InputDigest;

use crate::error::ApiError;

/// Secrets are left out: the digest is kept beside the events, and a password could be guessed from it.
const SECRETS: [&str; 2] = ["password", "key"];

/// The digest of the field that is executed and of its arguments, without secrets.
pub fn input_digest(ctx: &Context<'_>) -> Result<InputDigest, ApiError> {
    let field = ctx.field();
    let arguments = field
        .arguments()
        .map_err(|error| ApiError::invalid("input", error.message))?;
    let mut digest = Sha256::new();
    digest.update(field.name());
    for (name, value) in &arguments {
        add(&mut digest, name, value);
    }
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(digest.finalize());
    Ok(InputDigest(u64::from_be_bytes([a, b, c, d, e, f, g, h])))
}

/// Names and values with their lengths: none can run into another.
fn add(digest: &mut Sha256, name: &str, value: &Value) {
    text(digest, name);
    match value {
        _ if is_secret(name) => {}
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| name.as_str());
            digest.update(fields.len().to_be_bytes());
            for (name, value) in fields {
                add(digest, name, value);
            }
        }
        Value::List(items) => {
            digest.update(items.len().to_be_bytes());
            for item in items {
                add(digest, "", item);
            }
        }
        other => text(digest, &other.to_string()),
    }
}

fn text(digest: &mut Sha256, text: &str) {
    digest.update(text.len().to_be_bytes());
    digest.update(text);
}

/// The idempotency key is one too: it says nothing of what is asked.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRETS.iter().any(|secret| name.ends_with(secret))
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    fn of(input: &Value) -> Vec<u8> {
        let mut digest = Sha256::new();
        add(&mut digest, "input", input);
        digest.finalize().to_vec()
    }

    #[test]
    fn every_value_and_its_place_count_and_the_order_of_names_does_not() {
        let inputs = [
            value!({ "a": "b", "c": [1, 2] }),
            value!({ "a": "b", "c": [12] }),
            value!({ "a": "b", "c": ["1", "2"] }),
            value!({ "a": "bc", "c": [1, 2] }),
            value!({ "a": "b", "c": [2, 1] }),
            value!({ "a": { "b": null }, "c": [1, 2] }),
            value!({ "a": null, "c": [1, 2] }),
            value!({ "c": [1, 2] }),
        ];
        let digests: std::collections::BTreeSet<_> = inputs.iter().map(of).collect();
        assert_eq!(digests.len(), inputs.len());
        let turned = value!({ "c": [1, 2], "a": "b" });
        assert_eq!(of(&turned), of(&inputs[0]));
    }

    #[test]
    fn secrets_are_left_out() {
        for name in [
            "password",
            "newPassword",
            "externalKey",
            "key",
            "idempotencyKey",
        ] {
            let with = |secret: &str| {
                let mut fields = async_graphql::indexmap::IndexMap::new();
                fields.insert(async_graphql::Name::new(name), Value::from(secret));
                of(&Value::Object(fields))
            };
            assert_eq!(with("a"), with("b"), "{name}");
        }
    }
}
