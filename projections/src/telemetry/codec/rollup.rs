//! Rows of a rollup as bytes.
//!
//! Layout: format (1 byte), series, level (1 byte), count of rows, then sections, each compressed on its own so that
//! a question for means decodes no extremes: length before compression, bytes. First starts, counts and sums; then
//! counts of good quality, least, greatest, first and last; for hours also squares, times and qualities of those.
//!
//! Sensors are decimal, so the numbers of most rollups are integers over one power of ten. The extremes then lie
//! near the mean, and are kept as distances from it, or from where the trend of the means lets them be expected. A sum is kept as the nearest multiple of that power of ten, where
//! this is within what adding doubles may lose anyway (see [`uncertainty`]).

mod sums;
mod trend;

pub use self::sums::Sums;
use self::trend::{Side, Trend};
use super::CodecError;
use super::bytes::{Reader, put_bytes, put_varint};
use super::compression::{compress_pieces, decompress};
use super::numbers::{MAX_DECIMALS, power_of_ten, scaled};
use super::{integers, numbers};
use crate::telemetry::model::SeriesId;
use crate::telemetry::rollup::{Level, Place, Row};
use crate::telemetry::summary::Statistics;

/// The first byte of a rollup, where a block has its format. The first had neither trends nor packed columns.
const FORMAT: u8 = 0x82;
const FIRST_FORMAT: u8 = 0x81;
/// Planes that are shorter are not compressed apart.
const LEAST_CUT: usize = 512;
const MAX_ROWS: u64 = 1 << 16;
const MAX_SECTION: u64 = 16 << 20;

const AS_NUMBERS: u8 = 0;
const AS_DECIMALS: u8 = 1;
/// As decimals, with the extremes and ends from where the trend of the means lets them be expected.
const AS_TRENDS: u8 = 2;

/// How much of each row is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Count and sum.
    Sums,
    /// And good quality, least, greatest, first, last.
    Values,
    /// And squares and places, which only hours have.
    All,
}

/// All rows over one power of ten.
struct Decimals {
    decimals: usize,
    sums: Vec<i64>,
    means: Vec<i64>,
    /// Of least, greatest, first and last, from the mean.
    distances: [Vec<i64>; 4],
}

/// How far the sum of doubles in four lanes may lie from the sum of the numbers:
/// 2^-52 × count × (2 + count / 8) × the greatest distance of a number from 0.
fn uncertainty(numbers: &Statistics) -> f64 {
    let count = numbers.count as f64;
    let largest = numbers.min.abs().max(numbers.max.abs());
    f64::EPSILON * count * (2.0 + count / 8.0) * largest
}

/// The sum as a multiple of 10^-`decimals`, if that is no further off than adding doubles may be.
fn scaled_sum(numbers: &Statistics, decimals: usize) -> Option<i64> {
    let power = power_of_ten(decimals)?;
    let sum = numbers.sum;
    let product = sum * power;
    let fits = product.abs() < (1_u64 << 51) as f64;
    if !fits {
        return None;
    }
    let integer = product.round();
    ((integer / power - sum).abs() <= uncertainty(numbers)).then_some(integer as i64)
}

fn decimals_of(rows: &[Row]) -> Option<Decimals> {
    let mut decimals = 0;
    for row in rows {
        let numbers = &row.numbers;
        let fits = |decimals: usize| {
            [numbers.min, numbers.max, numbers.first, numbers.last]
                .into_iter()
                .all(|number| scaled(number, decimals).is_some())
                && scaled_sum(numbers, decimals).is_some()
        };
        while !fits(decimals) {
            decimals += 1;
            if decimals > MAX_DECIMALS {
                return None;
            }
        }
    }
    let mut sums = Vec::with_capacity(rows.len());
    for row in rows {
        sums.push(scaled_sum(&row.numbers, decimals)?);
    }
    let means = means(&sums, rows.iter().map(|row| row.numbers.count as i64));
    let mut distances = [const { Vec::new() }; 4];
    for (column, corner) in distances.iter_mut().zip(CORNERS) {
        column.reserve_exact(rows.len());
        for (row, mean) in rows.iter().zip(&means) {
            column.push(scaled(corner(&row.numbers), decimals)?.wrapping_sub(*mean));
        }
    }
    Some(Decimals {
        decimals,
        sums,
        means,
        distances,
    })
}

