//! What clients have sent and the store has not taken yet, bounded over the whole node.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Bytes that each connection may hold without asking. Small messages never touch the node's budget.
pub const FREE_BYTES: usize = 8 * 1024;

/// Shares grow by steps, so that a busy client does not ask for each message.
const STEP_BYTES: usize = 16 * 1024;

/// The node's budget.
pub struct Budget {
    bytes: usize,
    left: Semaphore,
}

/// One connection's share of it. Given back when dropped.
pub struct Share {
    budget: Arc<Budget>,
    granted: usize,
}

impl Budget {
    pub fn new(bytes: usize) -> Arc<Self> {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            bytes,
            left: Semaphore::new(bytes),
        })
    }

    /// Bytes that connections hold beyond their free ones.
    pub fn used(&self) -> usize {
        self.bytes.saturating_sub(self.left.available_permits())
    }

    /// A share of nothing as yet.
    pub fn share(self: &Arc<Self>) -> Share {
        Share {
            budget: Arc::clone(self),
            granted: 0,
        }
    }
}

impl Share {
    /// Fits the share to `held` bytes. Answers whether there was room; if not, what was granted stays.
    pub fn fit(&mut self, held: usize) -> bool {
        let wanted = held.saturating_sub(FREE_BYTES);
        let rounded = wanted.next_multiple_of(STEP_BYTES);
        if wanted > self.granted {
            return self.grow_to(rounded) || self.grow_to(wanted);
        }
        // Who holds nothing keeps nothing from the others.
        let excess = self.granted - wanted;
        if wanted == 0 || excess >= 2 * STEP_BYTES {
            let kept = rounded.min(self.granted);
            self.budget.left.add_permits(self.granted - kept);
            self.granted = kept;
        }
        true
    }

    fn grow_to(&mut self, wanted: usize) -> bool {
        let more = u32::try_from(wanted - self.granted).unwrap_or(u32::MAX);
        let Ok(permit) = self.budget.left.try_acquire_many(more) else {
            return false;
        };
        permit.forget();
        self.granted = wanted;
        true
    }

    /// Waits until there is room for `held` bytes. Nothing is lost if it is given up.
    pub async fn wait(&mut self, held: usize) {
        let wanted = held.saturating_sub(FREE_BYTES);
        let more = u32::try_from(wanted.saturating_sub(self.granted)).unwrap_or(u32::MAX);
        if let Ok(permit) = self.budget.left.acquire_many(more).await {
            permit.forget();
            self.granted += more as usize;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.left.add_permits(self.granted);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn shares_grow_and_shrink_within_the_budget() {
        let budget = Budget::new(5 * STEP_BYTES);
        let (mut one, mut other) = (budget.share(), budget.share());
        assert!(one.fit(FREE_BYTES) && other.fit(FREE_BYTES));
        assert_eq!(budget.used(), 0, "the first bytes are free");
        assert!(one.fit(FREE_BYTES + 2 * STEP_BYTES + 1));
        assert_eq!(budget.used(), 3 * STEP_BYTES, "in steps");
        let wanted = FREE_BYTES + 4 * STEP_BYTES;
        assert!(!other.fit(wanted));
        assert!(other.wait(wanted).now_or_never().is_none());
        assert!(one.fit(FREE_BYTES + 2 * STEP_BYTES));
        assert_eq!(
            budget.used(),
            3 * STEP_BYTES,
            "a little less changes nothing"
        );
        assert!(one.fit(FREE_BYTES + 1));
        assert!(other.wait(wanted).now_or_never().is_some());
        assert_eq!(budget.used(), 5 * STEP_BYTES);
        drop(one);
        assert_eq!(budget.used(), 4 * STEP_BYTES);
        assert!(other.fit(0));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn the_last_bytes_of_the_budget_are_given_without_a_whole_step() {
        let budget = Budget::new(100);
        let mut one = budget.share();
        assert!(one.fit(FREE_BYTES + 70));
        assert_eq!(budget.used(), 70);
        assert!(!one.fit(FREE_BYTES + 101));
        assert!(one.fit(FREE_BYTES + 1));
        assert!(one.fit(FREE_BYTES));
        assert_eq!(budget.used(), 0, "who holds nothing keeps nothing");
    }
}
