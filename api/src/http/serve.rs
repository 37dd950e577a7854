//! Accepting, serving, stopping.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::HttpLimits;
use super::connection::Connection;
use super::doors::Doors;
use super::ring::Rings;
use super::silent::Silent;
use super::socket::{Guards, Socket};
use crate::tls::TlsServer;

/// How long a stop waits for requests and WebSockets to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait after the system refused a socket (too many open files) before asking again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, then lets requests that were taken finish, for at most 5 s. With `tls`, over TLS; the
/// handshake is a matter of its own connection. With `rings`, connections on which devices publish are served there.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<TlsServer>>,
    doors: Doors,
    limits: HttpLimits,
    rings: Option<Arc<Rings>>,
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
        let socket = Socket::new(
            stream,
            Guards {
                _place: place,
                _open: open.token(),
            },
        );
        let connection = Connection {
            peer,
            doors: doors.clone(),
            stop: stop.clone(),
            end: end.clone(),
            silent: silent.clone(),
        };
        match tls.clone() {
            Some(tls) => tokio::spawn(connection.serve_tls(socket, tls)),
            None => tokio::spawn(connection.serve_plain(socket, rings.clone())),
        };
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
