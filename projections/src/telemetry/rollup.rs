//! Rollups: what the samples of each minute and each hour come to, kept beside the blocks that they were made from.
//!
//! The samples of one series in one block file lie in order, each identity once: a *run*. A rollup stands for one
//! whole run and is written in the same file, so it can never tell of other samples than they do. Where another
//! run overlaps it (late samples, rewritten ones), readers go to the samples; the next merge of the files makes the
//! rollup anew.

mod build;

use super::summary::Statistics;

pub use build::{Builder, Chunk};

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
}
