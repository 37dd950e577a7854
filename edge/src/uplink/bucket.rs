//! A token bucket, without a clock.

use std::time::Duration;

/// Lets `rate` bytes a second pass, and a burst of one second. The last message may overdraw it.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    rate: f64,
    tokens: f64,
}

impl TokenBucket {
    pub const fn new(bytes_per_second: u64) -> Self {
        let rate = if bytes_per_second == 0 {
            1.0
        } else {
            bytes_per_second as f64
        };
        Self { rate, tokens: rate }
    }

    pub fn refill(&mut self, elapsed: Duration) {
        self.tokens = (self.tokens + elapsed.as_secs_f64() * self.rate).min(self.rate);
    }

    /// How long until something may pass; zero if now.
    pub fn wait(&self) -> Duration {
        if self.tokens > 0.0 {
            return Duration::ZERO;
        }
        // A millisecond more, so that rounding does not wake us too early for ever.
        Duration::from_secs_f64((-self.tokens / self.rate).min(3600.0)) + Duration::from_millis(1)
    }

    pub fn take(&mut self, bytes: usize) {
        self.tokens -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_over_time() {
        let mut bucket = TokenBucket::new(1_000);
        let mut passed = 0;
        for _ in 0..1_000 {
            bucket.refill(Duration::from_millis(10));
            while bucket.wait().is_zero() {
                bucket.take(300);
                passed += 300;
            }
        }
        assert!((10_000..=11_600).contains(&passed), "{passed}");
    }
}
