//! What clients of InfluxDB 1.x and 2.x speak: `/write`, `/api/v2/write`, `/ping`, and as much of `/query` as they ask
//! before they write.

mod answer;
mod body;
mod channel;
mod credential;
mod door;
mod sender;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use self::answer::{Dialect, Refusal};
use self::credential::credential;
pub use self::door::LineDoor;
use self::sender::{Sender, Senders};
use super::Rest;
use super::input::read_body;
use super::paging::Query;
use crate::error::{ApiError, ErrorCode};

/// What the handlers have at hand.
#[derive(Clone)]
pub struct Influx {
    rest: Rest,
    senders: Arc<Senders>,
}

impl Influx {
    pub fn new(rest: Rest) -> Self {
        Self {
            rest,
            senders: Arc::default(),
        }
    }
}

/// `POST /write?db=<channel>`, as InfluxDB 1.x.
pub async fn write_v1(
    State(influx): State<Influx>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    write(&influx, request)
        .await
        .map_err(Dialect::One.refusal())
}

/// `POST /api/v2/write?bucket=<channel>`, as InfluxDB 2.x.
pub async fn write_v2(
    State(influx): State<Influx>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    write(&influx, request)
        .await
        .map_err(Dialect::Two.refusal())
}

/// 204 once all lines are on disk; any other answer means that none is kept, unless it is 500.
async fn write(influx: &Influx, request: Request) -> Result<StatusCode, answer::Wrong> {
    let sender = influx
        .senders
        .sender(&influx.rest, request.headers(), request.uri())
        .await?;
    let body = body::read(request).await?;
    take(&influx.rest, sender, &body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// On disk when this returns `Ok`.
async fn take(rest: &Rest, sender: Sender, body: &[u8]) -> Result<(), answer::Wrong> {
    let Sender {
        publisher,
        channel,
        precision,
    } = sender;
    rest.ingest
        .publish_lines(publisher, channel, precision, body)
        .await?;
    Ok(())
}

/// The version of InfluxDB whose dialect this is; some clients read it before they write.
const SPOKEN: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-influxdb-version"),
    HeaderValue::from_static("1.8.10"),
);
const BUILD: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-influxdb-build"),
    HeaderValue::from_static("Tellee"),
);

/// `GET` and `HEAD /ping`: 204; with `verbose=true` the version as JSON. Says no more than `/health`, and to anybody.
pub async fn ping(uri: Uri) -> Response {
    let verbose = Query::of(&uri)
        .get("verbose")
        .is_some_and(|value| value == "true");
    if verbose {
        return ([SPOKEN, BUILD], Json(json!({ "version": "1.8.10" }))).into_response();
    }
    (StatusCode::NO_CONTENT, [SPOKEN, BUILD]).into_response()
}

/// `/query`: `CREATE DATABASE`, which clients send before they write, is answered as done, since channels are made by
/// other means. Every other statement is refused.
pub async fn query(State(influx): State<Influx>, request: Request) -> Result<Response, Refusal> {
    answer_query(&influx.rest, request)
        .await
        .map_err(|error| Dialect::One.refusal()(error.into()))
}

async fn answer_query(rest: &Rest, request: Request) -> Result<Response, ApiError> {
    let uri = request.uri().clone();
    require_anybody(rest, request.headers(), &uri)?;
    let mut statement = Query::of(&uri).text("q");
    if statement.is_none() {
        let form = read_body(request).await?;
        statement = url::form_urlencoded::parse(&form)
            .find(|(name, _)| name == "q")
            .map(|(_, value)| value.into_owned());
    }
    let statement = statement.unwrap_or_default();
    let mut words = statement.split_whitespace();
    let mut next_is = |word: &str| {
        words
            .next()
            .is_some_and(|next| next.eq_ignore_ascii_case(word))
    };
    if next_is("create") && next_is("database") {
        let done = json!({ "results": [{ "statement_id": 0 }] });
        return Ok(([SPOKEN], Json(done)).into_response());
    }
    let reason = "only `CREATE DATABASE` is answered here; read over REST or GraphQL";
    Err(ApiError::new(ErrorCode::InvalidInput, reason))
}

/// A thing, or a user of any role.
fn require_anybody(rest: &Rest, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
    credential(headers, &Query::of(uri))?.verify(rest).map(drop)
}
