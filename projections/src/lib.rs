//! Read models and the telemetry store.

pub mod telemetry;
