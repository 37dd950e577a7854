//! `/things/configs`, `/things/state`, `/things/bootstrap`: Mainflux' bootstrap service.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tellee_actors::domain::edge_device::BootstrapState;
use tellee_actors::ids::{ChannelId, EdgeDeviceId, ThingId};
use tellee_projections::registry::{EdgeDeviceFilter, EdgeDeviceRow, Page};

use super::Rest;
use super::credential::{Credential, credential};
use super::input::{JsonBody, Path, Peer, id};
use super::output::{created, is_empty};
use super::paging::Query;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::identity::hash_key;
use crate::platform::{BootstrapChannel, NewEdgeDevice, Request};

const CONFIG: &str = "such bootstrap config";
/// Rows of the inbox that the 0.8 list gives.
const UNKNOWN_LIMIT: u32 = 1_000;

#[derive(Debug, Deserialize)]
pub struct ConfigBody {
    #[serde(default)]
    external_id: String,
    #[serde(default)]
    external_key: String,
    #[serde(default)]
    thing_id: String,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    content: String,
    #[serde(default)]
    client_cert: String,
    #[serde(default)]
    client_key: String,
    #[serde(default)]
    ca_cert: String,
}

#[derive(Debug, Serialize)]
pub struct ChannelView {
    id: ChannelId,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "is_empty")]
    metadata: Map<String, Value>,
}

impl From<BootstrapChannel> for ChannelView {
    fn from(channel: BootstrapChannel) -> Self {
        Self {
            id: channel.id,
            name: channel.name,
            metadata: channel.metadata,
        }
    }
}

#[derive(Debug, Serialize)]
pub struct ConfigView {
    mainflux_id: ThingId,
    #[serde(skip_serializing_if = "String::is_empty")]
    mainflux_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mainflux_channels: Option<Vec<ChannelView>>,
    external_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    content: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    state: u8,
}

#[derive(Debug, Serialize)]
pub struct ConfigsPage {
    total: u64,
    offset: u64,
    limit: u32,
    configs: Vec<ConfigView>,
}

const fn number(state: BootstrapState) -> u8 {
    match state {
        BootstrapState::Inactive => 0,
        BootstrapState::Active => 1,
    }
}

fn state_of(number: i64) -> Result<BootstrapState, ApiError> {
    match number {
        0 => Ok(BootstrapState::Inactive),
        1 => Ok(BootstrapState::Active),
        other => Err(ApiError::invalid(
            "state",
            format!("{other} is not 0 (inactive) or 1 (active)"),
        )),
    }
}

fn view_of(row: EdgeDeviceRow, key: String, channels: Option<Vec<ChannelView>>) -> ConfigView {
    ConfigView {
        mainflux_id: row.thing,
        mainflux_key: key,
        mainflux_channels: channels,
        external_id: row.external_id,
        content: row.config.content,
        name: row.config.name,
        state: number(row.state),
    }
}

fn channel_ids(texts: &[String]) -> Result<BTreeSet<ChannelId>, ApiError> {
    texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            text.parse().map_err(|_| {
                ApiError::invalid(
                    format!("channels[{index}]"),
                    format!("there is no channel `{text}`"),
                )
            })
        })
        .collect()
}

pub async fn create(
    State(rest): State<Rest>,
    caller: Caller,
    JsonBody(body): JsonBody<ConfigBody>,
) -> Result<Response, ApiError> {
    if body.external_id.is_empty() {
        return Err(ApiError::invalid("external_id", "must not be empty"));
    }
    let thing = match body.thing_id.as_str() {
        "" => None,
        text => Some(id(text, "such thing")?),
    };
    let new = NewEdgeDevice {
        external_id: body.external_id,
        external_key: body.external_key,
        thing,
        channels: channel_ids(&body.channels)?,
        name: body.name,
        content: body.content,
        client_cert: body.client_cert,
        client_key: body.client_key,
        ca_cert: body.ca_cert,
    };
    let (device, _) = rest
        .platform
        .register_edge_device(&caller, new, &Request::default())
        .await?;
    Ok(created(&format!("/things/configs/{device}")))
}

