//! Rollups: what the samples of each minute and each hour come to, kept beside the blocks that they were made from.
//!
//! The samples of one series in one block file lie in order, each identity once: a *run*. A rollup stands for one
//! whole run and is written in the same file, so it can never tell of other samples than they do. Where another
//! run overlaps it (late samples, rewritten ones), readers go to the samples; the next merge of the files makes the
//! rollup anew.

mod build;

use super::summary::Statistics;

pub use build::{Builder, CHUNK_ROWS, Chunk, RowMaker};

/// How long a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Minute,
    Hour,
}

impl Level {
    #[cfg(test)]
    pub const ALL: [Self; 2] = [Self::Minute, Self::Hour];

    /// The length of a row, in nanoseconds.
    pub const fn width(self) -> i64 {
        match self {
            Self::Minute => 60_000_000_000,
            Self::Hour => 3_600_000_000_000,
        }
    }

    pub const fn code(self) -> u8 {
        match self {
            Self::Minute => 0,
            Self::Hour => 1,
        }
    }

    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Minute),
            1 => Some(Self::Hour),
            _ => None,
        }
    }

    /// The start of the row that `time` lies in; `None` where that start has no time stamp.
    pub const fn start_of(self, time: i64) -> Option<i64> {
        time.checked_sub(time.rem_euclid(self.width()))
    }
}

/// One of the samples that a line shows of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    pub time: i64,
    pub quality: u8,
}

/// What the samples of one stretch come to. Samples that are no number do not count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// A multiple of the width of the level.
    pub start: i64,
    pub numbers: Statistics,
    /// How many of the numbers are of good quality.
    pub good: u64,
    /// Kept by the hour only, as are the squares in `numbers`.
    pub first: Place,
    pub last: Place,
    pub min: Place,
    pub max: Place,
}

impl Row {
    /// Adds `later`, a row of the same stretch whose samples all come after those of `self`.
    pub fn merge(&mut self, later: &Self) {
        if later.numbers.min < self.numbers.min {
            self.min = later.min;
        }
        if later.numbers.max > self.numbers.max {
            self.max = later.max;
        }
        self.last = later.last;
        self.good += later.good;
        self.numbers.merge(&later.numbers);
    }

    /// Adds `other`, a row of the same stretch that stands for other samples, between or beside those of `self`. Of
    /// equal extremes the earlier one is shown.
    pub fn join(&mut self, other: &Self) {
        let (ours, theirs) = (self.numbers, &other.numbers);
        let is_before = |left: (f64, Place), right: (f64, Place)| {
            left.0 < right.0 || (left.0 == right.0 && left.1.time < right.1.time)
        };
        if is_before((theirs.min, other.min), (ours.min, self.min)) {
            self.min = other.min;
        }
        if is_before((-theirs.max, other.max), (-ours.max, self.max)) {
            self.max = other.max;
        }
        self.good += other.good;
        self.numbers.merge(theirs);
        // Whatever came first and last of all.
        if other.first.time < self.first.time {
            self.first = other.first;
            self.numbers.first = theirs.first;
        }
        if other.last.time < self.last.time {
            self.numbers.last = ours.last;
        } else {
            self.last = other.last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(samples: &[(i64, f64)]) -> Row {
        let numbers: Vec<f64> = samples.iter().map(|(_, number)| *number).collect();
        let numbers = Statistics::of(&numbers);
        let place = |wanted: f64| Place {
            time: samples
                .iter()
                .find(|(_, number)| *number == wanted)
                .unwrap()
                .0,
            quality: 192,
        };
        Row {
            start: 0,
            good: numbers.count,
            first: place(numbers.first),
            last: Place {
                time: samples[samples.len() - 1].0,
                quality: 192,
            },
            min: place(numbers.min),
            max: place(numbers.max),
            numbers,
        }
    }

    #[test]
    fn joined_rows_are_the_row_of_all_their_samples_whichever_comes_first() {
        let (even, odd) = (
            [(2, 5.0), (4, 1.0), (6, 9.0)],
            [(1, 9.0), (5, 1.0), (7, 4.0)],
        );
        let mut all: Vec<(i64, f64)> = even.iter().chain(&odd).copied().collect();
        all.sort_by_key(|(time, _)| *time);
        let whole = row(&all);
        for (left, right) in [(row(&even), row(&odd)), (row(&odd), row(&even))] {
            let mut joined = left;
            joined.join(&right);
            let squares = joined.numbers.squares;
            assert!((squares - whole.numbers.squares).abs() < 1e-9);
            joined.numbers.squares = whole.numbers.squares;
            assert_eq!(joined, whole);
        }
    }
}
