//! `tellee demo`: a server, a simulated pump and an edge agent as three processes over real sockets, provisioned through
//! the same API that everybody uses.

mod client;
mod plant;
mod process;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tellee_edge::sim::{self, SimKind};
use tokio::signal::unix::{SignalKind, signal};

use self::client::Client;
use self::process::Process;
use super::runtime;
use crate::config::Span;
use crate::failure::Failure;
use crate::output::{remark, say};

/// Healthy data before a model is trained.
const HEALTHY: Duration = Duration::from_secs(50);
const POLL: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder of the demo's data.
    #[arg(long, value_name = "DIR", default_value = "./tellee-demo")]
    folder: PathBuf,
    /// Address of HTTP.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Address of MQTT.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    mqtt: SocketAddr,
    /// When the bearing of the pump begins to wear.
    #[arg(long, value_name = "SPAN", default_value = "60s")]
    fault_after: Span,
    /// How long the wear takes to its full size.
    #[arg(long, value_name = "SPAN", default_value = "60s")]
    fault_ramp: Span,
    /// Play this CSV file instead of the pump.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

pub fn run(args: DemoArgs) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let failed = |error: std::io::Error| Failure::other("signals cannot be heard", &error);
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut processes = Vec::new();
        let ended = tokio::select! {
            ended = play(&args, &mut processes) => ended,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        };
        // The agent first, so that it hands over what it has; the server last.
        for process in processes.into_iter().rev() {
            process.stop().await;
        }
        ended
    })
}

/// Runs until one of the processes ends.
async fn play(args: &DemoArgs, processes: &mut Vec<Process>) -> Result<(), Failure> {
    let folder = std::path::absolute(&args.folder).map_err(|error| {
        Failure::Usage(format!("`{}` is no path: {error}", args.folder.display()))
    })?;
    std::fs::create_dir_all(&folder).map_err(|error| {
        Failure::DataFolder(format!("demo folder `{}`: {error}", folder.display()))
    })?;
    let account = plant::account(&folder)?;
    let tellee = program("tellee")?;

    let server = Process::start(
        "server",
        tokio::process::Command::new(&tellee)
            .arg("serve")
            .args(["--data-dir".as_ref(), folder.join("data").as_os_str()])
            .args([
                "--http",
                &args.http.to_string(),
                "--mqtt",
                &args.mqtt.to_string(),
            ])
            .env("TELLEE_ADMIN_EMAIL", &account.email)
            .env("TELLEE_ADMIN_PASSWORD", &account.password),
        &folder.join("server.log"),
    )
    .await?;
    processes.push(server);
    let ready = processes[0].ready_line().await?;
    let http = ready["http"].as_str().unwrap_or_default().to_owned();
    let mqtt = ready["mqtt"].as_str().unwrap_or_default().to_owned();

    let kind = args.csv.clone().map_or(SimKind::Pump, SimKind::Csv);
    let mut simulator = tokio::process::Command::new(&tellee);
    simulator.args(["sim", "--listen", "127.0.0.1:0"]);
    match &args.csv {
        Some(file) => {
            simulator
                .arg("--csv")
                .arg(file)
                .args(["--every", "1s", "--loop"]);
        }
        None => {
            let fault = format!(
                "bearing-wear@{}ms,ramp={}ms",
                millis(args.fault_after),
                millis(args.fault_ramp)
            );
            simulator.args(["--fault", &fault]);
        }
    }
    processes.push(Process::start("simulator", &mut simulator, &folder.join("sim.log")).await?);
    let ready = processes[1].ready_line().await?;
    let modbus: SocketAddr = ready["modbus"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Failure::Other("the simulator does not say where it listens".to_owned()))?;

    let client = Client::sign_in(&format!("http://{http}"), &account).await?;
    let content = sim::edge_content(&kind, &modbus.ip().to_string(), modbus.port(), POLL)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let plant = plant::provision(&client, &account, &kind, &content).await?;

    let key_file = plant::external_key_file(&folder, &account)?;
    let agent = Process::start(
        "edge agent",
        tokio::process::Command::new(program("tellee-edge")?)
            .args(["--server", &format!("http://{http}"), "--mqtt", &mqtt])
            .args(["--external-id", plant::EXTERNAL_ID])
            .args(["--external-key-file".as_ref(), key_file.as_os_str()])
            .args(["--data-dir".as_ref(), folder.join("edge").as_os_str()]),
        &folder.join("edge.log"),
    )
    .await?;
    processes.push(agent);
    announce(args, &http, &account, &folder)?;

    let training = train_when_healthy(&client, &plant);
    tokio::select! {
        () = training => {}
        ended = process::first_end(processes) => return Err(ended),
    }
    Err(process::first_end(processes).await)
}

fn announce(
    args: &DemoArgs,
    http: &str,
    account: &plant::Account,
    folder: &Path,
) -> Result<(), Failure> {
    say("")?;
    say(format_args!("  Tellee runs:   http://{http}/ui/"))?;
    say(format_args!(
        "  sign in with   {}   {}",
        account.email, account.password
    ))?;
    say("")?;
    if args.csv.is_none() {
        say(format_args!("  0 s            a healthy pump, P-101"))?;
        say(format_args!(
            "  ~{} s          a model is trained on what it has seen",
            HEALTHY.as_secs()
        ))?;
        say(format_args!(
            "  {} s           the drive-end bearing begins to wear: watch the score, then the alarm",
            args.fault_after.duration().as_secs()
        ))?;
        say("")?;
    }
    say(format_args!("  logs           {}/*.log", folder.display()))?;
    say(format_args!("  Ctrl-C         ends all three processes"))?;
    say("")
}

/// Waits for enough healthy samples, then has a model trained on them. Problems are told, not fatal.
async fn train_when_healthy(client: &Client, plant: &plant::Plant) {
    tokio::time::sleep(HEALTHY).await;
    let told = match plant::train(client, plant, HEALTHY).await {
        Ok(plant::Trained::Version(version)) => {
            say(format_args!("  model version {version} is live"))
        }
        Ok(plant::Trained::AlreadyThere) => {
            say(format_args!("  the model of an earlier run is live"))
        }
        Err(failure) => say(format_args!("  no model: {failure}")),
    };
    if let Err(failure) = told {
        remark(failure);
    }
}

/// A program beside this one.
fn program(name: &str) -> Result<PathBuf, Failure> {
    let here = std::env::current_exe()
        .map_err(|error| Failure::other("this program cannot be found", &error))?;
    let path = here.with_file_name(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::Other(format!(
        "`{}` is missing; build it with `cargo build --release`",
        path.display()
    )))
}

const fn millis(span: Span) -> u128 {
    span.duration().as_millis()
}
