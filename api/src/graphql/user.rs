//! Users and who asks.

use async_graphql::{ID, SimpleObject};
use tellee_projections::registry::{OrganisationRow, UserRow};

use super::enums::Role;
use super::scalars::Long;

#[derive(Debug, Clone, SimpleObject)]
pub struct Organisation {
    pub id: ID,
    pub name: String,
    pub revision: Long,
}

impl From<OrganisationRow> for Organisation {
    fn from(row: OrganisationRow) -> Self {
        Self {
            id: row.id.to_string().into(),
            name: row.name,
            revision: Long(row.stamps.revision.0),
        }
    }
}

#[derive(Debug, Clone, SimpleObject)]
pub struct User {
    pub id: ID,
    pub email: String,
    pub role: Role,
    pub disabled: bool,
    pub revision: Long,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id.to_string().into(),
            email: row.email,
            role: row.role.into(),
            disabled: row.disabled,
            revision: Long(row.stamps.revision.0),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, SimpleObject)]
pub struct Viewer {
    pub id: ID,
    pub email: String,
    pub role: Role,
    pub organisation: Organisation,
    pub platform_administrator: bool,
}
