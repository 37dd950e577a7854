//! Numbers as they stand in the message, and decimal seconds to nanoseconds without a detour over binary floats.

use std::fmt::Write as _;

use crate::error::SenmlErrorKind;

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;
/// Decimal digits that are kept of a mantissa. More than enough for nanoseconds in 2262 (19 digits).
const MAX_DIGITS: u32 = 36;

/// A number before anyone decided what it is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number<'a> {
    /// JSON number text, or any text that Rust reads as a number.
    Text(&'a str),
    Integer(i128),
    Float(f64),
    Float32(f32),
    /// `mantissa` × 10^`exponent`.
    Decimal {
        mantissa: i128,
        exponent: i32,
    },
}

impl Number<'_> {
    pub(crate) fn as_f64(self) -> Result<f64, SenmlErrorKind> {
        let number = match self {
            Self::Text(text) => text.parse().map_err(|_| SenmlErrorKind::WrongType {
                expected: "a number",
            })?,
            Self::Integer(integer) => integer as f64,
            Self::Float(number) => number,
            Self::Float32(number) => f64::from(number),
            // Through text, because it rounds once and right.
            Self::Decimal { mantissa, exponent } => format!("{mantissa}e{exponent}")
                .parse()
                .map_err(|_| SenmlErrorKind::NotFinite)?,
        };
        if !number.is_finite() {
            return Err(SenmlErrorKind::NotFinite);
        }
        Ok(number)
    }

    /// Seconds as nanoseconds. Binary floats are taken at their shortest decimal form, which is what their writer meant.
    pub(crate) fn as_nanoseconds(self) -> Result<i128, SenmlErrorKind> {
        match self {
            Self::Text(text) => nanoseconds_of_text(text, 0),
            Self::Integer(integer) => scale(integer, 9),
            Self::Float(number) if !number.is_finite() => Err(SenmlErrorKind::NotFinite),
            Self::Float(number) => nanoseconds_of_text(&format!("{number:e}"), 0),
            Self::Float32(number) if !number.is_finite() => Err(SenmlErrorKind::NotFinite),
            Self::Float32(number) => nanoseconds_of_text(&format!("{number:e}"), 0),
            Self::Decimal { mantissa, exponent } => scale(mantissa, exponent.saturating_add(9)),
        }
    }
}

/// `mantissa` × 10^`exponent`, rounded half away from zero.
fn scale(mantissa: i128, exponent: i32) -> Result<i128, SenmlErrorKind> {
    if mantissa == 0 {
        return Ok(0);
    }
    let power = 10_i128.checked_pow(exponent.unsigned_abs());
    if exponent >= 0 {
        return power
            .and_then(|power| mantissa.checked_mul(power))
            .ok_or(SenmlErrorKind::TimeOutOfRange);
    }
    let Some(power) = power else {
        return Ok(0);
    };
    let quotient = mantissa / power;
    let remainder = (mantissa % power).abs();
    let rounds_up = remainder >= power - remainder;
    Ok(if rounds_up {
        quotient + mantissa.signum()
    } else {
        quotient
    })
}

/// A decimal number in units of 10^`power` seconds, as nanoseconds.
pub(crate) fn nanoseconds_of_text(text: &str, power: i32) -> Result<i128, SenmlErrorKind> {
    const WRONG: SenmlErrorKind = SenmlErrorKind::WrongType {
        expected: "a number",
    };
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, parse_exponent(exponent).ok_or(WRONG)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(WRONG);
    }

    let mut mantissa: i128 = 0;
    let mut kept: u32 = 0;
    let mut shift = i64::from(exponent);
    for (in_fraction, byte) in whole
        .bytes()
        .map(|byte| (false, byte))
        .chain(fraction.bytes().map(|byte| (true, byte)))
    {
        if !byte.is_ascii_digit() {
            return Err(WRONG);
        }
        if kept == MAX_DIGITS {
            // Too small to matter, but a digit of the whole part still moves the point.
            shift += i64::from(!in_fraction);
            continue;
        }
        mantissa = mantissa * 10 + i128::from(byte - b'0');
        kept += u32::from(mantissa != 0);
        shift -= i64::from(in_fraction);
    }
    let signed = if negative { -mantissa } else { mantissa };
    let exponent = i32::try_from(shift.saturating_add(9).saturating_add(i64::from(power)))
        .unwrap_or(if shift > 0 { i32::MAX } else { i32::MIN });
    scale(signed, exponent)
}

