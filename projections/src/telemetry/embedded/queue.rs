//! What waits for the thread that commits, bounded by bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;
use tokio::sync::oneshot;

use super::gather::Gather;
use crate::telemetry::model::MessageBatch;
use crate::telemetry::samples::{Incoming, SampleBatch};
use crate::telemetry::store::TelemetryError;

pub enum Task {
    Append(Arc<MessageBatch>),
    AppendAll(Vec<Arc<MessageBatch>>),
    Samples(Arc<SampleBatch>),
    Retain(ChannelId, Timestamp),
}

impl Task {
    /// What it wants kept.
    pub fn incoming(&self) -> impl Iterator<Item = Incoming<'_>> + Clone {
        let (messages, samples) = match self {
            Self::Append(batch) => (std::slice::from_ref(batch), None),
            Self::AppendAll(batches) => (batches.as_slice(), None),
            Self::Samples(batch) => (&[][..], Some(batch)),
            Self::Retain(..) => (&[][..], None),
        };
        let messages = messages.iter().map(Incoming::from);
        messages.chain(samples.into_iter().map(Incoming::from))
    }
}

pub struct Waiting {
    pub task: Task,
    pub bytes: usize,
    pub answer: oneshot::Sender<Result<(), TelemetryError>>,
}

#[derive(Default)]
struct Inner {
    waiting: Vec<Waiting>,
    bytes: usize,
    closed: bool,
    /// How many tasks the thread that commits waits for. 0: it does not wait.
    wanted: usize,
}

pub struct Queue {
    inner: Mutex<Inner>,
    filled: Condvar,
    capacity: usize,
    refused: AtomicU64,
}

impl Queue {
    pub fn new(capacity: usize) -> Self {
        Self {
            inner: Mutex::default(),
            filled: Condvar::new(),
            capacity,
            refused: AtomicU64::new(0),
        }
    }

    /// A task larger than the whole queue gets in when it is empty.
    pub fn push(
        &self,
        task: Task,
        bytes: usize,
    ) -> Result<oneshot::Receiver<Result<(), TelemetryError>>, TelemetryError> {
        let (answer, receiver) = oneshot::channel();
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(TelemetryError::Closed);
        }
        if inner.bytes > 0 && inner.bytes + bytes > self.capacity {
            drop(inner);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(TelemetryError::Overloaded);
        }
        inner.bytes += bytes;
        inner.waiting.push(Waiting {
            task,
            bytes,
            answer,
        });
        let enough =
            inner.wanted > 0 && (inner.waiting.len() >= inner.wanted || self.is_crowded(&inner));
        if enough {
            inner.wanted = 0;
        }
        drop(inner);
        if enough {
            self.filled.notify_one();
        }
        Ok(receiver)
    }

    /// Moves all that waits into `taken`; waits for it up to `patience`, and where many ask at the same time a little
    /// longer for as many as `gather` expects. Answers false once closed and empty.
    pub fn take(&self, taken: &mut Vec<Waiting>, patience: Duration, gather: &mut Gather) -> bool {
        let mut inner = self.inner.lock();
        let least = gather.least(inner.waiting.len());
        if inner.waiting.is_empty() && !inner.closed {
            inner.wanted = 1;
            let _timed_out = self.filled.wait_for(&mut inner, patience);
        }
        let crowded = self.is_crowded(&inner);
        if !inner.waiting.is_empty() && inner.waiting.len() < least && !crowded && !inner.closed {
            inner.wanted = least;
            let _timed_out = self.filled.wait_for(&mut inner, gather.window);
        }
        inner.wanted = 0;
        std::mem::swap(&mut inner.waiting, taken);
        gather.took(taken.len());
        !(taken.is_empty() && inner.closed)
    }

    /// Half full: whoever waits for more might have others refused.
    const fn is_crowded(&self, inner: &Inner) -> bool {
        inner.bytes >= self.capacity / 2
    }

    /// Gives back the room of tasks that were answered.
    pub fn release(&self, bytes: usize) {
        let mut inner = self.inner.lock();
        inner.bytes = inner.bytes.saturating_sub(bytes);
    }

    pub fn close(&self) {
        self.inner.lock().closed = true;
        self.filled.notify_one();
    }

    pub fn is_closed(&self) -> bool {
        self.inner.lock().closed
    }

    pub fn bytes(&self) -> usize {
        self.inner.lock().bytes
    }

    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn task() -> Task {
        Task::Retain(ChannelId(Uuid::nil()), Timestamp(0))
    }

    #[test]
    fn a_full_queue_refuses_until_room_is_given_back() {
        let queue = Queue::new(100);
        let _first = queue.push(task(), 60).unwrap();
        assert!(matches!(
            queue.push(task(), 60),
            Err(TelemetryError::Overloaded)
        ));
        assert_eq!(queue.refused(), 1);
        let mut taken = Vec::new();
        assert!(queue.take(&mut taken, Duration::ZERO, &mut Gather::default()));
        assert!(matches!(
            queue.push(task(), 60),
            Err(TelemetryError::Overloaded)
        ));
        queue.release(60);
        assert!(queue.push(task(), 60).is_ok());
    }

    #[test]
    fn a_closed_queue_hands_out_what_it_took_and_no_more() {
        let queue = Queue::new(100);
        let _answer = queue.push(task(), 1).unwrap();
        queue.close();
        assert!(matches!(queue.push(task(), 1), Err(TelemetryError::Closed)));
        let mut taken = Vec::new();
        assert!(queue.take(&mut taken, Duration::ZERO, &mut Gather::default()));
        taken.clear();
        assert!(!queue.take(&mut taken, Duration::ZERO, &mut Gather::default()));
    }

    /// After a commit of twenty: the next one waits for fifteen, and here as long as it takes.
    fn crowd() -> Gather {
        let mut gather = Gather::default();
        gather.window = Duration::from_secs(3_600);
        gather.took(20);
        gather
    }

    /// What a `take` gets that begins with one task, beside `then`.
    fn taken_beside(queue: &Queue, mut gather: Gather, then: impl FnOnce() + Send) -> usize {
        std::thread::scope(|scope| {
            let taking = scope.spawn(move || {
                let mut taken = Vec::new();
                queue.take(&mut taken, Duration::ZERO, &mut gather);
                taken.len()
            });
            then();
            taking.join().unwrap()
        })
    }

    #[test]
    fn a_commit_waits_for_a_crowd_until_enough_have_come() {
        let queue = Queue::new(1_000);
        let _first = queue.push(task(), 1).unwrap();
        let taken = taken_beside(&queue, crowd(), || {
            // As many as any commit waits for: how many it is depends on when it looks.
            for _ in 1..64 {
                let _answer = queue.push(task(), 1).unwrap();
            }
        });
        assert!(taken >= 15, "{taken}");
    }

    #[test]
    fn a_commit_waits_no_longer_once_the_queue_is_half_full_or_closed() {
        let queue = Queue::new(1_000);
        let _first = queue.push(task(), 1).unwrap();
        let taken = taken_beside(&queue, crowd(), || {
            let _large = queue.push(task(), 600).unwrap();
        });
        assert_eq!(taken, 2);

        let queue = Queue::new(1_000);
        let _first = queue.push(task(), 1).unwrap();
        assert_eq!(taken_beside(&queue, crowd(), || queue.close()), 1);
    }

    #[test]
    fn one_of_few_is_taken_at_once() {
        let queue = Queue::new(1_000);
        let mut gather = crowd();
        gather.took(2);
        let _only = queue.push(task(), 1).unwrap();
        assert_eq!(taken_beside(&queue, gather, || {}), 1);
    }
}
