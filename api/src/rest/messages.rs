//! `/channels/<id>/messages`: publish and read.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use tellee_actors::ids::{ChannelId, ThingId};
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{MessageQuery, StoredMessage, TimeRange, Value, ValueFilter};

use super::Rest;
use super::credential::{Credential, credential};
use super::identify::thing_of;
use super::input::{body, id, media_type};
use super::paging::Query;
use crate::error::{ApiError, ErrorCode};
use crate::ingest::{ContentType, IngestError, Publisher};

/// Messages of one page, at most.
const LARGEST_LIMIT: u32 = 1_000;
const CHANNEL: &str = "such channel";

impl From<IngestError> for ApiError {
    fn from(error: IngestError) -> Self {
        let message = error.to_string();
        let code = match error {
            IngestError::NotAuthorised { .. } => ErrorCode::Forbidden,
            IngestError::Subtopic(_) => {
                return Self {
                    message,
                    ..Self::invalid("subtopic", "")
                };
            }
            IngestError::TooLarge { .. } => ErrorCode::BodyTooLarge,
            IngestError::Malformed(_) | IngestError::Invalid { .. } => ErrorCode::MalformedMessage,
            IngestError::Overloaded => {
                let retry_after = Some(std::time::Duration::from_secs(1));
                return Self {
                    retry_after,
                    ..Self::new(ErrorCode::Overloaded, message)
                };
            }
            IngestError::DiskFull => ErrorCode::DiskFull,
            IngestError::Stopping => ErrorCode::Stopping,
            IngestError::Store(cause) => return Self::internal(&cause),
        };
        Self::new(code, message)
    }
}

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
    let Credential::Thing(key) = credential(headers, uri)? else {
        return Err(ApiError::unauthenticated());
    };
    let publisher = thing_of(&rest, &key)?;
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
    let payload: Bytes = body(request, &rest).await?;
    let publisher = Publisher {
        thing: publisher.thing,
        organisation: publisher.organisation,
    };
    rest.ingest
        .publish(
            publisher, channel, subtopic, content, &payload, "http", false,
        )
        .await?;
    Ok(StatusCode::ACCEPTED)
}

#[derive(Debug, Serialize)]
pub struct MessagesPage {
    offset: u64,
    limit: u32,
    format: &'static str,
    total: u64,
    messages: Vec<MessageView>,
}

/// Mainflux 0.10 and later. `time` is decimal seconds, exact to the nanosecond.
#[derive(Debug, Serialize)]
pub struct MessageView {
    channel: ChannelId,
    #[serde(skip_serializing_if = "String::is_empty")]
    subtopic: String,
    publisher: ThingId,
    protocol: String,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    unit: String,
    time: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bool_value: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<f64>,
}

impl MessageView {
    fn of(message: StoredMessage) -> Result<Self, ApiError> {
        let StoredMessage {
            key,
            unit,
            protocol,
            sample,
        } = message;
        let mut view = Self {
            channel: key.channel,
            subtopic: key.subtopic,
            publisher: key.thing,
            protocol,
            name: key.name,
            unit,
            time: RawValue::from_string(decimal_seconds(sample.time))
                .map_err(|error| ApiError::internal(&error))?,
            update_time: sample.update_time,
            value: None,
            string_value: None,
            bool_value: None,
            data_value: None,
            sum: sample.sum,
        };
        match sample.value {
            Value::Number(number) => view.value = Some(number),
            Value::Text(text) => view.string_value = Some(text),
            Value::Boolean(flag) => view.bool_value = Some(flag),
            Value::Data(data) => view.data_value = Some(STANDARD.encode(data)),
        }
        Ok(view)
    }
}

/// Nanoseconds as seconds with just the decimals that are needed.
fn decimal_seconds(time: Timestamp) -> String {
    let negative = time.0 < 0;
    let nanoseconds = time.0.unsigned_abs();
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let sign = if negative { "-" } else { "" };
    if rest == 0 {
        return format!("{sign}{seconds}");
    }
    let decimals = format!("{rest:09}");
    format!("{sign}{seconds}.{}", decimals.trim_end_matches('0'))
}

