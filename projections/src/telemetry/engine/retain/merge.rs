//! Sets of kept rollups become fewer, and those go that nothing is needed of any more.

use super::super::compact::pick;
use super::super::{Engine, Maintenance};
use super::set::KeptSet;
use crate::telemetry::blocks::Piece;
use crate::telemetry::kept::{KeptRollups, Merge};
use crate::telemetry::model::SeriesId;
use crate::telemetry::rollup::Level;
use crate::telemetry::store::TelemetryError;

impl Engine {
    /// Frees the room of rows that are gone. Answers whether there were any.
    pub(in crate::telemetry::engine) fn reclaim_kept(
        &self,
        maintenance: &mut Maintenance,
    ) -> Result<bool, TelemetryError> {
        let Some(number) = self.state.read().mostly_dropped_kept_set() else {
            return Ok(false);
        };
        self.merge_kept(maintenance, &[number])?;
        Ok(true)
    }

    /// Merges sets of about one size. Answers whether there were any.
    pub(in crate::telemetry::engine) fn compact_kept(
        &self,
        maintenance: &mut Maintenance,
    ) -> Result<bool, TelemetryError> {
        let sets: Vec<(u64, u64)> = {
            let state = self.state.read();
            let sets = state.kept.sets.iter();
            sets.map(|set| (set.number, set.length)).collect()
        };
        let lengths: Vec<u64> = sets.iter().map(|(_, length)| *length).collect();
        let Some(range) = pick(&lengths, self.config.max_block_file_bytes) else {
            return Ok(false);
        };
        let inputs: Vec<u64> = sets[range].iter().map(|(number, _)| *number).collect();
        self.merge_kept(maintenance, &inputs)?;
        Ok(true)
    }

    fn merge_kept(
        &self,
        maintenance: &mut Maintenance,
        inputs: &[u64],
    ) -> Result<(), TelemetryError> {
        let number = maintenance.take_number();
        let merged = self.merge_kept_into(maintenance, inputs, number);
        if merged.is_err() && !maintenance.manifest_in_doubt {
            self.remove(Piece::Set(number));
        }
        merged
    }

    fn merge_kept_into(
        &self,
        maintenance: &mut Maintenance,
        inputs: &[u64],
        number: u64,
    ) -> Result<(), TelemetryError> {
        let mut set = KeptSet::new(self, number);
        for kept in self.kept_in(inputs) {
            for level in [Level::Minute, Level::Hour] {
                let merge = Merge {
                    kept: &kept,
                    level,
                    damaged: &mut |set, chunk| {
                        let bytes = set.read_raw(chunk.offset, chunk.length);
                        bytes.map_or(Ok(()), |bytes| {
                            self.blocks.put_aside(set.number, chunk.offset, &bytes)
                        })
                    },
                };
                merge.write(&mut set)?;
            }
        }
        let entry = set.entry;
        let written = set.finish()?;
        let mut manifest = maintenance.manifest.clone();
        manifest.kept.retain(|set| !inputs.contains(&set.number));
        manifest.kept.extend(written.is_some().then_some(entry));
        self.install(maintenance, manifest)?;
        let written = written.map(|(set, _)| set);
        self.state.write().kept.replace(inputs, written);
        for number in inputs {
            self.remove(Piece::Set(*number));
        }
        Ok(())
    }

    /// What the sets `inputs` hold, by series, in order of their numbers.
    fn kept_in(&self, inputs: &[u64]) -> Vec<KeptRollups> {
        let state = self.state.read();
        let sets = state.kept.sets.iter();
        let sets: Vec<_> = sets
            .filter(|set| inputs.contains(&set.number))
            .cloned()
            .collect();
        let mut ids: Vec<SeriesId> = sets
            .iter()
            .flat_map(|set| set.all_rollups().iter().map(|entry| entry.series))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter()
            .filter_map(|id| {
                let (_, series) = state.by_id(id)?;
                let floor = state.kept.floor(series.key.channel);
                Some(KeptRollups::of(id, &sets, floor))
            })
            .collect()
    }
}
