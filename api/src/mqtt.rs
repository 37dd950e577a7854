//! MQTT 3.1.1 and 5: our own listener, session layer and fan-out (see `docs/mqtt.md`).
//!
//! [`codec`], [`connection`], [`session`], [`fanout`] and [`retained`] do no I/O; [`serve`](serve_stream) joins them to
//! a byte stream, [`Broker`] to each other.

pub mod broker;
pub mod codec;
pub mod config;
pub mod connection;
pub mod fanout;
mod gate;
mod handshake;
pub mod journal;
mod listener;
pub mod message;
pub mod metrics;
mod outbox;
pub mod prometheus;
mod registry;
pub mod retained;
mod seat;
mod serve;
pub mod session;
mod settle;
mod share;
pub mod topic;
pub mod websocket;
mod wire;

pub use broker::{Broker, Users};
pub use config::MqttConfig;
pub use journal::Journal;
pub use listener::{serve, serve_tls};
pub use metrics::Metrics;
pub use serve::serve_stream;
