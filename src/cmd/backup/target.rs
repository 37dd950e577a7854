//! The file that a backup goes into.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A file beside the target, on the same disk. Put in the target's place once it is whole; dropped before, it is removed.
pub struct Target {
    to: PathBuf,
    new: PathBuf,
    file: File,
}

impl Target {
    /// What is there already is replaced, if it is a file. Folders are not made.
    pub fn create(to: &Path) -> Result<Self, Failure> {
        match fs::symlink_metadata(to) {
            Ok(there) if !there.is_file() => {
                return Err(Failure::Usage(format!(
                    "`{}` is there and is no file; a backup does not take its place",
                    to.display()
                )));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(cannot(to, &error));
            }
            _ => {}
        }
        let new = to.with_file_name(format!(".tellee-backup-{}", uuid::Uuid::new_v4()));
        // It will hold the secrets.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)
            .map_err(|error| cannot(to, &error))?;
        Ok(Self {
            to: to.to_owned(),
            new,
            file,
        })
    }

    pub const fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts the file in its place, for good; its size.
    pub fn commit(self) -> Result<u64, Failure> {
        self.put().map_err(|error| cannot(&self.to, &error))
    }

    fn put(&self) -> io::Result<u64> {
        self.file.sync_all()?;
        let bytes = self.file.metadata()?.len();
        fs::rename(&self.new, &self.to)?;
        if let Some(folder) = self.to.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(bytes)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It is not there any more where it was put in its place.
        let _ = fs::remove_file(&self.new);
    }
}

fn cannot(to: &Path, error: &io::Error) -> Failure {
    Failure::Other(format!(
        "the backup `{}` cannot be written: {error}",
        to.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_by_a_whole_one_only() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("b");
        fs::write(&to, "old").unwrap();
        let mut target = Target::create(&to).unwrap();
        target.file().write_all(b"half").unwrap();
        drop(target);
        assert_eq!(fs::read(&to).unwrap(), b"old");
        let mut target = Target::create(&to).unwrap();
        target.file().write_all(b"whole").unwrap();
        assert_eq!(target.commit().unwrap(), 5);
        assert_eq!(fs::read(&to).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_not_replaced_and_no_folder_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for to in [&link, Path::new("/dev/null"), folder.path()] {
            let refused = Target::create(to).err().unwrap();
            assert_eq!(refused.exit_code(), 2, "{refused}");
        }
        let refused = Target::create(&folder.path().join("no/b")).err().unwrap();
        assert_eq!(refused.exit_code(), 1, "{refused}");
        assert!(!folder.path().join("no").exists());
    }
}
