//! Ends shelvings whose time is up.

use std::sync::Arc;

use tellee_actors::command::Command;
use tellee_actors::domain::alarm;
use tellee_actors::ids::CommandId;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::{Shared, outbox, stopped};

/// Shelvings ended in one tick.
const AT_ONCE: u32 = 100;

pub(super) async fn expire(shared: Arc<Shared>, mut stopping: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(shared.config.tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => return,
            _ = ticks.tick() => expire_overdue(&shared).await,
        }
    }
}

/// What fails is still overdue at the next tick.
async fn expire_overdue(shared: &Shared) {
    let overdue = match shared
        .alarms
        .overdue_shelvings(shared.clock.now(), AT_ONCE)
        .await
    {
        Ok(overdue) => overdue,
        Err(error) => {
            tracing::warn!(%error, "shelvings cannot be read");
            return;
        }
    };
    for row in overdue {
        let until = row
            .state
            .shelved
            .as_ref()
            .map_or(0, |shelving| shelving.until.0);
        let key = format!("{}/expire/{}/{until}", row.id, row.revision);
        let context = outbox::context(CommandId::from_key("alarm_watch", &key), row.organisation);
        let command = Command::Alarm(alarm::Command::ExpireShelving);
        if let Err(error) = shared.directory.ask(row.id.into(), command, context).await {
            tracing::warn!(alarm = %row.id, %error, "a shelving could not be ended");
        }
    }
}
