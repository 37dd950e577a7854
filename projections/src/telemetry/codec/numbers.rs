//! A column of finite numbers. Sensors are decimal, so most columns are integers times a power of ten; a single
//! precision sensor is 32 bits wide; what is neither goes bit by bit.

use std::cell::RefCell;

use super::CodecError;
use super::bytes::Reader;
use super::integers;

const DECIMAL: u8 = 0;
const SINGLE: u8 = 1;
const DOUBLE: u8 = 2;

const POWERS: [f64; 13] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
];

const TOO_MANY_DECIMALS: CodecError =
    CodecError::Invalid("a column of numbers has too many decimals");

/// No column has more decimals.
pub const MAX_DECIMALS: usize = POWERS.len() - 1;

/// 10^`decimals`, up to [`MAX_DECIMALS`].
pub fn power_of_ten(decimals: usize) -> Option<f64> {
    POWERS.get(decimals).copied()
}

/// Beyond this size, adding [`ROUNDER`] would not round to the nearest integer.
const LARGEST: f64 = (1_u64 << 51) as f64;
/// Adding and taking away 1.5 × 2^52 rounds a double to an integer without a call into the mathematical library.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// `value × 10^decimals` as an integer, if that integer leads back to exactly `value`.
#[inline]
pub fn scaled(value: f64, decimals: usize) -> Option<i64> {
    let power = POWERS[decimals];
    let product = value * power;
    // Not a number fails this comparison too.
    let fits = product.abs() < LARGEST;
    if !fits {
        return None;
    }
    let integer = (product + ROUNDER) - ROUNDER;
    ((integer / power).to_bits() == value.to_bits()).then_some(integer as i64)
}

/// Fills `integers` with `values × 10^decimals`, and answers the least such decimals.
fn decimal(values: &[f64], integers: &mut Vec<i64>) -> Option<usize> {
    let mut decimals = 0;
    loop {
        integers.clear();
        integers.extend(values.iter().map_while(|value| scaled(*value, decimals)));
        let Some(unfit) = values.get(integers.len()) else {
            return Some(decimals);
        };
        decimals = (decimals + 1..POWERS.len()).find(|more| scaled(*unfit, *more).is_some())?;
    }
}

