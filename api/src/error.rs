//! What a client is told when something does not go: one error type for REST and GraphQL, with stable codes. Each code
//! has a page in `docs/errors/`.

use std::time::Duration;

use tellee_actors::command::AskError;
use tellee_actors::domain::Rejection;
use tellee_actors::store::StoreError;
use tellee_projections::telemetry::TelemetryError;

use crate::identity::{PasswordError, Throttled, TokenError, VaultError};
use crate::ingest::IngestError;

/// A stable code: the name of its page in `docs/errors/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    Unauthenticated,
    TokenExpired,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    AlreadyExists,
    InvalidInput,
    MalformedMessage,
    Conflict,
    StaleOccurrence,
    RevisionMismatch,
    UnsupportedMediaType,
    BodyTooLarge,
    QueryTooComplex,
    RateLimited,
    Overloaded,
    TimedOut,
    BodyTooSlow,
    DiskFull,
    Stopping,
    MlUnavailable,
    Internal,
}

impl ErrorCode {
    pub const ALL: [Self; 22] = [
        Self::Unauthenticated,
        Self::TokenExpired,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::AlreadyExists,
        Self::InvalidInput,
        Self::MalformedMessage,
        Self::Conflict,
        Self::StaleOccurrence,
        Self::RevisionMismatch,
        Self::UnsupportedMediaType,
        Self::BodyTooLarge,
        Self::QueryTooComplex,
        Self::RateLimited,
        Self::Overloaded,
        Self::TimedOut,
        Self::BodyTooSlow,
        Self::DiskFull,
        Self::Stopping,
        Self::MlUnavailable,
        Self::Internal,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::TokenExpired => "token_expired",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::AlreadyExists => "already_exists",
            Self::InvalidInput => "invalid_input",
            Self::MalformedMessage => "malformed_message",
            Self::Conflict => "conflict",
            Self::StaleOccurrence => "stale_occurrence",
            Self::RevisionMismatch => "revision_mismatch",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::BodyTooLarge => "body_too_large",
            Self::QueryTooComplex => "query_too_complex",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::TimedOut => "timed_out",
            Self::BodyTooSlow => "body_too_slow",
            Self::DiskFull => "disk_full",
            Self::Stopping => "stopping",
            Self::MlUnavailable => "ml_unavailable",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        match self {
            Self::Unauthenticated | Self::TokenExpired => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyTooSlow => 408,
            Self::AlreadyExists
            | Self::Conflict
            | Self::StaleOccurrence
            | Self::RevisionMismatch => 409,
            Self::InvalidInput | Self::MalformedMessage | Self::QueryTooComplex => 400,
            Self::UnsupportedMediaType => 415,
            Self::BodyTooLarge => 413,
            Self::RateLimited => 429,
            Self::Overloaded | Self::Stopping | Self::MlUnavailable => 503,
            Self::TimedOut => 504,
            Self::DiskFull => 507,
            Self::Internal => 500,
        }
    }

    /// Whether the same request may succeed later without a change by the client.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::Overloaded
                | Self::TimedOut
                | Self::BodyTooSlow
                | Self::DiskFull
                | Self::Stopping
                | Self::MlUnavailable
                | Self::Internal
        )
    }
}

/// An error as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    pub code: ErrorCode,
    pub message: String,
    /// The path of the input field that is wrong.
    pub field: Option<String>,
    pub retry_after: Option<Duration>,
}

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            field: None,
            retry_after: None,
        }
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no {what}"))
    }

    pub fn invalid(field: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        let field = field.into();
        Self {
            message: format!("`{field}`: {reason}"),
            field: Some(field),
            code: ErrorCode::InvalidInput,
            retry_after: None,
        }
    }

    pub fn unauthenticated() -> Self {
        Self::new(ErrorCode::Unauthenticated, "a valid credential is needed")
    }

    pub fn forbidden(least_role: &str) -> Self {
        Self::new(
            ErrorCode::Forbidden,
            format!("the role {least_role} is needed"),
        )
    }

    pub fn key_taken() -> Self {
        let reason = "this idempotency key was used before, for another request";
        Self {
            field: Some("idempotencyKey".to_owned()),
            ..Self::new(ErrorCode::Conflict, reason)
        }
    }

    /// Something broke on our side. What exactly goes to the log, not to the client.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed for a reason of ours");
        Self::new(
            ErrorCode::Internal,
            "something went wrong on the server; its log says what",
        )
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let message = rejection.to_string();
        match rejection {
            Rejection::NotFound { .. } => Self::new(ErrorCode::NotFound, message),
            Rejection::AlreadyExists { .. } => Self::new(ErrorCode::AlreadyExists, message),
            Rejection::Invalid { field, .. } => Self {
                field: Some(field),
                ..Self::new(ErrorCode::InvalidInput, message)
            },
            Rejection::Conflict { .. } => Self::new(ErrorCode::Conflict, message),
            Rejection::StaleOccurrence { .. } => Self::new(ErrorCode::StaleOccurrence, message),
            Rejection::Unsupported { .. } => Self::new(ErrorCode::InvalidInput, message),
        }
    }
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        let message = error.to_string();
        match error {
            AskError::Rejected(rejection) => rejection.into(),
            AskError::RevisionMismatch { .. } => Self::new(ErrorCode::RevisionMismatch, message),
            AskError::OtherInput { .. } => Self::key_taken(),
            AskError::Overloaded { retry_after } => Self {
                retry_after: Some(retry_after),
                ..Self::new(ErrorCode::Overloaded, message)
            },
            AskError::TimedOut => Self::new(ErrorCode::TimedOut, message),
            AskError::Stopping => Self::new(ErrorCode::Stopping, message),
            AskError::Store(error) => error.into(),
            AskError::Failed { .. } => Self::internal(&message),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::WrongRevision { .. } => {
                Self::new(ErrorCode::RevisionMismatch, error.to_string())
            }
            StoreError::Overloaded => Self::overloaded(error.to_string()),
            StoreError::DiskFull => Self::new(ErrorCode::DiskFull, error.to_string()),
            StoreError::TooLarge { .. } => Self::new(ErrorCode::BodyTooLarge, error.to_string()),
            StoreError::TooMany { .. } => Self::new(ErrorCode::InvalidInput, error.to_string()),
            StoreError::Closed => Self::new(ErrorCode::Stopping, "tellee is stopping"),
            // The id of an event is made of the command's, and that of the client's key.
            StoreError::IdTaken { .. } => Self::key_taken(),
            StoreError::Newer { .. } | StoreError::Damaged(_) | StoreError::Failed(_) => {
                Self::internal(&error)
            }
        }
    }
}

