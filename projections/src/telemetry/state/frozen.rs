//! What a flush writes, out of the way of writers.

use std::sync::Arc;

use hashbrown::HashMap;

use super::head::Head;
use super::origins::Origins;
use super::part::MemoryBlock;
use super::pool::Pool;
use crate::telemetry::catalog::Entry;
use crate::telemetry::columns::Columns;
use crate::telemetry::model::SeriesId;

/// What was taken out of the way of writers, to be flushed.
#[derive(Debug)]
pub struct Frozen {
    pub order: u64,
    /// Log segments before this one hold nothing else.
    pub log_floor: u64,
    /// Places of the series that have frozen parts.
    pub series: Vec<u32>,
    /// By place.
    pub(super) heads: Vec<Head>,
    /// Of the heads.
    pub(super) pool: Pool,
    pub(super) sealed: HashMap<u32, Vec<Arc<MemoryBlock>>>,
    pub(super) origins: Origins,
    pub entries: Vec<Entry>,
}

impl Frozen {
    /// Puts the samples of the series at `place` into `columns`, if they are plain and sorted, no more than `most`, and
    /// lie nowhere but in the head. Samples that retention drops meanwhile are among them.
    pub fn few(&self, place: u32, most: usize, columns: &mut Columns) -> Option<SeriesId> {
        let head = self.heads.get(place as usize)?;
        if head.len() > most || self.sealed.contains_key(&place) {
            return None;
        }
        head.fill(&self.pool, &self.origins, columns)
            .then_some(SeriesId(u64::from(place) + 1))
    }
}
