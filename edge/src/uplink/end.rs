//! How a session comes to its end.

use std::fmt;

use super::wire::WireError;

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEnd {
    /// As asked.
    Stopped,
    SpoolClosed,
    /// The platform does not accept the thing's key.
    Unauthorised(String),
    /// The platform does not take a message.
    Refused(String),
    Lost(String),
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => formatter.write_str("stopped"),
            Self::SpoolClosed => formatter.write_str("spool is closed"),
            Self::Unauthorised(reason) => write!(formatter, "platform refuses the key: {reason}"),
            Self::Refused(reason) => write!(formatter, "platform refuses a message: {reason}"),
            Self::Lost(reason) => formatter.write_str(reason),
        }
    }
}

impl From<WireError> for SessionEnd {
    fn from(error: WireError) -> Self {
        Self::Lost(error.to_string())
    }
}
