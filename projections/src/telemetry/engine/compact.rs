//! Many small sets of blocks become one, so that a query of a slow series does not have to look into all of them; and
//! sets that retention has emptied go, or are written anew without what it dropped.

use std::ops::Range;
use std::sync::atomic::Ordering;

use super::rewrite::Rewrite;
use super::{Engine, Maintenance};
use crate::telemetry::blocks::Piece;
use crate::telemetry::manifest::SetEntry;
use crate::telemetry::model::SeriesId;
use crate::telemetry::state::{Part, View};
use crate::telemetry::store::TelemetryError;

/// So many sets of about one size are merged.
const FAN_IN: usize = 4;
const SMALLEST: u64 = 256 << 10;

/// 0 for sets up to 256 kB, and one more for each factor of four.
fn tier(length: u64) -> u32 {
    (length / SMALLEST).max(1).ilog2() / 2
}

/// Which neighbours, of sets in order of their writes, to merge into one. Neighbours only: the order of writes must
/// stay the order of sets.
pub(super) fn pick(lengths: &[u64], max: u64) -> Option<Range<usize>> {
    let highest = lengths.iter().map(|length| tier(*length)).max()?;
    for candidate in 0..=highest {
        let mut start = 0;
        while start < lengths.len() {
            let fits = |length: &u64| tier(*length) <= candidate && *length <= max / 2;
            let run = lengths[start..]
                .iter()
                .take_while(|length| fits(length))
                .count();
            let mut from = start;
            let end = start + run;
            start = end + 1;
            while from < end && lengths[from..end].iter().sum::<u64>() > max {
                from += 1;
            }
            let of_this_tier = lengths[from..end]
                .iter()
                .filter(|length| tier(**length) == candidate)
                .count();
            if of_this_tier >= FAN_IN {
                return Some(from..end);
            }
        }
    }
    None
}

impl Engine {
    /// Does one piece of tidying, if there is any. Answers whether there was.
    pub fn compact(&self) -> Result<bool, TelemetryError> {
        let mut maintenance = self.maintenance.lock();
        if self.sets_may_be_empty.swap(false, Ordering::Relaxed)
            && self.reclaim(&mut maintenance)?
        {
            // There may be more of them.
            self.sets_may_be_empty.store(true, Ordering::Relaxed);
            return Ok(true);
        }
        if self.compact_kept(&mut maintenance)? {
            return Ok(true);
        }
        let sets: Vec<(u64, u64, u64)> = self
            .state
            .read()
            .sets
            .iter()
            .map(|set| (set.number, set.order, set.length))
            .collect();
        let lengths: Vec<u64> = sets.iter().map(|(_, _, length)| *length).collect();
        let Some(range) = pick(&lengths, self.config.max_block_file_bytes) else {
            return Ok(false);
        };
        let inputs: Vec<u64> = sets[range.clone()]
            .iter()
            .map(|(number, _, _)| *number)
            .collect();
        let order = sets[range.end - 1].1;
        self.merge_into_new(&mut maintenance, &inputs, order)?;
        Ok(true)
    }

    /// Frees the room of samples that retention dropped: of sets with nothing else at once, of others where most of
    /// the set is such. Answers whether there were any.
    fn reclaim(&self, maintenance: &mut Maintenance) -> Result<bool, TelemetryError> {
        let empty = self.state.read().empty_sets();
        if !empty.is_empty() {
            self.replace(maintenance, &empty, None, None)?;
            return Ok(true);
        }
        let mostly_dropped = {
            let state = self.state.read();
            let set = state.mostly_dropped_set(SMALLEST);
            set.map(|set| (set.number, set.order))
        };
        let Some((number, order)) = mostly_dropped else {
            return self.reclaim_kept(maintenance);
        };
        self.merge_into_new(maintenance, &[number], order)?;
        Ok(true)
    }

    fn merge_into_new(
        &self,
        maintenance: &mut Maintenance,
        inputs: &[u64],
        order: u64,
    ) -> Result<(), TelemetryError> {
        let number = maintenance.take_number();
        let merged = self.merge(maintenance, inputs, number, order);
        if merged.is_err() && !maintenance.manifest_in_doubt {
            self.remove(Piece::Set(number));
        }
        merged
    }

    fn merge(
        &self,
        maintenance: &mut Maintenance,
        inputs: &[u64],
        number: u64,
        order: u64,
    ) -> Result<(), TelemetryError> {
        let parts = self.state.read().parts_in(inputs);
        let target = self.config.compacted_block_samples;
        let entry = SetEntry { number, order };
        // Blocks as they were sealed have half of the target: merging two saves what each block costs beside its samples.
        let mut rewrite = Rewrite::new(self, entry, target, target - target / 4);
        for (series, view) in &parts {
            rewrite.add(*series, view.clone())?;
        }
        let written = rewrite.finish()?;
        self.save_damaged(&parts)?;
        let entry = written.is_some().then_some(entry);
        self.replace(maintenance, inputs, entry, written)
    }

    fn replace(
        &self,
        maintenance: &mut Maintenance,
        inputs: &[u64],
        entry: Option<SetEntry>,
        written: super::rewrite::Written,
    ) -> Result<(), TelemetryError> {
        let mut manifest = maintenance.manifest.clone();
        manifest.sets.retain(|set| !inputs.contains(&set.number));
        manifest.sets.extend(entry);
        manifest.sets.sort_by_key(|set| set.order);
        self.install(maintenance, manifest)?;
        self.state.write().compacted(inputs, written);
        for number in inputs {
            self.remove(Piece::Set(*number));
        }
        Ok(())
    }

    /// Damaged blocks are not in the new set. What their bytes were is put aside before the old set goes.
    fn save_damaged(&self, parts: &[(SeriesId, View)]) -> Result<(), TelemetryError> {
        let damages = self.damages.list();
        if damages.is_empty() {
            return Ok(());
        }
        for part in parts.iter().flat_map(|(_, view)| view) {
            let Part::Sealed {
                set,
                offset,
                length,
                ..
            } = &part.part
            else {
                continue;
            };
            let damaged = damages
                .iter()
                .any(|damage| damage.file == set.name() && damage.offset == *offset);
            if !damaged {
                continue;
            }
            let Some(bytes) = set.read_raw(*offset, *length) else {
                continue;
            };
            self.blocks.put_aside(set.number, *offset, &bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KB: u64 = 1 << 10;
    const MB: u64 = 1 << 20;

    #[test]
    fn four_small_neighbours_are_merged() {
        assert_eq!(pick(&[10 * KB; 3], 512 * MB), None);
        assert_eq!(pick(&[10 * KB; 4], 512 * MB), Some(0..4));
        assert_eq!(
            pick(&[90 * MB, 10 * KB, 20 * KB, 10 * KB, 10 * KB], 512 * MB),
            Some(1..5)
        );
    }

    #[test]
    fn merging_never_skips_a_set_between() {
        assert_eq!(
            pick(&[10 * KB, 10 * KB, 90 * MB, 10 * KB, 10 * KB], 512 * MB),
            None
        );
    }

    #[test]
    fn sets_come_to_rest_at_the_greatest_size() {
        assert_eq!(pick(&[300 * MB; 8], 512 * MB), None);
        assert_eq!(pick(&[], 512 * MB), None);
    }
}
