//! Telemetry: what samples, series and messages are, and the store that keeps them.

mod block_file;
mod blocks;
mod catalog;
mod check;
mod codec;
mod columns;
mod config;
mod damage;
pub mod disk;
mod embedded;
mod engine;
mod export;
mod kept;
mod log;
mod manifest;
mod memory;
mod merge;
pub mod model;
mod origin;
mod query;
mod rollup;
mod samples;
mod state;
pub mod store;
mod summary;
mod sums_cache;
mod validate;

pub use check::{Report, check, check_disk};
pub use config::TelemetryConfig;
pub use damage::{Damage, Hit};
pub use embedded::EmbeddedTelemetryStore;
pub use engine::{Access, Engine, StoreFigures};
pub use export::{Rows, write_csv, write_rollups_csv};
pub use memory::Memory;
pub use model::{
    AggregateFunction, Aggregates, MessageBatch, MessageQuery, Points, Quality, Record, RolledUp,
    Sample, SeriesFilter, SeriesId, SeriesInfo, SeriesKey, StoredMessage, TimeRange, Value,
    ValueFilter,
};
pub use samples::{Incoming, SampleBatch, SampleValues};
pub use store::{Appended, Retained, Retention, TelemetryError, TelemetryStore};
