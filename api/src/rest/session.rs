//! The dashboard's session, and the set-up of a new server.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tellee_actors::domain::user::Role;
use tellee_actors::ids::OrganisationId;

use super::input::{JsonBody, Peer};
use super::output::created;
use super::{Rest, SESSION_COOKIE};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};

#[derive(Debug, Deserialize)]
pub struct SetupBody {
    code: String,
    email: String,
    password: String,
    /// What the organisation is called; without it, after the domain of the address.
    organisation: Option<String>,
}

pub async fn set_up(
    State(rest): State<Rest>,
    peer: Peer,
    JsonBody(body): JsonBody<SetupBody>,
) -> Result<Response, ApiError> {
    let user = rest
        .platform
        .set_up(
            &body.code,
            &body.email,
            &body.password,
            body.organisation,
            &peer.ip(),
        )
        .await?;
    Ok(created(&format!("/users/{user}")))
}

#[derive(Debug, Serialize)]
pub struct SetupNeeded {
    needed: bool,
}

pub async fn setup_needed(State(rest): State<Rest>) -> Json<SetupNeeded> {
    Json(SetupNeeded {
        needed: rest.platform.needs_setup().await,
    })
}

#[derive(Debug, Deserialize)]
pub struct SignInBody {
    email: String,
    password: String,
}

#[derive(Debug, Serialize)]
pub struct OrganisationView {
    id: OrganisationId,
    name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    email: String,
    role: Role,
    organisation: OrganisationView,
    platform_administrator: bool,
}

/// Signs in: the token goes into a cookie that scripts cannot read and other sites cannot send.
pub async fn open(
    State(rest): State<Rest>,
    peer: Peer,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SignInBody>,
) -> Result<Response, ApiError> {
    if !headers.contains_key("x-tellee-csrf") {
        return Err(ApiError::new(
            ErrorCode::Forbidden,
            "the header `X-Tellee-Csrf: 1` is missing",
        ));
    }
    let (token, expires) = rest
        .platform
        .sign_in(&body.email, &body.password, &peer.ip())
        .await?;
    let lifetime = expires - rest.platform.clock.now().0.div_euclid(1_000_000_000);
    let cookie = cookie(&token, lifetime, forwarded_over_tls(&headers));
    set_cookie(StatusCode::NO_CONTENT.into_response(), &cookie)
}

pub async fn view(State(rest): State<Rest>, caller: Caller) -> Result<Json<SessionView>, ApiError> {
    let registry = rest.platform.projections.registry();
    let row = registry
        .user(caller.organisation, caller.user)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    let organisation = registry
        .organisation(caller.organisation)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    Ok(Json(SessionView {
        email: row.email,
        role: row.role,
        organisation: OrganisationView {
            id: organisation.id,
            name: organisation.name,
        },
        platform_administrator: row.platform_administrator,
    }))
}

pub async fn close(headers: HeaderMap) -> Result<Response, ApiError> {
    let cookie = cookie("", 0, forwarded_over_tls(&headers));
    set_cookie(StatusCode::NO_CONTENT.into_response(), &cookie)
}

fn cookie(token: &str, lifetime_s: i64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!(
        "{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={lifetime_s}{secure}"
    )
}

/// A proxy in front says so, or our own TLS port; else the browser speaks plain HTTP on loopback.
fn forwarded_over_tls(headers: &HeaderMap) -> bool {
    headers
        .get("x-forwarded-proto")
        .is_some_and(|value| value == "https")
}

fn set_cookie(mut response: Response, cookie: &str) -> Result<Response, ApiError> {
    let value = HeaderValue::from_str(cookie).map_err(|error| ApiError::internal(&error))?;
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(response)
}