pub async fn read(
    State(rest): State<Rest>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<MessagesPage>, ApiError> {
    let channel: ChannelId = id(&channel, CHANNEL)?;
    require_read(&rest, channel, credential(&headers, &uri)?)?;
    let query = message_query(channel, &Query::of(&uri))?;
    let (offset, limit) = (query.offset, query.limit);
    let (messages, total) = rest.platform.telemetry.messages(&query).await?;
    let messages = messages
        .into_iter()
        .map(MessageView::of)
        .collect::<Result<_, _>>()?;
    Ok(Json(MessagesPage {
        offset,
        limit,
        format: "messages",
        total,
        messages,
    }))
}

/// A connected thing reads, and a user of the channel's organisation.
fn require_read(rest: &Rest, channel: ChannelId, credential: Credential) -> Result<(), ApiError> {
    let access = rest.platform.projections.access();
    let may = match credential {
        Credential::Thing(key) => access.may_use(thing_of(rest, &key)?.thing, channel),
        Credential::User(token) => {
            let caller = rest.platform.caller(&token)?;
            access.channel_organisation(channel) == Some(caller.organisation)
        }
    };
    if may {
        Ok(())
    } else {
        Err(ApiError::new(
            ErrorCode::Forbidden,
            "you may not read this channel",
        ))
    }
}

fn message_query(channel: ChannelId, query: &Query) -> Result<MessageQuery, ApiError> {
    let (offset, limit) = query.window(LARGEST_LIMIT)?;
    match query.get("format") {
        None | Some("" | "messages") => {}
        Some(other) => {
            return Err(ApiError::invalid(
                "format",
                format!("there is no format `{other}`"),
            ));
        }
    }
    let publisher = match query.text("publisher") {
        Some(text) => Some(
            text.parse()
                .map_err(|_| ApiError::invalid("publisher", "is not the id of a thing"))?,
        ),
        None => None,
    };
    Ok(MessageQuery {
        channel,
        range: TimeRange {
            from: seconds(query, "from")?.unwrap_or(Timestamp::MIN),
            to: seconds(query, "to")?.unwrap_or(Timestamp::MAX),
        },
        subtopic: query.text("subtopic").map(|text| text.replace('/', ".")),
        publisher,
        protocol: query.text("protocol"),
        name: query.text("name"),
        value: value_filter(query)?,
        offset,
        limit,
    })
}

/// A time in decimal seconds, read exactly.
fn seconds(query: &Query, name: &'static str) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = query.text(name) else {
        return Ok(None);
    };
    let wrong = || ApiError::invalid(name, format!("`{text}` is no time in seconds since 1970"));
    if let Some(time) = exact_seconds(&text) {
        return Ok(Some(time));
    }
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    let nanoseconds = seconds * 1e9;
    if !nanoseconds.is_finite() || nanoseconds.abs() >= i64::MAX as f64 {
        return Err(wrong());
    }
    Ok(Some(Timestamp(nanoseconds as i64)))
}

/// `1700000000.123` without going through a float; `None` for what is written otherwise.
fn exact_seconds(text: &str) -> Option<Timestamp> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() > 9 || !all_digits(whole) || !all_digits(decimals) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanoseconds: i64 = format!("{decimals:0<9}").parse().ok()?;
    let total = seconds
        .checked_mul(1_000_000_000)?
        .checked_add(nanoseconds)?;
    Some(Timestamp(sign * total))
}

fn value_filter(query: &Query) -> Result<Option<ValueFilter>, ApiError> {
    if let Some(number) = query.parsed::<f64>("v", "a number")? {
        if !number.is_finite() {
            return Err(ApiError::invalid("v", "is not a finite number"));
        }
        let filter = match query.get("comparator") {
            None | Some("" | "eq") => ValueFilter::Equal(number),
            Some("lt") => ValueFilter::Less(number),
            Some("le") => ValueFilter::LessOrEqual(number),
            Some("gt") => ValueFilter::Greater(number),
            Some("ge") => ValueFilter::GreaterOrEqual(number),
            Some(other) => {
                return Err(ApiError::invalid(
                    "comparator",
                    format!("`{other}` is not eq, lt, le, gt or ge"),
                ));
            }
        };
        return Ok(Some(filter));
    }
    if let Some(text) = query.text("vs") {
        return Ok(Some(ValueFilter::Text(text)));
    }
    if let Some(flag) = query.flag("vb")? {
        return Ok(Some(ValueFilter::Boolean(flag)));
    }
    match query.text("vd") {
        Some(text) => STANDARD
            .decode(&text)
            .map(|data| Some(ValueFilter::Data(data)))
            .map_err(|_| ApiError::invalid("vd", "is not base64")),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_written_with_the_decimals_they_need() {
        for (nanoseconds, text) in [
            (0, "0"),
            (1_500_000_000, "1.5"),
            (1_700_000_000_123_456_789, "1700000000.123456789"),
            (-1, "-0.000000001"),
            (-2_000_000_000, "-2"),
        ] {
            assert_eq!(decimal_seconds(Timestamp(nanoseconds)), text);
            assert_eq!(exact_seconds(text), Some(Timestamp(nanoseconds)));
        }
        assert!(RawValue::from_string(decimal_seconds(Timestamp::MIN)).is_ok());
    }

    #[test]
    fn a_quote_in_a_filter_is_only_a_character() {
        let uri: Uri = "/channels/x/messages?name=x'%20OR%20channel='y"
            .parse()
            .unwrap();
        let query = message_query(ChannelId::generate(), &Query::of(&uri)).unwrap();
        assert_eq!(query.name.as_deref(), Some("x' OR channel='y"));
    }

    #[test]
    fn filters_that_make_no_sense_name_themselves() {
        for (uri, field) in [
            ("/m?v=abc", "v"),
            ("/m?v=NaN", "v"),
            ("/m?v=1&comparator=near", "comparator"),
            ("/m?vb=maybe", "vb"),
            ("/m?vd=***", "vd"),
            ("/m?from=yesterday", "from"),
            ("/m?to=1e300", "to"),
            ("/m?publisher=x", "publisher"),
            ("/m?limit=1001", "limit"),
            ("/m?format=xml", "format"),
        ] {
            let query = Query::of(&uri.parse::<Uri>().unwrap());
            let error = message_query(ChannelId::generate(), &query).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{uri}");
        }
    }
}
