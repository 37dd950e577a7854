//! Checks of input values. Each error names the path of the field.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

use super::limits;
use crate::domain::Rejection;

/// A name that may be empty, as a thing's: bounded, without control characters.
pub(super) fn optional_name(field: &str, name: &str) -> Result<(), Rejection> {
    at_most_chars(field, name, limits::NAME_CHARS)?;
    if name.chars().any(char::is_control) {
        return Err(Rejection::invalid(
            field,
            "must not contain control characters",
        ));
    }
    Ok(())
}

/// A name that must be given.
pub(super) fn name(field: &str, name: &str) -> Result<(), Rejection> {
    not_blank(field, name)?;
    optional_name(field, name)
}

/// A text of several lines that a person must write.
pub(super) fn text(field: &str, text: &str) -> Result<(), Rejection> {
    not_blank(field, text)?;
    optional_text(field, text)
}

/// A text of several lines that may be empty.
pub(super) fn optional_text(field: &str, text: &str) -> Result<(), Rejection> {
    at_most_chars(field, text, limits::TEXT_CHARS)
}

pub(super) fn not_blank(field: &str, text: &str) -> Result<(), Rejection> {
    if text.trim().is_empty() {
        return Err(Rejection::invalid(field, "must not be empty"));
    }
    Ok(())
}

pub(super) fn at_most_chars(field: &str, text: &str, limit: usize) -> Result<(), Rejection> {
    // A character is at least one byte, so most texts need no count.
    if text.len() > limit && text.chars().count() > limit {
        return Err(Rejection::invalid(
            field,
            format!("must have at most {limit} characters"),
        ));
    }
    Ok(())
}

pub(super) fn at_most_bytes(field: &str, text: &str, limit: usize) -> Result<(), Rejection> {
    if text.len() > limit {
        return Err(Rejection::invalid(
            field,
            format!("must have at most {limit} bytes"),
        ));
    }
    Ok(())
}

pub(super) fn at_most_items(field: &str, count: usize, limit: usize) -> Result<(), Rejection> {
    if count > limit {
        return Err(Rejection::invalid(
            field,
            format!("must have at most {limit} entries"),
        ));
    }
    Ok(())
}

pub(super) fn finite(field: &str, number: f64) -> Result<(), Rejection> {
    if !number.is_finite() {
        return Err(Rejection::invalid(field, "must be a finite number"));
    }
    Ok(())
}

pub(super) fn optional_finite(field: &str, number: Option<f64>) -> Result<(), Rejection> {
    number.map_or(Ok(()), |number| finite(field, number))
}

/// A whole number from 1 to `limit`.
pub(super) fn positive(field: &str, number: u64, limit: u64) -> Result<(), Rejection> {
    if number == 0 || number > limit {
        return Err(Rejection::invalid(
            field,
            format!("must be from 1 to {limit}"),
        ));
    }
    Ok(())
}

/// Metadata: bounded in depth and in bytes as JSON.
pub(super) fn metadata(field: &str, metadata: &Map<String, Value>) -> Result<(), Rejection> {
    // The depth first: writing what is nested without bound would use the stack without bound.
    if !metadata
        .values()
        .all(|value| is_within_depth(value, limits::METADATA_DEPTH - 1))
    {
        return Err(too_deep(field));
    }
    json_size(field, metadata)
}

/// Any JSON value, bounded as metadata is.
pub(super) fn json(field: &str, value: &Value) -> Result<(), Rejection> {
    if !is_within_depth(value, limits::METADATA_DEPTH) {
        return Err(too_deep(field));
    }
    json_size(field, value)
}

fn too_deep(field: &str) -> Rejection {
    let depth = limits::METADATA_DEPTH;
    Rejection::invalid(
        field,
        format!("must not be nested deeper than {depth} levels"),
    )
}

