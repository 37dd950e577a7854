//! `/connect`, `/disconnect` and the single connections of 0.8.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use tellee_actors::ids::{ChannelId, ThingId};

use super::Rest;
use super::input::{JsonBody, Path, id};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::platform::Request;

#[derive(Debug, Deserialize)]
pub struct ConnectionsBody {
    channel_ids: Vec<String>,
    thing_ids: Vec<String>,
}

impl ConnectionsBody {
    fn ids(&self) -> Result<(Vec<ChannelId>, Vec<ThingId>), ApiError> {
        let channels = self
            .channel_ids
            .iter()
            .map(|text| id(text, "such channel"))
            .collect::<Result<_, _>>()?;
        let things = self
            .thing_ids
            .iter()
            .map(|text| id(text, "such thing"))
            .collect::<Result<_, _>>()?;
        Ok((channels, things))
    }
}

pub async fn connect(
    State(rest): State<Rest>,
    caller: Caller,
    JsonBody(body): JsonBody<ConnectionsBody>,
) -> Result<StatusCode, ApiError> {
    let (channels, things) = body.ids()?;
    rest.platform
        .connect(&caller, &channels, &things, &Request::default())
        .await?;
    Ok(StatusCode::OK)
}

pub async fn disconnect(
    State(rest): State<Rest>,
    caller: Caller,
    JsonBody(body): JsonBody<ConnectionsBody>,
) -> Result<StatusCode, ApiError> {
    let (channels, things) = body.ids()?;
    rest.platform
        .disconnect(&caller, &channels, &things, &Request::default())
        .await?;
    Ok(StatusCode::OK)
}

pub async fn connect_one(
    State(rest): State<Rest>,
    caller: Caller,
    Path((channel, thing)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (channel, thing) = (id(&channel, "such channel")?, id(&thing, "such thing")?);
    rest.platform
        .connect(&caller, &[channel], &[thing], &Request::default())
        .await?;
    Ok(StatusCode::OK)
}

pub async fn disconnect_one(
    State(rest): State<Rest>,
    caller: Caller,
    Path((channel, thing)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (channel, thing) = (id(&channel, "such channel")?, id(&thing, "such thing")?);
    rest.platform
        .disconnect(&caller, &[channel], &[thing], &Request::default())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