/// The mean of each row, towards 0.
fn means(sums: &[i64], counts: impl Iterator<Item = i64>) -> Vec<i64> {
    sums.iter()
        .zip(counts)
        .map(|(sum, count)| sum.wrapping_div(count.max(1)))
        .collect()
}

fn put_integers(values: impl Iterator<Item = i64>, out: &mut Vec<u8>) {
    let values: Vec<i64> = values.collect();
    integers::encode(&values, out);
}

/// A section as it is kept: its length, and its bytes compressed where that helps. The highest planes of its last
/// column of `rows` values, which `column` bytes hold, are compressed apart: the lower ones are noise.
fn section_of(section: &[u8], column: usize, rows: usize) -> Vec<u8> {
    let planes = if rows < LEAST_CUT { 0 } else { column / rows };
    let cuts = (1..planes.min(4))
        .rev()
        .map(|plane| section.len() - plane * rows);
    let mut out = Vec::with_capacity(section.len() + 8);
    put_varint(&mut out, section.len() as u64);
    match compress_pieces(section, cuts) {
        Some(compressed) => put_bytes(&mut out, &compressed),
        None => put_bytes(&mut out, section),
    }
    out
}

/// How many of each row's numbers are of other than good quality, then `columns`.
fn values_of(rows: &[Row], columns: &[Vec<i64>; 4]) -> Vec<u8> {
    let mut values = Vec::with_capacity(rows.len() * 6 + 32);
    put_others(rows, &mut values);
    for column in columns {
        integers::encode(column, &mut values);
    }
    section_of(&values, 0, rows.len())
}

fn put_others(rows: &[Row], out: &mut Vec<u8>) {
    let others = |row: &Row| row.numbers.count.wrapping_sub(row.good) as i64;
    put_integers(rows.iter().map(others), out);
}

/// The values section of decimal rows, from the means or from where their trend leads, whichever is shorter; its mode.
fn decimal_values(rows: &[Row], decimals: &Decimals) -> (u8, Vec<u8>) {
    let plain = values_of(rows, &decimals.distances);
    let mut columns = decimals.distances.clone();
    let trend = Trend::of(&decimals.means);
    for (corner, column) in columns.iter_mut().enumerate() {
        trend.expected(corner).take_out(column);
    }
    let trends = values_of(rows, &columns);
    if trends.len() < plain.len() {
        (AS_TRENDS, trends)
    } else {
        (AS_DECIMALS, plain)
    }
}

const CORNERS: [fn(&Statistics) -> f64; 4] = [
    |numbers| numbers.min,
    |numbers| numbers.max,
    |numbers| numbers.first,
    |numbers| numbers.last,
];
const PLACES: [fn(&Row) -> Place; 4] = [
    |row| row.first,
    |row| row.last,
    |row| row.min,
    |row| row.max,
];

