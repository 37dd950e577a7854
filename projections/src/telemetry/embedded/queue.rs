//! What waits for the thread that commits, bounded by bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;
use tokio::sync::oneshot;

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
        let was_empty = inner.waiting.is_empty();
        inner.bytes += bytes;
        inner.waiting.push(Waiting {
            task,
            bytes,
            answer,
        });
        drop(inner);
        if was_empty {
            self.filled.notify_one();
        }
        Ok(receiver)
    }

    /// Moves all that waits into `taken`; waits for it up to `patience`. Answers false once closed and empty.
    pub fn take(&self, taken: &mut Vec<Waiting>, patience: Duration) -> bool {
        let mut inner = self.inner.lock();
        if inner.waiting.is_empty() && !inner.closed {
            let _timed_out = self.filled.wait_for(&mut inner, patience);
        }
        std::mem::swap(&mut inner.waiting, taken);
        !(taken.is_empty() && inner.closed)
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
        assert!(queue.take(&mut taken, Duration::ZERO));
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
        assert!(queue.take(&mut taken, Duration::ZERO));
        taken.clear();
        assert!(!queue.take(&mut taken, Duration::ZERO));
    }
}
