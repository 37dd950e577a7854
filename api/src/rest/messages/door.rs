//! The way of a plain publish around the routes. Devices that speak HTTP take it many times a second, and the layers of
//! the router cost more than all the rest. It takes what the routes would take, and answers as they would.

use axum::http::{Method, Request, StatusCode};
use axum::response::IntoResponse as _;

use super::super::Rest;
use super::super::input::is_plain_body;
use super::{admit, keep};
use crate::error::ApiError;
use crate::http::{Outcome, declared_length};
use crate::metrics::RouteMeter;

const ROUTE: &str = "/channels/{channel}/messages";
const BEFORE: &str = "/channels/";
const AFTER: &str = "/messages";

/// Takes `POST /channels/<id>/messages` with a body of declared length.
pub struct MessageDoor {
    rest: Rest,
    max_body: u64,
    meter: RouteMeter,
}

impl MessageDoor {
    /// `max_body` in bytes, as the routes have it.
    pub fn new(rest: Rest, max_body: usize) -> Self {
        let meter = rest
            .metrics
            .route_meter("POST", ROUTE, StatusCode::ACCEPTED);
        Self {
            rest,
            max_body: max_body as u64,
            meter,
        }
    }

    /// Whether the request may come by this way. All others go to the routes.
    pub fn takes<B>(&self, request: &Request<B>) -> bool {
        let headers = request.headers();
        request.method() == Method::POST
            && channel(request.uri().path()).is_some()
            && declared_length(headers).is_some_and(|length| length <= self.max_body)
            && is_plain_body(headers)
    }

    pub(crate) async fn take<B: AsRef<[u8]>>(
        &self,
        head: &Request<()>,
        body: impl Future<Output = Result<B, ApiError>>,
    ) -> Outcome {
        let counting = self.meter.begin();
        let outcome = match self.publish(head, body).await {
            Ok(()) => Outcome::Kept(StatusCode::ACCEPTED),
            Err(error) => Outcome::Refused(error.into_response()),
        };
        counting.end(outcome.status());
        outcome.secured()
    }

    async fn publish<B: AsRef<[u8]>>(
        &self,
        head: &Request<()>,
        body: impl Future<Output = Result<B, ApiError>>,
    ) -> Result<(), ApiError> {
        let channel = channel(head.uri().path()).unwrap_or_default();
        let admitted = admit(&self.rest, channel, head.headers(), head.uri())?;
        let payload = body.await?;
        keep(&self.rest, &admitted, "", payload.as_ref()).await
    }
}

/// The channel of a path that is `/channels/<id>/messages` and nothing more.
fn channel(path: &str) -> Option<&str> {
    let id = path.strip_prefix(BEFORE)?.strip_suffix(AFTER)?;
    // Escapes are the router's affair.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (!id.is_empty() && id.bytes().all(plain)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plain_path_comes_by_this_way() {
        assert_eq!(channel("/channels/0190-ab/messages"), Some("0190-ab"));
        for other in [
            "/channels//messages",
            "/channels/messages",
            "/channels/a/messages/",
            "/channels/a/messages/b",
            "/channels/a/b/messages",
            "/channels/a%2Fb/messages",
            "/http/channels/a/messages",
            "/channels/a",
        ] {
            assert_eq!(channel(other), None, "{other}");
        }
    }
}
