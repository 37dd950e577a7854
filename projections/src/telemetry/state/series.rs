//! One series: its key, its newest sample, and the blocks that its samples lie in.

use std::sync::Arc;

use super::head::Head;
use super::newest::Newest;
use super::part::Part;
use super::pool::Pool;
use crate::telemetry::model::{SeriesId, SeriesKey};

#[derive(Debug)]
pub struct Series {
    pub id: SeriesId,
    pub key: Arc<SeriesKey>,
    /// Its definition is in the log or in the catalog, or about to be.
    pub logged: bool,
    pub in_catalog: bool,
    /// The newest sample changed since the last flush.
    pub(super) dirty: bool,
    /// The newest sample by source time, unless the head holds it.
    pub(super) newest: Newest,
    /// The historical batch that set `newest`, or 0.
    pub(super) latest_batch: u64,
    /// In order of (order of the set, time).
    pub(super) blocks: Vec<Part>,
}

impl Series {
    /// A series without a sample.
    pub(super) const fn new(id: SeriesId, key: Arc<SeriesKey>, known: bool) -> Self {
        Self {
            id,
            key,
            logged: known,
            in_catalog: known,
            dirty: false,
            newest: Newest::None,
            latest_batch: 0,
            blocks: Vec::new(),
        }
    }

    /// Whether anything of it was ever kept.
    pub const fn is_visible(&self) -> bool {
        self.logged
    }

    /// Its blocks in sets, in order of (order of the set, time).
    pub fn blocks(&self) -> &[Part] {
        &self.blocks
    }

    /// Takes over the newest sample from `head`, if that holds it.
    pub(super) fn settle(&mut self, head: &mut Head, pool: &Pool) {
        if std::mem::take(&mut head.holds_latest) {
            self.newest = head.last(pool);
        }
    }
}
