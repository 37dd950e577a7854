//! A column of integers: a predictor, what it got wrong, and those residuals as byte planes.
//!
//! Layout: mode (1 byte), then what the mode needs. The residual modes hold base and divisor, the byte width of a
//! residual, the residuals too wide for it (index and value), and the planes: all lowest bytes first, then the next.
//! Short columns have their residuals bit by bit instead.
//! Entropy coding is left to the compressor that runs over the whole block.

mod packed;
mod planes;
mod residuals;
mod sums;
mod tracking;

use self::residuals::{
    DELTA, DELTA_OF_DELTA, PLAIN, TRACKING, TRACKING_ENTERED, decode_packed, decode_residuals,
    encode_residuals,
};
pub use self::sums::ColumnSums;
use super::CodecError;
use super::bytes::{Reader, put_signed, put_varint};

const CONSTANT: u8 = 0;
const LINEAR: u8 = 1;
const RUNS: u8 = 2;
/// One of the residual modes, with its residuals bit by bit.
const PACKED: u8 = 8;

/// Appends `values` to `out`. The reader must know how many there are.
pub fn encode(values: &[i64], out: &mut Vec<u8>) {
    encode_with(values, out, true);
}

/// Appends `count` times `value` to `out`, as [`encode`] does.
pub fn encode_constant(value: i64, count: usize, out: &mut Vec<u8>) {
    if count > 0 {
        out.push(CONSTANT);
        put_signed(out, value);
    }
}

fn encode_with(values: &[i64], out: &mut Vec<u8>, may_use_runs: bool) {
    let Some((&first, rest)) = values.split_first() else {
        return;
    };
    let step = rest.first().map_or(0, |second| second.wrapping_sub(first));
    if values
        .windows(2)
        .all(|pair| pair[1].wrapping_sub(pair[0]) == step)
    {
        if step == 0 {
            out.push(CONSTANT);
            put_signed(out, first);
        } else {
            out.push(LINEAR);
            put_signed(out, first);
            put_signed(out, step);
        }
        return;
    }
    if may_use_runs {
        let runs = 1 + values.windows(2).filter(|pair| pair[0] != pair[1]).count();
        if runs * 4 <= values.len() {
            encode_runs(values, runs, out);
            return;
        }
    }
    encode_residuals(values, out);
}

fn encode_runs(values: &[i64], runs: usize, out: &mut Vec<u8>) {
    let mut lengths = Vec::with_capacity(runs);
    let mut heads = Vec::with_capacity(runs);
    for run in values.chunk_by(|left, right| left == right) {
        lengths.push(run.len() as i64);
        heads.push(run[0]);
    }
    out.push(RUNS);
    put_varint(out, runs as u64);
    encode_with(&lengths, out, false);
    encode_with(&heads, out, false);
}

/// A column as it was read: most columns of a block are one value, again and again, or a clock.
#[derive(Debug, PartialEq, Eq)]
pub enum Column {
    Constant(i64),
    Linear { first: i64, step: i64 },
    Each(Vec<i64>),
}

impl Column {
    /// The value at `index`; of constant and linear columns whatever lies there, of others `None` behind the last one.
    pub fn get(&self, index: usize) -> Option<i64> {
        match self {
            Self::Constant(value) => Some(*value),
            Self::Linear { first, step } => {
                Some(first.wrapping_add(step.wrapping_mul(index as i64)))
            }
            Self::Each(values) => values.get(index).copied(),
        }
    }

    /// All `count` values.
    pub fn into_values(self, count: usize) -> Vec<i64> {
        match self {
            Self::Constant(value) => vec![value; count],
            Self::Linear { first, step } => (0..count as i64)
                .map(|index| first.wrapping_add(step.wrapping_mul(index)))
                .collect(),
            Self::Each(values) => values,
        }
    }
}

/// As [`decode`], but constant and linear columns stay as short as they are.
pub fn decode_column(reader: &mut Reader<'_>, count: usize) -> Result<Column, CodecError> {
    decode_with(reader, count, true)
}

