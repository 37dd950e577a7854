//! One file of everything: a tar archive, packed with zstd, of a data folder as it was at one moment.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Stores, VERSION};
use crate::failure::Failure;

/// What the archive says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// The layout of the archive.
    format: u32,
    version: String,
}

const FORMAT: u32 = 1;
const MANIFEST: &str = "backup.json";
const LEVEL: i32 = 3;
/// Folders that are copied as they are, beside the two stores.
const PLAIN_FOLDERS: [&str; 2] = ["models", "secrets"];

/// Writes the archive to `to`, whole or not at all. Works while the stores are in use.
pub async fn write(stores: &Stores, data_dir: &Path, to: &Path) -> Result<u64, Failure> {
    // Beside the target: on the same disk, so that the last step is a rename.
    let parent = to
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    let staging = parent.join(format!(".tellee-backup-{}", std::process::id()));
    let written = write_staged(stores, data_dir, to, &staging).await;
    if let Err(error) = fs::remove_dir_all(&staging)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %staging.display(), %error, "the folder of a backup could not be removed");
    }
    written
}

async fn write_staged(
    stores: &Stores,
    data_dir: &Path,
    to: &Path,
    staging: &Path,
) -> Result<u64, Failure> {
    let failed = |error: io::Error| Failure::other("the backup cannot be written", &error);
    fs::create_dir_all(staging).map_err(failed)?;
    fs::set_permissions(staging, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    // What MQTT says is stored must be in telemetry, so it comes first. Events last: what telemetry and models refer to
    // is then in them.
    let (journal, folder) = (Arc::clone(stores.journal()), staging.join("mqtt"));
    tokio::task::spawn_blocking(move || journal.backup_to(&folder))
        .await
        .map_err(|error| Failure::other("the backup cannot be written", &error))?
        .map_err(|error| Failure::other("the backup cannot be written", &error))?;
    let telemetry = stores.embedded_telemetry();
    telemetry
        .backup_to(&staging.join("telemetry"))
        .await
        .map_err(|error| Failure::telemetry(&error))?;
    stores
        .database
        .backup(&staging.join("events.db"))
        .await
        .map_err(|error| Failure::events(&error))?;
    let (data_dir, staging, to) = (data_dir.to_owned(), staging.to_owned(), to.to_owned());
    tokio::task::spawn_blocking(move || pack(&data_dir, &staging, &to))
        .await
        .map_err(|error| Failure::other("the backup cannot be written", &error))?
        .map_err(failed)
}

fn pack(data_dir: &Path, staging: &Path, to: &Path) -> io::Result<u64> {
    let manifest = Manifest {
        format: FORMAT,
        version: VERSION.to_owned(),
    };
    fs::write(
        staging.join(MANIFEST),
        serde_json::to_vec_pretty(&manifest)?,
    )?;
    let packed = staging.join("archive");
    // It holds the secrets.
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&packed)?;
    let encoder = zstd::Encoder::new(BufWriter::new(file), LEVEL)?;
    let mut archive = tar::Builder::new(encoder);
    archive.follow_symlinks(false);
    archive.append_path_with_name(staging.join(MANIFEST), MANIFEST)?;
    archive.append_path_with_name(staging.join("events.db"), "events.db")?;
    archive.append_dir_all("telemetry", staging.join("telemetry"))?;
    archive.append_dir_all("mqtt", staging.join("mqtt"))?;
    for folder in PLAIN_FOLDERS {
        let from = data_dir.join(folder);
        if from.is_dir() {
            archive.append_dir_all(folder, from)?;
        }
    }
    let mut writer = archive.into_inner()?.finish()?;
    writer.flush()?;
    let file = writer
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    let bytes = file.metadata()?.len();
    fs::rename(&packed, to)?;
    if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        File::open(parent)?.sync_all()?;
    }
    Ok(bytes)
}

/// Puts the archive into `data_dir`, which must hold nothing but the lock.
pub fn restore(archive: &Path, data_dir: &Path) -> Result<(), Failure> {
    let occupied = fs::read_dir(data_dir)
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
        .map_err(|error| {
            Failure::DataFolder(format!("data folder `{}`: {error}", data_dir.display()))
        })?
        .into_iter()
        .any(|entry| entry.file_name() != "LOCK");
    if occupied {
        return Err(Failure::DataFolder(format!(
            "data folder `{}` is not empty; a backup goes into an empty one",
            data_dir.display()
        )));
    }
    unpack(archive, data_dir).map_err(|error| {
        // Nothing partial is kept.
        for name in ["events.db", "telemetry", "mqtt", MANIFEST]
            .iter()
            .chain(&PLAIN_FOLDERS)
        {
            let path: PathBuf = data_dir.join(name);
            let _ = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
        }
        Failure::Other(format!(
            "backup `{}` cannot be restored: {error}",
            archive.display()
        ))
    })
}

fn unpack(archive: &Path, data_dir: &Path) -> io::Result<()> {
    let decoder = zstd::Decoder::new(File::open(archive)?)?;
    let mut archive = tar::Archive::new(decoder);
    archive.set_preserve_permissions(true);
    archive.unpack(data_dir)?;
    let manifest = fs::read(data_dir.join(MANIFEST))?;
    let manifest: Manifest = serde_json::from_slice(&manifest)?;
    if manifest.format > FORMAT {
        let reason = format!(
            "it was written by tellee {}, newer than this one",
            manifest.version
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    fs::remove_file(data_dir.join(MANIFEST))?;
    File::open(data_dir)?.sync_all()
}
