//! A column of integers: a predictor, what it got wrong, and those residuals as byte planes.
//!
//! Layout: mode (1 byte), then what the mode needs. The residual modes hold base and divisor, the byte width of a
//! residual, the residuals too wide for it (index and value), and the planes: all lowest bytes first, then the next.
//! Short columns have their residuals bit by bit instead.
//! Entropy coding is left to the compressor that runs over the whole block.

mod packed;
mod tracking;

use std::cell::RefCell;

use self::tracking::{Lane, Tracker, follow_all, put_entries};
use super::CodecError;
use super::bytes::{Reader, put_signed, put_varint, unzigzag, zigzag};

const CONSTANT: u8 = 0;
const LINEAR: u8 = 1;
const RUNS: u8 = 2;
const PLAIN: u8 = 3;
const DELTA: u8 = 4;
const DELTA_OF_DELTA: u8 = 5;
const TRACKING: u8 = 6;
/// As tracking, with the state of the filter at each quarter of the column, so that a reader can follow four stretches
/// at a time: the filter is one long chain of operations, and a processor could do several at once.
const TRACKING_ENTERED: u8 = 7;
/// One of the residual modes before, with its residuals bit by bit.
const PACKED: u8 = 8;
/// Shorter columns are not worth the bytes of their entries.
const LEAST_ENTERED: usize = 1024;

/// What an exception to the byte width costs, in bytes: its distance, and the value seven bits a byte.
const fn exception_cost(width: usize) -> usize {
    2 + (8 * width).div_ceil(7)
}

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

/// What encoding a residual column needs for a while. Kept by the thread: there may be very many short columns.
#[derive(Default)]
struct Scratch {
    steps: Vec<i64>,
    residuals: Vec<u64>,
    best: Vec<u64>,
}

/// Longer columns do not leave their scratch behind.
const KEPT_SCRATCH: usize = 1 << 16;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

fn encode_residuals(values: &[i64], out: &mut Vec<u8>) {
    SCRATCH.with_borrow_mut(|scratch| {
        encode_residuals_with(values, out, scratch);
        if values.len() > KEPT_SCRATCH {
            *scratch = Scratch::default();
        }
    });
}

fn encode_residuals_with(values: &[i64], out: &mut Vec<u8>, scratch: &mut Scratch) {
    let Scratch {
        steps,
        residuals,
        best,
    } = scratch;
    let base = values[0];
    let divisor = common_divisor(values, base);
    steps.clear();
    if divisor == 1 {
        steps.extend(values.iter().map(|value| value.wrapping_sub(base)));
    } else {
        steps.extend(values.iter().map(|value| (value - base) / divisor));
    }

    let mut best_mode = PLAIN;
    let mut best_cost = u64::MAX;
    for mode in [DELTA, DELTA_OF_DELTA, TRACKING, PLAIN] {
        residuals.clear();
        predict(mode, steps, residuals);
        let cost: u64 = residuals
            .iter()
            .map(|residual| u64::from(64 - residual.leading_zeros()))
            .sum();
        if cost < best_cost {
            best_cost = cost;
            best_mode = mode;
            std::mem::swap(best, residuals);
        }
    }

    let planes = Planes::of(best);
    let width = packed::width_of(best);
    let packs = steps.len() < packed::TOO_LONG
        && width > 0
        && packed::length(steps.len(), width).is_some_and(|length| length + 1 < planes.cost);
    if packs {
        out.extend([PACKED, best_mode]);
        put_signed(out, base);
        put_varint(out, divisor.unsigned_abs());
        packed::put(best, width, out);
        return;
    }
    let entered = best_mode == TRACKING && steps.len() >= LEAST_ENTERED;
    out.push(if entered { TRACKING_ENTERED } else { best_mode });
    put_signed(out, base);
    put_varint(out, divisor.unsigned_abs());
    if entered {
        put_entries(steps, out);
    }
    planes.put(best, out);
}

/// The greatest number that divides all distances from `base`; 1 where a distance does not fit.
fn common_divisor(values: &[i64], base: i64) -> i64 {
    let mut divisor = 0_u64;
    for value in values {
        let Some(distance) = value.checked_sub(base) else {
            return 1;
        };
        let mut rest = distance.unsigned_abs();
        if divisor != 0 && rest % divisor == 0 {
            continue;
        }
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        if divisor == 1 {
            return 1;
        }
    }
    i64::try_from(divisor).unwrap_or(1).max(1)
}

