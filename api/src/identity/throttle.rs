//! Slows down who guesses: after some failures each further try of the same name must wait, twice as long each time.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tellee_actors::time::{SharedClock, Timestamp};

const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Failures this long ago count no more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
/// Names remembered at most; beyond it those that failed longest ago go.
const REMEMBERED: usize = 10_000;

/// How much guessing one name may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Failures without a wait.
    free: u32,
    longest_wait: Duration,
}

impl Allowance {
    /// Of one account, one device, one code.
    pub const ACCOUNT: Self = Self {
        free: 5,
        longest_wait: Duration::from_secs(300),
    };
    /// Of one network address. A whole plant may sit behind one, or behind one proxy, and must not be locked out by the
    /// typing errors of a few; guessing at many accounts is slowed down all the same.
    pub const ADDRESS: Self = Self {
        free: 100,
        longest_wait: Duration::from_secs(10),
    };

    fn wait(self, count: u32) -> Duration {
        match count.checked_sub(self.free) {
            None => Duration::ZERO,
            Some(further) => FIRST_WAIT
                .saturating_mul(1_u32.checked_shl(further).unwrap_or(u32::MAX))
                .min(self.longest_wait),
        }
    }
}

/// Too many failures: try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failed tries; try again in {} s", retry_after.as_secs().max(1))]
pub struct Throttled {
    pub retry_after: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

/// Counts failures by name: an e-mail address, a network address.
pub struct Throttle {
    clock: SharedClock,
    failures: Mutex<HashMap<String, Failures>>,
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Throttle")
    }
}

impl Throttle {
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            failures: Mutex::new(HashMap::new()),
        }
    }

    /// Whether `name` may try now.
    pub fn check(&self, name: &str, allowance: Allowance) -> Result<(), Throttled> {
        let now = self.clock.now();
        let failures = self.failures.lock();
        let Some(known) = failures.get(name) else {
            return Ok(());
        };
        let until = known.last.saturating_add(allowance.wait(known.count));
        if now >= until {
            Ok(())
        } else {
            Err(Throttled {
                retry_after: until.since(now),
            })
        }
    }

    pub fn failed(&self, name: &str) {
        let now = self.clock.now();
        let mut failures = self.failures.lock();
        if failures.len() >= REMEMBERED && !failures.contains_key(name) {
            failures.retain(|_, known| now.since(known.last) < FORGOTTEN_AFTER);
            if failures.len() >= REMEMBERED {
                let oldest = failures
                    .iter()
                    .min_by_key(|(_, known)| known.last)
                    .map(|(name, _)| name.clone());
                if let Some(oldest) = oldest {
                    failures.remove(&oldest);
                }
            }
        }
        let known = failures.entry(name.to_owned()).or_insert(Failures {
            count: 0,
            last: now,
        });
        if now.since(known.last) >= FORGOTTEN_AFTER {
            known.count = 0;
        }
        known.count = known.count.saturating_add(1);
        known.last = now;
    }

    pub fn succeeded(&self, name: &str) {
        self.failures.lock().remove(name);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tellee_actors::time::ManualClock;

    use super::*;

    #[test]
    fn a_few_typing_errors_lock_no_address_out_and_many_slow_it_down() {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let throttle = Throttle::new(Arc::clone(&clock) as SharedClock);
        let address = "address 10.0.0.1";
        for _ in 0..Allowance::ADDRESS.free {
            throttle.check(address, Allowance::ADDRESS).unwrap();
            throttle.failed(address);
        }
        for _ in 0..20 {
            assert!(throttle.check(address, Allowance::ADDRESS).is_err());
            throttle.failed(address);
        }
        clock.advance(Allowance::ADDRESS.longest_wait);
        throttle.check(address, Allowance::ADDRESS).unwrap();
    }

    #[test]
    fn waits_double_and_end_with_a_success() {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let throttle = Throttle::new(Arc::clone(&clock) as SharedClock);
        for _ in 0..Allowance::ACCOUNT.free {
            throttle.check("a@b.c", Allowance::ACCOUNT).unwrap();
            throttle.failed("a@b.c");
        }
        assert_eq!(
            throttle
                .check("a@b.c", Allowance::ACCOUNT)
                .unwrap_err()
                .retry_after,
            FIRST_WAIT
        );
        throttle.check("x@b.c", Allowance::ACCOUNT).unwrap();
        clock.advance(FIRST_WAIT);
        throttle.check("a@b.c", Allowance::ACCOUNT).unwrap();
        throttle.failed("a@b.c");
        assert_eq!(
            throttle
                .check("a@b.c", Allowance::ACCOUNT)
                .unwrap_err()
                .retry_after,
            FIRST_WAIT * 2
        );
        for _ in 0..100 {
            throttle.failed("a@b.c");
        }
        assert_eq!(
            throttle
                .check("a@b.c", Allowance::ACCOUNT)
                .unwrap_err()
                .retry_after,
            Allowance::ACCOUNT.longest_wait
        );
        throttle.succeeded("a@b.c");
        throttle.check("a@b.c", Allowance::ACCOUNT).unwrap();
    }

    #[test]
    fn failures_of_long_ago_count_no_more() {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let throttle = Throttle::new(Arc::clone(&clock) as SharedClock);
        for _ in 0..20 {
            throttle.failed("address 10.0.0.1");
        }
        clock.advance(FORGOTTEN_AFTER);
        throttle.failed("address 10.0.0.1");
        throttle
            .check("address 10.0.0.1", Allowance::ACCOUNT)
            .unwrap();
    }
}