pub async fn list(
    State(rest): State<Rest>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<ConfigsPage>, ApiError> {
    let query = Query::of(&uri);
    let offset: u64 = query
        .parsed("offset", "a whole number from 0")?
        .unwrap_or(0);
    let limit: u32 = query
        .parsed("limit", "a whole number from 1")?
        .unwrap_or(10);
    if limit == 0 {
        return Err(ApiError::invalid("limit", "must lie between 1 and 100"));
    }
    // Mainflux' bootstrap service gives at most 100 and does not complain.
    let limit = limit.min(100);
    let state = match query.parsed::<i64>("state", "0 or 1")? {
        Some(number) => Some(state_of(number)?),
        None => None,
    };
    let thing = match query.text("mainflux_id") {
        Some(text) => Some(id(&text, "such thing")?),
        None => None,
    };
    let filter = EdgeDeviceFilter {
        name_or_external_id: None,
        name: query.text("name"),
        state,
        external_id: query.text("external_id"),
        thing,
        thing_key_hash: query.text("mainflux_key").map(|key| hash_key(&key).0),
    };
    let registry = rest.platform.projections.registry();
    let listing = registry
        .edge_devices(caller.organisation, filter, Page::offset(offset, limit))
        .await?;
    let configs = listing
        .rows
        .into_iter()
        .map(|row| view_of(row, String::new(), None))
        .collect();
    Ok(Json(ConfigsPage {
        total: listing.total,
        offset,
        limit,
        configs,
    }))
}

pub async fn view(
    State(rest): State<Rest>,
    caller: Caller,
    Path(device): Path<String>,
) -> Result<Json<ConfigView>, ApiError> {
    let row = rest
        .platform
        .edge_device(&caller, id(&device, CONFIG)?)
        .await?;
    let key = rest.platform.edge_device_thing_key(&caller, &row).await?;
    let channels = rest.platform.edge_device_channels(&row).await?;
    let channels = channels.into_iter().map(ChannelView::from).collect();
    Ok(Json(view_of(row, key, Some(channels))))
}

#[derive(Debug, Deserialize)]
pub struct UpdateBody {
    #[serde(default)]
    name: String,
    #[serde(default)]
    content: String,
}

pub async fn update(
    State(rest): State<Rest>,
    caller: Caller,
    Path(device): Path<String>,
    JsonBody(body): JsonBody<UpdateBody>,
) -> Result<StatusCode, ApiError> {
    let device = id(&device, CONFIG)?;
    let request = Request::default();
    rest.platform
        .update_edge_device(
            &caller,
            device,
            Some(body.name),
            Some(body.content),
            &request,
        )
        .await?;
    Ok(StatusCode::OK)
}

#[derive(Debug, Deserialize)]
pub struct ConnectionsBody {
    channels: Vec<String>,
}

pub async fn update_connections(
    State(rest): State<Rest>,
    caller: Caller,
    Path(device): Path<String>,
    JsonBody(body): JsonBody<ConnectionsBody>,
) -> Result<StatusCode, ApiError> {
    let device: EdgeDeviceId = id(&device, CONFIG)?;
    let channels = channel_ids(&body.channels)?;
    rest.platform
        .update_edge_device_channels(&caller, device, channels, &Request::default())
        .await?;
    Ok(StatusCode::OK)
}

#[derive(Debug, Deserialize)]
pub struct CertificatesBody {
    #[serde(default)]
    client_cert: String,
    #[serde(default)]
    client_key: String,
    #[serde(default)]
    ca_cert: String,
}

pub async fn update_certificates(
    State(rest): State<Rest>,
    caller: Caller,
    Path(device): Path<String>,
    JsonBody(body): JsonBody<CertificatesBody>,
) -> Result<StatusCode, ApiError> {
    let device = id(&device, CONFIG)?;
    let CertificatesBody {
        client_cert,
        client_key,
        ca_cert,
    } = body;
    rest.platform
        .update_edge_device_certificates(
            &caller,
            device,
            client_cert,
            &client_key,
            ca_cert,
            &Request::default(),
        )
        .await?;
    Ok(StatusCode::OK)
}

pub async fn remove(
    State(rest): State<Rest>,
    caller: Caller,
    Path(device): Path<String>,
) -> Result<StatusCode, ApiError> {
    let removed = rest
        .platform
        .remove_edge_device(&caller, id(&device, CONFIG)?, &Request::default())
        .await;
    super::operations::gone(removed)
}

#[derive(Debug, Deserialize)]
pub struct StateBody {
    state: i64,
}

pub async fn change_state(
    State(rest): State<Rest>,
    caller: Caller,
    Path(device): Path<String>,
    JsonBody(body): JsonBody<StateBody>,
) -> Result<StatusCode, ApiError> {
    let device = id(&device, CONFIG)?;
    let state = state_of(body.state)?;
    rest.platform
        .change_edge_device_state(&caller, device, state, &Request::default())
        .await?;
    Ok(StatusCode::OK)
}

#[derive(Debug, Serialize)]
pub struct UnknownView {
    external_id: String,
    /// Mainflux 0.8 showed the key here, to everyone. Tellee does not keep it.
    external_key: &'static str,
}

#[derive(Debug, Serialize)]
pub struct UnknownPage {
    configs: Vec<UnknownView>,
}

/// Devices that asked and are not known. They are of no organisation yet: platform administrators see them.
pub async fn unknown(
    State(rest): State<Rest>,
    caller: Caller,
) -> Result<Json<UnknownPage>, ApiError> {
    if !caller.platform_administrator {
        return Ok(Json(UnknownPage {
            configs: Vec::new(),
        }));
    }
    let listing = rest
        .platform
        .projections
        .unknown_devices()
        .list(0, UNKNOWN_LIMIT)
        .await?;
    let configs = listing
        .rows
        .into_iter()
        .map(|row| UnknownView {
            external_id: row.external_id,
            external_key: "",
        })
        .collect();
    Ok(Json(UnknownPage { configs }))
}

#[derive(Debug, Serialize)]
pub struct BootstrapView {
    mainflux_id: ThingId,
    mainflux_key: String,
    mainflux_channels: Vec<ChannelView>,
    content: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    client_cert: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    client_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ca_cert: String,
}

/// A device asks for its config: 404 if it is unknown, 403 if the key is wrong.
pub async fn bootstrap(
    State(rest): State<Rest>,
    peer: Peer,
    headers: HeaderMap,
    uri: Uri,
    Path(external_id): Path<String>,
) -> Result<Json<BootstrapView>, ApiError> {
    let key = match credential(&headers, &uri)? {
        Credential::Thing(key) | Credential::User(key) => key,
    };
    let found = rest
        .platform
        .bootstrap(&external_id, &key, &peer.ip())
        .await?;
    Ok(Json(BootstrapView {
        mainflux_id: found.thing,
        mainflux_key: found.thing_key,
        mainflux_channels: found.channels.into_iter().map(ChannelView::from).collect(),
        content: found.content,
        client_cert: found.client_cert,
        client_key: found.client_key,
        ca_cert: found.ca_cert,
    }))
}
