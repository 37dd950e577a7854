//! Rows to standardised windows.

use tellee_ml::artifact::Scaling;
use tellee_ml::protocol::{Failure, FailureCode};

/// Standardised values beyond this are cut: far is far, and no sum may overflow.
const MAX_STANDARDISED: f64 = 50.0;

/// Learns how to standardise from healthy `rows` (rows × signals).
///
/// A signal whose level moves more from window to window than the signal moves within a window wanders: the temperature of
/// a pump that is warming up does. Its level in the healthy window says nothing of the level in health later, so windows of
/// it are judged by their shape alone: they are centred on their own mean. Any other signal is centred on its mean over
/// the healthy window.
pub fn fit(rows: &[f32], signals: usize, window: usize) -> Result<Vec<Scaling>, Failure> {
    (0..signals)
        .map(|signal| {
            let column: Vec<f64> = rows
                .iter()
                .skip(signal)
                .step_by(signals)
                .map(|value| f64::from(*value))
                .collect();
            fit_signal(&column, window).ok_or_else(|| Failure {
                code: FailureCode::Unsuitable,
                message: format!("signal {signal} has no value in the healthy window"),
            })
        })
        .collect()
}

fn fit_signal(column: &[f64], window: usize) -> Option<Scaling> {
    let finite = |values: &[f64]| {
        values
            .iter()
            .copied()
            .filter(|value| value.is_finite())
            .collect::<Vec<_>>()
    };
    let (mean, variance) = mean_and_variance(&finite(column))?;
    let blocks: Vec<(f64, f64)> = column
        .chunks_exact(window)
        .filter_map(|block| mean_and_variance(&finite(block)))
        .collect();
    let means: Vec<f64> = blocks.iter().map(|block| block.0).collect();
    let between = mean_and_variance(&means).map_or(0.0, |moments| moments.1);
    let within = blocks.iter().map(|block| block.1).sum::<f64>() / blocks.len().max(1) as f64;
    let wanders = window > 1 && between > within;

    let deviation = if wanders {
        within.sqrt()
    } else {
        variance.sqrt()
    };
    // A signal that does not move gets a small scale for the size of its value, so that any move later stands out.
    let scale = deviation.max(1e-3 * mean.abs()).max(1e-9);
    Some(Scaling {
        centre: mean,
        scale,
        wanders,
    })
}

fn mean_and_variance(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / count;
    Some((mean, variance))
}

/// What each signal of one window is centred on.
fn centres(window: &[f32], scaling: &[Scaling]) -> Vec<f64> {
    let signals = scaling.len();
    let samples = (window.len() / signals).max(1) as f64;
    scaling
        .iter()
        .enumerate()
        .map(|(signal, scaling)| {
            if !scaling.wanders {
                return scaling.centre;
            }
            window
                .iter()
                .skip(signal)
                .step_by(signals)
                .map(|value| f64::from(*value))
                .sum::<f64>()
                / samples
        })
        .collect()
}

/// Standardises one window (samples × signals), onto the end of `into`.
pub fn standardise(window: &[f32], scaling: &[Scaling], into: &mut Vec<f32>) {
    let centres = centres(window, scaling);
    for sample in window.chunks(scaling.len()) {
        for ((value, scaling), centre) in sample.iter().zip(scaling).zip(&centres) {
            let standardised = (f64::from(*value) - centre) / scaling.scale;
            into.push(standardised.clamp(-MAX_STANDARDISED, MAX_STANDARDISED) as f32);
        }
    }
}

/// One standardised sample of `window` back in the units of its signals.
pub fn restore(sample: &[f32], window: &[f32], scaling: &[Scaling]) -> Vec<f32> {
    let centres = centres(window, scaling);
    let columns = sample.iter().zip(scaling).zip(&centres);
    columns
        .map(|((value, scaling), centre)| (f64::from(*value) * scaling.scale + centre) as f32)
        .collect()
}

/// All windows of `window` rows in a row that miss no value; each starts at least one row after the last. If there are more
/// than `limit`, every second, third, … of them.
pub fn windows(rows: &[f32], signals: usize, window: usize, limit: usize) -> Vec<&[f32]> {
    let count = rows.len() / signals;
    let mut complete = 0;
    let mut found = Vec::new();
    for row in 0..count {
        let values = &rows[row * signals..(row + 1) * signals];
        complete = if values.iter().all(|value| value.is_finite()) {
            complete + 1
        } else {
            0
        };
        if complete >= window {
            found.push(&rows[(row + 1 - window) * signals..(row + 1) * signals]);
        }
    }
    let step = found.len().div_ceil(limit.max(1)).max(1);
    found.into_iter().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standardised(window: &[f32], scaling: &[Scaling]) -> Vec<f32> {
        let mut values = Vec::new();
        standardise(window, scaling, &mut values);
        values
    }

    #[test]
    fn a_window_with_a_missing_value_is_left_out() {
        let rows = [1.0, 2.0, f32::NAN, 4.0, 5.0, 6.0];
        assert_eq!(
            windows(&rows, 1, 2, 100),
            [&[1.0, 2.0], &[4.0, 5.0], &[5.0, 6.0]]
        );
        assert_eq!(windows(&rows, 1, 2, 2), [&[1.0, 2.0], &[5.0, 6.0]]);
        assert!(windows(&rows, 1, 4, 100).is_empty());
        assert!(windows(&[], 3, 2, 100).is_empty());
    }

    #[test]
    fn standardising_gives_mean_0_and_can_be_undone() {
        let rows = [1.0, 10.0, 3.0, f32::NAN, 5.0, 30.0, 1.0, 20.0];
        let scaling = fit(&rows, 2, 4).unwrap();
        let window = [1.0, 10.0, 3.0, 20.0, 5.0, 30.0];
        let values = standardised(&window, &scaling);
        assert_eq!(values[3], 0.0);
        let last = restore(&values[4..], &window, &scaling);
        assert!(
            (last[0] - 5.0).abs() < 1e-5 && (last[1] - 30.0).abs() < 1e-5,
            "{last:?}"
        );
    }

    #[test]
    fn a_signal_that_wanders_is_judged_by_its_shape_and_one_that_does_not_by_its_level() {
        let rows: Vec<f32> = (0..200)
            .flat_map(|row| {
                let ripple = [0.5, -0.5, 0.2, -0.2][row % 4];
                [20.0 + row as f32 * 0.1 + ripple, 7.0 + ripple]
            })
            .collect();
        let scaling = fit(&rows, 2, 10).unwrap();
        assert_eq!([scaling[0].wanders, scaling[1].wanders], [true, false]);

        let near: Vec<f32> = rows[..20].to_vec();
        let far: Vec<f32> = near.iter().map(|value| value + 30.0).collect();
        let (near, far) = (standardised(&near, &scaling), standardised(&far, &scaling));
        assert!((near[0] - far[0]).abs() < 1e-3);
        assert!(far[1] - near[1] > 10.0);
    }

    #[test]
    fn a_signal_that_never_moved_stands_out_when_it_does() {
        let scaling = fit(&[32.0, 32.0, 32.0], 1, 3).unwrap();
        assert!(standardised(&[33.0], &scaling)[0] > 10.0);
        assert_eq!(
            standardised(&[f32::MAX], &scaling),
            [MAX_STANDARDISED as f32]
        );
    }

    #[test]
    fn a_signal_without_any_value_is_refused() {
        let refused = fit(&[1.0, f32::NAN, 2.0, f32::NAN], 2, 2).unwrap_err();
        assert_eq!(refused.code, FailureCode::Unsuitable);
    }
}
