//! Accepting, serving, stopping.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::HttpLimits;
use super::silent::{Place, Silent};
use super::socket::Socket;
use crate::rest::{LineDoor, MessageDoor};
use crate::tls::{CertifiedThing, TlsServer};

/// How long a connection may take to send the head of a request, the first one and each further one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a stop waits for requests and WebSockets to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait after the system refused a socket (too many open files) before asking again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What handlers may know of the port that a request came by; among the request's extensions.
#[derive(Debug, Clone)]
pub struct Port {
    /// Cancelled when the port stops. Who keeps a WebSocket closes it then.
    pub stop: CancellationToken,
    /// The client speaks TLS with this server itself.
    pub over_tls: bool,
}

/// Where requests go: to the routes, and those that may take it by a shorter way.
#[derive(Clone)]
pub struct Doors {
    pub routes: Router,
    pub messages: Option<Arc<MessageDoor>>,
    pub lines: Option<Arc<LineDoor>>,
}

impl From<Router> for Doors {
    fn from(routes: Router) -> Self {
        Self {
            routes,
            messages: None,
            lines: None,
        }
    }
}

/// Serves until `stop`, then lets requests that were taken finish, for at most 5 s. With `tls`, over TLS; the
/// handshake is a matter of its own connection.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<TlsServer>>,
    doors: Doors,
    limits: HttpLimits,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let silent = Silent::default();
    let open = TaskTracker::new();
    let end = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = take_place(&places, &silent) => place,
        };
        let Some(place) = place else { break };
        let socket = Socket {
            stream,
            _place: place,
            _open: open.token(),
        };
        let connection = Connection {
            peer,
            doors: doors.clone(),
            stop: stop.clone(),
            end: end.clone(),
            silent: silent.clone(),
        };
        let tls = tls.clone();
        tokio::spawn(connection.serve(socket, tls));
    }
    open.close();
    if tokio::time::timeout(STOP_TIMEOUT, open.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            connections = open.len(),
            "HTTP connections were still open at the end and are cut"
        );
    }
    end.cancel();
}

/// A place on the port. If there is none, the connection that is silent the longest makes room.
async fn take_place(places: &Arc<Semaphore>, silent: &Silent) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return Some(place);
    }
    silent.evict_oldest();
    Arc::clone(places).acquire_owned().await.ok()
}

enum Way {
    Messages(Arc<MessageDoor>),
    Lines(Arc<LineDoor>),
    Routes(Router, Port),
}

impl Doors {
    fn way(&self, request: &Request<Incoming>, port: &Port) -> Way {
        if let Some(door) = self.messages.as_ref().filter(|door| door.takes(request)) {
            return Way::Messages(Arc::clone(door));
        }
        if let Some(door) = self.lines.as_ref().filter(|door| door.takes(request)) {
            return Way::Lines(Arc::clone(door));
        }
        // A clone of the port takes a lock that all connections share.
        Way::Routes(self.routes.clone(), port.clone())
    }
}

/// What is refused for its head is answered before its body is read. Where that is still on its way the connection cannot
/// go on, and its client must know (RFC 9112, section 9.6): told beforehand, it sends the next request on another one.
fn close_if_refused(response: &mut Response) {
    let for_its_head = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if for_its_head.contains(&response.status()) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
}

struct Connection {
    peer: SocketAddr,
    doors: Doors,
    stop: CancellationToken,
    /// Cancelled when those that are still there after a stop are cut.
    end: CancellationToken,
    silent: Silent,
}

impl Connection {
    async fn serve(self, socket: Socket, tls: Option<Arc<TlsServer>>) {
        no_delay(&socket.stream, self.peer);
        let place = self.silent.enter(&self.stop);
        let Some(tls) = tls else {
            return self.serve_http(socket, false, None, place).await;
        };
        let leave = place.leave();
        let handshake = tokio::select! {
            handshake = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(socket)) => handshake,
            () = leave.cancelled() => return,
        };
        match handshake {
            Ok(Ok(stream)) => {
                let certified = TlsServer::certified_thing(&stream);
                Box::pin(self.serve_http(stream, true, certified, place)).await;
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, peer = %self.peer, "a TLS handshake failed");
            }
            Err(_) => tracing::debug!(peer = %self.peer, "a TLS handshake took too long"),
        }
    }

    async fn serve_http<S>(
        self,
        stream: S,
        over_tls: bool,
        certified: Option<CertifiedThing>,
        place: Place,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            peer,
            doors,
            stop,
            end,
            ..
        } = self;
        let leave = place.leave();
        let port = Port {
            stop: stop.clone(),
            over_tls,
        };
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            place.heard();
            let way = doors.way(&request, &port);
            let has_body = !request.body().is_end_stream();
            async move {
                let mut response = match way {
                    Way::Messages(door) => door.answer(request).await,
                    Way::Lines(door) => door.answer(request).await,
                    // Boxed: a connection need not keep room for it.
                    Way::Routes(routes, port) => {
                        Box::pin(answer(
                            routes,
                            (ConnectInfo(peer), port, certified),
                            request,
                        ))
                        .await
                    }
                };
                if has_body {
                    close_if_refused(&mut response);
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tokio::pin!(connection);
        // Waits for one token of its own while it serves: those that connections share have a lock.
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = leave.cancelled() => {
                if !stop.is_cancelled() {
                    return;
                }
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = end.cancelled() => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "an HTTP connection ended early");
        }
    }
}

fn no_delay(stream: &TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "a socket keeps its delay");
    }
}

async fn answer(
    mut routes: Router,
    (peer, port, certified): (ConnectInfo<SocketAddr>, Port, Option<CertifiedThing>),
    request: Request<Incoming>,
) -> Response {
    use tower_service::Service as _;
    let mut request = request.map(Body::new);
    if port.over_tls {
        // As a proxy in front would say it: cookies are for TLS only then.
        let https = HeaderValue::from_static("https");
        request.headers_mut().insert("x-forwarded-proto", https);
    }
    let extensions = request.extensions_mut();
    extensions.insert(peer);
    extensions.insert(port);
    if let Some(certified) = certified {
        extensions.insert(certified);
    }
    match routes.as_service::<Body>().call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
