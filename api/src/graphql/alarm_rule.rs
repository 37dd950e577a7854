//! Alarm rules.

use async_graphql::{ComplexObject, Context, ID, InputObject, Result, SimpleObject};
use tellee_actors::domain::alarm_rule::{Deadman as DomainDeadman, Definition, Level, Scope};
use tellee_projections::registry::AlarmRuleRow;

use super::channel::{Channel, channel_by_id};
use super::context::{caller, id, platform};
use super::device_type::DeviceType;
use super::enums::{AlarmClass, LimitKind, Priority};
use super::scalars::{DateTime, Long};
use super::thing::{Thing, thing_by_id};
use crate::error::ApiError;

#[derive(Debug, Clone, SimpleObject)]
#[graphql(complex)]
pub struct AlarmRule {
    pub id: ID,
    pub revision: Long,
    pub name: String,
    pub enabled: bool,
    pub subtopic: Option<String>,
    pub series_name: String,
    pub levels: Vec<AlarmLevel>,
    pub deadman: Option<Deadman>,
    /// In units of the series.
    pub deadband: f64,
    /// In event time.
    pub on_delay_ms: Long,
    pub off_delay_ms: Long,
    pub class: AlarmClass,
    pub latching: bool,
    pub acknowledge_required: bool,
    pub message: String,
    pub consequence: String,
    pub action: String,
    pub time_to_respond_ms: Option<Long>,
    pub created_at: DateTime,
    pub updated_at: DateTime,
    #[graphql(skip)]
    pub scope: Scope,
}

#[derive(Debug, Clone, SimpleObject)]
pub struct AlarmLevel {
    pub kind: LimitKind,
    pub limit: f64,
    pub priority: Priority,
}

/// Raises when no good sample came for so long.
#[derive(Debug, Clone, SimpleObject)]
pub struct Deadman {
    pub period_ms: Long,
    pub priority: Priority,
}

impl From<AlarmRuleRow> for AlarmRule {
    fn from(row: AlarmRuleRow) -> Self {
        let definition = row.definition;
        let levels = definition.levels.into_iter().map(|level| AlarmLevel {
            kind: level.kind.into(),
            limit: level.limit,
            priority: level.priority.into(),
        });
        Self {
            id: row.id.to_string().into(),
            revision: Long(row.stamps.revision.0),
            name: definition.name,
            enabled: definition.enabled,
            subtopic: definition.scope.subtopic.clone(),
            series_name: definition.scope.series.clone(),
            levels: levels.collect(),
            deadman: definition.deadman.map(|deadman| Deadman {
                period_ms: Long(deadman.period_ms),
                priority: deadman.priority.into(),
            }),
            deadband: definition.deadband,
            on_delay_ms: Long(definition.on_delay_ms),
            off_delay_ms: Long(definition.off_delay_ms),
            class: definition.class.into(),
            latching: definition.latching,
            acknowledge_required: definition.acknowledge_required,
            message: definition.message,
            consequence: definition.consequence,
            action: definition.action,
            time_to_respond_ms: definition.time_to_respond_ms.map(Long),
            created_at: DateTime(row.stamps.created_at),
            updated_at: DateTime(row.stamps.updated_at),
            scope: definition.scope,
        }
    }
}

#[ComplexObject]
impl AlarmRule {
    async fn thing(&self, ctx: &Context<'_>) -> Result<Option<Thing>> {
        match self.scope.thing {
            Some(thing) => Ok(thing_by_id(ctx, thing).await?),
            None => Ok(None),
        }
    }

    async fn channel(&self, ctx: &Context<'_>) -> Result<Option<Channel>> {
        match self.scope.channel {
            Some(channel) => Ok(channel_by_id(ctx, channel).await?),
            None => Ok(None),
        }
    }

    async fn device_type(&self, ctx: &Context<'_>) -> Result<Option<DeviceType>> {
        let Some(device_type) = self.scope.device_type else {
            return Ok(None);
        };
        let (platform, caller) = (platform(ctx)?, caller(ctx)?);
        let row = platform
            .projections
            .registry()
            .device_type(caller.organisation, device_type)
            .await;
        Ok(row.map_err(ApiError::from)?.map(DeviceType::from))
    }
}

#[derive(Debug, Clone, InputObject)]
pub struct AlarmLevelInput {
    pub kind: LimitKind,
    pub limit: f64,
    pub priority: Priority,
}

#[derive(Debug, Clone, InputObject)]
pub struct DeadmanInput {
    pub period_ms: Long,
    pub priority: Priority,
}

#[derive(Debug, Clone, InputObject)]
pub struct AlarmRuleDefinitionInput {
    pub name: String,
    pub thing: Option<ID>,
    pub device_type: Option<ID>,
    pub channel: Option<ID>,
    pub subtopic: Option<String>,
    pub series_name: String,
    #[graphql(default)]
    pub levels: Vec<AlarmLevelInput>,
    pub deadman: Option<DeadmanInput>,
    #[graphql(default)]
    pub deadband: f64,
    #[graphql(default_with = "Long(0)")]
    pub on_delay_ms: Long,
    #[graphql(default_with = "Long(0)")]
    pub off_delay_ms: Long,
    #[graphql(default_with = "AlarmClass::Process")]
    pub class: AlarmClass,
    #[graphql(default = false)]
    pub latching: bool,
    #[graphql(default = true)]
    pub acknowledge_required: bool,
    pub message: String,
    #[graphql(default)]
    pub consequence: String,
    pub action: String,
    pub time_to_respond_ms: Option<Long>,
    #[graphql(default = true)]
    pub enabled: bool,
}

impl AlarmRuleDefinitionInput {
    pub fn into_definition(self) -> Result<Definition, ApiError> {
        let scope = Scope {
            thing: self
                .thing
                .as_ref()
                .map(|thing| id(thing, "definition.thing"))
                .transpose()?,
            device_type: self
                .device_type
                .as_ref()
                .map(|device_type| id(device_type, "definition.deviceType"))
                .transpose()?,
            channel: self
                .channel
                .as_ref()
                .map(|channel| id(channel, "definition.channel"))
                .transpose()?,
            subtopic: self.subtopic,
            series: self.series_name,
        };
        let levels = self.levels.into_iter().map(|level| Level {
            kind: level.kind.into(),
            limit: level.limit,
            priority: level.priority.into(),
        });
        Ok(Definition {
            name: self.name,
            scope,
            levels: levels.collect(),
            deadman: self.deadman.map(|deadman| DomainDeadman {
                period_ms: deadman.period_ms.0,
                priority: deadman.priority.into(),
            }),
            deadband: self.deadband,
            on_delay_ms: self.on_delay_ms.0,
            off_delay_ms: self.off_delay_ms.0,
            class: self.class.into(),
            latching: self.latching,
            acknowledge_required: self.acknowledge_required,
            message: self.message,
            consequence: self.consequence,
            action: self.action,
            time_to_respond_ms: self.time_to_respond_ms.map(|time| time.0),
            enabled: self.enabled,
        })
    }
}
