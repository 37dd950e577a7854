//! The messages of the protocol.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Asks the worker for one thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The reply bears the same.
    pub id: u64,
    /// How long the server waits from when the worker reads the request. After that nobody wants the answer.
    pub deadline_ms: u64,
    pub body: RequestBody,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum RequestBody {
    /// The first request of a connection.
    Hello {},
    /// Payload: rows × signals, row by row, NaN where a value is missing. Writes the artifact into `folder`, which must be
    /// empty or missing.
    Train {
        spec: TrainSpec,
        rows: u32,
        folder: PathBuf,
    },
    /// Reads the artifact in `folder`, if its manifest has this hash, as `version` of `model` in place of any other version.
    Load {
        model: Uuid,
        version: u32,
        folder: PathBuf,
        artifact: String,
    },
    Unload {
        model: Uuid,
    },
    /// Payload: batch × window × signals, in units of the signals.
    Score {
        model: Uuid,
        version: u32,
        batch: u32,
    },
    /// Loads the artifact in `folder` and runs it at each of these batch sizes; keeps nothing.
    Validate {
        folder: PathBuf,
        batches: Vec<u32>,
    },
    Ping {},
    Shutdown {},
}

/// What to train, and how. With the same rows, seed and code the artifact is the same bit for bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSpec {
    /// One name per column.
    pub signals: Vec<String>,
    pub sample_period_ms: u64,
    /// Samples per window.
    pub window: u32,
    pub seed: u64,
    /// Units of the hidden layers; the bottleneck is the smallest. 0: chosen from the size of a window.
    pub hidden: u32,
    pub bottleneck: u32,
    pub max_epochs: u32,
    /// Epochs without a better error on the held-out tail after which training stops.
    pub patience: u32,
    pub batch: u32,
    pub learning_rate: f64,
    /// The part at the end of the healthy window that is held out: it stops the training and calibrates the limit.
    pub held_out_share: f64,
    /// The limit is this quantile of the errors of the held-out windows …
    pub limit_quantile: f64,
    /// … times this margin.
    pub limit_margin: f64,
}

