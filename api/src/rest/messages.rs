//! `/channels/<id>/messages`: publish and read.

mod aggregation;
mod door;
mod query;
mod view;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;
use tellee_actors::ids::ChannelId;

use self::aggregation::{aggregate, aggregation};
pub use self::door::MessageDoor;
use self::query::message_query;
use self::view::{MessageView, old_shape};
use super::Rest;
use super::credential::{Credential, credential};
use super::identify::thing_of;
use super::input::{Path, media_type, read_body};
use super::paging::Query;
use crate::error::{ApiError, ErrorCode};
use crate::ingest::{ContentType, Publisher};

pub async fn publish(
    state: State<Rest>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    uri: Uri,
    request: HttpRequest,
) -> Result<StatusCode, ApiError> {
    publish_to(state, &channel, "", &headers, &uri, request).await
}

pub async fn publish_below(
    state: State<Rest>,
    Path((channel, subtopic)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
    request: HttpRequest,
) -> Result<StatusCode, ApiError> {
    publish_to(state, &channel, &subtopic, &headers, &uri, request).await
}

async fn publish_to(
    State(rest): State<Rest>,
    channel: &str,
    subtopic: &str,
    headers: &HeaderMap,
    uri: &Uri,
    request: HttpRequest,
) -> Result<StatusCode, ApiError> {
    let admitted = admit(&rest, channel, headers, uri)?;
    let payload: Bytes = read_body(request).await?;
    keep(&rest, &admitted, subtopic, &payload).await?;
    Ok(StatusCode::ACCEPTED)
}

/// A message that may come, before its body is read.
struct Admitted {
    publisher: Publisher,
    channel: ChannelId,
    content: ContentType,
}

fn admit(rest: &Rest, channel: &str, headers: &HeaderMap, uri: &Uri) -> Result<Admitted, ApiError> {
    let Credential::Thing(key) = credential(headers, uri)? else {
        return Err(ApiError::unauthenticated());
    };
    let publisher = thing_of(rest, &key)?;
    // A channel that is none is as foreign as one of somebody else's.
    let channel: ChannelId = channel.parse().map_err(|_| {
        ApiError::new(
            ErrorCode::Forbidden,
            "the thing is not connected to this channel",
        )
    })?;
    let content = media_type(headers)
        .and_then(|media_type| ContentType::from_media_type(&media_type))
        .ok_or_else(|| {
            ApiError::new(
                ErrorCode::UnsupportedMediaType,
                "the content type must be `application/senml+json`, `application/senml+cbor` or `application/json`",
            )
        })?;
    if !rest
        .platform
        .projections
        .access()
        .may_use(publisher.thing, channel)
    {
        return Err(ApiError::new(
            ErrorCode::Forbidden,
            "the thing is not connected to this channel",
        ));
    }
    let publisher = Publisher {
        thing: publisher.thing,
        organisation: publisher.organisation,
    };
    Ok(Admitted {
        publisher,
        channel,
        content,
    })
}

async fn keep(
    rest: &Rest,
    admitted: &Admitted,
    subtopic: &str,
    payload: &[u8],
) -> Result<(), ApiError> {
    let Admitted {
        publisher,
        channel,
        content,
    } = *admitted;
    rest.ingest
        .publish(
            publisher, channel, subtopic, content, payload, "http", false,
        )
        .await?;
    Ok(())
}

#[derive(Debug, Serialize)]
pub struct MessagesPage {
    offset: u64,
    limit: u32,
    format: &'static str,
    total: u64,
    messages: Messages,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Messages {
    Present(Vec<MessageView>),
    Old(Vec<serde_json::Value>),
}

pub async fn read(
    State(rest): State<Rest>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<MessagesPage>, ApiError> {
    let channel = require_read(&rest, &channel, credential(&headers, &uri)?)?;
    let asked = Query::of(&uri);
    let query = message_query(channel, &asked)?;
    let (offset, limit) = (query.offset, query.limit);
    let store = rest.platform.telemetry.as_ref();
    let (messages, total) = match aggregation(&asked)? {
        Some(wanted) => aggregate(store, &query, wanted).await?,
        None => store.messages(&query).await?,
    };
    let messages = match asked.get("compat") {
        Some("0.8") => Messages::Old(
            messages
                .into_iter()
                .map(old_shape)
                .collect::<Result<_, _>>()?,
        ),
        _ => Messages::Present(
            messages
                .into_iter()
                .map(MessageView::of)
                .collect::<Result<_, _>>()?,
        ),
    };
    Ok(Json(MessagesPage {
        offset,
        limit,
        format: "messages",
        total,
        messages,
    }))
}

/// A connected thing reads, and a user of the channel's organisation. What is no channel is refused like a foreign one.
fn require_read(rest: &Rest, channel: &str, credential: Credential) -> Result<ChannelId, ApiError> {
    let access = rest.platform.projections.access();
    let channel: Option<ChannelId> = channel.parse().ok();
    let may = match credential {
        Credential::Thing(key) => {
            let thing = thing_of(rest, &key)?.thing;
            channel.filter(|channel| access.may_use(thing, *channel))
        }
        Credential::User(token) => {
            let caller = rest.platform.caller(&token)?;
            channel.filter(|channel| {
                access.channel_organisation(*channel) == Some(caller.organisation)
            })
        }
    };
    may.ok_or_else(|| ApiError::new(ErrorCode::Forbidden, "you may not read this channel"))
}
