//! What is wrong with a packet.

use super::reason::Reason;

/// A packet that breaks the specification. The connection ends with `reason`. The same bytes fail again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct DecodeError {
    pub reason: Reason,
    pub what: &'static str,
}

impl DecodeError {
    pub const fn malformed(what: &'static str) -> Self {
        Self {
            reason: Reason::MALFORMED_PACKET,
            what,
        }
    }

    pub const fn protocol(what: &'static str) -> Self {
        Self {
            reason: Reason::PROTOCOL_ERROR,
            what,
        }
    }

    pub const fn with(reason: Reason, what: &'static str) -> Self {
        Self { reason, what }
    }

    /// Always false.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}
