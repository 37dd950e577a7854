//! Alarms, worked by people.

use tellee_actors::command::{Accepted, Command};
use tellee_actors::domain::alarm;
use tellee_actors::domain::alarm_rule::Priority;
use tellee_actors::ids::AlarmId;
use tellee_projections::alarms::AlarmRow;

use super::{Platform, Request};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::identity::Action;

impl Platform {
    pub async fn alarm(&self, caller: &Caller, id: AlarmId) -> Result<AlarmRow, ApiError> {
        let found = self
            .projections
            .alarms()
            .alarm(caller.organisation, id)
            .await?;
        found.ok_or_else(|| ApiError::not_found("such alarm"))
    }

    /// Sends a person's command to an alarm of the caller's organisation.
    pub async fn work_alarm(
        &self,
        caller: &Caller,
        id: AlarmId,
        command: alarm::Command,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        let row = self.alarm(caller, id).await?;
        caller.require(action(&command, &row))?;
        self.ask(
            caller.who(),
            caller.organisation,
            id.into(),
            Command::Alarm(command),
            request,
        )
        .await
    }
}

/// What the caller must be allowed for `command`.
fn action(command: &alarm::Command, row: &AlarmRow) -> Action {
    match command {
        alarm::Command::Shelve { .. } => {
            let highest = row
                .state
                .activation
                .as_ref()
                .is_some_and(|now| now.priority == Priority::P1);
            let again = row.state.shelved.is_some();
            if highest || again {
                Action::ShelveAny
            } else {
                Action::OperateAlarms
            }
        }
        alarm::Command::TakeOutOfService { .. } | alarm::Command::ReturnToService => {
            Action::TakeOutOfService
        }
        _ => Action::OperateAlarms,
    }
}
