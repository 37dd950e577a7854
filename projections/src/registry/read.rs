//! Table rows to row types.

use rusqlite::{Error, Row};
use tellee_actors::domain::secret::{KeyHash, PasswordHash, SealedKey};
use tellee_actors::ids::Revision;
use tellee_actors::time::Timestamp;

use super::rows::{
    AlarmRuleRow, ChannelRow, DeviceTypeRow, EdgeDeviceRow, ModelRow, OrganisationRow, Stamps,
    ThingRow, UserRow,
};
use crate::follower::sql::{
    get_count, get_id, get_json, get_optional_id, get_position, get_revision, get_stamp, get_word,
};

fn stamps(row: &Row<'_>) -> Result<Stamps, Error> {
    Ok(Stamps {
        revision: get_revision(row, "revision")?,
        created_at: get_stamp(row, "created_at")?,
        updated_at: get_stamp(row, "updated_at")?,
        position: get_position(row, "position")?,
    })
}

pub(super) fn organisation(row: &Row<'_>) -> Result<OrganisationRow, Error> {
    Ok(OrganisationRow {
        id: get_id(row, "id")?,
        name: row.get("name")?,
        stamps: stamps(row)?,
    })
}

pub(super) fn user(row: &Row<'_>) -> Result<UserRow, Error> {
    Ok(UserRow {
        id: get_id(row, "id")?,
        organisation: get_id(row, "organisation")?,
        email: row.get("email")?,
        password: PasswordHash(row.get("password")?),
        role: get_word(row, "role")?,
        platform_administrator: row.get("platform_administrator")?,
        metadata: get_json(row, "metadata")?,
        disabled: row.get("disabled")?,
        session_epoch: get_count(row, "session_epoch")?,
        stamps: stamps(row)?,
    })
}

pub(super) fn thing(row: &Row<'_>) -> Result<ThingRow, Error> {
    Ok(ThingRow {
        id: get_id(row, "id")?,
        organisation: get_id(row, "organisation")?,
        name: row.get("name")?,
        metadata: get_json(row, "metadata")?,
        key: SealedKey {
            hash: row.get("key_hash")?,
            sealed: row.get("key_sealed")?,
        },
        device_type: get_optional_id(row, "device_type")?,
        tags: get_json(row, "tags")?,
        stamps: stamps(row)?,
    })
}

pub(super) fn channel(row: &Row<'_>) -> Result<ChannelRow, Error> {
    Ok(ChannelRow {
        id: get_id(row, "id")?,
        organisation: get_id(row, "organisation")?,
        name: row.get("name")?,
        metadata: get_json(row, "metadata")?,
        retention: get_word(row, "retention")?,
        rollup_retention: get_word(row, "rollup_retention")?,
        stamps: stamps(row)?,
    })
}

pub(super) fn device_type(row: &Row<'_>) -> Result<DeviceTypeRow, Error> {
    Ok(DeviceTypeRow {
        id: get_id(row, "id")?,
        organisation: get_id(row, "organisation")?,
        name: row.get("name")?,
        description: row.get("description")?,
        tags: get_json(row, "tags")?,
        metadata: get_json(row, "metadata")?,
        stamps: stamps(row)?,
    })
}

pub(super) fn edge_device(row: &Row<'_>) -> Result<EdgeDeviceRow, Error> {
    Ok(EdgeDeviceRow {
        id: get_id(row, "id")?,
        organisation: get_id(row, "organisation")?,
        thing: get_id(row, "thing")?,
        external_id: row.get("external_id")?,
        external_key: KeyHash(row.get("external_key")?),
        config: get_json(row, "config")?,
        state: get_word(row, "state")?,
        bootstraps: get_count(row, "bootstraps")?,
        last_bootstrap: row.get::<_, Option<i64>>("last_bootstrap")?.map(Timestamp),
        fetched_revision: row
            .get::<_, Option<i64>>("fetched_revision")?
            .map(|revision| Revision(revision.cast_unsigned())),
        config_revision: get_revision(row, "config_revision")?,
        stamps: stamps(row)?,
    })
}

pub(super) fn alarm_rule(row: &Row<'_>) -> Result<AlarmRuleRow, Error> {
    Ok(AlarmRuleRow {
        id: get_id(row, "id")?,
        organisation: get_id(row, "organisation")?,
        definition: get_json(row, "definition")?,
        stamps: stamps(row)?,
    })
}

pub(super) fn model(row: &Row<'_>) -> Result<ModelRow, Error> {
    Ok(ModelRow {
        id: get_id(row, "id")?,
        organisation: get_id(row, "organisation")?,
        definition: get_json(row, "definition")?,
        versions: get_json(row, "versions")?,
        live: row.get("live")?,
        retired: get_json(row, "retired")?,
        last_failure: row.get("last_failure")?,
        stamps: stamps(row)?,
    })
}
