//! A model with its versions: what it was trained on, what it scores, which version is live.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event_names::{decode_v1, event_names};
use super::{Rejection, limits, presence, validate};
use crate::command;
use crate::entity::{Aggregate, DecideContext, DecodeError};
use crate::ids::{ChannelId, EntityKind, OrganisationId, ThingId};
use crate::time::Timestamp;

/// One input signal of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    pub channel: ChannelId,
    #[serde(default)]
    pub subtopic: String,
    pub series: String,
}

/// What the model watches, fixed for all of its versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub name: String,
    pub thing: ThingId,
    pub signals: Vec<Signal>,
    /// The grid that signals are resampled to.
    pub sample_period_ms: u64,
    /// Samples per window.
    pub window: u32,
    /// The name of the series that the score is written to; its channel is that of the first signal.
    pub score_series: String,
    /// Raises an alarm of class predictive when the score is above its limit for this many windows in a row.
    pub persistence: u32,
}

/// How a version came about. With it the same version can be made again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    pub trained_from: Timestamp,
    pub trained_to: Timestamp,
    pub rows: u64,
    /// Hex SHA-256 over the training rows.
    pub data_hash: String,
    pub seed: u64,
    pub parameters: serde_json::Value,
    pub code_version: String,
    pub parent: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    pub version: u32,
    /// Hex SHA-256 of the artifact file in the model folder.
    pub artifact: String,
    /// `torchscript`.
    pub format: String,
    /// Scores above it are abnormal.
    pub score_limit: f64,
    pub metrics: BTreeMap<String, f64>,
    pub lineage: Lineage,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub removed: bool,
    pub organisation: Option<OrganisationId>,
    pub definition: Option<Definition>,
    pub versions: Vec<Version>,
    pub live: Option<u32>,
    pub retired: Vec<u32>,
    /// Why the last training failed, until one succeeds.
    pub last_failure: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Command {
    Create {
        organisation: OrganisationId,
        definition: Definition,
    },
    /// `version.version` must be the next number.
    RegisterVersion {
        version: Version,
    },
    RecordTrainingFailure {
        reason: String,
    },
    Promote {
        version: u32,
    },
    Retire {
        version: u32,
    },
    Remove,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Event {
    Created {
        organisation: OrganisationId,
        definition: Definition,
    },
    VersionRegistered {
        version: Version,
    },
    TrainingFailed {
        reason: String,
    },
    Promoted {
        version: u32,
        previous: Option<u32>,
    },
    Retired {
        version: u32,
    },
    Removed {},
}

impl Definition {
    fn validate(&self) -> Result<(), Rejection> {
        validate::name("name", &self.name)?;
        if self.signals.is_empty() {
            return Err(Rejection::invalid(
                "signals",
                "must have at least one entry",
            ));
        }
        validate::at_most_items("signals", self.signals.len(), limits::SIGNALS)?;
        let mut seen = BTreeSet::new();
        for (index, signal) in self.signals.iter().enumerate() {
            let field = format!("signals[{index}].series");
            validate::name(&field, &signal.series)?;
            validate::optional_name(&format!("signals[{index}].subtopic"), &signal.subtopic)?;
            if !seen.insert((signal.channel, &signal.subtopic, &signal.series)) {
                return Err(Rejection::invalid(
                    field,
                    "is the series of an earlier signal",
                ));
            }
            // A model that reads what it writes would feed on its own score.
            if signal.series == self.score_series {
                return Err(Rejection::invalid("score_series", "is one of the signals"));
            }
        }
        let longest = limits::SAMPLE_PERIOD.as_millis() as u64;
        validate::positive("sample_period_ms", self.sample_period_ms, longest)?;
        validate::positive("window", self.window.into(), limits::WINDOW_SAMPLES.into())?;
        validate::name("score_series", &self.score_series)?;
        let most = limits::PERSISTENCE_WINDOWS.into();
        validate::positive("persistence", self.persistence.into(), most)
    }
}

impl Lineage {
    fn validate(&self) -> Result<(), Rejection> {
        if self.trained_from >= self.trained_to {
            let reason = "must be later than `trained_from`";
            return Err(Rejection::invalid("lineage.trained_to", reason));
        }
        validate::sha256_hex("lineage.data_hash", &self.data_hash)?;
        validate::json("lineage.parameters", &self.parameters)?;
        validate::optional_name("lineage.code_version", &self.code_version)
    }
}

impl Version {
    fn validate(&self) -> Result<(), Rejection> {
        validate::sha256_hex("artifact", &self.artifact)?;
        validate::name("format", &self.format)?;
        validate::finite("score_limit", self.score_limit)?;
        validate::at_most_items("metrics", self.metrics.len(), limits::METRICS)?;
        for (name, metric) in &self.metrics {
            validate::name("metrics", name)?;
            validate::finite(&format!("metrics.{name}"), *metric)?;
        }
        self.lineage.validate()
    }
}

impl State {
    /// Created and not removed.
    pub const fn is_there(&self) -> bool {
        self.exists && !self.removed
    }

    /// The version with this number, retired or not.
    pub fn version(&self, number: u32) -> Option<&Version> {
        self.versions
            .iter()
            .find(|version| version.version == number)
    }

    fn known(&self, number: u32) -> Result<(), Rejection> {
        if self.version(number).is_none() {
            return Err(Rejection::not_found(format!("model version {number}")));
        }
        Ok(())
    }

    fn next_version(&self) -> u32 {
        self.versions
            .last()
            .map_or(1, |last| last.version.saturating_add(1))
    }
}

/// The aggregate of a model.
#[derive(Debug, Clone, Copy)]
pub struct Model;

event_names!(Model, Event {
    Created => "model.created",
    VersionRegistered => "model.version_registered",
    TrainingFailed => "model.training_failed",
    Promoted => "model.promoted",
    Retired => "model.retired",
    Removed => "model.removed",
});

impl Aggregate for Model {
    const KIND: EntityKind = EntityKind::Model;
    const SNAPSHOT_SCHEMA: u16 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;

    fn command(command: command::Command) -> Option<Command> {
        match command {
            command::Command::Model(command) => Some(command),
            _ => None,
        }
    }

    fn decide(
        state: &State,
        command: Command,
        context: &DecideContext,
    ) -> Result<Vec<Event>, Rejection> {
        if !matches!(command, Command::Create { .. }) {
            presence::must_be_there(state.is_there(), context)?;
        }
        let event = match command {
            Command::Create {
                organisation,
                definition,
            } => {
                presence::must_be_new(state.exists, context)?;
                definition.validate()?;
                Event::Created {
                    organisation,
                    definition,
                }
            }
            Command::RegisterVersion { version } => {
                register(state, &version)?;
                Event::VersionRegistered { version }
            }
            Command::RecordTrainingFailure { reason } => {
                // A long report is cut rather than refused: that the training failed must be known.
                let reason: String = reason.chars().take(limits::TEXT_CHARS).collect();
                validate::not_blank("reason", &reason)?;
                Event::TrainingFailed { reason }
            }
            Command::Promote { version } => {
                state.known(version)?;
                if state.live == Some(version) {
                    return Ok(Vec::new());
                }
                if state.retired.contains(&version) {
                    let reason = format!("model version {version} is retired");
                    return Err(Rejection::conflict(reason));
                }
                Event::Promoted {
                    version,
                    previous: state.live,
                }
            }
            Command::Retire { version } => {
                state.known(version)?;
                if state.retired.contains(&version) {
                    return Ok(Vec::new());
                }
                Event::Retired { version }
            }
            Command::Remove => Event::Removed {},
        };
        Ok(vec![event])
    }

    fn apply(state: &mut State, event: &Event) {
        match event {
            Event::Created {
                organisation,
                definition,
            } => {
                *state = State {
                    exists: true,
                    organisation: Some(*organisation),
                    definition: Some(definition.clone()),
                    ..State::default()
                };
            }
            Event::VersionRegistered { version } => {
                state.versions.push(version.clone());
                state.last_failure = None;
            }
            Event::TrainingFailed { reason } => state.last_failure = Some(reason.clone()),
            Event::Promoted { version, .. } => state.live = Some(*version),
            Event::Retired { version } => {
                state.retired.push(*version);
                // Retiring the live version ends the scoring until another is promoted.
                if state.live == Some(*version) {
                    state.live = None;
                }
            }
            Event::Removed {} => {
                state.removed = true;
                state.live = None;
            }
        }
    }

    fn event_type(event: &Event) -> &'static str {
        Self::name_of(event)
    }

    fn decode(event_type: &str, schema: u16, data: &Value) -> Result<Event, DecodeError> {
        decode_v1(Self::EVENT_TYPES, Self::name_of, event_type, schema, data)
    }
}

fn register(state: &State, version: &Version) -> Result<(), Rejection> {
    let next = state.next_version();
    if version.version != next {
        let reason = format!("the next model version is {next}, not {}", version.version);
        return Err(Rejection::conflict(reason));
    }
    if state.versions.len() >= limits::VERSIONS {
        let limit = limits::VERSIONS;
        return Err(Rejection::conflict(format!(
            "a model has at most {limit} versions"
        )));
    }
    version.validate()?;
    match version.lineage.parent {
        Some(parent) if state.version(parent).is_none() => Err(Rejection::invalid(
            "lineage.parent",
            "is no version of this model",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
