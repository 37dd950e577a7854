//! Sums of stretches of a column, without the values in between.
//!
//! A noisy column of a sensor comes as residuals in four lanes (see [`super::tracking`]). Its filter is followed in 32
//! bits, all lanes at once, and what is kept is the running sum of each lane: the sum of a stretch is then the
//! difference of two of them. That the filter does not leave 32 bits is looked at as it goes; a column for which it
//! does, and one of any other kind, is read value by value.

use std::ops::Range;

use super::planes::Planes;
use super::tracking::{Entry, Lane};
use super::{TRACKING_ENTERED, decode_column};
use crate::telemetry::codec::CodecError;
use crate::telemetry::codec::bytes::Reader;

const LANES: usize = 4;
/// A longer lane could make a running sum overflow within a stretch.
const LONGEST_LANE: usize = 2048;
/// The bits of a residual.
const RESIDUAL_BITS: u32 = 18;
/// The bits of what a filter may hold: from within them no step leads beyond 32 bits.
const ROUNDED_BITS: u32 = 30;
const SLOPE_BITS: u32 = 29;
/// The bits of a value. All of a block together then stay within 63 bits.
const VALUE_BITS: u32 = 46;

/// The sums of a column that was read. Kept from one column to the next for its memory.
#[derive(Default)]
pub struct ColumnSums {
    /// Each value is `base + divisor × v`, where v is of the lanes.
    base: i64,
    divisor: i64,
    /// The running sum of v of each lane, and the values of v behind the last lane.
    lanes: Vec<[i32; LANES]>,
    rest: Vec<i64>,
    /// All values, if they did not come in lanes.
    values: Vec<i64>,
}

const fn magnitude(value: i64) -> u64 {
    (value ^ (value >> 63)) as u64
}

const fn fits(value: i64, bits: u32) -> bool {
    magnitude(value) < 1 << bits
}

const fn unzigzag(value: u32) -> i32 {
    ((value >> 1) as i32) ^ -((value & 1) as i32)
}

impl ColumnSums {
    /// Reads a column of `count` values, in place of the one before. Answers false if its sums may not be exact; then
    /// nothing may be asked of it.
    pub fn read(&mut self, reader: &mut Reader<'_>, count: usize) -> Result<bool, CodecError> {
        let mut ahead = *reader;
        self.values.clear();
        if self.read_lanes(&mut ahead, count)? {
            *reader = ahead;
            return Ok(true);
        }
        self.values = decode_column(reader, count)?.into_values(count);
        let all = self
            .values
            .iter()
            .fold(0, |all, value| all | magnitude(*value));
        Ok(all < 1 << VALUE_BITS)
    }

    /// Reads a column in lanes. Answers false if it is none, or may not be followed in 32 bits.
    fn read_lanes(&mut self, reader: &mut Reader<'_>, count: usize) -> Result<bool, CodecError> {
        if count < LANES || reader.byte()? != TRACKING_ENTERED {
            return Ok(false);
        }
        self.base = reader.signed()?;
        self.divisor = i64::try_from(reader.varint()?).unwrap_or(i64::MAX);
        let entries = Entry::take(reader)?;
        let planes = Planes::take(reader, count)?;
        let quarter = count / LANES;
        // A value of v has one bit more than what it is made of.
        let narrow = planes.width <= 2
            && quarter <= LONGEST_LANE
            && fits(self.base, VALUE_BITS - 1)
            && fits(self.divisor, VALUE_BITS - 1 - (RESIDUAL_BITS + 1))
            && planes
                .exceptions
                .iter()
                .all(|(_, value)| fits(*value, RESIDUAL_BITS));
        if !narrow {
            return Ok(false);
        }
        self.spread(&planes, count);
        let Some(last) = follow(entries, &mut self.lanes) else {
            return Ok(false);
        };
        last.follow(&mut self.rest);
        Ok(self
            .rest
            .iter()
            .all(|value| fits(*value, RESIDUAL_BITS + 1)))
    }

