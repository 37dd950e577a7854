//! Rows by id, read in batches: a list of a hundred alarms asks once for its things, not a hundred times.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use tellee_actors::ids::{ChannelId, OrganisationId, ThingId, UserId};
use tellee_projections::registry::{
    ChannelFilter, ChannelRow, PAGE_LIMIT, Page, ThingFilter, ThingRow,
};

use crate::error::ApiError;
use crate::platform::Platform;

/// The rows of one organisation. What is of another is not found.
pub struct Rows {
    platform: Arc<Platform>,
    organisation: OrganisationId,
}

impl Rows {
    /// For one request; nothing is kept longer than the batch.
    pub fn loader(platform: Arc<Platform>, organisation: OrganisationId) -> DataLoader<Self> {
        DataLoader::new(
            Self {
                platform,
                organisation,
            },
            tokio::spawn,
        )
        .max_batch_size(PAGE_LIMIT as usize)
    }
}

impl Loader<ThingId> for Rows {
    type Value = ThingRow;
    type Error = ApiError;

    async fn load(&self, ids: &[ThingId]) -> Result<HashMap<ThingId, ThingRow>, ApiError> {
        let mut found = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(PAGE_LIMIT as usize) {
            let filter = ThingFilter {
                ids: Some(ids.to_vec()),
                ..ThingFilter::default()
            };
            let page = Page::offset(0, PAGE_LIMIT);
            let listing = self
                .platform
                .projections
                .registry()
                .things(self.organisation, filter, page)
                .await?;
            found.extend(listing.rows.into_iter().map(|row| (row.id, row)));
        }
        Ok(found)
    }
}

impl Loader<ChannelId> for Rows {
    type Value = ChannelRow;
    type Error = ApiError;

    async fn load(&self, ids: &[ChannelId]) -> Result<HashMap<ChannelId, ChannelRow>, ApiError> {
        let mut found = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(PAGE_LIMIT as usize) {
            let filter = ChannelFilter {
                ids: Some(ids.to_vec()),
                ..ChannelFilter::default()
            };
            let page = Page::offset(0, PAGE_LIMIT);
            let listing = self
                .platform
                .projections
                .registry()
                .channels(self.organisation, filter, page)
                .await?;
            found.extend(listing.rows.into_iter().map(|row| (row.id, row)));
        }
        Ok(found)
    }
}

/// E-mail addresses.
impl Loader<UserId> for Rows {
    type Value = String;
    type Error = ApiError;

    async fn load(&self, ids: &[UserId]) -> Result<HashMap<UserId, String>, ApiError> {
        let mut found = HashMap::with_capacity(ids.len());
        for id in ids {
            let row = self
                .platform
                .projections
                .registry()
                .user(self.organisation, *id)
                .await?;
            found.extend(row.map(|row| (*id, row.email)));
        }
        Ok(found)
    }
}
