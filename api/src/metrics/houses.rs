//! The figures, house by house.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tellee_projections::live::{KeptSamples, LiveSink};
use tellee_projections::telemetry::{EmbeddedTelemetryStore, MessageBatch};

use super::figures::Figure;
use super::figures::Kind::{Counter as Up, Gauge as Level};
use crate::ingest::Ingest;
use crate::platform::Platform;

pub const NODE: &[Figure<Platform>] = &[
    Figure(
        "events_position",
        "Position of the newest event",
        Level,
        |node| node.events.head().borrow().0,
    ),
    Figure(
        "projections_position",
        "Position that all projections have seen",
        Level,
        |node| node.projections.reached().0,
    ),
    Figure(
        "projections_lag",
        "Events that the projections have not seen",
        Level,
        |node| {
            let reached = node.projections.reached().0;
            node.events.head().borrow().0.saturating_sub(reached)
        },
    ),
    Figure(
        "live_dropped",
        "Batches that left a full queue of a slow subscriber",
        Up,
        |node| node.live.dropped(),
    ),
];

pub const INGEST: &[Figure<Ingest>] = &[
    Figure(
        "ingest_samples_ahead",
        "Samples whose source time was too far ahead of their receipt",
        Up,
        Ingest::ahead,
    ),
    Figure(
        "ingest_unconfirmed",
        "Messages that were stored and answered with `timed_out` since subscribers might still lose them",
        Up,
        Ingest::unconfirmed,
    ),
];

pub const TELEMETRY: &[Figure<EmbeddedTelemetryStore>] = &[
    Figure("telemetry_series", "Series", Level, |store| {
        store.figures().series as u64
    }),
    Figure(
        "telemetry_memory_bytes",
        "Bytes of samples in memory",
        Level,
        |store| store.figures().memory_bytes as u64,
    ),
    Figure(
        "telemetry_log_bytes",
        "Bytes of the write-ahead log",
        Level,
        |store| store.figures().log_bytes,
    ),
    Figure("telemetry_block_files", "Block files", Level, |store| {
        store.figures().block_files as u64
    }),
    Figure(
        "telemetry_block_bytes",
        "Bytes of block files",
        Level,
        |store| store.figures().block_bytes,
    ),
    Figure(
        "telemetry_kept_rollup_bytes",
        "Of the bytes of block files, those of rollups that outlived their samples",
        Level,
        |store| store.figures().kept_rollup_bytes,
    ),
    Figure(
        "telemetry_late_dropped",
        "Samples dropped by retention that came for minutes that had been summed up",
        Up,
        |store| store.figures().late_dropped,
    ),
    Figure(
        "telemetry_queued_bytes",
        "Bytes of batches that wait for the disk",
        Level,
        |store| store.queued_bytes() as u64,
    ),
    Figure(
        "telemetry_overloads",
        "Appends refused because the queue was full",
        Up,
        |store| store.overloads(),
    ),
    Figure(
        "telemetry_damages",
        "Damages found since the start",
        Level,
        |store| store.damages().len() as u64,
    ),
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProtocol {
    protocol: &'static str,
}

/// What the telemetry store has kept.
#[derive(Debug, Default)]
pub struct Stored {
    messages: Family<ByProtocol, Counter>,
    records: Family<ByProtocol, Counter>,
}

impl Stored {
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "messages_stored",
            "Messages that are on disk",
            self.messages.clone(),
        );
        registry.register(
            "records_stored",
            "Records that are on disk",
            self.records.clone(),
        );
    }
}

impl Stored {
    fn count(&self, protocol: &'static str, records: usize) {
        let label = ByProtocol { protocol };
        self.messages.get_or_create(&label).inc();
        self.records.get_or_create(&label).inc_by(records as u64);
    }
}

impl LiveSink for Stored {
    fn published(&self, batch: &Arc<MessageBatch>) {
        self.count(batch.protocol, batch.records.len());
    }

    fn kept(&self, samples: &KeptSamples<'_>) -> bool {
        self.count(samples.protocol, samples.records);
        false
    }
}
