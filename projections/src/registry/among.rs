//! Look-ups by many ids at once, so that a list of a hundred rows does not ask a hundred times.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Error, Row, params_from_iter};
use tellee_actors::ids::{
    AlarmRuleId, DeviceTypeId, EdgeDeviceId, OrganisationId, ThingId, UserId,
};
use tellee_actors::store::StoreError;
use uuid::Uuid;

use super::list::blob;
use super::rows::{AlarmRuleRow, DeviceTypeRow, EdgeDeviceRow, ModelRow, UserRow};
use super::{Registry, read};

/// Rows that a look-up by many ids gives at most.
const AMONG_LIMIT: u32 = 10_000;

impl Registry {
    /// Those of the users with these ids that are of `organisation`.
    pub async fn users_among(
        &self,
        organisation: OrganisationId,
        ids: &[UserId],
    ) -> Result<Vec<UserRow>, StoreError> {
        let ids = ids.iter().map(|id| id.0);
        self.among("registry_users", "id", organisation, ids, read::user)
            .await
    }

    /// Those of the device types with these ids that are of `organisation`.
    pub async fn device_types_among(
        &self,
        organisation: OrganisationId,
        ids: &[DeviceTypeId],
    ) -> Result<Vec<DeviceTypeRow>, StoreError> {
        let ids = ids.iter().map(|id| id.0);
        self.among(
            "registry_device_types",
            "id",
            organisation,
            ids,
            read::device_type,
        )
        .await
    }

    /// Those of the edge devices with these ids that are of `organisation`.
    pub async fn edge_devices_among(
        &self,
        organisation: OrganisationId,
        ids: &[EdgeDeviceId],
    ) -> Result<Vec<EdgeDeviceRow>, StoreError> {
        let ids = ids.iter().map(|id| id.0);
        self.among(
            "registry_edge_devices",
            "id",
            organisation,
            ids,
            read::edge_device,
        )
        .await
    }

    /// Those of the alarm rules with these ids that are of `organisation`.
    pub async fn alarm_rules_among(
        &self,
        organisation: OrganisationId,
        ids: &[AlarmRuleId],
    ) -> Result<Vec<AlarmRuleRow>, StoreError> {
        let ids = ids.iter().map(|id| id.0);
        self.among(
            "registry_alarm_rules",
            "id",
            organisation,
            ids,
            read::alarm_rule,
        )
        .await
    }

    /// The models of these things, as far as they are of `organisation`, at most `AMONG_LIMIT` of them.
    pub async fn models_of_things(
        &self,
        organisation: OrganisationId,
        things: &[ThingId],
    ) -> Result<Vec<ModelRow>, StoreError> {
        let things = things.iter().map(|id| id.0);
        self.among(
            "registry_models",
            "thing",
            organisation,
            things,
            read::model,
        )
        .await
    }

    /// The rows of `organisation` whose `column` is one of `ids`, in the order of their own ids.
    async fn among<R: Send + 'static>(
        &self,
        table: &'static str,
        column: &'static str,
        organisation: OrganisationId,
        ids: impl Iterator<Item = Uuid>,
        read: fn(&Row<'_>) -> Result<R, Error>,
    ) -> Result<Vec<R>, StoreError> {
        let mut values: Vec<SqlValue> = ids.map(blob).collect();
        let marks = vec!["?"; values.len()].join(",");
        values.push(blob(organisation.0));
        let sql = format!(
            "SELECT * FROM {table} WHERE {column} IN ({marks}) AND organisation = ?
             ORDER BY id LIMIT {AMONG_LIMIT}"
        );
        self.database
            .read(move |connection| {
                connection
                    .prepare_cached(&sql)?
                    .query_map(params_from_iter(&values), read)?
                    .collect()
            })
            .await
    }
}
