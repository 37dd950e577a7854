//! A loaded artifact, ready to score.

use std::path::Path;
use std::time::Instant;

use tch::{CModule, TchError, Tensor};
use tellee_ml::artifact::{self, SCORE_LIMIT};
use tellee_ml::protocol::{Failure, FailureCode, Loaded, MAX_BATCH, Scored, ValidationReport};

use crate::dataset::standardise;
use crate::failure::{artifact_failure, invalid, runtime_failure};
use crate::scoring::Yardstick;

/// The largest difference between a score alone and in a batch that rounding explains.
const MAX_BATCH_DIFFERENCE: f64 = 1e-4;

#[derive(Debug)]
pub struct Model {
    graph: CModule,
    yardstick: Yardstick,
    signals: usize,
    window: usize,
}

impl Model {
    /// Reads the artifact in `folder`, checks its hashes and runs it once.
    pub fn load(folder: &Path, expected_hash: Option<&str>) -> Result<Self, Failure> {
        let manifest =
            artifact::read(folder, expected_hash).map_err(|error| artifact_failure(&error))?;
        let mut graph = CModule::load(artifact::graph_path(folder)).map_err(|error| Failure {
            code: FailureCode::Artifact,
            message: format!(
                "the graph cannot be loaded: {}",
                runtime_failure(error).message
            ),
        })?;
        graph.f_set_eval().map_err(runtime_failure)?;
        let model = Self {
            graph,
            signals: manifest.spec.signals.len(),
            window: manifest.spec.window as usize,
            yardstick: Yardstick {
                scaling: manifest.scaling,
                healthy_error: manifest.healthy_error,
                error_limit: manifest.error_limit,
            },
        };
        model.score(&model.typical_windows(1), 1)?;
        Ok(model)
    }

    pub const fn describe(&self) -> Loaded {
        Loaded {
            signals: self.signals as u32,
            window: self.window as u32,
            score_limit: SCORE_LIMIT,
        }
    }

    pub const fn signals(&self) -> usize {
        self.signals
    }

    /// Scores `batch` windows (batch × window × signals, in units of the signals).
    pub fn score(&self, windows: &[f32], batch: u32) -> Result<Vec<Scored>, Failure> {
        let values = self.window * self.signals;
        if batch > MAX_BATCH {
            return Err(invalid(format!(
                "a batch of {batch} windows is larger than {MAX_BATCH}"
            )));
        }
        if windows.len() != batch as usize * values {
            return Err(invalid(format!(
                "{batch} windows of {} × {} values were expected, {} values came",
                self.window,
                self.signals,
                windows.len()
            )));
        }
        if !windows.iter().all(|value| value.is_finite()) {
            return Err(invalid("a value is missing or infinite"));
        }
        if batch == 0 {
            return Ok(Vec::new());
        }
        let mut standardised = Vec::with_capacity(windows.len());
        windows
            .chunks(values)
            .for_each(|window| standardise(window, &self.yardstick.scaling, &mut standardised));
        let reconstruction = self
            .reconstruct(&standardised, batch, values)
            .map_err(runtime_failure)?;
        if reconstruction.len() != standardised.len() {
            return Err(Failure {
                code: FailureCode::Artifact,
                message: "the graph gives another shape than it takes".to_owned(),
            });
        }
        let scored: Vec<Scored> = windows
            .chunks(values)
            .zip(
                standardised
                    .chunks(values)
                    .zip(reconstruction.chunks(values)),
            )
            .map(|(window, (standardised, expected))| {
                self.yardstick.score(window, standardised, expected)
            })
            .collect();
        if !scored.iter().all(|scored| scored.score.is_finite()) {
            return Err(Failure {
                code: FailureCode::Runtime,
                message: "the graph gives values that are no numbers".to_owned(),
            });
        }
        Ok(scored)
    }

    fn reconstruct(
        &self,
        standardised: &[f32],
        batch: u32,
        values: usize,
    ) -> Result<Vec<f32>, TchError> {
        let input =
            Tensor::f_from_slice(standardised)?.f_reshape([i64::from(batch), values as i64])?;
        let output = tch::no_grad(|| self.graph.forward_ts(&[input]))?;
        Vec::<f32>::try_from(output.f_reshape([-1])?)
    }

    /// Runs the model at each batch size and compares each window scored alone with the same in a batch. A graph that holds
    /// the batch size of its training in it fails here, or kills this process; never the one that serves.
    pub fn validate(&self, batches: &[u32]) -> Result<ValidationReport, Failure> {
        let mut milliseconds = Vec::with_capacity(batches.len());
        let mut largest_difference = 0.0_f64;
        for &batch in batches {
            let windows = self.typical_windows(batch);
            let together = self.score(&windows, batch)?;
            let start = Instant::now();
            self.score(&windows, batch)?;
            milliseconds.push((batch, start.elapsed().as_secs_f64() * 1e3));

            for (window, together) in windows.chunks(self.window * self.signals).zip(&together) {
                for alone in self.score(window, 1)? {
                    largest_difference =
                        largest_difference.max(f64::from((alone.score - together.score).abs()));
                }
            }
        }
        if largest_difference > MAX_BATCH_DIFFERENCE {
            return Err(Failure {
                code: FailureCode::Artifact,
                message: format!(
                    "scores depend on the size of the batch: they differ by {largest_difference}"
                ),
            });
        }
        Ok(ValidationReport {
            milliseconds,
            largest_difference,
        })
    }

    /// Windows around the centre of the healthy data, each a little different, without chance.
    fn typical_windows(&self, batch: u32) -> Vec<f32> {
        let scaling = &self.yardstick.scaling;
        let mut windows = Vec::with_capacity(batch as usize * self.window * self.signals);
        for row in 0..batch as usize * self.window {
            for (signal, scaling) in scaling.iter().enumerate() {
                let wave = ((row * (signal + 1)) as f64 * 0.37).sin();
                windows.push((scaling.centre + wave * scaling.scale) as f32);
            }
        }
        windows
    }
}
