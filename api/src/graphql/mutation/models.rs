//! Models.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use tellee_actors::domain::model::{Command, Definition, Signal};
use tellee_actors::ids::{ModelId, Revision};

use super::{RemoveInput, RemovedPayload, request};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::graphql::context::{caller, id, platform};
use crate::graphql::model::Model;
use crate::graphql::scalars::{DateTime, Long};
use crate::platform::Platform;

#[derive(Debug, Clone, InputObject)]
pub struct ModelSignalInput {
    pub channel: ID,
    #[graphql(default)]
    pub subtopic: String,
    pub series: String,
}

#[derive(Debug, Clone, InputObject)]
pub struct CreateModelInput {
    pub idempotency_key: String,
    pub name: String,
    pub thing: ID,
    pub signals: Vec<ModelSignalInput>,
    pub sample_period_ms: Long,
    #[graphql(default = 60)]
    pub window: u32,
    /// Left out: the model's name in lower case, followed by `.score`.
    pub score_series: Option<String>,
    #[graphql(default = 3)]
    pub persistence: u32,
}

#[derive(Debug, Clone, InputObject)]
pub struct TrainModelInput {
    pub idempotency_key: String,
    pub model: ID,
    /// The healthy window.
    pub from: DateTime,
    pub to: DateTime,
    #[graphql(default_with = "Long(1)")]
    pub seed: Long,
    /// The new version becomes the live one once it has passed its checks.
    #[graphql(default = true)]
    pub promote: bool,
}

#[derive(Debug, Clone, InputObject)]
pub struct ModelVersionInput {
    pub idempotency_key: String,
    pub expected_revision: Option<Long>,
    pub model: ID,
    pub version: u32,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct ModelPayload {
    pub model: Model,
    pub revision: Long,
}

#[derive(Default)]
pub struct ModelMutations;

#[Object]
impl ModelMutations {
    async fn create_model(
        &self,
        ctx: &Context<'_>,
        input: CreateModelInput,
    ) -> Result<ModelPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        let model = ModelId(asked.entity("model"));
        let signal = |signal: ModelSignalInput| {
            Ok(Signal {
                channel: id(&signal.channel, "input.signals.channel")?,
                subtopic: signal.subtopic,
                series: signal.series,
            })
        };
        let score_series = input
            .score_series
            .unwrap_or_else(|| format!("{}.score", series_name(&input.name)));
        let definition = Definition {
            name: input.name,
            thing: id(&input.thing, "input.thing")?,
            signals: input
                .signals
                .into_iter()
                .map(signal)
                .collect::<Result<_, ApiError>>()?,
            sample_period_ms: input.sample_period_ms.0,
            window: input.window,
            score_series,
            persistence: input.persistence,
        };
        let accepted = platform
            .create_model(caller, model, definition, &asked)
            .await?;
        Ok(payload(platform, caller, model, accepted.revision).await?)
    }

    /// Trains a version on a healthy window. Answers when the job was taken; the version appears in the model, or the
    /// reason why not in its `lastFailure`.
    async fn train_model(&self, ctx: &Context<'_>, input: TrainModelInput) -> Result<ModelPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let model: ModelId = id(&input.model, "input.model")?;
        request(ctx, &input.idempotency_key, None, None)?;
        platform
            .train_model(
                caller,
                model,
                (input.from.0, input.to.0),
                input.seed.0,
                input.promote,
            )
            .await?;
        let row = platform.model(caller, model).await?;
        let revision = row.stamps.revision;
        Ok(ModelPayload {
            model: Model::from(row),
            revision: Long(revision.0),
        })
    }

    async fn promote_model_version(
        &self,
        ctx: &Context<'_>,
        input: ModelVersionInput,
    ) -> Result<ModelPayload> {
        let promote = Command::Promote {
            version: input.version,
        };
        Ok(change(ctx, &input, promote).await?)
    }

    async fn retire_model_version(
        &self,
        ctx: &Context<'_>,
        input: ModelVersionInput,
    ) -> Result<ModelPayload> {
        let retire = Command::Retire {
            version: input.version,
        };
        Ok(change(ctx, &input, retire).await?)
    }

    async fn remove_model(&self, ctx: &Context<'_>, input: RemoveInput) -> Result<RemovedPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let model: ModelId = id(&input.id, "input.id")?;
        let accepted = platform
            .change_model(caller, model, Command::Remove, &input.request(ctx)?)
            .await?;
        Ok(RemovedPayload {
            id: input.id,
            revision: Long(accepted.revision.0),
        })
    }
}

/// A name that SenML allows, made of a title.
fn series_name(title: &str) -> String {
    let mapped: String = title
        .to_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect();
    let trimmed = mapped.trim_matches('_');
    if trimmed.is_empty() {
        "model".to_owned()
    } else {
        trimmed.to_owned()
    }
}

async fn change(
    ctx: &Context<'_>,
    input: &ModelVersionInput,
    command: Command,
) -> Result<ModelPayload, ApiError> {
    let (platform, caller) = (platform(ctx)?, caller(ctx)?);
    let asked = request(ctx, &input.idempotency_key, input.expected_revision, None)?;
    let model: ModelId = id(&input.model, "input.model")?;
    let accepted = platform
        .change_model(caller, model, command, &asked)
        .await?;
    payload(platform, caller, model, accepted.revision).await
}

async fn payload(
    platform: &Platform,
    caller: &Caller,
    id: ModelId,
    revision: Revision,
) -> Result<ModelPayload, ApiError> {
    let model = Model::from(platform.model(caller, id).await?);
    Ok(ModelPayload {
        model,
        revision: Long(revision.0),
    })
}
