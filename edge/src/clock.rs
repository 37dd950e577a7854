//! The present time, as a seam.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Gives nanoseconds since 1970-01-01T00:00:00Z.
pub trait Clock: Send + Sync + 'static {
    fn now_ns(&self) -> i64;
}

pub type SharedClock = Arc<dyn Clock>;

/// The wall clock of this machine.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ns(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| {
                i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
            })
    }
}

/// A clock that tests turn by hand.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub const fn at(now_ns: i64) -> Self {
        Self(AtomicI64::new(now_ns))
    }

    pub fn advance(&self, step: Duration) {
        self.0.fetch_add(
            i64::try_from(step.as_nanos()).unwrap_or(i64::MAX),
            Ordering::Relaxed,
        );
    }
}

impl Clock for ManualClock {
    fn now_ns(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}
