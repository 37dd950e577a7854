//! How an entity is asked, from outside its actor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ractor::{ActorCell, ActorRef};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};
use tokio::time::Instant;

use crate::command::{Accepted, AskError, Command, CommandContext};
use crate::ids::{EntityId, Revision};
use crate::store::EventStore;
use crate::time::{SharedClock, Timestamp};

/// What an entity needs from the world.
#[derive(Clone)]
pub struct EntityDeps {
    pub store: Arc<dyn EventStore>,
    pub clock: SharedClock,
    pub config: EntityConfig,
}

/// Limits of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityConfig {
    /// Commands that one entity takes at once, waiting and running.
    pub intake: usize,
    /// What a caller beyond them is told to wait.
    pub retry_after: Duration,
    /// Events between two snapshots.
    pub snapshot_every: u64,
    /// How long a caller may wait at most, whatever it asks for.
    pub longest_timeout: Duration,
}

impl Default for EntityConfig {
    fn default() -> Self {
        Self {
            intake: 64,
            retry_after: Duration::from_millis(100),
            snapshot_every: 256,
            longest_timeout: Duration::from_secs(60),
        }
    }
}

/// A command on its way to an entity, with the ways back: an answer, and the places that it holds until it is done.
pub struct Ask {
    pub(super) command: Command,
    pub(super) context: CommandContext,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Result<Accepted, AskError>>,
    /// Places in bounded intakes. They are free again once the command is handled, not when its caller stops waiting.
    pub(super) places: Vec<OwnedSemaphorePermit>,
}

impl Ask {
    /// A command that must be answered within its timeout, and where the answer comes.
    pub fn new(
        command: Command,
        context: CommandContext,
        config: &EntityConfig,
    ) -> (Self, oneshot::Receiver<Result<Accepted, AskError>>) {
        let (reply, answer) = oneshot::channel();
        let deadline = Instant::now() + context.timeout.min(config.longest_timeout);
        (
            Self {
                command,
                context,
                deadline,
                reply,
                places: Vec::with_capacity(2),
            },
            answer,
        )
    }

    /// Lets the command hold `place` until it is handled.
    pub fn hold(&mut self, place: OwnedSemaphorePermit) {
        self.places.push(place);
    }

    pub const fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// What an entity actor gets. Local only: it carries ways back that no wire can.
pub enum EntityMessage {
    Ask(Box<Ask>),
    /// Ends the actor once everything before this is answered.
    Stop,
}

/// What outsiders may see of an entity; shared with its actor.
pub(super) struct Gauges {
    pub entity: EntityId,
    pub resident_since: Timestamp,
    pub revision: AtomicU64,
    pub handled: AtomicU64,
    pub rejected: AtomicU64,
    pub intake: Arc<Semaphore>,
    pub capacity: usize,
}

impl Gauges {
    pub(super) fn new(entity: EntityId, resident_since: Timestamp, capacity: usize) -> Self {
        let capacity = capacity.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            entity,
            resident_since,
            revision: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            intake: Arc::new(Semaphore::new(capacity)),
            capacity,
        }
    }
}

/// The state of a resident entity, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntityStatus {
    pub entity: EntityId,
    /// 0 until its first command has loaded it.
    pub revision: Revision,
    pub resident_since: Timestamp,
    pub handled: u64,
    pub rejected: u64,
    /// Commands that wait or run.
    pub queue: usize,
}

/// Why a command was not passed on; it comes back.
pub enum Refused {
    /// As many commands as the entity takes at once are with it.
    Full(Box<Ask>),
    /// Its actor is gone.
    Gone(Box<Ask>),
    /// Its actor is gone and the command with it, unread.
    Lost,
}

/// Waits for an answer, but no longer than `deadline`.
///
/// # Errors
/// The entity's own, or [`AskError::TimedOut`] if none came: at the deadline, or because its actor ended on the way.
pub async fn wait_for_answer(
    answer: oneshot::Receiver<Result<Accepted, AskError>>,
    deadline: Instant,
) -> Result<Accepted, AskError> {
    match tokio::time::timeout_at(deadline, answer).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) | Err(_) => Err(AskError::TimedOut),
    }
}

/// A resident entity. Clones lead to the same actor.
#[derive(Clone)]
pub struct EntityHandle {
    pub(super) actor: ActorRef<EntityMessage>,
    pub(super) gauges: Arc<Gauges>,
}

impl EntityHandle {
    /// Passes `ask` on without waiting.
    ///
    /// # Errors
    /// [`Refused`], with the ask in it, if the entity takes no more at the moment or is gone.
    pub fn send(&self, mut ask: Box<Ask>) -> Result<(), Refused> {
        match Arc::clone(&self.gauges.intake).try_acquire_owned() {
            Ok(place) => ask.hold(place),
            Err(TryAcquireError::NoPermits) => return Err(Refused::Full(ask)),
            Err(TryAcquireError::Closed) => return Err(Refused::Gone(ask)),
        }
        self.actor
            .send_message(EntityMessage::Ask(ask))
            .map_err(|error| match error {
                ractor::MessagingErr::SendErr(EntityMessage::Ask(mut ask)) => {
                    ask.places.pop();
                    Refused::Gone(ask)
                }
                _ => Refused::Lost,
            })
    }

    /// Whether no command waits or runs.
    pub fn is_idle(&self) -> bool {
        self.gauges.intake.available_permits() == self.gauges.capacity
    }

    /// Lets no more commands in and ends the actor once those with it are answered.
    pub fn stop(&self) {
        self.gauges.intake.close();
        if self.actor.send_message(EntityMessage::Stop).is_err() {
            tracing::debug!(entity = %self.gauges.entity, "stopped already");
        }
    }

    /// The actor, to watch or to end.
    pub fn cell(&self) -> ActorCell {
        self.actor.get_cell()
    }

    pub fn status(&self) -> EntityStatus {
        let gauges = &self.gauges;
        EntityStatus {
            entity: gauges.entity,
            revision: Revision(gauges.revision.load(Ordering::Relaxed)),
            resident_since: gauges.resident_since,
            handled: gauges.handled.load(Ordering::Relaxed),
            rejected: gauges.rejected.load(Ordering::Relaxed),
            queue: gauges
                .capacity
                .saturating_sub(gauges.intake.available_permits()),
        }
    }
}
