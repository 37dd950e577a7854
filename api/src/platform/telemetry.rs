//! What the platform knows of things by their telemetry.

use std::time::Duration;

use tellee_actors::ids::{ChannelId, OrganisationId, ThingId};
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::SeriesFilter;

use super::Platform;
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::presence::OF_MODELS;

/// A thing is online if a message of it came within this time.
const ONLINE: Duration = Duration::from_secs(60);
/// Series of one thing that are looked at for its newest message.
const SERIES_LIMIT: usize = 1_000;

impl Platform {
    /// The channels of an organisation: what its people may read.
    pub fn channels_of(&self, organisation: OrganisationId) -> Vec<ChannelId> {
        let channels = self.projections.access().channels();
        channels
            .into_iter()
            .filter(|channel| channel.organisation == organisation)
            .map(|channel| channel.channel)
            .collect()
    }

    /// Receive time of the thing's newest message: what came since the start, else what the store has. The store is
    /// asked once for each thing.
    pub async fn last_seen(&self, thing: ThingId) -> Result<Option<Timestamp>, ApiError> {
        if let Some(known) = self.presence.last_seen(thing) {
            return Ok(known);
        }
        let filter = SeriesFilter {
            thing: Some(thing),
            ..SeriesFilter::default()
        };
        let (series, _) = self.telemetry.series(&filter, 0, SERIES_LIMIT).await?;
        let seen = series
            .into_iter()
            .filter(|info| info.protocol != OF_MODELS)
            .filter_map(|info| info.latest)
            .map(|sample| sample.received_at)
            .max();
        self.presence.remember(thing, seen);
        Ok(seen)
    }

    pub async fn is_online(&self, thing: ThingId) -> Result<bool, ApiError> {
        let seen = self.last_seen(thing).await?;
        Ok(seen.is_some_and(|seen| self.clock.now().since(seen) < ONLINE))
    }

    /// Whether an open subscription may go on: its token has not expired, and its user is still there with the rights
    /// that it was opened with.
    pub fn still(&self, caller: &Caller) -> Result<(), ApiError> {
        if self.clock.now().0.div_euclid(1_000_000_000) >= caller.expires {
            return Err(ApiError::new(
                ErrorCode::TokenExpired,
                "the token has expired",
            ));
        }
        let access = self
            .projections
            .access()
            .user(caller.user)
            .ok_or_else(ApiError::unauthenticated)?;
        let same = !access.disabled
            && caller.session_epoch >= access.session_epoch
            && access.organisation == caller.organisation
            && access.role == caller.role;
        if same {
            Ok(())
        } else {
            Err(ApiError::unauthenticated())
        }
    }
}
