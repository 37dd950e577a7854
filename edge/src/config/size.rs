//! Sizes as people write them: `64KiB`, `512MiB`, `1GiB`, or a number of bytes.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

const UNITS: [(&str, u64); 5] = [
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let count: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim_start();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    count.checked_mul(*factor)
}

struct Size;

impl Visitor<'_> for Size {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a size such as `64KiB` or `1GiB`, or a number of bytes")
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<u64, E> {
        Ok(bytes)
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<u64, E> {
        u64::try_from(bytes).map_err(|_| E::custom(format!("`{bytes}` is no size")))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        parse(text).ok_or_else(|| {
            E::custom(format!(
                "`{text}` is no size such as `64KiB` or `1GiB`, or a number of bytes"
            ))
        })
    }
}

/// Bytes, in a type that holds them.
pub(super) fn deserialize<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let bytes = deserializer.deserialize_any(Size)?;
    T::try_from(bytes).map_err(|_| D::Error::custom(format!("{bytes} bytes are too many")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_nonsense_is_not() {
        for (text, bytes) in [
            ("1GiB", 1 << 30),
            ("64 KiB", 65_536),
            ("5MiB", 5 << 20),
            ("7B", 7),
            ("2000000", 2_000_000),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for text in ["", "GiB", "-1", "1.5GiB", "1GB", "1gib", "99999999999GiB"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
