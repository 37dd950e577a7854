//! Read models and the telemetry store.

pub mod live;
pub mod telemetry;
