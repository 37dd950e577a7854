//! What comes in: bodies, ids, who asks.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Collected};
use hyper::body::{Body as _, Incoming};
use serde::de::DeserializeOwned;

use super::credential::{Credential, credential, is_by_cookie};
use super::{Rest, SESSION_COOKIE};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::platform::Platform;

/// A JSON body: 415 for another content type, 400 with the place for what does not fit.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Rest> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &Rest) -> Result<Self, ApiError> {
        json(request, b'{', "must be a JSON object").await.map(Self)
    }
}

/// A JSON array as a body; otherwise as [`JsonBody`].
pub struct JsonList<T>(pub Vec<T>);

impl<T: DeserializeOwned> FromRequest<Rest> for JsonList<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &Rest) -> Result<Self, ApiError> {
        json(request, b'[', "must be a JSON array").await.map(Self)
    }
}

/// The parts of a path, as of axum; what is no UTF-8 is a bad request like others.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let axum::extract::Path(read) = axum::extract::Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::invalid("path", rejection.body_text()))?;
        Ok(Self(read))
    }
}

/// The shape is looked at first: serde reads an array as an object without names.
async fn json<T: DeserializeOwned>(
    request: Request,
    first: u8,
    shape: &str,
) -> Result<T, ApiError> {
    require_json(request.headers())?;
    let body = read_body(request).await?;
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&first) {
        return Err(ApiError::invalid("body", shape));
    }
    serde_json::from_slice(&body).map_err(|error| ApiError::invalid("body", error))
}

/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The bytes of a body within the limit of the router, which must come within 30 s.
pub async fn read_body(request: Request) -> Result<Bytes, ApiError> {
    let read = in_body_time(Bytes::from_request(request, &())).await?;
    read.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            ApiError::new(
                ErrorCode::BodyTooLarge,
                "the body is larger than this server takes",
            )
        } else {
            ended_early()
        }
    })
}

/// Whether a body comes as it is once its length was declared: not in chunks, and its sender waits for no leave.
pub(super) fn is_plain_body(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::EXPECT) && !headers.contains_key(header::TRANSFER_ENCODING)
}

/// The bytes of a body whose declared length is within the limit; they must come within 30 s.
pub(crate) async fn read_declared(body: Incoming) -> Result<Bytes, ApiError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    in_body_time(body.collect())
        .await?
        .map(Collected::to_bytes)
        .map_err(|_| ended_early())
}

/// A body that is not all that was declared.
pub(crate) fn ended_early() -> ApiError {
    ApiError::invalid("body", "ended early or is malformed")
}

/// What `read` comes to, if it does within 30 s.
pub(crate) async fn in_body_time<T>(read: impl Future<Output = T>) -> Result<T, ApiError> {
    tokio::time::timeout(BODY_TIMEOUT, read).await.map_err(|_| {
        let reason = format!("the body did not come within {} s", BODY_TIMEOUT.as_secs());
        ApiError::new(ErrorCode::BodyTooSlow, reason)
    })
}

fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_json = media_type(headers).is_some_and(|media_type| media_type == "application/json");
    if is_json {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::UnsupportedMediaType,
        "the content type must be `application/json`",
    ))
}

/// The content type in lower case, without parameters.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media_type = value.split(';').next().unwrap_or_default().trim();
    (!media_type.is_empty()).then(|| media_type.to_ascii_lowercase())
}

/// The signed-in user of a request. A session cookie alone does not change anything: such requests must carry the header
/// `X-Tellee-Csrf`, which no foreign page can send.
pub fn signed_in(
    platform: &Platform,
    headers: &HeaderMap,
    uri: &Uri,
    method: &Method,
) -> Result<Caller, ApiError> {
    let Credential::User(token) = credential(headers, uri)? else {
        return Err(ApiError::unauthenticated());
    };
    if is_by_cookie(headers, uri) && !method.is_safe() && !headers.contains_key("x-tellee-csrf") {
        return Err(ApiError::new(
            ErrorCode::Forbidden,
            format!(
                "a request by the cookie `{SESSION_COOKIE}` needs the header `X-Tellee-Csrf: 1`"
            ),
        ));
    }
    platform.caller(&token)
}

impl FromRequestParts<Rest> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Rest) -> Result<Self, ApiError> {
        signed_in(&state.platform, &parts.headers, &parts.uri, &parts.method)
    }
}

/// The address of the other end.
pub struct Peer(pub SocketAddr);

impl FromRequestParts<Rest> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &Rest) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(address)| Self(*address))
            .ok_or_else(|| ApiError::internal(&"the connection has no address"))
    }
}

impl Peer {
    pub fn ip(&self) -> String {
        self.0.ip().to_string()
    }
}

/// An id of the path. What is no id is the id of nothing.
pub fn id<I: FromStr>(text: &str, what: &str) -> Result<I, ApiError> {
    text.parse().map_err(|_| ApiError::not_found(what))
}
