//! Where the trend of the means lets the extremes and the ends of a row be expected.
//!
//! While a signal rises, a row begins below its mean and ends above it, each by about half of what the mean moves from
//! row to row; so do the least and the greatest of it, whichever way it moves.

/// Half of what the mean moves from row to row, for each row: a quarter of the way from the row before to the next.
pub struct Trend {
    tilts: Vec<i64>,
    sizes: Vec<i64>,
}

impl Trend {
    pub fn of(means: &[i64]) -> Self {
        let before = means.first().into_iter().chain(means);
        let after = means.iter().skip(1).chain(means.last());
        let tilt = |(before, after): (&i64, &i64)| after.wrapping_sub(*before) / 4;
        let tilts: Vec<i64> = before.zip(after).map(tilt).collect();
        let sizes = tilts.iter().map(|tilt| tilt.wrapping_abs()).collect();
        Self { tilts, sizes }
    }

    /// How far from the mean least, greatest, first and last (the `corner`s 0 to 3) are expected: above it, or below.
    pub fn expected(&self, corner: usize) -> Side<'_> {
        match corner {
            0 => Side::Below(&self.sizes),
            1 => Side::Above(&self.sizes),
            2 => Side::Below(&self.tilts),
            _ => Side::Above(&self.tilts),
        }
    }
}

/// For each row how far on one side of the mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Side<'a> {
    Above(&'a [i64]),
    Below(&'a [i64]),
}

impl Side<'_> {
    /// Makes distances from where a number is expected of those from the mean.
    pub fn take_out(self, distances: &mut [i64]) {
        match self {
            Self::Above(expected) => {
                for (distance, expected) in distances.iter_mut().zip(expected) {
                    *distance = distance.wrapping_sub(*expected);
                }
            }
            Self::Below(expected) => {
                for (distance, expected) in distances.iter_mut().zip(expected) {
                    *distance = distance.wrapping_add(*expected);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_lets_the_least_and_the_first_be_expected_below_the_mean() {
        let trend = Trend::of(&[0, 40, 80, 120, 120, i64::MIN]);
        assert_eq!(trend.tilts[..4], [10, 20, 20, 10]);
        for (corner, expected) in [-20, 20, -20, 20].into_iter().enumerate() {
            let mut distances = vec![7; 6];
            trend.expected(corner).take_out(&mut distances);
            assert_eq!(distances[1], 7 - expected);
        }
    }

    #[test]
    fn one_row_has_no_trend() {
        assert_eq!(Trend::of(&[9]).tilts, [0]);
        assert!(Trend::of(&[]).tilts.is_empty());
    }
}
