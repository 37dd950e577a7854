//! `/users`, `/tokens`, `/password`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tellee_actors::command::Command;
use tellee_actors::domain::user::{self, Role};
use tellee_actors::ids::{OrganisationId, UserId};
use tellee_projections::registry::UserRow;

use super::Rest;
use super::credential::credential;
use super::input::{JsonBody, Path, Peer, id, signed_in};
use super::output::{created, is_empty};
use super::paging::Query;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::identity::Action;
use crate::platform::{NewUser, Request};

const USER: &str = "such user";

#[derive(Debug, Deserialize)]
pub struct UserBody {
    email: String,
    password: String,
    #[serde(default)]
    organisation: Option<OrganisationId>,
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Serialize)]
pub struct UserView {
    id: UserId,
    email: String,
    organisation: OrganisationId,
    role: Role,
    #[serde(skip_serializing_if = "is_empty")]
    metadata: Map<String, Value>,
}

impl From<UserRow> for UserView {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            email: row.email,
            organisation: row.organisation,
            role: row.role,
            metadata: row.metadata,
        }
    }
}

#[derive(Debug, Serialize)]
pub struct UsersPage {
    total: u64,
    offset: u64,
    limit: u32,
    users: Vec<UserView>,
}

/// With an administrator's token, or without one where registration is open. Who joins an organisation that exists is an
/// operator, who gets one of their own administers it, unless `role` says otherwise.
pub async fn create(
    State(rest): State<Rest>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
    JsonBody(body): JsonBody<UserBody>,
) -> Result<Response, ApiError> {
    let usual = if body.organisation.is_some() {
        Role::Operator
    } else {
        Role::Administrator
    };
    let new = NewUser {
        email: body.email,
        password: body.password,
        role: body.role.unwrap_or(usual),
        organisation: body.organisation,
        organisation_name: None,
        platform_administrator: false,
        metadata: body.metadata.unwrap_or_default(),
    };
    let user = if credential(&headers, &uri).is_ok() {
        let caller = signed_in(&rest.platform, &headers, &uri, &method)?;
        rest.platform
            .create_user(&caller, new, &Request::default())
            .await?
            .0
    } else {
        rest.platform.register_user(new).await?
    };
    Ok(created(&format!("/users/{user}")))
}

#[derive(Debug, Deserialize)]
pub struct TokenBody {
    email: String,
    password: String,
}

pub async fn issue_token(
    State(rest): State<Rest>,
    peer: Peer,
    JsonBody(body): JsonBody<TokenBody>,
) -> Result<Response, ApiError> {
    let (token, _) = rest
        .platform
        .sign_in(&body.email, &body.password, &peer.ip())
        .await?;
    Ok((
        StatusCode::CREATED,
        Json(serde_json::json!({ "token": token })),
    )
        .into_response())
}

pub async fn profile(State(rest): State<Rest>, caller: Caller) -> Result<Json<UserView>, ApiError> {
    view_of(&rest, &caller, caller.user).await
}

pub async fn view(
    State(rest): State<Rest>,
    caller: Caller,
    Path(user): Path<String>,
) -> Result<Json<UserView>, ApiError> {
    let user: UserId = id(&user, USER)?;
    if user != caller.user {
        caller.require(Action::ManageUsers)?;
    }
    view_of(&rest, &caller, user).await
}

async fn view_of(rest: &Rest, caller: &Caller, user: UserId) -> Result<Json<UserView>, ApiError> {
    let row = rest
        .platform
        .projections
        .registry()
        .user(caller.organisation, user)
        .await?;
    row.map(|row| Json(row.into()))
        .ok_or_else(|| ApiError::not_found(USER))
}

pub async fn list(
    State(rest): State<Rest>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<UsersPage>, ApiError> {
    caller.require(Action::ManageUsers)?;
    let (page, offset, limit) = Query::of(&uri).page()?;
    let listing = rest
        .platform
        .projections
        .registry()
        .users(caller.organisation, None, page)
        .await?;
    let users = listing.rows.into_iter().map(UserView::from).collect();
    Ok(Json(UsersPage {
        total: listing.total,
        offset,
        limit,
        users,
    }))
}

#[derive(Debug, Deserialize)]
pub struct MetadataBody {
    #[serde(default)]
    metadata: Map<String, Value>,
}

/// The caller's own metadata.
pub async fn update(
    State(rest): State<Rest>,
    caller: Caller,
    JsonBody(body): JsonBody<MetadataBody>,
) -> Result<StatusCode, ApiError> {
    let command = Command::User(user::Command::UpdateMetadata {
        metadata: body.metadata,
    });
    let request = Request::default();
    rest.platform
        .ask(
            caller.who(),
            caller.organisation,
            caller.user.into(),
            command,
            &request,
        )
        .await?;
    Ok(StatusCode::OK)
}

#[derive(Debug, Deserialize)]
pub struct PasswordBody {
    old_password: String,
    password: String,
}

pub async fn change_password(
    State(rest): State<Rest>,
    caller: Caller,
    JsonBody(body): JsonBody<PasswordBody>,
) -> Result<StatusCode, ApiError> {
    let request = Request::default();
    rest.platform
        .change_password(&caller, &body.old_password, &body.password, &request)
        .await?;
    Ok(StatusCode::CREATED)
}
