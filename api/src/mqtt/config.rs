//! Limits of the MQTT listener.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::journal::{LagLimits, StateLimits};

/// Section `mqtt` of the configuration. Every bound has a default that suits one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MqttConfig {
    /// Open sockets of the node.
    pub max_connections: usize,
    /// Open sockets from one address.
    pub max_connections_per_address: usize,
    /// Sockets that have not signed in yet. When one more comes, the oldest of them is closed.
    pub max_handshakes: usize,
    /// How long a client may take to send its CONNECT.
    pub handshake_timeout_seconds: u64,
    /// The largest packet taken, and told to MQTT 5 clients.
    pub max_packet_bytes: u32,
    /// Subscriptions of one session.
    pub max_subscriptions: usize,
    /// Sessions of one thing, connected or not.
    pub max_sessions_per_thing: usize,
    /// Unacknowledged QoS 1 and 2 messages that a client may have on their way to the server.
    pub receive_maximum: u16,
    /// Unacknowledged QoS 1 and 2 messages on their way to a client; its own receive maximum may be lower.
    pub inflight_maximum: u16,
    /// Topic aliases that a client may set.
    pub topic_alias_maximum: u16,
    /// Payload bytes of one connection on their way into the store. Beyond it the server stops reading.
    pub connection_bytes_in_flight: usize,
    /// Bytes of all connections that were read and are not in the store, beyond the first 8 KiB of each. Beyond it the
    /// server stops reading.
    pub node_bytes_in_flight: usize,
    /// Bytes that wait for one subscriber. Beyond it QoS 0 is dropped, and at QoS 1 and 2 the session ends.
    pub session_queue_bytes: usize,
    /// Messages that wait for one subscriber.
    pub session_queue_messages: usize,
    /// Bytes that wait for all subscribers of the node.
    pub node_queue_bytes: usize,
    /// A longer keep alive is cut to this; 0 (none) stays.
    pub max_keep_alive_seconds: u16,
    /// A longer session expiry is cut to this. It is also the expiry of persistent 3.1.1 sessions.
    pub max_session_expiry_seconds: u32,
    pub max_retained_messages: usize,
    pub max_retained_bytes: usize,
    /// Bytes of one channel's messages that wait for lasting sessions. Beyond it the sessions furthest behind end.
    pub channel_log_bytes: usize,
    /// The same over all channels.
    pub node_log_bytes: usize,
    /// Of one channel's messages that wait, bytes that are held in memory; older ones lie on disk alone.
    pub channel_memory_bytes: usize,
    /// The same over all channels.
    pub node_memory_bytes: usize,
    /// How long after a start of the server clients may take to return before their wills are published.
    pub will_grace_seconds: u64,
    /// How long a message waits while the store is overloaded before its sender is told.
    pub overload_patience_seconds: u64,
    /// How long a packet of more than 8 KiB may take, beside one second for each 8 KiB of the largest.
    pub packet_patience_seconds: u64,
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_connections_per_address: 10_000,
            max_handshakes: 512,
            handshake_timeout_seconds: 10,
            max_packet_bytes: 1024 * 1024,
            max_subscriptions: 1_000,
            max_sessions_per_thing: 64,
            receive_maximum: 256,
            inflight_maximum: 256,
            topic_alias_maximum: 32,
            connection_bytes_in_flight: 1024 * 1024,
            node_bytes_in_flight: 16 * 1024 * 1024,
            session_queue_bytes: 4 * 1024 * 1024,
            session_queue_messages: 10_000,
            node_queue_bytes: 256 * 1024 * 1024,
            max_keep_alive_seconds: 3_600,
            max_session_expiry_seconds: 24 * 3_600,
            max_retained_messages: 100_000,
            max_retained_bytes: 64 * 1024 * 1024,
            channel_log_bytes: 1024 * 1024 * 1024,
            node_log_bytes: 4 * 1024 * 1024 * 1024,
            channel_memory_bytes: 1024 * 1024,
            node_memory_bytes: 8 * 1024 * 1024,
            will_grace_seconds: 10,
            overload_patience_seconds: 30,
            packet_patience_seconds: 30,
        }
    }
}

impl MqttConfig {
    /// The bounds of the journal's state.
    pub const fn state_limits(&self) -> StateLimits {
        StateLimits {
            retained_messages: self.max_retained_messages,
            retained_bytes: self.max_retained_bytes,
            backlog_messages: self.session_queue_messages,
            channel_memory_bytes: self.channel_memory_bytes,
            node_memory_bytes: self.node_memory_bytes,
        }
    }

    pub(super) const fn lag_limits(&self) -> LagLimits {
        LagLimits {
            channel_bytes: self.channel_log_bytes,
            node_bytes: self.node_log_bytes,
            // No session outlives its connection for longer.
            age: Duration::from_secs(self.max_session_expiry_seconds as u64),
        }
    }
}