fn predict(mode: u8, steps: &[i64], residuals: &mut Vec<u64>) {
    match mode {
        DELTA => {
            let mut previous = 0_i64;
            residuals.extend(steps.iter().map(|&step| {
                let residual = step.wrapping_sub(previous);
                previous = step;
                zigzag(residual)
            }));
        }
        DELTA_OF_DELTA => {
            let mut previous = 0_i64;
            let mut slope = 0_i64;
            residuals.extend(steps.iter().map(|&step| {
                let delta = step.wrapping_sub(previous);
                let residual = delta.wrapping_sub(slope);
                previous = step;
                slope = delta;
                zigzag(residual)
            }));
        }
        TRACKING => {
            let mut tracker = Tracker::starting_at(0);
            residuals.extend(steps.iter().map(|&step| {
                let residual = step.wrapping_sub(tracker.predict());
                tracker.observe(step);
                zigzag(residual)
            }));
        }
        _ => residuals.extend(steps.iter().map(|&step| zigzag(step))),
    }
}

const fn byte_width(residual: u64) -> usize {
    ((64 - residual.leading_zeros()) as usize).div_ceil(8)
}

/// How residuals become planes of bytes.
struct Planes {
    /// How many.
    width: usize,
    /// Residuals that are too wide for them.
    exceptions: usize,
    /// In bytes, about.
    cost: usize,
}

impl Planes {
    /// The planes that cost `residuals` least.
    fn of(residuals: &[u64]) -> Self {
        let mut of_width = [0_usize; 9];
        for &residual in residuals {
            of_width[byte_width(residual)] += 1;
        }
        let mut wider = residuals.len();
        let mut cost_of_wider: usize = (0..=8)
            .map(|width| of_width[width] * exception_cost(width))
            .sum();
        let mut best = Self {
            width: 8,
            exceptions: 0,
            cost: usize::MAX,
        };
        for (width, needing) in of_width.into_iter().enumerate() {
            wider -= needing;
            cost_of_wider -= needing * exception_cost(width);
            let cost = width * residuals.len() + cost_of_wider;
            if cost < best.cost {
                best = Self {
                    width,
                    exceptions: wider,
                    cost,
                };
            }
        }
        best
    }

    fn put(&self, residuals: &[u64], out: &mut Vec<u8>) {
        out.push(self.width as u8);
        put_varint(out, self.exceptions as u64);
        if self.exceptions > 0 {
            let mut previous = 0;
            for (index, &residual) in residuals.iter().enumerate() {
                if byte_width(residual) > self.width {
                    put_varint(out, (index - previous) as u64);
                    put_varint(out, residual);
                    previous = index;
                }
            }
        }
        for plane in 0..self.width {
            out.extend(
                residuals
                    .iter()
                    .map(|residual| (residual >> (8 * plane)) as u8),
            );
        }
    }
}

/// A column as it was read: most columns of a block are one value, again and again.
#[derive(Debug, PartialEq, Eq)]
pub enum Column {
    Constant(i64),
    Each(Vec<i64>),
}

/// As [`decode`], but constant columns stay as short as they are.
pub fn decode_column(reader: &mut Reader<'_>, count: usize) -> Result<Column, CodecError> {
    let mut ahead = *reader;
    if count > 0 && ahead.byte()? == CONSTANT {
        let value = ahead.signed()?;
        *reader = ahead;
        return Ok(Column::Constant(value));
    }
    decode(reader, count).map(Column::Each)
}

