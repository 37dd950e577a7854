//! What may wait for all sessions of a node together.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may wait for each session without asking: whoever reads gets its messages although others who do not have
/// used up the node's budget.
const FREE_BYTES: usize = 16 * 1024;

/// Bytes that wait for all sessions of a node, beyond the free ones of each.
#[derive(Debug)]
pub struct QueueBudget {
    used: AtomicUsize,
    limit: usize,
    free: usize,
}

impl QueueBudget {
    pub const fn new(limit: usize) -> Self {
        Self::with_free(limit, FREE_BYTES)
    }

    pub(super) const fn with_free(limit: usize, free: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            limit,
            free,
        }
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Lets a session that has held `before` bytes hold `after`. False: the node has no room for them.
    pub(super) fn refit(&self, before: usize, after: usize) -> bool {
        let [before, after] = [before, after].map(|bytes| bytes.saturating_sub(self.free));
        if after > before {
            return self.take(after - before);
        }
        self.give_back(before - after);
        true
    }

    /// Bytes of no session.
    pub(in crate::mqtt) fn take(&self, bytes: usize) -> bool {
        if self.used.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.limit {
            return true;
        }
        self.give_back(bytes);
        false
    }

    pub(in crate::mqtt) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}
