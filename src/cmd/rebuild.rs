//! `tellee rebuild` and `tellee migrate`.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use tellee_actors::time::{SharedClock, SystemClock};
use tellee_projections::Projections;
use tellee_projections::rebuild::rebuild;

use super::{ConfigArgs, runtime};
use crate::failure::Failure;
use crate::folder::DataFolder;
use crate::node::{open_events, open_telemetry};
use crate::output::{remark, say};

const BAR_WIDTH: u64 = 40;

pub fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let config = args.load()?;
    runtime()?.block_on(async {
        let folder = DataFolder::open_existing(&config.data_dir)?;
        let (database, events) = open_events(&folder.events()).await?;
        let on_terminal = std::io::stderr().is_terminal();
        let mut shown = u64::MAX;
        let rebuilt = rebuild(Arc::new(events), &database, |progress| {
            let share = (progress.done.0 * 100)
                .checked_div(progress.total.0)
                .unwrap_or(100)
                .min(100);
            if share != shown {
                shown = share;
                draw(share, on_terminal);
            }
        })
        .await
        .map_err(|error| Failure::events(&error))?;
        if on_terminal {
            remark("");
        }
        database
            .close()
            .await
            .map_err(|error| Failure::events(&error))?;
        say(format_args!(
            "{} events read up to position {}, {} skipped",
            rebuilt.events, rebuilt.position, rebuilt.skipped
        ))
    })
}

/// A bar that overwrites itself on a terminal, a line every tenth part elsewhere.
fn draw(percent: u64, on_terminal: bool) {
    if on_terminal {
        let filled = usize::try_from(percent * BAR_WIDTH / 100).unwrap_or(0);
        let width = usize::try_from(BAR_WIDTH).unwrap_or(0);
        let bar = "#".repeat(filled);
        let _ = write!(std::io::stderr(), "\r[{bar:<width$}] {percent:>3} %");
    } else if percent.is_multiple_of(10) {
        remark(format_args!("{percent} %"));
    }
}

/// Opens everything once; opening brings each file to the present format.
pub fn migrate(args: &ConfigArgs) -> Result<(), Failure> {
    let config = args.load()?;
    runtime()?.block_on(async {
        let clock: SharedClock = Arc::new(SystemClock::default());
        let folder = DataFolder::open_existing(&config.data_dir)?;
        let (database, events) = open_events(&folder.events()).await?;
        let projections =
            Projections::start(Arc::new(events), database.clone(), Arc::clone(&clock))
                .await
                .map_err(|error| Failure::events(&error))?;
        projections.stop().await;
        let telemetry = open_telemetry(&folder.telemetry(), &clock).await?;
        use tellee_projections::telemetry::TelemetryStore as _;
        telemetry
            .close()
            .await
            .map_err(|error| Failure::telemetry(&error))?;
        database
            .close()
            .await
            .map_err(|error| Failure::events(&error))?;
        say("the data folder is in the format of this version")
    })
}
