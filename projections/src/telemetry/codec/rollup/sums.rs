//! The first section of a rollup: where rows start, how many numbers they stand for, and what these add up to.

use std::ops::Range;

use super::{AS_DECIMALS, AS_NUMBERS, AS_TRENDS, Scale, end_of, means};
use crate::telemetry::codec::CodecError;
use crate::telemetry::codec::bytes::Reader;
use crate::telemetry::codec::integers::{self, Column};
use crate::telemetry::codec::numbers::{self, power_of_ten};
use crate::telemetry::rollup::{Place, Row};
use crate::telemetry::summary::Statistics;

const OUT_OF_ORDER: CodecError = CodecError::Invalid("the rows of a rollup are out of order");

/// Rows as columns, in order of their starts. A row of a regular series takes 8 bytes.
#[derive(Debug)]
pub struct Sums {
    /// In nanoseconds since 1970. They do not fall, and do not overflow.
    starts: Column,
    /// Each is more than 0.
    counts: Column,
    sums: Vec<f64>,
}

impl Sums {
    /// Reads `rows` rows, and what scales the columns of the next section.
    pub(super) fn take(section: &[u8], rows: usize) -> Result<(Self, Option<Scale>), CodecError> {
        let mut reader = Reader::new(section);
        let starts = integers::decode_column(&mut reader, rows)?;
        let counts = integers::decode_column(&mut reader, rows)?;
        let in_order = match &starts {
            Column::Constant(_) => true,
            Column::Linear { first, step } => step
                .checked_mul(rows as i64)
                .is_some_and(|length| length > 0 && first.checked_add(length).is_some()),
            Column::Each(starts) => starts.is_sorted(),
        };
        let has_empty = match &counts {
            Column::Constant(count) => *count <= 0,
            Column::Linear { .. } | Column::Each(_) => {
                (0..rows).any(|row| counts.get(row).is_none_or(|count| count <= 0))
            }
        };
        if !in_order || has_empty {
            return Err(OUT_OF_ORDER);
        }
        let (sums, scale) = match reader.byte()? {
            mode @ (AS_DECIMALS | AS_TRENDS) => {
                let power = power_of_ten(reader.byte()? as usize)
                    .ok_or(CodecError::Invalid("a rollup has too many decimals"))?;
                let integers = integers::decode(&mut reader, rows)?;
                let sums = integers.iter().map(|sum| *sum as f64 / power).collect();
                let counts = (0..rows).map(|row| counts.get(row).unwrap_or(1));
                let scale = Scale {
                    power,
                    means: means(&integers, counts),
                    trends: mode == AS_TRENDS,
                };
                (sums, Some(scale))
            }
            AS_NUMBERS => (numbers::decode(&mut reader, rows)?, None),
            _ => return Err(CodecError::Invalid("a rollup has sums of an unknown mode")),
        };
        end_of(&reader)?;
        let sums = Self {
            starts,
            counts,
            sums,
        };
        Ok((sums, scale))
    }

    pub const fn len(&self) -> usize {
        self.sums.len()
    }

    /// In nanoseconds since 1970; the end of time behind the last row.
    pub fn start(&self, row: usize) -> i64 {
        self.starts.get(row).unwrap_or(i64::MAX)
    }

    pub fn count(&self, row: usize) -> u64 {
        self.counts.get(row).unwrap_or(0) as u64
    }

    pub fn sums(&self) -> &[f64] {
        &self.sums
    }

    /// The rows that start from `from` to before `to`.
    pub fn within(&self, from: i64, to: i64) -> Range<usize> {
        let before = |time: i64| match &self.starts {
            Column::Each(starts) => starts.partition_point(|start| *start < time),
            Column::Constant(start) if *start < time => self.len(),
            Column::Linear { first, step } if *first < time => {
                let rows = (i128::from(time) - i128::from(*first) - 1) / i128::from(*step) + 1;
                usize::try_from(rows).map_or(self.len(), |rows| rows.min(self.len()))
            }
            Column::Constant(_) | Column::Linear { .. } => 0,
        };
        let end = before(to);
        before(from).min(end)..end
    }

    /// The rows with what is known of them.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.sums.iter().enumerate().map(|(row, sum)| Row {
            start: self.start(row),
            numbers: Statistics {
                count: self.count(row),
                sum: *sum,
                ..Statistics::EMPTY
            },
            good: 0,
            first: Place::default(),
            last: Place::default(),
            min: Place::default(),
            max: Place::default(),
        })
    }

    /// Bytes of memory that they take, about.
    pub fn bytes(&self) -> usize {
        let of = |column: &Column| match column {
            Column::Each(values) => values.capacity() * size_of::<i64>(),
            Column::Constant(_) | Column::Linear { .. } => 0,
        };
        let columns = of(&self.starts) + of(&self.counts);
        size_of::<Self>() + columns + self.sums.capacity() * size_of::<f64>()
    }

    /// If the rows start at equal distances: the first start of those at `rows`, and the distance.
    pub fn regular_starts(&self, rows: &Range<usize>) -> Option<(i64, i64)> {
        match &self.starts {
            Column::Linear { step, .. } => Some((self.start(rows.start), *step)),
            _ => None,
        }
    }

    /// Appends the counts of the rows at `rows` to `counts`.
    pub fn extend_counts(&self, rows: Range<usize>, counts: &mut Vec<u64>) {
        match &self.counts {
            Column::Constant(count) => counts.resize(counts.len() + rows.len(), *count as u64),
            _ => counts.extend(rows.map(|row| self.count(row))),
        }
    }
}
