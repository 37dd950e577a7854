//! The telemetry store over files: one thread that commits, one that tidies, and queries beside them.

mod gather;
mod queue;
mod threads;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tellee_actors::ids::ChannelId;
use tellee_actors::time::{SharedClock, Timestamp};
use tokio::sync::Semaphore;

use self::queue::{Queue, Task};
use self::threads::{Bell, Threads};
use super::config::TelemetryConfig;
use super::damage::Damage;
use super::disk::{Disk, RealDisk, failed};
use super::engine::{Access, Engine, StoreFigures};
use super::memory::Memory;
use super::model::{
    AggregateFunction, Aggregates, MessageBatch, MessageQuery, Points, Sample, SeriesFilter,
    SeriesId, SeriesInfo, SeriesKey, StoredMessage, TimeRange,
};
use super::samples::SampleBatch;
use super::store::{Appended, Retained, Retention, TelemetryError, TelemetryStore};
use super::validate;

/// Clones of it are the same store. The last one to go stops the threads; what is in memory then is in the log.
pub struct EmbeddedTelemetryStore {
    engine: Arc<Engine>,
    queue: Arc<Queue>,
    bell: Arc<Bell>,
    threads: Mutex<Option<Threads>>,
    queries: Arc<Semaphore>,
}

impl EmbeddedTelemetryStore {
    /// Opens the store in `folder`, or makes it. Blocks while it replays the log.
    ///
    /// # Errors
    /// [`TelemetryError::Failed`] if another process has it open or the folder cannot be used,
    /// [`TelemetryError::Newer`], [`TelemetryError::Damaged`] if the manifest is lost. All other damage is reported
    /// by [`Self::damages`], and what is whole is served.
    pub fn open(
        folder: &Path,
        config: TelemetryConfig,
        clock: SharedClock,
    ) -> Result<Self, TelemetryError> {
        let disk = RealDisk::open(folder).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => TelemetryError::Failed(format!(
                "folder `{}` is in use by another process",
                folder.display()
            )),
            _ => failed(
                &format!("cannot open folder `{}`", folder.display()),
                &error,
            ),
        })?;
        Self::open_on(Arc::new(disk), config, clock)
    }

    /// Opens the store on any disk.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        config: TelemetryConfig,
        clock: SharedClock,
    ) -> Result<Self, TelemetryError> {
        let engine = Engine::open(disk, config.clone(), Access::Write)?;
        Self::start(engine, &config.clamped(), &clock)
    }

    /// The same store without files, for tests and trials.
    pub fn open_in(
        memory: &Memory,
        config: TelemetryConfig,
        clock: SharedClock,
    ) -> Result<Self, TelemetryError> {
        let engine = Engine::open_in(memory, config.clone())?;
        Self::start(engine, &config.clamped(), &clock)
    }

    fn start(
        engine: Engine,
        config: &TelemetryConfig,
        clock: &SharedClock,
    ) -> Result<Self, TelemetryError> {
        let engine = Arc::new(engine);
        let queue = Arc::new(Queue::new(config.queue_bytes));
        let bell = Arc::new(Bell::default());
        let threads = Threads::start(&engine, &queue, &bell, clock, config.commit_bytes)?;
        Ok(Self {
            engine,
            queue,
            bell,
            threads: Mutex::new(Some(threads)),
            queries: Arc::new(Semaphore::new(config.concurrent_queries)),
        })
    }

    /// Damage found since the store was opened.
    pub fn damages(&self) -> Vec<Damage> {
        self.engine.damages()
    }

    /// What the store holds, in numbers.
    pub fn figures(&self) -> StoreFigures {
        self.engine.figures()
    }

    /// Batches that wait for the disk, in bytes.
    pub fn queued_bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// Appends that were refused because the queue was full.
    pub fn overloads(&self) -> u64 {
        self.queue.refused()
    }

    /// Writes what is in memory to block files now.
    pub async fn flush(&self) -> Result<(), TelemetryError> {
        self.query(|engine| engine.flush().map(drop)).await
    }

    /// All samples of the series that match, series by series, each in order of time.
    pub fn export(
        &self,
        filter: &SeriesFilter,
        range: TimeRange,
    ) -> Result<super::export::Rows, TelemetryError> {
        self.open_or_closed()?;
        super::export::Rows::new(Arc::clone(&self.engine), filter, range)
    }

    /// Writes the rollups that outlived their samples, as CSV. Answers the number of rows.
    pub fn export_rollups(
        &self,
        filter: &SeriesFilter,
        range: TimeRange,
        to: impl std::io::Write,
    ) -> Result<u64, TelemetryError> {
        self.open_or_closed()?;
        super::export::write_rollups_csv(&self.engine, filter, range, to)
    }

    /// Writes a copy of the store as of now into `folder`, which must be empty or missing, while appends go on.
    /// Opening that folder gives the copy; block files are shared by hard links where the file system can.
    pub async fn backup_to(&self, folder: &Path) -> Result<(), TelemetryError> {
        let folder = folder.to_owned();
        self.query(move |engine| engine.backup_to(&folder)).await
    }

    /// Channels that have series, in no order, also those whose samples are gone.
    pub async fn channels(&self) -> Result<Vec<ChannelId>, TelemetryError> {
        self.query(|engine| Ok(engine.channels())).await
    }

    /// The latest receipt among the newest samples of all series.
    pub async fn newest_receipt(&self) -> Result<Option<Timestamp>, TelemetryError> {
        self.query(|engine| Ok(engine.newest_receipt())).await
    }

    fn open_or_closed(&self) -> Result<(), TelemetryError> {
        if self.queue.is_closed() {
            Err(TelemetryError::Closed)
        } else {
            Ok(())
        }
    }

    /// Runs `ask` where it may block, at most as many at a time as configured.
    async fn query<Answer: Send + 'static>(
        &self,
        ask: impl FnOnce(&Engine) -> Result<Answer, TelemetryError> + Send + 'static,
    ) -> Result<Answer, TelemetryError> {
        self.open_or_closed()?;
        let permit = Arc::clone(&self.queries)
            .acquire_owned()
            .await
            .map_err(|_| TelemetryError::Closed)?;
        let engine = Arc::clone(&self.engine);
        let asked = tokio::task::spawn_blocking(move || {
            let answer = ask(&engine);
            drop(permit);
            answer
        });
        asked
            .await
            .map_err(|error| TelemetryError::Failed(error.to_string()))?
    }

    async fn submit(&self, task: Task, bytes: usize) -> Result<(), TelemetryError> {
        let answer = self.queue.push(task, bytes)?;
        answer.await.map_err(|_| TelemetryError::Closed)?
    }
}

