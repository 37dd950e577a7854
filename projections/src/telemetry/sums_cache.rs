//! Decoded rollups, bounded in bytes: what a screen that is drawn again and again asks for every time.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::blocks::{BlockSet, RollupEntry};
use super::codec::rollup::Sums;
use super::store::TelemetryError;

/// The number of a set and the place in it. Sets never change, and their numbers are not used again.
type Key = (u64, u64);

/// What an entry takes besides its rows, about, in bytes.
const ENTRY: usize = 200;

#[derive(Default)]
struct Kept {
    sums: HashMap<Key, Arc<Sums>>,
    /// The oldest first.
    order: VecDeque<Key>,
    bytes: usize,
}

/// Counts and sums of chunks that were read. The oldest goes first.
pub struct SumsCache {
    most_bytes: usize,
    kept: Mutex<Kept>,
}

fn cost(sums: &Sums) -> usize {
    sums.bytes() + ENTRY
}

impl SumsCache {
    pub fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            kept: Mutex::default(),
        }
    }

    /// Whether [`Self::read`] finds the chunk in memory.
    pub fn holds(&self, set: &BlockSet, entry: &RollupEntry) -> bool {
        let key = (set.number, entry.offset);
        self.kept.lock().sums.contains_key(&key)
    }

    /// As [`BlockSet::read_sums`].
    pub fn read(
        &self,
        set: &BlockSet,
        entry: &RollupEntry,
    ) -> Result<Option<Arc<Sums>>, TelemetryError> {
        let key = (set.number, entry.offset);
        if let Some(sums) = self.kept.lock().sums.get(&key) {
            return Ok(Some(Arc::clone(sums)));
        }
        let Some(sums) = set.read_sums(entry)?.map(Arc::new) else {
            return Ok(None);
        };
        self.keep(key, &sums);
        Ok(Some(sums))
    }

    fn keep(&self, key: Key, sums: &Arc<Sums>) {
        if cost(sums) > self.most_bytes {
            return;
        }
        let mut kept = self.kept.lock();
        let Kept {
            sums: by_key,
            order,
            bytes,
        } = &mut *kept;
        if by_key.insert(key, Arc::clone(sums)).is_some() {
            // Another question was quicker.
            return;
        }
        order.push_back(key);
        *bytes += cost(sums);
        while *bytes > self.most_bytes
            && let Some(oldest) = order.pop_front()
        {
            if let Some(gone) = by_key.remove(&oldest) {
                *bytes = bytes.saturating_sub(cost(&gone));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::codec::rollup::{decode_sums, encode};
    use crate::telemetry::model::SeriesId;
    use crate::telemetry::rollup::{Level, Place, Row};
    use crate::telemetry::summary::Statistics;

    fn sums() -> Arc<Sums> {
        let rows: Vec<Row> = (0..100_i64)
            .map(|minute| Row {
                start: minute * Level::Minute.width(),
                numbers: Statistics::of(&[1.5, minute as f64]),
                good: 2,
                first: Place::default(),
                last: Place::default(),
                min: Place::default(),
                max: Place::default(),
            })
            .collect();
        let bytes = encode(SeriesId(1), Level::Minute, &rows);
        Arc::new(decode_sums(&bytes, SeriesId(1), Level::Minute).unwrap())
    }

    #[test]
    fn the_oldest_makes_room_for_the_newest() {
        let sums = sums();
        let cache = SumsCache::new(3 * cost(&sums));
        for offset in 0..10 {
            cache.keep((1, offset), &sums);
        }
        cache.keep((1, 9), &sums);
        let kept = cache.kept.lock();
        assert_eq!(kept.order, [(1, 7), (1, 8), (1, 9)]);
        assert_eq!(kept.sums.len(), 3);
        assert_eq!(kept.bytes, 3 * cost(&sums));
    }

    #[test]
    fn a_row_of_a_regular_series_takes_eight_bytes() {
        assert!(sums().bytes() <= 100 * 8 + 200);
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept() {
        let sums = sums();
        let cache = SumsCache::new(cost(&sums) - 1);
        cache.keep((1, 1), &sums);
        assert!(cache.kept.lock().sums.is_empty());
    }
}
