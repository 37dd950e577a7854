//! `/health`, `/version`, `/metrics`, and what removals answer.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tellee_actors::command::Accepted;

use super::Rest;
use super::input::{Peer, signed_in};
use crate::error::{ApiError, ErrorCode};

/// The answer to a removal: 204, also for what is not there.
pub fn gone(removed: Result<Accepted, ApiError>) -> Result<StatusCode, ApiError> {
    match removed {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) if error.code == ErrorCode::NotFound => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(error),
    }
}

pub async fn health(State(rest): State<Rest>) -> Response {
    let build = rest.platform.build;
    let body = serde_json::json!({
        "status": "pass",
        // InfluxDB's clients want it.
        "name": "tellee",
        "version": build.version,
        "commit": build.commit.unwrap_or("unknown"),
        "description": "tellee",
        "build_time": build.committed_at.unwrap_or("unknown"),
    });
    (
        [(header::CONTENT_TYPE, "application/health+json")],
        body.to_string(),
    )
        .into_response()
}

pub async fn version(State(rest): State<Rest>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "service": "tellee", "version": rest.platform.build.version }))
}

/// For who runs the node: from this machine, or with the token of a platform administrator.
pub async fn metrics(
    State(rest): State<Rest>,
    peer: Peer,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    // What a proxy hands on comes from elsewhere.
    let forwarded =
        headers.contains_key("x-forwarded-for") || headers.contains_key(header::FORWARDED);
    if !peer.0.ip().is_loopback() || forwarded {
        let caller = signed_in(&rest.platform, &headers, &uri, &Method::GET)?;
        if !caller.platform_administrator {
            return Err(ApiError::new(
                ErrorCode::Forbidden,
                "only platform administrators read the metrics",
            ));
        }
    }
    let text = rest
        .metrics
        .text()
        .map_err(|error| ApiError::internal(&error))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