/// `rows` are in order of their starts, and each stands for at least one number.
pub fn encode(series: SeriesId, level: Level, rows: &[Row]) -> Vec<u8> {
    let decimals = decimals_of(rows);
    let (mode, values) = if let Some(decimals) = &decimals {
        decimal_values(rows, decimals)
    } else {
        let mut values = Vec::with_capacity(rows.len() * 32 + 32);
        put_others(rows, &mut values);
        for corner in CORNERS {
            let column: Vec<f64> = rows.iter().map(|row| corner(&row.numbers)).collect();
            numbers::encode(&column, &mut values);
        }
        (AS_NUMBERS, section_of(&values, 0, rows.len()))
    };

    let mut sums = Vec::with_capacity(rows.len() * 3 + 32);
    put_integers(rows.iter().map(|row| row.start), &mut sums);
    put_integers(rows.iter().map(|row| row.numbers.count as i64), &mut sums);
    sums.push(mode);
    let start = sums.len();
    if let Some(decimals) = &decimals {
        sums.push(decimals.decimals as u8);
        integers::encode(&decimals.sums, &mut sums);
    } else {
        let column: Vec<f64> = rows.iter().map(|row| row.numbers.sum).collect();
        numbers::encode(&column, &mut sums);
    }
    let column = sums.len() - start;

    let mut out = Vec::with_capacity(sums.len() + values.len() + 32);
    out.push(FORMAT);
    put_varint(&mut out, series.0);
    out.push(level.code());
    put_varint(&mut out, rows.len() as u64);
    out.extend(section_of(&sums, column, rows.len()));
    out.extend(values);
    if level == Level::Hour {
        let mut details = Vec::with_capacity(rows.len() * 16 + 32);
        let squares: Vec<f64> = rows.iter().map(|row| row.numbers.squares).collect();
        numbers::encode(&squares, &mut details);
        for place in PLACES {
            put_integers(
                rows.iter()
                    .map(|row| place(row).time.wrapping_sub(row.start)),
                &mut details,
            );
            put_integers(
                rows.iter().map(|row| i64::from(place(row).quality)),
                &mut details,
            );
        }
        out.extend(section_of(&details, 0, rows.len()));
    }
    out
}

fn section(reader: &mut Reader<'_>, wanted: bool) -> Result<Vec<u8>, CodecError> {
    let length = reader.varint()?;
    let bytes = reader.bytes()?;
    if length > MAX_SECTION {
        return Err(CodecError::Invalid("a section of a rollup is too long"));
    }
    if !wanted {
        return Ok(Vec::new());
    }
    if bytes.len() as u64 == length {
        return Ok(bytes.to_vec());
    }
    decompress(bytes, length as usize)
}

fn end_of(reader: &Reader<'_>) -> Result<(), CodecError> {
    if reader.is_empty() {
        return Ok(());
    }
    Err(CodecError::Invalid(
        "a section of a rollup has bytes after its last column",
    ))
}

/// Whether `frame` holds a rollup, not a block.
pub fn is_rollup(frame: &[u8]) -> bool {
    matches!(frame.first(), Some(&(FIRST_FORMAT | FORMAT)))
}

/// The series and the level of a rollup.
pub fn decode_heading(bytes: &[u8]) -> Result<(SeriesId, Level), CodecError> {
    let mut reader = Reader::new(bytes);
    if !is_rollup(&[reader.byte()?]) {
        return Err(CodecError::Invalid("it is no rollup"));
    }
    let series = SeriesId(reader.varint()?);
    let level = Level::from_code(reader.byte()?);
    Ok((
        series,
        level.ok_or(CodecError::Invalid("its level is unknown"))?,
    ))
}

/// The rows, in order of their starts. What is not wanted is as in [`Statistics::EMPTY`] and [`Place::default`].
pub fn decode(
    bytes: &[u8],
    series: SeriesId,
    level: Level,
    detail: Detail,
) -> Result<Vec<Row>, CodecError> {
    let mut reader = Reader::new(bytes);
    let count = heading(&mut reader, series, level)?;
    let sums = section(&mut reader, true)?;
    let values = section(&mut reader, detail >= Detail::Values)?;
    let (sums, scale) = Sums::take(&sums, count)?;
    let mut rows: Vec<Row> = sums.rows().collect();
    if detail >= Detail::Values {
        take_values(&values, &mut rows, scale)?;
    }
    if level == Level::Hour {
        let details = section(&mut reader, detail >= Detail::All)?;
        if detail >= Detail::All {
            take_details(&details, &mut rows)?;
        }
    }
    end_of(&reader)?;
    Ok(rows)
}

/// What [`decode`] answers with [`Detail::Sums`], as columns.
pub fn decode_sums(bytes: &[u8], series: SeriesId, level: Level) -> Result<Sums, CodecError> {
    let mut reader = Reader::new(bytes);
    let count = heading(&mut reader, series, level)?;
    let (sums, _) = Sums::take(&section(&mut reader, true)?, count)?;
    Ok(sums)
}

