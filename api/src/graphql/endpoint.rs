//! `/graphql`: `POST`, and a WebSocket with sub-protocol `graphql-transport-ws`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::http::{WebSocketProtocols, WsMessage};
use async_graphql::{Data, Response, ServerError};
use axum::Json;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, FromRequest as _, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::routing::get;
use futures_util::{SinkExt as _, StreamExt as _};
use hashbrown::HashMap;
use parking_lot::Mutex;
use tellee_actors::ids::UserId;

use super::codes::{decorate, extend};
use super::schema::{TelleeSchema, schema};
use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::platform::Platform;
use crate::rest::{Credential, credential, error_response};

const BODY_LIMIT: usize = 64 * 1024;
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// A socket without `connection_init` after this is closed; then one that does not answer pings.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
const SOCKETS_PER_USER: usize = 64;
const SUBSCRIPTIONS_PER_SOCKET: usize = 32;
const FRAME_LIMIT: usize = 64 * 1024;
const PROTOCOL: &str = "graphql-transport-ws";

/// What the endpoint has at hand.
#[derive(Clone)]
pub struct GraphQl {
    schema: TelleeSchema,
    platform: Arc<Platform>,
    sockets: Arc<Mutex<HashMap<UserId, usize>>>,
    origins: Arc<Vec<String>>,
}

/// `allowed_origins`: whose pages, besides our own, may open a socket.
pub fn router(platform: Arc<Platform>, allowed_origins: Vec<String>) -> axum::Router {
    let state = GraphQl {
        schema: schema(Arc::clone(&platform)),
        platform,
        sockets: Arc::default(),
        origins: Arc::new(allowed_origins),
    };
    axum::Router::new()
        .route("/graphql", get(open_socket).post(execute))
        .with_state(state)
}

async fn execute(State(graphql): State<GraphQl>, request: Request) -> HttpResponse {
    match run(&graphql, request).await {
        Ok(response) => Json(response).into_response(),
        Err(error) => refusal(&error),
    }
}

/// A refusal of the whole request, in the shape of GraphQL and with the status of the error.
fn refusal(error: &ApiError) -> HttpResponse {
    let status =
        StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut server_error = ServerError::new(error.message.clone(), None);
    extend(&mut server_error, error);
    (status, Json(Response::from_errors(vec![server_error]))).into_response()
}

async fn run(graphql: &GraphQl, request: Request) -> Result<Response, ApiError> {
    let caller = http_caller(
        &graphql.platform,
        request.headers(),
        request.uri(),
        request.method(),
    )?;
    let is_json =
        crate::rest::media_type(request.headers()).is_some_and(|kind| kind == "application/json");
    if !is_json {
        let reason = "the content type must be `application/json`";
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType, reason));
    }
    let body = limited_body(request).await?;
    let query: async_graphql::Request =
        serde_json::from_slice(&body).map_err(|error| ApiError::invalid("body", error))?;
    let execution = graphql.schema.execute(query.data(caller));
    let response = tokio::time::timeout(QUERY_TIMEOUT, execution)
        .await
        .map_err(|_| {
            ApiError::new(
                ErrorCode::QueryTooComplex,
                "the request ran longer than 10 s and was given up",
            )
        })?;
    Ok(decorate(response))
}

async fn limited_body(request: Request) -> Result<Bytes, ApiError> {
    let too_large = || {
        ApiError::new(
            ErrorCode::BodyTooLarge,
            "a GraphQL request has at most 64 KiB",
        )
    };
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<usize>().ok());
    if declared.is_some_and(|length| length > BODY_LIMIT) {
        return Err(too_large());
    }
    let body = Bytes::from_request(request, &())
        .await
        .map_err(|_| too_large())?;
    if body.len() > BODY_LIMIT {
        Err(too_large())
    } else {
        Ok(body)
    }
}

fn http_caller(
    platform: &Platform,
    headers: &HeaderMap,
    uri: &axum::http::Uri,
    method: &Method,
) -> Result<Caller, ApiError> {
    let Credential::User(token) = credential(headers, uri)? else {
        return Err(ApiError::unauthenticated());
    };
    let by_cookie = !headers.contains_key(header::AUTHORIZATION);
    if by_cookie && method == Method::POST && !headers.contains_key("x-tellee-csrf") {
        let reason = "a request by the session cookie needs the header `X-Tellee-Csrf: 1`";
        return Err(ApiError::new(ErrorCode::Forbidden, reason));
    }
    platform.caller(&token)
}

