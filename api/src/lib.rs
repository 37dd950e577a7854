//! The doors of Tellee: identity, and later REST, GraphQL, MQTT and the dashboard.

pub mod identity;
pub mod ingest;
pub mod mqtt;
