//! Numbers of field values: `1`, `-2.5e3`, `.5`, `12i`, `12u`.

/// Why a number was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberFault {
    Malformed,
    OutOfRange,
}

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// Whole numbers up to here are exact as doubles.
const EXACT_MANTISSA: u64 = 1 << 53;
/// Digits that surely fit into 64 bits.
const SAFE_DIGITS: usize = 19;

/// Decimal digits as they are read.
#[derive(Default)]
struct Digits {
    mantissa: u64,
    /// Digits in `mantissa`, without leading zeros.
    significant: usize,
    /// Digits read.
    count: usize,
}

impl Digits {
    /// Reads the digits at the start of `bytes`; answers how many.
    #[inline]
    fn read(&mut self, bytes: &[u8]) -> usize {
        let before = self.count;
        for byte in bytes {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            self.count += 1;
            if self.significant < SAFE_DIGITS {
                self.mantissa = self.mantissa * 10 + u64::from(digit);
                self.significant += usize::from(self.mantissa != 0);
            } else {
                self.significant += 1;
            }
        }
        self.count - before
    }
}

/// The number at the start of `bytes`, and how many bytes it takes. What follows it is not looked at.
///
/// A whole number (`i`, `u`) beyond 2^53 becomes the nearest double, as any other number does.
#[inline]
pub(super) fn number(bytes: &[u8]) -> Result<(f64, usize), NumberFault> {
    let negative = bytes.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut digits = Digits::default();
    let mut at = start + digits.read(bytes.get(start..).unwrap_or_default());
    match bytes.get(at) {
        Some(b'i') if digits.count > 0 => {
            return whole(bytes, at, negative, &digits, i64_limit(negative));
        }
        Some(b'u') if digits.count > 0 && !negative => {
            return whole(bytes, at, false, &digits, u64::MAX);
        }
        _ => {}
    }
    let mut exponent = 0_i64;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let decimals = digits.read(&bytes[at..]);
        at += decimals;
        exponent -= decimals as i64;
    }
    if digits.count == 0 {
        return Err(NumberFault::Malformed);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let (written, length) = written_exponent(&bytes[at + 1..]).ok_or(NumberFault::Malformed)?;
        exponent = exponent.saturating_add(written);
        at += 1 + length;
    }
    let number = match exact(&digits, exponent) {
        Some(number) if negative => -number,
        Some(number) => number,
        None => slow(&bytes[..at])?,
    };
    Ok((number, at))
}

const fn i64_limit(negative: bool) -> u64 {
    i64::MAX as u64 + negative as u64
}

/// A whole number whose digits end at `at`.
fn whole(
    bytes: &[u8],
    at: usize,
    negative: bool,
    digits: &Digits,
    limit: u64,
) -> Result<(f64, usize), NumberFault> {
    let magnitude = if digits.significant <= SAFE_DIGITS {
        digits.mantissa
    } else {
        let text = &bytes[usize::from(negative)..at];
        let text = std::str::from_utf8(text).map_err(|_| NumberFault::Malformed)?;
        text.parse().map_err(|_| NumberFault::OutOfRange)?
    };
    if magnitude > limit {
        return Err(NumberFault::OutOfRange);
    }
    let number = magnitude as f64;
    Ok((if negative { -number } else { number }, at + 1))
}

/// `e5`, `e+5`, `e-5` without the `e`: the exponent, and how many bytes it takes.
fn written_exponent(bytes: &[u8]) -> Option<(i64, usize)> {
    let signed = matches!(bytes.first(), Some(b'-' | b'+'));
    let start = usize::from(signed);
    let mut digits = Digits::default();
    let length = digits.read(&bytes[start..]);
    if length == 0 {
        return None;
    }
    // Far beyond what a double can hold in either direction.
    let magnitude = i64::try_from(digits.mantissa)
        .unwrap_or(i64::MAX)
        .min(1 << 40);
    let exponent = if bytes.first() == Some(&b'-') {
        -magnitude
    } else {
        magnitude
    };
    Some((exponent, start + length))
}

