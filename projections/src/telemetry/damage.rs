//! What was found damaged. Reading goes on for what is whole.

use hashbrown::HashSet;
use parking_lot::Mutex;
use serde::Serialize;
use tellee_actors::time::Timestamp;

use super::model::SeriesKey;

/// One damaged place of one file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Damage {
    pub file: String,
    /// Where it starts, in bytes from the start of the file.
    pub offset: u64,
    pub reason: String,
}

/// What lay at a damaged place of a block file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Hit {
    /// These samples cannot be read, unless another part of the store has them too.
    Block {
        series: SeriesKey,
        samples: u32,
        /// Of the first sample and of the last.
        first: Timestamp,
        last: Timestamp,
    },
    /// Nothing is lost: answers come from the samples, and the next merge makes the rollup anew.
    Rollup { series: SeriesKey },
    /// Minutes or hours that outlived their samples: nothing else tells of them.
    KeptRollup {
        series: SeriesKey,
        /// The start of the first row, and the end of the last.
        first: Timestamp,
        end: Timestamp,
    },
}

/// The list keeps the first of them and counts the rest.
const MAX_KEPT: usize = 1000;

#[derive(Debug, Default)]
struct Inner {
    kept: Vec<Damage>,
    places: HashSet<(String, u64)>,
    unlisted: u64,
}

/// All damage found since the store was opened, each place once.
#[derive(Debug, Default)]
pub struct DamageLog {
    inner: Mutex<Inner>,
}

impl DamageLog {
    pub fn report(&self, file: &str, offset: u64, reason: impl Into<String>) {
        let mut inner = self.inner.lock();
        if inner.kept.len() >= MAX_KEPT {
            inner.unlisted += 1;
            return;
        }
        if !inner.places.insert((file.to_owned(), offset)) {
            return;
        }
        let damage = Damage {
            file: file.to_owned(),
            offset,
            reason: reason.into(),
        };
        tracing::error!(
            file = damage.file,
            offset,
            reason = damage.reason,
            "telemetry file damaged"
        );
        inner.kept.push(damage);
    }

    pub fn list(&self) -> Vec<Damage> {
        self.inner.lock().kept.clone()
    }

    /// How many more were found than the list holds.
    pub fn unlisted(&self) -> u64 {
        self.inner.lock().unlisted
    }
}
