//! `tellee config`.

use clap::Subcommand;

use super::ConfigArgs;
use crate::config::show;
use crate::failure::Failure;
use crate::node::check_certificates;
use crate::output::say;

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the whole effective configuration, each key with its meaning.
    Show(ConfigArgs),
    /// Say whether the configuration is good, and its certificates.
    Check(ConfigArgs),
}

pub fn run(command: ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Show(args) => say(show(&args.load()?)?.trim_end()),
        ConfigCommand::Check(args) => {
            check_certificates(&args.load()?)?;
            say("the configuration is good")
        }
    }
}
