//! Asks for the device's config until there is one, then for newer ones.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::bootstrap::{
    BootstrapAnswer, BootstrapCache, BootstrapClient, BootstrapError, DeviceConfig,
};
use crate::connection::Connection;
use crate::status::{BootstrapState, StatusBoard};

const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// A platform that refuses the key over and over is not asked more often than that.
const MIN_BETWEEN_REQUESTS: Duration = Duration::from_secs(5);

pub(super) struct Bootstrapper {
    pub(super) client: BootstrapClient,
    pub(super) cache: BootstrapCache,
    pub(super) local_connections: Option<Vec<Connection>>,
    pub(super) refresh: Duration,
    pub(super) configs: watch::Sender<Option<Arc<DeviceConfig>>>,
    /// Asks out of turn, because the key was refused.
    pub(super) requests: mpsc::Receiver<()>,
    pub(super) status: StatusBoard,
}

impl Bootstrapper {
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(RETRY_MIN, RETRY_MAX);
        let mut kept = self.cache.load();
        loop {
            match self.ask(kept.as_ref()).await {
                Ok(answer) => {
                    kept = Some(answer);
                    backoff.reset();
                    self.wait_for_next().await;
                }
                Err(error) => {
                    self.show(&error);
                    self.use_kept(kept.as_ref());
                    sleep(backoff.next_wait()).await;
                }
            }
        }
    }

    async fn ask(&self, kept: Option<&BootstrapAnswer>) -> Result<BootstrapAnswer, BootstrapError> {
        let answer = self.client.fetch().await?;
        let config = answer.to_config(self.local_connections.as_deref())?;
        if kept != Some(&answer)
            && let Err(error) = self.cache.store(&answer)
        {
            tracing::warn!(%error, "config not kept: a restart will need the platform");
        }
        self.apply(config, false);
        Ok(answer)
    }

    fn use_kept(&self, kept: Option<&BootstrapAnswer>) {
        if self.configs.borrow().is_some() {
            return;
        }
        if let Some(config) =
            kept.and_then(|answer| answer.to_config(self.local_connections.as_deref()).ok())
        {
            self.apply(config, true);
        }
    }

    fn apply(&self, config: DeviceConfig, from_disk: bool) {
        self.status.announce(|board| {
            let bootstrap = &mut board.bootstrap;
            bootstrap.thing = Some(config.thing.clone());
            bootstrap.channel = Some(config.data_channel.clone());
            bootstrap.from_disk = from_disk;
            if !from_disk {
                bootstrap.state = BootstrapState::Configured;
                bootstrap.error = None;
            }
        });
        self.configs.send_if_modified(|current| {
            if current.as_deref() == Some(&config) {
                return false;
            }
            tracing::info!(
                thing = config.thing,
                connections = config.connections.len(),
                from_disk,
                "config applied"
            );
            *current = Some(Arc::new(config));
            true
        });
    }

    fn show(&self, error: &BootstrapError) {
        let state = match error {
            BootstrapError::Unreachable(_) | BootstrapError::Status(_) => {
                BootstrapState::Unreachable
            }
            BootstrapError::UnknownDevice(_) => BootstrapState::UnknownDevice,
            BootstrapError::WrongKey(_) => BootstrapState::WrongKey,
            BootstrapError::Unreadable(_)
            | BootstrapError::NoChannel
            | BootstrapError::Content(_)
            | BootstrapError::Address(_) => BootstrapState::BadConfig,
        };
        let text = error.to_string();
        let before = self.status.read().bootstrap;
        if before.state == state && before.error.as_ref() == Some(&text) {
            return;
        }
        tracing::warn!(%error, "bootstrap");
        self.status.announce(|board| {
            board.bootstrap.state = state;
            board.bootstrap.error = Some(text);
        });
    }

    async fn wait_for_next(&mut self) {
        sleep(MIN_BETWEEN_REQUESTS).await;
        let turn = async {
            if self.refresh.is_zero() {
                std::future::pending::<()>().await;
            }
            sleep(self.refresh.saturating_sub(MIN_BETWEEN_REQUESTS)).await;
        };
        tokio::select! {
            () = turn => {}
            request = self.requests.recv() => if request.is_none() { std::future::pending::<()>().await },
        }
    }
}
