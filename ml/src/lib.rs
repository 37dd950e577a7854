//! Models: trains them on telemetry, scores it live and raises predictive alarms.
//!
//! libtorch runs in a process of its own, `tellee-ml-worker`; this crate is the server's side of it, and the two modules
//! that both sides share: [`protocol`] and [`artifact`].

pub mod artifact;
pub mod protocol;

#[cfg(feature = "server")]
mod config;
#[cfg(feature = "server")]
mod grid;
#[cfg(feature = "server")]
mod models;
#[cfg(feature = "server")]
mod persistence;
#[cfg(feature = "server")]
mod runner;
#[cfg(feature = "server")]
mod scores;
#[cfg(feature = "server")]
mod service;
#[cfg(feature = "server")]
mod training;
#[cfg(feature = "server")]
mod window;
#[cfg(feature = "server")]
pub mod worker;

#[cfg(feature = "server")]
pub use config::MlConfig;
#[cfg(feature = "server")]
pub use models::{ModelEntry, ModelsError, ModelsView, RegistryModels, StandingAlarm};
#[cfg(feature = "server")]
pub use runner::{RunnerStatus, ScoreListener};
#[cfg(feature = "server")]
pub use scores::SCORE_PROTOCOL;
#[cfg(feature = "server")]
pub use service::{MlError, MlService, MlStatus, Seams, Training, TrainingStatus};
#[cfg(feature = "server")]
pub use training::{TrainError, TrainOptions, TrainRequest};
#[cfg(feature = "server")]
pub use worker::WorkerState;
