//! The actor that keeps a worker running.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr};
use serde::Serialize;
use tellee_actors::time::{SharedClock, Timestamp};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::backoff::{Deaths, RestartPolicy, Verdict};
use super::process::{CallError, Launch, Process, StartError};
use crate::protocol::{ReplyBody, RequestBody};

/// How the worker is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum WorkerState {
    /// The program or libtorch is not installed. Looked for again from time to time.
    Absent {
        reason: String,
    },
    Starting,
    Ready,
    /// It died and is started again at `until`.
    BackingOff {
        until: Timestamp,
        reason: String,
    },
    /// It died too often. One more try at `until`, or when told to.
    Broken {
        until: Timestamp,
        reason: String,
    },
    /// Tellee is stopping.
    Stopped,
}

/// A worker that has said hello.
#[derive(Debug)]
struct Live {
    /// Counts the workers: what a former one had loaded, this one has not.
    generation: u64,
    process: Process,
}

/// The way to the worker, whichever runs at the moment.
#[derive(Debug, Clone)]
pub struct WorkerHandle {
    live: Arc<ArcSwapOption<Live>>,
    state: watch::Receiver<WorkerState>,
    actor: ActorRef<Message>,
}

impl WorkerHandle {
    /// Asks the worker that runs at the moment.
    pub async fn call(
        &self,
        body: RequestBody,
        payload: &[f32],
        deadline: Duration,
    ) -> Result<(ReplyBody, Vec<f32>), CallError> {
        let Some(live) = self.live.load_full() else {
            return Err(CallError::Unavailable {
                reason: self.why_not(),
            });
        };
        live.process.call(body, payload, deadline).await
    }

    /// The number of the worker that runs at the moment.
    pub fn generation(&self) -> Option<u64> {
        self.live.load().as_ref().map(|live| live.generation)
    }

    pub fn state(&self) -> WorkerState {
        self.state.borrow().clone()
    }

    /// Follows the state.
    pub fn watch(&self) -> watch::Receiver<WorkerState> {
        self.state.clone()
    }

    /// Starts the worker now if it is not running, whatever happened before.
    pub fn start_now(&self) {
        let _ = self.actor.cast(Message::Start);
    }

    /// Ends the worker and does not start it again.
    pub async fn stop(&self) {
        let _ = self.actor.cast(Message::Stop);
        let mut state = self.state.clone();
        let _ = state.wait_for(|state| *state == WorkerState::Stopped).await;
    }

    /// The operating system's number of the worker's process.
    pub fn process_id(&self) -> Option<u32> {
        self.live
            .load()
            .as_ref()
            .and_then(|live| live.process.process_id())
    }

    fn why_not(&self) -> String {
        match self.state() {
            WorkerState::Absent { reason } | WorkerState::Broken { reason, .. } => reason,
            WorkerState::BackingOff { reason, .. } => format!("it is started again soon; {reason}"),
            WorkerState::Starting | WorkerState::Ready => "it is starting".to_owned(),
            WorkerState::Stopped => "tellee is stopping".to_owned(),
        }
    }
}

/// What the supervisor is told: by its handle and by its own tasks.
#[derive(Debug)]
pub enum Message {
    Start,
    /// The delay before start number `plan` is over.
    StartPlanned {
        plan: u64,
    },
    Started(Result<Process, StartError>),
    Gone {
        generation: u64,
        reason: String,
    },
    Stop,
}

/// Starts the worker, and starts it again when it dies, with a growing delay and a breaker.
#[derive(Debug)]
pub struct Supervisor;

/// What the supervisor is started with.
pub struct Arguments {
    launch: Launch,
    policy: RestartPolicy,
    clock: SharedClock,
    live: Arc<ArcSwapOption<Live>>,
    state: watch::Sender<WorkerState>,
}

/// What the supervisor remembers.
pub struct Memory {
    arguments: Arguments,
    deaths: Deaths,
    generation: u64,
    /// A start is under way.
    starting: bool,
    /// Counts the planned starts: only the newest counts.
    plan: u64,
}

