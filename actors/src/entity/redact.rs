//! Secrets in states and events, and how they are kept from view.

use serde_json::Value;

/// What stands in the place of a secret.
pub const REDACTED: &str = "redacted";

/// The fields of aggregates that hold keys and passwords: hashed, sealed or both. They stand here by name because what is
/// shown is plain JSON and has no types left.
const SECRET_FIELDS: [&str; 4] = ["key", "external_key", "password", "client_key_sealed"];

/// An object with this field is a sealed key, whatever the field is called that it stands in.
const SEALED_FIELD: &str = "sealed";

/// What is in here is the user's own and is shown as it is, whatever its keys are called.
const FREE_FIELD: &str = "metadata";

/// `value`, the state of an entity or the data of an event, with each secret replaced by [`REDACTED`]. `null` and empty
/// text, which say that there is none, stay.
///
/// That a secret changed cannot be seen from two redacted states; the events say it.
#[must_use]
pub fn redact(mut value: Value) -> Value {
    redact_in_place(&mut value);
    value
}

fn redact_in_place(value: &mut Value) {
    match value {
        Value::Object(fields) if fields.contains_key(SEALED_FIELD) => {
            *value = Value::from(REDACTED)
        }
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut().filter(|(name, _)| *name != FREE_FIELD) {
                if SECRET_FIELDS.contains(&name.as_str()) {
                    hide(field);
                } else {
                    redact_in_place(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact_in_place),
        _ => {}
    }
}

fn hide(secret: &mut Value) {
    let absent = secret.is_null() || secret.as_str().is_some_and(str::is_empty);
    if !absent {
        *secret = Value::from(REDACTED);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_secret_stays_and_nothing_else_goes() {
        let state = json!({
            "exists": true,
            "key": { "hash": "S1", "sealed": "S2" },
            "external_key": "S3",
            "password": "S4",
            "other": [{ "hash": "S5", "sealed": "S6" }],
            "config": { "client_key_sealed": "S7", "client_cert": "shown", "name": "key" },
            "details": { "metadata": { "key": "of the user", "password": "hers" } },
        });
        let shown = redact(state);
        assert_eq!(
            shown,
            json!({
                "exists": true,
                "key": "redacted",
                "external_key": "redacted",
                "password": "redacted",
                "other": ["redacted"],
                "config": { "client_key_sealed": "redacted", "client_cert": "shown", "name": "key" },
                "details": { "metadata": { "key": "of the user", "password": "hers" } },
            })
        );
    }

    #[test]
    fn a_secret_that_is_not_there_is_shown_as_absent() {
        let state = json!({ "key": null, "client_key_sealed": "" });
        assert_eq!(redact(state.clone()), state);
    }
}
