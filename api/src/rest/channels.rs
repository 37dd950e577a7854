//! `/channels`.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tellee_actors::domain::channel::{self, Details, RetentionClass, RollupRetention};
use tellee_actors::ids::ChannelId;
use tellee_projections::registry::{ChannelFilter, ChannelRow, Connected, Page, ThingFilter};

use super::Rest;
use super::input::{JsonBody, JsonList, Path, id};
use super::output::{created, is_empty};
use super::paging::Query;
use super::retention;
use super::things::{ThingsPage, disconnected};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::platform::Request;

/// Channels of one bulk request, at most.
const BULK_LIMIT: usize = 1_000;
const CHANNEL: &str = "such channel";

#[derive(Debug, Deserialize)]
pub struct ChannelBody {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    #[serde(default)]
    retention: Option<String>,
    #[serde(default)]
    rollup_retention: Option<String>,
}

impl ChannelBody {
    fn into_new(self, field: &str) -> Result<(Option<ChannelId>, Details), ApiError> {
        let id = match self.id.filter(|id| !id.is_empty()) {
            Some(id) => Some(
                id.parse()
                    .map_err(|_| ApiError::invalid(format!("{field}id"), "is not a UUID"))?,
            ),
            None => None,
        };
        let retention = match self.retention {
            Some(word) => retention::class_of(&word, &format!("{field}retention"))?,
            None => RetentionClass::default(),
        };
        let rollup_retention = match self.rollup_retention {
            Some(word) => retention::rollups_of(&word, &format!("{field}rollup_retention"))?,
            None => RollupRetention::default(),
        };
        let details = Details {
            name: self.name,
            metadata: self.metadata.unwrap_or_default(),
            retention,
            rollup_retention,
        };
        Ok((id, details))
    }
}

#[derive(Debug, Serialize)]
pub struct ChannelView {
    id: ChannelId,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "is_empty")]
    metadata: Map<String, Value>,
    /// Left out for the class of channels that name none, so that such a channel looks as Mainflux shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollup_retention: Option<&'static str>,
}

impl From<ChannelRow> for ChannelView {
    fn from(row: ChannelRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            metadata: row.metadata,
            retention: retention::word_of(row.retention),
            rollup_retention: retention::rollup_word_of(row.rollup_retention),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct ChannelsPage {
    total: u64,
    offset: u64,
    limit: u32,
    channels: Vec<ChannelView>,
}

pub async fn create(
    State(rest): State<Rest>,
    caller: Caller,
    JsonBody(body): JsonBody<ChannelBody>,
) -> Result<Response, ApiError> {
    let (id, details) = body.into_new("")?;
    let (id, _) = rest
        .platform
        .create_channel(&caller, id, details, &Request::default())
        .await?;
    Ok(created(&format!("/channels/{id}")))
}

pub async fn create_bulk(
    State(rest): State<Rest>,
    caller: Caller,
    JsonList(bodies): JsonList<ChannelBody>,
) -> Result<Response, ApiError> {
    if bodies.is_empty() || bodies.len() > BULK_LIMIT {
        return Err(ApiError::invalid(
            "body",
            format!("must hold between 1 and {BULK_LIMIT} channels"),
        ));
    }
    let new = bodies
        .into_iter()
        .enumerate()
        .map(|(index, body)| body.into_new(&format!("[{index}].")))
        .collect::<Result<Vec<_>, _>>()?;
    let shapes: Vec<_> = new.iter().map(|(_, details)| details.clone()).collect();
    let ids = rest
        .platform
        .create_channels(&caller, new, &Request::default())
        .await?;
    let channels: Vec<ChannelView> = ids
        .into_iter()
        .zip(shapes)
        .map(|(id, details)| ChannelView {
            id,
            name: details.name,
            metadata: details.metadata,
            retention: retention::word_of(details.retention),
            rollup_retention: retention::rollup_word_of(details.rollup_retention),
        })
        .collect();
    Ok((
        StatusCode::CREATED,
        Json(serde_json::json!({ "channels": channels })),
    )
        .into_response())
}

pub async fn list(
    State(rest): State<Rest>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<ChannelsPage>, ApiError> {
    let query = Query::of(&uri);
    let filter = ChannelFilter {
        name: query.text("name"),
        metadata: query.object("metadata")?,
        ..ChannelFilter::default()
    };
    let (page, offset, limit) = query.page()?;
    page_of(&rest, &caller, filter, page, offset, limit)
        .await
        .map(Json)
}

pub(super) async fn page_of(
    rest: &Rest,
    caller: &Caller,
    filter: ChannelFilter,
    page: Page,
    offset: u64,
    limit: u32,
) -> Result<ChannelsPage, ApiError> {
    let registry = rest.platform.projections.registry();
    let listing = registry.channels(caller.organisation, filter, page).await?;
    let channels = listing.rows.into_iter().map(ChannelView::from).collect();
    Ok(ChannelsPage {
        total: listing.total,
        offset,
        limit,
        channels,
    })
}

pub async fn view(
    State(rest): State<Rest>,
    caller: Caller,
    Path(channel): Path<String>,
) -> Result<Json<ChannelView>, ApiError> {
    let row = rest
        .platform
        .channel(&caller, id(&channel, CHANNEL)?)
        .await?;
    Ok(Json(row.into()))
}

#[derive(Debug, Deserialize)]
pub struct UpdateBody {
    #[serde(default)]
    name: String,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    /// Stays as it is where none is given: clients of Mainflux know nothing of it.
    #[serde(default)]
    retention: Option<String>,
    #[serde(default)]
    rollup_retention: Option<String>,
}

pub async fn update(
    State(rest): State<Rest>,
    caller: Caller,
    Path(channel): Path<String>,
    JsonBody(body): JsonBody<UpdateBody>,
) -> Result<StatusCode, ApiError> {
    let retention = body
        .retention
        .map(|word| retention::class_of(&word, "retention"))
        .transpose()?;
    let rollup_retention = body
        .rollup_retention
        .map(|word| retention::rollups_of(&word, "rollup_retention"))
        .transpose()?;
    let command = channel::Command::Update {
        name: Some(body.name),
        metadata: Some(body.metadata.unwrap_or_default()),
        retention,
        rollup_retention,
    };
    rest.platform
        .update_channel(
            &caller,
            id(&channel, CHANNEL)?,
            command,
            &Request::default(),
        )
        .await?;
    Ok(StatusCode::OK)
}

pub async fn remove(
    State(rest): State<Rest>,
    caller: Caller,
    Path(channel): Path<String>,
) -> Result<StatusCode, ApiError> {
    let removed = rest
        .platform
        .remove_channel(&caller, id(&channel, CHANNEL)?, &Request::default())
        .await;
    super::operations::gone(removed)
}

pub async fn things(
    State(rest): State<Rest>,
    caller: Caller,
    Path(channel): Path<String>,
    uri: Uri,
) -> Result<Json<ThingsPage>, ApiError> {
    let channel: ChannelId = id(&channel, CHANNEL)?;
    rest.platform.channel(&caller, channel).await?;
    let query = Query::of(&uri);
    let connection = if disconnected(&query)? {
        Connected::NotTo(channel)
    } else {
        Connected::To(channel)
    };
    let filter = ThingFilter {
        connection: Some(connection),
        ..ThingFilter::default()
    };
    let (page, offset, limit) = query.page()?;
    super::things::page_of(&rest, &caller, filter, page, offset, limit)
        .await
        .map(Json)
}
