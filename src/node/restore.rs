//! Puts a backup into an empty data folder. It is unpacked aside and then moved into place; until all of it is there the
//! folder is marked, and no server starts on it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path};

use super::backup::{EVENTS, FORMAT, MANIFEST, Manifest, folders};
use crate::failure::Failure;
use crate::folder::RESTORING;

/// Most bytes of the archive's first file.
const MANIFEST_LIMIT: u64 = 64 * 1024;

/// Puts `archive` into `data_dir`, whole or not at all. The folder must hold nothing but its lock, or what a restore that
/// was broken off has left.
pub fn restore(archive: File, name: &Path, data_dir: &Path) -> Result<(), Failure> {
    let unusable = |error: io::Error| {
        Failure::DataFolder(format!("data folder `{}`: {error}", data_dir.display()))
    };
    if data_dir.join(RESTORING).exists() {
        clear(data_dir).map_err(unusable)?;
    }
    let entries = fs::read_dir(data_dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let occupied = entries
        .map_err(unusable)?
        .into_iter()
        .any(|entry| entry.file_name() != "LOCK");
    if occupied {
        return Err(Failure::DataFolder(format!(
            "data folder `{}` is not empty; a backup goes into an empty one",
            data_dir.display()
        )));
    }
    put(archive, data_dir).map_err(|error| {
        let failed = format!("backup `{}` cannot be restored: {error}", name.display());
        match clear(data_dir) {
            Ok(()) => Failure::Other(failed),
            Err(error) => Failure::DataFolder(format!("{failed}; what it left stays: {error}")),
        }
    })
}

fn put(archive: File, data_dir: &Path) -> io::Result<()> {
    let aside = data_dir.join(RESTORING);
    fs::create_dir(&aside)?;
    sync(data_dir)?;
    unpack(archive, &aside)?;
    sync_all(&aside)?;
    for name in folders().chain([EVENTS]) {
        let from = aside.join(name);
        if from.exists() {
            fs::rename(from, data_dir.join(name))?;
        }
    }
    sync(data_dir)?;
    fs::remove_dir(&aside)?;
    sync(data_dir)
}

/// Removes all that a restore puts into the folder, its mark last.
fn clear(data_dir: &Path) -> io::Result<()> {
    for name in folders().chain([EVENTS, RESTORING]) {
        let path = data_dir.join(name);
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync(data_dir)
}

fn unpack(archive: File, into: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(archive)?);
    archive.set_preserve_permissions(true);
    let mut entries = archive.entries()?;
    let first = entries.next().transpose()?;
    let Some(manifest) = first.filter(|entry| entry.path().is_ok_and(|path| *path == *MANIFEST))
    else {
        return Err(invalid("it is no backup of tellee"));
    };
    let manifest: Manifest = serde_json::from_reader(manifest.take(MANIFEST_LIMIT))?;
    if manifest.format > FORMAT {
        return Err(invalid(format!(
            "it was written by tellee {}, newer than this one",
            manifest.version
        )));
    }
    for entry in entries {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if !belongs(&path) || !entry.unpack_in(into)? {
            let path = path.display();
            return Err(invalid(format!("`{path}` belongs to no backup of tellee")));
        }
    }
    if !into.join(EVENTS).is_file() {
        return Err(invalid(format!("it lacks `{EVENTS}`")));
    }
    // To the end, so that the checksum is compared.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(())
}

fn belongs(path: &Path) -> bool {
    let Some(Component::Normal(top)) = path.components().next() else {
        return false;
    };
    path == Path::new(EVENTS) || folders().any(|folder| top == folder)
}

fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Everything in the folder `path` to the disk, and the folder.
fn sync_all(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_all(&entry.path())?;
        } else if kind.is_file() {
            sync(&entry.path())?;
        }
    }
    sync(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of `files`, as a file to read.
    fn archive(files: &[(&str, &str)]) -> File {
        let packed = zstd::Encoder::new(tempfile::tempfile().unwrap(), 1).unwrap();
        let mut archive = tar::Builder::new(packed);
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            archive
                .append_data(&mut header, name, text.as_bytes())
                .unwrap();
        }
        let mut file = archive.into_inner().unwrap().finish().unwrap();
        io::Seek::rewind(&mut file).unwrap();
        file
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    const GOOD: (&str, &str) = (MANIFEST, "{\"format\":1,\"version\":\"0.1.0\"}");

    #[test]
    fn an_archive_of_others_leaves_nothing_behind() {
        let newer = (MANIFEST, "{\"format\":9,\"version\":\"9.0.0\"}");
        let event = ("events.db", "e");
        let foreign: [&[(&str, &str)]; 6] = [
            &[],
            &[("README", "text"), ("src/main.rs", "text")],
            &[event, GOOD],
            &[newer, event],
            &[GOOD, event, ("src/main.rs", "text")],
            &[GOOD, ("telemetry/manifest", "m")],
        ];
        for files in foreign {
            let folder = tempfile::tempdir().unwrap();
            let refused = restore(archive(files), Path::new("a"), folder.path()).unwrap_err();
            assert_eq!(refused.exit_code(), 1, "{files:?}: {refused}");
            assert_eq!(names(folder.path()), [""; 0], "{files:?}");
        }
    }

    #[test]
    fn a_restore_that_was_broken_off_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("restoring/telemetry")).unwrap();
        fs::create_dir(folder.path().join("secrets")).unwrap();
        let whole = [GOOD, ("events.db", "e"), ("secrets/master.key", "k")];
        restore(archive(&whole), Path::new("a"), folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["events.db", "secrets"]);
        assert_eq!(names(&folder.path().join("secrets")), ["master.key"]);
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine"), "").unwrap();
        let whole = [GOOD, ("events.db", "e")];
        let refused = restore(archive(&whole), Path::new("a"), folder.path()).unwrap_err();
        assert_eq!(refused.exit_code(), 3);
        assert_eq!(names(folder.path()), ["mine"]);
    }
}
