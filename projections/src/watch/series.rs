//! One watched series: the evaluators of the rules that watch it.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::Equivalent;
use tellee_actors::domain::alarm::{Cause, Severity, Source};
use tellee_actors::domain::alarm_watch::{Evaluator, Evidence, Outcome, Standing};
use tellee_actors::ids::{AlarmId, ChannelId, ThingId};
use tellee_actors::time::Timestamp;

use super::rules::Rule;
use crate::telemetry::SeriesKey;

/// A [`SeriesKey`] that borrows its texts, to look one up without making one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SeriesRef<'a> {
    // The fields of `SeriesKey` in its order: both must hash alike.
    pub channel: ChannelId,
    pub thing: ThingId,
    pub subtopic: &'a str,
    pub name: &'a str,
}

impl SeriesRef<'_> {
    pub(super) fn to_key(self) -> SeriesKey {
        SeriesKey {
            channel: self.channel,
            thing: self.thing,
            subtopic: self.subtopic.to_owned(),
            name: self.name.to_owned(),
        }
    }
}

impl Equivalent<SeriesKey> for SeriesRef<'_> {
    fn equivalent(&self, key: &SeriesKey) -> bool {
        self.channel == key.channel
            && self.thing == key.thing
            && self.subtopic == key.subtopic
            && self.name == key.name
    }
}

/// What changed when these are not the present ones: rules, or things and their types.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Versions {
    pub rules: u64,
    pub access: u64,
}

#[derive(Debug, Default)]
pub(super) struct Series {
    /// As of when `watched` is right.
    pub versions: Versions,
    /// The unit that came last; empty if none did.
    pub unit: String,
    pub watched: Vec<Watched>,
    /// Stands for a series that never came, for the sake of a deadman.
    pub placeholder: bool,
}

/// Whether a sample is news, or the newest one that is kept and may have been evaluated before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    New,
    Again,
}

/// One rule on one series.
#[derive(Debug)]
pub(super) struct Watched {
    pub rule: Arc<Rule>,
    pub alarm: AlarmId,
    pub source: Source,
    /// What the alarm is or will be once everything is delivered.
    pub standing: Standing,
    evaluator: Evaluator,
}

impl Watched {
    pub(super) fn new(
        rule: Arc<Rule>,
        key: &SeriesKey,
        standing: Standing,
        lateness: Duration,
    ) -> Self {
        Self {
            alarm: alarm_of(&rule, key),
            source: Source {
                organisation: rule.organisation,
                rule: rule.id,
                thing: key.thing,
                channel: key.channel,
                subtopic: key.subtopic.clone(),
                series: key.name.clone(),
            },
            evaluator: Evaluator::with_lateness(&rule.definition, standing, lateness),
            standing,
            rule,
        }
    }

    pub(super) fn sample(&mut self, look: Look, evidence: Evidence) -> Vec<Outcome> {
        let outcomes = match look {
            Look::New => self.evaluator.sample(evidence),
            Look::Again => self.evaluator.resume(evidence),
        };
        self.remember(&outcomes);
        outcomes
    }

    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<Outcome> {
        let outcomes = self.evaluator.tick(now);
        self.remember(&outcomes);
        outcomes
    }

    /// What ends the alarm when nothing watches for its condition any more.
    pub(super) fn end(&mut self, now: Timestamp) -> Option<Outcome> {
        let end = end_of(&self.standing, now)?;
        self.remember(&[end]);
        Some(end)
    }

    fn remember(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            match *outcome {
                Outcome::Activate {
                    cause,
                    priority,
                    source_time,
                    ..
                } => {
                    self.standing.abnormal = Some(Severity { cause, priority });
                    self.standing.silent_from = (cause == Cause::Deadman).then_some(source_time);
                    if cause != Cause::Deadman {
                        self.standing.newest = self.standing.newest.max(Some(source_time));
                    }
                }
                Outcome::Return { source_time, .. } => {
                    self.standing.abnormal = None;
                    self.standing.silent_from = None;
                    self.standing.newest = self.standing.newest.max(Some(source_time));
                }
            }
        }
    }
}

pub(super) fn alarm_of(rule: &Rule, key: &SeriesKey) -> AlarmId {
    AlarmId::of(rule.id, key.thing, key.channel, &key.subtopic, &key.name)
}

/// The return of a standing condition, at the newest source time that its alarm knows: later samples stay newer than it.
/// Scores are the business of their model.
pub(super) fn end_of(standing: &Standing, now: Timestamp) -> Option<Outcome> {
    let severity = standing
        .abnormal
        .filter(|severity| severity.cause != Cause::Score)?;
    let source_time = match severity.cause {
        Cause::Deadman => now,
        _ => standing.newest.unwrap_or(now),
    };
    Some(Outcome::Return {
        source_time,
        value: None,
    })
}

#[cfg(test)]
mod tests {
    use hashbrown::HashMap;

    use super::*;

    #[test]
    fn a_borrowed_key_finds_what_its_owned_twin_put_in() {
        let key = SeriesKey {
            channel: ChannelId::generate(),
            thing: ThingId::generate(),
            subtopic: "a.b".to_owned(),
            name: "pressure".to_owned(),
        };
        let reference = SeriesRef {
            channel: key.channel,
            thing: key.thing,
            subtopic: &key.subtopic,
            name: &key.name,
        };
        assert_eq!(reference.to_key(), key);
        let mut map: HashMap<SeriesKey, i32> = HashMap::new();
        map.insert(key.clone(), 1);
        assert_eq!(map.get(&reference), Some(&1));
        assert_eq!(
            map.get(&SeriesRef {
                name: "flow",
                ..reference
            }),
            None
        );
    }
}
