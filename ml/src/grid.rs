//! Resamples signals of any rate to rows on one grid of time, in event time.
//!
//! The row at time `t` (a multiple of the period) holds for each signal the newest reading that is not younger than `t`,
//! if it is good and no older than the tolerance; otherwise the value is missing. A row is given out once every signal has
//! gone past its time, or one has gone past it by the tolerance: a silent signal does not hold the others up.

use std::collections::BTreeMap;
use std::time::Duration;

use tellee_actors::time::Timestamp;

/// The largest tolerance in periods. It bounds what a grid holds back.
const MAX_TOLERANCE_PERIODS: i64 = 1_000;

/// One sample of one signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    pub time: Timestamp,
    pub seq: u32,
    /// `None`: of bad quality or no number.
    pub value: Option<f64>,
}

impl Reading {
    const fn order(&self) -> (Timestamp, u32) {
        (self.time, self.seq)
    }
}

/// The values of all signals at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub time: Timestamp,
    /// One per signal; NaN where missing.
    pub values: Vec<f32>,
    /// Rows were left out before it: no signal had a value there.
    pub after_gap: bool,
}

impl Row {
    pub fn is_complete(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }
}

#[derive(Debug, Clone, Default)]
struct Signal {
    /// The newest reading of the rows given out.
    held: Option<Reading>,
    /// Readings of rows to come: the newest of each slot.
    pending: BTreeMap<i64, Reading>,
    newest: Option<Timestamp>,
}

/// See the head of this file.
#[derive(Debug, Clone)]
pub struct Grid {
    period_ns: i64,
    tolerance_ns: i64,
    signals: Vec<Signal>,
    /// The slot of the next row. Slot `n` is the time `n` × period.
    next: Option<i64>,
    after_gap: bool,
    late: u64,
}

impl Grid {
    /// A grid for `signals` signals. The period is taken as at least 1 ms, the tolerance as 1 to 1,000 periods.
    pub fn new(signals: usize, period: Duration, tolerance: Duration) -> Self {
        let nanoseconds =
            |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        let period_ns =
            nanoseconds(period).clamp(1_000_000, i64::MAX / (2 * MAX_TOLERANCE_PERIODS));
        let tolerance_ns =
            nanoseconds(tolerance).clamp(period_ns, period_ns * MAX_TOLERANCE_PERIODS);
        Self {
            period_ns,
            tolerance_ns,
            signals: vec![Signal::default(); signals],
            next: None,
            after_gap: false,
            late: 0,
        }
    }

    /// Takes a reading of signal number `signal`. Rows may be ready afterwards: call [`Grid::next_row`] until there is none.
    pub fn push(&mut self, signal: usize, reading: Reading) {
        let slot = self.slot(reading.time);
        let Some(signal) = self.signals.get_mut(signal) else {
            return;
        };
        signal.newest = signal.newest.max(Some(reading.time));
        let next = *self.next.get_or_insert(slot);
        if slot < next {
            self.late += 1;
            if signal
                .held
                .is_none_or(|held| held.order() <= reading.order())
            {
                signal.held = Some(reading);
            }
            return;
        }
        let pending = signal.pending.entry(slot).or_insert(reading);
        if pending.order() <= reading.order() {
            *pending = reading;
        }
    }

    /// The next row that is ready.
    pub fn next_row(&mut self) -> Option<Row> {
        let newest = self
            .signals
            .iter()
            .filter_map(|signal| signal.newest)
            .max()?;
        let all_past = self
            .signals
            .iter()
            .map(|signal| signal.newest)
            .min()
            .flatten();
        let forced = newest.0.saturating_sub(self.tolerance_ns);
        let past = all_past.map_or(forced, |all_past| all_past.0.max(forced));
        self.row_until(past)
    }

    /// The next row up to the newest reading, ready or not: for the end of a range.
    pub fn next_row_at_end(&mut self) -> Option<Row> {
        let newest = self
            .signals
            .iter()
            .filter_map(|signal| signal.newest)
            .max()?;
        self.row_until(newest.0)
    }

    /// Readings that came after their row had been given out.
    pub const fn late(&self) -> u64 {
        self.late
    }

