//! Read-only connections, lent one job at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{DatabaseConfig, open};
use crate::store::StoreError;

pub(super) struct ReadPool {
    /// Jobs in the pool, waiting or running.
    admission: Arc<Semaphore>,
    /// Jobs that run: one permit for each connection there may be.
    running: Arc<Semaphore>,
    readers: usize,
    source: Arc<Source>,
}

struct Source {
    path: PathBuf,
    config: DatabaseConfig,
    idle: Mutex<Vec<Connection>>,
}

impl ReadPool {
    pub(super) fn new(path: &Path, config: &DatabaseConfig) -> Self {
        let readers = config.readers.max(1);
        Self {
            admission: Arc::new(Semaphore::new(readers + config.read_queue)),
            running: Arc::new(Semaphore::new(readers)),
            readers,
            source: Arc::new(Source {
                path: path.to_owned(),
                config: config.clone(),
                idle: Mutex::new(Vec::new()),
            }),
        }
    }

    pub(super) async fn run<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        if self.running.is_closed() {
            return Err(StoreError::Closed);
        }
        let admission = Arc::clone(&self.admission)
            .try_acquire_owned()
            .map_err(|_| StoreError::Overloaded)?;
        let permit = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Closed)?;
        let source = Arc::clone(&self.source);
        // The permits go along: a caller that stops waiting must not free the connection that its job still uses.
        let task = tokio::task::spawn_blocking(move || {
            let outcome = source.lend(job);
            drop((permit, admission));
            outcome
        });
        match task.await {
            Ok(outcome) => outcome,
            Err(error) => Err(StoreError::Failed(format!(
                "a read job ended early: {error}"
            ))),
        }
    }

    pub(super) async fn close(&self) {
        // All permits in hand: no job runs any more.
        let count = u32::try_from(self.readers).unwrap_or(u32::MAX);
        if let Ok(permits) = self.running.acquire_many(count).await {
            self.running.close();
            drop(permits);
            self.source.idle.lock().clear();
        }
    }
}

impl Source {
    fn lend<T>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open::open_reader(&self.path, &self.config)?,
        };
        let snapshot = connection.transaction()?;
        let outcome = job(&snapshot);
        let ended = snapshot.finish();
        // A connection whose transaction does not end, or whose job panicked, is not lent again.
        if ended.is_ok() {
            self.idle.lock().push(connection);
        }
        outcome.map_err(StoreError::from)
    }
}
