//! Alarm rules.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use tellee_actors::domain::alarm_rule;
use tellee_actors::ids::{AlarmRuleId, Revision};

use super::{RemoveInput, RemovedPayload, request};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::graphql::alarm_rule::{AlarmRule, AlarmRuleDefinitionInput};
use crate::graphql::context::{caller, id, platform};
use crate::graphql::scalars::Long;
use crate::platform::Platform;

#[derive(Debug, Clone, InputObject)]
pub struct CreateAlarmRuleInput {
    pub idempotency_key: String,
    pub definition: AlarmRuleDefinitionInput,
}

#[derive(Debug, Clone, InputObject)]
pub struct UpdateAlarmRuleInput {
    pub idempotency_key: String,
    pub expected_revision: Option<Long>,
    pub id: ID,
    pub definition: AlarmRuleDefinitionInput,
    pub note: Option<String>,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct AlarmRulePayload {
    pub alarm_rule: AlarmRule,
    pub revision: Long,
}

#[derive(Default)]
pub struct RuleMutations;

#[Object]
impl RuleMutations {
    async fn create_alarm_rule(
        &self,
        ctx: &Context<'_>,
        input: CreateAlarmRuleInput,
    ) -> Result<AlarmRulePayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        let rule = AlarmRuleId(asked.entity("alarm rule"));
        let definition = input.definition.into_definition()?;
        let command = alarm_rule::Command::Create {
            organisation: caller.organisation,
            definition,
        };
        let accepted = platform
            .edit_alarm_rule(caller, rule, command, &asked)
            .await?;
        Ok(payload(platform, caller, rule, accepted.revision).await?)
    }

    async fn update_alarm_rule(
        &self,
        ctx: &Context<'_>,
        input: UpdateAlarmRuleInput,
    ) -> Result<AlarmRulePayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(
            ctx,
            &input.idempotency_key,
            input.expected_revision,
            input.note,
        )?;
        let rule: AlarmRuleId = id(&input.id, "input.id")?;
        let definition = input.definition.into_definition()?;
        let command = alarm_rule::Command::Update { definition };
        let accepted = platform
            .edit_alarm_rule(caller, rule, command, &asked)
            .await?;
        Ok(payload(platform, caller, rule, accepted.revision).await?)
    }

    async fn remove_alarm_rule(
        &self,
        ctx: &Context<'_>,
        input: RemoveInput,
    ) -> Result<RemovedPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let rule: AlarmRuleId = id(&input.id, "input.id")?;
        let command = alarm_rule::Command::Remove;
        let accepted = platform
            .edit_alarm_rule(caller, rule, command, &input.request(ctx)?)
            .await?;
        Ok(RemovedPayload {
            id: input.id,
            revision: Long(accepted.revision.0),
        })
    }
}

async fn payload(
    platform: &Platform,
    caller: &Caller,
    id: AlarmRuleId,
    revision: Revision,
) -> Result<AlarmRulePayload, ApiError> {
    let row = platform
        .projections
        .registry()
        .alarm_rule(caller.organisation, id)
        .await?;
    let row = row.ok_or_else(|| ApiError::not_found("such alarm rule"))?;
    Ok(AlarmRulePayload {
        alarm_rule: AlarmRule::from(row),
        revision: Long(revision.0),
    })
}
