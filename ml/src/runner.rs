//! The actor of one live model: readings to windows, windows to scores, scores to telemetry and alarms.

mod backlog;
mod intake;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr};
use serde::Serialize;
use tellee_actors::command::{AskError, Command, CommandContext};
use tellee_actors::entity::Directory;
use tellee_actors::ids::EntityId;
use tellee_actors::time::{SharedClock, Timestamp};
use tellee_projections::telemetry::{MessageBatch, TelemetryStore};
use tokio::time::timeout;

use self::backlog::{Backlog, PendingWindow};
pub use self::intake::{Intake, SignalReading};
use crate::grid::Grid;
use crate::models::ModelsView;
use crate::persistence::{Persistence, Transition};
use crate::protocol::{ReplyBody, RequestBody, Scored};
use crate::scores::{LiveModel, WindowScore};
use crate::window::{Window, WindowState};
use crate::worker::{CallError, WorkerHandle};

/// How long a signal's last value holds, in periods of the grid.
pub const TOLERANCE_PERIODS: u32 = 3;
/// Readings that may wait for a model.
const INTAKE_CAPACITY: usize = 16_384;
/// Windows of one call to the worker.
const BATCH: usize = 64;
const LOAD_DEADLINE: Duration = Duration::from_secs(60);
const SCORE_DEADLINE: Duration = Duration::from_secs(10);
const APPEND_DEADLINE: Duration = Duration::from_secs(10);
/// An alarm is raised with the names of series rather than late with their titles.
const TITLES_DEADLINE: Duration = Duration::from_secs(2);
/// Why an alarm returns that no score ended.
pub const NOT_LIVE: &str = "no version of the model is live any more";
/// How often to look for what could not be done before.
const TICK: Duration = Duration::from_secs(1);
/// What kills the worker as often is not tried again.
const MAX_DEATHS: u32 = 2;

/// Told of each message of scores after it was stored.
pub type ScoreListener = Arc<dyn Fn(&Arc<MessageBatch>) + Send + Sync>;

/// What all models share.
#[derive(Clone)]
pub struct Surroundings {
    pub worker: WorkerHandle,
    pub telemetry: Arc<dyn TelemetryStore>,
    pub directory: Arc<dyn Directory>,
    pub clock: SharedClock,
    /// The folder of the artifacts: `<models>/<model>/<version>`.
    pub models: PathBuf,
    pub view: Arc<dyn ModelsView>,
    pub on_scores: ScoreListener,
}

/// How a live model is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunnerStatus {
    pub version: u32,
    /// The worker has it.
    pub loaded: bool,
    /// Why it does not score, if it cannot.
    pub failure: Option<String>,
    pub scored: u64,
    /// Rows for which nothing can be said: a value is missing.
    pub unknown: u64,
    /// Readings that came after their row was given out.
    pub late: u64,
    /// Readings, windows and scores that got lost under load or failure.
    pub dropped: u64,
    pub last_score: Option<f32>,
    pub last_scored_at: Option<Timestamp>,
    pub abnormal: bool,
}

/// The way to a running model.
#[derive(Debug, Clone)]
pub struct RunnerHandle {
    actor: ActorRef<Message>,
    intake: Arc<Intake>,
    status: Arc<Mutex<RunnerStatus>>,
}

impl RunnerHandle {
    /// Hands over a reading; never waits.
    pub fn push(&self, reading: SignalReading) {
        if self.intake.push(reading) {
            let _ = self.actor.cast(Message::Wake);
        }
    }

    /// Scores with another version of the same model from now on; windows and alarm go on.
    pub fn replace(&self, model: LiveModel) {
        let _ = self.actor.cast(Message::Replace(Box::new(model)));
    }

    pub fn status(&self) -> RunnerStatus {
        let mut status = self.status.lock().clone();
        status.dropped += self.intake.dropped();
        status
    }