#[async_trait]
impl TelemetryStore for EmbeddedTelemetryStore {
    async fn append(&self, batch: Arc<MessageBatch>) -> Result<Appended, TelemetryError> {
        self.open_or_closed()?;
        validate::check(&batch)?;
        let records = batch.records.len();
        if records > 0 {
            let bytes = validate::weight(&batch);
            self.submit(Task::Append(batch), bytes).await?;
        }
        Ok(Appended { records })
    }

    async fn append_all(
        &self,
        batches: Vec<Arc<MessageBatch>>,
    ) -> Result<Appended, TelemetryError> {
        self.open_or_closed()?;
        let mut records = 0;
        let mut bytes = 0;
        for batch in &batches {
            validate::check(batch)?;
            records += batch.records.len();
            bytes += validate::weight(batch);
        }
        if bytes > validate::MAX_WEIGHT {
            let reason = format!("together more than {} bytes", validate::MAX_WEIGHT);
            return Err(TelemetryError::Invalid {
                field: "records",
                reason,
            });
        }
        if records > 0 {
            self.submit(Task::AppendAll(batches), bytes).await?;
        }
        Ok(Appended { records })
    }

    async fn resolve(&self, keys: &[SeriesKey]) -> Result<Vec<SeriesId>, TelemetryError> {
        // From memory, like the newest samples: not worth another thread.
        self.open_or_closed()?;
        validate::check_keys(keys)?;
        self.engine.resolve(keys)
    }

