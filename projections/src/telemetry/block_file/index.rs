//! The index of a block file as bytes: summaries as columns, so that thousands of them compress well.

use super::FRAME_HEADER;
use crate::telemetry::blocks::{BlockEntry, RollupEntry};
use crate::telemetry::codec::CodecError;
use crate::telemetry::codec::bytes::{Reader, put_varint};
use crate::telemetry::codec::{integers, numbers};
use crate::telemetry::model::SeriesId;
use crate::telemetry::rollup::Level;
use crate::telemetry::summary::{Statistics, Summary};

/// What an index lists.
pub type Index = (Vec<BlockEntry>, Vec<RollupEntry>);

/// No entry takes less than a few bits; this bounds what a damaged count can make us allocate.
const MAX_ENTRIES: u64 = 1 << 26;
const RANGE: CodecError = CodecError::Invalid("it holds a value out of its range");

/// Both in the order in which they lie in the file.
pub fn encode(entries: &[BlockEntry], rollups: &[RollupEntry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * 48 + rollups.len() * 16 + 16);
    put_varint(&mut out, entries.len() as u64);
    let mut integers = |of: &dyn Fn(&BlockEntry) -> i64| {
        let column: Vec<i64> = entries.iter().map(of).collect();
        integers::encode(&column, &mut out);
    };
    integers(&|entry| entry.series.0 as i64);
    integers(&|entry| i64::from(entry.length));
    integers(&|entry| i64::from(entry.summary.count));
    integers(&|entry| entry.summary.min_time);
    integers(&|entry| entry.summary.max_time.wrapping_sub(entry.summary.min_time));
    integers(&|entry| i64::from(entry.summary.good));
    integers(&|entry| i64::from(entry.summary.uncertain));
    integers(&|entry| i64::from(entry.summary.protocols));
    integers(&|entry| {
        entry
            .summary
            .numbers
            .map_or(0, |kept| kept.count as i64 + 1)
    });
    let mut numbers = |of: &dyn Fn(&Statistics) -> f64| {
        let column: Vec<f64> = entries
            .iter()
            .filter_map(|entry| entry.summary.numbers.as_ref())
            .filter(|kept| kept.count > 0)
            .map(of)
            .collect();
        numbers::encode(&column, &mut out);
    };
    numbers(&|statistics| statistics.sum);
    numbers(&|statistics| statistics.squares);
    numbers(&|statistics| statistics.min);
    numbers(&|statistics| statistics.max);
    numbers(&|statistics| statistics.first);
    numbers(&|statistics| statistics.last);
    encode_rollups(entries, rollups, &mut out);
    out
}

fn encode_rollups(entries: &[BlockEntry], rollups: &[RollupEntry], out: &mut Vec<u8>) {
    put_varint(out, rollups.len() as u64);
    let mut integers = |of: &dyn Fn(&RollupEntry) -> i64| {
        let column: Vec<i64> = rollups.iter().map(of).collect();
        integers::encode(&column, out);
    };
    integers(&|rollup| entries.partition_point(|entry| entry.offset < rollup.offset) as i64);
    integers(&|rollup| rollup.series.0 as i64);
    integers(&|rollup| i64::from(rollup.level.code()));
    integers(&|rollup| i64::from(rollup.length));
    integers(&|rollup| rollup.first);
    integers(&|rollup| rollup.last.wrapping_sub(rollup.first));
}

/// How many numbers of the block there are statistics of; `None` if they are not kept. Before format 3 they always were.
const fn summed(column: i64, format: u32) -> Option<u64> {
    match column {
        _ if format < 3 => Some(column as u64),
        0 => None,
        _ => Some(column as u64 - 1),
    }
}

