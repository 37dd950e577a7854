//! The stable names of events, and how an event is read back by its name.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::entity::DecodeError;

/// Gives `$aggregate` its `EVENT_TYPES` and a `name_of` that cannot miss a variant of `$event`.
macro_rules! event_names {
    ($aggregate:ident, $event:ident { $($variant:ident => $name:literal),* $(,)? }) => {
        impl $aggregate {
            /// The names of all its events, as the store keeps them.
            pub const EVENT_TYPES: &'static [&'static str] = &[$($name),*];

            const fn name_of(event: &$event) -> &'static str {
                match event {
                    $($event::$variant { .. } => $name,)*
                }
            }
        }
    };
}
pub(super) use event_names;

/// Reads an event that was written with schema 1: its JSON carries the variant in `event`.
pub(super) fn decode_v1<E: DeserializeOwned>(
    known: &[&str],
    name_of: impl Fn(&E) -> &'static str,
    event_type: &str,
    schema: u16,
    data: &Value,
) -> Result<E, DecodeError> {
    if !known.contains(&event_type) {
        return Err(DecodeError::UnknownType(event_type.to_owned()));
    }
    if schema != 1 {
        return Err(DecodeError::UnknownSchema {
            event_type: event_type.to_owned(),
            schema,
        });
    }
    let malformed = |reason| DecodeError::Malformed {
        event_type: event_type.to_owned(),
        reason,
    };
    let event = E::deserialize(data).map_err(|error| malformed(error.to_string()))?;
    let found = name_of(&event);
    if found != event_type {
        return Err(malformed(format!("the data is that of `{found}`")));
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::domain::Thing;
    use crate::entity::{Aggregate, DecodeError};

    #[test]
    fn an_unknown_name_a_newer_schema_and_foreign_data_are_told_apart() {
        let data = json!({"event": "removed"});
        assert!(Thing::decode("thing.removed", 1, &data).is_ok());
        assert!(matches!(
            Thing::decode("thing.painted", 1, &data),
            Err(DecodeError::UnknownType(name)) if name == "thing.painted"
        ));
        assert!(matches!(
            Thing::decode("thing.removed", 2, &data),
            Err(DecodeError::UnknownSchema { schema: 2, .. })
        ));
        assert!(matches!(
            Thing::decode("thing.key_changed", 1, &data),
            Err(DecodeError::Malformed { reason, .. }) if reason.contains("thing.removed")
        ));
        assert!(matches!(
            Thing::decode("thing.updated", 1, &json!({"event": "updated"})),
            Err(DecodeError::Malformed { .. })
        ));
    }
}