/// Reads `count` integers that [`encode`] wrote.
pub fn decode(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, CodecError> {
    Ok(decode_column(reader, count)?.into_values(count))
}

fn decode_with(
    reader: &mut Reader<'_>,
    count: usize,
    may_use_runs: bool,
) -> Result<Column, CodecError> {
    if count == 0 {
        return Ok(Column::Each(Vec::new()));
    }
    match reader.byte()? {
        CONSTANT => Ok(Column::Constant(reader.signed()?)),
        LINEAR => {
            let first = reader.signed()?;
            let step = reader.signed()?;
            Ok(Column::Linear { first, step })
        }
        RUNS if may_use_runs => decode_runs(reader, count).map(Column::Each),
        PACKED => match reader.byte()? {
            mode @ (PLAIN | DELTA | DELTA_OF_DELTA | TRACKING) => {
                decode_packed(reader, count, mode).map(Column::Each)
            }
            _ => Err(UNKNOWN_MODE),
        },
        mode @ (PLAIN | DELTA | DELTA_OF_DELTA | TRACKING | TRACKING_ENTERED) => {
            decode_residuals(reader, count, mode).map(Column::Each)
        }
        _ => Err(UNKNOWN_MODE),
    }
}

const UNKNOWN_MODE: CodecError = CodecError::Invalid("a column of integers has an unknown mode");

fn decode_runs(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, CodecError> {
    let runs = reader.varint()?;
    if runs > count as u64 {
        return Err(CodecError::Invalid("a column has more runs than values"));
    }
    let runs = runs as usize;
    let lengths = decode_with(reader, runs, false)?.into_values(runs);
    let heads = decode_with(reader, runs, false)?.into_values(runs);
    let mut values = Vec::with_capacity(count);
    for (length, head) in lengths.into_iter().zip(heads) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > count - values.len() {
            return Err(CodecError::Invalid("the runs of a column are too long"));
        }
        values.resize(values.len() + length, head);
    }
    if values.len() != count {
        return Err(CodecError::Invalid("the runs of a column are too short"));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn there_and_back(values: &[i64]) -> usize {
        let mut bytes = Vec::new();
        encode(values, &mut bytes);
        let mut reader = Reader::new(&bytes);
        assert_eq!(decode(&mut reader, values.len()).unwrap(), values);
        assert!(reader.is_empty());
        bytes.len()
    }

    fn integers() -> impl Strategy<Value = Vec<i64>> {
        let wild = prop::collection::vec(any::<i64>(), 0..200);
        let small = prop::collection::vec(-300_i64..300, 0..200);
        let steps = (
            any::<i64>(),
            prop::collection::vec(
                prop_oneof![Just(1_000_000_000_i64), 0..5_000_000_000_i64],
                0..200,
            ),
        )
            .prop_map(|(first, steps)| {
                let mut value = first;
                steps
                    .into_iter()
                    .map(|step| {
                        value = value.wrapping_add(step);
                        value
                    })
                    .collect()
            });
        let runs = prop::collection::vec((any::<i64>(), 1_usize..20), 0..20).prop_map(|runs| {
            runs.into_iter()
                .flat_map(|(value, length)| vec![value; length])
                .collect()
        });
        prop_oneof![wild, small, steps, runs]
    }

    proptest! {
        #[test]
        fn every_column_comes_back(values in integers()) {
            there_and_back(&values);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0_usize..5000) {
            let _ = decode(&mut Reader::new(&bytes), count);
        }
    }

    #[test]
    fn a_regular_clock_takes_a_few_bytes() {
        let times: Vec<i64> = (0..2048)
            .map(|second| 1_700_000_000_000_000_000 + second * 1_000_000_000)
            .collect();
        assert!(there_and_back(&times) < 24);
    }

    #[test]
    fn a_gap_in_a_regular_clock_costs_an_exception_not_a_wider_column() {
        let mut times: Vec<i64> = (0..2048).map(|second| second * 1_000_000_000).collect();
        for time in &mut times[1000..] {
            *time += 3_600_000_000_000;
        }
        assert!(there_and_back(&times) < 40);
    }

    #[test]
    fn a_long_noisy_column_comes_back_from_its_entries() {
        let mut bits = 7_u64;
        for length in [1023_i64, 1024, 1025, 4099, 8192] {
            let values: Vec<i64> = (0..length)
                .map(|step| {
                    bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    ((step as f64 / 600.0).sin() * 1000.0) as i64 + (bits >> 59) as i64
                })
                .collect();
            let bytes = there_and_back(&values);
            assert!(bytes < length as usize + 64, "{length}: {bytes}");
        }
        let wild: Vec<i64> = (0..2000_i64)
            .map(|step| step.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64))
            .collect();
        there_and_back(&wild);
    }

    #[test]
    fn the_extremes_come_back() {
        there_and_back(&[i64::MIN, i64::MAX, 0, -1, 1, i64::MAX, i64::MIN]);
        there_and_back(&[i64::MIN, i64::MAX]);
        there_and_back(&[7]);
        there_and_back(&[]);
    }
}
