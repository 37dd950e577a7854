//! Aggregates of many series in one question to the store: a list of a hundred series asks once, not a hundred times.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{
    AggregateFunction, Aggregates, SeriesId, TelemetryError, TelemetryStore, TimeRange,
};
use tokio::sync::OnceCell;

use super::column::Column;
use crate::error::ApiError;

/// Series of one question. More are asked for one part after the other, so that work for a caller who has left ends.
const SERIES_AT_ONCE: usize = 64;

/// What is asked of each series of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window {
    /// From, inclusive, to, exclusive, in nanoseconds since 1970.
    pub from: i64,
    pub to: i64,
    pub every: Duration,
    pub functions: Vec<AggregateFunction>,
}

/// The answer to one place of a batch, until it is taken.
type Slot = Mutex<Option<Result<Aggregates, TelemetryError>>>;

#[derive(Default)]
struct Batch {
    series: Mutex<Vec<SeriesId>>,
    answers: OnceCell<Result<Vec<Slot>, ApiError>>,
}

/// The batches of one request.
pub struct AggregateBatches {
    store: Arc<dyn TelemetryStore>,
    /// Those that still take series.
    open: Mutex<HashMap<Window, Arc<Batch>>>,
    /// The starts that were written last.
    starts: Mutex<Option<(Vec<Timestamp>, Column<f64>)>>,
}

impl AggregateBatches {
    pub fn new(store: Arc<dyn TelemetryStore>) -> Self {
        Self {
            store,
            open: Mutex::default(),
            starts: Mutex::default(),
        }
    }

    /// `starts` as a column. Series of the same window mostly have the same: those are written once.
    pub fn column_of(&self, starts: Vec<Timestamp>) -> Column<f64> {
        let mut written = self.starts.lock();
        if let Some((same, column)) = &*written
            && *same == starts
        {
            return column.clone();
        }
        let column = Column::of_times(&starts);
        *written = Some((starts, column.clone()));
        column
    }

    /// The aggregates of `series`, asked for together with those of all others that are asked for at the same time.
    pub async fn aggregate(
        &self,
        series: SeriesId,
        window: Window,
    ) -> Result<Aggregates, ApiError> {
        let (batch, place) = self.join(series, &window);
        // The fields beside this one run meanwhile up to here, and join.
        tokio::task::yield_now().await;
        // Whoever comes first asks for all. If that one is dropped on its way, the next one asks.
        let answers = batch
            .answers
            .get_or_init(|| self.ask(&window, &batch))
            .await
            .as_ref()
            .map_err(ApiError::clone)?;
        let slot = answers.get(place).and_then(|slot| slot.lock().take());
        let answer =
            slot.ok_or_else(|| ApiError::internal(&"a batch has no answer for a series"))?;
        Ok(answer?)
    }

    fn join(&self, series: SeriesId, window: &Window) -> (Arc<Batch>, usize) {
        let mut open = self.open.lock();
        let batch = match open.entry(window.clone()) {
            Entry::Occupied(entry) => Arc::clone(entry.get()),
            Entry::Vacant(entry) => Arc::clone(entry.insert(Arc::default())),
        };
        let mut members = batch.series.lock();
        members.push(series);
        let place = members.len() - 1;
        drop(members);
        (batch, place)
    }

    async fn ask(&self, window: &Window, batch: &Arc<Batch>) -> Result<Vec<Slot>, ApiError> {
        self.close(window, batch);
        let series = batch.series.lock().clone();
        let range = TimeRange {
            from: Timestamp(window.from),
            to: Timestamp(window.to),
        };
        let mut slots = Vec::with_capacity(series.len());
        for series in series.chunks(SERIES_AT_ONCE) {
            let answers = self
                .store
                .aggregate_all(series, range, window.every, &window.functions)
                .await?;
            slots.extend(answers.into_iter().map(|answer| Mutex::new(Some(answer))));
        }
        Ok(slots)
    }

    /// From here on `batch` takes no more series.
    fn close(&self, window: &Window, batch: &Arc<Batch>) {
        let mut open = self.open.lock();
        if open
            .get(window)
            .is_some_and(|known| Arc::ptr_eq(known, batch))
        {
            open.remove(window);
        }
    }
}
