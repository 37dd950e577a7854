//! One level: reached for the whole on-delay it becomes active, released for the whole off-delay it ends.

use std::time::Duration;

use crate::domain::alarm::{Cause, Severity};
use crate::domain::alarm_rule::{Definition, Level, LimitKind, Side};
use crate::time::Timestamp;

#[derive(Debug, Clone)]
pub(super) struct LevelWatch {
    level: Level,
    deadband: f64,
    on_delay: Duration,
    off_delay: Duration,
    active: bool,
    /// Since when, in event time, every sample has spoken for the change to the other of active and not.
    turning_since: Option<Timestamp>,
}

impl LevelWatch {
    /// Active if `standing` is its kind or one beyond it, for who is beyond HIHI is beyond HI.
    pub(super) fn new(level: &Level, definition: &Definition, standing: Option<LimitKind>) -> Self {
        Self {
            level: level.clone(),
            deadband: definition.deadband,
            on_delay: Duration::from_millis(definition.on_delay_ms),
            off_delay: Duration::from_millis(definition.off_delay_ms),
            active: standing
                .is_some_and(|standing| standing == level.kind || standing.is_beyond(level.kind)),
            turning_since: None,
        }
    }

    /// Takes the next sample in event time; true if the level became active by it.
    pub(super) fn evaluate(&mut self, time: Timestamp, value: f64) -> bool {
        let (turns, delay) = if self.active {
            (self.level.is_released(value, self.deadband), self.off_delay)
        } else {
            (self.level.is_reached(value), self.on_delay)
        };
        if !turns {
            self.turning_since = None;
            return false;
        }
        let since = *self.turning_since.get_or_insert(time);
        if time.since(since) < delay {
            return false;
        }
        self.turning_since = None;
        self.active = !self.active;
        self.active
    }

    /// Ends at once.
    pub(super) fn end(&mut self) {
        if self.active {
            self.active = false;
            self.turning_since = None;
        }
    }

    pub(super) const fn is_active(&self) -> bool {
        self.active
    }

    pub(super) const fn side(&self) -> Side {
        self.level.kind.side()
    }

    pub(super) const fn is_beyond(&self, other: &Self) -> bool {
        self.level.kind.is_beyond(other.level.kind)
    }

    pub(super) const fn limit(&self) -> f64 {
        self.level.limit
    }

    pub(super) const fn severity(&self) -> Severity {
        Severity {
            cause: Cause::Limit(self.level.kind),
            priority: self.level.priority,
        }
    }
}
