//! `tellee sim`: a simulated machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tellee_edge::sim::{self, FaultSpec, SimConfig, SimError, SimKind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::runtime;
use crate::config::Span;
use crate::failure::Failure;
use crate::node::init_logging;
use crate::output::say;

/// Plays a centrifugal pump, or a recording, as a Modbus TCP server.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// Address of Modbus TCP; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5020")]
    listen: SocketAddr,
    /// Play this CSV file instead of the pump. Columns of SKAB and of NAB are recognised.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// A fault and when it begins, as in `bearing-wear@60s`. Kinds: bearing-wear, cavitation, valve-closing,
    /// sensor-stuck. May be given several times.
    #[arg(long, value_name = "FAULT@TIME")]
    fault: Vec<String>,
    /// Simulated seconds in a second.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// One row of the CSV file for so long, whatever its times say.
    #[arg(long, value_name = "SPAN")]
    every: Option<Span>,
    /// Start the CSV file again at its end.
    #[arg(long = "loop")]
    repeat: bool,
    /// Seed of the noise.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the bootstrap content for the edge agent of this simulator, listening on `--listen`, and end.
    #[arg(long)]
    print_content: bool,
}

impl SimArgs {
    fn into_config(self) -> Result<SimConfig, Failure> {
        let kind = self.csv.map_or(SimKind::Pump, SimKind::Csv);
        let faults = self
            .fault
            .iter()
            .map(|text| text.parse::<FaultSpec>())
            .collect::<Result<_, _>>();
        Ok(SimConfig {
            listen: self.listen,
            seed: self.seed,
            speed: self.speed,
            every: self.every.map(Span::duration),
            repeat: self.repeat,
            faults: faults.map_err(|error: SimError| Failure::Usage(error.to_string()))?,
            ..SimConfig::new(kind)
        })
    }
}

pub fn run(args: SimArgs) -> Result<(), Failure> {
    init_logging();
    let print_content = args.print_content;
    let config = args.into_config()?;
    if print_content {
        let content = sim::edge_content(
            &config.kind,
            &config.listen.ip().to_string(),
            config.listen.port(),
            Duration::from_millis(1_000),
        );
        let content = content.map_err(|error| Failure::Usage(error.to_string()))?;
        return say(content);
    }
    runtime()?.block_on(async {
        let stop = watch::Sender::new(false);
        let failed = |error: std::io::Error| Failure::other("signals cannot be heard", &error);
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let stopped = stop.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stop.send_replace(true);
        });
        sim::run(config, stopped)
            .await
            .map_err(|error| match error {
                SimError::Listen { .. } | SimError::Serve(_) => Failure::Other(error.to_string()),
                _ => Failure::Usage(error.to_string()),
            })
    })
}
