//! `/things`.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tellee_actors::ids::ThingId;
use tellee_projections::registry::{ChannelFilter, Connected, Page, ThingFilter, ThingRow};

use super::Rest;
use super::channels::ChannelsPage;
use super::input::{JsonBody, JsonList, Path, id};
use super::output::{created, is_empty};
use super::paging::{Query, direction, order};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::platform::{NewThing, Request, ThingUpdate};

/// Things of one bulk request, at most.
const BULK_LIMIT: usize = 1_000;
const THING: &str = "such thing";

#[derive(Debug, Deserialize)]
pub struct ThingBody {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

impl ThingBody {
    fn into_new(self, field: &str) -> Result<NewThing, ApiError> {
        let id = match self.id.filter(|id| !id.is_empty()) {
            Some(id) => Some(
                id.parse()
                    .map_err(|_| ApiError::invalid(format!("{field}id"), "is not a UUID"))?,
            ),
            None => None,
        };
        Ok(NewThing {
            id,
            key: self.key.filter(|key| !key.is_empty()),
            name: self.name,
            metadata: self.metadata.unwrap_or_default(),
            ..NewThing::default()
        })
    }
}

#[derive(Debug, Serialize)]
pub struct ThingView {
    id: ThingId,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    key: String,
    #[serde(skip_serializing_if = "is_empty")]
    metadata: Map<String, Value>,
}

#[derive(Debug, Serialize)]
pub struct ThingsPage {
    total: u64,
    offset: u64,
    limit: u32,
    things: Vec<ThingView>,
}

/// Rows with their keys, as far as the caller may see them.
async fn views(
    rest: &Rest,
    caller: &Caller,
    rows: Vec<ThingRow>,
) -> Result<Vec<ThingView>, ApiError> {
    let keys = rest.platform.reveal_thing_keys(caller, &rows).await?;
    let views = rows.into_iter().zip(keys).map(|(row, key)| ThingView {
        id: row.id,
        name: row.name,
        key,
        metadata: row.metadata,
    });
    Ok(views.collect())
}

pub async fn create(
    State(rest): State<Rest>,
    caller: Caller,
    JsonBody(body): JsonBody<ThingBody>,
) -> Result<Response, ApiError> {
    let thing = rest
        .platform
        .create_thing(&caller, body.into_new("")?, &Request::default())
        .await?;
    Ok(created(&format!("/things/{}", thing.id)))
}

pub async fn create_bulk(
    State(rest): State<Rest>,
    caller: Caller,
    JsonList(bodies): JsonList<ThingBody>,
) -> Result<Response, ApiError> {
    if bodies.is_empty() || bodies.len() > BULK_LIMIT {
        return Err(ApiError::invalid(
            "body",
            format!("must hold between 1 and {BULK_LIMIT} things"),
        ));
    }
    let new = bodies
        .into_iter()
        .enumerate()
        .map(|(index, body)| body.into_new(&format!("[{index}].")))
        .collect::<Result<Vec<_>, _>>()?;
    let shapes: Vec<_> = new
        .iter()
        .map(|thing| (thing.name.clone(), thing.metadata.clone()))
        .collect();
    let made = rest
        .platform
        .create_things(&caller, new, &Request::default())
        .await?;
    let things: Vec<ThingView> = made
        .into_iter()
        .zip(shapes)
        .map(|(thing, (name, metadata))| ThingView {
            id: thing.id,
            name,
            key: thing.key,
            metadata,
        })
        .collect();
    Ok((
        StatusCode::CREATED,
        Json(serde_json::json!({ "things": things })),
    )
        .into_response())
}

pub async fn list(
    State(rest): State<Rest>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<ThingsPage>, ApiError> {
    let query = Query::of(&uri);
    let filter = ThingFilter {
        name: query.text("name"),
        metadata: query.object("metadata")?,
        ..ThingFilter::default()
    };
    let (page, offset, limit) = query.page()?;
    page_of(&rest, &caller, filter, page, offset, limit)
        .await
        .map(Json)
}

#[derive(Debug, Deserialize)]
pub struct SearchBody {
    #[serde(default)]
    offset: u64,
    #[serde(default = "ten")]
    limit: u32,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    #[serde(default)]
    order: Option<String>,
    #[serde(default)]
    dir: Option<String>,
}

const fn ten() -> u32 {
    10
}

/// Mainflux 0.12: a list whose filters come in the body.
pub async fn search(
    State(rest): State<Rest>,
    caller: Caller,
    JsonBody(body): JsonBody<SearchBody>,
) -> Result<Json<ThingsPage>, ApiError> {
    if body.limit == 0 || body.limit > 100 {
        return Err(ApiError::invalid("limit", "must lie between 1 and 100"));
    }
    let filter = ThingFilter {
        name: body.name.filter(|name| !name.is_empty()),
        metadata: body.metadata,
        ..ThingFilter::default()
    };
    let page = Page::offset(body.offset, body.limit).ordered(
        order(body.order.as_deref())?,
        direction(body.dir.as_deref())?,
    );
    page_of(&rest, &caller, filter, page, body.offset, body.limit)
        .await
        .map(Json)
}

pub(super) async fn page_of(
    rest: &Rest,
    caller: &Caller,
    filter: ThingFilter,
    page: Page,
    offset: u64,
    limit: u32,
) -> Result<ThingsPage, ApiError> {
    let listing = rest
        .platform
        .projections
        .registry()
        .things(caller.organisation, filter, page)
        .await?;
    let total = listing.total;
    let things = views(rest, caller, listing.rows).await?;
    Ok(ThingsPage {
        total,
        offset,
        limit,
        things,
    })
}

pub async fn view(
    State(rest): State<Rest>,
    caller: Caller,
    Path(thing): Path<String>,
) -> Result<Json<ThingView>, ApiError> {
    let row = rest.platform.thing(&caller, id(&thing, THING)?).await?;
    let mut views = views(&rest, &caller, vec![row]).await?;
    views
        .pop()
        .map(Json)
        .ok_or_else(|| ApiError::not_found(THING))
}

#[derive(Debug, Deserialize)]
pub struct UpdateBody {
    #[serde(default)]
    name: String,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

/// Mainflux replaces both: what is left out becomes empty.
pub async fn update(
    State(rest): State<Rest>,
    caller: Caller,
    Path(thing): Path<String>,
    JsonBody(body): JsonBody<UpdateBody>,
) -> Result<StatusCode, ApiError> {
    let update = ThingUpdate {
        name: Some(body.name),
        metadata: Some(body.metadata.unwrap_or_default()),
        ..ThingUpdate::default()
    };
    rest.platform
        .update_thing(&caller, id(&thing, THING)?, update, &Request::default())
        .await?;
    Ok(StatusCode::OK)
}

#[derive(Debug, Deserialize)]
pub struct KeyBody {
    key: String,
}

pub async fn change_key(
    State(rest): State<Rest>,
    caller: Caller,
    Path(thing): Path<String>,
    JsonBody(body): JsonBody<KeyBody>,
) -> Result<StatusCode, ApiError> {
    let thing = id(&thing, THING)?;
    rest.platform
        .change_thing_key(&caller, thing, Some(body.key), &Request::default())
        .await?;
    Ok(StatusCode::OK)
}

/// 204 also for what is not there, as in Mainflux.
pub async fn remove(
    State(rest): State<Rest>,
    caller: Caller,
    Path(thing): Path<String>,
) -> Result<StatusCode, ApiError> {
    let removed = rest
        .platform
        .remove_thing(&caller, id(&thing, THING)?, &Request::default())
        .await;
    super::operations::gone(removed)
}

pub async fn channels(
    State(rest): State<Rest>,
    caller: Caller,
    Path(thing): Path<String>,
    uri: Uri,
) -> Result<Json<ChannelsPage>, ApiError> {
    let thing: ThingId = id(&thing, THING)?;
    rest.platform.thing(&caller, thing).await?;
    let query = Query::of(&uri);
    let connection = if disconnected(&query)? {
        Connected::NotTo(thing)
    } else {
        Connected::To(thing)
    };
    let filter = ChannelFilter {
        connection: Some(connection),
        ..ChannelFilter::default()
    };
    let (page, offset, limit) = query.page()?;
    super::channels::page_of(&rest, &caller, filter, page, offset, limit)
        .await
        .map(Json)
}

/// `disconnected=true` of the SDK, `connected=false` of the documentation.
pub(super) fn disconnected(query: &Query) -> Result<bool, ApiError> {
    let disconnected = query.flag("disconnected")?.unwrap_or(false);
    let connected = query.flag("connected")?.unwrap_or(true);
    Ok(disconnected || !connected)
}
