//! A back end without files.

use super::blocks::MemoryBlocks;
use super::log::memory::MemoryLog;

/// What a store in memory keeps. It outlives the engine over it, and not the process. Clones are one and the same.
#[derive(Clone, Default)]
pub struct Memory {
    pub(super) log: MemoryLog,
    pub(super) blocks: MemoryBlocks,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Memory").finish_non_exhaustive()
    }
}
