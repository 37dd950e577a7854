//! Bytes on their way into the journal: those that are there, and those that are kept for messages still to come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How much may wait for the disk. Beyond it the server stops reading from those who cause it.
pub struct Budget {
    limit: u64,
    /// Appended and not durable, or reserved.
    used: AtomicU64,
    freed: Notify,
    /// Who waits for room. Nobody does as a rule, and then nobody has to be told.
    waiting: AtomicUsize,
}

/// Room for a message that is not appended yet. Given back when dropped.
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicU64::new(0),
            freed: Notify::new(),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Bytes that were appended and are not durable, or for which there is a reservation.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub fn has_room(&self) -> bool {
        self.used() < self.limit
    }

    /// Counts what is appended, which has to be taken.
    pub fn add(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn free(&self, bytes: u64) {
        // In one order with the count of those who wait: either they see this, or this sees them.
        self.used.fetch_sub(bytes, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_waiters();
        }
    }

    /// Keeps so much room, if it is there. A message larger than all of it has room when nothing else waits.
    pub fn try_reserve(self: &Arc<Self>, bytes: u64) -> Option<Reservation> {
        let bytes = bytes.min(self.limit);
        self.used
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| {
                (used + bytes <= self.limit).then_some(used + bytes)
            })
            .ok()?;
        Some(Reservation {
            budget: Arc::clone(self),
            bytes,
        })
    }

    /// Waits for room. Nothing is kept if it is given up.
    pub async fn reserve(self: &Arc<Self>, bytes: u64) -> Reservation {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waits = Waits(self);
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Before the look: what is freed between the two counts.
            freed.as_mut().enable();
            if let Some(reservation) = self.try_reserve(bytes) {
                return reservation;
            }
            freed.await;
        }
    }
}

/// Somebody who waits, until dropped.
struct Waits<'a>(&'a Budget);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.free(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_once_and_comes_back() {
        let budget = Budget::new(100);
        let first = budget.try_reserve(60).unwrap();
        assert!(budget.try_reserve(60).is_none(), "both passed");
        drop(first);
        let second = budget.try_reserve(60).unwrap();
        budget.add(50);
        assert!(!budget.has_room());
        drop(second);
        assert!(budget.has_room());
        assert!(budget.try_reserve(60).is_none());
        budget.free(50);
        assert!(budget.try_reserve(1_000).is_some(), "larger than all");
    }

    #[tokio::test]
    async fn who_waits_for_room_gets_what_a_dropped_reservation_leaves() {
        let budget = Budget::new(100);
        let first = budget.try_reserve(60).unwrap();
        let waits = Arc::clone(&budget);
        let second = tokio::spawn(async move { waits.reserve(60).await });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        drop(second.await.unwrap());
        assert_eq!(budget.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_at_once_never_reserve_more_than_there_is() {
        let budget = Budget::new(1_000);
        let tasks: Vec<_> = (0..16_u64)
            .map(|task| {
                let budget = Arc::clone(&budget);
                tokio::spawn(async move {
                    for round in 0..300 {
                        let bytes = (task * 37 + round * 11) % 400 + 1;
                        let reservation = budget.reserve(bytes).await;
                        assert!(budget.used() <= 1_000);
                        tokio::task::yield_now().await;
                        drop(reservation);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(budget.used(), 0);
    }
}
