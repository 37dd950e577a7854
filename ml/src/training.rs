//! Training: the healthy window out of the telemetry store, a worker of its own, a gate, a registered version.

mod rows;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tellee_actors::command::{AskError, Command, CommandContext};
use tellee_actors::domain::model::{self, Lineage, Version};
use tellee_actors::entity::Directory;
use tellee_actors::event::Who;
use tellee_actors::ids::{CommandId, ModelId};
use tellee_projections::telemetry::{TelemetryError, TelemetryStore, TimeRange};
use tokio::fs;

use crate::artifact::{self, ArtifactError, GRAPH_FORMAT};
use crate::config::MlConfig;
use crate::models::{ModelEntry, ModelsError};
use crate::protocol::{
    MAX_BATCH, ReplyBody, RequestBody, TrainReport, TrainSpec, ValidationReport,
};
use crate::worker::{CallError, Launch, Process, StartError};

const HELLO_DEADLINE: Duration = Duration::from_secs(60);
const VALIDATION_DEADLINE: Duration = Duration::from_secs(120);
const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// The batch sizes that the gate runs each artifact at.
const GATE_BATCHES: [u32; 3] = [1, 3, MAX_BATCH];
/// What the folder of an unfinished artifact has in its name.
const PART: &str = ".part-";
/// A failure is kept in the model's history: no longer than this.
const MAX_REASON_CHARACTERS: usize = 500;

/// What to train on, and by whom it was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainRequest {
    pub model: ModelId,
    /// The healthy window.
    pub range: TimeRange,
    pub options: TrainOptions,
    pub who: Who,
}

/// Departures from the defaults of [`TrainSpec::new`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainOptions {
    pub seed: Option<u64>,
    pub hidden: Option<u32>,
    pub bottleneck: Option<u32>,
    pub max_epochs: Option<u32>,
    pub patience: Option<u32>,
    pub held_out_share: Option<f64>,
    pub limit_quantile: Option<f64>,
    pub limit_margin: Option<f64>,
}

impl TrainOptions {
    fn apply(&self, spec: &mut TrainSpec) {
        spec.seed = self.seed.unwrap_or(spec.seed);
        spec.hidden = self.hidden.unwrap_or(spec.hidden);
        spec.bottleneck = self.bottleneck.unwrap_or(spec.bottleneck);
        spec.max_epochs = self.max_epochs.unwrap_or(spec.max_epochs);
        spec.patience = self.patience.unwrap_or(spec.patience);
        spec.held_out_share = self.held_out_share.unwrap_or(spec.held_out_share);
        spec.limit_quantile = self.limit_quantile.unwrap_or(spec.limit_quantile);
        spec.limit_margin = self.limit_margin.unwrap_or(spec.limit_margin);
    }
}

/// Why a training gave no version.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error("there is no model `{0}`")]
    UnknownModel(ModelId),
    #[error("another training is under way")]
    Busy,
    #[error("the healthy window is empty: it ends before it begins")]
    EmptyRange,
    #[error("series `{series}` has no samples")]
    NoSeries { series: String },
    #[error("the healthy window holds {rows} rows; at least {needed} are needed")]
    TooFewRows { rows: u32, needed: u32 },
    #[error(
        "the healthy window holds more than {limit} rows; choose a shorter one or a longer sample period"
    )]
    TooManyRows { limit: usize },
    #[error("the healthy window holds more than {limit} samples; choose a shorter one")]
    TooManySamples { limit: usize },
    #[error(transparent)]
    Models(#[from] ModelsError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Worker(#[from] CallError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the trained model did not pass the gate: {0}")]
    Gate(CallError),
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    #[error("the artifact cannot be put to `{path}`: {source}")]
    Folder { path: PathBuf, source: io::Error },
    #[error("the version was not registered: {0}")]
    Register(AskError),
    #[error("tellee is stopping")]
    Stopping,
    #[error("training failed: {0}")]
    Internal(String),
}

impl TrainError {
    /// Whether the same request may succeed later.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Busy | Self::Models(_) | Self::Stopping | Self::Folder { .. } => true,
            Self::Telemetry(error) => error.is_retryable(),
            Self::Worker(error) => error.is_retryable(),
            Self::Start(error) => matches!(error, StartError::Failed { .. }),
            Self::Artifact(error) => error.is_retryable(),
            Self::Register(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// Whether it says something about the model and its data, and so belongs into the model's history.
    const fn is_of_the_model(&self) -> bool {
        !matches!(
            self,
            Self::UnknownModel(_)
                | Self::Busy
                | Self::EmptyRange
                | Self::Models(_)
                | Self::Stopping
        )
    }
}

/// What a training needs.
#[derive(Clone)]
pub struct Trainer {
    pub config: MlConfig,
    pub telemetry: Arc<dyn TelemetryStore>,
    pub directory: Arc<dyn Directory>,
}

impl Trainer {
    /// Trains a version of `entry`, registers it and gives it back. A failure is recorded with the model.
    pub async fn train(
        &self,
        entry: &ModelEntry,
        request: &TrainRequest,
    ) -> Result<Version, TrainError> {
        let job = CommandId::generate();
        let result = self.train_and_register(entry, request, job).await;
        if let Err(error) = &result
            && error.is_of_the_model()
        {
            tracing::warn!(model = %entry.id, %error, "training failed");
            let reason = error
                .to_string()
                .chars()
                .take(MAX_REASON_CHARACTERS)
                .collect();
            let command = model::Command::RecordTrainingFailure { reason };
            if let Err(error) = self.ask(entry, request, job.step("failed"), command).await {
                tracing::error!(model = %entry.id, %error, "the failure of the training was not recorded");
            }
        }
        result
    }

