//! Runs and trains models on libtorch. Started and supervised by `tellee serve`; speaks frames over stdin and stdout.

mod dataset;
mod deadline;
mod failure;
mod handler;
mod model;
mod network;
mod pipe;
mod random;
mod scoring;
mod training;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

use tellee_ml::protocol::{ReplyBody, RequestBody};

use crate::handler::Handler;

/// The libtorch that the bindings are made for; its library refuses to link with another.
const LIBTORCH_VERSION: &str = "2.13.0";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--version") {
        println!(
            "tellee-ml-worker {} (libtorch {LIBTORCH_VERSION})",
            env!("CARGO_PKG_VERSION")
        );
        return ExitCode::SUCCESS;
    }
    if io::stdin().is_terminal() {
        eprintln!(
            "tellee-ml-worker: started by `tellee serve`, which speaks to it over its standard input"
        );
        return ExitCode::from(2);
    }
    // The supervisor sets OMP_NUM_THREADS=1 too: this call alone does not hold for oneDNN's threads.
    tch::set_num_threads(1);
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tellee-ml-worker: {error}");
            ExitCode::from(3)
        }
    }
}

/// Answers requests until one says to shut down, or stdin ends.
fn serve() -> anyhow::Result<()> {
    let requests = pipe::read_requests();
    let mut output = io::stdout().lock();
    let mut handler = Handler::new(Arc::clone(&requests.ended));
    while let Ok(incoming) = requests.incoming.recv() {
        let last = matches!(incoming.request.body, RequestBody::Shutdown {});
        let (reply, payload) =
            handler.handle(incoming.request, &incoming.payload, incoming.arrived);
        if let ReplyBody::Failed(failure) = &reply.body {
            eprintln!("request {} failed: {failure}", reply.id);
        }
        if let Err(error) = pipe::write_reply(&mut output, &reply, &payload) {
            // Who does not read answers any more has closed stdin too, or is about to.
            eprintln!("request {} could not be answered: {error}", reply.id);
            return Ok(());
        }
        if last {
            return Ok(());
        }
    }
    requests.end()
}
