//! Puts the parts together and keeps them running.

mod bootstrapper;
mod health;
mod work;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::bootstrap::{BootstrapCache, BootstrapClient, BootstrapError, DeviceConfig};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{Config, ConfigError};
use crate::connection::ConnectionError;
use crate::spool::{FileDisk, Spool, SpoolError, SpoolService};
use crate::status::StatusBoard;

use bootstrapper::Bootstrapper;
use work::Work;

/// For pollers, and then for the uplink, to end once asked to. With the spool's time they make the five seconds that a
/// service manager is promised.
const STOP_TIMEOUT: Duration = Duration::from_millis(1500);
const SPOOL_STOP_TIMEOUT: Duration = Duration::from_millis(1900);

#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("data folder `{path}`: {source}")]
    DataFolder { path: PathBuf, source: io::Error },
    #[error("data folder `{0}` is in use by another agent")]
    Locked(PathBuf),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

impl AgentError {
    pub const fn is_retryable(&self) -> bool {
        false
    }

    /// 2 for bad usage or config, 3 for an unusable data folder, else 1.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Connection(_) => 2,
            Self::DataFolder { .. } | Self::Locked(_) | Self::Spool(_) => 3,
            Self::Bootstrap(_) => 1,
        }
    }
}

/// Runs the agent until `shutdown` turns true. The platform being away, the key being wrong or a controller being
/// silent end nothing: they are states, seen in the status.
///
/// # Errors
/// Only what makes a start impossible.
pub async fn run(config: Config, mut shutdown: watch::Receiver<bool>) -> Result<(), AgentError> {
    let credentials = config.credentials()?;
    let tls = config.client_tls()?;
    let _lock = lock_folder(&config)?;
    let clock: SharedClock = Arc::new(SystemClock);
    let status = StatusBoard::default();
    status.update(|board| {
        board
            .bootstrap
            .external_id
            .clone_from(&credentials.external_id)
    });

    let folder_error = |source| AgentError::DataFolder {
        path: config.data_dir.clone(),
        source,
    };
    let disk = FileDisk::open(config.data_dir.join("spool")).map_err(folder_error)?;
    let spool = Spool::open(disk, config.spool.limits(), clock.now_ns())?;
    let spool = SpoolService::start(spool, clock.clone(), status.clone())?;

    let (refresh, refresh_requests) = mpsc::channel(1);
    let (configs, mut new_configs) = watch::channel(None::<Arc<DeviceConfig>>);
    let bootstrapper = Bootstrapper {
        client: BootstrapClient::new(credentials.clone(), tls.clone())?,
        cache: BootstrapCache::in_folder(&config.data_dir, &credentials),
        local_connections: config.connections.clone(),
        refresh: config.bootstrap.refresh,
        configs,
        requests: refresh_requests,
        status: status.clone(),
    };
    let bootstrapping = tokio::spawn(bootstrapper.run());
    let reporting = tokio::spawn(health::report(config.status.clone(), status.clone()));
    let health = tokio::spawn(health::publish(
        spool.clone(),
        status.clone(),
        clock.clone(),
        config.status.every,
    ));

    let mut work: Option<Work> = None;
    loop {
        tokio::select! {
            biased;
            changed = shutdown.changed() => if changed.is_err() || *shutdown.borrow() { break },
            () = spool.closed() => return Err(SpoolError::Closed.into()),
            changed = new_configs.changed() => {
                if changed.is_err() {
                    break;
                }
                let device = new_configs.borrow_and_update().clone();
                if let Some(old) = work.take() {
                    old.stop(&spool).await;
                }
                if let Some(device) = device {
                    work = Some(Work::start(&config, tls.clone(), &credentials, &device, &spool, &clock, &status, refresh.clone())?);
                }
            }
        }
    }

    tracing::info!("stopping");
    bootstrapping.abort();
    health.abort();
    if let Some(work) = work {
        work.stop(&spool).await;
    }
    if timeout(SPOOL_STOP_TIMEOUT, spool.stop()).await.is_err() {
        tracing::error!("spool did not end in time");
    }
    health::report_once(&config.status, &status);
    reporting.abort();
    Ok(())
}

fn lock_folder(config: &Config) -> Result<File, AgentError> {
    let path = config.data_dir.clone();
    let fault = |source| AgentError::DataFolder {
        path: path.clone(),
        source,
    };
    fs::create_dir_all(&config.data_dir).map_err(fault)?;
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(config.data_dir.join("LOCK"))
        .map_err(fault)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(AgentError::Locked(path)),
        Err(TryLockError::Error(source)) => Err(fault(source)),
    }
}
