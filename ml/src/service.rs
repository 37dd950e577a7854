//! The models of this node: the facade that the server starts, asks and stops.

mod orphans;
mod routes;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tellee_actors::domain::model::Version;
use tellee_actors::entity::Directory;
use tellee_actors::ids::{AlarmId, ModelId};
use tellee_actors::time::{SharedClock, Timestamp};
use tellee_projections::live::{KeptSamples, LiveSink};
use tellee_projections::telemetry::{MessageBatch, TelemetryStore};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::orphans::end_orphans;
use self::routes::Routes;
use crate::config::MlConfig;
use crate::models::{ModelEntry, ModelsView};
use crate::protocol::RequestBody;
use crate::runner::{Runner, RunnerHandle, RunnerStatus, ScoreListener, Surroundings};
use crate::scores::LiveModel;
use crate::training::{TrainError, TrainRequest, Trainer};
use crate::worker::{RestartPolicy, Supervisor, WorkerHandle, WorkerState};

/// The models are looked through this often even if nobody says that they changed.
const REVIEW: Duration = Duration::from_secs(30);
const UNLOAD_DEADLINE: Duration = Duration::from_secs(5);

/// What models need of the rest of Tellee.
#[derive(Clone)]
pub struct Seams {
    pub directory: Arc<dyn Directory>,
    pub telemetry: Arc<dyn TelemetryStore>,
    pub models: Arc<dyn ModelsView>,
    pub clock: SharedClock,
    /// Told of each message of scores after it was stored, so that the live feed shows them.
    pub on_scores: ScoreListener,
}

/// The models could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the models could not be started: {0}")]
pub struct MlError(String);

/// The training that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrainingStatus {
    pub model: ModelId,
    pub since: Timestamp,
}

/// How the models of this node are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MlStatus {
    pub worker: WorkerState,
    pub training: Option<TrainingStatus>,
    pub models: Vec<(ModelId, RunnerStatus)>,
    /// Readings that came too late or bore a time to come; they are not scored.
    pub out_of_time: u64,
}

/// A training that was taken.
#[derive(Debug)]
pub struct Training {
    result: oneshot::Receiver<Result<Version, TrainError>>,
}

impl Training {
    /// Waits for its end. Dropping this does not stop the training.
    pub async fn wait(self) -> Result<Version, TrainError> {
        self.result.await.unwrap_or(Err(TrainError::Stopping))
    }
}

/// See the head of this file. Cheap to clone.
#[derive(Clone)]
pub struct MlService {
    inner: Arc<Inner>,
}

struct Inner {
    seams: Seams,
    surroundings: Surroundings,
    trainer: Trainer,
    worker: WorkerHandle,
    routes: Routes,
    runners: Mutex<HashMap<ModelId, Running>>,
    training: Mutex<Option<TrainingStatus>>,
    /// One training at a time.
    training_permit: Arc<Semaphore>,
    review_now: Notify,
    stopping: CancellationToken,
    review: Mutex<Option<JoinHandle<()>>>,
}

struct Running {
    model: LiveModel,
    handle: RunnerHandle,
}

impl MlService {
    /// Starts the worker and the models that are live. Returns at once: without a worker the rest of Tellee runs on.
    pub async fn start(config: MlConfig, seams: Seams) -> Result<Self, MlError> {
        Self::start_with(config, seams, RestartPolicy::default()).await
    }

    /// As [`MlService::start`], with another policy of restarts.
    pub async fn start_with(
        config: MlConfig,
        seams: Seams,
        policy: RestartPolicy,
    ) -> Result<Self, MlError> {
        let worker = Supervisor::start(config.launch(), policy, Arc::clone(&seams.clock))
            .await
            .map_err(|error| MlError(error.to_string()))?;
        let surroundings = Surroundings {
            worker: worker.clone(),
            telemetry: Arc::clone(&seams.telemetry),
            directory: Arc::clone(&seams.directory),
            clock: Arc::clone(&seams.clock),
            models: config.models.clone(),
            view: Arc::clone(&seams.models),
            on_scores: Arc::clone(&seams.on_scores),
        };
        let trainer = Trainer {
            config,
            telemetry: Arc::clone(&seams.telemetry),
            directory: Arc::clone(&seams.directory),
        };
        let service = Self {
            inner: Arc::new(Inner {
                seams,
                surroundings,
                trainer,
                worker,
                routes: Routes::default(),
                runners: Mutex::default(),
                training: Mutex::default(),
                training_permit: Arc::new(Semaphore::new(1)),
                review_now: Notify::new(),
                stopping: CancellationToken::new(),
                review: Mutex::default(),
            }),
        };
        let inner = Arc::clone(&service.inner);
        let review = tokio::spawn(async move { inner.keep_reviewing().await });
        *service.inner.review.lock() = Some(review);
        Ok(service)
    }

