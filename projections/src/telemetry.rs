//! Telemetry: what samples, series and messages are, and the store that keeps them.

pub mod model;
pub mod store;

pub use model::{
    AggregateFunction, Aggregates, MessageBatch, MessageQuery, Points, Quality, Record, Sample,
    SeriesFilter, SeriesId, SeriesInfo, SeriesKey, StoredMessage, TimeRange, Value, ValueFilter,
};
pub use store::{Appended, TelemetryError, TelemetryStore};
