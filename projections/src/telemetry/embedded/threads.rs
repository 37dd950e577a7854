//! The thread that commits and the thread that tidies.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tellee_actors::time::SharedClock;

use super::gather::Gather;
use super::queue::{Queue, Task, Waiting};
use crate::telemetry::engine::Engine;
use crate::telemetry::store::TelemetryError;

/// How often the tidying thread looks without being called.
const LOOK: Duration = Duration::from_secs(1);
/// How long a writer waits at a time for memory to be flushed.
const WAIT: Duration = Duration::from_millis(50);

#[derive(Default)]
struct BellState {
    rung: bool,
    stopped: bool,
    /// Why the last flush failed, if it did.
    failure: Option<Failure>,
    /// Rises with each flush, failed or not.
    flushes: u64,
}

#[derive(Clone)]
enum Failure {
    DiskFull,
    Other(String),
}

impl Failure {
    fn of(error: &TelemetryError) -> Self {
        match error {
            TelemetryError::DiskFull => Self::DiskFull,
            other => Self::Other(other.to_string()),
        }
    }

    fn to_error(&self) -> TelemetryError {
        match self {
            Self::DiskFull => TelemetryError::DiskFull,
            Self::Other(reason) => TelemetryError::Failed(reason.clone()),
        }
    }
}

/// Calls the tidying thread, and tells how it fared.
#[derive(Default)]
pub struct Bell {
    state: Mutex<BellState>,
    changed: Condvar,
}

impl Bell {
    pub fn ring(&self) {
        self.state.lock().rung = true;
        self.changed.notify_all();
    }

    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Waits to be called, at most [`LOOK`]. Answers false when it is time to stop.
    fn wait(&self) -> bool {
        let mut state = self.state.lock();
        if !state.rung && !state.stopped {
            let _timed_out = self.changed.wait_for(&mut state, LOOK);
        }
        state.rung = false;
        !state.stopped
    }

    fn stopped(&self) -> bool {
        self.state.lock().stopped
    }

    fn flushed(&self, result: &Result<bool, TelemetryError>) {
        let mut state = self.state.lock();
        state.failure = result.as_ref().err().map(Failure::of);
        state.flushes += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the end of a flush, at most [`WAIT`]. Answers why the last one failed, if it did.
    fn wait_for_flush(&self) -> Option<TelemetryError> {
        let mut state = self.state.lock();
        let before = state.flushes;
        if state.failure.is_none() && state.flushes == before && !state.stopped {
            let _timed_out = self.changed.wait_for(&mut state, WAIT);
        }
        state.failure.as_ref().map(Failure::to_error)
    }
}

pub struct Threads {
    writer: JoinHandle<()>,
    tidier: JoinHandle<()>,
}

impl Threads {
    pub fn start(
        engine: &Arc<Engine>,
        queue: &Arc<Queue>,
        bell: &Arc<Bell>,
        clock: &SharedClock,
        commit_bytes: usize,
    ) -> Result<Self, TelemetryError> {
        let cannot = |error: std::io::Error| {
            TelemetryError::Failed(format!("cannot start a thread: {error}"))
        };
        let writer = Writer {
            engine: Arc::clone(engine),
            queue: Arc::clone(queue),
            bell: Arc::clone(bell),
            clock: Arc::clone(clock),
            commit_bytes,
        };
        let writer = Builder::new()
            .name("telemetry-log".to_owned())
            .spawn(move || writer.run())
            .map_err(cannot)?;
        let (engine, bell, clock) = (Arc::clone(engine), Arc::clone(bell), Arc::clone(clock));
        let tidier = Builder::new()
            .name("telemetry-tidy".to_owned())
            .spawn(move || tidy(&engine, &bell, &clock))
            .map_err(cannot)?;
        Ok(Self { writer, tidier })
    }

