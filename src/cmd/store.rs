//! `tellee store`: look into the telemetry files.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use tellee_actors::time::{SharedClock, SystemClock, Timestamp};
use tellee_api::mqtt::journal;
use tellee_projections::telemetry::{SeriesFilter, TimeRange, check, write_csv};

use super::{ConfigArgs, runtime};
use crate::failure::Failure;
use crate::folder::DataFolder;
use crate::node::open_telemetry;

#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Read every block and every log record, and say what is damaged. The server must not run.
    Check(ConfigArgs),
    /// Write samples as CSV. The server must not run.
    Export(ExportArgs),
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    common: ConfigArgs,
    /// Only this channel.
    #[arg(long)]
    channel: Option<String>,
    /// Only this thing.
    #[arg(long)]
    thing: Option<String>,
    /// Only series of this name.
    #[arg(long)]
    name: Option<String>,
    /// From this time, inclusive: seconds since 1970.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    from: Option<f64>,
    /// To this time, exclusive: seconds since 1970.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    to: Option<f64>,
    /// File to write; stdout without it.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(command: StoreCommand) -> Result<(), Failure> {
    match command {
        StoreCommand::Check(args) => run_check(&args),
        StoreCommand::Export(args) => export(&args),
    }
}

fn run_check(args: &ConfigArgs) -> Result<(), Failure> {
    let config = args.load()?;
    let folder = DataFolder::open(&config.data_dir)?;
    let report = check(&folder.telemetry()).map_err(|error| Failure::telemetry(&error))?;
    println!(
        "{} series, {} samples, {} blocks in {} files ({} bytes), log {} bytes",
        report.series,
        report.samples,
        report.blocks,
        report.block_files,
        report.block_bytes,
        report.log_bytes
    );
    let mqtt = journal::check(&folder.mqtt()).map_err(|error| Failure::journal(&error))?;
    println!(
        "MQTT: {} sessions, {} messages that wait, {} retained ({} bytes)",
        mqtt.sessions, mqtt.messages, mqtt.retained, mqtt.bytes
    );
    for damage in &mqtt.damages {
        println!(
            "damaged: `mqtt/{}` at byte {}: {}",
            damage.file, damage.offset, damage.reason
        );
    }
    for damage in &report.damages {
        println!(
            "damaged: `{}` at byte {}: {}",
            damage.file, damage.offset, damage.reason
        );
    }
    if report.is_whole() && mqtt.is_whole() {
        return Ok(());
    }
    Err(Failure::DataFolder(
        "the stores are damaged in the places above; all else can be read".to_owned(),
    ))
}

fn export(args: &ExportArgs) -> Result<(), Failure> {
    let config = args.common.load()?;
    let filter = SeriesFilter {
        channels: match &args.channel {
            Some(channel) => {
                Some(vec![channel.parse().map_err(|_| {
                    Failure::Usage(format!("--channel `{channel}` is no id"))
                })?])
            }
            None => None,
        },
        thing: match &args.thing {
            Some(thing) => Some(
                thing
                    .parse()
                    .map_err(|_| Failure::Usage(format!("--thing `{thing}` is no id")))?,
            ),
            None => None,
        },
        name: args.name.clone(),
        ..SeriesFilter::default()
    };
    let range = TimeRange {
        from: seconds(args.from, "--from")?.unwrap_or(Timestamp::MIN),
        to: seconds(args.to, "--to")?.unwrap_or(Timestamp::MAX),
    };
    runtime()?.block_on(async {
        let clock: SharedClock = Arc::new(SystemClock::default());
        let folder = DataFolder::open(&config.data_dir)?;
        let store = open_telemetry(&folder.telemetry(), &clock).await?;
        let rows = store
            .export(&filter, range)
            .map_err(|error| Failure::telemetry(&error))?;
        let failed = |error: std::io::Error| Failure::other("the export cannot be written", &error);
        let written = match &args.output {
            Some(path) => {
                let file = std::fs::File::create(path).map_err(failed)?;
                let mut writer = BufWriter::new(file);
                let written =
                    write_csv(rows, &mut writer).map_err(|error| Failure::telemetry(&error))?;
                writer.flush().map_err(failed)?;
                written
            }
            None => write_csv(rows, &mut std::io::stdout().lock())
                .map_err(|error| Failure::telemetry(&error))?,
        };
        eprintln!("{written} samples");
        Ok(())
    })
}

fn seconds(given: Option<f64>, flag: &str) -> Result<Option<Timestamp>, Failure> {
    let Some(seconds) = given else {
        return Ok(None);
    };
    let nanoseconds = seconds * 1e9;
    if !nanoseconds.is_finite() || nanoseconds.abs() >= i64::MAX as f64 {
        return Err(Failure::Usage(format!(
            "{flag} {seconds} lies outside the years 1677 to 2262"
        )));
    }
    Ok(Some(Timestamp(nanoseconds as i64)))
}
