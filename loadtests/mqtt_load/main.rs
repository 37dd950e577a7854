//! Loads a broker or server with SenML, and says what that cost the other end. Works against any MQTT 3.1.1 broker, so
//! that two can be compared in one run. Prints one JSON object.
//!
//! `mqtt_load --address HOST:PORT --pid PID --channel ID --keys FILE [OPTIONS]`; a line of FILE is `user password`.
//!
//! - Messages: `--connections N --messages N --window N --qos 0|1|2 --subscribers N --subscriber-qos 0|1|2`; messages are
//!   those of each connection. With `--http 1` they go by HTTP, one at a time, to that address.
//! - `--idle N` opens that many connections instead, which say nothing more; with `--subscribers 1` each subscribes.
//!
//! `--start N` numbers the first message, so that no run repeats the samples of another.

mod http;
mod idle;
mod process;
mod publish;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use process::Process;

pub type Problem = Box<dyn std::error::Error + Send + Sync>;

/// What to do to whom.
#[derive(Clone)]
pub struct Load {
    pub address: SocketAddr,
    pub process: Process,
    pub channel: Arc<str>,
    keys: Arc<Vec<(String, String)>>,
    pub connections: usize,
    /// Of each connection.
    pub messages: u64,
    /// Number of the first message: runs that follow each other send samples of their own.
    pub start: u64,
    pub window: u64,
    pub qos: u8,
    pub subscribers: usize,
    pub subscriber_qos: u8,
}

impl Load {
    /// User and password of a connection.
    pub fn key(&self, place: usize) -> (&str, &str) {
        let (user, password) = &self.keys[place % self.keys.len()];
        (user, password)
    }
}

/// One SenML record; each has a source time of its own, so that none is a duplicate.
pub fn payload(connection: usize, number: u64) -> String {
    let time = 1_600_000_000_000 + u64::try_from(connection).unwrap_or(0) * 100_000_000 + number;
    format!(
        r#"[{{"n":"temperature","u":"Cel","t":{}.{:03},"v":{}.{:02}}}]"#,
        time / 1000,
        time % 1000,
        20 + number % 9,
        number % 100
    )
}

/// `--name value` pairs.
struct Arguments(BTreeMap<String, String>);

impl Arguments {
    fn read() -> Result<Self, Problem> {
        let mut found = BTreeMap::new();
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let name = name
                .strip_prefix("--")
                .ok_or_else(|| format!("`{name}` is no option"))?
                .to_owned();
            let value = arguments
                .next()
                .ok_or_else(|| format!("--{name} needs a value"))?;
            found.insert(name, value);
        }
        Ok(Self(found))
    }

    fn text(&self, name: &str) -> Result<&str, Problem> {
        let found = self.0.get(name).map(String::as_str);
        found.ok_or_else(|| format!("--{name} is missing").into())
    }

    fn number(&self, name: &str, default: u64) -> Result<u64, Problem> {
        let Some(text) = self.0.get(name) else {
            return Ok(default);
        };
        text.parse()
            .map_err(|_| format!("--{name}: no number").into())
    }
}

async fn run() -> Result<String, Problem> {
    let arguments = Arguments::read()?;
    let keys = std::fs::read_to_string(arguments.text("keys")?)?;
    let keys: Vec<(String, String)> = keys
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(user, password)| (user.to_owned(), password.to_owned()))
        .collect();
    if keys.is_empty() {
        return Err("--keys: no line `user password`".into());
    }
    let load = Load {
        address: arguments.text("address")?.parse()?,
        process: Process(u32::try_from(arguments.number("pid", 0)?)?),
        channel: arguments.text("channel")?.into(),
        keys: Arc::new(keys),
        connections: usize::try_from(arguments.number("connections", 50)?)?,
        messages: arguments.number("messages", 2_000)?,
        start: arguments.number("start", 0)?,
        window: arguments.number("window", 20)?.max(1),
        qos: u8::try_from(arguments.number("qos", 1)?.min(2))?,
        subscribers: usize::try_from(arguments.number("subscribers", 0)?)?,
        subscriber_qos: u8::try_from(arguments.number("subscriber-qos", 0)?.min(2))?,
    };
    let idle = usize::try_from(arguments.number("idle", 0)?)?;
    let report = if idle > 0 {
        idle::run(&load, idle).await?
    } else if arguments.number("http", 0)? > 0 {
        http::run(&load).await?
    } else {
        publish::run(&load).await?
    };
    Ok(report.to_string())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("mqtt_load: {problem}");
            ExitCode::FAILURE
        }
    }
}
