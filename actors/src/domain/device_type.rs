//! A device type: the template of a class of equipment.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::thing::Tag;
use crate::ids::{OrganisationId, Revision};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub name: String,
    pub description: String,
    pub tags: Vec<Tag>,
    pub metadata: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub removed: bool,
    pub organisation: Option<OrganisationId>,
    pub details: Details,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Create {
        organisation: OrganisationId,
        details: Details,
    },
    Update {
        details: Details,
    },
    Remove,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Created {
        organisation: OrganisationId,
        details: Details,
    },
    Updated {
        details: Details,
    },
    RolledBack {
        to: Revision,
        details: Details,
    },
    Removed {},
}
