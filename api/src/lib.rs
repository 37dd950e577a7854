//! The doors of Tellee: identity, REST, GraphQL, MQTT and the dashboard.

pub mod caller;
pub mod error;
pub mod identity;
pub mod platform;
