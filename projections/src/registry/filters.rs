//! What lists can be narrowed to. Every given part must match.

use serde_json::{Map, Value};
use tellee_actors::domain::edge_device::BootstrapState;
use tellee_actors::ids::{ChannelId, DeviceTypeId, ThingId};

#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThingFilter {
    /// A part of the name, without regard to case.
    pub name: Option<String>,
    /// The thing's metadata contain this, as PostgreSQL's `@>` says.
    pub metadata: Option<Map<String, Value>>,
    pub device_type: Option<DeviceTypeId>,
    pub connection: Option<Connected<ChannelId>>,
    /// Only these.
    pub ids: Option<Vec<ThingId>>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChannelFilter {
    /// A part of the name, without regard to case.
    pub name: Option<String>,
    /// The channel's metadata contain this, as PostgreSQL's `@>` says.
    pub metadata: Option<Map<String, Value>>,
    pub connection: Option<Connected<ThingId>>,
    /// Only these.
    pub ids: Option<Vec<ChannelId>>,
}

/// Mainflux' `connected` and `disconnected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connected<I> {
    To(I),
    NotTo(I),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeDeviceFilter {
    /// A part of the name, without regard to case.
    pub name: Option<String>,
    /// A part of the name, or of the external id without case and separators.
    pub name_or_external_id: Option<String>,
    pub state: Option<BootstrapState>,
    /// Compared without case and separators.
    pub external_id: Option<String>,
    /// Mainflux' `mainflux_id`.
    pub thing: Option<ThingId>,
    /// Lower-case hex SHA-256 of the thing's key: Mainflux' `mainflux_key`.
    pub thing_key_hash: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlarmRuleFilter {
    /// A part of the name, without regard to case.
    pub name: Option<String>,
    /// Rules that watch this thing, also by its device type.
    pub thing: Option<ThingId>,
    pub enabled: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelFilter {
    pub name: Option<String>,
    pub thing: Option<ThingId>,
}
