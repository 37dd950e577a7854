//! The seam between the store and the disk: one folder of files, on a real disk or on a simulated one.

mod real;
mod simulated;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use real::RealDisk;
pub use simulated::{Faults, SimulatedDisk};

use super::store::TelemetryError;

/// One folder. What a name leads to is durable only after [`Disk::sync_folder`], what a file holds only after
/// [`DiskFile::sync`].
pub trait Disk: Send + Sync + 'static {
    fn list(&self) -> io::Result<Vec<String>>;
    /// An empty file called `name`, instead of any that was there.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes the name. Files that are open stay readable.
    fn remove(&self, name: &str) -> io::Result<()>;
    fn sync_folder(&self) -> io::Result<()>;
    /// Gives the file `name` a second name in the folder `target`, without copying it. Not every disk can.
    fn link_to(&self, name: &str, target: &Path) -> io::Result<()>;
}

pub trait DiskFile: Send + Sync {
    fn length(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset`, or fails with [`io::ErrorKind::UnexpectedEof`].
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Makes the contents and the length durable.
    fn sync(&self) -> io::Result<()>;
}

/// All of `file`.
pub fn read_all(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// The store's error for an error of the disk while it did `what`.
pub fn failed(what: &str, error: &io::Error) -> TelemetryError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => TelemetryError::DiskFull,
        _ => TelemetryError::Failed(format!("{what}: {error}")),
    }
}
