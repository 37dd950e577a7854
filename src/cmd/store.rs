//! `tellee store`: look into the telemetry files.

mod noting;
mod parquet;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use tellee_actors::store::{
    Database, DatabaseConfig, EmbeddedEventStore, EventStore as _, StoreError,
};
use tellee_actors::time::{SharedClock, SystemClock, Timestamp};
use tellee_api::mqtt::journal;
use tellee_projections::telemetry::{
    Damage, EmbeddedTelemetryStore, Hit, Report, SeriesFilter, SeriesKey, TelemetryError,
    TimeRange, check, write_csv,
};

use self::noting::Noting;
use self::parquet::{ExportError, write_parquet};
use super::{ConfigArgs, runtime};
use crate::failure::Failure;
use crate::folder::DataFolder;
use crate::node::open_telemetry;
use crate::output::{remark, say};

#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Read the events, every block and every log record, and say what is damaged. The server must not run.
    Check(ConfigArgs),
    /// Write samples as CSV or Parquet. The server must not run.
    Export(ExportArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Parquet,
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
    /// Instead of samples, the minutes and hours that outlived theirs. As CSV.
    #[arg(long)]
    rollups: bool,
    /// How to write them; without it as the name of the file ends, else CSV.
    #[arg(long, value_enum)]
    format: Option<Format>,
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
    let folder = DataFolder::open_existing(&config.data_dir)?;
    let events_are_whole = check_events(&folder.events())?;
    let report = check(&folder.telemetry()).map_err(|error| Failure::telemetry(&error))?;
    say(format_args!(
        "{} series, {} samples, {} blocks and {} rollups in {} files ({} bytes), log {} bytes",
        report.series,
        report.samples,
        report.blocks,
        report.rollups,
        report.block_files,
        report.block_bytes,
        report.log_bytes
    ))?;
    print_damages(&report)?;
    let mqtt = journal::check(&folder.mqtt()).map_err(|error| Failure::journal(&error))?;
    say(format_args!(
        "MQTT: {} sessions, {} messages that wait, {} retained ({} bytes)",
        mqtt.sessions, mqtt.messages, mqtt.retained, mqtt.bytes
    ))?;
    for damage in &mqtt.damages {
        say(format_args!(
            "damaged: `mqtt/{}` at byte {}: {}",
            damage.file, damage.offset, damage.reason
        ))?;
    }
    if events_are_whole && report.is_whole() && mqtt.is_whole() {
        return Ok(());
    }
    Err(Failure::DataFolder(
        "the stores are damaged in the places above; all else of `telemetry` and `mqtt` can be read".to_owned(),
    ))
}

/// Whether `events.db` is whole, or not there yet.
fn check_events(path: &Path) -> Result<bool, Failure> {
    if !path.is_file() {
        say("events: none")?;
        return Ok(true);
    }
    let checked = runtime()?.block_on(async {
        let database = Database::open(path, DatabaseConfig::default())?;
        database.check().await?;
        let events = EmbeddedEventStore::new(database.clone()).await?;
        let head = events.head().borrow().0;
        database.close().await?;
        Ok(head)
    });
    match checked {
        Ok(head) => {
            say(format_args!("events: up to position {head}"))?;
            Ok(true)
        }
        Err(StoreError::Damaged(reason)) => {
            say(format_args!("damaged: `events.db`: {reason}"))?;
            say(format_args!(
                "  restore a backup with `tellee restore`; a server may not start on this one"
            ))?;
            Ok(false)
        }
        Err(error) => Err(Failure::events(&error)),
    }
}

fn print_damages(report: &Report) -> Result<(), Failure> {
    for (damage, hit) in report.damages.iter().zip(&report.hits) {
        say(format_args!(
            "damaged: `{}` at byte {}: {}",
            damage.file, damage.offset, damage.reason
        ))?;
        if let Some(Hit::Block {
            series,
            samples,
            first,
            last,
        }) = hit
        {
            say(format_args!(
                "  unreadable: {samples} samples of {} from {} to {} s",
                name_of(series),
                seconds_of(*first),
                seconds_of(*last)
            ))?;
        }
        if let Some(Hit::Rollup { series }) = hit {
            say(format_args!("  a rollup of {}", name_of(series)))?;
        }
        if let Some(Hit::KeptRollup { series, first, end }) = hit {
            say(format_args!(
                "  unreadable: the kept rollup of {} from {} to {} s",
                name_of(series),
                seconds_of(*first),
                seconds_of(*end)
            ))?;
        }
        say(format_args!("  {}", advice(damage, hit.as_ref())))?;
    }
    if report.unlisted_damages > 0 {
        say(format_args!(
            "and {} more damaged places",
            report.unlisted_damages
        ))?;
    }
    Ok(())
}