/// Answers how many rows follow.
fn heading(reader: &mut Reader<'_>, series: SeriesId, level: Level) -> Result<usize, CodecError> {
    let format = reader.byte()?;
    if format > FORMAT {
        return Err(CodecError::Newer {
            found: u32::from(format),
            known: u32::from(FORMAT),
        });
    }
    if !is_rollup(&[format]) || reader.varint()? != series.0 || reader.byte()? != level.code() {
        return Err(CodecError::Invalid("a rollup is of another series"));
    }
    let count = reader.varint()?;
    if count == 0 || count > MAX_ROWS {
        return Err(CodecError::Invalid("a rollup has no rows or too many"));
    }
    Ok(count as usize)
}

/// What decimal numbers are read with.
struct Scale {
    power: f64,
    means: Vec<i64>,
    trends: bool,
}

fn take_values(section: &[u8], rows: &mut [Row], scale: Option<Scale>) -> Result<(), CodecError> {
    let mut reader = Reader::new(section);
    let others = integers::decode(&mut reader, rows.len())?;
    for (row, others) in rows.iter_mut().zip(others) {
        row.good = row.numbers.count.saturating_sub(others as u64);
    }
    const INTO: [fn(&mut Statistics) -> &mut f64; 4] = [
        |numbers| &mut numbers.min,
        |numbers| &mut numbers.max,
        |numbers| &mut numbers.first,
        |numbers| &mut numbers.last,
    ];
    let trend = (scale.as_ref())
        .filter(|scale| scale.trends)
        .map(|scale| Trend::of(&scale.means));
    for (number, corner) in INTO.into_iter().enumerate() {
        if let Some(scale) = &scale {
            let distances = integers::decode(&mut reader, rows.len())?;
            let at = distances
                .into_iter()
                .zip(&scale.means)
                .map(|(distance, mean)| mean.wrapping_add(distance));
            let rows = rows.iter_mut().map(|row| corner(&mut row.numbers)).zip(at);
            match trend.as_ref().map(|trend| trend.expected(number)) {
                None => rows.for_each(|(slot, at)| *slot = at as f64 / scale.power),
                Some(Side::Above(expected)) => rows.zip(expected).for_each(|((slot, at), by)| {
                    *slot = at.wrapping_add(*by) as f64 / scale.power;
                }),
                Some(Side::Below(expected)) => rows.zip(expected).for_each(|((slot, at), by)| {
                    *slot = at.wrapping_sub(*by) as f64 / scale.power;
                }),
            }
        } else {
            let column = numbers::decode(&mut reader, rows.len())?;
            for (row, number) in rows.iter_mut().zip(column) {
                *corner(&mut row.numbers) = number;
            }
        }
    }
    end_of(&reader)
}

