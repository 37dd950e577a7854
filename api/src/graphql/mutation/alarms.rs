//! Working alarms.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use tellee_actors::domain::alarm::Command;
use tellee_actors::ids::AlarmId;

use super::request;
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::graphql::alarm::Alarm;
use crate::graphql::context::{caller, id, platform};
use crate::graphql::scalars::{DateTime, Long};
use crate::identity::Action;
use crate::platform::{Platform, Request};

/// Alarms of one acknowledgement, at most: what fits on a page.
const ACKNOWLEDGE_LIMIT: usize = 200;
const TEXT_LIMIT: usize = 4_096;

#[derive(Debug, Clone, InputObject)]
pub struct AlarmOccurrenceInput {
    pub id: ID,
    pub occurrence: Long,
}

#[derive(Debug, Clone, InputObject)]
pub struct AcknowledgeAlarmsInput {
    pub idempotency_key: String,
    pub alarms: Vec<AlarmOccurrenceInput>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, InputObject)]
pub struct ShelveAlarmInput {
    pub idempotency_key: String,
    pub id: ID,
    pub reason: String,
    pub until: DateTime,
    #[graphql(default = false)]
    pub one_shot: bool,
}

#[derive(Debug, Clone, InputObject)]
pub struct AlarmInput {
    pub idempotency_key: String,
    pub id: ID,
}

#[derive(Debug, Clone, InputObject)]
pub struct CommentAlarmInput {
    pub idempotency_key: String,
    pub id: ID,
    pub text: String,
}

#[derive(Debug, Clone, InputObject)]
pub struct OutOfServiceInput {
    pub idempotency_key: String,
    pub id: ID,
    pub work_order: String,
    pub reason: String,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct AlarmPayload {
    pub alarm: Alarm,
    pub revision: Long,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct AlarmsPayload {
    /// Acknowledged now or before by the same request.
    pub alarms: Vec<Alarm>,
    pub refused: Vec<AlarmRefusal>,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct AlarmRefusal {
    pub id: ID,
    pub code: String,
    pub message: String,
}

#[derive(Default)]
pub struct AlarmMutations;

#[Object]
impl AlarmMutations {
    /// Each alarm for itself: those that are refused are named one by one. An acknowledgement covers the occurrence that
    /// it names, never a newer one.
    async fn acknowledge_alarms(
        &self,
        ctx: &Context<'_>,
        input: AcknowledgeAlarmsInput,
    ) -> Result<AlarmsPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        caller.require(Action::OperateAlarms)?;
        if input.alarms.is_empty() || input.alarms.len() > ACKNOWLEDGE_LIMIT {
            let reason = format!("must name between 1 and {ACKNOWLEDGE_LIMIT} alarms");
            return Err(ApiError::invalid("input.alarms", reason).into());
        }
        let mut answer = AlarmsPayload {
            alarms: Vec::new(),
            refused: Vec::new(),
        };
        for (index, alarm) in input.alarms.into_iter().enumerate() {
            let key = format!("{} {index}", input.idempotency_key);
            let asked = request(ctx, &key, None, input.note.clone())?;
            let acknowledge = Command::Acknowledge {
                occurrence: alarm.occurrence.0,
                note: input.note.clone(),
            };
            match work(platform, caller, &alarm.id, acknowledge, &asked).await {
                Ok(payload) => answer.alarms.push(payload.alarm),
                Err(error) if error.code == ErrorCode::Unauthenticated => return Err(error.into()),
                Err(error) => answer.refused.push(AlarmRefusal {
                    id: alarm.id,
                    code: error.code.as_str().to_owned(),
                    message: error.message,
                }),
            }
        }
        Ok(answer)
    }

    /// Off the active list until `until`, at most 12 h. P1, and what is shelved already, needs a supervisor.
    async fn shelve_alarm(
        &self,
        ctx: &Context<'_>,
        input: ShelveAlarmInput,
    ) -> Result<AlarmPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        let reason = text(input.reason, "input.reason")?;
        let shelve = Command::Shelve {
            reason,
            until: input.until.0,
            one_shot: input.one_shot,
        };
        Ok(work(platform, caller, &input.id, shelve, &asked).await?)
    }

    async fn unshelve_alarm(&self, ctx: &Context<'_>, input: AlarmInput) -> Result<AlarmPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        Ok(work(platform, caller, &input.id, Command::Unshelve, &asked).await?)
    }

    async fn comment_alarm(
        &self,
        ctx: &Context<'_>,
        input: CommentAlarmInput,
    ) -> Result<AlarmPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        let comment = Command::Comment {
            text: text(input.text, "input.text")?,
        };
        Ok(work(platform, caller, &input.id, comment, &asked).await?)
    }

    /// Clears the latch of an acknowledged alarm whose condition is normal.
    async fn reset_alarm(&self, ctx: &Context<'_>, input: AlarmInput) -> Result<AlarmPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        Ok(work(platform, caller, &input.id, Command::Reset, &asked).await?)
    }

    async fn take_alarm_out_of_service(
        &self,
        ctx: &Context<'_>,
        input: OutOfServiceInput,
    ) -> Result<AlarmPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        let command = Command::TakeOutOfService {
            work_order: text(input.work_order, "input.workOrder")?,
            reason: text(input.reason, "input.reason")?,
        };
        Ok(work(platform, caller, &input.id, command, &asked).await?)
    }

    async fn return_alarm_to_service(
        &self,
        ctx: &Context<'_>,
        input: AlarmInput,
    ) -> Result<AlarmPayload> {
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let asked = request(ctx, &input.idempotency_key, None, None)?;
        Ok(work(
            platform,
            caller,
            &input.id,
            Command::ReturnToService,
            &asked,
        )
        .await?)
    }
}

fn text(text: String, field: &str) -> Result<String, ApiError> {
    if text.trim().is_empty() || text.len() > TEXT_LIMIT {
        return Err(ApiError::invalid(
            field,
            format!("must have between 1 and {TEXT_LIMIT} bytes"),
        ));
    }
    Ok(text)
}

async fn work(
    platform: &Platform,
    caller: &Caller,
    alarm: &ID,
    command: Command,
    asked: &Request,
) -> Result<AlarmPayload, ApiError> {
    let alarm: AlarmId = id(alarm, "input.id")?;
    let accepted = platform.work_alarm(caller, alarm, command, asked).await?;
    let alarm = Alarm::from(platform.alarm(caller, alarm).await?);
    Ok(AlarmPayload {
        alarm,
        revision: Long(accepted.revision.0),
    })
}
