//! Connections that have not sent a request yet. When the port is full, the one that is silent the longest goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// In order of their coming.
#[derive(Debug, Clone, Default)]
pub struct Silent(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    connections: BTreeMap<u64, CancellationToken>,
}

/// One connection's place among the silent ones; given up when dropped.
#[derive(Debug)]
pub struct Place {
    silent: Silent,
    number: u64,
    leave: CancellationToken,
    heard: AtomicBool,
}

impl Silent {
    /// A place that must be left at `stop` too.
    pub fn enter(&self, stop: &CancellationToken) -> Place {
        let leave = stop.child_token();
        let mut waiting = self.0.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.connections.insert(number, leave.clone());
        drop(waiting);
        Place {
            silent: self.clone(),
            number,
            leave,
            heard: AtomicBool::new(false),
        }
    }

    /// Tells the connection that is silent the longest to go. False: there is none.
    pub fn evict_oldest(&self) -> bool {
        let oldest = self.0.lock().connections.pop_first();
        match oldest {
            Some((_, leave)) => {
                leave.cancel();
                true
            }
            None => false,
        }
    }
}

impl Place {
    /// The connection has sent a request: it stays.
    pub fn heard(&self) {
        // Asked at each request; the lock is that of all connections.
        if self.heard.swap(true, Ordering::Relaxed) {
            return;
        }
        self.silent.0.lock().connections.remove(&self.number);
    }

    /// Cancelled when the connection is evicted, and when the port stops.
    pub fn leave(&self) -> CancellationToken {
        self.leave.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.heard();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_is_silent_the_longest_goes_first_and_who_was_heard_stays() {
        let silent = Silent::default();
        let stop = CancellationToken::new();
        let [first, second, third] = [(); 3].map(|()| silent.enter(&stop));
        first.heard();
        assert!(silent.evict_oldest());
        assert!(!first.leave().is_cancelled());
        assert!(second.leave().is_cancelled());
        assert!(!third.leave().is_cancelled() && !stop.is_cancelled());
        drop(third);
        assert!(!silent.evict_oldest());
    }

    #[test]
    fn a_stop_ends_every_place() {
        let (silent, stop) = (Silent::default(), CancellationToken::new());
        let (heard, quiet) = (silent.enter(&stop), silent.enter(&stop));
        heard.heard();
        stop.cancel();
        assert!(heard.leave().is_cancelled() && quiet.leave().is_cancelled());
        assert!(silent.enter(&stop).leave().is_cancelled());
    }
}
