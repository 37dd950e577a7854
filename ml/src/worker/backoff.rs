//! When to start a worker again that died.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How a worker that died is started again.
#[derive(Debug, Clone, PartialEq)]
pub struct RestartPolicy {
    /// Before the first restart; doubled with each further death until the worker has lived for `window`.
    pub first_delay: Duration,
    pub longest_delay: Duration,
    /// So many deaths within `window` open the breaker: no further start until `rest` has passed.
    pub deaths: usize,
    pub window: Duration,
    pub rest: Duration,
    /// How long a worker may take to say hello.
    pub hello: Duration,
    /// How often to look again for a worker or a libtorch that is not there.
    pub absent: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(30),
            deaths: 5,
            window: Duration::from_secs(600),
            rest: Duration::from_secs(900),
            hello: Duration::from_secs(30),
            absent: Duration::from_secs(60),
        }
    }
}

/// What follows a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    RestartAfter(Duration),
    /// Too many deaths: rest for so long.
    Rest(Duration),
}

/// The deaths of late.
#[derive(Debug, Default)]
pub struct Deaths {
    times: VecDeque<Instant>,
}

impl Deaths {
    /// Counts a death at `now`. `chance` (0 to below 1) spreads the delays of many servers: half to one and a half of each.
    pub fn record(&mut self, policy: &RestartPolicy, now: Instant, chance: f64) -> Verdict {
        self.times.push_back(now);
        while self
            .times
            .front()
            .is_some_and(|time| now.duration_since(*time) > policy.window)
        {
            self.times.pop_front();
        }
        if self.times.len() >= policy.deaths.max(1) {
            self.times.clear();
            return Verdict::Rest(policy.rest);
        }
        let doublings = u32::try_from(self.times.len() - 1)
            .unwrap_or(u32::MAX)
            .min(16);
        let delay = policy
            .first_delay
            .saturating_mul(1 << doublings)
            .min(policy.longest_delay);
        Verdict::RestartAfter(delay.mul_f64(0.5 + chance.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_and_the_fifth_death_opens_the_breaker() {
        let policy = RestartPolicy {
            longest_delay: Duration::from_millis(1_500),
            ..RestartPolicy::default()
        };
        let mut deaths = Deaths::default();
        let now = Instant::now();
        let verdicts: Vec<_> = (0..5).map(|_| deaths.record(&policy, now, 0.5)).collect();
        let delay = |milliseconds| Verdict::RestartAfter(Duration::from_millis(milliseconds));
        assert_eq!(
            verdicts,
            [
                delay(500),
                delay(1_000),
                delay(1_500),
                delay(1_500),
                Verdict::Rest(policy.rest)
            ]
        );
        assert_eq!(deaths.record(&policy, now, 0.5), delay(500));
    }

    #[test]
    fn deaths_of_long_ago_do_not_count() {
        let policy = RestartPolicy::default();
        let mut deaths = Deaths::default();
        let start = Instant::now();
        for death in 0..50 {
            let now = start + policy.window * 2 * death;
            assert_eq!(
                deaths.record(&policy, now, 0.0),
                Verdict::RestartAfter(policy.first_delay / 2)
            );
        }
    }
}
