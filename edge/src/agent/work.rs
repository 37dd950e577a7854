//! What runs under one config: pollers, batcher and uplink.

use std::sync::Arc;

use rustls::ClientConfig;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{AgentError, STOP_TIMEOUT};
use crate::batcher::run_batcher;
use crate::bootstrap::DeviceConfig;
use crate::clock::SharedClock;
use crate::config::{Config, Credentials};
use crate::endpoint::Endpoint;
use crate::modbus::Poller;
use crate::sessions::Sessions;
use crate::spool::SpoolHandle;
use crate::status::StatusBoard;
use crate::uplink::{UplinkConfig, run_uplink};

const REPORTS: usize = 256;

pub(super) struct Work {
    stop_pollers: watch::Sender<bool>,
    stop_uplink: watch::Sender<bool>,
    /// Pollers, and the batcher, which ends after them.
    sources: Vec<JoinHandle<()>>,
    uplink: JoinHandle<()>,
}

impl Work {
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a part that the work is put together from"
    )]
    pub(super) fn start(
        config: &Config,
        tls: Option<Arc<ClientConfig>>,
        credentials: &Credentials,
        device: &DeviceConfig,
        spool: &SpoolHandle,
        clock: &SharedClock,
        status: &StatusBoard,
        refresh: mpsc::Sender<()>,
    ) -> Result<Self, AgentError> {
        status.update(|board| board.connections.clear());
        let stop_pollers = watch::Sender::new(false);
        let stop_uplink = watch::Sender::new(false);
        let sessions = Sessions::default();
        let (reports, gathered) = mpsc::channel(REPORTS);
        let mut sources = Vec::new();
        for connection in &device.connections {
            let poller = Poller::new(connection, clock.clone(), status.clone(), sessions.clone())?;
            sources.push(tokio::spawn(
                poller.run(reports.clone(), stop_pollers.subscribe()),
            ));
        }
        let batcher = run_batcher(gathered, spool.clone(), config.uplink.payload);
        sources.push(tokio::spawn(async move {
            if let Err(error) = batcher.await {
                tracing::error!(%error, "samples are no longer kept");
            }
        }));
        let uplink = UplinkConfig {
            mqtt: endpoint(config, credentials, device),
            tls,
            client_id: format!("tellee-edge-{}", device.thing),
            thing: device.thing.clone(),
            key: device.key.clone(),
            data_channel: device.data_channel.clone(),
            control_channel: device.control_channel.clone(),
            window: config.uplink.window,
            keep_alive: config.uplink.keep_alive,
            ack_timeout: config.uplink.ack_timeout,
            backfill_bytes_per_second: config.uplink.backfill_kib_per_s.saturating_mul(1024),
        };
        let uplink = tokio::spawn(run_uplink(
            uplink,
            spool.clone(),
            clock.clone(),
            status.clone(),
            refresh,
            sessions,
            stop_uplink.subscribe(),
        ));
        Ok(Self {
            stop_pollers,
            stop_uplink,
            sources,
            uplink,
        })
    }

    /// Sources first, so that what they read is in the spool before the uplink says goodbye.
    pub(super) async fn stop(self, spool: &SpoolHandle) {
        self.stop_pollers.send_replace(true);
        let sources_end = async {
            for source in self.sources {
                // A task that panicked has said so on stderr.
                let _ = source.await;
            }
            spool.flush().await
        };
        if timeout(STOP_TIMEOUT, sources_end).await.is_err() {
            tracing::warn!("pollers did not end in time");
        }
        self.stop_uplink.send_replace(true);
        let mut uplink = self.uplink;
        if timeout(STOP_TIMEOUT, &mut uplink).await.is_err() {
            tracing::warn!("uplink did not end in time");
            uplink.abort();
        }
    }
}

/// The agent's own setting, else the content's, else the server's host.
fn endpoint(config: &Config, credentials: &Credentials, device: &DeviceConfig) -> Endpoint {
    let told = config.uplink.mqtt.as_ref().or(device.mqtt.as_ref());
    told.cloned()
        .unwrap_or_else(|| Endpoint::beside(&credentials.server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_own_address_goes_before_the_contents_and_that_before_the_servers() {
        let mut device = DeviceConfig {
            thing: "t".into(),
            key: "k".into(),
            data_channel: "c".into(),
            control_channel: None,
            mqtt: None,
            connections: Vec::new(),
        };
        let credentials = Credentials {
            server: "https://plant:8443".into(),
            external_id: "x".into(),
            external_key: "y".into(),
        };
        let mut config = Config::default();
        let told = endpoint(&config, &credentials, &device).to_string();
        assert_eq!(told, "mqtts://plant:8883");
        device.mqtt = Some("broker:1884".parse().unwrap());
        let told = endpoint(&config, &credentials, &device).to_string();
        assert_eq!(told, "broker:1884");
        config.uplink.mqtt = Some("mqtts://own".parse().unwrap());
        let told = endpoint(&config, &credentials, &device).to_string();
        assert_eq!(told, "mqtts://own:8883");
    }
}