/// Saturates: a number whose exponent does not fit is zero or out of range either way.
fn parse_exponent(text: &str) -> Option<i32> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse::<i32>().unwrap_or(i32::MAX);
    Some(if negative { -magnitude } else { magnitude })
}

/// Reads decimal seconds, such as `1320067464.123456` or `1.5e3`, as nanoseconds. `None` if it is no number or does not
/// fit 64 bits.
pub fn nanoseconds_from_decimal_seconds(text: &str) -> Option<i64> {
    nanoseconds_of_text(text, 0)
        .ok()
        .and_then(|nanoseconds| i64::try_from(nanoseconds).ok())
}

/// Appends nanoseconds as decimal seconds without trailing zeros: `1320067464.123456`.
pub fn write_decimal_seconds(out: &mut String, nanoseconds: i64) {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let magnitude = nanoseconds.unsigned_abs();
    let whole = magnitude / NANOSECONDS_PER_SECOND.unsigned_abs();
    let fraction = magnitude % NANOSECONDS_PER_SECOND.unsigned_abs();
    // Writing to a String cannot fail.
    let _ = write!(out, "{sign}{whole}");
    if fraction == 0 {
        return;
    }
    let digits = format!("{fraction:09}");
    let _ = write!(out, ".{}", digits.trim_end_matches('0'));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_seconds_keep_every_nanosecond() {
        let cases = [
            ("1320067464.123456", 1_320_067_464_123_456_000),
            ("1.320067464123456789e9", 1_320_067_464_123_456_789),
            ("1320067464123456789E-9", 1_320_067_464_123_456_789),
            ("0.0000000005", 1),
            ("-0.0000000004", 0),
            ("-5", -5_000_000_000),
            ("000001.50", 1_500_000_000),
        ];
        for (text, expected) in cases {
            assert_eq!(
                nanoseconds_from_decimal_seconds(text),
                Some(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn absurd_exponents_are_zero_or_out_of_range() {
        assert_eq!(nanoseconds_of_text("1e-999999999999", 0), Ok(0));
        assert_eq!(nanoseconds_of_text("0e999999999999", 0), Ok(0));
        for text in ["1e999999999999", "-1e17", "-9e15", "9223372036.854775808"] {
            assert_eq!(nanoseconds_from_decimal_seconds(text), None, "{text}");
        }
        assert_eq!(
            nanoseconds_from_decimal_seconds("9223372036.854775807"),
            Some(i64::MAX)
        );
    }

    #[test]
    fn text_that_is_no_number_is_refused() {
        for text in ["", "-", ".", "e5", "1e", "1e+", "0x1", "1_000", "١"] {
            assert_eq!(nanoseconds_from_decimal_seconds(text), None, "{text:?}");
        }
    }

    #[test]
    fn written_seconds_read_back() {
        for nanoseconds in [
            0,
            1,
            -1,
            1_320_067_464_123_456_789,
            i64::MAX,
            i64::MIN,
            100_000_000,
        ] {
            let mut text = String::new();
            write_decimal_seconds(&mut text, nanoseconds);
            assert_eq!(
                nanoseconds_from_decimal_seconds(&text),
                Some(nanoseconds),
                "{text}"
            );
        }
    }

    #[test]
    fn a_float_means_its_shortest_decimal_form() {
        assert_eq!(
            Number::Float(1_320_067_464.123_4).as_nanoseconds(),
            Ok(1_320_067_464_123_400_000)
        );
        assert_eq!(Number::Float32(0.1).as_nanoseconds(), Ok(100_000_000));
        assert_eq!(
            Number::Float(f64::NAN).as_nanoseconds(),
            Err(SenmlErrorKind::NotFinite)
        );
    }
}