    fn row_until(&mut self, past_ns: i64) -> Option<Row> {
        loop {
            let slot = self.next?;
            let time = slot.checked_mul(self.period_ns)?;
            if time > past_ns {
                return None;
            }
            let tolerance_ns = self.tolerance_ns;
            let mut any = false;
            let mut values = Vec::with_capacity(self.signals.len());
            for signal in &mut self.signals {
                if let Some(reading) = signal.pending.remove(&slot) {
                    signal.held = Some(reading);
                    any = true;
                }
                let value = signal
                    .held
                    .filter(|held| time.saturating_sub(held.time.0) <= tolerance_ns)
                    .and_then(|held| held.value)
                    .map_or(f32::NAN, |value| value as f32);
                values.push(if value.is_finite() { value } else { f32::NAN });
            }
            self.next = Some(slot + 1);
            if any || values.iter().any(|value| value.is_finite()) {
                let after_gap = std::mem::take(&mut self.after_gap);
                return Some(Row {
                    time: Timestamp(time),
                    values,
                    after_gap,
                });
            }
            // Nothing here, and nothing is held: on to the next slot that holds something.
            self.after_gap = true;
            let first = self
                .signals
                .iter()
                .filter_map(|signal| signal.pending.keys().next())
                .min();
            self.next = Some(first.copied().unwrap_or(slot + 1).max(slot + 1));
            first?;
        }
    }

