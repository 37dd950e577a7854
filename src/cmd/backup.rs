//! `tellee backup` and `tellee restore`.

mod target;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tellee_actors::time::{SharedClock, SystemClock};

use self::target::Target;
use super::{ConfigArgs, runtime};
use crate::failure::Failure;
use crate::folder::DataFolder;
use crate::node::control::ask_backup;
use crate::node::{Stores, backup as archive, mqtt_config, restore as put_back};
use crate::output::say;

#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(flatten)]
    common: ConfigArgs,
    /// The file to write. One that is there is replaced once the new one is whole.
    file: PathBuf,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    common: ConfigArgs,
    /// A file that `tellee backup` wrote.
    file: PathBuf,
}

pub fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let config = args.common.load()?;
    let to = std::path::absolute(&args.file).map_err(|error| {
        Failure::Usage(format!("`{}` is no path: {error}", args.file.display()))
    })?;
    if !config.data_dir.join("events.db").is_file() {
        return Err(Failure::DataFolder(format!(
            "data folder `{}` holds nothing to back up; give another with --data-dir",
            config.data_dir.display()
        )));
    }
    let mut target = Target::create(&to)?;
    match DataFolder::open_unheld(&config.data_dir)? {
        None => ask_backup(&config.data_dir, target.file())?,
        Some(folder) => runtime()?.block_on(async {
            let clock: SharedClock = Arc::new(SystemClock::default());
            let stores = Stores::open(&folder, &clock, mqtt_config(&config).state_limits()).await?;
            let staged = archive::stage(&stores, folder.path()).await?;
            staged.pack(target.file()).map_err(|error: io::Error| {
                Failure::other("the backup cannot be written", &error)
            })?;
            drop(staged);
            stores.close().await
        })?,
    }
    let bytes = target.commit()?;
    say(format_args!("{} ({bytes} bytes)", to.display()))
}

pub fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let config = args.common.load()?;
    // Before the data folder is made for it.
    let file = File::open(&args.file).map_err(|error| {
        Failure::Other(format!(
            "backup `{}` cannot be read: {error}",
            args.file.display()
        ))
    })?;
    let folder = DataFolder::open_for_restore(&config.data_dir)?;
    put_back::restore(file, &args.file, folder.path())?;
    say(format_args!("restored into {}", folder.path().display()))
}
