//! Rows by id, read in batches: a list of a hundred alarms asks once for its things, not a hundred times.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use tellee_actors::ids::{
    AlarmRuleId, ChannelId, DeviceTypeId, EdgeDeviceId, OrganisationId, ThingId, UserId,
};
use tellee_projections::alarms::AlarmRow;
use tellee_projections::registry::{
    AlarmRuleRow, ChannelFilter, ChannelRow, DeviceTypeRow, EdgeDeviceRow, ModelRow, PAGE_LIMIT,
    Page, ThingFilter, ThingRow,
};

use crate::error::ApiError;
use crate::platform::Platform;

/// Models of one thing that are listed at most.
const MODELS: usize = 100;

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
        let registry = self.platform.projections.registry();
        let rows = registry.users_among(self.organisation, ids).await?;
        Ok(rows.into_iter().map(|row| (row.id, row.email)).collect())
    }
}

impl Loader<DeviceTypeId> for Rows {
    type Value = DeviceTypeRow;
    type Error = ApiError;

    async fn load(
        &self,
        ids: &[DeviceTypeId],
    ) -> Result<HashMap<DeviceTypeId, DeviceTypeRow>, ApiError> {
        let registry = self.platform.projections.registry();
        let rows = registry.device_types_among(self.organisation, ids).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

impl Loader<EdgeDeviceId> for Rows {
    type Value = EdgeDeviceRow;
    type Error = ApiError;

    async fn load(
        &self,
        ids: &[EdgeDeviceId],
    ) -> Result<HashMap<EdgeDeviceId, EdgeDeviceRow>, ApiError> {
        let registry = self.platform.projections.registry();
        let rows = registry.edge_devices_among(self.organisation, ids).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

impl Loader<AlarmRuleId> for Rows {
    type Value = AlarmRuleRow;
    type Error = ApiError;

    async fn load(
        &self,
        ids: &[AlarmRuleId],
    ) -> Result<HashMap<AlarmRuleId, AlarmRuleRow>, ApiError> {
        let registry = self.platform.projections.registry();
        let rows = registry.alarm_rules_among(self.organisation, ids).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// The models of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelsOf(pub ThingId);

impl Loader<ModelsOf> for Rows {
    type Value = Vec<ModelRow>;
    type Error = ApiError;

    async fn load(&self, keys: &[ModelsOf]) -> Result<HashMap<ModelsOf, Vec<ModelRow>>, ApiError> {
        let things: Vec<ThingId> = keys.iter().map(|key| key.0).collect();
        let registry = self.platform.projections.registry();
        let rows = registry
            .models_of_things(self.organisation, &things)
            .await?;
        let mut found: HashMap<ModelsOf, Vec<ModelRow>> = HashMap::new();
        for row in rows {
            let of_thing = found.entry(ModelsOf(row.definition.thing)).or_default();
            if of_thing.len() < MODELS {
                of_thing.push(row);
            }
        }
        Ok(found)
    }
}

/// The highest active alarm of a thing: unacknowledged first, then by priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorstAlarmOf(pub ThingId);

impl Loader<WorstAlarmOf> for Rows {
    type Value = AlarmRow;
    type Error = ApiError;

    async fn load(
        &self,
        keys: &[WorstAlarmOf],
    ) -> Result<HashMap<WorstAlarmOf, AlarmRow>, ApiError> {
        let things = keys.iter().map(|key| key.0).collect();
        let alarms = self.platform.projections.alarms();
        let rows = alarms.worst_of(self.organisation, things).await?;
        Ok(rows
            .into_iter()
            .map(|row| (WorstAlarmOf(row.source.thing), row))
            .collect())
    }
}
