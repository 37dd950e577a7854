//! Events into the tables of the registry.

use rusqlite::{Connection, Error, OptionalExtension, Params, params};
use serde_json::{Map, Value};
use tellee_actors::domain::alarm_rule::{self, Definition};
use tellee_actors::domain::edge_device::{
    self, BootstrapConfig, BootstrapState, normal_external_id,
};
use tellee_actors::domain::{channel, device_type, model, organisation, thing, user};
use tellee_actors::ids::OrganisationId;
use uuid::Uuid;

use super::metadata::indexed_leaves;
use super::page::fold_name;
use crate::follower::sql::{get_json, to_json, to_word};
use crate::follower::{DecodedEvent, DomainEvent};

pub(super) fn apply(connection: &Connection, event: &DecodedEvent) -> Result<(), Error> {
    let tables = Tables { connection, event };
    match &event.event {
        DomainEvent::Organisation(event) => tables.organisation(event),
        DomainEvent::User(event) => tables.user(event),
        DomainEvent::Thing(event) => tables.thing(event),
        DomainEvent::Channel(event) => tables.channel(event),
        DomainEvent::DeviceType(event) => tables.device_type(event),
        DomainEvent::EdgeDevice(event) => tables.edge_device(event),
        DomainEvent::AlarmRule(event) => tables.alarm_rule(event),
        DomainEvent::Model(event) => tables.model(event),
        DomainEvent::Alarm(_) | DomainEvent::KeysRevealed { .. } => Ok(()),
    }
}

struct Tables<'a> {
    connection: &'a Connection,
    event: &'a DecodedEvent,
}

