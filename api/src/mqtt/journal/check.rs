//! Looks through a journal's folder without changing it.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tellee_projections::telemetry::Damage;
use tellee_projections::telemetry::disk::{Disk, RealDisk};

use super::JournalError;
use super::files::{Access, recover};
use super::state::StateLimits;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub sessions: usize,
    /// Messages that sessions still have to get.
    pub messages: usize,
    pub retained: usize,
    /// Of all files that count.
    pub bytes: u64,
    pub damages: Vec<Damage>,
}

impl Report {
    pub fn is_whole(&self) -> bool {
        self.damages.is_empty()
    }
}

/// Reads everything in `folder`; a folder that is not there holds nothing. Meant for a server that does not run.
///
/// # Errors
/// [`JournalError`].
pub fn check(folder: &Path) -> Result<Report, JournalError> {
    if !folder.exists() {
        return Ok(Report {
            sessions: 0,
            messages: 0,
            retained: 0,
            bytes: 0,
            damages: Vec::new(),
        });
    }
    let disk: Arc<dyn Disk> = Arc::new(
        RealDisk::look_at(folder)
            .map_err(|error| JournalError::disk("the MQTT journal cannot be read", &error))?,
    );
    let unlimited = StateLimits {
        retained_messages: usize::MAX,
        retained_bytes: usize::MAX,
        backlog_messages: usize::MAX,
        channel_memory_bytes: usize::MAX,
        node_memory_bytes: usize::MAX,
    };
    let mut recovered = recover(&disk, unlimited, Access::Look)?;
    recovered.read_pieces();
    let on_disk = recovered.state.pieces().into_iter();
    let piece_bytes: u64 = on_disk
        .map(|(_, piece)| u64::from(piece.place.length))
        .sum();
    Ok(Report {
        sessions: recovered.state.sessions().count(),
        messages: recovered.state.logged_messages(),
        retained: recovered.state.retained().len(),
        bytes: recovered.log_bytes + recovered.snapshot_bytes + piece_bytes,
        damages: recovered.damages,
    })
}
