//! `/graphql`: `POST`, and a WebSocket with sub-protocol `graphql-transport-ws`.

use std::convert::Infallible;
use std::sync::Arc;

use async_graphql::Response;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::routing::get;
use futures_util::stream;

use super::answer_body::{is_refused, pieces};
use super::execute::{Executor, refused};
use super::schema::schema;
use super::socket::{Seats, SocketLimits, serve};
use crate::error::{ApiError, ErrorCode};
use crate::http::Port;
use crate::platform::Platform;
use crate::rest::{Credential, credential, error_response, media_type, read_body, signed_in};

const BODY_LIMIT: usize = 64 * 1024;
const FRAME_LIMIT: usize = 64 * 1024;
const PROTOCOL: &str = "graphql-transport-ws";

/// What the endpoint has at hand.
#[derive(Clone)]
struct Endpoint {
    executor: Executor,
    seats: Seats,
    limits: SocketLimits,
    origins: Arc<Vec<String>>,
}

/// `allowed_origins`: whose pages, besides our own, may open a socket.
pub fn router(platform: Arc<Platform>, allowed_origins: Vec<String>) -> axum::Router {
    router_with(platform, allowed_origins, SocketLimits::default())
}

/// As [`router`], with other bounds for sockets.
pub fn router_with(
    platform: Arc<Platform>,
    allowed_origins: Vec<String>,
    limits: SocketLimits,
) -> axum::Router {
    let endpoint = Endpoint {
        executor: Executor::new(schema(Arc::clone(&platform)), platform),
        seats: Seats::default(),
        limits,
        origins: Arc::new(allowed_origins),
    };
    axum::Router::new()
        .route("/graphql", get(open_socket).post(execute))
        .with_state(endpoint)
}

async fn execute(State(endpoint): State<Endpoint>, request: Request) -> HttpResponse {
    let form = Form::wanted(request.headers());
    match run(&endpoint.executor, request).await {
        // As GraphQL over HTTP has it: of the older form 200 says nothing but that the body is an answer.
        Ok(response) if is_refused(&response) && form == Form::GraphQl => {
            answered(StatusCode::BAD_REQUEST, form, &response)
        }
        Ok(response) => answered(StatusCode::OK, form, &response),
        Err(error) => {
            let status = StatusCode::from_u16(error.code.status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            answered(status, form, &refused(&error))
        }
    }
}

/// The two forms of an answer that GraphQL over HTTP knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    GraphQl,
}

impl Form {
    /// The newer one for those who say that they take it.
    fn wanted(headers: &HeaderMap) -> Self {
        let takes_it = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.contains("application/graphql-response+json"));
        if takes_it { Self::GraphQl } else { Self::Json }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::GraphQl => "application/graphql-response+json",
        }
    }
}

fn answered(status: StatusCode, form: Form, response: &Response) -> HttpResponse {
    let content_type = [(header::CONTENT_TYPE, form.media_type())];
    match pieces(response) {
        Ok(pieces) if pieces.len() == 1 => {
            let body = Body::from(pieces.into_iter().next().unwrap_or_default());
            (status, content_type, body).into_response()
        }
        Ok(pieces) => {
            let length: usize = pieces.iter().map(Bytes::len).sum();
            let content_length = [(header::CONTENT_LENGTH, length)];
            let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)));
            (status, content_type, content_length, body).into_response()
        }
        Err(error) => error_response(&ApiError::internal(&error)),
    }
}

async fn run(executor: &Executor, request: Request) -> Result<Response, ApiError> {
    let caller = signed_in(
        executor.platform(),
        request.headers(),
        request.uri(),
        request.method(),
    )?;
    if media_type(request.headers()).as_deref() != Some("application/json") {
        let reason = "the content type must be `application/json`";
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType, reason));
    }
    let body = limited_body(request).await?;
    let query = serde_json::from_slice(&body).map_err(|error| ApiError::invalid("body", error))?;
    Ok(executor.answer(caller, query).await)
}

async fn limited_body(request: Request) -> Result<Bytes, ApiError> {
    let too_large = || {
        ApiError::new(
            ErrorCode::BodyTooLarge,
            "a GraphQL request has at most 64 KiB",
        )
    };
    let declared = crate::http::declared_length(request.headers());
    if declared.is_some_and(|length| length > BODY_LIMIT as u64) {
        return Err(too_large());
    }
    let body = read_body(request).await?;
    if body.len() > BODY_LIMIT {
        Err(too_large())
    } else {
        Ok(body)
    }
}

async fn open_socket(
    State(endpoint): State<Endpoint>,
    port: Option<Extension<Port>>,
    headers: HeaderMap,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> HttpResponse {
    let Ok(upgrade) = upgrade else {
        let reason = "`GET /graphql` opens a WebSocket; queries come by `POST`";
        return error_response(&ApiError::new(ErrorCode::InvalidInput, reason));
    };
    if !own_page(&headers, &endpoint.origins) {
        return error_response(&ApiError::new(
            ErrorCode::Forbidden,
            "this origin may not open a socket here",
        ));
    }
    // By header, query or cookie now, or by `connection_init` later.
    let early = match credential(&headers, &uri) {
        Ok(Credential::User(token)) => endpoint.executor.platform().caller(&token).ok(),
        Ok(Credential::Thing(_)) | Err(_) => None,
    };
    let stop = port.map(|Extension(port)| port.stop).unwrap_or_default();
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(FRAME_LIMIT)
        .max_frame_size(FRAME_LIMIT)
        .on_upgrade(move |socket| {
            serve(
                endpoint.executor,
                socket,
                early,
                endpoint.seats,
                endpoint.limits,
                stop,
            )
        })
}

/// Browsers say whose page opens the socket. Others say nothing and carry no cookie of ours.
fn own_page(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_and_those_allowed_open_a_socket() {
        let headers = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "plant.example:8080".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            headers
        };
        let allowed = ["https://desk.example".to_owned()];
        assert!(own_page(&headers(None), &allowed));
        assert!(own_page(
            &headers(Some("http://plant.example:8080")),
            &allowed
        ));
        assert!(own_page(&headers(Some("https://desk.example")), &allowed));
        for foreign in [
            "http://evil.example",
            "null",
            "http://plant.example",
            "http://plant.example:8080.evil",
        ] {
            assert!(!own_page(&headers(Some(foreign)), &allowed), "{foreign}");
        }
    }
}
