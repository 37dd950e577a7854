//! `tellee-edge`: the edge agent.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tellee_edge::agent::{self, AgentError};
use tellee_edge::config::{Config, ConfigError, load_config};
use tellee_edge::endpoint::Endpoint;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Polls equipment and hands its telemetry to a Tellee server. Any setting can also be given as
/// `TELLEE_EDGE_<SECTION>__<KEY>`.
#[derive(Parser)]
#[command(name = "tellee-edge", version)]
struct Flags {
    /// TOML file with the settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Base URL of the server, such as http://127.0.0.1:8080 or https://plant.example:8443.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The device's name at the platform.
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// File with the device's key.
    #[arg(long, value_name = "FILE")]
    external_key_file: Option<PathBuf>,
    /// Folder for the buffer and the last config.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// MQTT address, if it is not the server's host and port 1883, or 8883 beside https: HOST:PORT or mqtts://HOST:PORT.
    #[arg(long, value_name = "HOST:PORT")]
    mqtt: Option<Endpoint>,
    /// File that always holds the newest status.
    #[arg(long, value_name = "FILE")]
    status_file: Option<PathBuf>,
}

impl Flags {
    fn into_config(self) -> Result<Config, ConfigError> {
        let mut config = load_config(self.config.as_deref(), readable(std::env::vars_os()))?;
        let bootstrap = &mut config.bootstrap;
        bootstrap.server = self.server.or_else(|| bootstrap.server.take());
        bootstrap.external_id = self.external_id.or_else(|| bootstrap.external_id.take());
        if let Some(file) = self.external_key_file {
            bootstrap.external_key_file = Some(file);
            bootstrap.external_key = None;
        }
        if let Some(data_dir) = self.data_dir {
            config.data_dir = data_dir;
        }
        config.uplink.mqtt = self.mqtt.or_else(|| config.uplink.mqtt.take());
        config.status.file = self.status_file.or_else(|| config.status.file.take());
        Ok(config)
    }
}

/// The variables that are text. Others are not for us, whatever they hold.
fn readable(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (String, String)> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // It would tell of a stderr that cannot be written on stderr, by a panic in the thread that logs.
        .log_internal_errors(false)
        .init();
    match start(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere left to tell that nobody can read it.
            let _ = writeln!(std::io::stderr(), "tellee-edge: {error:#}");
            let code = error
                .downcast_ref::<AgentError>()
                .map_or(1, AgentError::exit_code);
            ExitCode::from(code)
        }
    }
}

fn start(flags: Flags) -> anyhow::Result<()> {
    let config = flags.into_config().map_err(AgentError::from)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let shutdown = watch::Sender::new(false);
        let stop = shutdown.clone();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stop.send_replace(true);
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // Asked twice: at once, as a kill would, which loses nothing.
            std::process::exit(1);
        });
        agent::run(config, shutdown.subscribe())
            .await
            .map_err(anyhow::Error::from)
    })
}
