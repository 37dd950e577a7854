//! The tables of the registry. A change here raises [`VERSION`]; the tables are then made anew from the events.

pub(super) const VERSION: u32 = 3;

pub(super) const TABLES: &[&str] = &[
    "registry_organisations",
    "registry_users",
    "registry_things",
    "registry_channels",
    "registry_connections",
    "registry_device_types",
    "registry_edge_devices",
    "registry_alarm_rules",
    "registry_models",
    "registry_metadata",
];

pub(super) const SCHEMA: &str = "
CREATE TABLE registry_organisations (
    id BLOB PRIMARY KEY, name TEXT NOT NULL, name_key TEXT NOT NULL,
    revision INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, position INTEGER NOT NULL
) STRICT;
CREATE INDEX registry_organisations_name ON registry_organisations (name_key, id);

CREATE TABLE registry_users (
    id BLOB PRIMARY KEY, organisation BLOB NOT NULL, name_key TEXT NOT NULL, email TEXT NOT NULL,
    password TEXT NOT NULL, role TEXT NOT NULL, platform_administrator INTEGER NOT NULL, metadata TEXT NOT NULL,
    disabled INTEGER NOT NULL, session_epoch INTEGER NOT NULL,
    revision INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, position INTEGER NOT NULL
) STRICT;
CREATE INDEX registry_users_organisation ON registry_users (organisation, id);
CREATE INDEX registry_users_name ON registry_users (organisation, name_key, id);
CREATE INDEX registry_users_email ON registry_users (name_key, created_at);

CREATE TABLE registry_things (
    id BLOB PRIMARY KEY, organisation BLOB NOT NULL, name_key TEXT NOT NULL, name TEXT NOT NULL,
    metadata TEXT NOT NULL, key_hash TEXT NOT NULL, key_sealed TEXT NOT NULL, device_type BLOB, tags TEXT NOT NULL,
    revision INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, position INTEGER NOT NULL
) STRICT;
CREATE INDEX registry_things_organisation ON registry_things (organisation, id);
CREATE INDEX registry_things_created ON registry_things (organisation, created_at, id);
CREATE INDEX registry_things_name ON registry_things (organisation, name_key, id);
CREATE INDEX registry_things_key ON registry_things (key_hash);
CREATE INDEX registry_things_device_type ON registry_things (device_type, id) WHERE device_type IS NOT NULL;

CREATE TABLE registry_channels (
    id BLOB PRIMARY KEY, organisation BLOB NOT NULL, name_key TEXT NOT NULL, name TEXT NOT NULL,
    metadata TEXT NOT NULL, retention TEXT NOT NULL, rollup_retention TEXT NOT NULL,
    revision INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, position INTEGER NOT NULL
) STRICT;
CREATE INDEX registry_channels_organisation ON registry_channels (organisation, id);
CREATE INDEX registry_channels_created ON registry_channels (organisation, created_at, id);
CREATE INDEX registry_channels_name ON registry_channels (organisation, name_key, id);

CREATE TABLE registry_connections (
    channel BLOB NOT NULL, thing BLOB NOT NULL, PRIMARY KEY (channel, thing)
) STRICT, WITHOUT ROWID;
CREATE INDEX registry_connections_thing ON registry_connections (thing, channel);

CREATE TABLE registry_device_types (
    id BLOB PRIMARY KEY, organisation BLOB NOT NULL, name_key TEXT NOT NULL, name TEXT NOT NULL,
    description TEXT NOT NULL, tags TEXT NOT NULL, metadata TEXT NOT NULL,
    revision INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, position INTEGER NOT NULL
) STRICT;
CREATE INDEX registry_device_types_organisation ON registry_device_types (organisation, id);
CREATE INDEX registry_device_types_created ON registry_device_types (organisation, created_at, id);
CREATE INDEX registry_device_types_name ON registry_device_types (organisation, name_key, id);

CREATE TABLE registry_edge_devices (
    id BLOB PRIMARY KEY, organisation BLOB NOT NULL, name_key TEXT NOT NULL, thing BLOB NOT NULL,
    external_id TEXT NOT NULL, external_id_key TEXT NOT NULL, external_key TEXT NOT NULL, config TEXT NOT NULL,
    state TEXT NOT NULL, bootstraps INTEGER NOT NULL, last_bootstrap INTEGER, fetched_revision INTEGER,
    config_revision INTEGER NOT NULL,
    revision INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, position INTEGER NOT NULL
) STRICT;
CREATE INDEX registry_edge_devices_organisation ON registry_edge_devices (organisation, id);
CREATE INDEX registry_edge_devices_created ON registry_edge_devices (organisation, created_at, id);
CREATE INDEX registry_edge_devices_name ON registry_edge_devices (organisation, name_key, id);
CREATE INDEX registry_edge_devices_external_id ON registry_edge_devices (external_id_key, created_at);
CREATE INDEX registry_edge_devices_thing ON registry_edge_devices (thing);

CREATE TABLE registry_alarm_rules (
    id BLOB PRIMARY KEY, organisation BLOB NOT NULL, name_key TEXT NOT NULL, definition TEXT NOT NULL,
    enabled INTEGER NOT NULL, scope_thing BLOB, scope_device_type BLOB, series TEXT NOT NULL,
    revision INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, position INTEGER NOT NULL
) STRICT;
CREATE INDEX registry_alarm_rules_organisation ON registry_alarm_rules (organisation, id);
CREATE INDEX registry_alarm_rules_created ON registry_alarm_rules (organisation, created_at, id);
CREATE INDEX registry_alarm_rules_name ON registry_alarm_rules (organisation, name_key, id);

CREATE TABLE registry_models (
    id BLOB PRIMARY KEY, organisation BLOB NOT NULL, name_key TEXT NOT NULL, thing BLOB NOT NULL,
    definition TEXT NOT NULL, versions TEXT NOT NULL, live INTEGER, retired TEXT NOT NULL, last_failure TEXT,
    revision INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, position INTEGER NOT NULL
) STRICT;
CREATE INDEX registry_models_organisation ON registry_models (organisation, id);
CREATE INDEX registry_models_created ON registry_models (organisation, created_at, id);
CREATE INDEX registry_models_name ON registry_models (organisation, name_key, id);
CREATE INDEX registry_models_thing ON registry_models (thing);

-- One row per leaf of an entity's metadata, to find by metadata; see `metadata.rs`.
CREATE TABLE registry_metadata (
    leaf INTEGER NOT NULL, entity BLOB NOT NULL, PRIMARY KEY (leaf, entity)
) STRICT, WITHOUT ROWID;
CREATE INDEX registry_metadata_entity ON registry_metadata (entity);
";
