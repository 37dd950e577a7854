//! Sockets that have not signed in yet: each has a seat for a bounded time, and when all are taken the oldest has to go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The seats of the node, over all listeners.
pub struct Seats {
    most: usize,
    patience: Duration,
    stop: CancellationToken,
    taken: Mutex<Taken>,
}

/// In order of their coming.
#[derive(Default)]
struct Taken {
    next: u64,
    seats: BTreeMap<u64, CancellationToken>,
}

/// One socket's seat, from its first byte to its CONNECT, TLS included. Free again when dropped.
pub struct Seat {
    seats: Arc<Seats>,
    number: u64,
    given_up: CancellationToken,
    deadline: Instant,
}

impl Seats {
    pub fn new(most: usize, patience: Duration, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            most,
            patience,
            stop,
            taken: Mutex::default(),
        })
    }

    pub fn take(self: &Arc<Self>) -> Seat {
        let given_up = self.stop.child_token();
        let mut taken = self.taken.lock();
        let number = taken.next;
        taken.next += 1;
        taken.seats.insert(number, given_up.clone());
        if taken.seats.len() > self.most
            && let Some((_, oldest)) = taken.seats.pop_first()
        {
            oldest.cancel();
        }
        drop(taken);
        Seat {
            seats: Arc::clone(self),
            number,
            given_up,
            deadline: Instant::now() + self.patience,
        }
    }
}

impl Seat {
    /// Waits for `what` as long as the socket may keep its seat.
    pub async fn within<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = what => Some(done),
            () = self.given_up.cancelled() => None,
            () = tokio::time::sleep_until(self.deadline) => None,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken.lock().seats.remove(&self.number);
    }
}
