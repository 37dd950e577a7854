//! The watch of one alarm rule over one series: samples and the passing of time in, activations and returns out.
//!
//! Limits are judged in event time, by the source time of the samples, and only while the samples are live. A sample that is
//! historical, or not newer than the newest one evaluated, or farther from its time of receipt than the lateness bound, fills
//! history and raises nothing and ends nothing. Silence (the deadman) is judged in processing time.

mod level;

use std::time::Duration;

use super::alarm::{self, Activation, Cause, Severity, Source};
use super::alarm_rule::{Definition, Priority};
use crate::time::Timestamp;
use level::LevelWatch;

/// How far a sample's source time may be from its time of receipt to count as live, if nothing else is set.
pub const LATENESS: Duration = Duration::from_secs(120);

/// The quality of a good sample, as in OPC UA's classic coding.
const GOOD: u8 = 192;
/// The quality of what did not come: bad, communication failure.
const NO_COMMUNICATION: u8 = 24;

/// Where a watch starts: what the alarm says now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// How bad the present condition is; `None` if it is normal.
    pub abnormal: Option<Severity>,
    /// The source time of the newest sample that the alarm has seen the effect of.
    pub newest: Option<Timestamp>,
    /// When the silence that stands was told, if one does.
    pub silent_from: Option<Timestamp>,
}

impl Standing {
    pub fn of(state: &alarm::State) -> Self {
        let activation = state.activation.as_ref();
        // A deadman's time is that of this machine's clock and no sample's.
        let raised = activation
            .filter(|activation| activation.cause != Cause::Deadman)
            .map(|activation| activation.source_time);
        Self {
            abnormal: activation
                .filter(|_| state.condition_abnormal)
                .map(Activation::severity),
            newest: raised.max(state.returned_at),
            silent_from: activation
                .filter(|activation| state.condition_abnormal && activation.cause == Cause::Deadman)
                .map(|activation| activation.source_time),
        }
    }
}

/// One sample, as a watch sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    pub time: Timestamp,
    pub received_at: Timestamp,
    /// `None` for what is no number. That, like a value that is not good, is no evidence either way: the condition and its
    /// running delays hold, and silence goes on.
    pub value: Option<f64>,
    pub good: bool,
    /// It only fills history.
    pub historical: bool,
}

impl Evidence {
    fn number(self) -> Option<f64> {
        self.value.filter(|value| self.good && value.is_finite())
    }
}

/// What the alarm must be told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// The condition became true, or worse than what was told before.
    Activate {
        cause: Cause,
        priority: Priority,
        value: Option<f64>,
        limit: Option<f64>,
        source_time: Timestamp,
        received_at: Timestamp,
    },
    /// The condition is over.
    Return {
        source_time: Timestamp,
        value: Option<f64>,
    },
}

impl Outcome {
    /// The command for the alarm of `definition` on `source`, whose samples are in `unit`.
    pub fn into_command(
        self,
        definition: &Definition,
        source: Source,
        unit: &str,
    ) -> alarm::Command {
        match self {
            Self::Activate {
                cause,
                priority,
                value,
                limit,
                source_time,
                received_at,
            } => {
                let activation = Activation {
                    cause,
                    priority,
                    class: definition.class,
                    latching: definition.latching,
                    acknowledge_required: definition.acknowledge_required,
                    message: definition.message.clone(),
                    consequence: definition.consequence.clone(),
                    action: definition.action.clone(),
                    time_to_respond_ms: definition.time_to_respond_ms,
                    unit: unit.to_owned(),
                    value,
                    limit,
                    quality: if cause == Cause::Deadman {
                        NO_COMMUNICATION
                    } else {
                        GOOD
                    },
                    source_time,
                    received_at,
                    contributions: Vec::new(),
                };
                alarm::Command::Activate { source, activation }
            }
            Self::Return { source_time, value } => alarm::Command::Return { source_time, value },
        }
    }
}

/// Watches one series by one rule. It has no clock and no memory beyond itself: after a restart, a change of the rule, or an
/// outcome that could not be delivered, make a new one from the alarm's state. Delays that were running start anew then.
#[derive(Debug, Clone)]
pub struct Evaluator {
    levels: Vec<LevelWatch>,
    deadman: Option<DeadmanWatch>,
    lateness: Duration,
    /// The source time of the newest sample evaluated.
    newest: Option<Timestamp>,
    /// What the alarm knows.
    told: Option<Severity>,
    /// When the silence was told that the watch began with.
    silent_from: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct DeadmanWatch {
    period: Duration,
    priority: Priority,
    /// When the newest live good sample was received; from the first tick on if none was yet.
    heard_at: Option<Timestamp>,
    silent: bool,
}

impl Evaluator {
    /// A watch with the lateness bound [`LATENESS`].
    pub fn new(definition: &Definition, start: Standing) -> Self {
        Self::with_lateness(definition, start, LATENESS)
    }

    /// A disabled rule watches nothing: what stands returns at the next sample or tick.
    pub fn with_lateness(definition: &Definition, start: Standing, lateness: Duration) -> Self {
        // A score is watched by the model and not here.
        let told = start
            .abnormal
            .filter(|standing| standing.cause != Cause::Score);
        let standing_limit = told.and_then(|standing| match standing.cause {
            Cause::Limit(kind) => Some(kind),
            Cause::Deadman | Cause::Score => None,
        });
        let levels = definition.levels.iter().filter(|_| definition.enabled);
        let deadman = definition.deadman.as_ref().filter(|_| definition.enabled);
        Self {
            levels: levels
                .map(|level| LevelWatch::new(level, definition, standing_limit))
                .collect(),
            deadman: deadman.map(|deadman| DeadmanWatch {
                period: Duration::from_millis(deadman.period_ms),
                priority: deadman.priority,
                heard_at: None,
                silent: told.is_some_and(|standing| standing.cause == Cause::Deadman),
            }),
            lateness,
            newest: start.newest,
            told,
            silent_from: start.silent_from,
        }
    }

