//! The bounded way of readings to the actor of a model.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::grid::Reading;

/// A reading of signal number `.0`.
pub type SignalReading = (usize, Reading);

/// A queue that never blocks its writers: when it is full the oldest reading goes, and is counted.
#[derive(Debug)]
pub struct Intake {
    capacity: usize,
    readings: Mutex<VecDeque<SignalReading>>,
    dropped: AtomicU64,
    woken: AtomicBool,
}

impl Intake {
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            readings: Mutex::new(VecDeque::new()),
            dropped: AtomicU64::new(0),
            woken: AtomicBool::new(false),
        }
    }

    /// Takes a reading. `true`: the reader has to be woken.
    pub fn push(&self, reading: SignalReading) -> bool {
        let mut readings = self.readings.lock();
        if readings.len() >= self.capacity {
            readings.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        readings.push_back(reading);
        drop(readings);
        !self.woken.swap(true, Ordering::AcqRel)
    }

    /// All that waits. From now on the reader is woken again.
    pub fn take(&self) -> VecDeque<SignalReading> {
        self.woken.store(false, Ordering::Release);
        std::mem::take(&mut *self.readings.lock())
    }

    /// Readings that went unread.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use tellee_actors::time::Timestamp;

    use super::*;

    fn reading(time: i64) -> SignalReading {
        (
            0,
            Reading {
                time: Timestamp(time),
                seq: 0,
                value: Some(0.0),
            },
        )
    }

    #[test]
    fn the_oldest_goes_and_is_counted_and_the_reader_is_woken_once() {
        let intake = Intake::new(2);
        assert!(intake.push(reading(1)));
        assert!(!intake.push(reading(2)));
        assert!(!intake.push(reading(3)));
        assert_eq!(intake.take(), [reading(2), reading(3)]);
        assert_eq!(intake.dropped(), 1);
        assert!(intake.push(reading(4)));
    }
}
