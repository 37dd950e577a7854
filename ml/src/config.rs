//! What the models need to know of this machine.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::worker::Launch;

/// Where things lie, and the bounds of training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlConfig {
    /// The program `tellee-ml-worker`.
    pub worker: PathBuf,
    /// The folder of libtorch, which holds `lib`. Without it the worker looks where it was linked.
    #[serde(default)]
    pub libtorch: Option<PathBuf>,
    /// The folder of the artifacts, `<data>/models`.
    pub models: PathBuf,
    /// The longest training, in seconds.
    #[serde(default = "one_hour")]
    pub training_seconds: u64,
}

const fn one_hour() -> u64 {
    3_600
}

impl MlConfig {
    pub const fn new(worker: PathBuf, libtorch: Option<PathBuf>, models: PathBuf) -> Self {
        Self {
            worker,
            libtorch,
            models,
            training_seconds: one_hour(),
        }
    }

    pub(crate) fn launch(&self) -> Launch {
        Launch {
            program: self.worker.clone(),
            arguments: Vec::new(),
            libtorch: self.libtorch.clone(),
        }
    }

    pub(crate) const fn training_deadline(&self) -> Duration {
        Duration::from_secs(self.training_seconds)
    }
}