fn take_details(section: &[u8], rows: &mut [Row]) -> Result<(), CodecError> {
    let mut reader = Reader::new(section);
    let squares = numbers::decode(&mut reader, rows.len())?;
    for (row, squares) in rows.iter_mut().zip(squares) {
        row.numbers.squares = squares;
    }
    const INTO: [fn(&mut Row) -> &mut Place; 4] = [
        |row| &mut row.first,
        |row| &mut row.last,
        |row| &mut row.min,
        |row| &mut row.max,
    ];
    for place in INTO {
        let times = integers::decode(&mut reader, rows.len())?;
        let qualities = integers::decode(&mut reader, rows.len())?;
        for ((row, time), quality) in rows.iter_mut().zip(times).zip(qualities) {
            let quality = u8::try_from(quality)
                .map_err(|_| CodecError::Invalid("a rollup holds a quality out of its range"))?;
            let time = row.start.wrapping_add(time);
            *place(row) = Place { time, quality };
        }
    }
    end_of(&reader)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERIES: SeriesId = SeriesId(7);

    fn row(start: i64, values: &[f64]) -> Row {
        let place = |time| Place { time, quality: 192 };
        Row {
            start,
            numbers: Statistics::of(values),
            good: values.len() as u64 / 2,
            first: place(start),
            last: place(start + 9),
            min: place(start + 3),
            max: place(start + 5),
        }
    }

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![
            8 => (-100_000_i32..100_000).prop_map(|number| f64::from(number) / 100.0),
            1 => any::<f64>().prop_filter("finite", |number| number.is_finite()),
            1 => Just(-0.0),
        ]
    }

    proptest! {
        #[test]
        fn rows_come_back(all in prop::collection::vec(prop::collection::vec(number(), 1..80), 1..40)) {
            for level in Level::ALL {
                let rows: Vec<Row> = all
                    .iter()
                    .enumerate()
                    .map(|(index, values)| row(index as i64 * level.width(), values))
                    .collect();
                let bytes = encode(SERIES, level, &rows);
                let back = decode(&bytes, SERIES, level, Detail::All).unwrap();
                prop_assert_eq!(back.len(), rows.len());
                for (back, row) in back.iter().zip(&rows) {
                    prop_assert_eq!((back.start, back.good, back.numbers.count), (row.start, row.good, row.numbers.count));
                    for corner in CORNERS {
                        prop_assert_eq!(corner(&back.numbers).to_bits(), corner(&row.numbers).to_bits());
                    }
                    let allowed = uncertainty(&row.numbers);
                    let same = back.numbers.sum == row.numbers.sum || back.numbers.sum.is_nan() && row.numbers.sum.is_nan();
                    prop_assert!(same || (back.numbers.sum - row.numbers.sum).abs() <= allowed);
                    if level == Level::Hour {
                        prop_assert_eq!(back.numbers.squares.to_bits(), row.numbers.squares.to_bits());
                        for place in PLACES {
                            prop_assert_eq!(place(back), place(row));
                        }
                    }
                }
                let sums = decode_sums(&bytes, SERIES, level).unwrap();
                let all = sums.within(i64::MIN, i64::MAX);
                prop_assert_eq!(all.len(), back.len());
                for (index, back) in all.zip(&back) {
                    prop_assert_eq!((sums.start(index), sums.count(index)), (back.start, back.numbers.count));
                    prop_assert_eq!(sums.sums()[index].to_bits(), back.numbers.sum.to_bits());
                }
                for (index, row) in rows.iter().enumerate() {
                    prop_assert_eq!(sums.within(row.start, row.start + 1), index..index + 1);
                    prop_assert_eq!(sums.within(row.start + 1, i64::MAX), index + 1..rows.len());
                }
            }
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = bytes;
            for (at, byte) in [FORMAT, 7, 1].into_iter().enumerate() {
                if let Some(slot) = bytes.get_mut(at) {
                    *slot = byte;
                }
            }
            let _ = decode(&bytes, SERIES, Level::Hour, Detail::All);
        }
    }

    #[test]
    fn a_minute_of_a_decimal_sensor_takes_a_few_bytes() {
        let mut bits = 7_u64;
        let rows: Vec<Row> = (0..1440)
            .map(|minute| {
                let values: Vec<f64> = (0..60)
                    .map(|second| {
                        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let noise = (bits >> 11) as f64 / (1_u64 << 53) as f64 * 0.2 - 0.1;
                        let time = f64::from(minute * 60 + second);
                        ((220.0 + 10.0 * (time / 600.0).sin() + noise) * 100.0).round() / 100.0
                    })
                    .collect();
                row(i64::from(minute) * Level::Minute.width(), &values)
            })
            .collect();
        let bytes = encode(SERIES, Level::Minute, &rows);
        assert!(bytes.len() < 1440 * 4, "{}", bytes.len());
    }

    #[test]
    fn a_rollup_of_another_series_is_refused() {
        let bytes = encode(SERIES, Level::Hour, &[row(0, &[1.0])]);
        assert!(decode(&bytes, SeriesId(8), Level::Hour, Detail::Sums).is_err());
        assert!(decode(&bytes, SERIES, Level::Minute, Detail::Sums).is_err());
    }
}
