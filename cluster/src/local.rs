//! All entities in this process.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use ractor::{ActorRef, ActorRuntime};
use tellee_actors::command::{Accepted, AskError, Command, CommandContext};
use tellee_actors::entity::{
    Ask, Directory, EntityDeps, EntityHandle, EntityStatus, wait_for_answer,
};
use tellee_actors::ids::EntityId;
use tellee_actors::store::EventStore;
use tellee_actors::time::SharedClock;
use tokio::sync::{Semaphore, TryAcquireError};
use tokio::time::Instant;

use crate::config::{DirectoryError, DirectoryStatus, LocalDirectoryConfig, StopReport};
use crate::region::{Region, RegionMessage};
use crate::routing::{Routed, Shared};

/// Runs each entity on demand in this process, at most [`LocalDirectoryConfig::resident_limit`] at once.
///
/// A command waits in the mailbox of an entity that is just starting. Only idle entities are passivated, so nothing waits
/// behind one that stops: the next command starts it anew.
pub struct LocalDirectory {
    shared: Arc<Shared>,
    region: ActorRef<RegionMessage>,
}

impl LocalDirectory {
    /// A directory of all entities in `store`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`DirectoryError`] if its region cannot be started.
    pub fn new(
        store: Arc<dyn EventStore>,
        clock: SharedClock,
        config: LocalDirectoryConfig,
    ) -> Result<Self, DirectoryError> {
        let deps = EntityDeps {
            store,
            clock,
            config: config.entity.clone(),
        };
        let shared = Arc::new(Shared::new(deps, config));
        let (region, _started) = ActorRuntime::spawn_instant(None, Region, Arc::clone(&shared))?;
        Ok(Self { shared, region })
    }

    pub fn status(&self) -> DirectoryStatus {
        self.shared.status()
    }

    /// The resident entities, most recently used first, at most `limit`.
    pub fn residents(&self, limit: usize) -> Vec<EntityStatus> {
        self.shared
            .table
            .lock()
            .residents
            .newest_first()
            .take(limit)
            .map(EntityHandle::status)
            .collect()
    }

    /// How `entity` is doing, if it is resident.
    pub fn entity_status(&self, entity: EntityId) -> Option<EntityStatus> {
        self.shared
            .table
            .lock()
            .residents
            .get(entity)
            .map(EntityHandle::status)
    }

    #[cfg(test)]
    pub(crate) fn cell(&self, entity: EntityId) -> Option<ractor::ActorCell> {
        self.shared
            .table
            .lock()
            .residents
            .get(entity)
            .map(EntityHandle::cell)
    }

    /// Takes no more commands, lets those that were taken finish for as long as `deadline`, and ends all entities. Later asks
    /// get [`AskError::Stopping`].
    pub async fn stop(&self, deadline: Duration) -> StopReport {
        let shared = &self.shared;
        let deadline = Instant::now() + deadline;
        shared.stopping.store(true, Ordering::SeqCst);
        // All places in hand: no command is on its way any more.
        let answered = all_of(&shared.in_flight, shared.config.in_flight_limit, deadline).await;
        let unanswered = if answered { 0 } else { shared.unanswered() };
        for handle in shared.close() {
            handle.stop();
        }
        let ended = all_of(&shared.slots, shared.slot_count, deadline).await;
        let killed = if ended { 0 } else { shared.live() };
        if !ended {
            tracing::warn!(killed, unanswered, "entities did not end in time");
        }
        // With the region its children end, too.
        self.region.stop(None);
        StopReport { unanswered, killed }
    }
}

/// Waits until all `count` permits are free, but no longer than `deadline`.
async fn all_of(semaphore: &Semaphore, count: usize, deadline: Instant) -> bool {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    matches!(
        tokio::time::timeout_at(deadline, semaphore.acquire_many(count)).await,
        Ok(Ok(_))
    )
}

impl Drop for LocalDirectory {
    fn drop(&mut self) {
        self.region.stop(None);
    }
}

#[async_trait]
impl Directory for LocalDirectory {
    async fn ask(
        &self,
        entity: EntityId,
        command: Command,
        context: CommandContext,
    ) -> Result<Accepted, AskError> {
        let shared = &self.shared;
        if shared.stopping.load(Ordering::SeqCst) {
            return Err(AskError::Stopping);
        }
        let place = match Arc::clone(&shared.in_flight).try_acquire_owned() {
            Ok(place) => place,
            Err(TryAcquireError::NoPermits) => return Err(shared.overloaded()),
            Err(TryAcquireError::Closed) => return Err(AskError::Stopping),
        };
        let (mut ask, answer) = Ask::new(command, context, &shared.config.entity);
        ask.hold(place);
        let deadline = ask.deadline();
        self.pass_on(entity, Box::new(ask)).await?;
        wait_for_answer(answer, deadline).await
    }
}

impl LocalDirectory {
    async fn pass_on(&self, entity: EntityId, mut ask: Box<Ask>) -> Result<(), AskError> {
        let shared = &self.shared;
        let deadline = ask.deadline();
        let mut slot = None;
        loop {
            match shared.route(entity, ask, slot.take(), self.region.get_cell())? {
                Routed::Sent => return Ok(()),
                Routed::WaitForSlot(back) => ask = back,
            }
            let free =
                tokio::time::timeout_at(deadline, Arc::clone(&shared.slots).acquire_owned()).await;
            match free {
                Ok(Ok(free)) => slot = Some(free),
                Ok(Err(_)) => return Err(AskError::Stopping),
                // Nothing was begun.
                Err(_) => return Err(shared.overloaded()),
            }
        }
    }
}