    /// Ends the model for good: an alarm that it raised returns, as nobody judges it any more.
    pub async fn retire(&self) {
        let _ = self.actor.cast(Message::Retire);
        let _ = self.actor.drain_and_wait(Some(SCORE_DEADLINE)).await;
    }

    pub async fn stop(&self) {
        let _ = self.actor.stop_and_wait(None, Some(SCORE_DEADLINE)).await;
    }
}

/// What the actor is told.
#[derive(Debug)]
pub enum Message {
    Retire,
    Wake,
    Tick,
    Replace(Box<LiveModel>),
}

/// See the head of this file.
#[derive(Debug)]
pub struct Runner;

impl Runner {
    pub async fn start(
        model: LiveModel,
        surroundings: Surroundings,
    ) -> Result<RunnerHandle, SpawnErr> {
        let intake = Arc::new(Intake::new(INTAKE_CAPACITY));
        let status = Arc::new(Mutex::new(RunnerStatus {
            version: model.version,
            ..RunnerStatus::default()
        }));
        let memory = Memory::new(
            model,
            surroundings,
            Arc::clone(&intake),
            Arc::clone(&status),
        );
        let (actor, _) = Actor::spawn(None, Self, memory).await?;
        Ok(RunnerHandle {
            actor,
            intake,
            status,
        })
    }
}

#[async_trait]
impl Actor for Runner {
    type Msg = Message;
    type State = Memory;
    type Arguments = Memory;

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        memory: Memory,
    ) -> Result<Memory, ActorProcessingErr> {
        myself.cast(Message::Tick)?;
        myself.send_interval(TICK, || Message::Tick);
        Ok(memory)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Message>,
        message: Message,
        memory: &mut Memory,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Wake => memory.take_readings(),
            Message::Tick => {}
            Message::Replace(model) => memory.replace(*model),
            Message::Retire => {
                memory.retire().await;
                return Ok(());
            }
        }
        memory.work().await;
        Ok(())
    }
}

/// What the actor remembers.
pub struct Memory {
    model: LiveModel,
    surroundings: Surroundings,
    intake: Arc<Intake>,
    status: Arc<Mutex<RunnerStatus>>,
    grid: Grid,
    window: Window,
    backlog: Backlog,
    persistence: Persistence,
    /// The worker that has the model.
    loaded_by: Option<u64>,
    /// Deaths of the worker over this version, or over the windows that are first in the backlog.
    deaths_by_load: u32,
    deaths_by_score: u32,
    last: Option<WindowScore>,
    /// The newest change of the alarm that could not be told yet.
    untold: Option<(EntityId, Command, CommandContext)>,
}

impl Memory {
    fn new(
        model: LiveModel,
        surroundings: Surroundings,
        intake: Arc<Intake>,
        status: Arc<Mutex<RunnerStatus>>,
    ) -> Self {
        let signals = model.definition.signals.len();
        let window = model.definition.window as usize;
        let period = Duration::from_millis(model.definition.sample_period_ms);
        Self {
            grid: Grid::new(signals, period, period.saturating_mul(TOLERANCE_PERIODS)),
            window: Window::new(window, signals),
            backlog: Backlog::for_windows_of(window * signals),
            persistence: Persistence::new(model.definition.persistence),
            loaded_by: None,
            deaths_by_load: 0,
            deaths_by_score: 0,
            last: None,
            untold: None,
            model,
            surroundings,
            intake,
            status,
        }
    }

    fn take_readings(&mut self) {
        for (signal, reading) in self.intake.take() {
            self.grid.push(signal, reading);
            while let Some(row) = self.grid.next_row() {
                match self.window.push(&row) {
                    WindowState::Filling => {}
                    WindowState::Unknown => self.status.lock().unknown += 1,
                    WindowState::Ready(values) => {
                        let dropped = self.backlog.push(PendingWindow {
                            time: row.time,
                            values,
                        });
                        self.status.lock().dropped += dropped;
                    }
                }
            }
        }
        self.status.lock().late = self.grid.late();
    }