async fn open_socket(
    State(graphql): State<GraphQl>,
    peer: Option<axum::Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    uri: axum::http::Uri,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> HttpResponse {
    let Ok(upgrade) = upgrade else {
        let reason = "`GET /graphql` opens a WebSocket; queries come by `POST`";
        return error_response(&ApiError::new(ErrorCode::InvalidInput, reason));
    };
    if !own_page(&headers, &graphql.origins) {
        return error_response(&ApiError::new(
            ErrorCode::Forbidden,
            "this origin may not open a socket here",
        ));
    }
    // By header, query or cookie now, or by `connection_init` later.
    let early = match credential(&headers, &uri) {
        Ok(Credential::User(token)) => graphql.platform.caller(&token).ok(),
        _ => None,
    };
    tracing::debug!(peer = ?peer.map(|peer| peer.0.0), "a GraphQL socket opens");
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(FRAME_LIMIT)
        .max_frame_size(FRAME_LIMIT)
        .on_upgrade(move |socket| serve_socket(graphql, socket, early))
}

/// Browsers say whose page opens the socket. Others say nothing and carry no cookie of ours.
fn own_page(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok())
    else {
        return !headers.contains_key(header::ORIGIN);
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let own = origin
        .split_once("://")
        .is_some_and(|(_, authority)| authority == host);
    own || allowed.iter().any(|known| known == origin)
}

async fn serve_socket(graphql: GraphQl, socket: WebSocket, early: Option<Caller>) {
    let (mut sink, incoming) = socket.split();
    let seat: Arc<Mutex<Option<Seat>>> = Arc::default();
    let open = Arc::new(Mutex::new(hashbrown::HashSet::<String>::new()));
    // Frames that break the rules end the socket with the code of the protocol.
    let admitted = Arc::clone(&open);
    let input = incoming.scan((), move |(), message| {
        let next = match message {
            Ok(Message::Text(text)) => admit(&admitted, text.as_str()),
            Ok(Message::Binary(_)) => None,
            Ok(Message::Close(_)) | Err(_) => None,
            Ok(Message::Ping(_) | Message::Pong(_)) => Some(Vec::new()),
        };
        std::future::ready(next)
    });
    let input = input
        .filter(|bytes| std::future::ready(!bytes.is_empty()))
        .boxed();
    let server = async_graphql::http::WebSocket::new(
        graphql.schema.clone(),
        input,
        WebSocketProtocols::GraphQLWS,
    )
    .keepalive_timeout(INIT_TIMEOUT)
    .on_connection_init({
        let graphql = graphql.clone();
        let seat = Arc::clone(&seat);
        move |payload| async move {
            let caller = match init_token(&payload) {
                Some(token) => graphql.platform.caller(&token)?,
                None => early.ok_or_else(ApiError::unauthenticated)?,
            };
            *seat.lock() = Some(Seat::take(&graphql.sockets, caller.user)?);
            let mut data = Data::default();
            data.insert(caller);
            Ok(data)
        }
    });
    let mut server = std::pin::pin!(server);
    loop {
        // The library closes by `keepalive_timeout` where a client neither sends nor answers; we ping half as often.
        let message = tokio::select! {
            message = server.next() => message,
            () = tokio::time::sleep(INIT_TIMEOUT / 3) => {
                if seat.lock().is_some() && sink.send(Message::text("{\"type\":\"ping\"}")).await.is_err() {
                    break;
                }
                continue;
            }
        };
        let Some(message) = message else { break };
        let sent = match message {
            WsMessage::Text(text) => {
                finished(&open, &text);
                sink.send(Message::text(text)).await
            }
            WsMessage::Close(code, reason) => {
                let code = if reason == "Unauthorized" || code == 1002 {
                    4403
                } else {
                    code
                };
                let frame = CloseFrame {
                    code,
                    reason: reason.into(),
                };
                let _ = sink.send(Message::Close(Some(frame))).await;
                break;
            }
        };
        if sent.is_err() {
            break;
        }
    }
    let _ = sink.close().await;
}

/// One of a user's sockets; given back when dropped.
struct Seat {
    sockets: Arc<Mutex<HashMap<UserId, usize>>>,
    user: UserId,
}

impl Seat {
    fn take(sockets: &Arc<Mutex<HashMap<UserId, usize>>>, user: UserId) -> Result<Self, ApiError> {
        let mut open = sockets.lock();
        let count = open.entry(user).or_insert(0);
        if *count >= SOCKETS_PER_USER {
            let reason = format!("a user has at most {SOCKETS_PER_USER} sockets open");
            return Err(ApiError::new(ErrorCode::Overloaded, reason));
        }
        *count += 1;
        drop(open);
        Ok(Self {
            sockets: Arc::clone(sockets),
            user,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.sockets.lock();
        if let Some(count) = open.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user);
            }
        }
    }
}

#[derive(serde::Deserialize)]
struct Envelope<'text> {
    #[serde(rename = "type")]
    kind: std::borrow::Cow<'text, str>,
    #[serde(default)]
    id: Option<std::borrow::Cow<'text, str>>,
}

/// The bytes of a frame for the library; `None` ends the socket.
fn admit(open: &Mutex<hashbrown::HashSet<String>>, text: &str) -> Option<Vec<u8>> {
    let envelope: Envelope<'_> = serde_json::from_str(text).ok()?;
    match (envelope.kind.as_ref(), envelope.id) {
        ("subscribe", Some(id)) => {
            let mut open = open.lock();
            if open.len() >= SUBSCRIPTIONS_PER_SOCKET || !open.insert(id.into_owned()) {
                return None;
            }
        }
        ("complete", Some(id)) => {
            open.lock().remove(id.as_ref());
        }
        _ => {}
    }
    Some(text.as_bytes().to_vec())
}

/// Frees the place of an operation that the server has ended.
fn finished(open: &Mutex<hashbrown::HashSet<String>>, text: &str) {
    let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(text) else {
        return;
    };
    if matches!(envelope.kind.as_ref(), "complete" | "error")
        && let Some(id) = envelope.id
    {
        open.lock().remove(id.as_ref());
    }
}

fn init_token(payload: &serde_json::Value) -> Option<String> {
    let object = payload.as_object()?;
    let value = object
        .get("Authorization")
        .or_else(|| object.get("authorization"))
        .or_else(|| object.get("token"))?;
    let text = value.as_str()?;
    Some(
        text.strip_prefix("Bearer ")
            .unwrap_or(text)
            .trim()
            .to_owned(),
    )
}
