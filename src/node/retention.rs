//! Drops telemetry that is older than its channel's retention, and what removed channels have left.

mod reckoning;
mod removed;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tellee_actors::domain::channel::{RetentionClass, RollupRetention};
use tellee_actors::store::EventStore;
use tellee_actors::time::{SharedClock, Timestamp};
use tellee_api::mqtt::Broker;
use tellee_projections::Projections;
use tellee_projections::access::ChannelAccess;
use tellee_projections::telemetry::{
    EmbeddedTelemetryStore, Retention, TelemetryError, TelemetryStore,
};
use tokio_util::sync::CancellationToken;

use self::reckoning::Reckoning;
use self::removed::Removed;

const EVERY: Duration = Duration::from_secs(3600);
/// So that a node that never runs for an hour drops old samples too.
const FIRST: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const DAYS_30: Duration = DAY.saturating_mul(30);
const YEAR_1: Duration = DAY.saturating_mul(366);
const YEARS_5: Duration = DAY.saturating_mul(5 * 366);
const FOREVER: Duration = Duration::MAX;

const fn age(class: RetentionClass) -> Duration {
    match class {
        RetentionClass::Days7 => DAY.saturating_mul(7),
        RetentionClass::Days30 => DAYS_30,
        RetentionClass::Year1 => YEAR_1,
        RetentionClass::Years5 => YEARS_5,
        RetentionClass::Forever => FOREVER,
    }
}

const fn rollup_age(kept: RollupRetention) -> Duration {
    match kept {
        RollupRetention::AsConfigured | RollupRetention::AsSamples => Duration::ZERO,
        RollupRetention::Days30 => DAYS_30,
        RollupRetention::Year1 => YEAR_1,
        RollupRetention::Years5 => YEARS_5,
        RollupRetention::Forever => FOREVER,
    }
}

/// The start of the day of `time`, in UTC.
fn day_of(time: Timestamp) -> Timestamp {
    let day = i64::try_from(DAY.as_nanos()).unwrap_or(i64::MAX);
    Timestamp(time.0.saturating_sub(time.0.rem_euclid(day)))
}

/// What is too old in `channel` at `now`; `None` where its samples are kept for ever.
fn retention_of(
    channel: &ChannelAccess,
    configured: RollupRetention,
    now: Timestamp,
) -> Option<Retention> {
    let samples = age(channel.retention);
    if samples == FOREVER {
        return None;
    }
    let kept = if channel.rollup_retention.is_default() {
        configured
    } else {
        channel.rollup_retention
    };
    let rollups = rollup_age(kept).max(samples);
    let samples_before = now.saturating_sub(samples);
    if rollups == samples {
        return Some(Retention {
            channel: channel.channel,
            samples_before,
            rollups_before: samples_before,
        });
    }
    // Whole days, so that rollups are written once a day and in chunks of good size.
    let rollups_before = match rollups {
        FOREVER => Timestamp::MIN,
        rollups => day_of(now.saturating_sub(rollups)),
    };
    Some(Retention {
        channel: channel.channel,
        samples_before: day_of(samples_before),
        rollups_before,
    })
}

async fn retain(telemetry: &dyn TelemetryStore, all: Vec<Retention>, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        match telemetry.retain_all(all.clone()).await {
            Ok(done) => {
                if done.samples > 0 {
                    tracing::info!(
                        samples = done.samples,
                        kept_rows = done.rows,
                        late = done.late,
                        "samples past their retention were dropped"
                    );
                }
                if !done.more {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "retention failed and is tried again in an hour");
                return;
            }
        }
    }
}

/// What retention works on.
pub struct Upkeep {
    pub telemetry: Arc<EmbeddedTelemetryStore>,
    pub projections: Projections,
    pub events: Arc<dyn EventStore>,
    pub broker: Arc<Broker>,
    /// For channels that say nothing of their rollups.
    pub rollups: RollupRetention,
    pub clock: SharedClock,
    pub reckoning: Reckoning,
}

/// The time that ages are counted from, as kept at `path`. To be opened before anything is received: what comes in later
/// has the stamps of a clock that is yet to be trusted.
pub async fn reckoning(
    path: PathBuf,
    telemetry: &EmbeddedTelemetryStore,
    clock: &SharedClock,
) -> Result<Reckoning, TelemetryError> {
    let newest = telemetry.newest_receipt().await?;
    Ok(Reckoning::open(path, newest.unwrap_or_else(|| clock.now())))
}

/// Looks at every channel soon after the start and then once an hour, until `stop`.
pub async fn run(mut upkeep: Upkeep, stop: CancellationToken) {
    let mut removed = Removed::default();
    let (mut wait, mut looked_at) = (FIRST, Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = EVERY;
        let now = upkeep.clock.now();
        let now = upkeep.reckoning.step(now, looked_at.elapsed());
        looked_at = Instant::now();
        let channels = upkeep.projections.access().channels();
        let mut all: Vec<Retention> = channels
            .iter()
            .filter_map(|channel| retention_of(channel, upkeep.rollups, now))
            .collect();
        let living = channels.iter().map(|known| known.channel).collect();
        all.extend(removed.look(&upkeep, &living).await);
        retain(&*upkeep.telemetry, all, &stop).await;
    }
}

#[cfg(test)]
mod tests {
    use tellee_actors::ids::{ChannelId, OrganisationId};

    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000 * 1_000_000_000);

    fn ask(
        retention: RetentionClass,
        rollup_retention: RollupRetention,
        configured: RollupRetention,
    ) -> Option<(Duration, Option<Duration>)> {
        let channel = ChannelAccess {
            channel: ChannelId(uuid::Uuid::nil()),
            organisation: OrganisationId(uuid::Uuid::nil()),
            retention,
            rollup_retention,
        };
        let found = retention_of(&channel, configured, NOW)?;
        let rollups = found.rollups_before;
        let rollups = (rollups != Timestamp::MIN).then(|| NOW.since(rollups));
        Some((NOW.since(found.samples_before), rollups))
    }

    #[test]
    fn rollups_go_with_their_samples_unless_they_are_kept_for_longer() {
        let (days_7, as_samples) = (RetentionClass::Days7, RollupRetention::AsSamples);
        let week = DAY * 7;
        let both = Some((week, Some(week)));
        assert_eq!(ask(days_7, RollupRetention::AsConfigured, as_samples), both);
        let years = RollupRetention::Years5;
        assert_eq!(ask(days_7, as_samples, years), both);
        let year = Some((YEAR_1, Some(YEAR_1)));
        assert_eq!(
            ask(RetentionClass::Year1, RollupRetention::Days30, years),
            year
        );
        assert_eq!(ask(RetentionClass::Forever, years, years), None);
    }

    #[test]
    fn rollups_that_outlive_samples_leave_them_to_the_end_of_their_day() {
        let today = NOW.since(day_of(NOW));
        let days_30 = RetentionClass::Days30;
        let kept = Some((DAYS_30 + today, Some(YEARS_5 + today)));
        let (as_configured, years) = (RollupRetention::AsConfigured, RollupRetention::Years5);
        assert_eq!(ask(days_30, years, RollupRetention::AsSamples), kept);
        assert_eq!(ask(days_30, as_configured, years), kept);
        let for_ever = ask(days_30, as_configured, RollupRetention::Forever);
        assert_eq!(for_ever, Some((DAYS_30 + today, None)));
    }
}
