//! The alarm watch: evaluates alarm rules on live samples and tells alarms what it found.
//!
//! Things are spread over a few workers, so that the samples of one thing are evaluated in their order. A worker never
//! makes a publisher wait and loses no sample: what its queue cannot take it reads from the telemetry store later
//! (see `intake`). What was found is delivered until the alarm has answered (see `outbox`).
//!
//! On a start, and after each change of a rule, alarms are taken as they stand, and the newest sample of each watched
//! series is evaluated if its source time is newer than what the alarm knows. Samples in between, from while the server
//! was down, are not gone through: a condition that came and went in that time raises nothing.

mod intake;
mod outbox;
mod reconcile;
mod rules;
mod series;
mod shelving;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tellee_actors::domain::alarm_watch::LATENESS;
use tellee_actors::entity::Directory;
use tellee_actors::ids::ThingId;
use tellee_actors::time::SharedClock;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::intake::Intake;
pub use self::outbox::Deliveries;
use self::outbox::Outbox;
pub use self::rules::{Rule, RuleBook, Rules};
use self::worker::Worker;
use crate::Projections;
use crate::access::Access;
use crate::alarms::Alarms;
use crate::live::{KeptSamples, LiveSink};
use crate::registry::Registry;
use crate::telemetry::{MessageBatch, TelemetryStore};

/// Sizes of an [`AlarmWatch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmWatchConfig {
    pub workers: usize,
    /// Records that may wait for one worker; beyond them it reads from the telemetry store.
    pub queue_records: usize,
    /// How often silence and shelving are looked at.
    pub tick: Duration,
    /// A sample older than this when it came fills history and raises nothing.
    pub lateness: Duration,
}

impl Default for AlarmWatchConfig {
    fn default() -> Self {
        Self {
            workers: 2,
            queue_records: 65_536,
            tick: Duration::from_secs(1),
            lateness: LATENESS,
        }
    }
}

/// What the watch did since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AlarmWatchStatus {
    /// Samples that a rule saw.
    pub evaluated: u64,
    /// Batches that did not fit into a queue and were read from the telemetry store instead.
    pub passed_over: u64,
    /// Samples read from the telemetry store for that.
    pub caught_up: u64,
    /// Records that wait.
    pub queued: usize,
    pub deliveries: Deliveries,
}

/// Runs the rules. Add it to the live hub as a sink.
pub struct AlarmWatch {
    shared: Arc<Shared>,
    intakes: Vec<Arc<Intake>>,
    tasks: Mutex<JoinSet<()>>,
}

struct Shared {
    config: AlarmWatchConfig,
    rules: Arc<RuleBook>,
    access: Arc<Access>,
    alarms: Alarms,
    registry: Registry,
    telemetry: Arc<dyn TelemetryStore>,
    clock: SharedClock,
    directory: Arc<dyn Directory>,
    outbox: Outbox,
    counters: Counters,
    stop: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Counters {
    evaluated: AtomicU64,
    passed_over: AtomicU64,
    caught_up: AtomicU64,
}

impl Shared {
    fn worker_of(&self, thing: ThingId) -> usize {
        let spread = thing.0.as_u128();
        let workers = self.config.workers.max(1) as u128;
        // The remainder of a number below `usize::MAX` fits.
        usize::try_from((spread ^ (spread >> 64)) % workers).unwrap_or(0)
    }
}

/// Ends when the watch is told to stop.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that nobody can tell any more; that is a stop too.
    drop(stopping.wait_for(|stop| *stop).await);
}

impl AlarmWatch {
    pub fn start(
        directory: Arc<dyn Directory>,
        projections: &Projections,
        telemetry: Arc<dyn TelemetryStore>,
        clock: SharedClock,
        config: AlarmWatchConfig,
    ) -> Arc<Self> {
        let shared = Arc::new(Shared {
            rules: Arc::clone(projections.rules()),
            access: Arc::clone(projections.access()),
            alarms: projections.alarms().clone(),
            registry: projections.registry().clone(),
            telemetry,
            clock,
            outbox: Outbox::new(Arc::clone(&directory)),
            directory,
            counters: Counters::default(),
            stop: watch::Sender::new(false),
            config,
        });
        let mut tasks = JoinSet::new();
        let mut intakes = Vec::new();
        for index in 0..shared.config.workers.max(1) {
            let intake = Arc::new(Intake::new(shared.config.queue_records));
            let worker = Worker::new(Arc::clone(&shared), index, Arc::clone(&intake));
            tasks.spawn(worker.run(shared.stop.subscribe()));
            intakes.push(intake);
        }
        tasks.spawn(shelving::expire(
            Arc::clone(&shared),
            shared.stop.subscribe(),
        ));
        Arc::new(Self {
            shared,
            intakes,
            tasks: Mutex::new(tasks),
        })
    }

    pub fn status(&self) -> AlarmWatchStatus {
        let counters = &self.shared.counters;
        AlarmWatchStatus {
            evaluated: counters.evaluated.load(Ordering::Relaxed),
            passed_over: counters.passed_over.load(Ordering::Relaxed),
            caught_up: counters.caught_up.load(Ordering::Relaxed),
            queued: self.intakes.iter().map(|intake| intake.records()).sum(),
            deliveries: self.shared.outbox.deliveries(),
        }
    }

    /// Works off what is queued and delivers what was found, no longer than `deadline`. True: all of it.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.shared.stop.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        let finish = async {
            while let Some(ended) = tasks.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a worker of the alarm watch ended badly");
                }
            }
            self.shared.outbox.settled().await;
        };
        tokio::time::timeout(deadline, finish).await.is_ok()
    }
}

impl LiveSink for AlarmWatch {
    fn published(&self, batch: &Arc<MessageBatch>) {
        if *self.shared.stop.borrow() {
            return;
        }
        let rules = self.shared.rules.present();
        if batch
            .records
            .iter()
            .all(|record| rules.named(&record.name).is_empty())
        {
            return;
        }
        let intake = &self.intakes[self.shared.worker_of(batch.thing)];
        if !intake.push(batch) {
            self.shared
                .counters
                .passed_over
                .fetch_add(1, Ordering::Relaxed);
        }
    }
    fn kept(&self, samples: &KeptSamples<'_>) -> bool {
        let rules = self.shared.rules.present();
        !rules.is_idle() && samples.names.any(&mut |name| !rules.named(name).is_empty())
    }
}
