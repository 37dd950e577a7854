//! The index of a block file as bytes: summaries as columns, so that thousands of them compress well.

use super::{BlockEntry, FRAME_HEADER};
use crate::telemetry::codec::CodecError;
use crate::telemetry::codec::bytes::{Reader, put_varint};
use crate::telemetry::codec::{integers, numbers};
use crate::telemetry::model::SeriesId;
use crate::telemetry::summary::{Statistics, Summary};

pub fn encode(entries: &[BlockEntry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * 48 + 16);
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
    integers(&|entry| entry.summary.numbers.count as i64);
    let mut numbers = |of: &dyn Fn(&Statistics) -> f64| {
        let column: Vec<f64> = entries
            .iter()
            .filter(|entry| entry.summary.numbers.count > 0)
            .map(|entry| of(&entry.summary.numbers))
            .collect();
        numbers::encode(&column, &mut out);
    };
    numbers(&|statistics| statistics.sum);
    numbers(&|statistics| statistics.squares);
    numbers(&|statistics| statistics.min);
    numbers(&|statistics| statistics.max);
    numbers(&|statistics| statistics.first);
    numbers(&|statistics| statistics.last);
    out
}

/// The blocks lie one behind the other from `start`.
pub fn decode(bytes: &[u8], start: u64) -> Result<Vec<BlockEntry>, CodecError> {
    const RANGE: CodecError = CodecError::Invalid("it holds a value out of its range");
    /// No entry takes less than a few bits; this bounds what a damaged count can make us allocate.
    const MAX_ENTRIES: u64 = 1 << 26;
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
    let numeric = columns[8].iter().filter(|count| **count > 0).count();
    let mut number_columns = Vec::with_capacity(6);
    for _ in 0..6 {
        number_columns.push(numbers::decode(&mut reader, numeric)?);
    }
    if !reader.is_empty() {
        return Err(CodecError::Invalid("it has bytes after its last column"));
    }

    let mut entries = Vec::with_capacity(count);
    let mut offset = start;
    let mut number = 0;
    let narrow = |value: i64| u32::try_from(value).map_err(|_| RANGE);
    for (index, &numbers_in_block) in columns[8].iter().enumerate() {
        let mut statistics = Statistics::EMPTY;
        if numbers_in_block > 0 {
            statistics = Statistics {
                count: numbers_in_block as u64,
                sum: number_columns[0][number],
                squares: number_columns[1][number],
                min: number_columns[2][number],
                max: number_columns[3][number],
                first: number_columns[4][number],
                last: number_columns[5][number],
            };
            number += 1;
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
        offset += FRAME_HEADER as u64 + u64::from(length);
    }
    Ok(entries)
}
