//! The trait of all telemetry stores.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;

use super::model::{
    AggregateFunction, Aggregates, MessageBatch, MessageQuery, Points, Sample, SeriesFilter,
    SeriesId, SeriesInfo, SeriesKey, StoredMessage, TimeRange,
};
use super::samples::SampleBatch;

/// How long what a channel was sent is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub channel: ChannelId,
    /// Samples that are older go.
    pub samples_before: Timestamp,
    /// Rollups of samples that are gone go too where they are older. Not later than `samples_before`; if equal, rollups
    /// go with their samples.
    pub rollups_before: Timestamp,
}

/// What retention did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retained {
    /// Samples that were dropped.
    pub samples: u64,
    /// Rows of minutes and hours that were kept of them.
    pub rows: u64,
    /// Of the samples, those that stand in no row, since their minute had been summed up before they came.
    pub late: u64,
    /// There is more to do; ask again.
    pub more: bool,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub records: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The write queue is full. Nothing of the batch was kept.
    #[error("the telemetry store takes no more records at the moment")]
    Overloaded,
    #[error("the disk of the telemetry store is full")]
    DiskFull,
    #[error("series `{0:?}` is unknown")]
    UnknownSeries(SeriesId),
    #[error("`{field}`: {reason}")]
    Invalid { field: &'static str, reason: String },
    /// Reading goes on for what is whole.
    #[error("file `{file}` of the telemetry store is damaged: {reason}")]
    Damaged { file: String, reason: String },
    #[error(
        "the telemetry store was written by a newer version: format {found}, known up to {known}"
    )]
    Newer { found: u32, known: u32 },
    #[error("the telemetry store is closed")]
    Closed,
    #[error("the telemetry store failed: {0}")]
    Failed(String),
}

impl TelemetryError {
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Overloaded | Self::DiskFull | Self::Failed(_))
    }
}

fn cannot_resolve() -> TelemetryError {
    TelemetryError::Invalid {
        field: "series",
        reason: "this store knows no series ahead of their samples".to_owned(),
    }
}

/// Keeps samples. An append is durable when it returns.
#[async_trait]
pub trait TelemetryStore: Send + Sync + 'static {
    /// Keeps all records of `batch` or none. Waits for the group commit.
    async fn append(&self, batch: Arc<MessageBatch>) -> Result<Appended, TelemetryError>;

    /// Keeps all records of all `batches` or none, at the cost of one append: for senders whose lines belong to many
    /// series. A back end without such a commit keeps batch after batch and stops at the first that fails.
    async fn append_all(
        &self,
        batches: Vec<Arc<MessageBatch>>,
    ) -> Result<Appended, TelemetryError> {
        let mut records = 0;
        for batch in batches {
            records += self.append(batch).await?.records;
        }
        Ok(Appended { records })
    }

    /// The ids of `keys`, in their order, at most 100,000. Unknown series are made; a made one is seen by readers, and
    /// outlives a restart, from its first sample on, so its id is good for this run of the store alone until then.
    /// A back end that cannot make series ahead of their samples refuses with [`TelemetryError::Invalid`].
    async fn resolve(&self, keys: &[SeriesKey]) -> Result<Vec<SeriesId>, TelemetryError> {
        let _ = keys;
        Err(cannot_resolve())
    }

    /// Keeps all samples of `batch` or none, like [`TelemetryStore::append`]; for senders that resolved their series.
    /// An id that this store has never given is refused with [`TelemetryError::UnknownSeries`].
    async fn append_samples(&self, batch: Arc<SampleBatch>) -> Result<Appended, TelemetryError> {
        let _ = batch;
        Err(cannot_resolve())
    }

    /// Series that match, in the order of their keys, at most `limit` from `offset`; and how many match in all.
    async fn series(
        &self,
        filter: &SeriesFilter,
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<SeriesInfo>, usize), TelemetryError>;

    async fn series_by_id(&self, id: SeriesId) -> Result<Option<SeriesInfo>, TelemetryError>;

    /// Samples in order of (time, seq), at most `limit`.
    async fn range(
        &self,
        id: SeriesId,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Sample>, TelemetryError>;

    /// The newest sample by source time of each series. One whose quality says that its clock is ahead never is.
    async fn latest(&self, ids: &[SeriesId]) -> Result<Vec<Option<Sample>>, TelemetryError>;

    /// The line of a series, at most `max_points` points, with first, last and extremes kept.
    async fn points(
        &self,
        id: SeriesId,
        range: TimeRange,
        max_points: usize,
    ) -> Result<Points, TelemetryError>;

    async fn aggregate(
        &self,
        id: SeriesId,
        range: TimeRange,
        every: Duration,
        functions: &[AggregateFunction],
    ) -> Result<Aggregates, TelemetryError>;

    /// As [`TelemetryStore::aggregate`] for each of `ids`, in their order, at the cost of one question.
    async fn aggregate_all(
        &self,
        ids: &[SeriesId],
        range: TimeRange,
        every: Duration,
        functions: &[AggregateFunction],
    ) -> Result<Vec<Result<Aggregates, TelemetryError>>, TelemetryError> {
        let mut all = Vec::with_capacity(ids.len());
        for id in ids {
            all.push(self.aggregate(*id, range, every, functions).await);
        }
        Ok(all)
    }

    /// Records of a channel, newest first, and how many match in all.
    async fn messages(
        &self,
        query: &MessageQuery,
    ) -> Result<(Vec<StoredMessage>, u64), TelemetryError>;

    /// Drops the samples of `channel` that are older than `before`, and all that was kept of them.
    async fn retain(&self, channel: ChannelId, before: Timestamp) -> Result<u64, TelemetryError>;

    /// Drops what is older than `all` say, in a bounded step; times are brought down to whole hours. A back end that
    /// keeps no rollups beyond their samples drops both.
    async fn retain_all(&self, all: Vec<Retention>) -> Result<Retained, TelemetryError> {
        let mut retained = Retained::default();
        for asked in all {
            retained.samples += self.retain(asked.channel, asked.samples_before).await?;
        }
        Ok(retained)
    }

    /// Writes what is in memory, closes the files. Later calls answer [`TelemetryError::Closed`].
    async fn close(&self) -> Result<(), TelemetryError>;
}
