//! What is known of a block without decoding it.

use super::columns::{Columns, Values};
use super::model::Quality;

/// Count, mean and spread of numbers, mergeable without loss of precision (Chan, Golub and LeVeque, 1979).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// How many of the samples are numbers (booleans count as 0 and 1).
    pub count: u64,
    pub sum: f64,
    /// The sum of squared distances from the mean.
    pub squares: f64,
    pub min: f64,
    pub max: f64,
    pub first: f64,
    pub last: f64,
}

/// Numbers that are added at a time.
const LANES: usize = 4;

/// The sum of `numbers`, as [`Statistics::sum`] has it.
pub fn sum_of(numbers: &[f64]) -> f64 {
    // Lanes break the chain of dependent operations.
    let mut sums = [0.0_f64; LANES];
    let (chunks, rest) = numbers.as_chunks::<LANES>();
    for &number in rest {
        sums[0] += number;
    }
    for chunk in chunks {
        for lane in 0..LANES {
            sums[lane] += chunk[lane];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

impl Statistics {
    pub const EMPTY: Self = Self {
        count: 0,
        sum: 0.0,
        squares: 0.0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        first: 0.0,
        last: 0.0,
    };

    /// Of `numbers` in order of time.
    pub fn of(numbers: &[f64]) -> Self {
        let mut statistics = Self::without_squares(numbers);
        if statistics.count == 0 {
            return statistics;
        }
        let mean = statistics.mean();
        let square = |number: f64| (number - mean) * (number - mean);
        let mut squares = [0.0_f64; LANES];
        let (chunks, rest) = numbers.as_chunks::<LANES>();
        for &number in rest {
            squares[0] += square(number);
        }
        for chunk in chunks {
            for lane in 0..LANES {
                squares[lane] += square(chunk[lane]);
            }
        }
        statistics.squares = (squares[0] + squares[1]) + (squares[2] + squares[3]);
        statistics
    }

    /// As [`Self::of`], but for the squares, which are 0.
    pub fn without_squares(numbers: &[f64]) -> Self {
        let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else {
            return Self::EMPTY;
        };
        // Lanes break the chain of dependent operations.
        let mut sums = [0.0_f64; LANES];
        let mut least = [first; LANES];
        let mut greatest = [first; LANES];
        let lesser = |left: f64, right: f64| if right < left { right } else { left };
        let greater = |left: f64, right: f64| if right > left { right } else { left };
        let (chunks, rest) = numbers.as_chunks::<LANES>();
        for &number in rest {
            sums[0] += number;
            least[0] = lesser(least[0], number);
            greatest[0] = greater(greatest[0], number);
        }
        for chunk in chunks {
            for lane in 0..LANES {
                sums[lane] += chunk[lane];
                least[lane] = lesser(least[lane], chunk[lane]);
                greatest[lane] = greater(greatest[lane], chunk[lane]);
            }
        }
        Self {
            count: numbers.len() as u64,
            sum: (sums[0] + sums[1]) + (sums[2] + sums[3]),
            squares: 0.0,
            min: least.into_iter().fold(first, lesser),
            max: greatest.into_iter().fold(first, greater),
            first,
            last,
        }
    }

    /// Adds `later`, whose samples all come after those of `self`.
    pub fn merge(&mut self, later: &Self) {
        if later.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *later;
            return;
        }
        let (left, right) = (self.count as f64, later.count as f64);
        let distance = later.sum / right - self.sum / left;
        self.squares += later.squares + distance * distance * left * right / (left + right);
        self.count += later.count;
        self.sum += later.sum;
        self.min = self.min.min(later.min);
        self.max = self.max.max(later.max);
        self.last = later.last;
    }

    /// The mean; not a number if there is none.
    pub fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    /// The sample standard deviation; 0 for a single number.
    pub fn deviation(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        (self.squares / (self.count - 1) as f64).max(0.0).sqrt()
    }
}

/// The protocols that samples came by, one bit each; what is not listed shares the last bit.
const PROTOCOLS: [&str; 7] = ["mqtt", "http", "ws", "influx", "ml", "coap", "edge"];
const OTHER_PROTOCOL: u8 = 1 << 7;

fn protocol_bit(protocol: &str) -> u8 {
    PROTOCOLS
        .iter()
        .position(|known| *known == protocol)
        .map_or(OTHER_PROTOCOL, |index| 1 << index)
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    pub count: u32,
    pub min_time: i64,
    pub max_time: i64,
    pub good: u32,
    pub uncertain: u32,
    pub protocols: u8,
    /// Of the samples that are numbers. `None` where the block is so small that looking at them costs less than
    /// keeping this would.
    pub numbers: Option<Statistics>,
}

impl Summary {
    /// Of sorted columns that hold at least one sample.
    pub fn of(columns: &Columns) -> Self {
        let numbers = match &columns.values {
            Values::Numbers(numbers) => Statistics::of(numbers),
            Values::Any(values) => {
                let numbers: Vec<f64> = values
                    .iter()
                    .filter_map(super::model::Value::as_number)
                    .collect();
                Statistics::of(&numbers)
            }
        };
        Self {
            numbers: Some(numbers),
            ..Self::without_numbers(columns)
        }
    }

    /// As [`Self::of`], but for what the numbers come to.
    pub fn without_numbers(columns: &Columns) -> Self {
        let (min_time, max_time) = columns.span().unwrap_or((0, 0));
        let count = columns.len() as u32;
        let (good, uncertain) = match columns.qualities.constant().map(Quality) {
            Some(quality) if quality.is_good() => (count, 0),
            Some(quality) if quality.is_bad() => (0, 0),
            Some(_) => (0, count),
            None => {
                let good = columns
                    .qualities
                    .iter()
                    .filter(|quality| Quality(*quality).is_good())
                    .count() as u32;
                let bad = columns
                    .qualities
                    .iter()
                    .filter(|quality| Quality(*quality).is_bad())
                    .count() as u32;
                (good, count - good - bad)
            }
        };
        let protocols = columns
            .dictionary
            .iter()
            .map(|origin| protocol_bit(&origin.protocol))
            .fold(0, |all, bit| all | bit);
        Self {
            count,
            min_time,
            max_time,
            good,
            uncertain,
            protocols,
            numbers: None,
        }
    }

    /// Whether every sample came by `protocol`, none did, or one has to look.
    pub fn came_by(&self, protocol: &str) -> Option<bool> {
        let bit = protocol_bit(protocol);
        if self.protocols & bit == 0 {
            return Some(false);
        }
        (self.protocols == bit && bit != OTHER_PROTOCOL).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn merged_statistics_equal_those_of_the_whole(
            left in prop::collection::vec(-1e6_f64..1e6, 0..50),
            right in prop::collection::vec(-1e6_f64..1e6, 0..50),
        ) {
            let mut merged = Statistics::of(&left);
            merged.merge(&Statistics::of(&right));
            let whole: Vec<f64> = left.iter().chain(&right).copied().collect();
            let direct = Statistics::of(&whole);
            prop_assert_eq!(merged.count, direct.count);
            prop_assert_eq!((merged.min, merged.max, merged.first, merged.last), (direct.min, direct.max, direct.first, direct.last));
            prop_assert!((merged.sum - direct.sum).abs() <= 1e-6 * (1.0 + direct.sum.abs()));
            prop_assert!((merged.deviation() - direct.deviation()).abs() <= 1e-6 * (1.0 + direct.deviation()));
        }
    }

    #[test]
    fn an_unlisted_protocol_has_to_be_looked_up() {
        let summary = Summary {
            count: 1,
            min_time: 0,
            max_time: 0,
            good: 1,
            uncertain: 0,
            protocols: OTHER_PROTOCOL,
            numbers: None,
        };
        assert_eq!(summary.came_by("opcua"), None);
        assert_eq!(summary.came_by("mqtt"), Some(false));
    }
}