impl From<TelemetryError> for ApiError {
    fn from(error: TelemetryError) -> Self {
        match error {
            TelemetryError::Overloaded => Self::overloaded(error.to_string()),
            TelemetryError::DiskFull => Self::new(ErrorCode::DiskFull, error.to_string()),
            TelemetryError::UnknownSeries(_) => Self::not_found("such series"),
            TelemetryError::Invalid { field, reason } => Self::invalid(field, reason),
            TelemetryError::Closed => Self::new(ErrorCode::Stopping, "tellee is stopping"),
            TelemetryError::Damaged { .. }
            | TelemetryError::Newer { .. }
            | TelemetryError::Failed(_) => Self::internal(&error),
        }
    }
}

impl From<IngestError> for ApiError {
    fn from(error: IngestError) -> Self {
        match &error {
            IngestError::Store(cause) => Self::internal(cause),
            IngestError::Overloaded => Self::overloaded(error.to_string()),
            IngestError::Subtopic(_) => Self {
                field: Some("subtopic".to_owned()),
                ..Self::new(error.code(), error.to_string())
            },
            _ => Self::new(error.code(), error.to_string()),
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Length => Self {
                field: Some("password".to_owned()),
                ..Self::new(ErrorCode::InvalidInput, error.to_string())
            },
            PasswordError::Failed(_) => Self::internal(&error),
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid => Self::unauthenticated(),
            TokenError::Expired => Self::new(ErrorCode::TokenExpired, error.to_string()),
            TokenError::Failed(_) => Self::internal(&error),
        }
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        Self::internal(&error)
    }
}

impl From<Throttled> for ApiError {
    fn from(throttled: Throttled) -> Self {
        Self {
            retry_after: Some(throttled.retry_after),
            ..Self::new(ErrorCode::RateLimited, throttled.to_string())
        }
    }
}

impl ApiError {
    /// Whether the same request may succeed later without a change by the client.
    pub const fn is_retryable(&self) -> bool {
        self.code.is_retryable()
    }

    fn overloaded(message: String) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(ErrorCode::Overloaded, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page() {
        let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors"));
        for code in ErrorCode::ALL {
            let page = folder.join(format!("{}.md", code.as_str()));
            assert!(page.is_file(), "`{}` is missing", page.display());
        }
    }

    #[test]
    fn every_page_is_that_of_a_code() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let code = name.strip_suffix(".md").unwrap_or(&name);
            let known = ErrorCode::ALL
                .into_iter()
                .find(|known| known.as_str() == code);
            let text = std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
            // Pages of other parts (the command line, the edge agent) name no HTTP status.
            assert!(
                known.is_some() || !text.contains("(HTTP "),
                "`{name}` is the page of no code"
            );
            if let Some(known) = known {
                let status = format!("(HTTP {})", known.status());
                assert!(text.contains(&status), "`{name}` does not say `{status}`");
            }
        }
    }

    #[test]
    fn what_a_store_refuses_is_the_clients_and_what_breaks_is_ours() {
        let large = ApiError::from(StoreError::TooLarge { bytes: 9, limit: 8 });
        assert_eq!(
            (large.code, large.is_retryable()),
            (ErrorCode::BodyTooLarge, false)
        );
        let many = ApiError::from(StoreError::TooMany {
            events: 9,
            limit: 8,
        });
        assert_eq!(
            (many.code, many.is_retryable()),
            (ErrorCode::InvalidInput, false)
        );
        let failed = ApiError::from(StoreError::Failed("disk 7 is gone".to_owned()));
        assert_eq!(
            (failed.code, failed.is_retryable()),
            (ErrorCode::Internal, true)
        );
        assert!(
            !failed.message.contains("disk 7"),
            "the cause is for the log alone"
        );
        let full = ApiError::from(StoreError::Overloaded);
        assert!(full.retry_after.is_some());
    }
}