    /// Puts the residuals where the lanes find them.
    fn spread(&mut self, planes: &Planes<'_>, count: usize) {
        let quarter = count / LANES;
        let in_lanes = quarter * LANES;
        self.lanes.clear();
        self.rest.clear();
        match planes.width {
            0 => {
                self.lanes.resize(quarter, [0; LANES]);
                self.rest.resize(count - in_lanes, 0);
            }
            1 => {
                let residual = |low: u8| unzigzag(u32::from(low));
                let [one, two, three, four] = quarters(planes.bytes, quarter);
                let steps = one.iter().zip(two).zip(three).zip(four);
                self.lanes.extend(steps.map(|(((one, two), three), four)| {
                    [one, two, three, four].map(|low| residual(*low))
                }));
                let rest = planes.bytes[in_lanes..].iter();
                self.rest.extend(rest.map(|low| i64::from(residual(*low))));
            }
            _ => {
                let residual = |low: u8, high: u8| unzigzag(u32::from(low) | u32::from(high) << 8);
                let (low, high) = planes.bytes.split_at(count);
                let lows = quarters(low, quarter);
                let highs = quarters(high, quarter);
                self.lanes.extend((0..quarter).map(|step| {
                    std::array::from_fn(|lane| residual(lows[lane][step], highs[lane][step]))
                }));
                let rest = low[in_lanes..].iter().zip(&high[in_lanes..]);
                self.rest
                    .extend(rest.map(|(low, high)| i64::from(residual(*low, *high))));
            }
        }
        for (index, value) in &planes.exceptions {
            match index.checked_sub(in_lanes) {
                Some(behind) => self.rest[behind] = *value,
                // It fits, or it would not have come here.
                None => self.lanes[index % quarter][index / quarter] = *value as i32,
            }
        }
    }

    /// The sum of the values at `range`, which must lie within the column.
    pub fn of(&self, range: Range<usize>) -> i64 {
        if !self.values.is_empty() {
            return self.values[range].iter().sum();
        }
        let quarter = self.lanes.len();
        let length = range.len() as i64;
        let mut sum = 0_i64;
        let mut from = range.start;
        while from < range.end && from < quarter * LANES {
            let lane = from / quarter;
            let start = lane * quarter;
            let end = range.end.min(start + quarter);
            let before = match from - start {
                0 => 0,
                steps => self.lanes[steps - 1][lane],
            };
            sum += i64::from(self.lanes[end - start - 1][lane].wrapping_sub(before));
            from = end;
        }
        if from < range.end {
            let behind = quarter * LANES;
            sum += self.rest[from - behind..range.end - behind]
                .iter()
                .sum::<i64>();
        }
        self.base * length + self.divisor * sum
    }
}

fn quarters(bytes: &[u8], quarter: usize) -> [&[u8]; LANES] {
    std::array::from_fn(|lane| &bytes[lane * quarter..(lane + 1) * quarter])
}

