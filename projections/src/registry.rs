//! The registry: what exists, by id, by name, by metadata. Organisations are walls: every list and every look-up within
//! one takes its id and sees nothing else.

mod among;
mod apply;
mod filters;
mod list;
mod metadata;
mod page;
mod read;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, Error, OptionalExtension, Row, params_from_iter};
use tellee_actors::domain::edge_device::normal_external_id;
use tellee_actors::ids::{
    AlarmRuleId, ChannelId, DeviceTypeId, EdgeDeviceId, ModelId, OrganisationId, ThingId, UserId,
};
use tellee_actors::store::StoreError;
use tellee_actors::store::database::Database;
use uuid::Uuid;

pub use self::filters::{
    AlarmRuleFilter, ChannelFilter, Connected, EdgeDeviceFilter, ModelFilter, ThingFilter,
};
use self::list::{Conditions, blob, list};
pub use self::metadata::contains;
pub use self::page::{
    Cursor, CursorError, Direction, Listing, Order, PAGE_LIMIT, Page, Start, fold_name,
};
pub use self::rows::{
    AlarmRuleRow, ChannelRow, DeviceTypeRow, EdgeDeviceRow, ModelRow, OrganisationRow, Stamps,
    ThingRow, UserRow,
};
use crate::follower::Projection;
use crate::follower::sql::to_word;

pub(crate) const PROJECTION: Projection = Projection {
    name: "registry",
    version: schema::VERSION,
    tables: schema::TABLES,
    schema: schema::SCHEMA,
    apply: apply::apply,
};

/// Reads the registry. Clones share it.
#[derive(Debug, Clone)]
pub struct Registry {
    database: Database,
}

