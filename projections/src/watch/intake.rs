//! The queue of one worker: bounded, and it loses no sample.
//!
//! When it is full, what does not fit is only noted: the thing, and the oldest source time that was passed over. The
//! samples are in the telemetry store already, since batches come here after they were kept; the worker reads them from
//! there once it has worked off its queue. Until then later batches of that thing are noted as well, so that its samples
//! are evaluated in their order.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tellee_actors::ids::ThingId;
use tellee_actors::time::Timestamp;
use tokio::sync::Notify;

use crate::telemetry::MessageBatch;

#[derive(Debug)]
pub(super) enum Work {
    Batch(Arc<MessageBatch>),
    /// Samples of `thing` from `from` on are to be read from the telemetry store.
    CatchUp {
        thing: ThingId,
        from: Timestamp,
    },
}

#[derive(Debug)]
pub(super) struct Intake {
    capacity: usize,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Arc<MessageBatch>>,
    /// Records in `batches`.
    records: usize,
    passed_over: HashMap<ThingId, Timestamp>,
}

impl Intake {
    /// A queue for `capacity` records.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            queue: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// False: the batch was passed over and will be read from the store.
    pub(super) fn push(&self, batch: &Arc<MessageBatch>) -> bool {
        let mut queue = self.queue.lock();
        let full = queue.records + batch.records.len() > self.capacity;
        let behind = queue.passed_over.contains_key(&batch.thing);
        let taken = !full && !behind;
        if taken {
            queue.records += batch.records.len();
            queue.batches.push_back(Arc::clone(batch));
        } else if let Some(oldest) = batch.records.iter().map(|record| record.time).min() {
            let from = queue.passed_over.entry(batch.thing).or_insert(oldest);
            *from = oldest.min(*from);
        }
        drop(queue);
        self.wake.notify_one();
        taken
    }

    pub(super) fn try_next(&self) -> Option<Work> {
        let mut queue = self.queue.lock();
        if let Some(batch) = queue.batches.pop_front() {
            queue.records -= batch.records.len();
            return Some(Work::Batch(batch));
        }
        let thing = *queue.passed_over.keys().next()?;
        let from = queue.passed_over.remove(&thing)?;
        Some(Work::CatchUp { thing, from })
    }

    /// The next piece of work. Nothing is lost if the wait is given up.
    pub(super) async fn next(&self) -> Work {
        loop {
            if let Some(work) = self.try_next() {
                return work;
            }
            self.wake.notified().await;
        }
    }

    /// Pieces of work that wait.
    pub(super) fn len(&self) -> usize {
        let queue = self.queue.lock();
        queue.batches.len() + queue.passed_over.len()
    }

    pub(super) fn records(&self) -> usize {
        self.queue.lock().records
    }
}

#[cfg(test)]
mod tests {
    use tellee_actors::ids::ChannelId;

    use super::*;
    use crate::telemetry::{Quality, Record, Value};

    fn batch(thing: ThingId, time: i64) -> Arc<MessageBatch> {
        let record = Record {
            name: "pressure".to_owned(),
            unit: String::new(),
            time: Timestamp(time),
            seq: 0,
            value: Value::Number(1.0),
            sum: None,
            update_time: None,
            quality: Quality::GOOD,
        };
        Arc::new(MessageBatch {
            channel: ChannelId::generate(),
            thing,
            subtopic: Arc::from(""),
            protocol: "mqtt",
            received_at: Timestamp(time),
            historical: false,
            records: vec![record],
        })
    }

    #[test]
    fn what_does_not_fit_is_read_from_the_store_after_what_was_queued() {
        let intake = Intake::new(2);
        let (slow, other) = (ThingId::generate(), ThingId::generate());
        assert!(intake.push(&batch(slow, 1)));
        assert!(intake.push(&batch(other, 2)));
        assert!(!intake.push(&batch(slow, 4)));
        assert!(!intake.push(&batch(slow, 3)));
        assert!(matches!(intake.try_next(), Some(Work::Batch(batch)) if batch.thing == slow));
        // There is room again, but this would overtake what was passed over.
        assert!(!intake.push(&batch(slow, 5)));
        assert!(intake.push(&batch(other, 6)));
        assert!(matches!(intake.try_next(), Some(Work::Batch(batch)) if batch.thing == other));
        assert!(matches!(intake.try_next(), Some(Work::Batch(batch)) if batch.thing == other));
        match intake.try_next() {
            Some(Work::CatchUp { thing, from }) => assert_eq!((thing, from), (slow, Timestamp(3))),
            other => panic!("{other:?}"),
        }
        assert!(intake.push(&batch(slow, 7)));
    }
}
