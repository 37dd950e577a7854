//! Settings of the embedded telemetry store.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Bytes of batches that wait for the disk; beyond this an append is answered `Overloaded`.
    pub queue_bytes: usize,
    /// Bytes of batches that one group commit takes, at most (a single larger batch goes alone).
    pub commit_bytes: usize,
    /// Bytes of samples in memory that make the store write them out as blocks.
    pub memory_bytes: usize,
    /// Bytes of the write-ahead log that make the store write out blocks. Bounds what a restart replays.
    pub log_bytes: u64,
    /// Bytes by which the write-ahead log is made longer ahead of its records: syncs are cheaper then. 0: not at all.
    pub log_allocation_bytes: usize,
    /// Samples stay in memory and in the log no longer than about this.
    pub flush_after_seconds: u32,
    /// Samples of one series that make a block.
    pub block_samples: usize,
    /// Samples of one series in a block after compaction.
    pub compacted_block_samples: usize,
    /// Samples that a block must have to be summed up in the index of its file; those of smaller ones are looked at.
    pub summed_samples: usize,
    /// Samples that a series must have in one block file to get a rollup there.
    pub rollup_samples: usize,
    /// A rollup is kept where its rows stand for so many samples each, on average.
    pub rollup_density: usize,
    /// Bytes of rollups that stay decoded in memory once they were asked for.
    pub rollup_cache_bytes: usize,
    /// Block files are not compacted beyond this size.
    pub max_block_file_bytes: u64,
    /// Series that the store takes; the next one is refused.
    pub max_series: usize,
    /// Queries that run at the same time; others wait.
    pub concurrent_queries: usize,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            queue_bytes: 64 << 20,
            commit_bytes: 4 << 20,
            memory_bytes: 48 << 20,
            log_bytes: 32 << 20,
            log_allocation_bytes: 1 << 20,
            flush_after_seconds: 1800,
            block_samples: 4096,
            compacted_block_samples: 8192,
            summed_samples: 64,
            rollup_samples: 512,
            rollup_density: 8,
            rollup_cache_bytes: 4 << 20,
            max_block_file_bytes: 512 << 20,
            max_series: 1_000_000,
            concurrent_queries: 8,
        }
    }
}

impl TelemetryConfig {
    /// Values that no build can work with are brought to the nearest that it can.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        let most = super::codec::block::MAX_SAMPLES;
        self.block_samples = self.block_samples.clamp(2, most);
        self.compacted_block_samples = self.compacted_block_samples.clamp(self.block_samples, most);
        self.commit_bytes = self
            .commit_bytes
            .clamp(1, super::log::frame::MAX_PAYLOAD / 4);
        self.log_allocation_bytes = self.log_allocation_bytes.min(64 << 20);
        self.queue_bytes = self.queue_bytes.max(1);
        self.concurrent_queries = self.concurrent_queries.max(1);
        self.max_series = self.max_series.min(u32::MAX as usize);
        self
    }
}