    async fn train_and_register(
        &self,
        entry: &ModelEntry,
        request: &TrainRequest,
        job: CommandId,
    ) -> Result<Version, TrainError> {
        let definition = &entry.definition;
        let rows = rows::read(self.telemetry.as_ref(), definition, request.range).await?;
        let needed = definition.window.saturating_mul(3);
        if rows.rows < needed {
            return Err(TrainError::TooFewRows {
                rows: rows.rows,
                needed,
            });
        }
        let mut spec = TrainSpec::new(
            definition
                .signals
                .iter()
                .map(|signal| signal.series.clone())
                .collect(),
            definition.sample_period_ms,
            definition.window,
        );
        request.options.apply(&mut spec);

        let number = entry.next_version();
        let model_folder = self.config.models.join(entry.id.to_string());
        sweep(&model_folder).await;
        let part = model_folder.join(format!("{number}{PART}{}", job.0));
        let built = self.build(&spec, &rows, &part).await;
        let (report, validation) = match built {
            Ok(built) => built,
            Err(error) => {
                let _ = fs::remove_dir_all(&part).await;
                return Err(error);
            }
        };
        let manifest = {
            let (part, hash) = (part.clone(), report.artifact.clone());
            tokio::task::spawn_blocking(move || artifact::read(&part, Some(&hash)))
                .await
                .map_err(|error| TrainError::Internal(error.to_string()))??
        };
        install(&part, &model_folder.join(number.to_string())).await?;

        let mut metrics = report.metrics;
        metrics.extend(
            validation
                .milliseconds
                .iter()
                .map(|(batch, time)| (format!("milliseconds_at_batch_{batch}"), *time)),
        );
        let version = Version {
            version: number,
            artifact: report.artifact,
            format: GRAPH_FORMAT.to_owned(),
            score_limit: report.score_limit,
            metrics,
            lineage: Lineage {
                trained_from: request.range.from,
                trained_to: request.range.to,
                rows: u64::from(rows.rows),
                data_hash: rows.hash,
                seed: spec.seed,
                parameters: serde_json::to_value(&spec).unwrap_or_default(),
                code_version: manifest.code_version,
                parent: entry.live,
            },
        };
        let command = model::Command::RegisterVersion {
            version: version.clone(),
        };
        self.ask(entry, request, job.step("register"), command)
            .await
            .map_err(TrainError::Register)?;
        tracing::info!(model = %entry.id, version = number, rows = rows.rows, "model trained");
        Ok(version)
    }

    /// Trains in one worker and validates in another, both for this alone: neither can harm the one that scores.
    async fn build(
        &self,
        spec: &TrainSpec,
        rows: &rows::TrainingRows,
        folder: &Path,
    ) -> Result<(TrainReport, ValidationReport), TrainError> {
        let launch = self.config.launch();
        let body = RequestBody::Train {
            spec: spec.clone(),
            rows: rows.rows,
            folder: folder.to_owned(),
        };
        let report =
            match once(&launch, body, &rows.values, self.config.training_deadline()).await? {
                ReplyBody::Trained(report) => report,
                _ => return Err(unexpected()),
            };
        let body = RequestBody::Validate {
            folder: folder.to_owned(),
            batches: GATE_BATCHES.to_vec(),
        };
        match once(&launch, body, &[], VALIDATION_DEADLINE).await {
            Ok(ReplyBody::Validated(validation)) => Ok((report, validation)),
            Ok(_) => Err(unexpected()),
            Err(TrainError::Worker(error)) => Err(TrainError::Gate(error)),
            Err(error) => Err(error),
        }
    }

    async fn ask(
        &self,
        entry: &ModelEntry,
        request: &TrainRequest,
        command_id: CommandId,
        command: model::Command,
    ) -> Result<(), AskError> {
        let context = CommandContext {
            command_id,
            who: request.who.clone(),
            organisation: Some(entry.organisation),
            expected_revision: None,
            note: None,
            input: None,
            timeout: ASK_TIMEOUT,
        };
        let mut attempts = 0;
        loop {
            let asked = self.directory.ask(
                entry.id.into(),
                Command::Model(command.clone()),
                context.clone(),
            );
            match asked.await {
                Ok(_) => return Ok(()),
                // The same command id: at most one of them has an effect.
                Err(error) if error.is_retryable() && attempts < 3 => {
                    attempts += 1;
                    tokio::time::sleep(Duration::from_millis(200 * attempts)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Starts a worker, asks it one thing, ends it.
async fn once(
    launch: &Launch,
    body: RequestBody,
    payload: &[f32],
    deadline: Duration,
) -> Result<ReplyBody, TrainError> {
    let process = Process::start(launch, HELLO_DEADLINE).await?;
    let (reply, _) = process.call(body, payload, deadline).await?;
    process.kill();
    Ok(reply)
}

fn unexpected() -> TrainError {
    TrainError::Internal("the worker gave another answer than was asked for".to_owned())
}

/// Removes unfinished artifacts that a server left that was killed in mid-training. There is one training at a time.
async fn sweep(model_folder: &Path) {
    let Ok(mut entries) = fs::read_dir(model_folder).await else {
        return;
    };
    while let Ok(Some(entry)) = entries.next_entry().await {
        if entry.file_name().to_string_lossy().contains(PART) {
            let _ = fs::remove_dir_all(entry.path()).await;
        }
    }
}

/// Moves a finished artifact to its place. What lies there was never registered: a server that died in between left it.
async fn install(part: &Path, place: &Path) -> Result<(), TrainError> {
    let move_there = async {
        match fs::remove_dir_all(place).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(part, place).await?;
        match place.parent() {
            Some(parent) => fs::File::open(parent).await?.sync_all().await,
            None => Ok(()),
        }
    };
    move_there.await.map_err(|source| TrainError::Folder {
        path: place.to_owned(),
        source,
    })
}
