//! The live feed of this node: batches that the telemetry store has kept, handed on to whoever watches.
//!
//! Publishers never wait here. A sink is called in the publisher's task and must return at once; a subscription has a
//! bounded queue, and the oldest batches leave it, counted, when its reader is slower than the publishers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use tellee_actors::ids::{ChannelId, ThingId};
use tellee_actors::time::Timestamp;
use tokio::sync::Notify;

use crate::telemetry::MessageBatch;

/// Takes each batch after the store has kept it.
pub trait LiveSink: Send + Sync + 'static {
    /// Runs in the publisher's task, before the publisher reads its next message. It must neither block nor wait.
    fn published(&self, batch: &Arc<MessageBatch>);

    /// Takes note of samples that were kept as columns, of which nobody has made batches yet. True: the sink wants them
    /// as batches, by [`LiveSink::published`]. Who can do without answers false, and saves the making. Runs where
    /// `published` runs, under the same rule.
    fn kept(&self, _samples: &KeptSamples<'_>) -> bool {
        true
    }
}

/// Samples of one thing in one channel that the store has kept as columns.
pub struct KeptSamples<'a> {
    pub channel: ChannelId,
    pub thing: ThingId,
    pub protocol: &'static str,
    pub received_at: Timestamp,
    pub historical: bool,
    pub records: usize,
    pub names: &'a dyn KeptNames,
}

/// The names of kept samples' series.
pub trait KeptNames {
    /// Whether `wanted` is true of any of them.
    fn any(&self, wanted: &mut dyn FnMut(&str) -> bool) -> bool;
}

/// Which batches a subscription takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveFilter {
    /// Batches of every channel. Who asks has to check what may be shown to whom.
    All,
    /// Batches of these channels.
    Channels(Vec<ChannelId>),
}

/// Hands each batch to all sinks and to the subscriptions of its channel.
#[derive(Default)]
pub struct LiveHub {
    sinks: ArcSwap<Vec<Arc<dyn LiveSink>>>,
    subscribers: RwLock<Subscribers>,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Subscribers {
    all: Vec<Arc<Queue>>,
    by_channel: HashMap<ChannelId, Vec<Arc<Queue>>>,
}

struct Queue {
    capacity: usize,
    batches: Mutex<VecDeque<Arc<MessageBatch>>>,
    wake: Notify,
    dropped: AtomicU64,
}

impl LiveHub {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Adds a sink for the life of the hub.
    pub fn add_sink(&self, sink: Arc<dyn LiveSink>) {
        self.sinks.rcu(|sinks| {
            let mut sinks = Vec::clone(sinks);
            sinks.push(Arc::clone(&sink));
            sinks
        });
    }

    /// A subscription with room for `capacity` unread batches, at least one. It ends when it is dropped.
    pub fn subscribe(self: &Arc<Self>, filter: LiveFilter, capacity: usize) -> LiveSubscription {
        let queue = Arc::new(Queue {
            capacity: capacity.max(1),
            batches: Mutex::new(VecDeque::new()),
            wake: Notify::new(),
            dropped: AtomicU64::new(0),
        });
        let mut subscribers = self.subscribers.write();
        match &filter {
            LiveFilter::All => subscribers.all.push(Arc::clone(&queue)),
            LiveFilter::Channels(channels) => {
                for channel in channels {
                    let queues = subscribers.by_channel.entry(*channel).or_default();
                    // A channel named twice is still told once.
                    if !queues.iter().any(|known| Arc::ptr_eq(known, &queue)) {
                        queues.push(Arc::clone(&queue));
                    }
                }
            }
        }
        drop(subscribers);
        LiveSubscription {
            hub: Arc::downgrade(self),
            filter,
            queue,
        }
    }

    /// Hands `batch` on. Called once the store has kept it.
    pub fn publish(&self, batch: &Arc<MessageBatch>) {
        for sink in self.sinks.load().iter() {
            sink.published(batch);
        }
        self.offer(batch);
    }