fn name_of(series: &SeriesKey) -> String {
    let SeriesKey {
        channel,
        thing,
        subtopic,
        name,
    } = series;
    if subtopic.is_empty() {
        return format!("`{name}` of thing `{thing}` in channel `{channel}`");
    }
    format!("`{name}` of thing `{thing}` in channel `{channel}`, subtopic `{subtopic}`")
}

fn seconds_of(time: Timestamp) -> f64 {
    time.0 as f64 / 1e9
}

/// What to do about it.
fn advice(damage: &Damage, hit: Option<&Hit>) -> &'static str {
    match hit {
        Some(Hit::Rollup { .. }) => {
            "nothing is lost: answers come from the samples, and the rollup is made anew when files are merged"
        }
        Some(Hit::KeptRollup { .. }) => {
            "its samples are gone: take the data folder from a backup if this time is needed"
        }
        Some(Hit::Block { .. }) => {
            "send these samples again, or take them from a backup; they fill the gap whatever their age"
        }
        None if damage.file.starts_with("log-") => {
            "acknowledged samples are lost: take them from a backup, or from the spool of the edge device"
        }
        None if damage.file.starts_with("blocks-") => {
            "if a header or an index was hit, nothing is lost: it is made anew when files are merged"
        }
        None => "another copy was used; the file is written anew by the next flush",
    }
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
        let folder = DataFolder::open_existing(&config.data_dir)?;
        let store = open_telemetry(&folder.telemetry(), &clock).await?;
        let format = args
            .format
            .unwrap_or_else(|| format_of(args.output.as_deref()));
        if args.rollups && format != Format::Csv {
            let reason = "--rollups are written as CSV only".to_owned();
            return Err(Failure::Usage(reason));
        }
        let asked = Asked {
            store: &store,
            filter: &filter,
            range,
            rollups: args.rollups,
            format,
        };
        let failed = |error: std::io::Error| Failure::other("the export cannot be written", &error);
        let written = match &args.output {
            Some(path) => {
                let file = std::fs::File::create(path).map_err(failed)?;
                let mut writer = BufWriter::new(file);
                let written = asked.write(&mut writer)?;
                writer.flush().map_err(failed)?;
                written
            }
            None => asked.write(std::io::stdout())?,
        };
        let what = if args.rollups { "rows" } else { "samples" };
        remark(format_args!("{written} {what}"));
        let damages = store.damages();
        for damage in &damages {
            remark(format_args!(
                "damaged: `{}` at byte {}: {}",
                damage.file, damage.offset, damage.reason
            ));
        }
        if damages.is_empty() {
            return Ok(());
        }
        Err(Failure::DataFolder(
            "the export lacks what the damaged places above held; see `tellee store check`"
                .to_owned(),
        ))
    })
}

fn format_of(path: Option<&Path>) -> Format {
    match path.and_then(Path::extension) {
        Some(extension) if extension == "parquet" => Format::Parquet,
        _ => Format::Csv,
    }
}

/// What is to be exported, and how.
struct Asked<'a> {
    store: &'a EmbeddedTelemetryStore,
    filter: &'a SeriesFilter,
    range: TimeRange,
    rollups: bool,
    format: Format,
}

impl Asked<'_> {
    fn write(&self, to: impl Write + Send) -> Result<u64, Failure> {
        let mut to = Noting::new(to);
        let written = self.rows(&mut to);
        match to.error() {
            // A full disk or a closed pipe at this end says nothing of the store.
            Some(error) => Err(Failure::other("the export cannot be written", error)),
            None => written,
        }
    }

    fn rows(&self, to: impl Write + Send) -> Result<u64, Failure> {
        let failed = |error: TelemetryError| Failure::telemetry(&error);
        if self.rollups {
            let written = self.store.export_rollups(self.filter, self.range, to);
            return written.map_err(failed);
        }
        let rows = self.store.export(self.filter, self.range).map_err(failed)?;
        match self.format {
            Format::Csv => write_csv(rows, to).map_err(failed),
            Format::Parquet => write_parquet(rows, to).map_err(|error| match error {
                ExportError::Store(error) => failed(error),
                other => Failure::Other(other.to_string()),
            }),
        }
    }
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
