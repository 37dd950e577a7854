//! A user: a person who signs in, with one role in one organisation.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::secret::PasswordHash;
use crate::ids::OrganisationId;

/// What a user may do within the organisation. Ordered by no rank: `allows` in the API's policy says what each may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Operator,
    Supervisor,
    Maintainer,
    Engineer,
    DataScientist,
    Administrator,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub organisation: Option<OrganisationId>,
    pub email: String,
    pub password: Option<PasswordHash>,
    pub role: Option<Role>,
    /// May make organisations and users in any of them.
    pub platform_administrator: bool,
    pub metadata: Map<String, Value>,
    pub disabled: bool,
    /// Grows when all sessions of the user must end: password change, disabling.
    pub session_epoch: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Create {
        organisation: OrganisationId,
        email: String,
        password: PasswordHash,
        role: Role,
        platform_administrator: bool,
        metadata: Map<String, Value>,
    },
    ChangePassword {
        password: PasswordHash,
    },
    ChangeRole {
        role: Role,
    },
    UpdateMetadata {
        metadata: Map<String, Value>,
    },
    Disable,
    Enable,
    EndSessions,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)]
pub enum Event {
    Created {
        organisation: OrganisationId,
        email: String,
        password: PasswordHash,
        role: Role,
        platform_administrator: bool,
        metadata: Map<String, Value>,
    },
    PasswordChanged {
        password: PasswordHash,
    },
    RoleChanged {
        role: Role,
    },
    MetadataUpdated {
        metadata: Map<String, Value>,
    },
    Disabled {},
    Enabled {},
    SessionsEnded {},
}
