//! Where entities live: on demand in this process today, in shards over nodes tomorrow. Callers know the `Directory` alone.

mod config;
mod local;
mod region;
mod residents;
mod routing;
pub mod shard;
#[cfg(test)]
mod tests;

pub use config::{DirectoryError, DirectoryStatus, LocalDirectoryConfig, StopReport};
pub use local::LocalDirectory;
