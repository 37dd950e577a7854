//! In what unit a line's time is counted.

use std::str::FromStr;

/// The unit of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    #[default]
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
}

/// `precision` names no unit that line protocol knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not ns, us, ms, s, m or h")]
pub struct UnknownPrecision(pub String);

impl Precision {
    pub const fn nanoseconds(self) -> i64 {
        match self {
            Self::Nanoseconds => 1,
            Self::Microseconds => 1_000,
            Self::Milliseconds => 1_000_000,
            Self::Seconds => 1_000_000_000,
            Self::Minutes => 60_000_000_000,
            Self::Hours => 3_600_000_000_000,
        }
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    /// The names of InfluxDB 1.x (`n`, `u`, `ms`, `s`, `m`, `h`) and of 2.x (`ns`, `us`, `ms`, `s`); none is `ns`.
    fn from_str(text: &str) -> Result<Self, UnknownPrecision> {
        match text {
            "" | "n" | "ns" => Ok(Self::Nanoseconds),
            "u" | "us" | "µ" | "µs" => Ok(Self::Microseconds),
            "ms" => Ok(Self::Milliseconds),
            "s" => Ok(Self::Seconds),
            "m" => Ok(Self::Minutes),
            "h" => Ok(Self::Hours),
            _ => Err(UnknownPrecision(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_names_are_known_and_no_others() {
        for (text, nanoseconds) in [
            ("", 1),
            ("n", 1),
            ("ns", 1),
            ("u", 1_000),
            ("us", 1_000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
            ("m", 60_000_000_000),
            ("h", 3_600_000_000_000),
        ] {
            let precision: Precision = text.parse().unwrap();
            assert_eq!(precision.nanoseconds(), nanoseconds, "{text}");
        }
        for text in ["d", "sec", "MS", " s"] {
            assert!(text.parse::<Precision>().is_err(), "{text}");
        }
    }
}
