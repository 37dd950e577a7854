//! Scores as telemetry and as alarms.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tellee_actors::command::{Command, CommandContext};
use tellee_actors::domain::alarm::{self, Activation, Cause, Contribution, Source};
use tellee_actors::domain::alarm_rule::{AlarmClass, Priority};
use tellee_actors::domain::model::{Definition, Version};
use tellee_actors::event::Who;
use tellee_actors::ids::{
    AlarmId, AlarmRuleId, ChannelId, CommandId, EntityId, ModelId, OrganisationId,
};
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{MessageBatch, Quality, Record, Value};
use uuid::Uuid;

use crate::models::ModelEntry;
use crate::persistence::Transition;
use crate::protocol::Scored;

/// The protocol that scores are stored under.
pub const SCORE_PROTOCOL: &str = "ml";
/// The unit of scores and shares: SenML's name for a ratio.
const RATIO: &str = "/";
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// A model version that scores.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveModel {
    pub id: ModelId,
    pub organisation: OrganisationId,
    pub definition: Arc<Definition>,
    pub version: u32,
    pub artifact: String,
    pub score_limit: f64,
}

/// The score of the window that ends at `time`.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowScore {
    pub time: Timestamp,
    pub scored: Scored,
    /// The last sample of the window.
    pub actual: Vec<f32>,
}

impl LiveModel {
    /// `None` if no version is live, or its thing is gone.
    pub fn of(entry: &ModelEntry) -> Option<Self> {
        let Version {
            version,
            artifact,
            score_limit,
            ..
        } = entry.live_version().filter(|_| entry.thing_exists)?;
        Some(Self {
            id: entry.id,
            organisation: entry.organisation,
            definition: Arc::new(entry.definition.clone()),
            version: *version,
            artifact: artifact.clone(),
            score_limit: *score_limit,
        })
    }

    pub fn is_abnormal(&self, score: f32) -> bool {
        f64::from(score) > self.score_limit
    }

    /// The channel that scores are written to.
    fn channel(&self) -> Option<ChannelId> {
        self.definition.signals.first().map(|signal| signal.channel)
    }

    /// The rule that predictive alarms of this model carry. No such rule is kept: the model is the rule.
    pub fn alarm_rule(&self) -> AlarmRuleId {
        AlarmRuleId(Uuid::new_v5(&self.id.0, b"predictive"))
    }

    /// The predictive alarm of this model.
    pub fn alarm(&self) -> Option<AlarmId> {
        let Definition {
            thing,
            score_series,
            ..
        } = self.definition.as_ref();
        Some(AlarmId::of(
            self.alarm_rule(),
            *thing,
            self.channel()?,
            "",
            score_series,
        ))
    }

    /// The message that writes `scores`: `<score series>` and `<score series>/<signal>` with its share.
    pub fn message(&self, scores: &[WindowScore], received_at: Timestamp) -> Option<MessageBatch> {
        let names: Vec<String> = (0..self.definition.signals.len())
            .map(|signal| {
                format!(
                    "{}/{}",
                    self.definition.score_series,
                    signal_name(&self.definition, signal)
                )
            })
            .collect();
        let mut records = Vec::with_capacity(scores.len() * (1 + names.len()));
        for WindowScore { time, scored, .. } in scores {
            records.push(ratio(
                self.definition.score_series.clone(),
                *time,
                scored.score,
            ));
            records.extend(
                names
                    .iter()
                    .zip(&scored.shares)
                    .map(|(name, share)| ratio(name.clone(), *time, *share)),
            );
        }
        Some(MessageBatch {
            channel: self.channel()?,
            thing: self.definition.thing,
            subtopic: Arc::from(""),
            protocol: SCORE_PROTOCOL,
            received_at,
            historical: false,
            records,
        })
    }

    /// What to ask of the alarm. A repeated command has the same id. `titles`: what engineers call the series.
    pub fn alarm_command(
        &self,
        transition: Transition,
        window: &WindowScore,
        titles: &HashMap<String, String>,
        now: Timestamp,
    ) -> Option<(EntityId, Command, CommandContext)> {
        let alarm = self.alarm()?;
        let score = f64::from(window.scored.score);
        let command = match transition {
            Transition::Raise => alarm::Command::Activate {
                source: self.source()?,
                activation: self.activation(window, titles, now),
            },
            Transition::Return => alarm::Command::Return {
                source_time: window.time,
                value: Some(score),
            },
        };
        let key = format!("{alarm}/{transition:?}/{}", window.time.0);
        let context = CommandContext {
            command_id: CommandId::from_key("ml", &key),
            who: Who::System("ml".to_owned()),
            organisation: Some(self.organisation),
            expected_revision: None,
            note: None,
            input: None,
            timeout: ASK_TIMEOUT,
        };
        Some((alarm.into(), Command::Alarm(command), context))
    }

