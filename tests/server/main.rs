//! The real server as a process of its own, over real sockets: what its users, devices and operators rely on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_input;
mod bootstrap;
mod broken_output;
mod client;
mod command_line;
mod data_folder;
mod faults;
mod harness;
mod influx;
mod line;
mod metrics;
mod models;
mod mqtt_client;
mod mqtt_sessions;
mod scenarios;
mod simulator_faults;
mod start;
mod story;
mod subscriptions;
mod tls;
mod walls;
