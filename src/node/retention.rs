//! Drops telemetry that is older than its channel's retention.

use std::sync::Arc;
use std::time::Duration;

use tellee_actors::domain::channel::RetentionClass;
use tellee_actors::time::SharedClock;
use tellee_projections::Projections;
use tellee_projections::telemetry::TelemetryStore;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(3600);
/// So that a node that never runs for an hour drops old samples too.
const FIRST: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

const fn age(class: RetentionClass) -> Option<Duration> {
    match class {
        RetentionClass::Days7 => Some(DAY.saturating_mul(7)),
        RetentionClass::Days30 => Some(DAY.saturating_mul(30)),
        RetentionClass::Year1 => Some(DAY.saturating_mul(366)),
        RetentionClass::Years5 => Some(DAY.saturating_mul(5 * 366)),
        RetentionClass::Forever => None,
    }
}

/// Looks at every channel soon after the start and then once an hour, until `stop`.
pub async fn run(
    telemetry: Arc<dyn TelemetryStore>,
    projections: Projections,
    clock: SharedClock,
    stop: CancellationToken,
) {
    let mut wait = FIRST;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = EVERY;
        for channel in projections.access().channels() {
            let Some(age) = age(channel.retention) else {
                continue;
            };
            let before = clock.now().saturating_sub(age);
            match telemetry.retain(channel.channel, before).await {
                Ok(0) => {}
                Ok(samples) => {
                    tracing::info!(channel = %channel.channel, samples, "samples past their retention were dropped");
                }
                Err(error) => {
                    tracing::warn!(channel = %channel.channel, %error, "retention failed and is tried again in an hour");
                }
            }
            if stop.is_cancelled() {
                return;
            }
        }
    }
}
