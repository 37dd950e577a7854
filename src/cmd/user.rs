//! `tellee user`: lets somebody in when nobody can sign in.

use std::io::BufRead as _;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use tellee_actors::command::{AskError, Command, CommandContext};
use tellee_actors::domain::organisation;
use tellee_actors::domain::secret::PasswordHash;
use tellee_actors::domain::user::{self, Role};
use tellee_actors::entity::Directory as _;
use tellee_actors::event::Who;
use tellee_actors::ids::{CommandId, EntityId, OrganisationId};
use tellee_actors::store::{Database, EventStore};
use tellee_actors::time::{SharedClock, SystemClock};
use tellee_api::identity::Passwords;
use tellee_api::platform::{organisation_name, user_id};
use tellee_cluster::{LocalDirectory, LocalDirectoryConfig};
use tellee_projections::Projections;

use super::{ConfigArgs, runtime};
use crate::failure::Failure;
use crate::folder::DataFolder;
use crate::node::open_events;
use crate::output::say;

const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a platform administrator with an organisation of their own. The password is read from stdin.
    Add(UserArgs),
    /// Give a user a new password, read from stdin, and end their sessions.
    Password(UserArgs),
}

#[derive(Debug, Args)]
pub struct UserArgs {
    #[command(flatten)]
    common: ConfigArgs,
    /// E-mail address to sign in with.
    email: String,
}

pub fn run(command: UserCommand) -> Result<(), Failure> {
    let (UserCommand::Add(args) | UserCommand::Password(args)) = &command;
    let config = args.common.load()?;
    // Before a password is asked for.
    let folder = DataFolder::open_existing(&config.data_dir)?;
    let password = read_password()?;
    let email = args.email.trim().to_lowercase();
    let id = runtime()?.block_on(async {
        let password = Passwords::default()
            .hash(&password)
            .await
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let entities = Entities::open(&folder).await?;
        let done = match &command {
            UserCommand::Add(_) => add(&entities, email, password).await,
            UserCommand::Password(_) => change_password(&entities, &email, password).await,
        };
        entities.close().await?;
        done
    })?;
    say(id)
}

fn read_password() -> Result<String, Failure> {
    let mut password = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut password)
        .map_err(|error| Failure::other("the password cannot be read from stdin", &error))?;
    Ok(password.trim_end_matches(['\r', '\n']).to_owned())
}

async fn add(
    entities: &Entities,
    email: String,
    password: PasswordHash,
) -> Result<String, Failure> {
    let id = user_id(&email);
    let organisation = OrganisationId(uuid::Uuid::new_v5(&id.0, b"organisation"));
    let create = user::Command::Create {
        organisation,
        email: email.clone(),
        password,
        role: Role::Administrator,
        platform_administrator: true,
        metadata: serde_json::Map::new(),
    };
    let made = entities.ask(id.into(), organisation, Command::User(create));
    made.await.map_err(|error| {
        Failure::Usage(format!(
            "user `{email}` cannot be made: {error}; `tellee user password {email}` gives one that is there a new password"
        ))
    })?;
    let create = organisation::Command::Create {
        name: organisation_name(&email, true),
    };
    let create = Command::Organisation(create);
    let made = entities.ask(organisation.into(), organisation, create);
    made.await
        .map_err(|error| Failure::other("the user's organisation cannot be made", &error))?;
    Ok(id.to_string())
}

async fn change_password(
    entities: &Entities,
    email: &str,
    password: PasswordHash,
) -> Result<String, Failure> {
    let clock: SharedClock = Arc::new(SystemClock::default());
    let (events, database) = (Arc::clone(&entities.events), entities.database.clone());
    let projections = Projections::start(events, database, clock)
        .await
        .map_err(|error| Failure::events(&error))?;
    let user = projections.registry().user_by_email(email).await;
    projections.stop().await;
    let user = user
        .map_err(|error| Failure::events(&error))?
        .ok_or_else(|| Failure::Usage(format!("there is no user `{email}`")))?;
    if user.disabled {
        return Err(Failure::Usage(format!(
            "user `{email}` is disabled; an administrator can enable them"
        )));
    }
    let change = Command::User(user::Command::ChangePassword { password });
    let changed = entities.ask(user.id.into(), user.organisation, change);
    changed
        .await
        .map_err(|error| Failure::other("the password cannot be changed", &error))?;
    Ok(user.id.to_string())
}

/// The entities of a data folder, without a server.
struct Entities {
    database: Database,
    events: Arc<dyn EventStore>,
    directory: LocalDirectory,
}

impl Entities {
    async fn open(folder: &DataFolder) -> Result<Self, Failure> {
        let (database, events) = open_events(&folder.events()).await?;
        let events: Arc<dyn EventStore> = Arc::new(events);
        let clock: SharedClock = Arc::new(SystemClock::default());
        let limits = LocalDirectoryConfig::default();
        let directory = LocalDirectory::new(Arc::clone(&events), clock, limits)
            .map_err(|error| Failure::other("the entities cannot be started", &error))?;
        Ok(Self {
            database,
            events,
            directory,
        })
    }

    async fn ask(
        &self,
        entity: EntityId,
        organisation: OrganisationId,
        command: Command,
    ) -> Result<(), AskError> {
        let context = CommandContext {
            command_id: CommandId::generate(),
            who: Who::System("command line".to_owned()),
            organisation: Some(organisation),
            expected_revision: None,
            input: None,
            note: None,
            timeout: TIMEOUT,
        };
        self.directory.ask(entity, command, context).await?;
        Ok(())
    }

    async fn close(&self) -> Result<(), Failure> {
        self.directory.stop(TIMEOUT).await;
        self.database
            .close()
            .await
            .map_err(|error| Failure::events(&error))
    }
}
