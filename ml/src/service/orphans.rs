//! Alarms whose model is gone: without it nobody would ever say that their condition is over.

use std::collections::HashSet;
use std::time::Duration;

use tellee_actors::command::{AskError, Command, CommandContext};
use tellee_actors::domain::alarm;
use tellee_actors::entity::Directory;
use tellee_actors::event::Who;
use tellee_actors::ids::{AlarmId, CommandId};
use tokio::time::timeout;

use crate::models::{ModelsView, StandingAlarm};
use crate::runner::NOT_LIVE;

const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Lets every standing alarm of a model return that is not among those of the `live` models, with the reason as its
/// note. Answers whether all of them were told.
pub async fn end_orphans(
    models: &dyn ModelsView,
    directory: &dyn Directory,
    live: &HashSet<AlarmId>,
) -> bool {
    let standing = match models.standing_alarms().await {
        Ok(standing) => standing,
        Err(error) => {
            tracing::warn!(%error, "alarms of models that are gone stand for now");
            return false;
        }
    };
    let mut all = true;
    for alarm in standing.iter().filter(|alarm| !live.contains(&alarm.id)) {
        all &= end(directory, alarm).await;
    }
    all
}

/// `false`: try again.
async fn end(directory: &dyn Directory, orphan: &StandingAlarm) -> bool {
    let key = format!("{}/orphan/{}", orphan.id, orphan.occurrence);
    let context = CommandContext {
        command_id: CommandId::from_key("ml", &key),
        who: Who::System("ml".to_owned()),
        organisation: Some(orphan.organisation),
        expected_revision: None,
        note: Some(NOT_LIVE.to_owned()),
        input: None,
        timeout: ASK_TIMEOUT,
    };
    let command = Command::Alarm(alarm::Command::Return {
        source_time: orphan.raised_by,
        value: None,
    });
    match timeout(
        ASK_TIMEOUT,
        directory.ask(orphan.id.into(), command, context),
    )
    .await
    {
        Ok(Ok(_)) => {
            tracing::info!(alarm = %orphan.id, reason = NOT_LIVE, "an alarm of a model returns");
            true
        }
        // It returned in the meantime: the read model was a moment behind.
        Ok(Err(AskError::Rejected(rejection))) => {
            tracing::debug!(alarm = %orphan.id, %rejection, "the alarm did not change");
            true
        }
        Ok(Err(error)) if !error.is_retryable() => {
            tracing::error!(alarm = %orphan.id, %error, "the alarm did not change");
            true
        }
        Ok(Err(_)) | Err(_) => false,
    }
}
