//! The filter that predicts noisy columns, and how a reader follows it quickly.

use crate::telemetry::codec::CodecError;
use crate::telemetry::codec::bytes::{Reader, put_signed};

/// Follows level and slope of a noisy signal (an alpha-beta filter in fixed point). White noise of a sensor then
/// costs its own entropy and little more, where plain differences would add half a bit a sample.
pub struct Tracker {
    level: i64,
    slope: i64,
}

impl Tracker {
    const FRACTION: u32 = 12;

    pub fn starting_at(value: i64) -> Self {
        Self {
            level: value.wrapping_shl(Self::FRACTION),
            slope: 0,
        }
    }

    #[inline]
    pub fn predict(&self) -> i64 {
        let half = 1_i64 << (Self::FRACTION - 1);
        self.level.wrapping_add(self.slope).wrapping_add(half) >> Self::FRACTION
    }

    #[inline]
    pub fn observe(&mut self, value: i64) {
        let predicted = self.level.wrapping_add(self.slope);
        let error = value.wrapping_shl(Self::FRACTION).wrapping_sub(predicted);
        self.level = predicted.wrapping_add(error >> 3);
        self.slope = self.slope.wrapping_add(error >> 8);
    }
}

/// The state of the tracker in front of the second, third and fourth quarter.
pub fn put_entries(steps: &[i64], out: &mut Vec<u8>) {
    let quarter = steps.len() / 4;
    let mut tracker = Tracker::starting_at(0);
    for stretch in steps.chunks_exact(quarter).take(3) {
        stretch.iter().for_each(|step| tracker.observe(*step));
        put_signed(out, tracker.level);
        put_signed(out, tracker.slope);
    }
}

/// The state of the tracker in front of a stretch, as it was written. Nobody vouches for it.
#[derive(Clone, Copy, Default)]
pub struct Entry {
    level: i64,
    slope: i64,
}

impl Entry {
    /// Those in front of the second, third and fourth quarter.
    pub fn take(reader: &mut Reader<'_>) -> Result<[Self; 3], CodecError> {
        let mut entries = [Self::default(); 3];
        for entry in &mut entries {
            entry.level = reader.signed()?;
            entry.slope = reader.signed()?;
        }
        Ok(entries)
    }
}

/// Undoes the predictions of a [`Tracker`]. It is the tracker with the predicted value kept with its rounding, so that
/// each value depends on the one before through as few operations as can be.
#[derive(Clone, Copy)]
pub struct Lane {
    /// The predicted value, with what rounds it.
    pub rounded: i64,
    pub slope: i64,
}

impl Lane {
    pub const FRACTION: u32 = Tracker::FRACTION;
    pub const HALF: i64 = 1 << (Tracker::FRACTION - 1);
    pub const BELOW: i64 = (1 << Tracker::FRACTION) - 1;

    pub const fn entering(entry: Entry) -> Self {
        Self {
            rounded: entry
                .level
                .wrapping_add(entry.slope)
                .wrapping_add(Self::HALF),
            slope: entry.slope,
        }
    }

    /// The lane of the start of a column.
    pub const fn first() -> Self {
        Self {
            rounded: Self::HALF,
            slope: 0,
        }
    }

    #[inline]
    fn next(&mut self, residual: i64) -> i64 {
        let value = residual.wrapping_add(self.rounded >> Tracker::FRACTION);
        let error = residual
            .wrapping_shl(Tracker::FRACTION)
            .wrapping_add(Self::HALF)
            .wrapping_sub(self.rounded & Self::BELOW);
        let ahead = self.rounded.wrapping_add(self.slope);
        let turn = error >> 8;
        self.slope = self.slope.wrapping_add(turn);
        self.rounded = ahead.wrapping_add((error >> 3).wrapping_add(turn));
        value
    }

    pub fn follow(mut self, values: &mut [i64]) {
        for value in values {
            *value = self.next(*value);
        }
    }
}

/// The first quarter from the start, the others from their entries; the last one goes on with what is left over.
pub fn follow_all(entries: [Entry; 3], values: &mut [i64]) {
    let quarter = values.len() / 4;
    let mut first = Lane::first();
    let [mut second, mut third, mut fourth] = entries.map(Lane::entering);
    let (one, rest) = values.split_at_mut(quarter);
    let (two, rest) = rest.split_at_mut(quarter);
    let (three, rest) = rest.split_at_mut(quarter);
    let (four, rest) = rest.split_at_mut(quarter);
    for (((one, two), three), four) in one.iter_mut().zip(two).zip(three).zip(four) {
        *one = first.next(*one);
        *two = second.next(*two);
        *three = third.next(*three);
        *four = fourth.next(*four);
    }
    fourth.follow(rest);
}
