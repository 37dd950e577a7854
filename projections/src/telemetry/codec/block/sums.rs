//! What the numbers of a block come to by the interval, without a sample of it in between.

use super::{Column, NUMBER, Reader, heading, integers};
use crate::telemetry::codec::compression::decompress_into;
use crate::telemetry::codec::integers::ColumnSums;
use crate::telemetry::codec::{CodecError, numbers};

/// Larger bodies are not kept for the next block.
const KEPT_BODY: usize = 256 << 10;

/// Intervals of one length, aligned to 1970-01-01T00:00:00Z, and the stretch of time that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Intervals {
    /// From, inclusive, to, exclusive, in nanoseconds since 1970.
    pub from: i64,
    pub to: i64,
    /// In nanoseconds, more than 0.
    pub every: i64,
}

impl Intervals {
    pub const fn start_of(&self, time: i64) -> i64 {
        time.saturating_sub(time.rem_euclid(self.every))
    }

    /// Whether `time` lies in the interval that begins at `start`, which is not cut short by the lower end of time.
    pub const fn holds(&self, start: i64, time: i64) -> bool {
        time >= start && (time.wrapping_sub(start) as u64) < self.every as u64
    }

    /// The last time of the interval that begins at `start`.
    pub const fn last_of(&self, start: i64) -> i64 {
        // At the lower end of time an interval may be cut short.
        let missing = match start {
            i64::MIN => start.rem_euclid(self.every),
            _ => 0,
        };
        start.saturating_add(self.every - 1 - missing)
    }
}

/// The numbers of one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    pub start: i64,
    pub count: u64,
    pub sum: f64,
}

/// The times of a block.
enum Times {
    /// Rising, without overflow.
    Linear {
        first: i64,
        step: i64,
        last: i64,
    },
    Each(Vec<i64>),
}

impl Times {
    fn of(column: Column, count: usize) -> Self {
        if let Column::Linear { first, step } = column
            && step > 0
            && let Some(last) = step
                .checked_mul(count as i64 - 1)
                .and_then(|length| first.checked_add(length))
        {
            return Self::Linear { first, step, last };
        }
        Self::Each(column.into_values(count))
    }

    /// The time at `index`, which must lie within the block.
    fn at(&self, index: usize) -> i64 {
        match self {
            Self::Linear { first, step, .. } => first + step * index as i64,
            Self::Each(times) => times[index],
        }
    }

    /// How many times lie before `time`.
    fn before(&self, time: i64) -> usize {
        match self {
            Self::Linear { first, .. } if time <= *first => 0,
            Self::Linear { first, step, last } if time <= *last => {
                // It lies between two times whose distance fits.
                ((time - first - 1) / step + 1) as usize
            }
            Self::Linear { first, step, last } => ((last - first) / step + 1) as usize,
            Self::Each(times) => times.partition_point(|other| *other < time),
        }
    }

    /// The first index from `from` on, up to `end`, whose time is later than `last`. Regular clocks put as many samples
    /// into each interval: `guess` of them are looked at first.
    fn end_of(&self, from: usize, end: usize, last: i64, guess: usize) -> usize {
        let guessed = from + guess;
        if guess > 0 && guessed < end && self.at(guessed - 1) <= last && self.at(guessed) > last {
            return guessed;
        }
        match last.checked_add(1) {
            Some(next) => match self {
                Self::Linear { .. } => self.before(next).min(end),
                Self::Each(times) => from + times[from..end].partition_point(|other| *other < next),
            },
            None => end,
        }
    }
}

/// Sums up blocks. Kept from one to the next for its memory.
#[derive(Default)]
pub struct BlockSums {
    body: Vec<u8>,
    column: ColumnSums,
    stretches: Vec<Stretch>,
}

impl BlockSums {
    /// What the numbers of `block` come to in each of `intervals` that holds one. `None` where that takes a look at the
    /// samples: not all are decimal numbers, or they are too large to be added exactly.
    ///
    /// A sum is that of the decimals, rounded once.
    pub fn of(
        &mut self,
        block: &[u8],
        intervals: &Intervals,
    ) -> Result<Option<&[Stretch]>, CodecError> {
        let mut reader = Reader::new(block);
        let heading = heading(&mut reader)?;
        let rest = reader.take(reader.remaining())?;
        self.stretches.clear();
        if self.body.capacity() > KEPT_BODY {
            self.body = Vec::new();
        }
        let summed = if heading.compressed {
            decompress_into(rest, heading.length, &mut self.body)?;
            sum_up(
                &self.body,
                heading.count,
                intervals,
                &mut self.column,
                &mut self.stretches,
            )?
        } else {
            sum_up(
                rest,
                heading.count,
                intervals,
                &mut self.column,
                &mut self.stretches,
            )?
        };
        Ok(summed.then_some(&self.stretches))
    }
}

