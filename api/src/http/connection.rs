//! One connection: which way it is served, and its requests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request};
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::doors::{Doors, Outcome, Shortcut, close_if_refused, kept};
use super::ring::{Arrival, Rings, is_for_rings};
use super::silent::{Place, Silent};
use super::socket::Socket;
use crate::rest::read_declared;
use crate::tls::{CertifiedThing, TlsServer};

/// How long a connection may take to send the head of a request, the first one and each further one.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How much of the first request is looked at to see which way its connection is served.
const GLANCE_BYTES: usize = 2_048;

/// What handlers may know of the port that a request came by; among the request's extensions.
#[derive(Debug, Clone)]
pub struct Port {
    /// Cancelled when the port stops. Who keeps a WebSocket closes it then.
    pub stop: CancellationToken,
    /// The client speaks TLS with this server itself.
    pub over_tls: bool,
}

enum Way {
    Short(Shortcut),
    Routes(Router, Port),
}

/// A connection that was accepted.
pub struct Connection {
    pub peer: SocketAddr,
    pub doors: Doors,
    pub stop: CancellationToken,
    /// Cancelled when those that are still there after a stop are cut.
    pub end: CancellationToken,
    pub silent: Silent,
}

impl Connection {
    pub async fn serve_tls(self, socket: Socket, tls: Arc<TlsServer>) {
        no_delay(&socket.stream, self.peer);
        let place = self.silent.enter(&self.stop);
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

    /// On one of `rings`, if the first request is one that they take.
    pub async fn serve_plain(self, socket: Socket, rings: Option<Arc<Rings>>) {
        no_delay(&socket.stream, self.peer);
        let place = self.silent.enter(&self.stop);
        let Some(rings) = rings else {
            return self.serve_http(socket, false, None, place).await;
        };
        match Box::pin(self.begins_for_rings(&socket, &place)).await {
            Some(true) => {}
            Some(false) => return self.serve_http(socket, false, None, place).await,
            None => return,
        }
        place.heard();
        let arrival = match Arrival::new(self, socket, place) {
            Ok(arrival) => arrival,
            Err(error) => return tracing::debug!(%error, "a connection ended early"),
        };
        if let Some(arrival) = rings.give(arrival) {
            arrival.serve_here().await;
        }
    }

    /// Looks at the first request and leaves it where it is. `None`: there is none, and the connection has to go.
    async fn begins_for_rings(&self, socket: &Socket, place: &Place) -> Option<bool> {
        let mut glance = [0; GLANCE_BYTES];
        let leave = place.leave();
        let seen = tokio::select! {
            seen = tokio::time::timeout(HEAD_TIMEOUT, socket.stream.peek(&mut glance)) => seen,
            () = leave.cancelled() => return None,
        };
        let bytes = seen.ok()?.ok().filter(|bytes| *bytes > 0)?;
        Some(is_for_rings(&glance[..bytes], &self.doors))
    }

    pub async fn serve_http<S>(
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
            let has_body = !request.body().is_end_stream();
            let way = match doors.shortcut(&request) {
                Some(shortcut) => Way::Short(shortcut),
                // A clone of the port takes a lock that all connections share.
                None => Way::Routes(doors.routes.clone(), port.clone()),
            };
            async move {
                let mut response = match way {
                    Way::Short(shortcut) => {
                        let (parts, body) = request.into_parts();
                        let head = Request::from_parts(parts, ());
                        match shortcut.take(&head, read_declared(body)).await {
                            Outcome::Kept(status) => kept(status),
                            Outcome::Refused(response) => response,
                        }
                    }
                    // Boxed: a connection need not keep room for it.
                    Way::Routes(routes, port) => {
                        let who = (ConnectInfo(peer), port, certified);
                        Box::pin(answer(routes, who, request)).await
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
