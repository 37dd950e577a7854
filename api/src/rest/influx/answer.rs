//! Refusals in the shapes that InfluxDB's clients read.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::{ApiError, ErrorCode};
use crate::ingest::IngestError;
use crate::rest::error_response;

/// Whose shape an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// InfluxDB 1.x: `{"error"}`, and the same text as a header.
    One,
    /// InfluxDB 2.x: `{"code","message"}`.
    Two,
}

/// Why a body was not taken, and the line that is to blame, if one is.
#[derive(Debug)]
pub struct Wrong {
    error: ApiError,
    line: Option<u32>,
}

impl From<ApiError> for Wrong {
    fn from(error: ApiError) -> Self {
        Self { error, line: None }
    }
}

impl From<IngestError> for Wrong {
    fn from(error: IngestError) -> Self {
        let line = match &error {
            IngestError::Line(error) => Some(error.line),
            _ => None,
        };
        Self {
            error: error.into(),
            line,
        }
    }
}

impl Dialect {
    /// Where such clients write.
    pub const fn path(self) -> &'static str {
        match self {
            Self::One => "/write",
            Self::Two => "/api/v2/write",
        }
    }

    pub fn refusal(self) -> impl Fn(Wrong) -> Refusal {
        move |wrong| Refusal {
            dialect: self,
            wrong,
        }
    }
}

/// [`Wrong`], as an answer.
#[derive(Debug)]
pub struct Refusal {
    dialect: Dialect,
    wrong: Wrong,
}

#[derive(Serialize)]
struct BodyOne<'a> {
    error: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

#[derive(Serialize)]
struct BodyTwo<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
}

const ERROR_HEADER: HeaderName = HeaderName::from_static("x-influxdb-error");

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Wrong { error, line } = &self.wrong;
        // Status, `Retry-After` and the rest are those of all other paths.
        let (mut parts, _) = error_response(error).into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        if parts.headers.contains_key(header::WWW_AUTHENTICATE) {
            let scheme = match self.dialect {
                Dialect::One => HeaderValue::from_static("Basic realm=\"Tellee\""),
                Dialect::Two => HeaderValue::from_static("Token"),
            };
            parts.headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        match self.dialect {
            Dialect::One => {
                if let Ok(text) = HeaderValue::from_str(&printable(&error.message)) {
                    parts.headers.insert(ERROR_HEADER, text);
                }
                let body = Json(BodyOne {
                    error: &error.message,
                    code: error.code.as_str(),
                    field: error.field.as_deref(),
                    line: *line,
                });
                (parts, body).into_response()
            }
            Dialect::Two => {
                let body = Json(BodyTwo {
                    code: code_of_two(error.code),
                    message: &error.message,
                    line: *line,
                });
                (parts, body).into_response()
            }
        }
    }
}

/// What a header can hold.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            if (' '..='~').contains(&character) {
                character
            } else {
                '?'
            }
        })
        .collect()
}

/// The name that InfluxDB 2.x has for such an error.
const fn code_of_two(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Unauthenticated | ErrorCode::TokenExpired => "unauthorized",
        ErrorCode::Forbidden => "forbidden",
        ErrorCode::NotFound => "not found",
        ErrorCode::MethodNotAllowed => "method not allowed",
        ErrorCode::AlreadyExists
        | ErrorCode::Conflict
        | ErrorCode::StaleOccurrence
        | ErrorCode::RevisionMismatch => "conflict",
        ErrorCode::InvalidInput | ErrorCode::MalformedMessage | ErrorCode::QueryTooComplex => {
            "invalid"
        }
        ErrorCode::UnsupportedMediaType => "unsupported media type",
        ErrorCode::BodyTooLarge => "request too large",
        ErrorCode::RateLimited => "too many requests",
        ErrorCode::Overloaded
        | ErrorCode::TimedOut
        | ErrorCode::BodyTooSlow
        | ErrorCode::DiskFull
        | ErrorCode::Stopping
        | ErrorCode::MlUnavailable => "unavailable",
        ErrorCode::Internal => "internal error",
    }
}
