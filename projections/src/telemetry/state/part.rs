//! Where samples lie, and how a query sees them.

use std::sync::{Arc, OnceLock};

use super::minutes::{Minute, minutes};
use crate::telemetry::blocks::BlockSet;
use crate::telemetry::codec::block::{self, Depth};
use crate::telemetry::columns::Columns;
use crate::telemetry::summary::Summary;

/// A sealed block that lies in memory until the next flush.
#[derive(Debug)]
pub struct MemoryBlock {
    pub bytes: Vec<u8>,
    pub summary: Summary,
    /// Made for the first query that can use them, since no rollup stands beside the block yet.
    minutes: OnceLock<Option<Box<[Minute]>>>,
}

impl MemoryBlock {
    pub const fn new(bytes: Vec<u8>, summary: Summary) -> Self {
        Self {
            bytes,
            summary,
            minutes: OnceLock::new(),
        }
    }

    /// What its samples come to by the minute; `None` where that would not be much less than the samples themselves.
    pub fn minutes(&self) -> Option<&[Minute]> {
        self.minutes
            .get_or_init(|| {
                let columns = block::decode(&self.bytes, Depth::Values).ok()?;
                minutes(&columns)
            })
            .as_deref()
    }
}

/// Some samples of one series, at one of the places where samples can lie.
#[derive(Debug, Clone)]
pub enum Part {
    Sealed {
        set: Arc<BlockSet>,
        offset: u64,
        length: u32,
        summary: Summary,
    },
    Memory(Arc<MemoryBlock>),
    Head(Arc<Columns>),
}

impl Part {
    /// The least and the greatest time.
    pub fn span(&self) -> (i64, i64) {
        match self {
            Self::Sealed { summary, .. } => (summary.min_time, summary.max_time),
            Self::Memory(block) => (block.summary.min_time, block.summary.max_time),
            Self::Head(columns) => columns.span().unwrap_or((i64::MAX, i64::MIN)),
        }
    }

    /// The place in the order of writes, then of time.
    pub fn order(&self) -> (u64, i64) {
        match self {
            Self::Sealed { set, summary, .. } => (set.order, summary.min_time),
            Self::Memory(_) | Self::Head(_) => (u64::MAX, self.span().0),
        }
    }

    pub fn summary(&self) -> Option<&Summary> {
        match self {
            Self::Sealed { summary, .. } => Some(summary),
            Self::Memory(block) => Some(&block.summary),
            Self::Head(_) => None,
        }
    }
}

/// A part as a query sees it.
#[derive(Debug, Clone)]
pub struct ViewPart {
    pub part: Part,
    /// Samples before this time were dropped.
    pub clip: i64,
}

/// The parts of one series that may hold samples of a range, in the order in which they were written.
pub type View = Vec<ViewPart>;
