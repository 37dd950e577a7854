//! The HTTP port: one listener for REST, GraphQL, the dashboard and MQTT over WebSocket, with limits on everything.

mod connection;
mod doors;
mod finish;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(not(target_os = "linux"))]
#[path = "http/no_ring.rs"]
mod ring;
mod serve;
mod silent;
mod socket;

pub use connection::Port;
pub use doors::Doors;
pub(crate) use doors::Outcome;
pub(crate) use finish::declared_length;
pub use finish::finish;
pub use ring::Rings;
pub use serve::serve;

/// Bounds of the port.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Bytes of a request's body.
    pub max_body: usize,
    /// Open connections, WebSockets among them.
    pub max_connections: usize,
}
