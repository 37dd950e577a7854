//! Models: made, trained, promoted.

use async_trait::async_trait;
use tellee_actors::command::{Accepted, Command};
use tellee_actors::domain::model::{self, Definition};
use tellee_actors::ids::ModelId;
use tellee_actors::time::Timestamp;
use tellee_projections::registry::ModelRow;

use super::{Platform, Request};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::identity::Action;

/// A training that was asked for.
#[derive(Debug, Clone)]
pub struct Training {
    pub model: ModelRow,
    /// The healthy window: from, inclusive, to, exclusive.
    pub from: Timestamp,
    pub to: Timestamp,
    pub seed: u64,
    /// The new version becomes the live one once it has passed its checks.
    pub promote: bool,
    pub who: tellee_actors::event::Who,
}

/// Whether a live model scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoringState {
    /// The worker does not run, or does not have the model yet.
    Waiting,
    Scoring,
    /// The model cannot score: its files are damaged, or it kills the worker. Another version may.
    Failed,
}

/// How a live model scores, since the start of this node.
#[derive(Debug, Clone, PartialEq)]
pub struct Scoring {
    pub version: u32,
    pub state: ScoringState,
    /// Why it does not score.
    pub reason: Option<String>,
    pub scored: u64,
    /// Windows that lack a value.
    pub unknown: u64,
    /// Samples that came after their window was closed.
    pub late: u64,
    /// Samples, windows and scores that got lost under load or failure.
    pub dropped: u64,
    /// The end of the window that was scored last.
    pub last_scored_at: Option<Timestamp>,
}

/// What runs models. Stands apart so that the API works on without it.
#[async_trait]
pub trait ModelHost: Send + Sync + 'static {
    /// `ABSENT`, `STARTING`, `READY`, `BACKING_OFF` or `BROKEN`, and why.
    fn state(&self) -> (&'static str, Option<String>);

    /// How a model scores; `None` if no version of it is live here.
    fn scoring(&self, model: ModelId) -> Option<Scoring>;

    /// Takes a training. Its outcome becomes an event of the model.
    async fn train(&self, training: Training) -> Result<(), ApiError>;
}

impl Platform {
    pub fn ml_state(&self) -> (&'static str, Option<String>) {
        self.models.state()
    }

    pub async fn model(&self, caller: &Caller, id: ModelId) -> Result<ModelRow, ApiError> {
        let found = self
            .projections
            .registry()
            .model(caller.organisation, id)
            .await?;
        found.ok_or_else(|| ApiError::not_found("such model"))
    }

    pub async fn create_model(
        &self,
        caller: &Caller,
        id: ModelId,
        definition: Definition,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::ManageModels)?;
        let access = self.projections.access();
        if access
            .thing(definition.thing)
            .map(|found| found.organisation)
            != Some(caller.organisation)
        {
            return Err(ApiError::invalid("input.thing", "there is no such thing"));
        }
        for (index, signal) in definition.signals.iter().enumerate() {
            if access.channel_organisation(signal.channel) != Some(caller.organisation) {
                return Err(ApiError::invalid(
                    format!("input.signals[{index}].channel"),
                    "there is no such channel",
                ));
            }
        }
        let create = model::Command::Create {
            organisation: caller.organisation,
            definition,
        };
        self.ask(
            caller.who(),
            caller.organisation,
            id.into(),
            Command::Model(create),
            request,
        )
        .await
    }

    pub async fn change_model(
        &self,
        caller: &Caller,
        id: ModelId,
        command: model::Command,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::ManageModels)?;
        self.model(caller, id).await?;
        self.ask(
            caller.who(),
            caller.organisation,
            id.into(),
            Command::Model(command),
            request,
        )
        .await
    }

    pub async fn train_model(
        &self,
        caller: &Caller,
        id: ModelId,
        (from, to): (Timestamp, Timestamp),
        seed: u64,
        promote: bool,
    ) -> Result<(), ApiError> {
        caller.require(Action::ManageModels)?;
        if from >= to {
            return Err(ApiError::invalid("input.to", "must be later than `from`"));
        }
        let model = self.model(caller, id).await?;
        self.models
            .train(Training {
                model,
                from,
                to,
                seed,
                promote,
                who: caller.who(),
            })
            .await
    }
}
