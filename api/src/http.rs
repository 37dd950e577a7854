//! The HTTP port: one listener for REST, GraphQL, the dashboard and MQTT over WebSocket, with limits on everything.

mod finish;
mod serve;
mod silent;
mod socket;

pub use finish::finish;
pub(crate) use finish::{declared_length, secure};
pub use serve::{Doors, Port, serve};

/// Bounds of the port.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Bytes of a request's body.
    pub max_body: usize,
    /// Open connections, WebSockets among them.
    pub max_connections: usize,
}
