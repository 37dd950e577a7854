//! What each fuzz target holds Tellee to. `cargo fuzz` drives these functions, and so does an ordinary test, with the
//! committed seeds and mutations of them.
//!
//! Each function takes any bytes and panics only where Tellee breaks a promise.

#[cfg(feature = "mqtt")]
mod line;
#[cfg(feature = "mqtt")]
mod mqtt;
mod senml;
#[cfg(feature = "mqtt")]
mod server;

#[cfg(feature = "mqtt")]
pub use line::line_protocol;
#[cfg(feature = "mqtt")]
pub use mqtt::mqtt_packets;
pub use senml::{plain_json, senml_cbor, senml_json};
#[cfg(feature = "mqtt")]
pub use server::{THING, mqtt_server};
