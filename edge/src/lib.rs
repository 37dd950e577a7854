//! The edge agent: polls equipment, keeps what it read on disk, and hands it to the platform until the platform says
//! that it is durable there. And a simulator that plays the equipment.

pub mod agent;
pub mod backoff;
pub mod batcher;
pub mod bootstrap;
pub mod clock;
pub mod config;
pub mod connection;
pub mod endpoint;
pub mod modbus;
pub mod report;
pub mod sessions;
pub mod sim;
pub mod spool;
pub mod status;
pub mod tls;
pub mod uplink;
