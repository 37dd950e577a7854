//! The actor of one entity of any kind: load, decide, append, apply, answer.
//!
//! It holds the newest state that it knows; the store alone decides. Whenever the store knows more (another node wrote), the
//! shell reads what it missed and decides again. A command that was taken before is answered from memory or from the ids of
//! its events in the store, and never decided into a second effect.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, ActorRuntime, SpawnErr};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::handle::{Ask, EntityDeps, EntityHandle, EntityMessage, Gauges};
use super::recent::RecentCommands;
use super::replay::{Replay, Until};
use super::{Aggregate, DecideContext};
use crate::command::{Accepted, AskError, Command, CommandContext};
use crate::domain::Rejection;
use crate::event::{EventMeta, NewEvent};
use crate::ids::{EntityId, InputDigest, Revision};
use crate::store::{Appended, EventStore, ExpectedRevision, Snapshot, StoreError};
use crate::time::Timestamp;

/// How often a command is decided anew because others wrote meanwhile, before its caller is told to come again.
const ATTEMPTS: usize = 4;

/// Events that are read at once to find the last of a command; most cause one or two.
const RECALL_PAGE: usize = 16;

/// The actor of an entity whose kind is `A`.
pub struct EntityActor<A> {
    kind: PhantomData<fn() -> A>,
}

/// What the actor is started with.
pub struct EntityArguments {
    deps: EntityDeps,
    gauges: Arc<Gauges>,
    /// Held as long as the actor lives.
    slot: Option<OwnedSemaphorePermit>,
}

/// Starts the actor of `entity` and gives the handle at once; it loads its state with its first command. `slot`, if any,
/// is freed when the actor has ended. `supervisor` is told of its end.
///
/// # Errors
/// [`SpawnErr`] if the runtime takes no more actors.
pub fn spawn<A: Aggregate>(
    entity: EntityId,
    deps: EntityDeps,
    slot: Option<OwnedSemaphorePermit>,
    supervisor: Option<ActorCell>,
) -> Result<EntityHandle, SpawnErr> {
    let gauges = Arc::new(Gauges::new(entity, deps.clock.now(), deps.config.intake));
    let arguments = EntityArguments {
        deps,
        gauges: Arc::clone(&gauges),
        slot,
    };
    let actor = EntityActor::<A> { kind: PhantomData };
    let (actor, _started) = match supervisor {
        Some(supervisor) => ActorRuntime::spawn_linked_instant(None, actor, arguments, supervisor)?,
        None => ActorRuntime::spawn_instant(None, actor, arguments)?,
    };
    Ok(EntityHandle { actor, gauges })
}

#[ractor::async_trait]
impl<A: Aggregate> Actor for EntityActor<A> {
    type Msg = EntityMessage;
    type State = Shell<A>;
    type Arguments = EntityArguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(Shell::new(arguments))
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        shell: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            EntityMessage::Ask(ask) => shell.answer(*ask).await,
            EntityMessage::Stop => myself.stop(None),
        }
        Ok(())
    }
}

/// The state of the actor.
pub struct Shell<A: Aggregate> {
    entity: EntityId,
    stream: String,
    deps: EntityDeps,
    gauges: Arc<Gauges>,
    recent: RecentCommands,
    /// `None` before the first command, and whenever what is known may be wrong.
    replay: Option<Replay<A>>,
    /// An append has begun whose outcome is not known yet.
    appending: bool,
    saving: Option<JoinHandle<()>>,
    _slot: Option<OwnedSemaphorePermit>,
}

/// Refuses a command whose id was taken before with another input. Where one of them says nothing of its input, the id
/// alone counts.
fn require_same(context: &CommandContext, before: Option<InputDigest>) -> Result<(), AskError> {
    match (context.input, before) {
        (Some(now), Some(before)) if now != before => Err(AskError::OtherInput {
            command: context.command_id,
        }),
        _ => Ok(()),
    }
}

impl<A: Aggregate> Shell<A> {
    fn new(arguments: EntityArguments) -> Self {
        let entity = arguments.gauges.entity;
        Self {
            entity,
            stream: entity.stream(),
            deps: arguments.deps,
            gauges: arguments.gauges,
            recent: RecentCommands::default(),
            replay: None,
            appending: false,
            saving: None,
            _slot: arguments.slot,
        }
    }

