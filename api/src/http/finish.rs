//! What holds for all routes: body limit, security headers, answers for unknown paths and methods.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;

use super::HttpLimits;
use crate::error::{ApiError, ErrorCode};

/// How much of a body that is refused is still read, so that its sender gets to read the answer.
const DRAIN_BYTES: u64 = 64 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Wraps the routes with what holds for all of them.
pub fn finish(routes: Router, limits: &HttpLimits) -> Router {
    routes
        .fallback(|| async { ApiError::not_found("such path") })
        .method_not_allowed_fallback(other_method)
        .layer(DefaultBodyLimit::max(limits.max_body))
        .layer(from_fn_with_state(limits.max_body, refuse_large))
        .layer(map_response(secured))
}

/// `OPTIONS` lists the methods in `Allow`; any other that the path does not take is refused with the same header.
async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    ApiError::new(
        ErrorCode::MethodNotAllowed,
        format!("this path does not take `{method}`"),
    )
    .into_response()
}

/// Refuses a body that says that it is too large before any of it is kept.
async fn refuse_large(State(max_body): State<usize>, request: Request, next: Next) -> Response {
    if declared_length(request.headers()).is_none_or(|length| length <= max_body as u64) {
        return next.run(request).await;
    }
    let waits_for_leave = request.headers().contains_key(header::EXPECT);
    if !waits_for_leave {
        drain(request.into_body()).await;
    }
    let reason = format!("the body is larger than {max_body} bytes");
    ApiError::new(ErrorCode::BodyTooLarge, reason).into_response()
}

/// What `Content-Length` says.
pub fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

async fn drain(mut body: Body) {
    let read = async {
        let mut left = DRAIN_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            left = left.saturating_sub(bytes);
            if left == 0 || body.is_end_stream() {
                return;
            }
        }
    };
    // Given up: the sender finds the connection closed.
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}

async fn secured(mut response: Response) -> Response {
    secure(response.headers_mut());
    response
}

/// The headers that every answer carries.
pub fn secure(headers: &mut HeaderMap) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    // The dashboard brings its own; all else is data, which no page runs, frames or keeps.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}