/// Reads `count` integers that [`encode`] wrote.
pub fn decode(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, CodecError> {
    decode_with(reader, count, true)
}

fn decode_with(
    reader: &mut Reader<'_>,
    count: usize,
    may_use_runs: bool,
) -> Result<Vec<i64>, CodecError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    match reader.byte()? {
        CONSTANT => {
            let value = reader.signed()?;
            Ok(vec![value; count])
        }
        LINEAR => {
            let first = reader.signed()?;
            let step = reader.signed()?;
            Ok((0..count as i64)
                .map(|index| first.wrapping_add(step.wrapping_mul(index)))
                .collect())
        }
        RUNS if may_use_runs => decode_runs(reader, count),
        PACKED => match reader.byte()? {
            mode @ (PLAIN | DELTA | DELTA_OF_DELTA | TRACKING) => {
                let (base, divisor) = (reader.signed()?, reader.varint()? as i64);
                let mut values = packed::take(reader, count)?;
                undo(mode, [Lane::entering(0, 0); 4], base, divisor, &mut values);
                Ok(values)
            }
            _ => Err(UNKNOWN_MODE),
        },
        mode @ (PLAIN | DELTA | DELTA_OF_DELTA | TRACKING | TRACKING_ENTERED) => {
            decode_residuals(reader, count, mode)
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
    let lengths = decode_with(reader, runs as usize, false)?;
    let heads = decode_with(reader, runs as usize, false)?;
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

fn decode_residuals(
    reader: &mut Reader<'_>,
    count: usize,
    mode: u8,
) -> Result<Vec<i64>, CodecError> {
    let base = reader.signed()?;
    let divisor = reader.varint()? as i64;
    let mut lanes = [Lane::entering(0, 0); 4];
    if mode == TRACKING_ENTERED {
        for lane in &mut lanes[1..] {
            *lane = Lane::entering(reader.signed()?, reader.signed()?);
        }
    }
    let mut values = take_planes(reader, count)?;
    undo(mode, lanes, base, divisor, &mut values);
    Ok(values)
}

/// Makes values of the residuals `values`.
fn undo(mode: u8, lanes: [Lane; 4], base: i64, divisor: i64, values: &mut [i64]) {
    match mode {
        DELTA => {
            let mut previous = 0_i64;
            for value in values.iter_mut() {
                previous = previous.wrapping_add(*value);
                *value = previous;
            }
        }
        DELTA_OF_DELTA => {
            let mut previous = 0_i64;
            let mut slope = 0_i64;
            for value in values.iter_mut() {
                slope = slope.wrapping_add(*value);
                previous = previous.wrapping_add(slope);
                *value = previous;
            }
        }
        TRACKING => {
            let [mut lane, ..] = lanes;
            lane.follow(values);
        }
        TRACKING_ENTERED => follow_all(lanes, values),
        _ => {}
    }
    if divisor == 1 {
        for value in values {
            *value = value.wrapping_add(base);
        }
    } else {
        for value in values {
            *value = value.wrapping_mul(divisor).wrapping_add(base);
        }
    }
}

fn take_planes(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, CodecError> {
    let width = reader.byte()? as usize;
    if width > 8 {
        return Err(CodecError::Invalid("a residual is wider than eight bytes"));
    }
    let exceptions = reader.length()?;
    if exceptions > count {
        return Err(CodecError::Invalid(
            "a column has more exceptions than values",
        ));
    }
    let mut patches = Vec::with_capacity(exceptions);
    let mut index = 0_usize;
    for _ in 0..exceptions {
        index = index.saturating_add(usize::try_from(reader.varint()?).unwrap_or(usize::MAX));
        if index >= count {
            return Err(CodecError::Invalid("an exception lies beyond its column"));
        }
        patches.push((index, unzigzag(reader.varint()?)));
    }
    let planes = reader.take(width.checked_mul(count).ok_or(CodecError::Short)?)?;
    let mut values: Vec<i64> = match width {
        0 => vec![0; count],
        1 => planes
            .iter()
            .map(|&byte| unzigzag(u64::from(byte)))
            .collect(),
        2 => {
            let (low, high) = planes.split_at(count);
            low.iter()
                .zip(high)
                .map(|(&low, &high)| unzigzag(u64::from(low) | u64::from(high) << 8))
                .collect()
        }
        _ => {
            let mut residuals = vec![0_u64; count];
            for (plane, bytes) in planes.chunks_exact(count).enumerate() {
                for (residual, &byte) in residuals.iter_mut().zip(bytes) {
                    *residual |= u64::from(byte) << (8 * plane);
                }
            }
            residuals.into_iter().map(unzigzag).collect()
        }
    };
    for (index, value) in patches {
        values[index] = value;
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
