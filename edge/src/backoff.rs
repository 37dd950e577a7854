//! Waiting longer after each failure, with jitter so that a fleet does not return in step.

use std::time::Duration;

/// Doubles from `min` to `max`. Each wait is drawn from the upper half of the present step.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    step: Duration,
}

impl Backoff {
    pub fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max: max.max(min),
            step: min,
        }
    }

    /// The next wait; `random` is uniform in 0..=u32::MAX.
    pub fn next_with(&mut self, random: u32) -> Duration {
        let half = self.step / 2;
        let wait = half + half.mul_f64(f64::from(random) / f64::from(u32::MAX));
        self.step = (self.step * 2).min(self.max);
        wait
    }

    pub fn next_wait(&mut self) -> Duration {
        // Without randomness the waits are still right, only not spread.
        self.next_with(getrandom::u32().unwrap_or(u32::MAX))
    }

    pub fn reset(&mut self) {
        self.step = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_maximum_and_start_again_after_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let waits: Vec<_> = (0..5)
            .map(|_| backoff.next_with(u32::MAX).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        backoff.reset();
        assert_eq!(backoff.next_with(0), Duration::from_millis(500));
    }
}
