//! Delivers outcomes to alarms: in order for each alarm, again and again until the alarm has answered.
//!
//! Command ids come from what was found (alarm, kind, cause, source time), so that a second delivery, also one after a
//! restart, has no second effect.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tellee_actors::command::{AskError, Command, CommandContext};
use tellee_actors::domain::alarm;
use tellee_actors::entity::Directory;
use tellee_actors::event::Who;
use tellee_actors::ids::{AlarmId, CommandId, OrganisationId, Revision};
use tellee_actors::store::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Outcomes that may wait, of all alarms together. Evaluation waits for room beyond that.
const WAITING: usize = 8_192;
/// Alarms that are spoken to at the same time.
const AT_ONCE: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The part of Tellee that speaks here, as the audit time line names it.
const NAME: &str = "alarm_watch";

#[derive(Clone)]
pub(super) struct Outbox {
    inner: Arc<Inner>,
}

struct Inner {
    directory: Arc<dyn Directory>,
    room: Arc<Semaphore>,
    speakers: Semaphore,
    queues: Mutex<HashMap<AlarmId, VecDeque<Letter>>>,
    delivered: AtomicU64,
    retries: AtomicU64,
    refused: AtomicU64,
}

struct Letter {
    command: Command,
    context: CommandContext,
    _room: OwnedSemaphorePermit,
}

/// How deliveries went since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deliveries {
    pub delivered: u64,
    pub retries: u64,
    /// The alarm said no, for good.
    pub refused: u64,
    /// On their way.
    pub waiting: usize,
}

impl Outbox {
    pub(super) fn new(directory: Arc<dyn Directory>) -> Self {
        Self {
            inner: Arc::new(Inner {
                directory,
                room: Arc::new(Semaphore::new(WAITING)),
                speakers: Semaphore::new(AT_ONCE),
                queues: Mutex::default(),
                delivered: AtomicU64::new(0),
                retries: AtomicU64::new(0),
                refused: AtomicU64::new(0),
            }),
        }
    }

    /// Puts `command` behind what waits for `alarm`; waits while too much waits in all.
    pub(super) async fn send(
        &self,
        alarm: AlarmId,
        organisation: OrganisationId,
        rule: Option<Revision>,
        command: alarm::Command,
    ) {
        let context = context(command_id(alarm, rule, &command), organisation);
        let Ok(room) = Arc::clone(&self.inner.room).acquire_owned().await else {
            return;
        };
        let letter = Letter {
            command: Command::Alarm(command),
            context,
            _room: room,
        };
        let mut queues = self.inner.queues.lock();
        if let Some(queue) = queues.get_mut(&alarm) {
            queue.push_back(letter);
            return;
        }
        queues.insert(alarm, VecDeque::from([letter]));
        drop(queues);
        tokio::spawn(Arc::clone(&self.inner).speak(alarm));
    }

    /// Waits until everything is delivered.
    pub(super) async fn settled(&self) {
        let all = u32::try_from(WAITING).unwrap_or(u32::MAX);
        // An error means that the semaphore was closed, which it never is.
        drop(self.inner.room.acquire_many(all).await);
    }

    pub(super) fn deliveries(&self) -> Deliveries {
        Deliveries {
            delivered: self.inner.delivered.load(Ordering::Relaxed),
            retries: self.inner.retries.load(Ordering::Relaxed),
            refused: self.inner.refused.load(Ordering::Relaxed),
            waiting: WAITING - self.inner.room.available_permits(),
        }
    }
}

impl Inner {
    /// Delivers what waits for `alarm` until nothing does.
    async fn speak(self: Arc<Self>, alarm: AlarmId) {
        loop {
            let letter = {
                let mut queues = self.queues.lock();
                let next = queues.get_mut(&alarm).and_then(VecDeque::pop_front);
                if next.is_none() {
                    queues.remove(&alarm);
                }
                next
            };
            let Some(letter) = letter else { return };
            self.deliver(alarm, &letter).await;
        }
    }

    async fn deliver(&self, alarm: AlarmId, letter: &Letter) {
        let mut pause = FIRST_PAUSE;
        loop {
            let answer = {
                let Ok(_speaker) = self.speakers.acquire().await else {
                    return;
                };
                self.directory
                    .ask(alarm.into(), letter.command.clone(), letter.context.clone())
                    .await
            };
            let error = match answer {
                Ok(_) => {
                    self.delivered.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(error) => error,
            };
            if is_final(&error) {
                self.refused.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%alarm, %error, "an alarm refused what its rule found");
                return;
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%alarm, %error, "an alarm could not be told yet");
            let wait = match error {
                AskError::Overloaded { retry_after } => {
                    retry_after.clamp(FIRST_PAUSE, LONGEST_PAUSE)
                }
                _ => pause,
            };
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Only what the domain refuses is final. A store that is damaged or closed may be mended while the outcome waits.
const fn is_final(error: &AskError) -> bool {
    matches!(
        error,
        AskError::Rejected(_)
            | AskError::RevisionMismatch { .. }
            | AskError::Store(StoreError::IdTaken { .. })
    )
}

pub(super) fn context(command_id: CommandId, organisation: OrganisationId) -> CommandContext {
    CommandContext {
        command_id,
        who: Who::System(NAME.to_owned()),
        organisation: Some(organisation),
        expected_revision: None,
        note: None,
        input: None,
        timeout: TIMEOUT,
    }
}

/// The same for the same finding, also after a restart. A rule that was changed finds anew, in the same sample; `rule` is
/// its revision, `None` once it is gone.
pub(super) fn command_id(
    alarm: AlarmId,
    rule: Option<Revision>,
    command: &alarm::Command,
) -> CommandId {
    let rule = rule.map_or(0, |revision| revision.0);
    let key = match command {
        alarm::Command::Activate { activation, .. } => {
            format!(
                "{alarm}/{rule}/activate/{:?}/{}",
                activation.cause, activation.source_time.0
            )
        }
        alarm::Command::Return { source_time, .. } => {
            format!("{alarm}/{rule}/return/{}", source_time.0)
        }
        other => format!("{alarm}/{other:?}"),
    };
    CommandId::from_key(NAME, &key)
}
