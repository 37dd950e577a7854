//! Where the trend of the means lets the extremes and the ends of a row be expected.
//!
//! While a signal rises, a row begins below its mean and ends above it, each by about half of what the mean moves from
//! row to row; so do the least and the greatest of it, whichever way it moves.

/// Half of what the mean moves from the row before to the next, for each row: a quarter of the way between them.
pub fn tilts(means: &[i64]) -> impl Iterator<Item = i64> {
    (0..means.len()).map(|row| {
        let before = means[row.saturating_sub(1)];
        let after = means[(row + 1).min(means.len() - 1)];
        after.wrapping_sub(before) / 4
    })
}

/// How far from the mean the least, greatest, first and last are expected, in this order, where the mean moves so.
pub const OFFSETS: [fn(i64) -> i64; 4] = [
    |tilt| tilt.wrapping_abs().wrapping_neg(),
    |tilt| tilt.wrapping_abs(),
    |tilt| tilt.wrapping_neg(),
    |tilt| tilt,
];
