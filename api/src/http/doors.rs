//! Where requests go: to the routes, and those that may take it by a shorter way.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::finish::secure;
use crate::error::ApiError;
use crate::rest::{LineDoor, MessageDoor};

/// What a port serves.
#[derive(Clone)]
pub struct Doors {
    pub routes: Router,
    pub messages: Option<Arc<MessageDoor>>,
    pub lines: Option<Arc<LineDoor>>,
}

impl From<Router> for Doors {
    fn from(routes: Router) -> Self {
        Self {
            routes,
            messages: None,
            lines: None,
        }
    }
}

/// A way around the routes.
#[derive(Clone)]
pub(crate) enum Shortcut {
    Messages(Arc<MessageDoor>),
    Lines(Arc<LineDoor>),
}

/// What became of a request that took a shorter way.
pub(crate) enum Outcome {
    /// All of it is on disk.
    Kept(StatusCode),
    Refused(Response),
}

impl Outcome {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Kept(status) => *status,
            Self::Refused(response) => response.status(),
        }
    }

    /// With the headers that every answer carries.
    pub(crate) fn secured(mut self) -> Self {
        if let Self::Refused(response) = &mut self {
            secure(response.headers_mut());
        }
        self
    }
}

impl Doors {
    /// The shorter way that the request may take.
    pub(crate) fn shortcut<B>(&self, request: &Request<B>) -> Option<Shortcut> {
        if let Some(door) = self.messages.as_ref().filter(|door| door.takes(request)) {
            return Some(Shortcut::Messages(Arc::clone(door)));
        }
        let door = self.lines.as_ref().filter(|door| door.takes(request))?;
        Some(Shortcut::Lines(Arc::clone(door)))
    }
}

impl Shortcut {
    /// Takes the request; `body` is waited for once its sender is known.
    pub(crate) async fn take<B: AsRef<[u8]>>(
        &self,
        head: &Request<()>,
        body: impl Future<Output = Result<B, ApiError>>,
    ) -> Outcome {
        match self {
            Self::Messages(door) => door.take(head, body).await,
            Self::Lines(door) => door.take(head, body).await,
        }
    }
}

/// The answer to a request all of which is on disk.
pub(crate) fn kept(status: StatusCode) -> Response {
    let mut response = status.into_response();
    secure(response.headers_mut());
    response
}

/// What is refused for its head is answered before its body is read. Where that is still on its way the connection cannot
/// go on, and its client must know (RFC 9112, section 9.6): told beforehand, it sends the next request on another one.
pub(crate) fn close_if_refused(response: &mut Response) {
    let for_its_head = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if for_its_head.contains(&response.status()) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
}
