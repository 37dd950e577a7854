//! The scalars of the schema.

use async_graphql::{InputValueError, InputValueResult, Number, Scalar, ScalarType, Value};
use jiff::Timestamp as Instant;
use tellee_actors::time::Timestamp;

/// RFC 3339 with up to nine decimals, in UTC. Inside, a stamp is whole nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(pub Timestamp);

#[Scalar(name = "DateTime")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        let instant: Instant = text
            .parse()
            .map_err(|error| InputValueError::custom(format!("{error}")))?;
        let nanoseconds = i64::try_from(instant.as_nanosecond())
            .map_err(|_| InputValueError::custom("lies outside the years 1677 to 2262"))?;
        Ok(Self(Timestamp(nanoseconds)))
    }

    fn to_value(&self) -> Value {
        match Instant::from_nanosecond(i128::from(self.0.0)) {
            Ok(instant) => Value::String(instant.to_string()),
            Err(_) => Value::Null,
        }
    }
}

/// A whole number of up to 64 bits. A JSON number up to 2^53, beyond it a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Long(pub u64);

/// The largest whole number that a JSON reader with doubles keeps exact.
const LARGEST_EXACT: u64 = 1 << 53;

#[Scalar(name = "Long")]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        let number = match &value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number
            .map(Self)
            .ok_or_else(|| InputValueError::custom("is no whole number from 0"))
    }

    fn to_value(&self) -> Value {
        if self.0 <= LARGEST_EXACT {
            Value::Number(Number::from(self.0))
        } else {
            Value::String(self.0.to_string())
        }
    }
}

impl From<u64> for Long {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

/// Milliseconds since 1970 as a chart wants them.
pub fn milliseconds(time: Timestamp) -> f64 {
    time.0 as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_keeps_its_nanoseconds() {
        let stamp = DateTime(Timestamp(1_700_000_000_123_456_789));
        assert_eq!(
            stamp.to_value(),
            Value::String("2023-11-14T22:13:20.123456789Z".to_owned())
        );
        assert_eq!(DateTime::parse(stamp.to_value()).unwrap(), stamp);
        let zoned = Value::String("2023-11-15T03:13:20.123456789+05:00".to_owned());
        assert_eq!(DateTime::parse(zoned).unwrap(), stamp);
        assert!(DateTime::parse(Value::String("yesterday".to_owned())).is_err());
        assert!(DateTime::parse(Value::String("9999-01-01T00:00:00Z".to_owned())).is_err());
    }

    #[test]
    fn a_large_number_travels_as_text() {
        for number in [0, 1, LARGEST_EXACT, LARGEST_EXACT + 1, u64::MAX] {
            assert_eq!(Long::parse(Long(number).to_value()).unwrap(), Long(number));
        }
        assert!(matches!(Long(u64::MAX).to_value(), Value::String(_)));
        assert!(Long::parse(Value::Number(Number::from(-1))).is_err());
    }
}