/// Puts running sums in the place of residuals. Answers how the last lane goes on; `None` if a filter needs more than 32
/// bits, and then the sums are worth nothing.
fn follow(entries: [Entry; LANES - 1], steps: &mut [[i32; LANES]]) -> Option<Lane> {
    const FRACTION: u32 = Lane::FRACTION;
    const HALF: i32 = Lane::HALF as i32;
    const BELOW: i32 = Lane::BELOW as i32;
    let mut rounded = [HALF; LANES];
    let mut slope = [0_i32; LANES];
    for (lane, entry) in entries.into_iter().enumerate() {
        let entered = Lane::entering(entry);
        if !fits(entered.rounded, ROUNDED_BITS) || !fits(entered.slope, SLOPE_BITS) {
            return None;
        }
        rounded[lane + 1] = entered.rounded as i32;
        slope[lane + 1] = entered.slope as i32;
    }
    let mut sums = [0_i32; LANES];
    let mut all_rounded = [0_i32; LANES];
    let mut all_slopes = [0_i32; LANES];
    for step in steps {
        for lane in 0..LANES {
            let residual = step[lane];
            let value = residual.wrapping_add(rounded[lane] >> FRACTION);
            let error = residual
                .wrapping_shl(FRACTION)
                .wrapping_add(HALF)
                .wrapping_sub(rounded[lane] & BELOW);
            let turn = error >> 8;
            let ahead = rounded[lane].wrapping_add(slope[lane]);
            slope[lane] = slope[lane].wrapping_add(turn);
            rounded[lane] = ahead.wrapping_add((error >> 3).wrapping_add(turn));
            all_rounded[lane] |= rounded[lane].wrapping_add(1 << ROUNDED_BITS);
            all_slopes[lane] |= slope[lane].wrapping_add(1 << SLOPE_BITS);
            sums[lane] = sums[lane].wrapping_add(value);
            step[lane] = sums[lane];
        }
    }
    // What lies within ± 2^bits has none of the bits above those once 2^bits are added to it.
    let within = |all: [i32; LANES], bits: u32| all.iter().all(|all| all >> (bits + 1) == 0);
    let narrow = within(all_rounded, ROUNDED_BITS) && within(all_slopes, SLOPE_BITS);
    narrow.then(|| Lane {
        rounded: i64::from(rounded[LANES - 1]),
        slope: i64::from(slope[LANES - 1]),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::telemetry::codec::integers::encode;

    fn assert_sums(values: &[i64], stretches: &[(usize, usize)]) {
        let mut bytes = Vec::new();
        encode(values, &mut bytes);
        let mut reader = Reader::new(&bytes);
        let mut sums = ColumnSums::default();
        assert!(sums.read(&mut reader, values.len()).unwrap());
        assert!(reader.is_empty());
        for (from, to) in stretches {
            let (from, to) = (from % values.len(), to % (values.len() + 1));
            let range = from.min(to)..from.max(to);
            let expected: i64 = values[range.clone()].iter().sum();
            assert_eq!(sums.of(range.clone()), expected, "{range:?}");
        }
    }

    fn noisy() -> impl Strategy<Value = Vec<i64>> {
        let noise = prop_oneof![
            Just(1_i64),
            Just(20),
            Just(100),
            Just(30_000),
            Just(200_000),
            Just(1 << 40)
        ];
        let spikes = prop::collection::vec((0_usize..9000, -(1_i64 << 20)..(1 << 20)), 0..4);
        (
            noise,
            spikes,
            -(1_i64 << 40)..(1 << 40),
            1_i64..4000,
            1_usize..9000,
            any::<u64>(),
        )
            .prop_map(|(noise, spikes, base, divisor, length, mut bits)| {
                let mut values: Vec<i64> = (0..length)
                    .map(|step| {
                        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let wave = ((step as f64 / 600.0).sin() * 1000.0) as i64;
                        wave + (bits >> 33) as i64 % noise
                    })
                    .collect();
                for (place, spike) in spikes {
                    values[place % length] += spike;
                }
                let divisor = if noise > 1 << 30 { 1 } else { divisor };
                values
                    .into_iter()
                    .map(|value| base + divisor * value)
                    .collect()
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        #[test]
        fn sums_are_those_of_the_values(
            values in noisy(),
            stretches in prop::collection::vec((any::<usize>(), any::<usize>()), 1..40),
        ) {
            assert_sums(&values, &stretches);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 1_usize..5000) {
            let mut sums = ColumnSums::default();
            if sums.read(&mut Reader::new(&bytes), count) == Ok(true) {
                sums.of(0..count);
                sums.of(count / 2..count);
            }
        }

        #[test]
        fn lanes_of_garbage_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 1024..4096),
            entries in prop::collection::vec(any::<i64>(), 6),
        ) {
            let count = bytes.len();
            let mut column = vec![TRACKING_ENTERED, 0, 1];
            for entry in entries {
                crate::telemetry::codec::bytes::put_signed(&mut column, entry);
            }
            column.extend([1, 0]);
            column.extend_from_slice(&bytes);
            let mut sums = ColumnSums::default();
            let exact = sums.read(&mut Reader::new(&column), count).unwrap();
            let values = decode_column(&mut Reader::new(&column), count).unwrap().into_values(count);
            if exact {
                prop_assert_eq!(sums.of(0..count), values.iter().sum::<i64>());
                prop_assert_eq!(sums.of(count / 3..count / 2), values[count / 3..count / 2].iter().sum::<i64>());
            }
        }
    }

    #[test]
    fn a_sensor_with_noise_is_followed_in_lanes() {
        let mut bits = 7_u64;
        let values: Vec<i64> = (0..8190_i64)
            .map(|step| {
                bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((step as f64 / 600.0).sin() * 1000.0) as i64 + (bits >> 59) as i64
            })
            .collect();
        let mut bytes = Vec::new();
        encode(&values, &mut bytes);
        let mut sums = ColumnSums::default();
        assert!(sums.read(&mut Reader::new(&bytes), values.len()).unwrap());
        assert!(sums.values.is_empty());
        assert_eq!(sums.of(0..values.len()), values.iter().sum::<i64>());
    }

    #[test]
    fn values_too_large_to_be_summed_exactly_are_refused() {
        let mut bytes = Vec::new();
        encode(&[1 << 50, 3, 1 << 51], &mut bytes);
        let mut sums = ColumnSums::default();
        assert_eq!(sums.read(&mut Reader::new(&bytes), 3), Ok(false));
    }
}
