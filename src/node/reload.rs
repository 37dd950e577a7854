//! New certificates without a restart: when their files change, and at once on SIGHUP.

use std::sync::Arc;

use tellee_api::tls::TlsServer;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::Failure;

/// Follows the files of each port. Without one SIGHUP keeps its usual effect.
pub fn follow(
    ports: Vec<Arc<TlsServer>>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    if ports.is_empty() {
        return Ok(());
    }
    let mut hangup = signal(SignalKind::hangup())
        .map_err(|error| Failure::other("SIGHUP cannot be heard", &error))?;
    for port in &ports {
        tasks.spawn(Arc::clone(port).follow(stop.clone()));
    }
    let stop = stop.clone();
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                heard = hangup.recv() => if heard.is_none() { return },
            }
            for port in &ports {
                port.look_again();
            }
        }
    });
    Ok(())
}
