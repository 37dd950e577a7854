//! The data folder: one tellee at a time, for its owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use fs4::fs_std::FileExt as _;

use crate::failure::Failure;

/// What a restore unpacks into, inside of the data folder. As long as it is there, the restore is not whole.
pub const RESTORING: &str = "restoring";

/// A data folder that this process holds. Let go when dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Takes the lock of a folder that a tellee has used before.
    pub fn open_existing(path: &Path) -> Result<Self, Failure> {
        if path.join("events.db").exists() || path.join("telemetry").exists() {
            return Self::open(path);
        }
        Err(Failure::DataFolder(format!(
            "`{}` is no data folder of a tellee: it holds neither `events.db` nor `telemetry`; give another with --data-dir",
            path.display()
        )))
    }

    /// Makes the folder if it is not there, and takes its lock.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Self::open_unheld(path)?.ok_or_else(|| in_use(path))
    }

    /// As [`Self::open`]; none, if another tellee holds it.
    pub fn open_unheld(path: &Path) -> Result<Option<Self>, Failure> {
        let folder = Self::lock(path)?;
        if folder.is_some() && path.join(RESTORING).exists() {
            return Err(Failure::DataFolder(format!(
                "data folder `{}` holds a restore that was broken off; run `tellee restore` again",
                path.display()
            )));
        }
        Ok(folder)
    }

    /// As [`Self::open`]; the folder may hold a restore that was broken off.
    pub fn open_for_restore(path: &Path) -> Result<Self, Failure> {
        Self::lock(path)?.ok_or_else(|| in_use(path))
    }

    fn lock(path: &Path) -> Result<Option<Self>, Failure> {
        let unusable = |error: io::Error| {
            Failure::DataFolder(format!(
                "data folder `{}` cannot be used: {error}; give another with --data-dir or mend its rights",
                path.display()
            ))
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(path)
            .map_err(unusable)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("LOCK"))
            .map_err(unusable)?;
        if !lock.try_lock_exclusive().map_err(unusable)? {
            return Ok(None);
        }
        lock.set_len(0).map_err(unusable)?;
        writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
        Ok(Some(Self {
            path: path.to_owned(),
            _lock: lock,
        }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn events(&self) -> PathBuf {
        self.path.join("events.db")
    }

    pub fn telemetry(&self) -> PathBuf {
        self.path.join("telemetry")
    }

    pub fn mqtt(&self) -> PathBuf {
        self.path.join("mqtt")
    }

    pub fn models(&self) -> PathBuf {
        self.path.join("models")
    }

    /// Of the retention.
    pub fn reckoning(&self) -> PathBuf {
        self.path.join("retention-time.json")
    }

    pub fn secrets(&self) -> PathBuf {
        self.path.join("secrets")
    }
}

fn in_use(path: &Path) -> Failure {
    Failure::DataFolder(format!(
        "data folder `{}` is in use by another tellee; stop that one or give another with --data-dir",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let held = DataFolder::open(&path).unwrap();
        let second = DataFolder::open(&path).unwrap_err();
        assert_eq!(second.exit_code(), 3);
        assert!(second.to_string().contains("in use"), "{second}");
        drop(held);
        DataFolder::open(&path).unwrap();
    }

    #[test]
    fn a_restore_that_was_broken_off_is_opened_by_none_but_a_restore() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(RESTORING)).unwrap();
        fs::write(folder.path().join("events.db"), "").unwrap();
        for opened in [
            DataFolder::open(folder.path()),
            DataFolder::open_existing(folder.path()),
        ] {
            let error = opened.unwrap_err();
            assert_eq!(error.exit_code(), 3);
            assert!(error.to_string().contains("broken off"), "{error}");
        }
        DataFolder::open_for_restore(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_that_is_a_file_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        fs::write(&path, "").unwrap();
        assert_eq!(DataFolder::open(&path).unwrap_err().exit_code(), 3);
    }
}
