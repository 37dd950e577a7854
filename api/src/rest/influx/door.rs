//! The way of a plain write around the routes, as that of a plain publish ([`MessageDoor`](crate::rest::MessageDoor)): the
//! layers of the router cost more than a short body. It takes what the routes would take, and answers as they would.

use axum::http::{Method, Request, StatusCode, header};
use axum::response::IntoResponse as _;

use super::answer::{Dialect, Wrong};
use super::{Influx, take};
use crate::error::ApiError;
use crate::http::{Outcome, declared_length};
use crate::metrics::RouteMeter;
use crate::rest::Rest;
use crate::rest::input::is_plain_body;

/// Takes `POST /write` and `POST /api/v2/write` with a body of declared length that is not compressed.
pub struct LineDoor {
    influx: Influx,
    max_body: u64,
    one: RouteMeter,
    two: RouteMeter,
}

impl LineDoor {
    /// `max_body` in bytes, as the routes have it.
    pub fn new(rest: Rest, max_body: usize) -> Self {
        let metrics = &rest.metrics;
        let [one, two] = [Dialect::One, Dialect::Two]
            .map(|dialect| metrics.route_meter("POST", dialect.path(), StatusCode::NO_CONTENT));
        Self {
            influx: Influx::new(rest),
            max_body: max_body as u64,
            one,
            two,
        }
    }

    /// Whether the request may come by this way. All others go to the routes.
    pub fn takes<B>(&self, request: &Request<B>) -> bool {
        let headers = request.headers();
        request.method() == Method::POST
            && dialect(request.uri().path()).is_some()
            && declared_length(headers).is_some_and(|length| length <= self.max_body)
            && is_plain_body(headers)
            && !headers.contains_key(header::CONTENT_ENCODING)
    }

    pub(crate) async fn take<B: AsRef<[u8]>>(
        &self,
        head: &Request<()>,
        body: impl Future<Output = Result<B, ApiError>>,
    ) -> Outcome {
        let dialect = dialect(head.uri().path()).unwrap_or(Dialect::One);
        let meter = match dialect {
            Dialect::One => &self.one,
            Dialect::Two => &self.two,
        };
        let counting = meter.begin();
        let outcome = match self.write(head, body).await {
            Ok(()) => Outcome::Kept(StatusCode::NO_CONTENT),
            Err(wrong) => Outcome::Refused(dialect.refusal()(wrong).into_response()),
        };
        counting.end(outcome.status());
        outcome.secured()
    }

    async fn write<B: AsRef<[u8]>>(
        &self,
        head: &Request<()>,
        body: impl Future<Output = Result<B, ApiError>>,
    ) -> Result<(), Wrong> {
        let Influx { rest, senders } = &self.influx;
        let sender = senders.sender(rest, head.headers(), head.uri()).await?;
        let body = body.await?;
        take(rest, sender, body.as_ref()).await
    }
}

fn dialect(path: &str) -> Option<Dialect> {
    [Dialect::One, Dialect::Two]
        .into_iter()
        .find(|dialect| dialect.path() == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_plain_paths_come_by_this_way() {
        assert_eq!(dialect("/write"), Some(Dialect::One));
        assert_eq!(dialect("/api/v2/write"), Some(Dialect::Two));
        for other in [
            "/write/",
            "/api/v2/write/",
            "/api/v1/write",
            "/%77rite",
            "/",
            "//write",
        ] {
            assert_eq!(dialect(other), None, "{other}");
        }
    }
}
