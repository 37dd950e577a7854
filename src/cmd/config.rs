//! `tellee config`.

use clap::Subcommand;

use super::ConfigArgs;
use crate::config::show;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the whole effective configuration, each key with its meaning.
    Show(ConfigArgs),
    /// Say whether the configuration is good.
    Check(ConfigArgs),
}

pub fn run(command: ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Show(args) => {
            print!("{}", show(&args.load()?)?);
            Ok(())
        }
        ConfigCommand::Check(args) => {
            args.load()?;
            println!("the configuration is good");
            Ok(())
        }
    }
}