/// Bits of a double in the order of the numbers they stand for, so that near numbers have near bits.
const fn ordered(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

const fn ordered_single(bits: i32) -> i32 {
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}

/// Longer columns do not leave their scratch behind.
const KEPT_SCRATCH: usize = 1 << 16;

thread_local! {
    static INTEGERS: RefCell<Vec<i64>> = const { RefCell::new(Vec::new()) };
}

/// Appends `values` to `out`; all of them come back bit by bit, zeros below zero too.
pub fn encode(values: &[f64], out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    INTEGERS.with_borrow_mut(|integers| {
        encode_with(values, out, integers);
        if values.len() > KEPT_SCRATCH {
            *integers = Vec::new();
        }
    });
}

fn encode_with(values: &[f64], out: &mut Vec<u8>, integers: &mut Vec<i64>) {
    if let Some(decimals) = decimal(values, integers) {
        out.push(DECIMAL);
        out.push(decimals as u8);
        integers::encode(integers, out);
        return;
    }
    integers.clear();
    if values
        .iter()
        .all(|&value| f64::from(value as f32).to_bits() == value.to_bits())
    {
        integers.extend(
            values
                .iter()
                .map(|&value| i64::from(ordered_single((value as f32).to_bits() as i32))),
        );
        out.push(SINGLE);
    } else {
        integers.extend(values.iter().map(|value| ordered(value.to_bits() as i64)));
        out.push(DOUBLE);
    }
    integers::encode(integers, out);
}

/// Reads what stands in front of the integers of a column that is not empty: the power of ten that they are to be
/// divided by. `None` for a column of another mode.
pub fn take_power(reader: &mut Reader<'_>) -> Result<Option<f64>, CodecError> {
    if reader.byte()? != DECIMAL {
        return Ok(None);
    }
    let decimals = reader.byte()? as usize;
    power_of_ten(decimals).map(Some).ok_or(TOO_MANY_DECIMALS)
}

/// Reads `count` numbers that [`encode`] wrote.
pub fn decode(reader: &mut Reader<'_>, count: usize) -> Result<Vec<f64>, CodecError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    match reader.byte()? {
        DECIMAL => {
            let power = power_of_ten(reader.byte()? as usize).ok_or(TOO_MANY_DECIMALS)?;
            let integers = integers::decode(reader, count)?;
            Ok(integers
                .into_iter()
                .map(|integer| integer as f64 / power)
                .collect())
        }
        SINGLE => {
            let bits = integers::decode(reader, count)?;
            Ok(bits
                .into_iter()
                .map(|bits| f64::from(f32::from_bits(ordered_single(bits as i32) as u32)))
                .collect())
        }
        DOUBLE => {
            let bits = integers::decode(reader, count)?;
            Ok(bits
                .into_iter()
                .map(|bits| f64::from_bits(ordered(bits) as u64))
                .collect())
        }
        _ => Err(CodecError::Invalid(
            "a column of numbers has an unknown mode",
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn there_and_back(values: &[f64]) -> usize {
        let mut bytes = Vec::new();
        encode(values, &mut bytes);
        let mut reader = Reader::new(&bytes);
        let back = decode(&mut reader, values.len()).unwrap();
        assert!(reader.is_empty());
        let bits = |numbers: &[f64]| {
            numbers
                .iter()
                .map(|number| number.to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(&back), bits(values));
        bytes.len()
    }

    fn finite() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>().prop_filter("finite", |number| number.is_finite()),
            (-1_000_000_i64..1_000_000, 0_u32..7)
                .prop_map(|(integer, decimals)| integer as f64 / 10_f64.powi(decimals as i32)),
            any::<f32>()
                .prop_filter("finite", |number| number.is_finite())
                .prop_map(f64::from),
            Just(-0.0),
            Just(f64::MIN_POSITIVE),
        ]
    }

    proptest! {
        #[test]
        fn mixed_numbers_come_back(values in prop::collection::vec(finite(), 0..100)) {
            there_and_back(&values);
        }

        #[test]
        fn decimals_come_back(integers in prop::collection::vec(-1_000_000_i64..1_000_000, 0..300), decimals in 0_i32..9) {
            let values: Vec<f64> = integers.iter().map(|&integer| integer as f64 / 10_f64.powi(decimals)).collect();
            there_and_back(&values);
        }

        #[test]
        fn singles_come_back(values in prop::collection::vec(any::<f32>().prop_filter("finite", |number| number.is_finite()), 0..300)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            there_and_back(&values);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0_usize..3000) {
            let _ = decode(&mut Reader::new(&bytes), count);
        }
    }

    #[test]
    fn a_single_precision_sensor_takes_no_more_than_four_bytes_a_number() {
        let values: Vec<f64> = (0..1000)
            .map(|step| f64::from((step as f32 * 0.37).sin()))
            .collect();
        assert!(there_and_back(&values) <= 4 * 1000 + 32);
    }

    #[test]
    fn numbers_without_any_pattern_take_no_more_than_their_eight_bytes() {
        let mut bits = 7_u64;
        let values: Vec<f64> = (0..1000)
            .map(|_| {
                bits = bits
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (bits >> 11) as f64 / (1_u64 << 53) as f64 * 1000.0 - 500.0
            })
            .collect();
        assert!(there_and_back(&values) <= 8 * 1000 + 32);
    }

    #[test]
    fn a_decimal_sensor_takes_one_byte_a_number_before_compression() {
        let values: Vec<f64> = (0..1000)
            .map(|step| ((step * 7919 % 40) as f64) / 100.0 + 220.0)
            .map(|value| (value * 100.0).round() / 100.0)
            .collect();
        assert!(there_and_back(&values) <= 1000 + 32);
    }
}