    /// The first slot whose time is not before `time`.
    const fn slot(&self, time: Timestamp) -> i64 {
        let floor = time.0.div_euclid(self.period_ns);
        if time.0.rem_euclid(self.period_ns) == 0 {
            floor
        } else {
            floor + 1
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(1);
    const TOLERANCE: Duration = Duration::from_secs(3);

    fn reading(milliseconds: i64, value: f64) -> Reading {
        Reading {
            time: Timestamp::from_millis(milliseconds),
            seq: 0,
            value: Some(value),
        }
    }

    fn rows(grid: &mut Grid) -> Vec<Row> {
        std::iter::from_fn(|| grid.next_row()).collect()
    }

    fn times(rows: &[Row]) -> Vec<i64> {
        rows.iter().map(|row| row.time.as_millis()).collect()
    }

    #[test]
    fn a_row_holds_the_last_value_of_each_signal() {
        let mut grid = Grid::new(2, PERIOD, TOLERANCE);
        for (signal, time, value) in [
            (0, 1_000, 1.0),
            (1, 900, 10.0),
            (0, 1_400, 2.0),
            (0, 1_900, 3.0),
            (1, 2_100, 20.0),
        ] {
            grid.push(signal, reading(time, value));
        }
        grid.push(0, reading(3_000, 4.0));
        let rows = rows(&mut grid);
        assert_eq!(times(&rows), [1_000, 2_000]);
        assert_eq!(rows[0].values, [1.0, 10.0]);
        assert_eq!(rows[1].values, [3.0, 10.0]);
    }

    #[test]
    fn a_silent_signal_goes_missing_and_holds_nobody_up() {
        let mut grid = Grid::new(2, PERIOD, TOLERANCE);
        grid.push(0, reading(1_000, 1.0));
        grid.push(1, reading(1_000, 10.0));
        let mut all = rows(&mut grid);
        for second in 2..=10 {
            grid.push(0, reading(second * 1_000, second as f64));
            all.extend(rows(&mut grid));
        }
        assert_eq!(
            times(&all),
            [1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000]
        );
        assert!(all[3].is_complete());
        assert!(all[4].values[1].is_nan() && all[4].values[0] == 5.0);
    }

    #[test]
    fn a_bad_reading_is_missing_until_the_next_good_one() {
        let mut grid = Grid::new(1, PERIOD, TOLERANCE);
        grid.push(0, reading(1_000, 1.0));
        grid.push(
            0,
            Reading {
                value: None,
                ..reading(2_000, 0.0)
            },
        );
        grid.push(0, reading(4_000, 4.0));
        let rows = rows(&mut grid);
        let values: Vec<Option<f32>> = rows
            .iter()
            .map(|row| row.values[0])
            .map(|value| value.is_finite().then_some(value))
            .collect();
        assert_eq!(
            (times(&rows), values),
            (vec![1_000, 2_000, 4_000], vec![Some(1.0), None, Some(4.0)])
        );
        assert!(rows[2].after_gap);
    }

    #[test]
    fn a_year_of_silence_is_one_gap_and_not_a_row_per_second() {
        let mut grid = Grid::new(1, PERIOD, TOLERANCE);
        grid.push(0, reading(0, 1.0));
        let mut all = rows(&mut grid);
        grid.push(0, reading(31_536_000_000, 2.0));
        all.extend(rows(&mut grid));
        assert_eq!(times(&all), [0, 1_000, 2_000, 3_000, 31_536_000_000]);
        assert_eq!(all.iter().filter(|row| row.after_gap).count(), 1);
    }

    #[test]
    fn a_late_reading_changes_no_row_that_was_given_out() {
        let mut grid = Grid::new(1, PERIOD, TOLERANCE);
        grid.push(0, reading(5_000, 5.0));
        assert_eq!(rows(&mut grid).len(), 1);
        grid.push(0, reading(4_000, 4.0));
        assert!(rows(&mut grid).is_empty());
        assert_eq!(grid.late(), 1);
        grid.push(0, reading(6_000, 6.0));
        assert_eq!(rows(&mut grid)[0].values, [6.0]);
    }

    /// What the head of the file says, computed the slow way for readings in order of time.
    fn oracle(signals: usize, readings: &[(usize, Reading)]) -> Vec<(i64, Vec<Option<f32>>)> {
        let millis = |reading: &Reading| reading.time.as_millis();
        let Some(first) = readings
            .iter()
            .map(|(_, reading)| (millis(reading) + 999).div_euclid(1_000))
            .min()
        else {
            return Vec::new();
        };
        let last = readings
            .iter()
            .map(|(_, reading)| millis(reading).div_euclid(1_000))
            .max()
            .unwrap();
        let mut rows = Vec::new();
        for second in first..=last {
            let time = second * 1_000;
            let newest = |signal: usize| {
                readings
                    .iter()
                    .filter(|(of, reading)| *of == signal && millis(reading) <= time)
                    .max_by_key(|(_, reading)| reading.order())
            };
            let values: Vec<Option<f32>> = (0..signals)
                .map(|signal| {
                    newest(signal)
                        .filter(|(_, reading)| time - millis(reading) <= 3_000)
                        .and_then(|(_, reading)| reading.value)
                        .map(|value| value as f32)
                })
                .collect();
            let touched = readings
                .iter()
                .any(|(_, reading)| (time - 999..=time).contains(&millis(reading)));
            if touched || values.iter().any(Option::is_some) {
                rows.push((time, values));
            }
        }
        rows
    }

    fn readings() -> impl Strategy<Value = Vec<(usize, Reading)>> {
        let reading = (
            0_usize..3,
            0_i64..40_000,
            proptest::option::weighted(0.9, -5_i32..5),
        );
        proptest::collection::vec(reading, 0..80).prop_map(|mut readings| {
            readings.sort_by_key(|(_, time, _)| *time);
            readings
                .into_iter()
                .enumerate()
                .map(|(seq, (signal, milliseconds, value))| {
                    let time = Timestamp::from_millis(milliseconds);
                    (
                        signal,
                        Reading {
                            time,
                            seq: seq as u32,
                            value: value.map(f64::from),
                        },
                    )
                })
                .collect()
        })
    }

    fn comparable(rows: Vec<Row>) -> Vec<(i64, Vec<Option<f32>>)> {
        rows.into_iter()
            .map(|row| {
                let values = row
                    .values
                    .iter()
                    .map(|value| value.is_finite().then_some(*value))
                    .collect();
                (row.time.as_millis(), values)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn rows_are_what_the_slow_way_gives_live_and_at_the_end(readings in readings()) {
            let mut live = Grid::new(3, PERIOD, TOLERANCE);
            let mut given = Vec::new();
            for (signal, reading) in &readings {
                live.push(*signal, *reading);
                given.extend(rows(&mut live));
            }
            given.extend(std::iter::from_fn(|| live.next_row_at_end()));
            prop_assert_eq!(live.late(), 0);
            prop_assert_eq!(comparable(given), oracle(3, &readings));
        }

        #[test]
        fn any_order_and_any_time_gives_rows_in_order_and_bounded_memory(
            readings in proptest::collection::vec((0_usize..4, any::<i64>(), 0_i64..60_000, any::<bool>(), any::<f64>()), 0..100),
        ) {
            let mut grid = Grid::new(3, PERIOD, TOLERANCE);
            let mut last = None;
            for (signal, wild, near, is_wild, value) in readings {
                let time = if is_wild { Timestamp(wild) } else { Timestamp::from_millis(near) };
                grid.push(signal, Reading { time, seq: 0, value: Some(value) });
                for row in rows(&mut grid) {
                    prop_assert!(last < Some(row.time));
                    last = Some(row.time);
                }
                for signal in &grid.signals {
                    prop_assert!(signal.pending.len() <= 5);
                }
            }
        }
    }
}
