//! `tellee backup` and `tellee restore`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tellee_actors::time::{SharedClock, SystemClock};

use super::{ConfigArgs, runtime};
use crate::failure::Failure;
use crate::folder::DataFolder;
use crate::node::control::{Answer, Ask, ask};
use crate::node::{Stores, backup as archive, mqtt_config};

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
    let bytes = runtime()?.block_on(async {
        let folder = match DataFolder::open(&config.data_dir) {
            Ok(folder) => folder,
            // A server holds it: it writes the file itself.
            Err(_) => {
                return match ask(&config.data_dir, &Ask::Backup { to: to.clone() }).await? {
                    Answer::Done { bytes } => Ok(bytes),
                    Answer::Failed { reason } => Err(Failure::Other(reason)),
                };
            }
        };
        let clock: SharedClock = Arc::new(SystemClock::default());
        let stores = Stores::open(&folder, &clock, mqtt_config(&config).state_limits()).await?;
        let bytes = archive::write(&stores, folder.path(), &to).await?;
        stores.close().await?;
        Ok(bytes)
    })?;
    println!("{} ({bytes} bytes)", to.display());
    Ok(())
}

pub fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let config = args.common.load()?;
    let folder = DataFolder::open(&config.data_dir)?;
    archive::restore(&args.file, folder.path())?;
    println!("restored into {}", folder.path().display());
    Ok(())
}