/// The double that the digits spell, where one operation on two exact doubles gives it correctly rounded.
///
/// Source: W. D. Clinger, "How to read floating point numbers accurately", 1990.
#[inline]
fn exact(digits: &Digits, exponent: i64) -> Option<f64> {
    if digits.significant > SAFE_DIGITS || digits.mantissa > EXACT_MANTISSA {
        return None;
    }
    let mantissa = digits.mantissa as f64;
    let power = EXACT_POWERS.get(usize::try_from(exponent.unsigned_abs()).ok()?)?;
    Some(if exponent < 0 {
        mantissa / power
    } else {
        mantissa * power
    })
}

#[cold]
fn slow(bytes: &[u8]) -> Result<f64, NumberFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| NumberFault::Malformed)?;
    let number: f64 = text.parse().map_err(|_| NumberFault::Malformed)?;
    if number.is_finite() {
        Ok(number)
    } else {
        Err(NumberFault::OutOfRange)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_written_form_is_read_to_its_end() {
        for (text, expected) in [
            ("0", 0.0),
            ("-0", -0.0),
            ("1", 1.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("-.5", -0.5),
            ("220.12", 220.12),
            ("-1.234456e+78", -1.234456e78),
            ("1E5", 1e5),
            ("1e-7", 1e-7),
            ("12i", 12.0),
            ("-12i", -12.0),
            ("12u", 12.0),
            ("9223372036854775807i", 9_223_372_036_854_775_807.0),
            ("-9223372036854775808i", -9_223_372_036_854_775_808.0),
            ("18446744073709551615u", 18_446_744_073_709_551_615.0),
            ("000000000000000000000000000012", 12.0),
            ("123456789012345678901234567890", 1.2345678901234568e29),
            ("1e-400", 0.0),
        ] {
            let (number, length) = number(text.as_bytes()).unwrap();
            assert_eq!(number.to_bits(), f64::to_bits(expected), "{text}");
            assert_eq!(length, text.len(), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_or_too_large_is_refused() {
        for text in [
            "", "-", ".", "-.", "e5", "1e", "1e+", "i", "-i", "+1", "NaN", "inf", "x",
        ] {
            assert_eq!(
                number(text.as_bytes()),
                Err(NumberFault::Malformed),
                "{text}"
            );
        }
        for text in [
            "9223372036854775808i",
            "-9223372036854775809i",
            "18446744073709551616u",
            "99999999999999999999999i",
            "1e309",
            "-1e309",
            "1e999999999999999999999",
        ] {
            assert_eq!(
                number(text.as_bytes()),
                Err(NumberFault::OutOfRange),
                "{text}"
            );
        }
    }

    #[test]
    fn the_end_of_a_number_is_where_its_form_ends() {
        for (text, length) in [
            ("1i ", 2),
            ("1.5,", 3),
            ("1u\n", 2),
            ("-1u", 2),
            ("1.5i", 3),
        ] {
            assert_eq!(number(text.as_bytes()).unwrap().1, length, "{text}");
        }
    }

    proptest! {
        #[test]
        fn doubles_come_back_bit_by_bit(number_in in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            for text in [format!("{number_in}"), format!("{number_in:e}"), format!("{number_in:.3}")] {
                let expected: f64 = text.parse().unwrap();
                let (found, length) = number(text.as_bytes()).unwrap();
                prop_assert_eq!(found.to_bits(), expected.to_bits());
                prop_assert_eq!(length, text.len());
            }
        }

        #[test]
        fn decimals_of_any_length_read_as_the_standard_library_reads_them(text in "-?[0-9]{1,25}(\\.[0-9]{0,25})?(e[+-]?[0-9]{1,3})?") {
            let expected: f64 = text.parse().unwrap();
            match number(text.as_bytes()) {
                Ok((found, _)) => prop_assert_eq!(found.to_bits(), expected.to_bits()),
                Err(fault) => {
                    prop_assert_eq!(fault, NumberFault::OutOfRange);
                    prop_assert!(expected.is_infinite());
                }
            }
        }
    }
}
