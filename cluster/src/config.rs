//! Sizes, limits and figures of the directory.

use std::time::Duration;

use ractor::SpawnErr;
use serde::Serialize;
use tellee_actors::entity::EntityConfig;

/// Sizes and limits of a [`LocalDirectory`](crate::LocalDirectory).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalDirectoryConfig {
    /// Entities in memory at once, about 10 kB each and their state.
    pub resident_limit: usize,
    /// An entity that got no command for this long is passivated.
    pub idle_timeout: Duration,
    /// Commands of all entities together, waiting and running.
    pub in_flight_limit: usize,
    pub entity: EntityConfig,
}

impl Default for LocalDirectoryConfig {
    fn default() -> Self {
        Self {
            resident_limit: 50_000,
            idle_timeout: Duration::from_secs(5 * 60),
            in_flight_limit: 16_384,
            entity: EntityConfig::default(),
        }
    }
}

/// Why there is no directory.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("the region of entities cannot be started: {0}")]
    Region(#[from] SpawnErr),
}

/// How a directory is doing, as operators see it. The last four count from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DirectoryStatus {
    pub resident: usize,
    /// Entity actors, with those that are about to end.
    pub live: usize,
    pub in_flight: usize,
    pub stopping: bool,
    pub started: u64,
    pub passivated: u64,
    pub failed: u64,
    pub overloaded: u64,
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StopReport {
    /// Commands that were taken but not answered before the deadline; their outcome is unknown.
    pub unanswered: usize,
    /// Entity actors that had to be ended by force.
    pub killed: usize,
}