impl Supervisor {
    /// Starts the actor, which starts the worker. Returns at once: the worker may come up later, or never.
    pub async fn start(
        launch: Launch,
        policy: RestartPolicy,
        clock: SharedClock,
    ) -> Result<WorkerHandle, SpawnErr> {
        let live = Arc::new(ArcSwapOption::empty());
        let (sender, state) = watch::channel(WorkerState::Starting);
        let arguments = Arguments {
            launch,
            policy,
            clock,
            live: Arc::clone(&live),
            state: sender,
        };
        let (actor, _) = Actor::spawn(None, Self, arguments).await?;
        Ok(WorkerHandle { live, state, actor })
    }
}

#[async_trait]
impl Actor for Supervisor {
    type Msg = Message;
    type State = Memory;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        arguments: Arguments,
    ) -> Result<Memory, ActorProcessingErr> {
        myself.cast(Message::Start)?;
        Ok(Memory {
            arguments,
            deaths: Deaths::default(),
            generation: 0,
            starting: false,
            plan: 0,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        memory: &mut Memory,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Start => memory.begin(&myself),
            Message::StartPlanned { plan } if plan == memory.plan => memory.begin(&myself),
            Message::StartPlanned { .. } => {}
            Message::Started(result) => memory.started(&myself, result),
            Message::Gone { generation, reason } if generation == memory.generation => {
                memory.arguments.live.store(None);
                tracing::warn!(reason, "model worker died");
                memory.died(&myself, reason);
            }
            Message::Gone { .. } => {}
            Message::Stop => {
                if let Some(live) = memory.arguments.live.swap(None) {
                    live.process.kill();
                    live.process.gone().await;
                }
                memory.arguments.state.send_replace(WorkerState::Stopped);
                myself.stop(None);
            }
        }
        Ok(())
    }
}

impl Memory {
    fn begin(&mut self, myself: &ActorRef<Message>) {
        if self.starting || self.arguments.live.load().is_some() {
            return;
        }
        self.starting = true;
        self.plan += 1;
        self.arguments.state.send_replace(WorkerState::Starting);
        let (launch, hello) = (self.arguments.launch.clone(), self.arguments.policy.hello);
        let myself = myself.clone();
        tokio::spawn(async move {
            let result = Process::start(&launch, hello).await;
            let _ = myself.cast(Message::Started(result));
        });
    }

    fn started(&mut self, myself: &ActorRef<Message>, result: Result<Process, StartError>) {
        self.starting = false;
        match result {
            Ok(process) => {
                self.generation += 1;
                let live = Arc::new(Live {
                    generation: self.generation,
                    process,
                });
                self.arguments.live.store(Some(Arc::clone(&live)));
                self.arguments.state.send_replace(WorkerState::Ready);
                let myself = myself.clone();
                tokio::spawn(async move {
                    let reason = live.process.gone().await;
                    let _ = myself.cast(Message::Gone {
                        generation: live.generation,
                        reason,
                    });
                });
            }
            Err(StartError::Absent { reason }) => {
                tracing::warn!(reason, "models are off");
                self.arguments
                    .state
                    .send_replace(WorkerState::Absent { reason });
                self.plan_start(myself, self.arguments.policy.absent);
            }
            Err(StartError::Failed { reason }) => {
                tracing::warn!(reason, "model worker did not start");
                self.died(myself, reason);
            }
        }
    }

    fn died(&mut self, myself: &ActorRef<Message>, reason: String) {
        let verdict = self
            .deaths
            .record(&self.arguments.policy, Instant::now(), chance());
        let (Verdict::RestartAfter(delay) | Verdict::Rest(delay)) = verdict;
        let until = self.arguments.clock.now().saturating_add(delay);
        self.arguments.state.send_replace(match verdict {
            Verdict::RestartAfter(_) => WorkerState::BackingOff { until, reason },
            Verdict::Rest(_) => {
                tracing::error!(reason, "model worker died too often and rests");
                WorkerState::Broken { until, reason }
            }
        });
        self.plan_start(myself, delay);
    }

    fn plan_start(&mut self, myself: &ActorRef<Message>, delay: Duration) {
        self.plan += 1;
        let plan = self.plan;
        let myself = myself.clone();
        tokio::spawn(async move {
            sleep(delay).await;
            let _ = myself.cast(Message::StartPlanned { plan });
        });
    }
}

/// 0 to below 1, out of the random bits of a UUID.
fn chance() -> f64 {
    (uuid::Uuid::new_v4().as_u128() >> 96) as f64 / 2_f64.powi(32)
}
