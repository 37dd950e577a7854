//! The command line.

mod backup;
mod config;
mod demo;
mod rebuild;
mod serve;
mod sim;
mod store;
mod user;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Flags, load, variables};
use crate::failure::Failure;
use crate::node::VERSION;
use crate::output::say;

/// Collects, keeps and watches the telemetry of rotating equipment.
#[derive(Debug, Parser)]
#[command(name = "tellee", version = VERSION, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Where the configuration comes from. Order: flag, environment (`TELLEE_<SECTION>__<KEY>`), file, default.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// TOML file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of everything that is kept.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    common: ConfigArgs,
    /// Address of HTTP; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Address of MQTT; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    mqtt: Option<SocketAddr>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(ServeArgs),
    /// Run a simulated machine as a Modbus TCP server.
    Sim(sim::SimArgs),
    /// Show or check the configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Make all projections anew from the event log. The server must not run.
    Rebuild(ConfigArgs),
    /// Write one file of everything, also while the server runs.
    Backup(backup::BackupArgs),
    /// Put a backup into an empty data folder.
    Restore(backup::RestoreArgs),
    /// Check or export the telemetry store.
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Make users. The server must not run.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Look at the cluster.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Bring the data folder to the format of this version. The server does the same when it starts.
    Migrate(ConfigArgs),
    /// Start the demo: server, simulated pump and edge agent.
    Demo(demo::DemoArgs),
    /// Print the version.
    Version,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// The nodes and what they own.
    Status(ConfigArgs),
}

impl ConfigArgs {
    pub fn load(&self) -> Result<Config, Failure> {
        ServeArgs {
            common: self.clone(),
            ..ServeArgs::default()
        }
        .load()
    }
}

impl ServeArgs {
    pub fn load(&self) -> Result<Config, Failure> {
        let flags = Flags {
            file: self.common.config.clone(),
            data_dir: self.common.data_dir.clone(),
            http: self.http,
            mqtt: self.mqtt,
        };
        Ok(load(&flags, variables(std::env::vars_os())?)?)
    }
}

/// Runs the command to its end.
pub fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Sim(args) => sim::run(args),
        Command::Config(command) => config::run(command),
        Command::Rebuild(args) => rebuild::run(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Store(command) => store::run(command),
        Command::User(command) => user::run(command),
        Command::Cluster(ClusterCommand::Status(args)) => {
            let config = args.load()?;
            say(format_args!(
                "node {}: alone (no `cluster.seeds`)",
                crate::node::node_name(&config)
            ))
        }
        Command::Migrate(args) => rebuild::migrate(&args),
        Command::Demo(args) => demo::run(args),
        Command::Version => say(format_args!("tellee {VERSION}")),
    }
}

/// A runtime for a command.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::other("no threads to be had", &error))
}