/// The index of a file of `format`, whose frames lie one behind the other from `start`.
pub fn decode(bytes: &[u8], start: u64, format: u32) -> Result<Index, CodecError> {
    let mut reader = Reader::new(bytes);
    let count = reader.varint()?;
    if count > MAX_ENTRIES {
        return Err(RANGE);
    }
    let count = count as usize;
    let mut columns = Vec::with_capacity(9);
    for _ in 0..9 {
        columns.push(integers::decode(&mut reader, count)?);
    }
    let has_numbers = |column: i64| summed(column, format).is_some_and(|count| count > 0);
    let numeric = columns[8]
        .iter()
        .filter(|count| has_numbers(**count))
        .count();
    let mut number_columns = Vec::with_capacity(6);
    for _ in 0..6 {
        number_columns.push(numbers::decode(&mut reader, numeric)?);
    }
    let mut rollups = decode_rollups(&mut reader)?;
    if !reader.is_empty() {
        return Err(CodecError::Invalid("it has bytes after its last column"));
    }

    let mut entries = Vec::with_capacity(count);
    let mut offset = start;
    let mut open = rollups.iter_mut();
    let mut next = open.next();
    let mut number = 0;
    let narrow = |value: i64| u32::try_from(value).map_err(|_| RANGE);
    for (index, &summed_up) in columns[8].iter().enumerate() {
        let mut statistics = summed(summed_up, format).map(|_| Statistics::EMPTY);
        if let Some(count) = summed(summed_up, format).filter(|count| *count > 0) {
            statistics = Some(Statistics {
                count,
                sum: number_columns[0][number],
                squares: number_columns[1][number],
                min: number_columns[2][number],
                max: number_columns[3][number],
                first: number_columns[4][number],
                last: number_columns[5][number],
            });
            number += 1;
        }
        while let Some((_, rollup)) = next.take_if(|(before, _)| *before <= index) {
            rollup.offset = offset;
            offset = end_of_frame(offset, rollup.length);
            next = open.next();
        }
        let length = narrow(columns[1][index])?;
        let summary = Summary {
            count: narrow(columns[2][index])?,
            min_time: columns[3][index],
            max_time: columns[3][index].wrapping_add(columns[4][index]),
            good: narrow(columns[5][index])?,
            uncertain: narrow(columns[6][index])?,
            protocols: u8::try_from(columns[7][index]).map_err(|_| RANGE)?,
            numbers: statistics,
        };
        entries.push(BlockEntry {
            series: SeriesId(columns[0][index] as u64),
            offset,
            length,
            summary,
        });
        offset = end_of_frame(offset, length);
    }
    while let Some((_, rollup)) = next {
        rollup.offset = offset;
        offset = end_of_frame(offset, rollup.length);
        next = open.next();
    }
    Ok((
        entries,
        rollups.into_iter().map(|(_, rollup)| rollup).collect(),
    ))
}

const fn end_of_frame(offset: u64, length: u32) -> u64 {
    offset + FRAME_HEADER as u64 + length as u64
}

/// Rollups, and how many blocks lie before each. Where they lie is not known yet. Files of format 1 end before them.
fn decode_rollups(reader: &mut Reader<'_>) -> Result<Vec<(usize, RollupEntry)>, CodecError> {
    if reader.is_empty() {
        return Ok(Vec::new());
    }
    let count = reader.varint()?;
    if count > MAX_ENTRIES {
        return Err(RANGE);
    }
    let count = count as usize;
    let mut columns = Vec::with_capacity(6);
    for _ in 0..6 {
        columns.push(integers::decode(reader, count)?);
    }
    let mut rollups = Vec::with_capacity(count);
    for (index, &before) in columns[0].iter().enumerate() {
        let level = u8::try_from(columns[2][index])
            .ok()
            .and_then(Level::from_code);
        let entry = RollupEntry {
            series: SeriesId(columns[1][index] as u64),
            level: level.ok_or(RANGE)?,
            offset: 0,
            length: u32::try_from(columns[3][index]).map_err(|_| RANGE)?,
            first: columns[4][index],
            last: columns[4][index].wrapping_add(columns[5][index]),
        };
        rollups.push((usize::try_from(before).map_err(|_| RANGE)?, entry));
    }
    Ok(rollups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_rollups_between_them_are_found_where_they_lie() {
        let summary = |series| Summary {
            count: 3,
            min_time: series,
            max_time: series + 9,
            good: 1,
            uncertain: 1,
            protocols: 1,
            numbers: (series != 2).then(|| Statistics::of(&[1.0, 2.0])),
        };
        let mut offset = 64;
        let mut place = |length: u32| {
            let at = offset;
            offset = end_of_frame(offset, length);
            at
        };
        let mut entries = Vec::new();
        let mut rollups = Vec::new();
        for series in 1..4 {
            for _ in 0..series {
                entries.push(BlockEntry {
                    series: SeriesId(series),
                    offset: place(7 + series as u32),
                    length: 7 + series as u32,
                    summary: summary(series as i64),
                });
            }
            for level in Level::ALL {
                rollups.push(RollupEntry {
                    series: SeriesId(series),
                    level,
                    offset: place(90),
                    length: 90,
                    first: -60,
                    last: 120,
                });
            }
        }
        let bytes = encode(&entries, &rollups);
        assert_eq!(decode(&bytes, 64, 4).unwrap(), (entries, rollups));
    }
}
