//! Until when somebody waits for an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tellee_ml::protocol::{Failure, FailureCode};

#[derive(Debug, Clone)]
pub struct Deadline {
    /// `None`: as good as never.
    end: Option<Instant>,
    ended: Arc<AtomicBool>,
}

impl Deadline {
    /// `budget` after `start`, or when `ended` is set.
    pub fn after(start: Instant, budget: Duration, ended: Arc<AtomicBool>) -> Self {
        Self {
            end: start.checked_add(budget),
            ended,
        }
    }

    /// An error if nobody waits any more.
    pub fn check(&self) -> Result<(), Failure> {
        let passed = self.end.is_some_and(|end| Instant::now() >= end);
        if !passed && !self.ended.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Failure {
            code: FailureCode::DeadlineExceeded,
            message: "the deadline passed before the work was done".to_owned(),
        })
    }
}
