//! What the registry gives: one row type per kind of entity.

use serde_json::{Map, Value};
use tellee_actors::domain::alarm_rule::Definition as AlarmRuleDefinition;
use tellee_actors::domain::channel::{RetentionClass, RollupRetention};
use tellee_actors::domain::edge_device::{BootstrapConfig, BootstrapState};
use tellee_actors::domain::model;
use tellee_actors::domain::secret::{KeyHash, PasswordHash, SealedKey};
use tellee_actors::domain::thing::Tag;
use tellee_actors::domain::user::Role;
use tellee_actors::ids::{
    AlarmRuleId, ChannelId, DeviceTypeId, EdgeDeviceId, ModelId, OrganisationId, Position,
    Revision, ThingId, UserId,
};
use tellee_actors::time::Timestamp;

/// How far the entity behind a row has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamps {
    pub revision: Revision,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Of the last event that the row has seen.
    pub position: Position,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OrganisationRow {
    pub id: OrganisationId,
    pub name: String,
    pub stamps: Stamps,
}

#[derive(Debug, Clone, PartialEq)]
pub struct UserRow {
    pub id: UserId,
    pub organisation: OrganisationId,
    pub email: String,
    pub password: PasswordHash,
    pub role: Role,
    pub platform_administrator: bool,
    pub metadata: Map<String, Value>,
    pub disabled: bool,
    /// Tokens of an earlier epoch are void.
    pub session_epoch: u64,
    pub stamps: Stamps,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ThingRow {
    pub id: ThingId,
    pub organisation: OrganisationId,
    pub name: String,
    pub metadata: Map<String, Value>,
    pub key: SealedKey,
    pub device_type: Option<DeviceTypeId>,
    /// The thing's own tags, without those of its device type.
    pub tags: Vec<Tag>,
    pub stamps: Stamps,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ChannelRow {
    pub id: ChannelId,
    pub organisation: OrganisationId,
    pub name: String,
    pub metadata: Map<String, Value>,
    pub retention: RetentionClass,
    pub rollup_retention: RollupRetention,
    pub stamps: Stamps,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DeviceTypeRow {
    pub id: DeviceTypeId,
    pub organisation: OrganisationId,
    pub name: String,
    pub description: String,
    pub tags: Vec<Tag>,
    pub metadata: Map<String, Value>,
    pub stamps: Stamps,
}

#[derive(Debug, Clone, PartialEq)]
pub struct EdgeDeviceRow {
    pub id: EdgeDeviceId,
    pub organisation: OrganisationId,
    pub thing: ThingId,
    /// As given.
    pub external_id: String,
    pub external_key: KeyHash,
    pub config: BootstrapConfig,
    pub state: BootstrapState,
    pub bootstraps: u64,
    pub last_bootstrap: Option<Timestamp>,
    /// The revision that the device got last.
    pub fetched_revision: Option<Revision>,
    /// The revision that wrote the config in force.
    pub config_revision: Revision,
    pub stamps: Stamps,
}

impl EdgeDeviceRow {
    /// Whether the device fetched the config that is in force.
    pub fn is_up_to_date(&self) -> bool {
        self.fetched_revision
            .is_some_and(|fetched| fetched >= self.config_revision)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlarmRuleRow {
    pub id: AlarmRuleId,
    pub organisation: OrganisationId,
    pub definition: AlarmRuleDefinition,
    pub stamps: Stamps,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ModelRow {
    pub id: ModelId,
    pub organisation: OrganisationId,
    pub definition: model::Definition,
    pub versions: Vec<model::Version>,
    pub live: Option<u32>,
    pub retired: Vec<u32>,
    pub last_failure: Option<String>,
    pub stamps: Stamps,
}
