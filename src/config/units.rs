//! Durations and sizes as people write them: `250ms`, `24h`, `64MiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration in configuration: a whole number and one of `ms`, `s`, `m`, `h`, `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

impl Span {
    pub const fn milliseconds(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    pub const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    pub const fn hours(count: u64) -> Self {
        Self(Duration::from_secs(count * 3600))
    }

    pub const fn duration(self) -> Duration {
        self.0
    }
}

/// A number of bytes in configuration: a whole number and one of `B`, `KiB`, `MiB`, `GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    pub const fn kibibytes(count: u64) -> Self {
        Self(count << 10)
    }

    pub const fn mebibytes(count: u64) -> Self {
        Self(count << 20)
    }

    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The size as an index into memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const SPAN_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
const SIZE_UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Splits `12ms` into 12 and `ms`, and multiplies by the unit's factor.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let count: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim_start();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    count.checked_mul(*factor)
}

/// The largest unit that leaves a whole number.
fn write(formatter: &mut fmt::Formatter<'_>, amount: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fits = |(_, factor): &&(&str, u64)| amount.is_multiple_of(*factor) && amount >= *factor;
    match units.iter().find(fits) {
        Some((unit, factor)) => write!(formatter, "{}{unit}", amount / factor),
        None => write!(formatter, "0{}", units[units.len() - 1].0),
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, &SPAN_UNITS)
            .map(Self::milliseconds)
            .ok_or_else(|| {
                format!("`{text}` is no duration such as `250ms`, `10s`, `5m`, `24h` or `7d`")
            })
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, &SIZE_UNITS)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no size such as `512B`, `64KiB`, `1MiB` or `2GiB`"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        write(formatter, milliseconds, &SPAN_UNITS)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(formatter, self.0, &SIZE_UNITS)
    }
}

macro_rules! as_text {
    ($($unit:ident),*) => {
        $(impl Serialize for $unit {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        })*
    };
}
as_text!(Span, ByteSize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_read_back_as_written() {
        for text in ["0ms", "1ms", "250ms", "90s", "5m", "24h", "7d"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
        assert_eq!("24h".parse::<Span>().unwrap().to_string(), "1d");
        assert_eq!(
            "64MiB".parse::<ByteSize>().unwrap(),
            ByteSize::mebibytes(64)
        );
        assert_eq!(ByteSize::kibibytes(1536).to_string(), "1536KiB");
    }

    #[test]
    fn a_number_without_a_unit_is_refused() {
        assert!("10".parse::<Span>().is_err());
        assert!("10 parsecs".parse::<Span>().is_err());
        assert!("-1s".parse::<Span>().is_err());
        assert!("18446744073709551615GiB".parse::<ByteSize>().is_err());
        assert!("".parse::<ByteSize>().is_err());
    }
}
