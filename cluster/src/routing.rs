//! Which actor a command goes to, and when one is started or passivated to that end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;
use ractor::{ActorCell, ActorId};
use tellee_actors::command::AskError;
use tellee_actors::entity::{Ask, EntityDeps, EntityHandle, Refused, spawn_any};
use tellee_actors::ids::EntityId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::config::{DirectoryStatus, LocalDirectoryConfig};
use crate::residents::Residents;

/// Residents that are looked at to find one that may go.
const EVICTION_SCAN: usize = 64;

/// Permits that a tokio semaphore can hand out in one piece.
const PERMIT_LIMIT: usize = u32::MAX as usize >> 3;

pub(crate) struct Shared {
    deps: EntityDeps,
    pub(crate) config: LocalDirectoryConfig,
    /// Lookup, sending and passivation happen under this lock, so that no command goes to an entity that was told to stop.
    pub(crate) table: Mutex<Table>,
    pub(crate) in_flight: Arc<Semaphore>,
    /// One for each actor, until it has ended: more than the residents by those that are ending.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) slot_count: usize,
    pub(crate) stopping: AtomicBool,
    started: AtomicU64,
    passivated: AtomicU64,
    failed: AtomicU64,
    overloaded: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) residents: Residents<EntityHandle>,
    by_actor: HashMap<ActorId, EntityId>,
    /// Nothing is started any more.
    closed: bool,
}

/// What became of a command that was to be passed on.
pub(crate) enum Routed {
    Sent,
    /// No slot is free at the moment; the command comes back.
    WaitForSlot(Box<Ask>),
}

impl Shared {
    pub(crate) fn new(deps: EntityDeps, config: LocalDirectoryConfig) -> Self {
        let ending = (config.resident_limit / 8).max(64);
        let slot_count = config
            .resident_limit
            .max(1)
            .saturating_add(ending)
            .min(PERMIT_LIMIT);
        let in_flight_limit = config.in_flight_limit.clamp(1, PERMIT_LIMIT);
        Self {
            deps,
            table: Mutex::default(),
            in_flight: Arc::new(Semaphore::new(in_flight_limit)),
            slots: Arc::new(Semaphore::new(slot_count)),
            slot_count,
            stopping: AtomicBool::new(false),
            started: AtomicU64::new(0),
            passivated: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            overloaded: AtomicU64::new(0),
            config: LocalDirectoryConfig {
                in_flight_limit,
                ..config
            },
        }
    }

    /// Sends `ask` to the actor of `entity`, and starts the actor if there is none.
    pub(crate) fn route(
        &self,
        entity: EntityId,
        mut ask: Box<Ask>,
        slot: Option<OwnedSemaphorePermit>,
        region: ActorCell,
    ) -> Result<Routed, AskError> {
        let mut table = self.table.lock();
        if table.closed {
            return Err(AskError::Stopping);
        }
        if let Some(handle) = table.residents.touch(entity, Instant::now()) {
            match handle.send(ask) {
                Ok(()) => return Ok(Routed::Sent),
                Err(Refused::Full(_)) => return Err(self.overloaded()),
                Err(Refused::Lost) => return Err(AskError::TimedOut),
                Err(Refused::Gone(back)) => ask = back,
            }
            table.remove(entity);
        }
        if table.residents.len() >= self.config.resident_limit.max(1) {
            let oldest = table
                .residents
                .take_oldest(EVICTION_SCAN, EntityHandle::is_idle);
            let oldest = oldest.ok_or_else(|| self.overloaded())?;
            self.passivate(&mut table, &oldest);
        }
        let Some(slot) = slot.or_else(|| Arc::clone(&self.slots).try_acquire_owned().ok()) else {
            return Ok(Routed::WaitForSlot(ask));
        };
        let handle =
            spawn_any(entity, self.deps.clone(), Some(slot), Some(region)).map_err(|error| {
                AskError::Failed {
                    entity,
                    reason: error.to_string(),
                }
            })?;
        self.started.fetch_add(1, Ordering::Relaxed);
        // A new mailbox has room; should it be gone already, the caller may come again.
        let sent = handle.send(ask);
        table.by_actor.insert(handle.cell().get_id(), entity);
        table.residents.insert(entity, handle, Instant::now());
        sent.map(|()| Routed::Sent).map_err(|_| AskError::TimedOut)
    }

    /// Passivates at most `limit` entities that got no command for the idle timeout.
    pub(crate) fn passivate_unused(&self, limit: usize) {
        let Some(since) = Instant::now().checked_sub(self.config.idle_timeout) else {
            return;
        };
        let mut table = self.table.lock();
        for handle in table
            .residents
            .take_unused(since, limit, EntityHandle::is_idle)
        {
            self.passivate(&mut table, &handle);
        }
    }

    fn passivate(&self, table: &mut Table, handle: &EntityHandle) {
        table.by_actor.remove(&handle.cell().get_id());
        handle.stop();
        self.passivated.fetch_add(1, Ordering::Relaxed);
    }

    /// An actor has ended by itself or by force.
    pub(crate) fn forget(&self, actor: ActorId) {
        let mut table = self.table.lock();
        if let Some(entity) = table.by_actor.remove(&actor) {
            table.residents.remove(entity);
        }
    }

    /// Takes all entities out and lets none in any more.
    pub(crate) fn close(&self) -> Vec<EntityHandle> {
        let mut table = self.table.lock();
        table.closed = true;
        table.by_actor.clear();
        table.residents.take_all()
    }

    pub(crate) fn overloaded(&self) -> AskError {
        self.overloaded.fetch_add(1, Ordering::Relaxed);
        AskError::Overloaded {
            retry_after: self.config.entity.retry_after,
        }
    }

    pub(crate) fn count_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Actors that have not ended.
    pub(crate) fn live(&self) -> usize {
        self.slot_count
            .saturating_sub(self.slots.available_permits())
    }

    /// Commands that were taken and are not answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.config
            .in_flight_limit
            .saturating_sub(self.in_flight.available_permits())
    }

    pub(crate) fn status(&self) -> DirectoryStatus {
        DirectoryStatus {
            resident: self.table.lock().residents.len(),
            live: self.live(),
            in_flight: self.unanswered(),
            stopping: self.stopping.load(Ordering::Relaxed),
            started: self.started.load(Ordering::Relaxed),
            passivated: self.passivated.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            overloaded: self.overloaded.load(Ordering::Relaxed),
        }
    }
}

impl Table {
    fn remove(&mut self, entity: EntityId) {
        if let Some(handle) = self.residents.remove(entity) {
            self.by_actor.remove(&handle.cell().get_id());
        }
    }
}
