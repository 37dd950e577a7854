//! `tellee`: the server and its command line. Composition only.

mod cmd;
mod config;
mod failure;
mod folder;
mod node;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cmd::Cli;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match cmd::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tellee: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