impl TrainSpec {
    /// The defaults for these signals.
    pub fn new(signals: Vec<String>, sample_period_ms: u64, window: u32) -> Self {
        Self {
            signals,
            sample_period_ms,
            window,
            seed: 20_260_101,
            hidden: 0,
            bottleneck: 0,
            max_epochs: 200,
            patience: 15,
            batch: 64,
            learning_rate: 3e-3,
            held_out_share: 0.25,
            limit_quantile: 0.99,
            limit_margin: 1.25,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    pub id: u64,
    pub body: ReplyBody,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ReplyBody {
    Hello {
        /// The version of the worker's code.
        code_version: String,
        /// The version of libtorch.
        libtorch: String,
    },
    Trained(TrainReport),
    Loaded(Loaded),
    Unloaded {},
    /// The payload holds the parts that [`ScoreShape`] names.
    Scored(ScoreShape),
    Validated(ValidationReport),
    Pong {},
    ShuttingDown {},
    Failed(Failure),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainReport {
    /// Hex SHA-256 of the manifest, which holds that of the graph.
    pub artifact: String,
    /// Scores above it are abnormal.
    pub score_limit: f64,
    pub metrics: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loaded {
    pub signals: u32,
    pub window: u32,
    pub score_limit: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidationReport {
    /// Batch size and milliseconds of one run after a first one.
    pub milliseconds: Vec<(u32, f64)>,
    /// Largest difference between a window scored alone and the same window scored within a batch.
    pub largest_difference: f64,
}

/// How the payload of [`ReplyBody::Scored`] is laid out: scores (batch), then shares (batch × signals), then expected values
/// of the last sample (batch × signals, in units of the signals).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreShape {
    pub batch: u32,
    pub signals: u32,
}

/// The result of scoring one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// 0 (as expected) to below 1.
    pub score: f32,
    /// The part of each signal in the error; they sum to 1.
    pub shares: Vec<f32>,
    /// What the model expects the last sample to be.
    pub expected: Vec<f32>,
}

impl ScoreShape {
    /// Lays out the results of a batch. All rows have as many signals as `self` says.
    pub fn pack(self, results: &[Scored]) -> Vec<f32> {
        let mut payload = Vec::with_capacity(results.len() * (1 + 2 * self.signals as usize));
        payload.extend(results.iter().map(|result| result.score));
        payload.extend(results.iter().flat_map(|result| &result.shares));
        payload.extend(results.iter().flat_map(|result| &result.expected));
        payload
    }

    /// Reads a payload; `None` if its length does not fit or a value is not finite.
    pub fn unpack(self, payload: &[f32]) -> Option<Vec<Scored>> {
        let (batch, signals) = (self.batch as usize, self.signals as usize);
        let values = batch.checked_mul(signals)?;
        if signals == 0 || payload.len() != batch.checked_add(values.checked_mul(2)?)? {
            return None;
        }
        if !payload.iter().all(|value| value.is_finite()) {
            return None;
        }
        let (scores, rest) = payload.split_at(batch);
        let (shares, expected) = rest.split_at(values);
        let results = scores
            .iter()
            .zip(shares.chunks(signals))
            .zip(expected.chunks(signals));
        Some(
            results
                .map(|((&score, shares), expected)| Scored {
                    score,
                    shares: shares.to_vec(),
                    expected: expected.to_vec(),
                })
                .collect(),
        )
    }
}

/// Why the worker could not do as asked. It goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub code: FailureCode,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The request does not fit: shapes, sizes, unknown model.
    Invalid,
    /// The data does not suffice or holds nothing to learn from.
    Unsuitable,
    /// The artifact is missing, damaged or of another version.
    Artifact,
    /// The deadline passed before the work was done.
    DeadlineExceeded,
    /// libtorch said no.
    Runtime,
}

impl FailureCode {
    /// Whether the same request may succeed later.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::DeadlineExceeded)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn scores_come_out_as_they_went_in(batch in 0_usize..5, signals in 1_usize..5, value in -1e6_f32..1e6) {
            let results: Vec<Scored> = (0..batch)
                .map(|row| Scored {
                    score: row as f32,
                    shares: vec![value; signals],
                    expected: (0..signals).map(|signal| signal as f32 + value).collect(),
                })
                .collect();
            let shape = ScoreShape { batch: batch as u32, signals: signals as u32 };
            let payload = shape.pack(&results);
            prop_assert_eq!(shape.unpack(&payload), Some(results));
        }

        #[test]
        fn a_payload_of_another_length_is_refused(batch in any::<u32>(), signals in any::<u32>(), length in 0_usize..64) {
            let shape = ScoreShape { batch, signals };
            let fits = u128::from(batch) * (1 + 2 * u128::from(signals)) == length as u128 && signals > 0;
            prop_assert_eq!(shape.unpack(&vec![0.0; length]).is_some(), fits);
        }
    }

    #[test]
    fn replies_come_out_as_they_went_in() {
        let bodies = [
            ReplyBody::Hello {
                code_version: "1".into(),
                libtorch: "2".into(),
            },
            ReplyBody::Trained(TrainReport {
                artifact: "ab".into(),
                score_limit: 0.5,
                metrics: BTreeMap::from([("epochs".into(), 3.0)]),
            }),
            ReplyBody::Loaded(Loaded {
                signals: 1,
                window: 2,
                score_limit: 0.5,
            }),
            ReplyBody::Unloaded {},
            ReplyBody::Scored(ScoreShape {
                batch: 1,
                signals: 2,
            }),
            ReplyBody::Validated(ValidationReport {
                milliseconds: vec![(1, 0.5)],
                largest_difference: 0.0,
            }),
            ReplyBody::Pong {},
            ReplyBody::ShuttingDown {},
            ReplyBody::Failed(Failure {
                code: FailureCode::Artifact,
                message: "no".into(),
            }),
        ];
        for body in bodies {
            let reply = Reply { id: 3, body };
            let text = serde_json::to_string(&reply).unwrap();
            assert_eq!(
                serde_json::from_str::<Reply>(&text).unwrap(),
                reply,
                "{text}"
            );
        }
    }

    #[test]
    fn a_score_that_is_no_number_is_refused() {
        let shape = ScoreShape {
            batch: 1,
            signals: 1,
        };
        assert_eq!(shape.unpack(&[f32::NAN, 1.0, 0.0]), None);
    }

    #[test]
    fn a_request_with_an_unknown_field_is_refused() {
        let text = r#"{"id":1,"deadline_ms":5,"body":{"type":"ping","loud":true}}"#;
        assert!(serde_json::from_str::<Request>(text).is_err());
    }
}
