//! What REST and GraphQL ask for: flows over several entities, each checked against the caller's organisation and role.
//! Knows neither HTTP nor GraphQL.

mod alarms;
mod bounded;
mod channels;
mod edge_devices;
mod models;
mod rules;
mod telemetry;
mod things;
mod users;

use std::sync::Arc;
use std::time::Duration;

use tellee_actors::command::{Accepted, Command, CommandContext};
use tellee_actors::entity::Directory;
use tellee_actors::event::Who;
use tellee_actors::ids::{CommandId, EntityId, InputDigest, OrganisationId, Position, Revision};
use tellee_actors::store::EventStore;
use tellee_actors::time::SharedClock;
use tellee_projections::Projections;
use tellee_projections::live::LiveHub;
use tellee_projections::telemetry::TelemetryStore;
use tokio::sync::Mutex;

pub use edge_devices::{Bootstrap, BootstrapChannel, NewEdgeDevice};
pub use models::{ModelHost, Scoring, ScoringState, Training};
pub use things::{CreatedThing, NewThing, ThingUpdate};
pub use users::{NewUser, organisation_name, user_id};

use crate::caller::Caller;
use crate::error::{ApiError, ErrorCode};
use crate::identity::{Passwords, SetupCode, Throttle, Tokens, Vault};
use crate::presence::Presence;

/// How long a command may take, and then how long an answer waits until the projections have seen it.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
const PROJECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// Which program this is.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    pub version: &'static str,
    /// Of the sources, if who built it said so.
    pub commit: Option<&'static str>,
    /// When that commit was made, so that the same sources say the same.
    pub committed_at: Option<&'static str>,
}

/// What configuration decides.
#[derive(Debug, Clone, Copy)]
pub struct PlatformSettings {
    pub self_registration: bool,
    pub reveal_thing_keys: bool,
}

/// Everything that the API stands on.
pub struct Platform {
    pub node: String,
    pub build: Build,
    pub settings: PlatformSettings,
    pub clock: SharedClock,
    pub directory: Arc<dyn Directory>,
    pub events: Arc<dyn EventStore>,
    pub projections: Projections,
    pub telemetry: Arc<dyn TelemetryStore>,
    pub live: Arc<LiveHub>,
    pub presence: Arc<Presence>,
    pub models: Arc<dyn ModelHost>,
    pub vault: Arc<Vault>,
    pub tokens: Tokens,
    pub passwords: Passwords,
    pub throttle: Throttle,
    /// There until the first user is.
    pub setup_code: Mutex<Option<SetupCode>>,
    /// Held while a flow checks that a name (an external id, a thing's key) is free and takes it.
    pub claims: Mutex<()>,
}

/// One command of a caller: its identity, and the revision that the caller saw.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub command_id: Option<CommandId>,
    pub expected_revision: Option<Revision>,
    pub note: Option<String>,
    /// What the client asked for: with another input its key is no retry.
    pub input: Option<InputDigest>,
}

impl Request {
    /// A request that a retry repeats: the key is the client's.
    pub fn keyed(caller: &Caller, idempotency_key: &str) -> Result<Self, ApiError> {
        if idempotency_key.is_empty() || idempotency_key.len() > 128 {
            return Err(ApiError::invalid(
                "idempotencyKey",
                "must have between 1 and 128 characters",
            ));
        }
        let command_id = CommandId::from_key(&caller.user.to_string(), idempotency_key);
        Ok(Self {
            command_id: Some(command_id),
            ..Self::default()
        })
    }

    pub fn expecting(mut self, revision: Option<Revision>) -> Self {
        self.expected_revision = revision;
        self
    }

    pub fn with_note(mut self, note: Option<String>) -> Self {
        self.note = note;
        self
    }

    pub const fn asking(mut self, input: InputDigest) -> Self {
        self.input = Some(input);
        self
    }

    /// A step of a flow whose command is `command`: the same for a retry of the flow.
    fn step(command: CommandId, name: &str) -> Self {
        Self {
            command_id: Some(command.step(name)),
            ..Self::default()
        }
    }

    /// The command id: the client's, or a new one.
    fn id(&self) -> CommandId {
        self.command_id.unwrap_or_else(CommandId::generate)
    }
}

impl Platform {
    /// What `request` did to `entity` before, if it is a retry: a removal finds nothing to remove the second time.
    async fn done_before(
        &self,
        entity: EntityId,
        request: &Request,
    ) -> Result<Option<Accepted>, ApiError> {
        let Some(command) = request.command_id else {
            return Ok(None);
        };
        let found = self.events.find_event(command.event_id(0)).await?;
        let Some(here) = found.filter(|event| event.stream == entity.stream()) else {
            return Ok(None);
        };
        let before_it = Revision(here.revision.0.saturating_sub(1));
        let events = self.events.read_stream(&here.stream, before_it, 1).await?;
        let input = events.first().and_then(|event| event.meta.input);
        if input.is_some_and(|before| request.input.is_some_and(|now| now != before)) {
            return Err(ApiError::key_taken());
        }
        Ok(Some(Accepted {
            revision: here.revision,
            position: here.position,
            unchanged: true,
        }))
    }

    /// Sends one command and waits until the projections have seen it.
    pub async fn ask(
        &self,
        who: Who,
        organisation: OrganisationId,
        entity: EntityId,
        command: Command,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        let accepted = self
            .ask_only(who, organisation, entity, command, request)
            .await?;
        self.seen(accepted.position).await?;
        Ok(accepted)
    }

    /// As [`Platform::ask`] without the wait: for all steps of a flow but the last.
    async fn ask_only(
        &self,
        who: Who,
        organisation: OrganisationId,
        entity: EntityId,
        command: Command,
        request: &Request,
    ) -> Result<Accepted, ApiError> {
        let context = CommandContext {
            command_id: request.id(),
            who,
            organisation: Some(organisation),
            expected_revision: request.expected_revision,
            note: request.note.clone(),
            input: request.input,
            timeout: COMMAND_TIMEOUT,
        };
        Ok(self.directory.ask(entity, command, context).await?)
    }

    /// Waits until the projections have seen `position`, so that the answer shows what the command did.
    pub async fn seen(&self, position: Position) -> Result<(), ApiError> {
        self.projections
            .wait_for(position, PROJECTION_TIMEOUT)
            .await
            .map_err(|error| {
                ApiError::new(
                    ErrorCode::TimedOut,
                    format!("the command was taken, but reading it back takes too long: {error}"),
                )
            })
    }
}

impl Request {
    /// The id of the entity that this request makes: the same for a retry.
    pub fn entity(&self, kind: &str) -> uuid::Uuid {
        self.command_id
            .map_or_else(uuid::Uuid::now_v7, |command| command.step(kind).0)
    }
}
