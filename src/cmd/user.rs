//! `tellee user add`: makes an administrator when nobody can sign in.

use std::io::BufRead as _;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use tellee_actors::command::{Command, CommandContext};
use tellee_actors::domain::organisation;
use tellee_actors::domain::user::{self, Role};
use tellee_actors::entity::Directory as _;
use tellee_actors::event::Who;
use tellee_actors::ids::{CommandId, OrganisationId};
use tellee_actors::time::{SharedClock, SystemClock};
use tellee_api::identity::Passwords;
use tellee_api::platform::{organisation_name, user_id};
use tellee_cluster::{LocalDirectory, LocalDirectoryConfig};

use super::{ConfigArgs, runtime};
use crate::failure::Failure;
use crate::folder::DataFolder;
use crate::node::open_events;

const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a platform administrator with an organisation of their own. The password is read from stdin.
    Add(AddArgs),
}

#[derive(Debug, Args)]
pub struct AddArgs {
    #[command(flatten)]
    common: ConfigArgs,
    /// E-mail address to sign in with.
    email: String,
}

pub fn run(command: UserCommand) -> Result<(), Failure> {
    let UserCommand::Add(args) = command;
    let config = args.common.load()?;
    let mut password = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut password)
        .map_err(|error| Failure::other("the password cannot be read from stdin", &error))?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    runtime()?.block_on(async {
        let folder = DataFolder::open(&config.data_dir)?;
        let (database, events) = open_events(&folder.events()).await?;
        let clock: SharedClock = Arc::new(SystemClock::default());
        let directory =
            LocalDirectory::new(Arc::new(events), clock, LocalDirectoryConfig::default())
                .map_err(|error| Failure::other("the entities cannot be started", &error))?;
        let password = Passwords::default()
            .hash(&password)
            .await
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let id = user_id(&args.email);
        let organisation = OrganisationId(uuid::Uuid::new_v5(&id.0, b"organisation"));
        let create = user::Command::Create {
            organisation,
            email: args.email.trim().to_lowercase(),
            password,
            role: Role::Administrator,
            platform_administrator: true,
            metadata: serde_json::Map::new(),
        };
        let context = || CommandContext {
            command_id: CommandId::generate(),
            who: Who::System("command line".to_owned()),
            organisation: Some(organisation),
            expected_revision: None,
            note: None,
            input: None,
            timeout: TIMEOUT,
        };
        directory
            .ask(id.into(), Command::User(create), context())
            .await
            .map_err(|error| {
                Failure::Usage(format!("user `{}` cannot be made: {error}", args.email))
            })?;
        let create = organisation::Command::Create {
            name: organisation_name(&args.email.trim().to_lowercase(), true),
        };
        directory
            .ask(
                organisation.into(),
                Command::Organisation(create),
                context(),
            )
            .await
            .map_err(|error| {
                Failure::Other(format!("the user's organisation cannot be made: {error}"))
            })?;
        directory.stop(TIMEOUT).await;
        database
            .close()
            .await
            .map_err(|error| Failure::events(&error))?;
        println!("{id}");
        Ok(())
    })
}
