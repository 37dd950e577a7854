//! An edge device and its bootstrap config. Its id is the id of the thing that it signs in as.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::secret::KeyHash;
use crate::ids::{ChannelId, OrganisationId, Revision, ThingId};

/// Mainflux' two states of a bootstrap config.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootstrapState {
    /// 0: exists, its thing is not connected to the config's channels.
    #[default]
    Inactive,
    /// 1: connected.
    Active,
}

/// What the device gets beside its thing and channels. Rolled back and diffed as one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BootstrapConfig {
    pub name: String,
    /// Opaque to Mainflux clients; Tellee's own edge agent reads JSON from it.
    pub content: String,
    pub channels: BTreeSet<ChannelId>,
    #[serde(default)]
    pub client_cert: String,
    /// Sealed (AEAD, base64) with the master key; empty if none.
    #[serde(default)]
    pub client_key_sealed: String,
    #[serde(default)]
    pub ca_cert: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub removed: bool,
    pub organisation: Option<OrganisationId>,
    pub thing: Option<ThingId>,
    /// As given; compared without case and the separators `:`, `-` and `.` (see [`normal_external_id`]).
    pub external_id: String,
    pub external_key: Option<KeyHash>,
    pub config: BootstrapConfig,
    pub bootstrap_state: BootstrapState,
    /// How often the device fetched its config, and the revision of it that it got last.
    pub bootstraps: u64,
    pub fetched_revision: Option<Revision>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Register {
        organisation: OrganisationId,
        thing: ThingId,
        external_id: String,
        external_key: KeyHash,
        config: BootstrapConfig,
    },
    UpdateInfo {
        name: Option<String>,
        content: Option<String>,
    },
    UpdateConnections {
        channels: BTreeSet<ChannelId>,
    },
    UpdateCertificates {
        client_cert: String,
        client_key_sealed: String,
        ca_cert: String,
    },
    ChangeExternalKey {
        external_key: KeyHash,
    },
    ChangeState {
        state: BootstrapState,
    },
    /// The device fetched its config.
    RecordBootstrap,
    Remove,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Event {
    Registered {
        organisation: OrganisationId,
        thing: ThingId,
        external_id: String,
        external_key: KeyHash,
        config: BootstrapConfig,
    },
    /// The whole config after the change.
    ConfigChanged {
        config: BootstrapConfig,
    },
    RolledBack {
        to: Revision,
        config: BootstrapConfig,
    },
    ExternalKeyChanged {
        external_key: KeyHash,
    },
    StateChanged {
        state: BootstrapState,
    },
    Bootstrapped {
        revision: Revision,
    },
    Removed {},
}

/// The form in which external ids are compared: lower case, without `:`, `-` and `.`.
pub fn normal_external_id(external_id: &str) -> String {
    external_id
        .chars()
        .filter(|character| !matches!(character, ':' | '-' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}