    pub fn join(self) {
        for thread in [self.writer, self.tidier] {
            if thread.join().is_err() {
                tracing::error!("a telemetry thread panicked");
            }
        }
    }
}

struct Writer {
    engine: Arc<Engine>,
    queue: Arc<Queue>,
    bell: Arc<Bell>,
    clock: SharedClock,
    commit_bytes: usize,
}

impl Writer {
    fn run(&self) {
        let (mut taken, mut gather) = (Vec::new(), Gather::default());
        while self.queue.take(&mut taken, LOOK, &mut gather) {
            let mut rest = std::mem::take(&mut taken);
            while !rest.is_empty() {
                let group = self.next_group(&mut rest);
                self.commit(group);
            }
            taken = rest;
        }
    }

    /// The tasks that go into one commit: a retention alone, else appends up to the size of a commit.
    fn next_group(&self, rest: &mut Vec<Waiting>) -> Vec<Waiting> {
        let mut bytes = 0;
        let mut count = 0;
        for waiting in rest.iter() {
            let alone = matches!(waiting.task, Task::Retain(..));
            if count > 0 && (alone || bytes + waiting.bytes > self.commit_bytes) {
                break;
            }
            bytes += waiting.bytes;
            count += 1;
            if alone {
                break;
            }
        }
        if count == rest.len() {
            return std::mem::take(rest);
        }
        rest.drain(..count).collect()
    }

    fn commit(&self, group: Vec<Waiting>) {
        let result =
            self.make_room()
                .and_then(|()| match group.first().map(|waiting| &waiting.task) {
                    Some(Task::Retain(channel, before)) => self.engine.retain(*channel, *before),
                    _ => self
                        .engine
                        .commit(group.iter().flat_map(|waiting| waiting.task.incoming())),
                });
        // One batch that cannot be kept must not take its neighbours with it.
        if matches!(&result, Err(error) if is_own_fault(error)) && group.len() > 1 {
            for waiting in group {
                self.commit(vec![waiting]);
            }
            return;
        }
        self.queue
            .release(group.iter().map(|waiting| waiting.bytes).sum());
        for waiting in group {
            // Whoever asked may have gone; the samples stay.
            let _ = waiting.answer.send(copy_of(&result));
        }
        if self.engine.wants_flush(self.clock.now()) {
            self.bell.ring();
        }
    }

    /// Waits until memory can take more, or says why it cannot.
    fn make_room(&self) -> Result<(), TelemetryError> {
        while self.engine.must_wait() {
            self.bell.ring();
            if let Some(error) = self.bell.wait_for_flush() {
                return Err(error);
            }
            if self.bell.stopped() {
                return Err(TelemetryError::Closed);
            }
        }
        Ok(())
    }
}

/// Whether one batch of a group is to blame, and the others are well.
const fn is_own_fault(error: &TelemetryError) -> bool {
    matches!(
        error,
        TelemetryError::Invalid { .. } | TelemetryError::UnknownSeries(_)
    )
}

fn copy_of(result: &Result<(), TelemetryError>) -> Result<(), TelemetryError> {
    let Err(error) = result else {
        return Ok(());
    };
    Err(match error {
        TelemetryError::Overloaded => TelemetryError::Overloaded,
        TelemetryError::DiskFull => TelemetryError::DiskFull,
        TelemetryError::Closed => TelemetryError::Closed,
        TelemetryError::UnknownSeries(id) => TelemetryError::UnknownSeries(*id),
        TelemetryError::Invalid { field, reason } => TelemetryError::Invalid {
            field,
            reason: reason.clone(),
        },
        other => TelemetryError::Failed(other.to_string()),
    })
}

fn tidy(engine: &Engine, bell: &Bell, clock: &SharedClock) {
    while bell.wait() {
        if engine.wants_flush(clock.now()) {
            let flushed = engine.flush();
            if let Err(error) = &flushed {
                tracing::warn!(%error, "cannot write telemetry blocks, will try again");
            }
            bell.flushed(&flushed);
            if flushed.is_err() {
                continue;
            }
        }
        // A flush that is due goes before the next piece of tidying.
        while !bell.stopped() && !engine.wants_flush(clock.now()) {
            match engine.compact() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "cannot compact telemetry blocks, will try again");
                    break;
                }
            }
        }
    }
}
