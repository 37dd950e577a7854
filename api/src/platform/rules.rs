//! Alarm rules, and roll-back of whatever can be rolled back.

use tellee_actors::command::{Accepted, Command};
use tellee_actors::domain::alarm_rule;
use tellee_actors::ids::{AlarmRuleId, EntityId, Revision};

use super::{Platform, Request};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::identity::Action;

impl Platform {
    pub async fn edit_alarm_rule(
        &self,
        caller: &Caller,
        id: AlarmRuleId,
        command: alarm_rule::Command,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        caller.require(Action::EditAlarmRules)?;
        match &command {
            alarm_rule::Command::Create { definition, .. }
            | alarm_rule::Command::Update { definition } => {
                self.require_scope(caller, &definition.scope).await?;
            }
            alarm_rule::Command::Remove => {}
        }
        if matches!(command, alarm_rule::Command::Remove)
            && let Some(before) = self.done_before(id.into(), request).await?
        {
            return Ok(before);
        }
        if !matches!(command, alarm_rule::Command::Create { .. }) {
            let row = self
                .projections
                .registry()
                .alarm_rule(caller.organisation, id)
                .await?;
            row.ok_or_else(|| ApiError::not_found("such alarm rule"))?;
        }
        self.ask(
            caller.who(),
            caller.organisation,
            id.into(),
            Command::AlarmRule(command),
            request,
        )
        .await
    }

    /// What a rule watches must be of the caller's organisation.
    async fn require_scope(
        &self,
        caller: &Caller,
        scope: &alarm_rule::Scope,
    ) -> Result<(), ApiError> {
        let access = self.projections.access();
        if let Some(thing) = scope.thing {
            let owner = access.thing(thing).map(|found| found.organisation);
            if owner != Some(caller.organisation) {
                return Err(ApiError::invalid(
                    "definition.thing",
                    "there is no such thing",
                ));
            }
        }
        if let Some(channel) = scope.channel
            && access.channel_organisation(channel) != Some(caller.organisation)
        {
            return Err(ApiError::invalid(
                "definition.channel",
                "there is no such channel",
            ));
        }
        if let Some(device_type) = scope.device_type {
            let row = self
                .projections
                .registry()
                .device_type(caller.organisation, device_type)
                .await?;
            row.ok_or_else(|| {
                ApiError::invalid("definition.deviceType", "there is no such device type")
            })?;
        }
        Ok(())
    }

    /// Writes the state of revision `to` again. The caller has checked whose the entity is.
    pub async fn roll_back(
        &self,
        caller: &Caller,
        entity: EntityId,
        to: Revision,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        let command = Command::RollBack { to };
        self.ask(caller.who(), caller.organisation, entity, command, request)
            .await
    }
}
