//! Answers: Mainflux' shapes and our error body.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::{ApiError, ErrorCode};

#[derive(Serialize)]
struct ErrorBody<'text> {
    error: &'text str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'text str>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        error_response(&self)
    }
}

/// `{"error", "code"[, "field"]}` with the code's status.
pub fn error_response(error: &ApiError) -> Response {
    let status =
        StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = ErrorBody {
        error: &error.message,
        code: error.code.as_str(),
        field: error.field.as_deref(),
    };
    let mut response = (status, Json(body)).into_response();
    let retry_after = error.retry_after.map(|wait| wait.as_secs().max(1));
    if let Some(value) =
        retry_after.and_then(|seconds| HeaderValue::from_str(&seconds.to_string()).ok())
    {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    if matches!(
        error.code,
        ErrorCode::Unauthenticated | ErrorCode::TokenExpired
    ) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// 201, empty, with `Location` and leave for pages of other origins to read it.
pub fn created(location: &str) -> Response {
    let mut response = StatusCode::CREATED.into_response();
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response.headers_mut().insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Location"),
    );
    response
}

/// `metadata` is left out when empty, as Mainflux does.
pub fn is_empty(metadata: &serde_json::Map<String, serde_json::Value>) -> bool {
    metadata.is_empty()
}
