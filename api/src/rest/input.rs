//! What comes in: bodies, ids, who asks.

use std::net::SocketAddr;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::credential::{Credential, credential};
use super::{Rest, SESSION_COOKIE};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};

/// A JSON body: 415 for another content type, 400 with the place for what does not fit.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Rest> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Rest) -> Result<Self, ApiError> {
        require_json(request.headers())?;
        let body = body(request, state).await?;
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|error| ApiError::invalid("body", error))
    }
}

/// The bytes of a body within the limit of the router.
pub async fn body(request: Request, state: &Rest) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                ApiError::new(
                    ErrorCode::BodyTooLarge,
                    "the body is larger than this server takes",
                )
            } else {
                ApiError::invalid("body", "ended early or is malformed")
            }
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
impl FromRequestParts<Rest> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Rest) -> Result<Self, ApiError> {
        let Credential::User(token) = credential(&parts.headers, &parts.uri)? else {
            return Err(ApiError::unauthenticated());
        };
        let by_cookie = !parts.headers.contains_key(header::AUTHORIZATION);
        if by_cookie && !parts.method.is_safe() && !parts.headers.contains_key("x-tellee-csrf") {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                format!(
                    "a request by the cookie `{SESSION_COOKIE}` needs the header `X-Tellee-Csrf: 1`"
                ),
            ));
        }
        state.platform.caller(&token)
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
