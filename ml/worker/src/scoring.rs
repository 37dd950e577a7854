//! From a window and its reconstruction to a score.

use tellee_ml::artifact::{Scaling, score};
use tellee_ml::protocol::Scored;

use crate::dataset::restore;

/// What the errors of a window are measured by.
#[derive(Debug, Clone, PartialEq)]
pub struct Yardstick {
    pub scaling: Vec<Scaling>,
    /// Per signal: mean squared error in healthy windows.
    pub healthy_error: Vec<f64>,
    pub error_limit: f64,
}

/// Mean squared error of each signal over a window; both are samples × signals.
pub fn signal_errors(window: &[f32], reconstruction: &[f32], signals: usize) -> Vec<f64> {
    let mut sums = vec![0.0; signals];
    for (sample, expected) in window.chunks(signals).zip(reconstruction.chunks(signals)) {
        for ((sum, sample), expected) in sums.iter_mut().zip(sample).zip(expected) {
            *sum += (f64::from(*sample) - f64::from(*expected)).powi(2);
        }
    }
    let samples = (window.len() / signals).max(1) as f64;
    sums.iter_mut().for_each(|sum| *sum /= samples);
    sums
}

/// The errors of the signals, each by what is healthy for it: 1 is as in health.
pub fn relative_errors(errors: &[f64], healthy: &[f64]) -> Vec<f64> {
    errors
        .iter()
        .zip(healthy)
        .map(|(error, healthy)| error / healthy)
        .collect()
}

/// The error of a window: the mean of the relative errors of its signals.
pub fn window_error(relative: &[f64]) -> f64 {
    relative.iter().sum::<f64>() / relative.len().max(1) as f64
}

impl Yardstick {
    /// Scores one window: in units of the signals, standardised, and as the model gives it back.
    pub fn score(&self, window: &[f32], standardised: &[f32], reconstruction: &[f32]) -> Scored {
        let signals = self.healthy_error.len();
        let relative = relative_errors(
            &signal_errors(standardised, reconstruction, signals),
            &self.healthy_error,
        );
        let total: f64 = relative.iter().sum();
        let shares = relative
            .iter()
            .map(|error| {
                if total > 0.0 {
                    (error / total) as f32
                } else {
                    1.0 / signals as f32
                }
            })
            .collect();
        let last = reconstruction.len().saturating_sub(signals);
        let expected = restore(
            reconstruction.get(last..).unwrap_or_default(),
            window,
            &self.scaling,
        );
        Scored {
            score: score(window_error(&relative), self.error_limit) as f32,
            shares,
            expected,
        }
    }
}

/// The smallest value that at least `quantile` (0 to 1) of `values` do not exceed. 0 if there are none.
pub fn quantile(values: &[f64], quantile: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (quantile.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yardstick() -> Yardstick {
        Yardstick {
            scaling: [(10.0, 2.0), (20.0, 4.0)]
                .map(|(centre, scale)| Scaling {
                    centre,
                    scale,
                    wanders: false,
                })
                .to_vec(),
            healthy_error: vec![0.5, 0.25],
            error_limit: 4.0,
        }
    }

    #[test]
    fn the_signal_that_is_off_has_the_largest_share_and_shares_sum_to_1() {
        let window = [0.0, 0.0, 3.0, 0.1];
        let scored = yardstick().score(&[10.0, 20.0, 16.0, 20.4], &window, &[0.0; 4]);
        assert!(scored.shares[0] > 0.9);
        assert!((scored.shares.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(scored.expected, [10.0, 20.0]);
        // Errors 4.5 and 0.005; by health 9 and 0.02; mean 4.51, above the limit of 4.
        assert!((scored.score - 4.51 / 8.51).abs() < 1e-6);
    }

    #[test]
    fn a_window_as_expected_scores_0_with_equal_shares() {
        let scored = yardstick().score(&[12.0, 28.0], &[1.0, 2.0], &[1.0, 2.0]);
        assert_eq!((scored.score, scored.shares), (0.0, vec![0.5, 0.5]));
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(quantile(&values, 0.5), 2.0);
        assert_eq!(quantile(&values, 0.99), 4.0);
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
