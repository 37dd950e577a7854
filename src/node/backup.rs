//! One file of everything: a tar archive, packed with zstd, of a data folder as it was at one moment.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Stores, VERSION};
use crate::failure::Failure;

/// What the archive says of itself, in its first file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The layout of the archive.
    pub format: u32,
    pub version: String,
}

pub(super) const FORMAT: u32 = 1;
pub(super) const MANIFEST: &str = "backup.json";
pub(super) const EVENTS: &str = "events.db";
/// The folders of an archive, beside `events.db`: the two stores, and those that are copied as they are.
const STORES: [&str; 2] = ["telemetry", "mqtt"];
const PLAIN_FOLDERS: [&str; 2] = ["models", "secrets"];
const STAGING: &str = "backup-staging";
const LEVEL: i32 = 3;

/// All folders that an archive may hold.
pub(super) fn folders() -> impl Iterator<Item = &'static str> {
    STORES.into_iter().chain(PLAIN_FOLDERS)
}

/// Stores as they were at one moment, in a folder of the data folder: files that do not change any more are links there
/// and take no room. Removed when dropped.
pub struct Staged {
    data_dir: PathBuf,
    staging: PathBuf,
}

/// Removes what a backup that was killed has left. Nothing else may take one meanwhile.
pub fn clear(data_dir: &Path) {
    let staging = data_dir.join(STAGING);
    if let Err(error) = fs::remove_dir_all(&staging)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %staging.display(), %error, "the folder of a backup could not be removed");
    }
}

/// Copies the stores while they are in use. One at a time in a data folder.
pub async fn stage(stores: &Stores, data_dir: &Path) -> Result<Staged, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::other("the backup cannot be made", error);
    clear(data_dir);
    let staged = Staged {
        data_dir: data_dir.to_owned(),
        staging: data_dir.join(STAGING),
    };
    let staging = &staged.staging;
    fs::DirBuilder::new()
        .mode(0o700)
        .create(staging)
        .map_err(|error| failed(&error))?;
    // What MQTT says is stored must be in telemetry, so it comes first. Events last: what telemetry and models refer to
    // is then in them.
    let (journal, folder) = (Arc::clone(stores.journal()), staging.join("mqtt"));
    tokio::task::spawn_blocking(move || journal.backup_to(&folder))
        .await
        .map_err(|error| failed(&error))?
        .map_err(|error| failed(&error))?;
    let telemetry = stores.embedded_telemetry();
    telemetry
        .backup_to(&staging.join("telemetry"))
        .await
        .map_err(|error| Failure::telemetry(&error))?;
    stores
        .database
        .backup(&staging.join(EVENTS))
        .await
        .map_err(|error| Failure::events(&error))?;
    Ok(staged)
}

impl Staged {
    /// Writes the archive. It holds the secrets.
    pub fn pack(&self, to: impl Write) -> io::Result<()> {
        let manifest = Manifest {
            format: FORMAT,
            version: VERSION.to_owned(),
        };
        fs::write(
            self.staging.join(MANIFEST),
            serde_json::to_vec_pretty(&manifest)?,
        )?;
        let mut encoder = zstd::Encoder::new(to, LEVEL)?;
        encoder.include_checksum(true)?;
        let mut archive = tar::Builder::new(encoder);
        archive.follow_symlinks(false);
        archive.append_path_with_name(self.staging.join(MANIFEST), MANIFEST)?;
        archive.append_path_with_name(self.staging.join(EVENTS), EVENTS)?;
        for folder in STORES {
            archive.append_dir_all(folder, self.staging.join(folder))?;
        }
        for folder in PLAIN_FOLDERS {
            let from = self.data_dir.join(folder);
            if from.is_dir() {
                archive.append_dir_all(folder, from)?;
            }
        }
        archive.into_inner()?.finish()?.flush()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        clear(&self.data_dir);
    }
}
