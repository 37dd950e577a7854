//! Questions to the samples of one series or one channel, asked of a view that no writer changes any more.

pub mod aggregate;
pub mod messages;
pub mod points;
pub(in crate::telemetry) mod walk;

use super::codec::block::Depth;
use super::merge::clusters;
use super::model::{Sample, TimeRange};
use super::state::View;
use super::store::TelemetryError;

/// Samples in order of (time, seq), at most `limit`.
pub fn range(view: View, range: TimeRange, limit: usize) -> Result<Vec<Sample>, TelemetryError> {
    let mut samples = Vec::new();
    for cluster in clusters(view) {
        if samples.len() >= limit {
            break;
        }
        let loaded = cluster.load(range, Depth::All)?;
        let room = limit - samples.len();
        samples.extend(
            loaded
                .wanted
                .take(room)
                .map(|index| loaded.columns.sample(index)),
        );
    }
    Ok(samples)
}

/// How many samples there are.
pub fn count(view: View, range: TimeRange) -> Result<u64, TelemetryError> {
    let mut count = 0;
    for cluster in clusters(view) {
        count += match cluster.summary_within(range) {
            Some(summary) => u64::from(summary.count),
            None => cluster.load(range, Depth::Values)?.wanted.len() as u64,
        };
    }
    Ok(count)
}