impl Registry {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }

    /// All organisations: for platform administrators.
    pub async fn organisations(&self, page: Page) -> Result<Listing<OrganisationRow>, StoreError> {
        self.list(
            "registry_organisations",
            Conditions::none(),
            page,
            read::organisation,
        )
        .await
    }

    pub async fn organisation(
        &self,
        id: OrganisationId,
    ) -> Result<Option<OrganisationRow>, StoreError> {
        self.find(
            "registry_organisations",
            "id = ?",
            vec![blob(id.0)],
            read::organisation,
        )
        .await
    }

    /// `email` is a part of the address, without regard to case.
    pub async fn users(
        &self,
        organisation: OrganisationId,
        email: Option<&str>,
        page: Page,
    ) -> Result<Listing<UserRow>, StoreError> {
        let mut conditions = Conditions::organisation(organisation);
        conditions.and_name(email);
        self.list("registry_users", conditions, page, read::user)
            .await
    }

    pub async fn user(
        &self,
        organisation: OrganisationId,
        id: UserId,
    ) -> Result<Option<UserRow>, StoreError> {
        self.within("registry_users", organisation, id.0, read::user)
            .await
    }

    /// The user who signs in with `email`, without regard to case, in whichever organisation. The first one, if two
    /// were made at the same time.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<UserRow>, StoreError> {
        let condition = "name_key = ? ORDER BY created_at, id";
        self.find(
            "registry_users",
            condition,
            vec![SqlValue::Text(fold_name(email))],
            read::user,
        )
        .await
    }

    /// How many users there are in all; 0 before the set-up.
    pub async fn user_count(&self) -> Result<u64, StoreError> {
        self.database
            .read(|connection| {
                let count: i64 =
                    connection
                        .query_row("SELECT count(*) FROM registry_users", [], |row| row.get(0))?;
                Ok(count.cast_unsigned())
            })
            .await
    }

    pub async fn things(
        &self,
        organisation: OrganisationId,
        filter: ThingFilter,
        page: Page,
    ) -> Result<Listing<ThingRow>, StoreError> {
        let mut conditions = Conditions::organisation(organisation);
        conditions.and_name(filter.name.as_deref());
        if let Some(device_type) = filter.device_type {
            conditions.and("device_type = ?", [blob(device_type.0)]);
        }
        if let Some(ids) = filter.ids {
            conditions.and_ids(ids.into_iter().map(|id| id.0));
        }
        match filter.connection {
            Some(Connected::To(channel)) => {
                let sql = "id IN (SELECT thing FROM registry_connections WHERE channel = ?)";
                conditions.and(sql, [blob(channel.0)]);
            }
            Some(Connected::NotTo(channel)) => {
                let sql = "id NOT IN (SELECT thing FROM registry_connections WHERE channel = ?)";
                conditions.and(sql, [blob(channel.0)]);
            }
            None => {}
        }
        conditions.and_metadata(filter.metadata);
        self.list("registry_things", conditions, page, read::thing)
            .await
    }

    pub async fn thing(
        &self,
        organisation: OrganisationId,
        id: ThingId,
    ) -> Result<Option<ThingRow>, StoreError> {
        self.within("registry_things", organisation, id.0, read::thing)
            .await
    }

    /// The thing whose key has this lower-case hex SHA-256, in whichever organisation.
    pub async fn thing_by_key_hash(&self, hash: &str) -> Result<Option<ThingRow>, StoreError> {
        let condition = "key_hash = ? ORDER BY created_at, id";
        self.find(
            "registry_things",
            condition,
            vec![SqlValue::Text(hash.to_owned())],
            read::thing,
        )
        .await
    }

    pub async fn channels(
        &self,
        organisation: OrganisationId,
        filter: ChannelFilter,
        page: Page,
    ) -> Result<Listing<ChannelRow>, StoreError> {
        let mut conditions = Conditions::organisation(organisation);
        conditions.and_name(filter.name.as_deref());
        if let Some(ids) = filter.ids {
            conditions.and_ids(ids.into_iter().map(|id| id.0));
        }
        match filter.connection {
            Some(Connected::To(thing)) => {
                let sql = "id IN (SELECT channel FROM registry_connections WHERE thing = ?)";
                conditions.and(sql, [blob(thing.0)]);
            }
            Some(Connected::NotTo(thing)) => {
                let sql = "id NOT IN (SELECT channel FROM registry_connections WHERE thing = ?)";
                conditions.and(sql, [blob(thing.0)]);
            }
            None => {}
        }
        conditions.and_metadata(filter.metadata);
        self.list("registry_channels", conditions, page, read::channel)
            .await
    }

    pub async fn channel(
        &self,
        organisation: OrganisationId,
        id: ChannelId,
    ) -> Result<Option<ChannelRow>, StoreError> {
        self.within("registry_channels", organisation, id.0, read::channel)
            .await
    }

    /// `name` is a part of the name, without regard to case.
    pub async fn device_types(
        &self,
        organisation: OrganisationId,
        name: Option<&str>,
        page: Page,
    ) -> Result<Listing<DeviceTypeRow>, StoreError> {
        let mut conditions = Conditions::organisation(organisation);
        conditions.and_name(name);
        self.list("registry_device_types", conditions, page, read::device_type)
            .await
    }

    pub async fn device_type(
        &self,
        organisation: OrganisationId,
        id: DeviceTypeId,
    ) -> Result<Option<DeviceTypeRow>, StoreError> {
        self.within(
            "registry_device_types",
            organisation,
            id.0,
            read::device_type,
        )
        .await
    }

    pub async fn edge_devices(
        &self,
        organisation: OrganisationId,
        filter: EdgeDeviceFilter,
        page: Page,
    ) -> Result<Listing<EdgeDeviceRow>, StoreError> {
        let mut conditions = Conditions::organisation(organisation);
        conditions.and_name(filter.name.as_deref());
        if let Some(part) = filter.name_or_external_id {
            let external_id = normal_external_id(&part);
            conditions.and(
                "(instr(name_key, ?) > 0 OR (? <> '' AND instr(external_id_key, ?) > 0))",
                [fold_name(&part), external_id.clone(), external_id].map(SqlValue::Text),
            );
        }
        if let Some(state) = filter.state {
            let word = to_word(&state).map_err(StoreError::from)?;
            conditions.and("state = ?", [SqlValue::Text(word)]);
        }
        if let Some(external_id) = filter.external_id {
            conditions.and(
                "external_id_key = ?",
                [SqlValue::Text(normal_external_id(&external_id))],
            );
        }
        if let Some(thing) = filter.thing {
            conditions.and("thing = ?", [blob(thing.0)]);
        }
        if let Some(hash) = filter.thing_key_hash {
            let sql = "thing IN (SELECT id FROM registry_things WHERE key_hash = ?)";
            conditions.and(sql, [SqlValue::Text(hash)]);
        }
        self.list("registry_edge_devices", conditions, page, read::edge_device)
            .await
    }

    pub async fn edge_device(
        &self,
        organisation: OrganisationId,
        id: EdgeDeviceId,
    ) -> Result<Option<EdgeDeviceRow>, StoreError> {
        self.within(
            "registry_edge_devices",
            organisation,
            id.0,
            read::edge_device,
        )
        .await
    }

    /// The device that bootstraps with `external_id`, compared without case and separators, in whichever organisation.
    /// The first one, if two were registered at the same time.
    pub async fn edge_device_by_external_id(
        &self,
        external_id: &str,
    ) -> Result<Option<EdgeDeviceRow>, StoreError> {
        let condition = "external_id_key = ? ORDER BY created_at, id";
        let key = SqlValue::Text(normal_external_id(external_id));
        self.find(
            "registry_edge_devices",
            condition,
            vec![key],
            read::edge_device,
        )
        .await
    }

    pub async fn alarm_rules(
        &self,
        organisation: OrganisationId,
        filter: AlarmRuleFilter,
        page: Page,
    ) -> Result<Listing<AlarmRuleRow>, StoreError> {
        let mut conditions = Conditions::organisation(organisation);
        conditions.and_name(filter.name.as_deref());
        if let Some(enabled) = filter.enabled {
            conditions.and("enabled = ?", [SqlValue::Integer(i64::from(enabled))]);
        }
        if let Some(thing) = filter.thing {
            let sql = "(scope_thing IS NULL OR scope_thing = ?)
                AND (scope_device_type IS NULL
                     OR scope_device_type = (SELECT device_type FROM registry_things WHERE id = ?))";
            conditions.and(sql, [blob(thing.0), blob(thing.0)]);
        }
        self.list("registry_alarm_rules", conditions, page, read::alarm_rule)
            .await
    }

    pub async fn alarm_rule(
        &self,
        organisation: OrganisationId,
        id: AlarmRuleId,
    ) -> Result<Option<AlarmRuleRow>, StoreError> {
        self.within("registry_alarm_rules", organisation, id.0, read::alarm_rule)
            .await
    }

    pub async fn models(
        &self,
        organisation: OrganisationId,
        filter: ModelFilter,
        page: Page,
    ) -> Result<Listing<ModelRow>, StoreError> {
        let mut conditions = Conditions::organisation(organisation);
        conditions.and_name(filter.name.as_deref());
        if let Some(thing) = filter.thing {
            conditions.and("thing = ?", [blob(thing.0)]);
        }
        self.list("registry_models", conditions, page, read::model)
            .await
    }

    pub async fn model(
        &self,
        organisation: OrganisationId,
        id: ModelId,
    ) -> Result<Option<ModelRow>, StoreError> {
        self.within("registry_models", organisation, id.0, read::model)
            .await
    }

    /// The models of all organisations: for the model runtime.
    pub async fn all_models(&self, page: Page) -> Result<Listing<ModelRow>, StoreError> {
        self.list("registry_models", Conditions::none(), page, read::model)
            .await
    }

    async fn list<R: Send + 'static>(
        &self,
        table: &'static str,
        conditions: Conditions,
        page: Page,
        read: fn(&Row<'_>) -> Result<R, Error>,
    ) -> Result<Listing<R>, StoreError> {
        self.database
            .read(move |connection| list(connection, table, &conditions, &page, read))
            .await
    }

    async fn within<R: Send + 'static>(
        &self,
        table: &'static str,
        organisation: OrganisationId,
        id: Uuid,
        read: fn(&Row<'_>) -> Result<R, Error>,
    ) -> Result<Option<R>, StoreError> {
        let values = vec![blob(id), blob(organisation.0)];
        self.find(table, "id = ? AND organisation = ?", values, read)
            .await
    }

    async fn find<R: Send + 'static>(
        &self,
        table: &'static str,
        condition: &'static str,
        values: Vec<SqlValue>,
        read: fn(&Row<'_>) -> Result<R, Error>,
    ) -> Result<Option<R>, StoreError> {
        self.database
            .read(move |connection| find(connection, table, condition, &values, read))
            .await
    }
}

fn find<R>(
    connection: &Connection,
    table: &str,
    condition: &str,
    values: &[SqlValue],
    read: fn(&Row<'_>) -> Result<R, Error>,
) -> Result<Option<R>, Error> {
    connection
        .prepare_cached(&format!("SELECT * FROM {table} WHERE {condition} LIMIT 1"))?
        .query_row(params_from_iter(values), read)
        .optional()
}