    fn source(&self) -> Option<Source> {
        Some(Source {
            organisation: self.organisation,
            rule: self.alarm_rule(),
            thing: self.definition.thing,
            channel: self.channel()?,
            subtopic: String::new(),
            series: self.definition.score_series.clone(),
        })
    }

    fn activation(
        &self,
        window: &WindowScore,
        titles: &HashMap<String, String>,
        now: Timestamp,
    ) -> Activation {
        let contributions = contributions(&self.definition, window);
        let leading = leading(&self.definition, window).map_or("", |series| {
            titles.get(series).map_or(series, String::as_str)
        });
        Activation {
            cause: Cause::Score,
            priority: Priority::P4,
            class: AlarmClass::Predictive,
            latching: false,
            acknowledge_required: true,
            message: format!("{}: behaves as it does not in health, most of all `{leading}`", self.definition.name),
            consequence: "A limit may be crossed later, or the model has not seen this way of running.".to_owned(),
            action: "Compare the signals with what the model expects, largest share first, and look at the equipment."
                .to_owned(),
            time_to_respond_ms: None,
            unit: RATIO.to_owned(),
            value: Some(f64::from(window.scored.score)),
            limit: Some(self.score_limit),
            quality: Quality::GOOD.0,
            source_time: window.time,
            received_at: now,
            contributions,
        }
    }
}

/// The series of a signal, told apart from another signal of the same series by its place.
fn signal_name(definition: &Definition, index: usize) -> String {
    let Some(signal) = definition.signals.get(index) else {
        return index.to_string();
    };
    let twins = definition
        .signals
        .iter()
        .filter(|other| other.series == signal.series)
        .count();
    if twins > 1 {
        format!("{}#{index}", signal.series)
    } else {
        signal.series.clone()
    }
}

/// The series with the largest share.
fn leading<'model>(definition: &'model Definition, window: &WindowScore) -> Option<&'model str> {
    let shares = window.scored.shares.iter().zip(&definition.signals);
    // Of equal shares the first, as in the list of contributions: `max_by` alone would take the last.
    let (_, signal) = shares.rev().max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some(signal.series.as_str())
}

fn contributions(definition: &Definition, window: &WindowScore) -> Vec<Contribution> {
    let WindowScore { scored, actual, .. } = window;
    let at = |values: &[f32], index: usize| values.get(index).map(|value| f64::from(*value));
    let mut contributions: Vec<Contribution> = scored
        .shares
        .iter()
        .enumerate()
        .map(|(index, share)| Contribution {
            series: signal_name(definition, index),
            share: f64::from(*share),
            expected: at(&scored.expected, index),
            actual: at(actual, index),
        })
        .collect();
    contributions.sort_by(|a, b| b.share.total_cmp(&a.share));
    contributions
}

fn ratio(name: String, time: Timestamp, value: f32) -> Record {
    Record {
        name,
        unit: RATIO.to_owned(),
        time,
        seq: 0,
        value: Value::Number(f64::from(value)),
        sum: None,
        update_time: None,
        quality: Quality::GOOD,
    }
}

#[cfg(test)]
mod tests {
    use tellee_actors::domain::model::Signal;
    use tellee_actors::entity::{Aggregate, DecideContext};
    use tellee_actors::ids::ThingId;

    use super::*;

    fn model(series: [&str; 2]) -> LiveModel {
        let channel = ChannelId::generate();
        LiveModel {
            id: ModelId::generate(),
            organisation: OrganisationId::generate(),
            definition: Arc::new(Definition {
                name: "Pump 1".into(),
                thing: ThingId::generate(),
                signals: series
                    .map(|series| Signal {
                        channel,
                        subtopic: String::new(),
                        series: series.into(),
                    })
                    .to_vec(),
                sample_period_ms: 1_000,
                window: 4,
                score_series: "pump.score".into(),
                persistence: 2,
            }),
            version: 1,
            artifact: String::new(),
            score_limit: 0.5,
        }
    }

