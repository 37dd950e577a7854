//! A channel, with the things that are connected to it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::{OrganisationId, Revision, ThingId};

/// How long the samples of a channel are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetentionClass {
    Days7,
    Days30,
    #[default]
    Year1,
    Years5,
    Forever,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub name: String,
    pub metadata: Map<String, Value>,
    #[serde(default)]
    pub retention: RetentionClass,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub exists: bool,
    pub removed: bool,
    pub organisation: Option<OrganisationId>,
    pub details: Details,
    pub things: BTreeSet<ThingId>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    Create {
        organisation: OrganisationId,
        details: Details,
    },
    Update {
        name: Option<String>,
        metadata: Option<Map<String, Value>>,
        retention: Option<RetentionClass>,
    },
    /// The caller has checked that the things belong to the channel's organisation. Those connected already stay so.
    Connect {
        things: Vec<ThingId>,
    },
    Disconnect {
        things: Vec<ThingId>,
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
    /// Details and connections of revision `to`.
    RolledBack {
        to: Revision,
        details: Details,
        things: BTreeSet<ThingId>,
    },
    ThingConnected {
        thing: ThingId,
    },
    ThingDisconnected {
        thing: ThingId,
    },
    Removed {},
}