    /// Evaluates one sample.
    pub fn sample(&mut self, evidence: Evidence) -> Vec<Outcome> {
        let Evidence {
            time, received_at, ..
        } = evidence;
        let Some(value) = evidence.number() else {
            return Vec::new();
        };
        if evidence.historical || !self.is_live(time, received_at) {
            return Vec::new();
        }
        self.evaluate(time, received_at, value)
    }

    /// Evaluates the newest sample that is kept, for a watch that has just begun: a rule that was changed says at once what
    /// it says of the value that stands, although that was evaluated before. A silence that was told after it came goes on.
    pub fn resume(&mut self, newest: Evidence) -> Vec<Outcome> {
        let told_after_it = |silent| newest.received_at <= silent;
        if self.silent_from.is_some_and(told_after_it) {
            return Vec::new();
        }
        let before = self.newest;
        if before == Some(newest.time) {
            self.newest = None;
        }
        let outcomes = self.sample(newest);
        self.newest = self.newest.max(before);
        outcomes
    }

    fn evaluate(&mut self, time: Timestamp, received_at: Timestamp, value: f64) -> Vec<Outcome> {
        self.newest = Some(time);
        if let Some(deadman) = &mut self.deadman {
            deadman.heard_at = deadman.heard_at.max(Some(received_at));
            deadman.silent = false;
        }
        self.evaluate_levels(time, value);

        let mut outcomes = self.end_of_condition(time, Some(value));
        let Some(outermost) = self.outermost_active() else {
            return outcomes;
        };
        let (severity, limit) = (outermost.severity(), outermost.limit());
        if self.is_news(severity) {
            self.told = Some(severity);
            outcomes.push(Outcome::Activate {
                cause: severity.cause,
                priority: severity.priority,
                value: Some(value),
                limit: Some(limit),
                source_time: time,
                received_at,
            });
        }
        outcomes
    }

    /// Lets processing time pass: silence may become a deadman. Call it at least once per second or per tenth of the period.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Outcome> {
        if let Some(deadman) = &mut self.deadman {
            let heard_at = *deadman.heard_at.get_or_insert(now);
            deadman.silent |= now.since(heard_at) >= deadman.period;
        }
        // Only a change of the rule ends a condition without a sample.
        let end = self.newest.unwrap_or(now);
        let mut outcomes = self.end_of_condition(end, None);
        if !outcomes.is_empty() {
            self.newest = Some(end);
        }
        let silent = self.deadman.as_ref().filter(|deadman| deadman.silent);
        let Some(priority) = silent.map(|deadman| deadman.priority) else {
            return outcomes;
        };
        let severity = Severity {
            cause: Cause::Deadman,
            priority,
        };
        if self.is_news(severity) {
            self.told = Some(severity);
            outcomes.push(Outcome::Activate {
                cause: Cause::Deadman,
                priority,
                value: None,
                limit: None,
                source_time: now,
                received_at: now,
            });
        }
        outcomes
    }

    /// Whether the condition is abnormal, as the alarm was told.
    pub const fn is_abnormal(&self) -> bool {
        self.told.is_some()
    }

    /// Not older than what was evaluated, and not far from its time of receipt. A clock that is far ahead is no better than one
    /// far behind: its sample would make all that follow look old.
    fn is_live(&self, time: Timestamp, received_at: Timestamp) -> bool {
        let is_newer = self.newest.is_none_or(|newest| time > newest);
        let distance = received_at.since(time).max(time.since(received_at));
        is_newer && distance <= self.lateness
    }

    fn evaluate_levels(&mut self, time: Timestamp, value: f64) {
        let mut raised = None;
        for level in &mut self.levels {
            if level.evaluate(time, value) {
                raised = Some(level.side());
            }
        }
        // What is too high now is no longer too low, whatever is left of an off-delay.
        let Some(side) = raised else { return };
        self.levels
            .iter_mut()
            .filter(|level| level.side() != side)
            .for_each(LevelWatch::end);
    }

    fn outermost_active(&self) -> Option<&LevelWatch> {
        self.levels
            .iter()
            .filter(|level| level.is_active())
            .reduce(|outermost, level| {
                if level.is_beyond(outermost) {
                    level
                } else {
                    outermost
                }
            })
    }

    /// A return if what the alarm was told of holds no more. A deadman that overtook a limit ends with the first sample, even
    /// if the limit still holds: then that is told anew.
    fn end_of_condition(&mut self, source_time: Timestamp, value: Option<f64>) -> Vec<Outcome> {
        let holds = match self.told.map(|severity| severity.cause) {
            None => return Vec::new(),
            Some(Cause::Limit(kind)) => self
                .levels
                .iter()
                .any(|level| level.is_active() && level.side() == kind.side()),
            Some(Cause::Deadman) => self.deadman.as_ref().is_some_and(|deadman| deadman.silent),
            Some(Cause::Score) => false,
        };
        if holds {
            return Vec::new();
        }
        self.told = None;
        vec![Outcome::Return { source_time, value }]
    }

    fn is_news(&self, severity: Severity) -> bool {
        self.told.is_none_or(|told| severity.is_worse_than(told))
    }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
