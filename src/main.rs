//! `tellee`: the server and its command line. Composition only.

// `print!` and its like panic where nobody reads; see `output`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cmd;
mod config;
mod failure;
mod folder;
mod node;
mod output;

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
            output::remark(format_args!("tellee: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}