fn sum_up(
    body: &[u8],
    count: usize,
    intervals: &Intervals,
    column: &mut ColumnSums,
    stretches: &mut Vec<Stretch>,
) -> Result<bool, CodecError> {
    let mut reader = Reader::new(body);
    let times = Times::of(integers::decode_column(&mut reader, count)?, count);
    if integers::decode_column(&mut reader, count)? != Column::Constant(NUMBER) {
        return Ok(false);
    }
    let Some(power) = numbers::take_power(&mut reader)? else {
        return Ok(false);
    };
    if !column.read(&mut reader, count)? {
        return Ok(false);
    }
    let mut from = times.before(intervals.from);
    let end = times.before(intervals.to);
    let mut start = None;
    let mut guess = 0;
    while from < end {
        let time = times.at(from);
        let begin = match start {
            Some(next) if intervals.holds(next, time) => next,
            _ => intervals.start_of(time),
        };
        let last = intervals.last_of(begin);
        let next = times.end_of(from, end, last, guess);
        if next <= from {
            // Times out of order, which no block of ours has.
            return Ok(false);
        }
        guess = next - from;
        stretches.push(Stretch {
            start: begin,
            count: guess as u64,
            sum: column.of(from..next) as f64 / power,
        });
        start = last.checked_add(1);
        from = next;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::telemetry::codec::block::{FORMAT, encode};
    use crate::telemetry::columns::{Columns, SampleRef};
    use crate::telemetry::model::{Quality, SeriesId, Value};

    const ALWAYS: Intervals = Intervals {
        from: i64::MIN,
        to: i64::MAX,
        every: 60,
    };

    fn block(times: &[i64], values: &[Value]) -> Vec<u8> {
        let mut columns = Columns::default();
        for (time, value) in times.iter().zip(values) {
            columns.push(SampleRef {
                time: *time,
                seq: 0,
                value,
                sum: None,
                update_time: None,
                quality: Quality::GOOD,
                received_at: 0,
                unit: "",
                protocol: "mqtt",
            });
        }
        encode(SeriesId(1), &columns)
    }

    fn times() -> impl Strategy<Value = Vec<i64>> {
        let steps = prop_oneof![
            (1_i64..50, 1_usize..3000).prop_map(|(step, count)| vec![step; count]),
            prop::collection::vec(1_i64..200, 1..300),
        ];
        let firsts = prop_oneof![-500_i64..500, Just(i64::MIN), Just(i64::MAX - 200_000),];
        (firsts, steps).prop_map(|(first, steps)| {
            let mut time = first;
            let mut times = Vec::with_capacity(steps.len());
            for step in steps {
                times.push(time);
                time += step;
            }
            times
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        #[test]
        fn stretches_are_those_of_the_samples(
            times in times(),
            mut bits in any::<u64>(),
            from in prop_oneof![Just(i64::MIN), -600_i64..2000],
            to in prop_oneof![Just(i64::MAX), -600_i64..2000],
            every in prop_oneof![Just(1_i64), 1_i64..100, Just(i64::MAX)],
        ) {
            let hundredths: Vec<i64> = times
                .iter()
                .map(|_| {
                    bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (bits >> 57) as i64 - 40
                })
                .collect();
            let intervals = Intervals { from, to, every };
            let mut expected: Vec<(i64, u64, i64)> = Vec::new();
            for (time, hundredths) in times.iter().zip(&hundredths) {
                if !(from..to).contains(time) {
                    continue;
                }
                let start = intervals.start_of(*time);
                match expected.last_mut() {
                    Some((last, count, sum)) if *last == start => {
                        *count += 1;
                        *sum += hundredths;
                    }
                    _ => expected.push((start, 1, *hundredths)),
                }
            }
            let values: Vec<Value> = hundredths
                .iter()
                .map(|hundredths| Value::Number(*hundredths as f64 / 100.0))
                .collect();
            let bytes = block(&times, &values);
            let mut sums = BlockSums::default();
            let found: Vec<Stretch> = sums.of(&bytes, &intervals).unwrap().unwrap().to_vec();
            let expected: Vec<Stretch> = expected
                .into_iter()
                .map(|(start, count, sum)| Stretch { start, count, sum: sum as f64 / 100.0 })
                .collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn garbage_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..300), compressed in any::<bool>()) {
            if bytes.len() > 4 {
                bytes[0] = FORMAT;
                bytes[3] = u8::from(compressed);
            }
            let _ = BlockSums::default().of(&bytes, &ALWAYS);
        }
    }

    #[test]
    fn what_is_no_decimal_number_is_left_to_a_look_at_the_samples() {
        let others = [
            [Value::Number(0.1 + 0.2), Value::Number(1.0 / 3.0)],
            [Value::Number(1.0), Value::Boolean(true)],
            [Value::Text("1".to_owned()), Value::Text("2".to_owned())],
            [Value::Number(0.5), Value::Number((1_u64 << 50) as f64)],
        ];
        let mut sums = BlockSums::default();
        for values in others {
            assert_eq!(sums.of(&block(&[1, 2], &values), &ALWAYS), Ok(None));
        }
    }
}