fn is_within_depth(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => left > 0 && items.iter().all(|item| is_within_depth(item, left - 1)),
        Value::Object(members) => {
            left > 0
                && members
                    .values()
                    .all(|member| is_within_depth(member, left - 1))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn json_size(field: &str, value: &impl Serialize) -> Result<(), Rejection> {
    let mut room = Room(limits::METADATA_BYTES);
    serde_json::to_writer(&mut room, value).map_err(|_| {
        let limit = limits::METADATA_BYTES;
        Rejection::invalid(field, format!("must have at most {limit} bytes as JSON"))
    })
}

/// A writer that keeps nothing and fails when more is written than there is room for.
struct Room(usize);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hex of a SHA-256.
pub(super) fn sha256_hex(field: &str, hash: &str) -> Result<(), Rejection> {
    let is_lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if hash.len() != 64 || !hash.bytes().all(is_lower_hex) {
        return Err(Rejection::invalid(
            field,
            "must be a SHA-256 in lower-case hex",
        ));
    }
    Ok(())
}

/// Base64 of either alphabet; may be empty.
pub(super) fn base64(field: &str, text: &str, limit: usize) -> Result<(), Rejection> {
    at_most_bytes(field, text, limit)?;
    let is_base64 =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    if !text.bytes().all(is_base64) {
        return Err(Rejection::invalid(field, "must be base64"));
    }
    Ok(())
}

/// The shape of an e-mail address, without asking any server: `local@domain` within the lengths of RFC 5321.
pub(super) fn email(field: &str, address: &str) -> Result<(), Rejection> {
    let well_formed = address.len() <= 254
        && address
            .rsplit_once('@')
            .is_some_and(|(local, domain)| is_local_part(local) && is_domain(domain));
    if !well_formed {
        return Err(Rejection::invalid(
            field,
            "must be an e-mail address, as in `ann@example.org`",
        ));
    }
    Ok(())
}

fn is_local_part(local: &str) -> bool {
    let is_allowed = |character: char| {
        !character.is_whitespace()
            && !character.is_control()
            && !"@\"(),:;<>[\\]".contains(character)
    };
    (1..=64).contains(&local.len())
        && local.chars().all(is_allowed)
        && local.split('.').all(|part| !part.is_empty())
}

fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|character| character.is_alphanumeric() || character == '-')
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_email_is_checked_by_its_shape_alone() {
        for good in ["ann@example.org", "a.b+c@localhost", "ann@pumpen-müller.de"] {
            assert_eq!(email("email", good), Ok(()), "{good}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        for bad in [
            "",
            "ann",
            "@example.org",
            "ann@",
            "ann@@example.org",
            "a nn@example.org",
            "ann@example..org",
            "ann@-example.org",
            "ann@exa mple.org",
            "a..b@example.org",
            "<ann>@example.org",
            "ann@example.org\n",
            &long,
        ] {
            assert!(email("email", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn metadata_is_bounded_in_bytes_and_depth() {
        let of_bytes = |count: usize| {
            let mut map = Map::new();
            map.insert(
                "k".to_owned(),
                Value::String("x".repeat(count - r#"{"k":""}"#.len())),
            );
            map
        };
        assert_eq!(
            metadata("metadata", &of_bytes(limits::METADATA_BYTES)),
            Ok(())
        );
        assert!(metadata("metadata", &of_bytes(limits::METADATA_BYTES + 1)).is_err());

        let of_depth = |depth: usize| {
            let mut value = json!({});
            for _ in 1..depth {
                value = json!({ "k": value });
            }
            value.as_object().cloned().unwrap_or_default()
        };
        assert_eq!(
            metadata("metadata", &of_depth(limits::METADATA_DEPTH)),
            Ok(())
        );
        assert!(metadata("metadata", &of_depth(limits::METADATA_DEPTH + 1)).is_err());
        assert!(metadata("metadata", &of_depth(120)).is_err());
    }

    #[test]
    fn names_count_characters_and_not_bytes() {
        assert_eq!(name("name", &"ü".repeat(limits::NAME_CHARS)), Ok(()));
        assert!(name("name", &"ü".repeat(limits::NAME_CHARS + 1)).is_err());
        assert!(name("name", " ").is_err());
        assert_eq!(optional_name("name", ""), Ok(()));
        assert!(optional_name("name", "a\u{0}b").is_err());
    }

    #[test]
    fn a_secret_in_clear_is_no_hash() {
        assert_eq!(sha256_hex("hash", &"0f".repeat(32)), Ok(()));
        assert!(sha256_hex("hash", "secret").is_err());
        assert!(sha256_hex("hash", &"0F".repeat(32)).is_err());
        assert_eq!(base64("sealed", "ab+/-_==", 8), Ok(()));
        assert!(base64("sealed", "a b", 8).is_err());
    }
}