    async fn answer(&mut self, ask: Ask) {
        // Nobody waits any more: not begun, so there is nothing to leave unknown.
        if ask.reply.is_closed() {
            return;
        }
        let (command_id, input) = (ask.context.command_id, ask.context.input);
        let taken =
            tokio::time::timeout_at(ask.deadline, self.take(&ask.command, &ask.context)).await;
        let outcome = match taken.unwrap_or(Err(AskError::TimedOut)) {
            Err(AskError::Store(StoreError::Overloaded)) => Err(self.overloaded()),
            Err(AskError::Store(StoreError::Closed)) => Err(AskError::Stopping),
            outcome => outcome,
        };
        if std::mem::take(&mut self.appending) {
            self.replay = None;
        }
        match &outcome {
            Ok(accepted) => self.recent.remember(command_id, input, *accepted),
            Err(
                AskError::Rejected(_)
                | AskError::RevisionMismatch { .. }
                | AskError::OtherInput { .. },
            ) => {
                self.gauges.rejected.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => tracing::warn!(entity = %self.entity, %error, "a command was not taken"),
        }
        self.gauges.handled.fetch_add(1, Ordering::Relaxed);
        if let Some(replay) = &self.replay {
            self.gauges
                .revision
                .store(replay.revision.0, Ordering::Relaxed);
        }
        // Before the answer: whoever has it may send the next command at once.
        drop(ask.places);
        if ask.reply.send(outcome).is_err() {
            tracing::debug!(entity = %self.entity, "the caller stopped waiting");
        }
    }

    async fn take(
        &mut self,
        command: &Command,
        context: &CommandContext,
    ) -> Result<Accepted, AskError> {
        if let Some((input, before)) = self.recent.get(context.command_id) {
            require_same(context, input)?;
            return Ok(Accepted {
                unchanged: true,
                ..before
            });
        }
        for _ in 0..ATTEMPTS {
            let at = self.deps.clock.now();
            let events = match self.decide(command, context, at).await {
                Ok(events) => events,
                Err(AskError::Rejected(_) | AskError::RevisionMismatch { .. })
                    if self.is_behind().await? =>
                {
                    continue;
                }
                Err(no @ (AskError::Rejected(_) | AskError::RevisionMismatch { .. })) => {
                    // Perhaps no only because this very command was taken before.
                    return self.recall(context).await?.ok_or(no);
                }
                Err(error) => return Err(error),
            };
            if events.is_empty() {
                return self.unchanged();
            }
            match self.append(&events, context, at).await {
                // Its events are there already, or those of another command with its id.
                Ok(appended) if appended.duplicate => {
                    let before = self.recall(context).await?;
                    let after = self.settle(&events, appended).await?;
                    return Ok(before.unwrap_or(after));
                }
                Ok(appended) => return self.settle(&events, appended).await,
                Err(StoreError::WrongRevision { .. }) => {
                    self.catch_up().await?;
                }
                Err(error @ StoreError::IdTaken { .. }) => {
                    return self.recall(context).await?.ok_or(AskError::Store(error));
                }
                Err(error) => return Err(AskError::Store(error)),
            }
        }
        Err(self.overloaded())
    }

    const fn overloaded(&self) -> AskError {
        AskError::Overloaded {
            retry_after: self.deps.config.retry_after,
        }
    }

    /// What `command` causes in the state as it is known.
    async fn decide(
        &mut self,
        command: &Command,
        context: &CommandContext,
        at: Timestamp,
    ) -> Result<Vec<A::Event>, AskError> {
        let entity = self.entity;
        let replay = self.loaded().await?;
        if let Some(expected) = context.expected_revision
            && expected != replay.revision
        {
            return Err(AskError::RevisionMismatch {
                expected,
                actual: replay.revision,
            });
        }
        if let Command::RollBack { to } = *command {
            return self.roll_back(to).await;
        }
        let Some(command) = A::command(command.clone()) else {
            let what = format!("this command on entity `{entity}`");
            return Err(AskError::Rejected(Rejection::Unsupported { what }));
        };
        let context = DecideContext {
            entity,
            at,
            who: context.who.clone(),
        };
        let decided = catch_unwind(AssertUnwindSafe(|| {
            A::decide(&replay.state, command, &context)
        }));
        self.contain(decided)
    }

    async fn roll_back(&mut self, to: Revision) -> Result<Vec<A::Event>, AskError> {
        let store = Arc::clone(&self.deps.store);
        let now = self.loaded().await?.revision;
        if to == Revision::NONE || to >= now {
            let reason = format!("must be a revision from 1 to {}", now.0.saturating_sub(1));
            return Err(AskError::Rejected(Rejection::invalid("to", reason)));
        }
        let past = Replay::<A>::load(&*store, &self.stream, Until::Revision(to)).await?;
        let replay = self.loaded().await?;
        let decided = catch_unwind(AssertUnwindSafe(|| {
            A::roll_back(&replay.state, &past.state, to)
        }));
        self.contain(decided)
    }

    fn contain(
        &self,
        decided: std::thread::Result<Result<Vec<A::Event>, Rejection>>,
    ) -> Result<Vec<A::Event>, AskError> {
        match decided {
            Ok(decided) => Ok(decided?),
            Err(_) => Err(self.failed("the decision panicked")),
        }
    }

    fn failed(&self, reason: &str) -> AskError {
        AskError::Failed {
            entity: self.entity,
            reason: reason.to_owned(),
        }
    }

    async fn append(
        &mut self,
        events: &[A::Event],
        context: &CommandContext,
        at: Timestamp,
    ) -> Result<Appended, StoreError> {
        let expected = ExpectedRevision::Exact(self.loaded().await?.revision);
        let meta = EventMeta {
            who: context.who.clone(),
            organisation: context.organisation,
            command: context.command_id,
            note: context.note.clone(),
            input: context.input,
        };
        let new_event = |(index, event): (usize, &A::Event)| -> Result<NewEvent, StoreError> {
            Ok(NewEvent {
                id: context.command_id.event_id(index),
                event_type: A::event_type(event).to_owned(),
                schema: A::event_schema(event),
                data: serde_json::to_value(event)
                    .map_err(|error| StoreError::Failed(format!("an event is no JSON: {error}")))?,
                meta: meta.clone(),
                at,
            })
        };
        let events = events
            .iter()
            .enumerate()
            .map(new_event)
            .collect::<Result<Vec<_>, _>>()?;
        self.appending = true;
        let outcome = self.deps.store.append(&self.stream, expected, events).await;
        // Known again, unless the store itself does not know.
        self.appending = matches!(outcome, Err(StoreError::Failed(_)));
        outcome
    }

    /// Brings the state to where the append left the stream.
    async fn settle(
        &mut self,
        events: &[A::Event],
        appended: Appended,
    ) -> Result<Accepted, AskError> {
        let accepted = Accepted {
            revision: appended.revision,
            position: appended.position,
            unchanged: appended.duplicate,
        };
        let Some(replay) = &mut self.replay else {
            return Ok(accepted);
        };
        if appended.duplicate {
            if replay.revision < appended.revision {
                self.replay = None;
            }
            return Ok(accepted);
        }
        for event in events {
            if replay.apply(event).is_err() {
                tracing::error!(stream = self.stream, revision = %appended.revision, "an event cannot be applied");
                self.replay = None;
                return Ok(accepted);
            }
        }
        replay.revision = appended.revision;
        replay.position = Some(appended.position);
        self.save_snapshot_when_due();
        Ok(accepted)
    }

    fn unchanged(&self) -> Result<Accepted, AskError> {
        let replay = self
            .replay
            .as_ref()
            .ok_or_else(|| self.failed("it has no state"))?;
        // With no event read since the snapshot, the newest position of all is late enough for any projection.
        let position = replay
            .position
            .unwrap_or_else(|| *self.deps.store.head().borrow());
        Ok(Accepted {
            revision: replay.revision,
            position,
            unchanged: true,
        })
    }

    /// The answer to a command whose events are in the stream already.
    async fn recall(&self, context: &CommandContext) -> Result<Option<Accepted>, AskError> {
        let command = context.command_id;
        let store = &*self.deps.store;
        let Some(first) = store.find_event(command.event_id(0)).await? else {
            return Ok(None);
        };
        if first.stream != self.stream {
            return Ok(None);
        }
        let mut accepted = Accepted {
            revision: Revision(first.revision.0.saturating_sub(1)),
            position: first.position,
            unchanged: true,
        };
        loop {
            let page = store
                .read_stream(&self.stream, accepted.revision, RECALL_PAGE)
                .await?;
            let more = page
                .iter()
                .take_while(|event| event.meta.command == command)
                .last();
            let Some(last) = more else {
                return Ok(Some(accepted));
            };
            require_same(context, last.meta.input)?;
            accepted.revision = last.revision;
            accepted.position = last.position;
        }
    }

    async fn loaded(&mut self) -> Result<&mut Replay<A>, StoreError> {
        let replay = match self.replay.take() {
            Some(replay) => replay,
            None => Replay::load(&*self.deps.store, &self.stream, Until::Now).await?,
        };
        Ok(self.replay.insert(replay))
    }

    /// Reads what was written behind the known state. True: there was something.
    async fn catch_up(&mut self) -> Result<bool, StoreError> {
        let Some(mut replay) = self.replay.take() else {
            return Ok(false);
        };
        let grew = replay
            .go_on(&*self.deps.store, &self.stream, Until::Now)
            .await?;
        self.replay = Some(replay);
        Ok(grew)
    }

    async fn is_behind(&mut self) -> Result<bool, AskError> {
        Ok(self.catch_up().await?)
    }

    /// Saves a snapshot beside the commands, one at a time.
    fn save_snapshot_when_due(&mut self) {
        let Some(replay) = &mut self.replay else {
            return;
        };
        let due = replay.revision.0 - replay.snapshot.0 >= self.deps.config.snapshot_every.max(1);
        if !due
            || self
                .saving
                .as_ref()
                .is_some_and(|saving| !saving.is_finished())
        {
            return;
        }
        let state = match serde_json::to_value(&replay.state) {
            Ok(state) => state,
            Err(error) => {
                tracing::warn!(stream = self.stream, %error, "the state is no JSON; no snapshot");
                return;
            }
        };
        replay.snapshot = replay.revision;
        let snapshot = Snapshot {
            revision: replay.revision,
            schema: A::SNAPSHOT_SCHEMA,
            state,
        };
        self.saving = Some(tokio::spawn(save_snapshot(
            Arc::clone(&self.deps.store),
            self.stream.clone(),
            snapshot,
        )));
    }
}

async fn save_snapshot(store: Arc<dyn EventStore>, stream: String, snapshot: Snapshot) {
    if let Err(error) = store.save_snapshot(&stream, snapshot).await {
        tracing::warn!(stream, %error, "a snapshot was not saved; the events are whole without it");
    }
}
