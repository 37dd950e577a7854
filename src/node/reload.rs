//! New certificates without a restart: when their files change, and at once on SIGHUP.

use std::sync::Arc;

use tellee_api::tls::TlsServer;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::Failure;

/// Hears SIGHUP, which from now on does not end the process.
pub fn listen() -> Result<Signal, Failure> {
    signal(SignalKind::hangup()).map_err(|error| Failure::other("SIGHUP cannot be heard", &error))
}

/// Follows the files of each port.
pub fn follow(
    ports: Vec<Arc<TlsServer>>,
    mut hangups: Signal,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    for port in &ports {
        tasks.spawn(Arc::clone(port).follow(stop.clone()));
    }
    let stop = stop.clone();
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                heard = hangups.recv() => if heard.is_none() { return },
            }
            if ports.is_empty() {
                tracing::info!("SIGHUP changes nothing: no port speaks TLS");
            }
            for port in &ports {
                port.look_again();
            }
        }
    });
}
