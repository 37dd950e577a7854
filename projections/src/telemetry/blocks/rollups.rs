//! The rollups of a set of blocks.

use super::{BlockSet, RollupEntry};
use crate::telemetry::codec::CodecError;
use crate::telemetry::codec::rollup::{self, Detail, Sums};
use crate::telemetry::model::SeriesId;
use crate::telemetry::rollup::{Level, Row};
use crate::telemetry::store::TelemetryError;

/// The order in which [`BlockSet::rollups`] looks for them.
pub(super) fn sorted(mut rollups: Vec<RollupEntry>) -> Vec<RollupEntry> {
    rollups.sort_by_key(|entry| (entry.series, entry.level, entry.first));
    rollups.shrink_to_fit();
    rollups
}

impl BlockSet {
    /// The chunks of one level of the rollup of `series`, in order of time. There are none, or they cover the run.
    pub fn rollups(&self, series: SeriesId, level: Level) -> &[RollupEntry] {
        let key = |entry: &RollupEntry| (entry.series, entry.level);
        let from = self
            .rollups
            .partition_point(|entry| key(entry) < (series, level));
        let length = self.rollups[from..].partition_point(|entry| key(entry) == (series, level));
        &self.rollups[from..from + length]
    }

    /// All chunks of the set.
    pub fn all_rollups(&self) -> &[RollupEntry] {
        &self.rollups
    }

    /// The rows of `entry`, or `None` if they are damaged, which is then reported.
    pub fn read_rollup(
        &self,
        entry: &RollupEntry,
        detail: Detail,
    ) -> Result<Option<Vec<Row>>, TelemetryError> {
        self.decoded(entry, |bytes| {
            rollup::decode(bytes, entry.series, entry.level, detail)
        })
    }

    /// As [`Self::read_rollup`], of counts and sums alone.
    pub fn read_sums(&self, entry: &RollupEntry) -> Result<Option<Sums>, TelemetryError> {
        self.decoded(entry, |bytes| {
            rollup::decode_sums(bytes, entry.series, entry.level)
        })
    }

    fn decoded<Rows>(
        &self,
        entry: &RollupEntry,
        decode: impl FnOnce(&[u8]) -> Result<Rows, CodecError>,
    ) -> Result<Option<Rows>, TelemetryError> {
        let Some(bytes) = self.read(entry.offset, entry.length, "a rollup")? else {
            return Ok(None);
        };
        match decode(&bytes) {
            Ok(rows) => Ok(Some(rows)),
            Err(CodecError::Newer { found, known }) => Err(TelemetryError::Newer { found, known }),
            Err(error) => {
                self.report_block(entry.offset, &error.to_string());
                Ok(None)
            }
        }
    }
}
