//! Joins the model service to the platform.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tellee_actors::command::{Command, CommandContext};
use tellee_actors::domain::model;
use tellee_actors::entity::Directory;
use tellee_actors::ids::{CommandId, ModelId};
use tellee_actors::time::SharedClock;
use tellee_api::error::{ApiError, ErrorCode};
use tellee_api::platform::{ModelHost, Scoring, ScoringState, Training};
use tellee_cluster::LocalDirectory;
use tellee_ml::worker::WorkerState;
use tellee_ml::{
    MlConfig, MlService, RegistryModels, RunnerStatus, Seams, TrainError, TrainOptions,
    TrainRequest,
};
use tellee_projections::Projections;
use tellee_projections::live::LiveHub;
use tellee_projections::telemetry::TimeRange;

use super::Stores;
use crate::config::Config;
use crate::folder::DataFolder;

const WORKER: &str = "tellee-ml-worker";
const PROMOTE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Starts the model service. Where it cannot run the server runs on without it and says so.
pub async fn start(
    config: &Config,
    folder: &DataFolder,
    directory: &Arc<LocalDirectory>,
    stores: &Stores,
    projections: &Projections,
    live: &Arc<LiveHub>,
    clock: &SharedClock,
) -> (Arc<dyn ModelHost>, Option<MlService>) {
    if !config.ml.enabled {
        return (
            Arc::new(Absent("switched off by `ml.enabled`".to_owned())),
            None,
        );
    }
    // Weak: the hub holds the service, and the service must not hold the hub.
    let hub = Arc::downgrade(live);
    let seams = Seams {
        directory: Arc::<LocalDirectory>::clone(directory),
        telemetry: stores.telemetry(),
        models: RegistryModels::start(projections.clone()),
        clock: Arc::clone(clock),
        on_scores: Arc::new(move |batch| {
            if let Some(hub) = hub.upgrade() {
                hub.publish(batch);
            }
        }),
    };
    let ml = MlConfig::new(worker(config), libtorch(config), folder.models());
    match MlService::start(ml, seams).await {
        Ok(service) => {
            live.add_sink(Arc::new(service.clone()));
            let directory: Arc<dyn Directory> = Arc::<LocalDirectory>::clone(directory);
            let host = Host {
                service: service.clone(),
                directory,
            };
            (Arc::new(host), Some(service))
        }
        Err(error) => {
            tracing::warn!(%error, "models cannot run; everything else does");
            (Arc::new(Absent(error.to_string())), None)
        }
    }
}

/// The worker beside this program, unless one is configured.
fn worker(config: &Config) -> PathBuf {
    if !config.ml.worker.as_os_str().is_empty() {
        return config.ml.worker.clone();
    }
    let here = std::env::current_exe().ok();
    here.as_deref()
        .and_then(|program| program.parent())
        .map_or_else(|| PathBuf::from(WORKER), |folder| folder.join(WORKER))
}

/// The folder of libtorch: as configured, `$LIBTORCH`, else where `make setup` puts it.
fn libtorch(config: &Config) -> Option<PathBuf> {
    if !config.ml.libtorch.as_os_str().is_empty() {
        return Some(config.ml.libtorch.clone());
    }
    if let Some(folder) = std::env::var_os("LIBTORCH") {
        return Some(PathBuf::from(folder));
    }
    let cache = std::env::var_os("TELLEE_CACHE")
        .map(PathBuf::from)
        .or_else(|| {
            std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/tellee"))
        })?;
    let folder = cache.join("libtorch-2.13.0");
    folder.is_dir().then_some(folder)
}

/// No models here.
struct Absent(String);

#[async_trait]
impl ModelHost for Absent {
    fn state(&self) -> (&'static str, Option<String>) {
        ("ABSENT", Some(self.0.clone()))
    }

    fn scoring(&self, _model: ModelId) -> Option<Scoring> {
        None
    }

    async fn train(&self, _training: Training) -> Result<(), ApiError> {
        Err(ApiError::new(
            ErrorCode::MlUnavailable,
            format!("no model can be trained: {}", self.0),
        ))
    }
}

struct Host {
    service: MlService,
    directory: Arc<dyn Directory>,
}

#[async_trait]
impl ModelHost for Host {
    fn state(&self) -> (&'static str, Option<String>) {
        match self.service.status().worker {
            WorkerState::Absent { reason } => ("ABSENT", Some(reason)),
            WorkerState::Starting => ("STARTING", None),
            WorkerState::Ready => ("READY", None),
            WorkerState::BackingOff { reason, .. } => ("BACKING_OFF", Some(reason)),
            WorkerState::Broken { reason, .. } => ("BROKEN", Some(reason)),
            WorkerState::Stopped => ("ABSENT", Some("stopped".to_owned())),
        }
    }

    fn scoring(&self, model: ModelId) -> Option<Scoring> {
        let status = self.service.model_status(model)?;
        let (state, reason) = self.scoring_state(&status);
        Some(Scoring {
            version: status.version,
            state,
            reason,
            scored: status.scored,
            unknown: status.unknown,
            late: status.late,
            dropped: status.dropped,
            last_scored_at: status.last_scored_at,
        })
    }

    async fn train(&self, training: Training) -> Result<(), ApiError> {
        let request = TrainRequest {
            model: training.model.id,
            range: TimeRange {
                from: training.from,
                to: training.to,
            },
            options: TrainOptions {
                seed: Some(training.seed),
                ..TrainOptions::default()
            },
            who: training.who.clone(),
        };
        let taken = self
            .service
            .start_training(request)
            .map_err(|error| refusal(&error))?;
        let directory = Arc::clone(&self.directory);
        tokio::spawn(async move {
            let model = training.model.id;
            match taken.wait().await {
                Ok(version) if training.promote => {
                    let promote = Command::Model(model::Command::Promote {
                        version: version.version,
                    });
                    let context = CommandContext {
                        command_id: CommandId::generate(),
                        who: training.who,
                        organisation: Some(training.model.organisation),
                        expected_revision: None,
                        note: Some("asked for with the training".to_owned()),
                        input: None,
                        timeout: PROMOTE_TIMEOUT,
                    };
                    if let Err(error) = directory.ask(model.into(), promote, context).await {
                        tracing::warn!(%model, version = version.version, %error, "a trained version could not be promoted");
                    }
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%model, %error, "a training failed"),
            }
        });
        Ok(())
    }
}

impl Host {
    fn scoring_state(&self, status: &RunnerStatus) -> (ScoringState, Option<String>) {
        if let Some(failure) = &status.failure {
            return (ScoringState::Failed, Some(failure.clone()));
        }
        if status.loaded {
            return (ScoringState::Scoring, None);
        }
        let (worker, reason) = self.state();
        let reason = reason.unwrap_or_else(|| match worker {
            "READY" => "the worker is loading it".to_owned(),
            _ => "the worker is starting".to_owned(),
        });
        (ScoringState::Waiting, Some(reason))
    }
}

fn refusal(error: &TrainError) -> ApiError {
    let code = if error.is_retryable() {
        ErrorCode::MlUnavailable
    } else {
        ErrorCode::Conflict
    };
    ApiError::new(code, error.to_string())
}
