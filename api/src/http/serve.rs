//! Accepting, serving, stopping.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::HttpLimits;
use super::silent::Silent;
use super::socket::Socket;

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
}

/// Serves until `stop`, then lets requests that were taken finish, for at most 5 s.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
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
            routes: routes.clone(),
            stop: stop.clone(),
            silent: silent.clone(),
        };
        let end = end.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = connection.serve(socket) => {}
            }
        });
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

struct Connection {
    peer: SocketAddr,
    routes: Router,
    stop: CancellationToken,
    silent: Silent,
}

impl Connection {
    async fn serve(self, socket: Socket) {
        let Self {
            peer,
            routes,
            stop,
            silent,
        } = self;
        no_delay(&socket.stream, peer);
        let place = Arc::new(silent.enter());
        let evicted = place.evicted();
        let port = Port { stop: stop.clone() };
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            place.heard();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(port.clone());
            let routes = routes.clone();
            async move { Ok::<_, Infallible>(answer(routes, request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades();
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = evicted.cancelled() => return,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
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

async fn answer(mut routes: Router, request: Request<Body>) -> Response {
    use tower_service::Service as _;
    match routes.as_service::<Body>().call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
