//! `tellee serve`.

use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{ServeArgs, runtime};
use crate::failure::Failure;
use crate::folder::DataFolder;
use crate::node::{Listeners, Node, SecureListener, VERSION, init_logging, node_name};
use crate::output::say;

/// The one line on stdout.
#[derive(Serialize)]
struct Ready<'text> {
    event: &'static str,
    version: &'static str,
    node: &'text str,
    http: String,
    mqtt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    https: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mqtts: Option<String>,
}

pub fn run(args: &ServeArgs) -> Result<(), Failure> {
    init_logging();
    let config = args.load()?;
    runtime()?.block_on(async {
        // Ready to be told to stop before there is anything to stop.
        let mut stop = StopSignal::listen()?;
        let folder = DataFolder::open(&config.data_dir)?;
        let listeners = Listeners::bind(&config).await?;
        let node = node_name(&config);
        let secure = |port: &Option<SecureListener>| {
            port.as_ref().map(|port| port.address.to_string())
        };
        let ready = Ready {
            event: "ready",
            version: VERSION,
            node: &node,
            http: listeners.http_address.to_string(),
            mqtt: listeners.mqtt_address.to_string(),
            https: secure(&listeners.https),
            mqtts: secure(&listeners.mqtts),
        };
        let ready = serde_json::to_string(&ready)
            .map_err(|error| Failure::other("the ready line cannot be written", &error))?;
        let running = tokio::select! {
            started = Node::start(&config, folder, listeners) => started?,
            () = stop.asked() => return Ok(()),
        };
        if let Err(failure) = say(&ready) {
            tracing::warn!(%failure, "the ready line is lost");
        }
        tracing::info!("tellee answers");
        stop.asked().await;
        tracing::info!("tellee stops");
        tokio::select! {
            stopped = running.stop() => stopped,
            () = stop.asked() => {
                tracing::warn!("asked twice: tellee ends at once; what was acknowledged is on disk");
                std::process::exit(1);
            }
        }
    })
}

/// SIGTERM or SIGINT.
struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    fn listen() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::other("signals cannot be heard", &error);
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
