//! The simulator: a Modbus TCP server that plays a centrifugal pump or a recording.

mod content;
mod fault;
mod noise;
mod pump;
mod registers;
mod replay;
mod server;
mod tags;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

pub use content::edge_content;
pub use fault::{FaultKind, FaultSpec};
pub use tags::{AlarmLimit, SimTag, SuggestedAlarm, tags};

use pump::Pump;
use registers::Registers;
use replay::{Recording, Replay};

const STEP: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum SimError {
    #[error("cannot listen on `{address}`: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot serve: {0}")]
    Serve(io::Error),
    #[error("recording `{path}`: {reason}")]
    Recording { path: PathBuf, reason: String },
    #[error("fault `{text}`: {reason}")]
    Fault { text: String, reason: String },
    #[error("speed must be above 0 and at most 10000")]
    Speed,
}

impl SimError {
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// What is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimKind {
    /// A centrifugal pump with its motor, by equations.
    Pump,
    /// A CSV file. SKAB's columns and NAB's `timestamp,value` are recognised, any other numeric columns are taken as
    /// they are.
    Csv(PathBuf),
}

#[derive(Debug, Clone, PartialEq)]
pub struct SimConfig {
    pub kind: SimKind,
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    pub seed: u64,
    /// Simulated seconds in a second.
    pub speed: f64,
    /// One row of a recording for so long, whatever its times say.
    pub every: Option<Duration>,
    /// A recording starts again at its end.
    pub repeat: bool,
    pub faults: Vec<FaultSpec>,
}

impl SimConfig {
    pub fn new(kind: SimKind) -> Self {
        Self {
            kind,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: 1,
            speed: 1.0,
            every: None,
            repeat: false,
            faults: Vec::new(),
        }
    }
}

/// The equipment behind the registers.
pub(crate) enum Plant {
    Pump(Box<Pump>),
    Replay(Replay),
}

impl Plant {
    fn new(config: &SimConfig) -> Result<Self, SimError> {
        Ok(match &config.kind {
            SimKind::Pump => Self::Pump(Box::new(Pump::new(config.seed, &config.faults))),
            SimKind::Csv(path) => Self::Replay(Replay::new(
                Recording::load(path)?,
                config.every,
                config.speed,
                config.repeat,
            )),
        })
    }

    /// `elapsed` since the start, on the wall.
    fn advance(&mut self, elapsed: Duration, speed: f64, registers: &mut Registers) {
        match self {
            Self::Pump(pump) => {
                pump.advance_to(elapsed.as_secs_f64() * speed, registers);
                pump.write_to(registers);
            }
            Self::Replay(replay) => replay.write_at(elapsed, registers),
        }
    }
}

/// A simulator that listens, and serves once it is [run](Self::run).
pub struct Simulator {
    config: SimConfig,
    listener: TcpListener,
    address: SocketAddr,
    plant: Plant,
}

impl Simulator {
    /// # Errors
    /// If the port cannot be had or the recording cannot be read.
    pub async fn bind(config: SimConfig) -> Result<Self, SimError> {
        if !(config.speed > 0.0 && config.speed <= 10_000.0) {
            return Err(SimError::Speed);
        }
        let plant = Plant::new(&config)?;
        let fault = |source| SimError::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        Ok(Self {
            config,
            listener,
            address,
            plant,
        })
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` turns true.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) -> Result<(), SimError> {
        let Self {
            config,
            listener,
            mut plant,
            ..
        } = self;
        let mut initial = Registers::default();
        if let Plant::Pump(pump) = &plant {
            pump.prepare(&mut initial);
        }
        plant.advance(Duration::ZERO, config.speed, &mut initial);
        let registers = Arc::new(Mutex::new(initial));
        let playing = async {
            let start = Instant::now();
            let mut ticks = interval(STEP);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                plant.advance(start.elapsed(), config.speed, &mut registers.lock());
            }
        };
        tokio::select! {
            served = server::serve(listener, registers.clone()) => served.map_err(SimError::Serve),
            () = playing => Ok(()),
            _ = shutdown.wait_for(|stop| *stop) => Ok(()),
        }
    }
}

/// Binds, prints one ready line on stdout, and serves until `shutdown` turns true.
///
/// # Errors
/// See [`SimError`].
pub async fn run(config: SimConfig, shutdown: watch::Receiver<bool>) -> Result<(), SimError> {
    let simulator = Simulator::bind(config).await?;
    let line = serde_json::json!({ "event": "ready", "modbus": simulator.address().to_string() });
    {
        let mut stdout = io::stdout().lock();
        // Without stdout nobody waits for the line.
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }
    simulator.run(shutdown).await
}