    fn offer(&self, batch: &Arc<MessageBatch>) {
        let subscribers = self.subscribers.read();
        let of_channel = subscribers
            .by_channel
            .get(&batch.channel)
            .map(Vec::as_slice)
            .unwrap_or_default();
        for queue in subscribers.all.iter().chain(of_channel) {
            if !queue.push(Arc::clone(batch)) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Hands samples on that were kept as columns. `make` turns them into batches; it is called only if somebody wants
    /// them, or if `also_wanted`. Answers the batches, if they were made. Called once the store has kept the samples.
    pub fn publish_samples(
        &self,
        samples: &KeptSamples<'_>,
        also_wanted: bool,
        make: impl FnOnce() -> Vec<Arc<MessageBatch>>,
    ) -> Option<Vec<Arc<MessageBatch>>> {
        let sinks = self.sinks.load();
        let wanting: Vec<&Arc<dyn LiveSink>> =
            sinks.iter().filter(|sink| sink.kept(samples)).collect();
        if wanting.is_empty() && !also_wanted && !self.has_subscribers(samples.channel) {
            return None;
        }
        let batches = make();
        for batch in &batches {
            for sink in &wanting {
                sink.published(batch);
            }
            self.offer(batch);
        }
        Some(batches)
    }

    fn has_subscribers(&self, channel: ChannelId) -> bool {
        let subscribers = self.subscribers.read();
        !subscribers.all.is_empty() || subscribers.by_channel.contains_key(&channel)
    }

    /// Batches that left a full queue unread, over all subscriptions since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Queue {
    /// Answers `false` if the oldest batch had to leave.
    fn push(&self, batch: Arc<MessageBatch>) -> bool {
        let mut batches = self.batches.lock();
        let full = batches.len() >= self.capacity;
        if full {
            batches.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        batches.push_back(batch);
        drop(batches);
        self.wake.notify_one();
        !full
    }
}

/// A reader's end of the hub.
pub struct LiveSubscription {
    hub: Weak<LiveHub>,
    filter: LiveFilter,
    queue: Arc<Queue>,
}

impl LiveSubscription {
    /// The next batch. Waits for one; nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> Arc<MessageBatch> {
        loop {
            if let Some(batch) = self.try_next() {
                return batch;
            }
            self.queue.wake.notified().await;
        }
    }

    /// The next batch if there is one already.
    pub fn try_next(&mut self) -> Option<Arc<MessageBatch>> {
        self.queue.batches.lock().pop_front()
    }

    /// How many batches this subscription has lost by being slow.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for LiveSubscription {
    fn drop(&mut self) {
        let Some(hub) = self.hub.upgrade() else {
            return;
        };
        let mut subscribers = hub.subscribers.write();
        match &self.filter {
            LiveFilter::All => subscribers
                .all
                .retain(|queue| !Arc::ptr_eq(queue, &self.queue)),
            LiveFilter::Channels(channels) => {
                for channel in channels {
                    let Some(queues) = subscribers.by_channel.get_mut(channel) else {
                        continue;
                    };
                    queues.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
                    if queues.is_empty() {
                        subscribers.by_channel.remove(channel);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tellee_actors::ids::ThingId;
    use tellee_actors::time::Timestamp;

    use super::*;

    fn batch(channel: ChannelId, at: i64) -> Arc<MessageBatch> {
        Arc::new(MessageBatch {
            channel,
            thing: ThingId::generate(),
            subtopic: Arc::from(""),
            protocol: "mqtt",
            received_at: Timestamp(at),
            historical: false,
            records: Vec::new(),
        })
    }

    struct Count(AtomicU64);

    impl LiveSink for Count {
        fn published(&self, _: &Arc<MessageBatch>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_subscription_sees_its_own_channels_only() {
        let hub = LiveHub::new();
        let (wanted, other) = (ChannelId::generate(), ChannelId::generate());
        let mut some = hub.subscribe(LiveFilter::Channels(vec![wanted, wanted]), 8);
        let mut all = hub.subscribe(LiveFilter::All, 8);
        hub.publish(&batch(other, 1));
        hub.publish(&batch(wanted, 2));
        assert_eq!(some.next().await.received_at, Timestamp(2));
        assert!(some.try_next().is_none());
        assert_eq!(all.next().await.received_at, Timestamp(1));
        assert_eq!(all.next().await.received_at, Timestamp(2));
    }

    #[tokio::test]
    async fn a_slow_subscription_loses_the_oldest_and_counts_them() {
        let hub = LiveHub::new();
        let channel = ChannelId::generate();
        let mut slow = hub.subscribe(LiveFilter::All, 2);
        for at in 0..5 {
            hub.publish(&batch(channel, at));
        }
        assert_eq!(slow.dropped(), 3);
        assert_eq!(hub.dropped(), 3);
        assert_eq!(slow.next().await.received_at, Timestamp(3));
        assert_eq!(slow.next().await.received_at, Timestamp(4));
    }

    /// Names that nobody is asked for.
    struct NoNames;

    impl KeptNames for NoNames {
        fn any(&self, _: &mut dyn FnMut(&str) -> bool) -> bool {
            false
        }
    }

    /// Counts samples without wanting batches of them.
    #[derive(Default)]
    struct CountSamples(AtomicU64);

    impl LiveSink for CountSamples {
        fn published(&self, batch: &Arc<MessageBatch>) {
            self.0
                .fetch_add(batch.records.len() as u64, Ordering::Relaxed);
        }

        fn kept(&self, samples: &KeptSamples<'_>) -> bool {
            self.0.fetch_add(samples.records as u64, Ordering::Relaxed);
            false
        }
    }

    #[test]
    fn batches_of_kept_samples_are_made_only_if_somebody_wants_them() {
        let hub = LiveHub::new();
        let counting = Arc::new(CountSamples::default());
        hub.add_sink(Arc::<CountSamples>::clone(&counting));
        let (channel, other) = (ChannelId::generate(), ChannelId::generate());
        let samples = |channel| KeptSamples {
            channel,
            thing: ThingId::generate(),
            protocol: "influx",
            received_at: Timestamp(1),
            historical: false,
            records: 5,
            names: &NoNames,
        };
        let mut watching = hub.subscribe(LiveFilter::Channels(vec![channel]), 8);
        let made = hub.publish_samples(&samples(other), false, || panic!("nobody watches"));
        assert!(made.is_none());
        let make = || vec![batch(channel, 7)];
        assert_eq!(
            hub.publish_samples(&samples(channel), false, make)
                .map(|made| made.len()),
            Some(1)
        );
        assert_eq!(
            watching.try_next().map(|batch| batch.received_at),
            Some(Timestamp(7))
        );
        assert!(
            hub.publish_samples(&samples(other), true, || vec![batch(other, 8)])
                .is_some()
        );
        assert!(watching.try_next().is_none());
        assert_eq!(
            counting.0.load(Ordering::Relaxed),
            15,
            "each sample is counted once"
        );
        let all = Arc::new(Count(AtomicU64::new(0)));
        hub.add_sink(Arc::<Count>::clone(&all));
        assert!(
            hub.publish_samples(&samples(other), false, || vec![batch(other, 9)])
                .is_some()
        );
        assert_eq!(
            all.0.load(Ordering::Relaxed),
            1,
            "a sink that says nothing takes every batch"
        );
    }

    #[test]
    fn a_sink_takes_every_batch_and_a_dropped_subscription_leaves_no_trace() {
        let hub = LiveHub::new();
        let sink = Arc::new(Count(AtomicU64::new(0)));
        hub.add_sink(Arc::<Count>::clone(&sink));
        let channel = ChannelId::generate();
        drop(hub.subscribe(LiveFilter::Channels(vec![channel]), 1));
        drop(hub.subscribe(LiveFilter::All, 1));
        hub.publish(&batch(channel, 1));
        assert_eq!(sink.0.load(Ordering::Relaxed), 1);
        let subscribers = hub.subscribers.read();
        assert!(subscribers.all.is_empty() && subscribers.by_channel.is_empty());
    }
}
