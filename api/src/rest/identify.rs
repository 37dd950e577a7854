//! `/identify`: whose key is this, and may it use that channel. For adapters that stand beside Tellee.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tellee_actors::ids::{ChannelId, ThingId};
use tellee_projections::access::ThingAccess;

use super::Rest;
use super::input::{JsonBody, Path, id};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::identity::hash_key;

#[derive(Debug, Deserialize)]
pub struct KeyBody {
    token: String,
}

#[derive(Debug, Deserialize)]
pub struct IdBody {
    thing_id: String,
}

#[derive(Debug, Serialize)]
pub struct Identified {
    id: ThingId,
}

/// The thing with this key.
pub(super) fn thing_of(rest: &Rest, key: &str) -> Result<ThingAccess, ApiError> {
    let mut sha256 = [0_u8; 32];
    hex::decode_to_slice(hash_key(key).0, &mut sha256)
        .map_err(|error| ApiError::internal(&error))?;
    let access = rest.platform.projections.access();
    access
        .thing_by_key_hash(&sha256)
        .ok_or_else(ApiError::unauthenticated)
}

fn require_use(rest: &Rest, thing: ThingId, channel: ChannelId) -> Result<(), ApiError> {
    if rest.platform.projections.access().may_use(thing, channel) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::Forbidden,
        "the thing is not connected to this channel",
    ))
}

pub async fn identify(
    State(rest): State<Rest>,
    JsonBody(body): JsonBody<KeyBody>,
) -> Result<Json<Identified>, ApiError> {
    Ok(Json(Identified {
        id: thing_of(&rest, &body.token)?.thing,
    }))
}

pub async fn access_by_key(
    State(rest): State<Rest>,
    Path(channel): Path<String>,
    JsonBody(body): JsonBody<KeyBody>,
) -> Result<Json<Identified>, ApiError> {
    let thing = thing_of(&rest, &body.token)?.thing;
    require_use(&rest, thing, id(&channel, "such channel")?)?;
    Ok(Json(Identified { id: thing }))
}

/// Unlike the others it carries no key: a signed-in user of the channel's organisation asks.
pub async fn access_by_id(
    State(rest): State<Rest>,
    caller: Caller,
    Path(channel): Path<String>,
    JsonBody(body): JsonBody<IdBody>,
) -> Result<StatusCode, ApiError> {
    let channel = id(&channel, "such channel")?;
    rest.platform.channel(&caller, channel).await?;
    require_use(&rest, id(&body.thing_id, "such thing")?, channel)?;
    Ok(StatusCode::OK)
}
