//! The follower: reads the event log from a checkpoint and keeps the projections' tables, exactly once.
//!
//! Tables and checkpoints are in one file and change in one transaction. An event that cannot be decoded or applied stops
//! nobody: it is kept in `projection_skipped`, counted and logged once.

mod apply;
mod decode;
mod follow;
mod projection;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tellee_actors::ids::Position;
use tellee_actors::store::database::Database;
use tellee_actors::store::{EventStore, StoreError};
use tellee_actors::time::SharedClock;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use self::apply::{ApplyError, Batch, OnFailure, apply};
pub use self::decode::{DecodedEvent, DomainEvent, decode};
use self::follow::Follower;
pub(crate) use self::projection::{PROJECTIONS, Projection, checkpoint, prepare, prepare_empty};
pub use self::projection::{ProjectionStatus, SkippedEvent};
use crate::access::Access;
use crate::alarms::Alarms;
use crate::audit::Audit;
use crate::registry::Registry;
use crate::unknown_devices::UnknownDevices;
use crate::watch::RuleBook;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    #[error("the projections have not reached position {wanted} in time; they are at {reached}")]
    TimedOut { wanted: Position, reached: Position },
    #[error("the projections have stopped at position {reached}")]
    Stopped { reached: Position },
}

impl WaitError {
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::TimedOut { .. })
    }
}

/// All read models of a node, kept up to date by one follower. Clones share them.
#[derive(Clone)]
pub struct Projections {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    registry: Registry,
    access: Arc<Access>,
    alarms: Alarms,
    audit: Audit,
    unknown_devices: UnknownDevices,
    rules: Arc<RuleBook>,
    reached: watch::Receiver<Position>,
    stop: watch::Sender<bool>,
    task: parking_lot::Mutex<Option<JoinHandle<()>>>,
}

impl Projections {
    /// Opens the tables, catches up with the log and goes on following it. Returns when everything that was in the log at
    /// the call is visible.
    ///
    /// # Errors
    /// What the event store or the database says; a full disk, for one. Later such errors are tried again until they pass.
    pub async fn start(
        store: Arc<dyn EventStore>,
        database: Database,
        clock: SharedClock,
    ) -> Result<Self, StoreError> {
        prepare(&database).await?;
        let unknown_devices = UnknownDevices::open(database.clone(), clock).await?;
        let access = Arc::new(Access::default());
        let rules = Arc::new(RuleBook::default());
        let alarms = Alarms::open(database.clone()).await?;
        let loaded = load_memory(&database, &access, &rules).await?;
        let (reached, receiver) = watch::channel(Position::START);
        let mut follower = Follower {
            store,
            database: database.clone(),
            access: Arc::clone(&access),
            rules: Arc::clone(&rules),
            alarms: alarms.clone(),
            in_memory: loaded,
            after: Position::START,
            reached,
        };
        follower.catch_up().await?;
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(follower.run(stopping));
        Ok(Self {
            inner: Arc::new(Inner {
                registry: Registry::new(database.clone()),
                access,
                alarms,
                audit: Audit::new(database.clone()),
                unknown_devices,
                rules,
                database,
                reached: receiver,
                stop,
                task: parking_lot::Mutex::new(Some(task)),
            }),
        })
    }

    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    pub fn access(&self) -> &Arc<Access> {
        &self.inner.access
    }

    pub fn alarms(&self) -> &Alarms {
        &self.inner.alarms
    }

    pub fn audit(&self) -> &Audit {
        &self.inner.audit
    }

    pub fn unknown_devices(&self) -> &UnknownDevices {
        &self.inner.unknown_devices
    }

    /// The alarm rules in memory.
    pub fn rules(&self) -> &Arc<RuleBook> {
        &self.inner.rules
    }

    /// The position up to which everything is visible in all projections.
    pub fn reached(&self) -> Position {
        *self.inner.reached.borrow()
    }

    /// Waits until all projections have seen `position`, no longer than `deadline`.
    ///
    /// # Errors
    /// [`WaitError`] says how far they are.
    pub async fn wait_for(&self, position: Position, deadline: Duration) -> Result<(), WaitError> {
        let mut reached = self.inner.reached.clone();
        let wait = reached.wait_for(|reached| *reached >= position);
        match tokio::time::timeout(deadline, wait).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(WaitError::Stopped {
                reached: self.reached(),
            }),
            Err(_) => Err(WaitError::TimedOut {
                wanted: position,
                reached: self.reached(),
            }),
        }
    }

    /// Where each projection is, and how many events it had to skip.
    ///
    /// # Errors
    /// What the database says.
    pub async fn positions(&self) -> Result<Vec<ProjectionStatus>, StoreError> {
        projection::status(&self.inner.database).await
    }

    /// Events that could not be decoded or applied, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn skipped(&self, limit: u32) -> Result<Vec<SkippedEvent>, StoreError> {
        projection::skipped(&self.inner.database, limit).await
    }

    /// Ends following. What was taken in is durable; the next start goes on from there.
    pub async fn stop(&self) {
        self.inner.stop.send_replace(true);
        let task = self.inner.task.lock().take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the follower of the event log ended badly");
        }
    }
}

/// Fills what is kept in memory from the registry's tables; gives the position that they stand at.
async fn load_memory(
    database: &Database,
    access: &Arc<Access>,
    rules: &Arc<RuleBook>,
) -> Result<Position, StoreError> {
    let (access, rules) = (Arc::clone(access), Arc::clone(rules));
    database
        .read(move |connection| {
            let position = projection::checkpoint(connection, crate::registry::PROJECTION.name)?;
            access.load(connection)?;
            rules.load(connection)?;
            Ok(position)
        })
        .await
}
