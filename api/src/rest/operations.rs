//! `/health`, `/version`, `/metrics`, and what removals answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tellee_actors::command::Accepted;

use super::Rest;
use crate::error::{ApiError, ErrorCode};

/// The metrics of the whole node; each house registers its own.
#[derive(Default)]
pub struct Metrics {
    registry: Mutex<Registry>,
}

impl Metrics {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Lets a house add its metrics.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(self.registry.lock().sub_registry_with_prefix("tellee"));
    }
}

/// The answer to a removal: 204, also for what is not there.
pub fn gone(removed: Result<Accepted, ApiError>) -> Result<StatusCode, ApiError> {
    match removed {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) if error.code == ErrorCode::NotFound => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(error),
    }
}

pub async fn health(State(rest): State<Rest>) -> Response {
    let body = serde_json::json!({
        "status": "pass",
        "version": rest.platform.version,
        "commit": option_env!("TELLEE_COMMIT").unwrap_or("unknown"),
        "description": "tellee",
        "build_time": option_env!("TELLEE_BUILD_TIME").unwrap_or("unknown"),
    });
    (
        [(header::CONTENT_TYPE, "application/health+json")],
        body.to_string(),
    )
        .into_response()
}

pub async fn version(State(rest): State<Rest>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "service": "tellee", "version": rest.platform.version }))
}

pub async fn metrics(State(rest): State<Rest>) -> Result<Response, ApiError> {
    let mut text = String::new();
    encode(&mut text, &rest.metrics.registry.lock()).map_err(|error| ApiError::internal(&error))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
