//! Until when somebody waits for an answer.

use std::time::{Duration, Instant};

use tellee_ml::protocol::{Failure, FailureCode};

#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    pub fn after(start: Instant, budget: Duration) -> Self {
        Self(start.checked_add(budget))
    }

    /// An error if nobody waits any more.
    pub fn check(self) -> Result<(), Failure> {
        if self.0.is_some_and(|end| Instant::now() >= end) {
            return Err(Failure {
                code: FailureCode::DeadlineExceeded,
                message: "the deadline passed before the work was done".to_owned(),
            });
        }
        Ok(())
    }
}