    /// Begins a training in the background.
    pub fn start_training(&self, request: TrainRequest) -> Result<Training, TrainError> {
        if self.inner.stopping.is_cancelled() {
            return Err(TrainError::Stopping);
        }
        if request.range.from >= request.range.to {
            return Err(TrainError::EmptyRange);
        }
        let permit = Arc::clone(&self.inner.training_permit)
            .try_acquire_owned()
            .map_err(|_| TrainError::Busy)?;
        let since = self.inner.seams.clock.now();
        *self.inner.training.lock() = Some(TrainingStatus {
            model: request.model,
            since,
        });
        let (sender, result) = oneshot::channel();
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            let trained = tokio::select! {
                trained = inner.train(&request) => trained,
                () = inner.stopping.cancelled() => Err(TrainError::Stopping),
            };
            *inner.training.lock() = None;
            drop(permit);
            let _ = sender.send(trained);
        });
        Ok(Training { result })
    }

    /// Trains and waits for the end.
    pub async fn train(&self, request: TrainRequest) -> Result<Version, TrainError> {
        self.start_training(request)?.wait().await
    }

    pub fn status(&self) -> MlStatus {
        let mut models: Vec<_> = {
            let runners = self.inner.runners.lock();
            runners
                .iter()
                .map(|(id, running)| (*id, running.handle.status()))
                .collect()
        };
        models.sort_by_key(|(id, _)| *id);
        MlStatus {
            worker: self.inner.worker.state(),
            training: self.inner.training.lock().clone(),
            models,
            out_of_time: self.inner.routes.out_of_time(),
        }
    }

    /// How a live model is; `None` if none of its versions is.
    pub fn model_status(&self, model: ModelId) -> Option<RunnerStatus> {
        let runners = self.inner.runners.lock();
        runners.get(&model).map(|running| running.handle.status())
    }

    /// The worker, to follow its state or to start it at once.
    pub fn worker(&self) -> &WorkerHandle {
        &self.inner.worker
    }

    /// Looks through the models now.
    pub fn review(&self) {
        self.inner.review_now.notify_one();
    }

    /// Ends training, models and worker.
    pub async fn stop(&self) {
        self.inner.stopping.cancel();
        let review = self.inner.review.lock().take();
        if let Some(review) = review {
            let _ = review.await;
        }
        self.inner.routes.set(&[]);
        let runners: Vec<_> = self.inner.runners.lock().drain().collect();
        for (_, running) in runners {
            running.handle.stop().await;
        }
        self.inner.worker.stop().await;
    }
}

impl LiveSink for MlService {
    /// Hands the samples of a stored message to the models that watch them.
    fn published(&self, batch: &Arc<MessageBatch>) {
        self.inner.routes.published(batch);
    }

    fn kept(&self, samples: &KeptSamples<'_>) -> bool {
        !samples.historical && self.inner.routes.watch(samples.thing, samples.channel)
    }
}

impl Inner {
    async fn train(&self, request: &TrainRequest) -> Result<Version, TrainError> {
        let entry = self.seams.models.model(request.model).await?;
        let entry = entry.ok_or(TrainError::UnknownModel(request.model))?;
        self.trainer.train(&entry, request).await
    }

    async fn keep_reviewing(&self) {
        let mut changed = self.seams.models.changed();
        // Models may have been retired, or gone with their things, while nobody looked.
        let mut may_have_orphans = true;
        loop {
            match self.seams.models.models().await {
                Ok(entries) => {
                    self.reconcile(&entries).await;
                    if may_have_orphans {
                        may_have_orphans = !self.end_orphans(&entries).await;
                    }
                }
                Err(error) => tracing::warn!(%error, "models are left as they are"),
            }
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = self.review_now.notified() => {}
                () = sleep(REVIEW) => {}
                change = changed.changed() => {
                    may_have_orphans = true;
                    if change.is_err() {
                        // Nobody tells any more; look from time to time.
                        sleep(Duration::from_secs(1)).await;
                    }
                }
            }
        }
    }

    /// Makes what runs equal to what is live.
    async fn reconcile(&self, entries: &[ModelEntry]) {
        let live: HashMap<ModelId, LiveModel> = entries
            .iter()
            .filter_map(LiveModel::of)
            .map(|model| (model.id, model))
            .collect();

        let gone: Vec<(ModelId, Running)> = {
            let mut runners = self.runners.lock();
            let ids: Vec<ModelId> = runners
                .keys()
                .filter(|id| !live.contains_key(id))
                .copied()
                .collect();
            ids.into_iter()
                .filter_map(|id| runners.remove(&id).map(|running| (id, running)))
                .collect()
        };
        for (id, running) in gone {
            running.handle.retire().await;
            let _ = self
                .worker
                .call(RequestBody::Unload { model: id.0 }, &[], UNLOAD_DEADLINE)
                .await;
        }

        for (id, model) in live {
            let present = self
                .runners
                .lock()
                .get(&id)
                .map(|running| running.model.clone());
            match present {
                Some(present) if present == model => {}
                Some(present) if present.definition == model.definition => {
                    if let Some(running) = self.runners.lock().get_mut(&id) {
                        running.handle.replace(model.clone());
                        running.model = model;
                    }
                }
                present => {
                    let former = self.runners.lock().remove(&id);
                    if let (Some(_), Some(former)) = (present, former) {
                        former.handle.retire().await;
                    }
                    self.run(model).await;
                }
            }
        }

        let running: Vec<_> = {
            let runners = self.runners.lock();
            runners
                .values()
                .map(|running| {
                    (
                        Arc::clone(&running.model.definition),
                        running.handle.clone(),
                    )
                })
                .collect()
        };
        self.routes.set(&running);
    }

    /// Ends alarms that no live model stands behind. `false`: some are left for later.
    async fn end_orphans(&self, entries: &[ModelEntry]) -> bool {
        let live: HashSet<AlarmId> = entries
            .iter()
            .filter_map(LiveModel::of)
            .filter_map(|model| model.alarm())
            .collect();
        let Seams {
            directory, models, ..
        } = &self.seams;
        end_orphans(models.as_ref(), directory.as_ref(), &live).await
    }

    async fn run(&self, model: LiveModel) {
        match Runner::start(model.clone(), self.surroundings.clone()).await {
            Ok(handle) => {
                self.runners
                    .lock()
                    .insert(model.id, Running { model, handle });
            }
            Err(error) => {
                tracing::error!(model = %model.id, %error, "the model could not be started")
            }
        }
    }
}
