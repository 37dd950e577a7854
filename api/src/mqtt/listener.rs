//! The TCP listeners, plain and TLS.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::broker::Broker;
use super::gate::Place;
use super::serve::{serve_seated, serve_stream};
use crate::tls::TlsServer;

/// How long to wait after the system refused a socket (too many open files) before asking again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts clients until the broker is stopped, then waits until the last connection has ended. The accept loop never
/// waits for a client. Upkeep of sessions runs beside it.
pub async fn serve(broker: Arc<Broker>, listener: TcpListener) {
    accept(broker, listener, |broker, stream, place| async move {
        serve_stream(broker, stream).await;
        drop(place);
    })
    .await;
}

/// As [`serve`], over TLS. Each handshake is a matter of its own connection.
pub async fn serve_tls(broker: Arc<Broker>, listener: TcpListener, tls: Arc<TlsServer>) {
    accept(broker, listener, move |broker, stream, place| {
        let tls = Arc::clone(&tls);
        async move {
            serve_tls_stream(broker, stream, &tls).await;
            drop(place);
        }
    })
    .await;
}

async fn accept<F, C>(broker: Arc<Broker>, listener: TcpListener, serve_one: F)
where
    F: Fn(Arc<Broker>, TcpStream, Place) -> C,
    C: Future<Output = ()> + Send + 'static,
{
    let connections = TaskTracker::new();
    connections.spawn(Arc::clone(&broker).upkeep());
    loop {
        let accepted = tokio::select! {
            () = broker.shutdown().cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        broker.metrics().connections_accepted.one_more();
        let Some(place) = broker.gate().enter(address.ip()) else {
            broker.metrics().connections_refused.one_more();
            continue;
        };
        // Acknowledgements are small and awaited.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a socket keeps its delay");
        }
        connections.spawn(serve_one(Arc::clone(&broker), stream, place));
    }
    connections.close();
    connections.wait().await;
}

async fn serve_tls_stream(broker: Arc<Broker>, stream: TcpStream, tls: &TlsServer) {
    let seat = broker.seats().take();
    let stream = match seat.within(tls.accept(stream)).await {
        Some(Ok(stream)) => stream,
        Some(Err(error)) => {
            broker.metrics().tls_handshakes_failed.one_more();
            tracing::debug!(%error, "a TLS handshake failed");
            return;
        }
        None => {
            broker.metrics().handshakes_given_up.one_more();
            return;
        }
    };
    let certified = TlsServer::certified_thing(&stream);
    serve_seated(broker, stream, seat, certified).await;
}