    fn window() -> WindowScore {
        WindowScore {
            time: Timestamp(7),
            scored: Scored {
                score: 0.75,
                shares: vec![0.25, 0.75],
                expected: vec![1.0, 2.0],
            },
            actual: vec![1.5, 9.0],
        }
    }

    #[test]
    fn scores_and_shares_become_records_of_the_thing() {
        let model = model(["flow", "current"]);
        let message = model.message(&[window()], Timestamp(9)).unwrap();
        let records: Vec<_> = message
            .records
            .iter()
            .map(|record| (record.name.as_str(), record.value.as_number().unwrap()))
            .collect();
        assert_eq!(
            records,
            [
                ("pump.score", 0.75),
                ("pump.score/flow", 0.25),
                ("pump.score/current", 0.75)
            ]
        );
        assert_eq!(
            (message.thing, message.protocol),
            (model.definition.thing, "ml")
        );
    }

    #[test]
    fn the_alarm_takes_what_the_model_asks() {
        let model = model(["flow", "current"]);
        let mut state = alarm::State::default();
        for (transition, time, events) in [
            (Transition::Return, 1, None),
            (Transition::Raise, 2, Some(1)),
            (Transition::Return, 3, Some(1)),
        ] {
            let window = WindowScore {
                time: Timestamp(time),
                ..window()
            };
            let (entity, command, context) = model
                .alarm_command(transition, &window, &HashMap::new(), Timestamp(9))
                .unwrap();
            let command = alarm::Alarm::command(command).unwrap();
            let context = DecideContext {
                entity,
                at: Timestamp(9),
                who: context.who,
            };
            let decided = alarm::Alarm::decide(&state, command, &context);
            assert_eq!(decided.as_ref().ok().map(Vec::len), events, "{decided:?}");
            for event in decided.unwrap_or_default() {
                alarm::Alarm::apply(&mut state, &event);
            }
        }
    }

    #[test]
    fn an_alarm_calls_the_leading_signal_by_the_title_that_an_engineer_gave_it() {
        let message = |titles: &HashMap<String, String>| {
            let model = model(["flow", "current"]);
            let asked = model.alarm_command(Transition::Raise, &window(), titles, Timestamp(9));
            let Some((_, Command::Alarm(alarm::Command::Activate { activation, .. }), _)) = asked
            else {
                panic!("{asked:?}")
            };
            assert_eq!(activation.contributions[0].series, "current");
            activation.message
        };
        let titled = HashMap::from([("current".to_owned(), "Motor current".to_owned())]);
        assert!(message(&titled).ends_with("most of all `Motor current`"));
        let other = HashMap::from([("flow".to_owned(), "Flow".to_owned())]);
        assert!(message(&other).ends_with("most of all `current`"));
    }

    #[test]
    fn signals_of_one_name_are_told_apart() {
        let message = model(["flow", "flow"])
            .message(&[window()], Timestamp(9))
            .unwrap();
        assert_eq!(message.records[1].name, "pump.score/flow#0");
        assert_eq!(message.records[2].name, "pump.score/flow#1");
    }

    #[test]
    fn an_alarm_names_the_signal_with_the_largest_share_first() {
        let model = model(["flow", "current"]);
        let (entity, command, context) = model
            .alarm_command(Transition::Raise, &window(), &HashMap::new(), Timestamp(9))
            .unwrap();
        assert_eq!(entity, EntityId::from(model.alarm().unwrap()));
        let Command::Alarm(alarm::Command::Activate { activation, source }) = command else {
            panic!()
        };
        assert_eq!(source.series, "pump.score");
        assert_eq!(
            (activation.cause, activation.class),
            (Cause::Score, AlarmClass::Predictive)
        );
        assert_eq!(
            (activation.value, activation.limit),
            (Some(0.75), Some(0.5))
        );
        let first = &activation.contributions[0];
        assert_eq!(
            (first.series.as_str(), first.expected, first.actual),
            ("current", Some(2.0), Some(9.0))
        );

        let (_, _, again) = model
            .alarm_command(Transition::Raise, &window(), &HashMap::new(), Timestamp(99))
            .unwrap();
        assert_eq!(context.command_id, again.command_id);
        let (_, _, other) = model
            .alarm_command(Transition::Return, &window(), &HashMap::new(), Timestamp(9))
            .unwrap();
        assert_ne!(context.command_id, other.command_id);
    }
}
