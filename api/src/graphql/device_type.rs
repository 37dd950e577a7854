//! Device types.

use async_graphql::{ID, Json, SimpleObject};
use serde_json::{Map, Value};
use tellee_projections::registry::DeviceTypeRow;

use super::scalars::Long;
use super::thing::Tag;

#[derive(Debug, Clone, SimpleObject)]
pub struct DeviceType {
    pub id: ID,
    pub name: String,
    pub description: String,
    pub tags: Vec<Tag>,
    pub metadata: Json<Map<String, Value>>,
    pub revision: Long,
}

impl From<DeviceTypeRow> for DeviceType {
    fn from(row: DeviceTypeRow) -> Self {
        Self {
            id: row.id.to_string().into(),
            name: row.name,
            description: row.description,
            tags: row.tags.into_iter().map(Tag::from).collect(),
            metadata: Json(row.metadata),
            revision: Long(row.stamps.revision.0),
        }
    }
}
