//! The one SQLite file of a node: events, projections and their checkpoints.
//!
//! One thread writes. It takes the jobs that wait, runs each in a savepoint of one transaction, commits once for all of
//! them and answers after the commit, so that one `fsync` serves many callers. A few read-only connections serve reads,
//! each job within one snapshot of the file.

mod error;
mod maintain;
mod migrate;
mod open;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, Savepoint};

pub use error::WriteError;
pub use open::FORMAT;

use super::StoreError;
use read::ReadPool;
use write::Writer;

/// Sizes and limits of a [`Database`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// Write jobs that may wait for the writer thread.
    pub write_queue: usize,
    /// How long a caller waits for a place among them before it is told [`StoreError::Overloaded`].
    pub write_queue_wait: Duration,
    /// Write jobs in one commit, at most.
    pub group_limit: usize,
    /// No further job joins a commit that has run jobs for this long.
    pub group_time: Duration,
    /// Read-only connections.
    pub readers: usize,
    /// Read jobs that may wait for one of them before a caller is told [`StoreError::Overloaded`].
    pub read_queue: usize,
    /// How long SQLite waits for a lock that another process holds.
    pub busy_timeout: Duration,
    /// Pages of 4 KiB that the file may grow to; beyond them a write ends in [`StoreError::DiskFull`].
    pub page_limit: Option<u32>,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            write_queue: 1024,
            write_queue_wait: Duration::from_secs(2),
            group_limit: 256,
            group_time: Duration::from_millis(2),
            readers: 4,
            read_queue: 1024,
            busy_timeout: Duration::from_secs(5),
            page_limit: None,
        }
    }
}

/// A handle on the open file; clones share it. The writer thread ends when the last clone is dropped or on [`close`](Self::close).
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    writer: Writer,
    readers: ReadPool,
    reads: AtomicU64,
}

impl Database {
    /// Opens the file at `path`, or makes it. Blocks; call it at start or from a blocking thread.
    ///
    /// # Errors
    /// [`StoreError::Newer`] if a newer version of Tellee wrote the file, [`StoreError::Damaged`] if it is no database or
    /// no database of Tellee's, [`StoreError::Failed`] if it cannot be opened or made. A file of another program is left as it is.
    pub fn open(path: &Path, config: DatabaseConfig) -> Result<Self, StoreError> {
        let connection = open::open_writer(path, &config)?;
        let readers = ReadPool::new(path, &config);
        let writer = Writer::start(connection, &config)?;
        Ok(Self {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                writer,
                readers,
                reads: AtomicU64::new(0),
            }),
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Read jobs since the file was opened.
    pub fn reads(&self) -> u64 {
        self.shared.reads.load(Ordering::Relaxed)
    }

    /// Runs `job` in a savepoint on the writer thread and answers once its changes are durable.
    ///
    /// If `job` fails, what it changed is undone and nobody else's work is. `?` on a [`rusqlite::Error`] in a job gives
    /// [`WriteError::Store`]; a job says no with `Err(WriteError::Refused(…))`.
    ///
    /// # Errors
    /// [`WriteError::Refused`] is the job's own answer. [`WriteError::Store`]: nothing was kept, except that after
    /// [`StoreError::Failed`] from the commit itself the outcome is known only from the file.
    ///
    /// Dropping the future withdraws a job that has not begun; one that has begun is finished and committed.
    pub async fn write<T, E, F>(&self, job: F) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Savepoint<'_>) -> Result<T, WriteError<E>> + Send + 'static,
    {
        self.write_then(job, |_: &T| {}).await
    }

    /// As [`write`](Self::write); `committed` runs on the writer thread after the commit and before anyone is answered,
    /// even if the caller no longer waits. It must be short and must not block.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_then<T, E, F, C>(&self, job: F, committed: C) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Savepoint<'_>) -> Result<T, WriteError<E>> + Send + 'static,
        C: FnOnce(&T) + Send + 'static,
    {
        self.shared.writer.run(job, committed).await
    }

    /// Runs `job` on a read-only connection, off the async threads, within one snapshot of the file.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] if too many reads wait, else what SQLite says.
    pub async fn read<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        self.shared.reads.fetch_add(1, Ordering::Relaxed);
        self.shared.readers.run(job).await
    }

    /// Brings the tables of `component` up to date: runs those of `migrations` (SQL scripts, oldest first) that this file
    /// has not seen, each once, all or none. Scripts that were ever released must never change.
    ///
    /// # Errors
    /// [`StoreError::Newer`] if the file has seen more migrations of `component` than there are.
    pub async fn migrate(&self, component: &str, migrations: &[&str]) -> Result<(), StoreError> {
        migrate::migrate(self, component, migrations).await
    }

    /// Copies the file as it is now to `to`, which must not exist. Writers go on meanwhile. Nothing is left at `to` on failure.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] if there is no room, [`StoreError::Failed`] if `to` exists or cannot be written.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        maintain::backup(self, to).await
    }

    /// Reads the whole file and checks its structure and references.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first findings.
    pub async fn check(&self) -> Result<(), StoreError> {
        maintain::check(self).await
    }

    /// Sets how many pages the file may grow to; `None` is no limit but the disk's.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn limit_pages(&self, pages: Option<u32>) -> Result<(), StoreError> {
        self.shared.writer.limit_pages(pages).await
    }

    /// Finishes the jobs that were taken, moves the write-ahead log into the file and closes it. Later calls get [`StoreError::Closed`].
    ///
    /// # Errors
    /// What SQLite says; everything that was acknowledged is durable even then.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.shared.readers.close().await;
        self.shared.writer.close().await
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Database")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}
