//! Why a command ends with an exit code other than 0. One line each; the line says what to do.

use tellee_actors::store::StoreError;
use tellee_api::mqtt::journal::JournalError;
use tellee_projections::telemetry::TelemetryError;

use crate::config::ConfigError;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Exit code 2.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Exit code 3.
    #[error("{0}")]
    DataFolder(String),
    /// Exit code 1.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) => 2,
            Self::DataFolder(_) => 3,
            Self::Other(_) => 1,
        }
    }

    pub fn other(what: &str, cause: &dyn std::fmt::Display) -> Self {
        Self::Other(format!("{what}: {cause}"))
    }

    /// The event store could not be opened or read.
    pub fn events(error: &StoreError) -> Self {
        match error {
            StoreError::Newer { .. } => Self::DataFolder(format!(
                "{error}; start a newer tellee or restore an older backup"
            )),
            StoreError::Damaged(_) => {
                Self::DataFolder(format!("{error}; restore a backup with `tellee restore`"))
            }
            StoreError::DiskFull => Self::DataFolder(format!("{error}; make room and start again")),
            _ => Self::DataFolder(format!("the event store cannot be used: {error}")),
        }
    }

    /// The telemetry store could not be opened or read.
    pub fn telemetry(error: &TelemetryError) -> Self {
        match error {
            TelemetryError::Newer { .. } => Self::DataFolder(format!(
                "{error}; start a newer tellee or restore an older backup"
            )),
            TelemetryError::Damaged { .. } => Self::DataFolder(format!(
                "{error}; see `tellee store check`, restore a backup with `tellee restore`"
            )),
            TelemetryError::DiskFull => {
                Self::DataFolder(format!("{error}; make room and start again"))
            }
            _ => Self::DataFolder(format!("the telemetry store cannot be used: {error}")),
        }
    }

    /// The MQTT journal could not be opened or read.
    pub fn journal(error: &JournalError) -> Self {
        match error {
            JournalError::Newer { .. } => Self::DataFolder(format!(
                "{error}; start a newer tellee or restore an older backup"
            )),
            _ => Self::DataFolder(error.to_string()),
        }
    }
}
