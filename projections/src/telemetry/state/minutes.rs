//! What the samples of a block in memory come to by the minute.

use crate::telemetry::columns::{Columns, Values};
use crate::telemetry::rollup::Level;
use crate::telemetry::summary::Statistics;

/// A minute that stands for fewer samples is not worth its memory.
const DENSITY: usize = 30;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minute {
    /// A multiple of a minute, in nanoseconds since 1970.
    pub start: i64,
    /// Without squares.
    pub numbers: Statistics,
}

/// Minutes that hold a number, in order; `None` where they stand for few samples each, or lie at the ends of time.
pub fn minutes(columns: &Columns) -> Option<Box<[Minute]>> {
    let most = columns.len() / DENSITY;
    let mut minutes = Vec::with_capacity(most);
    let mut collected = Vec::new();
    let mut from = 0;
    while from < columns.len() {
        let start = Level::Minute.start_of(columns.times[from])?;
        let end = start.checked_add(Level::Minute.width())?;
        let length = columns.times[from..].partition_point(|time| *time < end);
        if length == 0 || minutes.len() == most {
            return None;
        }
        let numbers = match &columns.values {
            Values::Numbers(numbers) => Statistics::without_squares(&numbers[from..from + length]),
            Values::Any(values) => {
                collected.clear();
                let numbers = values[from..from + length].iter();
                collected.extend(numbers.filter_map(|value| value.as_number()));
                Statistics::without_squares(&collected)
            }
        };
        if numbers.count > 0 {
            minutes.push(Minute { start, numbers });
        }
        from += length;
    }
    Some(minutes.into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn columns(count: i64, every_seconds: i64) -> Columns {
        Columns {
            times: (0..count)
                .map(|index| (index * every_seconds + 30) * SECOND)
                .collect(),
            values: Values::Numbers((0..count).map(|index| index as f64).collect()),
            ..Columns::default()
        }
    }

    #[test]
    fn each_minute_has_the_statistics_of_its_samples() {
        let columns = columns(150, 1);
        let minutes = minutes(&columns).unwrap();
        let starts: Vec<i64> = minutes.iter().map(|minute| minute.start / SECOND).collect();
        assert_eq!(starts, [0, 60, 120]);
        let of = |range: std::ops::Range<u32>| {
            Statistics::without_squares(&range.map(f64::from).collect::<Vec<_>>())
        };
        assert_eq!(minutes[0].numbers, of(0..30));
        assert_eq!(minutes[1].numbers, of(30..90));
        assert_eq!(minutes[2].numbers, of(90..150));
    }

    #[test]
    fn sparse_samples_are_not_summed_up() {
        assert!(minutes(&columns(150, 60)).is_none());
    }

    #[test]
    fn the_ends_of_time_are_left_to_the_samples() {
        let mut columns = columns(60, 1);
        columns.times[0] = i64::MIN;
        assert!(minutes(&columns).is_none());
    }
}
