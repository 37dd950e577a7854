//! Models and their versions.

use async_graphql::{ComplexObject, Context, Enum, ID, Json, Result, SimpleObject};
use serde_json::{Map, Value};
use tellee_actors::domain::model::Definition;
use tellee_actors::ids::ModelId;
use tellee_projections::registry::ModelRow;
use tellee_projections::telemetry::SeriesFilter;

use super::context::platform;
use super::scalars::{DateTime, Long};
use super::series::Series;
use super::thing::{Thing, thing_by_id};
use crate::error::ApiError;
use crate::platform::{Scoring, ScoringState};

#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct Model {
    pub id: ID,
    pub revision: Long,
    pub name: String,
    pub signals: Vec<ModelSignal>,
    pub sample_period_ms: Long,
    pub window: u32,
    pub score_series: String,
    /// Windows in a row above the limit that raise an alarm.
    pub persistence: u32,
    pub versions: Vec<ModelVersion>,
    pub live: Option<u32>,
    /// Why the last training failed, until one succeeds.
    pub last_failure: Option<String>,
    #[graphql(skip)]
    pub model: ModelId,
    #[graphql(skip)]
    pub definition: Definition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum ModelScoringState {
    /// The worker does not run, or does not have the model yet.
    Waiting,
    Scoring,
    /// The model cannot score: its files are damaged, or it kills the worker. Another version may.
    Failed,
}

/// How a live model scores. All counts are since the start of the server.
#[derive(Debug, Clone, SimpleObject)]
pub struct ModelScoring {
    pub version: u32,
    pub state: ModelScoringState,
    /// Why it does not score.
    pub reason: Option<String>,
    pub scored: Long,
    /// Windows that lack a value.
    pub unknown: Long,
    /// Samples that came after their window was closed.
    pub late: Long,
    /// Samples, windows and scores that got lost under load or failure.
    pub dropped: Long,
    /// The end of the window that was scored last.
    pub last_scored_at: Option<DateTime>,
}

impl From<Scoring> for ModelScoring {
    fn from(scoring: Scoring) -> Self {
        Self {
            version: scoring.version,
            state: match scoring.state {
                ScoringState::Waiting => ModelScoringState::Waiting,
                ScoringState::Scoring => ModelScoringState::Scoring,
                ScoringState::Failed => ModelScoringState::Failed,
            },
            reason: scoring.reason,
            scored: Long(scoring.scored),
            unknown: Long(scoring.unknown),
            late: Long(scoring.late),
            dropped: Long(scoring.dropped),
            last_scored_at: scoring.last_scored_at.map(DateTime),
        }
    }
}

#[derive(Debug, Clone, SimpleObject)]
pub struct ModelSignal {
    pub channel: ID,
    pub subtopic: String,
    pub series: String,
}

/// A version with its lineage: with it the same version can be made again.
#[derive(Debug, Clone, SimpleObject)]
pub struct ModelVersion {
    pub version: u32,
    pub live: bool,
    pub retired: bool,
    /// Hex SHA-256 of the artifact.
    pub artifact: String,
    pub format: String,
    /// Scores above it are abnormal.
    pub score_limit: f64,
    pub metrics: Json<Map<String, Value>>,
    pub trained_from: DateTime,
    pub trained_to: DateTime,
    pub rows: Long,
    pub data_hash: String,
    pub seed: Long,
    pub parameters: Json<Value>,
    pub code_version: String,
    pub parent: Option<u32>,
}

impl From<ModelRow> for Model {
    fn from(row: ModelRow) -> Self {
        let (live, retired) = (row.live, row.retired);
        let versions = row.versions.into_iter().map(|version| ModelVersion {
            version: version.version,
            live: live == Some(version.version),
            retired: retired.contains(&version.version),
            artifact: version.artifact,
            format: version.format,
            score_limit: version.score_limit,
            metrics: Json(
                version
                    .metrics
                    .into_iter()
                    .map(|(name, value)| (name, value.into()))
                    .collect(),
            ),
            trained_from: DateTime(version.lineage.trained_from),
            trained_to: DateTime(version.lineage.trained_to),
            rows: Long(version.lineage.rows),
            data_hash: version.lineage.data_hash,
            seed: Long(version.lineage.seed),
            parameters: Json(version.lineage.parameters),
            code_version: version.lineage.code_version,
            parent: version.lineage.parent,
        });
        let signals = row.definition.signals.iter().map(|signal| ModelSignal {
            channel: signal.channel.to_string().into(),
            subtopic: signal.subtopic.clone(),
            series: signal.series.clone(),
        });
        Self {
            id: row.id.to_string().into(),
            revision: Long(row.stamps.revision.0),
            name: row.definition.name.clone(),
            signals: signals.collect(),
            sample_period_ms: Long(row.definition.sample_period_ms),
            window: row.definition.window,
            score_series: row.definition.score_series.clone(),
            persistence: row.definition.persistence,
            versions: versions.collect(),
            live,
            last_failure: row.last_failure,
            model: row.id,
            definition: row.definition,
        }
    }
}

#[ComplexObject]
impl Model {
    async fn thing(&self, ctx: &Context<'_>) -> Result<Option<Thing>> {
        Ok(thing_by_id(ctx, self.definition.thing).await?)
    }

    /// Absent while no version is live.
    async fn scoring(&self, ctx: &Context<'_>) -> Result<Option<ModelScoring>> {
        Ok(platform(ctx)?
            .models
            .scoring(self.model)
            .map(ModelScoring::from))
    }

    /// The series that the score is written to, if there is one yet.
    async fn score(&self, ctx: &Context<'_>) -> Result<Option<Series>> {
        let Some(signal) = self.definition.signals.first() else {
            return Ok(None);
        };
        let filter = SeriesFilter {
            channels: Some(vec![signal.channel]),
            thing: Some(self.definition.thing),
            name: Some(self.definition.score_series.clone()),
            ..SeriesFilter::default()
        };
        let (found, _) = platform(ctx)?
            .telemetry
            .series(&filter, 0, 1)
            .await
            .map_err(ApiError::from)?;
        Ok(found.into_iter().next().map(Series::from))
    }
}