impl Tables<'_> {
    fn id(&self) -> Uuid {
        self.event.entity.id
    }

    fn revision(&self) -> i64 {
        self.event.revision.0.cast_signed()
    }

    fn execute(&self, sql: &str, values: impl Params) -> Result<(), Error> {
        self.connection.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// Every event brings its row's stamps up to date, whatever else it changes.
    fn stamp(&self, table: &str) -> Result<(), Error> {
        self.execute(
            &format!(
                "UPDATE {table} SET revision = ?2, updated_at = ?3, position = ?4 WHERE id = ?1"
            ),
            params![
                self.id().as_bytes(),
                self.revision(),
                self.event.at.0,
                self.event.position.0.cast_signed()
            ],
        )
    }

    fn delete(&self, table: &str) -> Result<(), Error> {
        self.execute(
            &format!("DELETE FROM {table} WHERE id = ?1"),
            [self.id().as_bytes()],
        )
    }

    fn index_metadata(&self, metadata: &Map<String, Value>) -> Result<(), Error> {
        self.forget_metadata()?;
        for leaf in indexed_leaves(metadata) {
            self.execute(
                "INSERT INTO registry_metadata (leaf, entity) VALUES (?1, ?2)",
                params![leaf, self.id().as_bytes()],
            )?;
        }
        Ok(())
    }

    fn forget_metadata(&self) -> Result<(), Error> {
        self.execute(
            "DELETE FROM registry_metadata WHERE entity = ?1",
            [self.id().as_bytes()],
        )
    }

    fn organisation(&self, event: &organisation::Event) -> Result<(), Error> {
        let (organisation::Event::Created { name } | organisation::Event::Renamed { name }) = event;
        if matches!(event, organisation::Event::Created { .. }) {
            self.execute(
                "INSERT OR REPLACE INTO registry_organisations VALUES (?1, ?2, ?3, 0, ?4, ?4, 0)",
                params![self.id().as_bytes(), name, fold_name(name), self.event.at.0],
            )?;
        } else {
            self.execute(
                "UPDATE registry_organisations SET name = ?2, name_key = ?3 WHERE id = ?1",
                params![self.id().as_bytes(), name, fold_name(name)],
            )?;
        }
        self.stamp("registry_organisations")
    }

    fn user(&self, event: &user::Event) -> Result<(), Error> {
        let id = self.id();
        let id = id.as_bytes();
        match event {
            user::Event::Created { organisation, email, password, role, platform_administrator, metadata } => {
                self.execute(
                    "INSERT OR REPLACE INTO registry_users
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, 0, ?9, ?9, 0)",
                    params![
                        id,
                        organisation.0.as_bytes(),
                        fold_name(email),
                        email,
                        password.0,
                        to_word(role)?,
                        platform_administrator,
                        to_json(metadata)?,
                        self.event.at.0,
                    ],
                )?;
            }
            user::Event::PasswordChanged { password } => self.execute(
                "UPDATE registry_users SET password = ?2, session_epoch = session_epoch + 1 WHERE id = ?1",
                params![id, password.0],
            )?,
            user::Event::RoleChanged { role } => {
                self.execute("UPDATE registry_users SET role = ?2 WHERE id = ?1", params![id, to_word(role)?])?;
            }
            user::Event::MetadataUpdated { metadata } => {
                self.execute("UPDATE registry_users SET metadata = ?2 WHERE id = ?1", params![id, to_json(metadata)?])?;
            }
            user::Event::Disabled {} => self.execute(
                "UPDATE registry_users SET disabled = 1, session_epoch = session_epoch + 1 WHERE id = ?1",
                [id],
            )?,
            user::Event::Enabled {} => {
                self.execute("UPDATE registry_users SET disabled = 0 WHERE id = ?1", [id])?;
            }
            user::Event::SessionsEnded {} => {
                self.execute("UPDATE registry_users SET session_epoch = session_epoch + 1 WHERE id = ?1", [id])?;
            }
        }
        self.stamp("registry_users")
    }

    fn thing(&self, event: &thing::Event) -> Result<(), Error> {
        match event {
            thing::Event::Created {
                organisation,
                key,
                details,
            } => {
                self.execute(
                    "INSERT OR REPLACE INTO registry_things
                     VALUES (?1, ?2, '', '', '{}', ?3, ?4, NULL, '[]', 0, ?5, ?5, 0)",
                    params![
                        self.id().as_bytes(),
                        organisation.0.as_bytes(),
                        key.hash,
                        key.sealed,
                        self.event.at.0
                    ],
                )?;
                self.thing_details(details)?;
            }
            thing::Event::Updated { details } | thing::Event::RolledBack { details, .. } => {
                self.thing_details(details)?;
            }
            thing::Event::KeyChanged { key } => self.execute(
                "UPDATE registry_things SET key_hash = ?2, key_sealed = ?3 WHERE id = ?1",
                params![self.id().as_bytes(), key.hash, key.sealed],
            )?,
            thing::Event::Removed {} => {
                self.forget_metadata()?;
                self.execute(
                    "DELETE FROM registry_connections WHERE thing = ?1",
                    [self.id().as_bytes()],
                )?;
                return self.delete("registry_things");
            }
        }
        self.stamp("registry_things")
    }

    fn thing_details(&self, details: &thing::Details) -> Result<(), Error> {
        self.execute(
            "UPDATE registry_things SET name = ?2, name_key = ?3, metadata = ?4, device_type = ?5, tags = ?6
             WHERE id = ?1",
            params![
                self.id().as_bytes(),
                details.name,
                fold_name(&details.name),
                to_json(&details.metadata)?,
                details.device_type.as_ref().map(|device_type| device_type.0.as_bytes()),
                to_json(&details.tags)?,
            ],
        )?;
        self.index_metadata(&details.metadata)
    }

    fn channel(&self, event: &channel::Event) -> Result<(), Error> {
        let id = self.id();
        let id = id.as_bytes();
        match event {
            channel::Event::Created {
                organisation,
                details,
            } => {
                self.execute(
                    "INSERT OR REPLACE INTO registry_channels VALUES (?1, ?2, '', '', '{}', '', '', 0, ?3, ?3, 0)",
                    params![id, organisation.0.as_bytes(), self.event.at.0],
                )?;
                self.channel_details(details)?;
            }
            channel::Event::Updated { details } => self.channel_details(details)?,
            channel::Event::RolledBack {
                details, things, ..
            } => {
                self.channel_details(details)?;
                self.execute("DELETE FROM registry_connections WHERE channel = ?1", [id])?;
                for thing in things {
                    self.connect(thing.0)?;
                }
            }
            channel::Event::ThingConnected { thing } => self.connect(thing.0)?,
            channel::Event::ThingDisconnected { thing } => self.execute(
                "DELETE FROM registry_connections WHERE channel = ?1 AND thing = ?2",
                params![id, thing.0.as_bytes()],
            )?,
            channel::Event::Removed {} => {
                self.forget_metadata()?;
                self.execute("DELETE FROM registry_connections WHERE channel = ?1", [id])?;
                return self.delete("registry_channels");
            }
        }
        self.stamp("registry_channels")
    }

    fn channel_details(&self, details: &channel::Details) -> Result<(), Error> {
        self.execute(
            "UPDATE registry_channels SET name = ?2, name_key = ?3, metadata = ?4, retention = ?5, rollup_retention = ?6 WHERE id = ?1",
            params![
                self.id().as_bytes(),
                details.name,
                fold_name(&details.name),
                to_json(&details.metadata)?,
                to_word(&details.retention)?,
                to_word(&details.rollup_retention)?,
            ],
        )?;
        self.index_metadata(&details.metadata)
    }

    fn connect(&self, thing: Uuid) -> Result<(), Error> {
        self.execute(
            "INSERT OR IGNORE INTO registry_connections (channel, thing) VALUES (?1, ?2)",
            params![self.id().as_bytes(), thing.as_bytes()],
        )
    }

    fn device_type(&self, event: &device_type::Event) -> Result<(), Error> {
        let details = match event {
            device_type::Event::Created {
                organisation,
                details,
            } => {
                self.execute(
                    "INSERT OR REPLACE INTO registry_device_types
                     VALUES (?1, ?2, '', '', '', '[]', '{}', 0, ?3, ?3, 0)",
                    params![
                        self.id().as_bytes(),
                        organisation.0.as_bytes(),
                        self.event.at.0
                    ],
                )?;
                details
            }
            device_type::Event::Updated { details }
            | device_type::Event::RolledBack { details, .. } => details,
            device_type::Event::Removed {} => return self.delete("registry_device_types"),
        };
        self.execute(
            "UPDATE registry_device_types
             SET name = ?2, name_key = ?3, description = ?4, tags = ?5, metadata = ?6 WHERE id = ?1",
            params![
                self.id().as_bytes(),
                details.name,
                fold_name(&details.name),
                details.description,
                to_json(&details.tags)?,
                to_json(&details.metadata)?,
            ],
        )?;
        self.stamp("registry_device_types")
    }

    fn edge_device(&self, event: &edge_device::Event) -> Result<(), Error> {
        let id = self.id();
        let id = id.as_bytes();
        match event {
            edge_device::Event::Registered { organisation, thing, external_id, external_key, config } => {
                self.execute(
                    "INSERT OR REPLACE INTO registry_edge_devices
                     VALUES (?1, ?2, '', ?3, ?4, ?5, ?6, '', ?7, 0, NULL, NULL, 0, 0, ?8, ?8, 0)",
                    params![
                        id,
                        organisation.0.as_bytes(),
                        thing.0.as_bytes(),
                        external_id,
                        normal_external_id(external_id),
                        external_key.0,
                        to_word(&BootstrapState::default())?,
                        self.event.at.0,
                    ],
                )?;
                self.bootstrap_config(config)?;
            }
            edge_device::Event::ConfigChanged { config } | edge_device::Event::RolledBack { config, .. } => {
                self.bootstrap_config(config)?;
            }
            edge_device::Event::ExternalKeyChanged { external_key } => self.execute(
                "UPDATE registry_edge_devices SET external_key = ?2 WHERE id = ?1",
                params![id, external_key.0],
            )?,
            edge_device::Event::StateChanged { state } => self.execute(
                "UPDATE registry_edge_devices SET state = ?2 WHERE id = ?1",
                params![id, to_word(state)?],
            )?,
            edge_device::Event::Bootstrapped { revision } => self.execute(
                "UPDATE registry_edge_devices
                 SET bootstraps = bootstraps + 1, last_bootstrap = ?2, fetched_revision = ?3 WHERE id = ?1",
                params![id, self.event.at.0, revision.0.cast_signed()],
            )?,
            edge_device::Event::Removed {} => return self.delete("registry_edge_devices"),
        }
        self.stamp("registry_edge_devices")
    }

    fn bootstrap_config(&self, config: &BootstrapConfig) -> Result<(), Error> {
        self.execute(
            "UPDATE registry_edge_devices SET name_key = ?2, config = ?3, config_revision = ?4 WHERE id = ?1",
            params![self.id().as_bytes(), fold_name(&config.name), to_json(config)?, self.revision()],
        )
    }

    fn alarm_rule(&self, event: &alarm_rule::Event) -> Result<(), Error> {
        let definition = match event {
            alarm_rule::Event::Created {
                organisation,
                definition,
            } => {
                self.new_alarm_rule(*organisation)?;
                definition
            }
            alarm_rule::Event::Updated { definition }
            | alarm_rule::Event::RolledBack { definition, .. } => definition,
            alarm_rule::Event::Removed {} => return self.delete("registry_alarm_rules"),
        };
        self.alarm_rule_definition(definition)?;
        self.stamp("registry_alarm_rules")
    }

    fn new_alarm_rule(&self, organisation: OrganisationId) -> Result<(), Error> {
        self.execute(
            "INSERT OR REPLACE INTO registry_alarm_rules
             VALUES (?1, ?2, '', '', 0, NULL, NULL, '', 0, ?3, ?3, 0)",
            params![
                self.id().as_bytes(),
                organisation.0.as_bytes(),
                self.event.at.0
            ],
        )
    }

    fn alarm_rule_definition(&self, definition: &Definition) -> Result<(), Error> {
        self.execute(
            "UPDATE registry_alarm_rules
             SET name_key = ?2, definition = ?3, enabled = ?4, scope_thing = ?5, scope_device_type = ?6, series = ?7
             WHERE id = ?1",
            params![
                self.id().as_bytes(),
                fold_name(&definition.name),
                to_json(definition)?,
                definition.enabled,
                definition.scope.thing.as_ref().map(|thing| thing.0.as_bytes()),
                definition.scope.device_type.as_ref().map(|device_type| device_type.0.as_bytes()),
                definition.scope.series,
            ],
        )
    }

    fn model(&self, event: &model::Event) -> Result<(), Error> {
        let id = self.id();
        let id = id.as_bytes();
        match event {
            model::Event::Created {
                organisation,
                definition,
            } => self.execute(
                "INSERT OR REPLACE INTO registry_models
                 VALUES (?1, ?2, ?3, ?4, ?5, '[]', NULL, '[]', NULL, 0, ?6, ?6, 0)",
                params![
                    id,
                    organisation.0.as_bytes(),
                    fold_name(&definition.name),
                    definition.thing.0.as_bytes(),
                    to_json(definition)?,
                    self.event.at.0,
                ],
            )?,
            model::Event::VersionRegistered { version } => {
                self.append("versions", version)?;
                self.execute(
                    "UPDATE registry_models SET last_failure = NULL WHERE id = ?1",
                    [id],
                )?;
            }
            model::Event::TrainingFailed { reason } => self.execute(
                "UPDATE registry_models SET last_failure = ?2 WHERE id = ?1",
                params![id, reason],
            )?,
            model::Event::Promoted { version, .. } => {
                self.execute(
                    "UPDATE registry_models SET live = ?2 WHERE id = ?1",
                    params![id, version],
                )?;
            }
            model::Event::Retired { version } => {
                self.append("retired", version)?;
                self.execute(
                    "UPDATE registry_models SET live = NULL WHERE id = ?1 AND live = ?2",
                    params![id, version],
                )?;
            }
            model::Event::Removed {} => return self.delete("registry_models"),
        }
        self.stamp("registry_models")
    }

    /// Adds `element` to the JSON array in `column` of a model.
    fn append(&self, column: &str, element: &impl serde::Serialize) -> Result<(), Error> {
        let id = self.id();
        let present: Option<Vec<Value>> = self
            .connection
            .prepare_cached(&format!(
                "SELECT {column} FROM registry_models WHERE id = ?1"
            ))?
            .query_row([id.as_bytes()], |row| get_json(row, column))
            .optional()?;
        let Some(mut all) = present else {
            return Ok(());
        };
        all.push(
            serde_json::to_value(element)
                .map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?,
        );
        self.execute(
            &format!("UPDATE registry_models SET {column} = ?2 WHERE id = ?1"),
            params![id.as_bytes(), to_json(&all)?],
        )
    }
}
