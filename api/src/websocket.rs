//! Why a WebSocket ends, in the codes of RFC 6455, 7.4.1.

use std::error::Error as _;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, close_code};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::CapacityError;

/// How long the connection stays after a close frame whose peer may still be sending. Closed at once, with bytes that
/// were not read, it would be reset, and the frame might be lost.
pub const FAREWELL: Duration = Duration::from_secs(1);

/// What to tell a peer whose frames cannot be read; `None` if it is gone.
pub fn close_for(error: &axum::Error) -> Option<CloseFrame> {
    let (code, reason) = match error.source()?.downcast_ref::<Error>()? {
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => (
            close_code::SIZE,
            format!("a message may have {max_size} bytes"),
        ),
        Error::Utf8(_) => (close_code::INVALID, "text that is no UTF-8".to_owned()),
        Error::Protocol(broken) => (close_code::PROTOCOL, broken.to_string()),
        _ => return None,
    };
    let reason = reason.into();
    Some(CloseFrame { code, reason })
}
