//! Connections that have not sent a request yet. When the port is full, the one that is silent the longest goes.

use std::collections::BTreeMap;
use std::sync::Arc;

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
    evicted: CancellationToken,
}

impl Silent {
    pub fn enter(&self) -> Place {
        let evicted = CancellationToken::new();
        let mut waiting = self.0.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.connections.insert(number, evicted.clone());
        drop(waiting);
        Place {
            silent: self.clone(),
            number,
            evicted,
        }
    }

    /// Tells the connection that is silent the longest to go. False: there is none.
    pub fn evict_oldest(&self) -> bool {
        let oldest = self.0.lock().connections.pop_first();
        match oldest {
            Some((_, evicted)) => {
                evicted.cancel();
                true
            }
            None => false,
        }
    }
}

impl Place {
    /// The connection has sent a request: it stays.
    pub fn heard(&self) {
        self.silent.0.lock().connections.remove(&self.number);
    }

    pub fn evicted(&self) -> CancellationToken {
        self.evicted.clone()
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
        let (first, second, third) = (silent.enter(), silent.enter(), silent.enter());
        first.heard();
        assert!(silent.evict_oldest());
        assert!(!first.evicted().is_cancelled());
        assert!(second.evicted().is_cancelled());
        assert!(!third.evicted().is_cancelled());
        drop(third);
        assert!(!silent.evict_oldest());
    }
}
