//! Makes the rows of a run from its samples, block after block.

use super::{Level, Place, Row};
use crate::telemetry::codec::rollup as codec;
use crate::telemetry::columns::{Columns, Values};
use crate::telemetry::model::{Quality, SeriesId};
use crate::telemetry::summary::Statistics;

/// Rows that are kept together. Bounds what a reader must decode for a short time, and what a writer holds.
pub const CHUNK_ROWS: usize = 4096;

/// Rows as bytes, and what time they cover.
#[derive(Debug)]
pub struct Chunk {
    pub level: Level,
    pub bytes: Vec<u8>,
    /// The start of the first row and of the last.
    pub first: i64,
    pub last: i64,
}

/// Whether a run is worth a rollup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// Not known before enough rows were seen.
    Open,
    Yes,
    No,
}

struct Rows {
    level: Level,
    rows: Vec<Row>,
    worth: Worth,
    /// All rows and numbers so far.
    count: usize,
    numbers: u64,
}

impl Rows {
    const fn new(level: Level) -> Self {
        Self {
            level,
            rows: Vec::new(),
            worth: Worth::Open,
            count: 0,
            numbers: 0,
        }
    }

    /// Rows come in order of time. Answers those of them that are complete now.
    fn add(&mut self, row: &Row) {
        self.numbers += row.numbers.count;
        if let Some(last) = self.rows.last_mut()
            && last.start == row.start
        {
            last.merge(row);
            return;
        }
        self.count += 1;
        self.rows.push(*row);
    }

    /// Whether rows stand for `density` numbers each, and the run for `least` in all.
    const fn decide(&mut self, density: u64, least: u64) {
        if matches!(self.worth, Worth::Open) {
            let dense = self.numbers >= self.count as u64 * density && self.numbers >= least;
            self.worth = if dense { Worth::Yes } else { Worth::No };
        }
    }

    fn encode(&mut self, series: SeriesId, upto: usize, chunks: &mut Vec<Chunk>) {
        let complete = &self.rows[..upto];
        if let (Some(first), Some(last)) = (complete.first(), complete.last()) {
            chunks.push(Chunk {
                level: self.level,
                bytes: codec::encode(series, self.level, complete),
                first: first.start,
                last: last.start,
            });
        }
        self.rows.drain(..upto);
    }
}

/// Makes rows of sorted samples. Keeps its memory from row to row.
#[derive(Debug, Default)]
pub struct RowMaker {
    numbers: Vec<f64>,
    places: Vec<Place>,
}

impl RowMaker {
    /// The row at `start` of the samples `range`; `None` if none of them is a number.
    pub fn row(
        &mut self,
        columns: &Columns,
        range: std::ops::Range<usize>,
        start: i64,
    ) -> Option<Row> {
        let place = |index: usize| Place {
            time: columns.times[index],
            quality: columns.qualities.get(index),
        };
        let is_good = |index: usize| Quality(columns.qualities.get(index)).is_good();
        match &columns.values {
            Values::Numbers(all) => {
                let numbers = Statistics::of(&all[range.clone()]);
                let at = |wanted: f64| {
                    let found = all[range.clone()]
                        .iter()
                        .position(|number| *number == wanted);
                    place(range.start + found.unwrap_or(0))
                };
                let good = match columns.qualities.constant() {
                    Some(quality) if Quality(quality).is_good() => range.len(),
                    Some(_) => 0,
                    None => range.clone().filter(|index| is_good(*index)).count(),
                };
                Some(Row {
                    start,
                    good: good as u64,
                    first: place(range.start),
                    last: place(range.end - 1),
                    min: at(numbers.min),
                    max: at(numbers.max),
                    numbers,
                })
            }
            Values::Any(values) => {
                self.numbers.clear();
                self.places.clear();
                let mut good = 0;
                for index in range {
                    if let Some(number) = values[index].as_number() {
                        self.numbers.push(number);
                        self.places.push(place(index));
                        good += u64::from(is_good(index));
                    }
                }
                let numbers = Statistics::of(&self.numbers);
                let at = |wanted: f64| {
                    let found = self.numbers.iter().position(|number| *number == wanted);
                    self.places.get(found.unwrap_or(0)).copied()
                };
                Some(Row {
                    start,
                    good,
                    first: *self.places.first()?,
                    last: *self.places.last()?,
                    min: at(numbers.min)?,
                    max: at(numbers.max)?,
                    numbers,
                })
            }
        }
    }
}

/// Takes the blocks of one run, in order.
pub struct Builder {
    series: SeriesId,
    minutes: Rows,
    hours: Rows,
    /// A level is kept if its rows stand for so many numbers each, on average.
    density: u64,
    /// A run of fewer numbers gets no rollup.
    least: u64,
    maker: RowMaker,
    /// A time stamp near the ends of time has no row to lie in: then the run has no rollup.
    impossible: bool,
}

impl Builder {
    pub const fn new(series: SeriesId, density: usize, least: usize) -> Self {
        Self {
            series,
            minutes: Rows::new(Level::Minute),
            hours: Rows::new(Level::Hour),
            density: density as u64,
            least: least as u64,
            maker: RowMaker {
                numbers: Vec::new(),
                places: Vec::new(),
            },
            impossible: false,
        }
    }

    /// The run cannot be summed up, since some of its samples cannot be read.
    pub const fn give_up(&mut self) {
        self.impossible = true;
    }

    /// Adds sorted samples that come after all before. Answers chunks that are full.
    pub fn add(&mut self, columns: &Columns) -> Vec<Chunk> {
        let mut full = Vec::new();
        let mut from = 0;
        while from < columns.len() && !self.impossible {
            let Some(start) = Level::Minute.start_of(columns.times[from]) else {
                self.impossible = true;
                break;
            };
            let end = start.saturating_add(Level::Minute.width());
            let length = columns.times[from..].partition_point(|time| *time < end);
            let Some(hour) = Level::Hour.start_of(start) else {
                self.impossible = true;
                break;
            };
            if length == 0 {
                self.impossible = true;
                break;
            }
            if let Some(row) = self.maker.row(columns, from..from + length, start) {
                self.minutes.add(&row);
                self.hours.add(&Row { start: hour, ..row });
            }
            from += length;
        }
        let (series, density, least) = (self.series, self.density, self.least);
        for rows in [&mut self.minutes, &mut self.hours] {
            while rows.rows.len() > CHUNK_ROWS {
                rows.decide(density, least);
                match rows.worth {
                    Worth::Yes if !self.impossible => rows.encode(series, CHUNK_ROWS, &mut full),
                    _ => drop(rows.rows.drain(..CHUNK_ROWS)),
                }
            }
        }
        full
    }

    /// The chunks that were still open.
    pub fn finish(mut self) -> Vec<Chunk> {
        let mut rest = Vec::new();
        if self.impossible {
            return rest;
        }
        for rows in [&mut self.minutes, &mut self.hours] {
            rows.decide(self.density, self.least);
            if rows.worth == Worth::Yes {
                let all = rows.rows.len();
                rows.encode(self.series, all, &mut rest);
            }
        }
        rest
    }
}
