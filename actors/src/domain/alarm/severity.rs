//! When one cause is worse than another.

use super::{Activation, Cause};
use crate::domain::alarm_rule::Priority;

/// How bad a condition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Severity {
    pub cause: Cause,
    pub priority: Priority,
}

impl Severity {
    /// Beyond `present` on the same side, or of higher priority. A condition that is not worse changes nothing.
    pub fn is_worse_than(self, present: Self) -> bool {
        if let (Cause::Limit(new), Cause::Limit(present)) = (self.cause, present.cause) {
            if new.is_beyond(present) {
                return true;
            }
            if present.is_beyond(new) {
                return false;
            }
        }
        // P1 is the least in the order of the type.
        self.priority < present.priority
    }
}

impl Activation {
    pub const fn severity(&self) -> Severity {
        Severity {
            cause: self.cause,
            priority: self.priority,
        }
    }
}
