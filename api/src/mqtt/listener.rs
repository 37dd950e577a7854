//! The TCP listener.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::broker::Broker;
use super::serve::serve_stream;

/// How long to wait after the system refused a socket (too many open files) before asking again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Open sockets by address.
#[derive(Default)]
struct Addresses {
    open: Mutex<HashMap<IpAddr, usize>>,
}

impl Addresses {
    fn enter(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Place> {
        let mut open = self.open.lock();
        let count = open.entry(address).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place {
            addresses: Arc::clone(self),
            address,
        })
    }
}

struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock();
        let Some(count) = open.get_mut(&self.address) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            open.remove(&self.address);
        }
    }
}

/// Accepts clients until the broker is stopped, then waits until the last connection has ended. The accept loop never
/// waits for a client. Upkeep of sessions runs beside it.
pub async fn serve(broker: Arc<Broker>, listener: TcpListener) {
    let connections = TaskTracker::new();
    connections.spawn(Arc::clone(&broker).upkeep());
    let addresses = Arc::new(Addresses::default());
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
        let has_room = connections.len() < broker.config().max_connections;
        let most = broker.config().max_connections_per_address;
        let Some(place) = addresses.enter(address.ip(), most).filter(|_| has_room) else {
            broker.metrics().connections_refused.one_more();
            continue;
        };
        connections.spawn(serve_socket(Arc::clone(&broker), stream, place));
    }
    connections.close();
    connections.wait().await;
}

async fn serve_socket(broker: Arc<Broker>, stream: TcpStream, _place: Place) {
    // Acknowledgements are small and awaited.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a socket keeps its delay");
    }
    serve_stream(broker, stream).await;
}
