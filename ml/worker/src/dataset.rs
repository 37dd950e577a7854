//! Rows to standardised windows.

use tellee_ml::protocol::{Failure, FailureCode};

/// Standardised values beyond this are cut: far is far, and no sum may overflow.
const MAX_STANDARDISED: f64 = 50.0;

/// Standardises each signal: subtract the centre, divide by the scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler {
    pub centre: Vec<f64>,
    pub scale: Vec<f64>,
}

impl Scaler {
    /// Mean and standard deviation of the values that are there. A signal that does not move gets a small scale for the
    /// size of its value, so that any move of it later stands out.
    pub fn fit(rows: &[f32], signals: usize) -> Result<Self, Failure> {
        let mut scaler = Self { centre: Vec::with_capacity(signals), scale: Vec::with_capacity(signals) };
        for signal in 0..signals {
            let values = || {
                rows.iter().skip(signal).step_by(signals).map(|value| f64::from(*value)).filter(|value| value.is_finite())
            };
            let count = values().count() as f64;
            if count == 0.0 {
                return Err(Failure {
                    code: FailureCode::Unsuitable,
                    message: format!("signal {signal} has no value in the healthy window"),
                });
            }
            let mean = values().sum::<f64>() / count;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            scaler.centre.push(mean);
            scaler.scale.push(variance.sqrt().max(1e-3 * mean.abs()).max(1e-9));
        }
        Ok(scaler)
    }

    pub fn standardise(&self, rows: &[f32]) -> Vec<f32> {
        let columns = self.centre.iter().zip(&self.scale).cycle();
        rows.iter()
            .zip(columns)
            .map(|(value, (centre, scale))| {
                ((f64::from(*value) - centre) / scale).clamp(-MAX_STANDARDISED, MAX_STANDARDISED) as f32
            })
            .collect()
    }

    /// The value of signal `signal` in its own unit.
    pub fn restore(&self, signal: usize, standardised: f32) -> f32 {
        let (Some(centre), Some(scale)) = (self.centre.get(signal), self.scale.get(signal)) else {
            return standardised;
        };
        (f64::from(standardised) * scale + centre) as f32
    }
}

/// All windows of `window` rows in a row that miss no value, one after the other; each starts one row after the last.
pub fn windows(rows: &[f32], signals: usize, window: usize) -> Vec<&[f32]> {
    let count = rows.len() / signals;
    let mut complete = 0;
    let mut found = Vec::new();
    for row in 0..count {
        let values = &rows[row * signals..(row + 1) * signals];
        complete = if values.iter().all(|value| value.is_finite()) { complete + 1 } else { 0 };
        if complete >= window {
            found.push(&rows[(row + 1 - window) * signals..(row + 1) * signals]);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_with_a_missing_value_is_left_out() {
        let rows = [1.0, 2.0, f32::NAN, 4.0, 5.0, 6.0];
        let found = windows(&rows, 1, 2);
        assert_eq!(found, [&[1.0, 2.0], &[4.0, 5.0], &[5.0, 6.0]]);
        assert!(windows(&rows, 1, 4).is_empty());
        assert!(windows(&[], 3, 2).is_empty());
    }

    #[test]
    fn standardising_gives_mean_0_and_deviation_1_and_can_be_undone() {
        let rows = [1.0, 10.0, 3.0, f32::NAN, 5.0, 30.0];
        let scaler = Scaler::fit(&rows, 2).unwrap();
        let standardised = scaler.standardise(&rows);
        let first: Vec<f32> = standardised.iter().copied().step_by(2).collect();
        assert!(first.iter().sum::<f32>().abs() < 1e-6);
        assert!((scaler.restore(0, first[2]) - 5.0).abs() < 1e-6);
        assert!(standardised[3].is_nan());
    }

    #[test]
    fn a_signal_that_never_moved_stands_out_when_it_does() {
        let scaler = Scaler::fit(&[32.0, 32.0, 32.0], 1).unwrap();
        assert!(scaler.standardise(&[33.0])[0] > 10.0);
        assert_eq!(scaler.standardise(&[f32::MAX])[0], MAX_STANDARDISED as f32);
    }

    #[test]
    fn a_signal_without_any_value_is_refused() {
        let refused = Scaler::fit(&[1.0, f32::NAN, 2.0, f32::NAN], 2).unwrap_err();
        assert_eq!(refused.code, FailureCode::Unsuitable);
    }
}
