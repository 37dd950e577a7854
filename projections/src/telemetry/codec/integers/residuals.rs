//! Columns that are predicted, and kept as what the prediction got wrong.

use std::cell::RefCell;

use super::PACKED;
use super::packed;
use super::planes::{Layout, Planes};
use super::tracking::{Entry, Lane, Tracker, follow_all, put_entries};
use crate::telemetry::codec::CodecError;
use crate::telemetry::codec::bytes::{Reader, put_signed, put_varint, zigzag};

pub const PLAIN: u8 = 3;
pub const DELTA: u8 = 4;
pub const DELTA_OF_DELTA: u8 = 5;
pub const TRACKING: u8 = 6;
/// As tracking, with the state of the filter at each quarter of the column, so that a reader can follow four stretches
/// at a time: the filter is one long chain of operations, and a processor could do several at once.
pub const TRACKING_ENTERED: u8 = 7;
/// Shorter columns are not worth the bytes of their entries.
const LEAST_ENTERED: usize = 1024;

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

pub fn encode_residuals(values: &[i64], out: &mut Vec<u8>) {
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

    let layout = Layout::of(best);
    let width = packed::width_of(best);
    let packs = steps.len() < packed::TOO_LONG
        && width > 0
        && packed::length(steps.len(), width).is_some_and(|length| length + 1 < layout.cost);
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
    layout.put(best, out);
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

pub fn decode_residuals(
    reader: &mut Reader<'_>,
    count: usize,
    mode: u8,
) -> Result<Vec<i64>, CodecError> {
    let base = reader.signed()?;
    let divisor = reader.varint()? as i64;
    let entries = if mode == TRACKING_ENTERED {
        Entry::take(reader)?
    } else {
        Default::default()
    };
    let mut values = Planes::take(reader, count)?.residuals(count);
    undo(mode, entries, base, divisor, &mut values);
    Ok(values)
}

/// As [`decode_residuals`], of residuals that lie bit by bit.
pub fn decode_packed(
    reader: &mut Reader<'_>,
    count: usize,
    mode: u8,
) -> Result<Vec<i64>, CodecError> {
    let (base, divisor) = (reader.signed()?, reader.varint()? as i64);
    let mut values = packed::take(reader, count)?;
    undo(mode, Default::default(), base, divisor, &mut values);
    Ok(values)
}

/// Makes values of the residuals `values`.
fn undo(mode: u8, entries: [Entry; 3], base: i64, divisor: i64, values: &mut [i64]) {
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
            Lane::first().follow(values);
        }
        TRACKING_ENTERED => follow_all(entries, values),
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