    async fn append_samples(&self, batch: Arc<SampleBatch>) -> Result<Appended, TelemetryError> {
        self.open_or_closed()?;
        validate::check_samples(&batch)?;
        let records = batch.len();
        if records > 0 {
            let bytes = validate::sample_weight(&batch);
            self.submit(Task::Samples(batch), bytes).await?;
        }
        Ok(Appended { records })
    }

    async fn series(
        &self,
        filter: &SeriesFilter,
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<SeriesInfo>, usize), TelemetryError> {
        if self.engine.looks_at_few(filter) {
            // From memory, like the newest samples: not worth another thread.
            self.open_or_closed()?;
            return self.engine.series(filter, offset, limit);
        }
        let filter = filter.clone();
        self.query(move |engine| engine.series(&filter, offset, limit))
            .await
    }

    async fn series_by_id(&self, id: SeriesId) -> Result<Option<SeriesInfo>, TelemetryError> {
        // From memory, as above.
        self.open_or_closed()?;
        Ok(self.engine.series_by_id(id))
    }

    async fn range(
        &self,
        id: SeriesId,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Sample>, TelemetryError> {
        self.query(move |engine| engine.range(id, range, limit))
            .await
    }

    async fn latest(&self, ids: &[SeriesId]) -> Result<Vec<Option<Sample>>, TelemetryError> {
        // From memory, under a lock that nobody holds for long: not worth another thread.
        self.open_or_closed()?;
        self.engine.latest(ids)
    }

    async fn points(
        &self,
        id: SeriesId,
        range: TimeRange,
        max_points: usize,
    ) -> Result<Points, TelemetryError> {
        self.query(move |engine| engine.points(id, range, max_points))
            .await
    }

    async fn aggregate(
        &self,
        id: SeriesId,
        range: TimeRange,
        every: Duration,
        functions: &[AggregateFunction],
    ) -> Result<Aggregates, TelemetryError> {
        let mut all = self.aggregate_all(&[id], range, every, functions).await?;
        all.pop().unwrap_or(Err(TelemetryError::Closed))
    }

    async fn aggregate_all(
        &self,
        ids: &[SeriesId],
        range: TimeRange,
        every: Duration,
        functions: &[AggregateFunction],
    ) -> Result<Vec<Result<Aggregates, TelemetryError>>, TelemetryError> {
        self.open_or_closed()?;
        if let Some(answers) = self.engine.aggregates_at_hand(ids, range, every, functions) {
            return Ok(answers);
        }
        let (ids, functions) = (ids.to_vec(), functions.to_vec());
        self.query(move |engine| {
            let of = |id: SeriesId| engine.aggregate(id, range, every, &functions);
            Ok(ids.into_iter().map(of).collect())
        })
        .await
    }

    async fn messages(
        &self,
        query: &MessageQuery,
    ) -> Result<(Vec<StoredMessage>, u64), TelemetryError> {
        let query = query.clone();
        self.query(move |engine| engine.messages(&query)).await
    }

    async fn retain(&self, channel: ChannelId, before: Timestamp) -> Result<u64, TelemetryError> {
        let dropped = self
            .query(move |engine| engine.count_before(channel, before))
            .await?;
        if dropped > 0 {
            self.submit(Task::Retain(channel, before), 64).await?;
            self.bell.ring();
        }
        Ok(dropped)
    }

    async fn retain_all(&self, all: Vec<Retention>) -> Result<Retained, TelemetryError> {
        let retained = self.query(move |engine| engine.retain_all(&all)).await?;
        self.bell.ring();
        Ok(retained)
    }

    async fn close(&self) -> Result<(), TelemetryError> {
        self.queue.close();
        self.bell.stop();
        let threads = self.threads.lock().take();
        let engine = Arc::clone(&self.engine);
        let closed = tokio::task::spawn_blocking(move || {
            let Some(threads) = threads else {
                return Ok(());
            };
            threads.join();
            engine.flush().map(drop)
        });
        closed
            .await
            .map_err(|error| TelemetryError::Failed(error.to_string()))?
    }
}

impl Drop for EmbeddedTelemetryStore {
    fn drop(&mut self) {
        self.queue.close();
        self.bell.stop();
        // Until the threads are gone, the folder stays locked; they end as soon as the queue is empty.
        if let Some(threads) = self.threads.lock().take() {
            threads.join();
        }
    }
}
