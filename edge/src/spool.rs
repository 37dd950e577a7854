//! The edge's buffer on disk: an append-only log in segments.
//!
//! Everything that is sent goes through it, always. There is no ledger: the write position is found by scanning, the
//! read position is a small file that is only ever replaced whole and whose loss costs a repetition, never a record.
//! A record is a message, encoded once, so that each redelivery is the same bytes.

mod acks;
mod disk;
mod id;
mod message;
mod segment;
mod service;
mod store;

pub use acks::AckSet;
pub use disk::{Disk, FileDisk};
pub use message::{ContentType, Destination, Gap, GapReason, SpoolMessage, StoredRecord};
pub use segment::{RECORD_HEAD_BYTES, SEGMENT_HEAD_BYTES};
pub use service::{Fetched, SpoolHandle, SpoolService, Visible};
pub use store::{Spool, SpoolLimits};

use std::io;

/// Why the spool could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("spool `{name}`: {source}")]
    Io { name: String, source: io::Error },
    #[error("spool is closed")]
    Closed,
}

impl SpoolError {
    /// A full disk may have room later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Io { .. })
    }
}
