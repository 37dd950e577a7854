//! Why a message was not taken.

use tellee_actors::ids::{ChannelId, ThingId};
use tellee_projections::telemetry::TelemetryError;
use tellee_senml::{SenmlError, SenmlErrorKind};

use super::subtopic::SubtopicError;
use crate::error::ErrorCode;
use crate::line_protocol::LineError;

/// A message was refused; nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("thing `{thing}` is not connected to channel `{channel}`")]
    NotAuthorised { thing: ThingId, channel: ChannelId },
    #[error(transparent)]
    Subtopic(#[from] SubtopicError),
    #[error("message of {size} bytes is larger than {limit}")]
    TooLarge { size: usize, limit: usize },
    #[error("message cannot be read: {0}")]
    Malformed(#[from] SenmlError),
    #[error(transparent)]
    Line(#[from] LineError),
    /// The store does not take what the message says.
    #[error("`{field}`: {reason}")]
    Invalid { field: &'static str, reason: String },
    #[error("too many messages are on their way into the store; send this one again later")]
    Overloaded,
    #[error("the disk of the telemetry store is full")]
    DiskFull,
    #[error("the server is stopping")]
    Stopping,
    /// Whether the message was kept is unknown. Sending it again is safe if its records carry their times.
    #[error("the telemetry store failed: {0}")]
    Store(String),
    /// It is stored, but a subscriber that has to get it might still lose it. Sending it again is safe if its records
    /// carry their times.
    #[error("the message is stored, but not yet safe for its subscribers; send it again")]
    Unconfirmed,
}

impl IngestError {
    /// Whether the same message may be taken later.
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Overloaded | Self::DiskFull | Self::Stopping | Self::Store(_) | Self::Unconfirmed
        )
    }

    /// The stable code that clients may test for.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NotAuthorised { .. } => ErrorCode::Forbidden,
            Self::Subtopic(_) => ErrorCode::InvalidInput,
            Self::TooLarge { .. } => ErrorCode::BodyTooLarge,
            Self::Line(error) if error.is_too_large() => ErrorCode::BodyTooLarge,
            Self::Malformed(_) | Self::Line(_) | Self::Invalid { .. } => {
                ErrorCode::MalformedMessage
            }
            Self::Overloaded => ErrorCode::Overloaded,
            Self::DiskFull => ErrorCode::DiskFull,
            Self::Stopping => ErrorCode::Stopping,
            Self::Store(_) => ErrorCode::Internal,
            Self::Unconfirmed => ErrorCode::TimedOut,
        }
    }

    /// The HTTP status code of the answer.
    pub const fn http_status(&self) -> u16 {
        self.code().status()
    }

    /// The MQTT 5 reason code of PUBACK and PUBREC (MQTT 5, table 2-6).
    pub const fn mqtt_reason(&self) -> u8 {
        match self {
            Self::NotAuthorised { .. } => 0x87,
            Self::Subtopic(_) => 0x90,
            Self::Malformed(_) | Self::Line(_) | Self::Invalid { .. } => 0x99,
            Self::TooLarge { .. } | Self::Overloaded | Self::DiskFull => 0x97,
            Self::Stopping | Self::Store(_) | Self::Unconfirmed => 0x80,
        }
    }
}

impl From<TelemetryError> for IngestError {
    fn from(error: TelemetryError) -> Self {
        match error {
            TelemetryError::Overloaded => Self::Overloaded,
            TelemetryError::DiskFull => Self::DiskFull,
            TelemetryError::Invalid { field, reason } => Self::Invalid { field, reason },
            TelemetryError::Closed => Self::Stopping,
            other => Self::Store(other.to_string()),
        }
    }
}

impl IngestError {
    /// A decoder's error, with a body over the limit told apart from a malformed one.
    pub(super) fn of_decoder(error: SenmlError) -> Self {
        match error.kind {
            SenmlErrorKind::BodyTooLarge { size, limit } => Self::TooLarge { size, limit },
            _ => Self::Malformed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_says_try_later_is_retryable_on_every_protocol() {
        let retryable = [
            IngestError::Overloaded,
            IngestError::DiskFull,
            IngestError::Stopping,
            IngestError::Store("torn".into()),
        ];
        for error in retryable {
            assert!(error.is_retryable());
            assert!(error.http_status() >= 500, "{}", error.code().as_str());
            assert!(error.mqtt_reason() >= 0x80, "{}", error.code().as_str());
        }
        let refused = IngestError::NotAuthorised {
            thing: ThingId::generate(),
            channel: ChannelId::generate(),
        };
        assert!(!refused.is_retryable());
        assert_eq!((refused.http_status(), refused.mqtt_reason()), (403, 0x87));
    }
}
