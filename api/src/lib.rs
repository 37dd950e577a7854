//! The doors of Tellee: identity, REST, GraphQL, MQTT and the dashboard.

mod access;
pub mod caller;
pub mod error;
pub mod graphql;
pub mod http;
pub mod identity;
pub mod ingest;
pub mod line_protocol;
pub mod metrics;
pub mod mqtt;
pub mod platform;
pub mod presence;
pub mod rest;
pub mod tls;
pub mod web;
mod websocket;