    fn replace(&mut self, model: LiveModel) {
        self.loaded_by = None;
        self.deaths_by_load = 0;
        let mut status = self.status.lock();
        status.version = model.version;
        status.loaded = false;
        status.failure = None;
        drop(status);
        self.model = model;
    }

    /// Does what can be done: load, score, tell. What cannot be done waits for the next tick.
    async fn work(&mut self) {
        if self.load().await {
            while !self.backlog.is_empty() {
                if !self.score().await {
                    break;
                }
            }
        }
        self.tell().await;
    }

    /// Whether the worker that runs has the model.
    async fn load(&mut self) -> bool {
        let generation = self.surroundings.worker.generation();
        if generation.is_none() {
            self.status.lock().loaded = false;
            return false;
        }
        if self.loaded_by == generation {
            return self.status.lock().failure.is_none();
        }
        if self.deaths_by_load >= MAX_DEATHS {
            return false;
        }
        let version = self.model.version;
        let body = RequestBody::Load {
            model: self.model.id.0,
            version,
            folder: self
                .surroundings
                .models
                .join(self.model.id.to_string())
                .join(version.to_string()),
            artifact: self.model.artifact.clone(),
        };
        let result = self
            .surroundings
            .worker
            .call(body, &[], LOAD_DEADLINE)
            .await;
        let failure = match result {
            Ok((ReplyBody::Loaded(loaded), _)) => {
                let definition = &self.model.definition;
                let fits = loaded.signals as usize == definition.signals.len()
                    && loaded.window == definition.window;
                (!fits).then(|| "the artifact is of another shape than the model".to_owned())
            }
            Ok(_) => Some("the worker gave another answer than was asked for".to_owned()),
            Err(error @ (CallError::Died { .. } | CallError::TimedOut)) => {
                self.deaths_by_load += 1;
                if self.deaths_by_load < MAX_DEATHS {
                    return false;
                }
                tracing::error!(model = %self.model.id, version, %error, "the model kills its worker");
                self.status.lock().failure = Some(format!("loading it kills the worker: {error}"));
                return false;
            }
            Err(error) if error.is_retryable() => return false,
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = &failure {
            tracing::error!(model = %self.model.id, version, reason, "the model cannot be loaded");
        }
        self.loaded_by = generation;
        let mut status = self.status.lock();
        status.loaded = failure.is_none();
        status.failure = failure;
        status.loaded
    }

    /// Scores the first windows of the backlog. `false`: not now.
    async fn score(&mut self) -> bool {
        let windows = self.backlog.first(BATCH);
        let payload: Vec<f32> = windows
            .iter()
            .flat_map(|window| window.values.iter().copied())
            .collect();
        let count = windows.len();
        let body = RequestBody::Score {
            model: self.model.id.0,
            version: self.model.version,
            batch: count as u32,
        };
        match self
            .surroundings
            .worker
            .call(body, &payload, SCORE_DEADLINE)
            .await
        {
            Ok((ReplyBody::Scored(shape), payload)) => {
                self.deaths_by_score = 0;
                let windows = self.backlog.remove(count);
                let fits = shape.batch as usize == count
                    && shape.signals as usize == self.model.definition.signals.len();
                match shape.unpack(&payload).filter(|_| fits) {
                    Some(results) => self.keep(windows, results).await,
                    None => self.status.lock().dropped += count as u64,
                }
                true
            }
            Err(CallError::Died { .. } | CallError::TimedOut) => {
                self.deaths_by_score += 1;
                if self.deaths_by_score >= MAX_DEATHS {
                    tracing::error!(model = %self.model.id, windows = count, "windows that kill the worker are left out");
                    self.deaths_by_score = 0;
                    self.status.lock().dropped += self.backlog.remove(count).len() as u64;
                }
                false
            }
            Err(error) if error.is_retryable() => false,
            Ok(_) | Err(_) => {
                self.status.lock().dropped += self.backlog.remove(count).len() as u64;
                // Whatever the worker has is not what was asked for: load again.
                self.loaded_by = None;
                false
            }
        }
    }

    /// Stores the scores, then lets them change the alarm.
    async fn keep(&mut self, windows: VecDeque<PendingWindow>, results: Vec<Scored>) {
        let signals = self.model.definition.signals.len();
        let scores: Vec<WindowScore> = windows
            .into_iter()
            .zip(results)
            .map(|(window, scored)| {
                let last = window.values.len().saturating_sub(signals);
                let actual = window.values.get(last..).unwrap_or_default().to_vec();
                WindowScore {
                    time: window.time,
                    scored,
                    actual,
                }
            })
            .collect();
        let now = self.surroundings.clock.now();
        self.store(&scores, now).await;
        for window in &scores {
            let abnormal = self.model.is_abnormal(window.scored.score);
            self.note_score(window, abnormal);
            if let Some(transition) = self.persistence.observe(abnormal) {
                let titles = self.titles(transition).await;
                // Only the newest change counts: an alarm that came and went untold is no alarm any more.
                self.untold = self.model.alarm_command(transition, window, &titles, now);
            }
        }
        self.last = scores.into_iter().next_back();
    }

    fn note_score(&self, window: &WindowScore, abnormal: bool) {
        let mut status = self.status.lock();
        status.scored += 1;
        status.last_score = Some(window.scored.score);
        status.last_scored_at = Some(window.time);
        status.abnormal = abnormal;
    }

    /// The titles that the message of an alarm needs.
    async fn titles(&self, transition: Transition) -> HashMap<String, String> {
        if transition == Transition::Return {
            return HashMap::new();
        }
        let (organisation, thing) = (self.model.organisation, self.model.definition.thing);
        let titles = self.surroundings.view.titles(organisation, thing);
        match timeout(TITLES_DEADLINE, titles).await {
            Ok(Ok(titles)) => titles,
            Ok(Err(error)) => {
                tracing::warn!(model = %self.model.id, %error, "an alarm is raised without titles");
                HashMap::new()
            }
            Err(_) => HashMap::new(),
        }
    }

    async fn retire(&mut self) {
        let Some(last) = self.last.take().filter(|_| self.persistence.is_active()) else {
            return;
        };
        let now = self.surroundings.clock.now();
        let command = self
            .model
            .alarm_command(Transition::Return, &last, &HashMap::new(), now);
        self.untold = command.map(|(entity, command, mut context)| {
            context.note = Some(NOT_LIVE.to_owned());
            (entity, command, context)
        });
        self.tell().await;
    }

    async fn store(&self, scores: &[WindowScore], now: Timestamp) {
        let Some(message) = self.model.message(scores, now).map(Arc::new) else {
            return;
        };
        let append = self.surroundings.telemetry.append(Arc::clone(&message));
        match timeout(APPEND_DEADLINE, append).await {
            Ok(Ok(_)) => (self.surroundings.on_scores)(&message),
            Ok(Err(error)) => {
                tracing::warn!(model = %self.model.id, %error, "scores could not be stored");
                self.status.lock().dropped += scores.len() as u64;
            }
            Err(_) => self.status.lock().dropped += scores.len() as u64,
        }
    }

    async fn tell(&mut self) {
        let Some((entity, command, context)) = self.untold.take() else {
            return;
        };
        let asked = self
            .surroundings
            .directory
            .ask(entity, command.clone(), context.clone());
        match timeout(context.timeout, asked).await {
            Ok(Ok(_)) => {}
            // A return of an alarm that never was.
            Ok(Err(AskError::Rejected(rejection))) => {
                tracing::debug!(%entity, %rejection, "the alarm did not change")
            }
            Ok(Err(error)) if !error.is_retryable() => {
                tracing::error!(%entity, %error, "the alarm did not change")
            }
            Ok(Err(_)) | Err(_) => self.untold = Some((entity, command, context)),
        }
    }
}
