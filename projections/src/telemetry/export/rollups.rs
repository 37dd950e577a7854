//! Kept rollups as rows, for people and programs that want their data elsewhere.

use std::io::Write;

use super::Engine;
use crate::telemetry::codec::rollup::Detail;
use crate::telemetry::model::{SeriesFilter, TimeRange};
use crate::telemetry::rollup::{Level, Row};
use crate::telemetry::store::TelemetryError;

const HEADING: [&str; 13] = [
    "channel", "thing", "subtopic", "name", "seconds", "start", "count", "good", "sum", "min",
    "max", "first", "last",
];

/// Writes the rollups that outlived their samples as CSV with a heading line: series by series in the order of their
/// keys, first the minutes (60 `seconds`), then the hours (3600). `start` is in nanoseconds since 1970-01-01T00:00:00Z.
/// Answers the number of rows.
pub fn write_rollups_csv(
    engine: &Engine,
    filter: &SeriesFilter,
    range: TimeRange,
    to: impl Write,
) -> Result<u64, TelemetryError> {
    let cannot = |error: csv::Error| TelemetryError::Failed(format!("cannot write CSV: {error}"));
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(HEADING).map_err(cannot)?;
    let mut count = 0;
    for (id, key) in engine.keys(filter) {
        let kept = engine.kept_rollups(id)?;
        for level in [Level::Minute, Level::Hour] {
            let mut write = |row: &Row| {
                let numbers = &row.numbers;
                let seconds = level.width() / 1_000_000_000;
                count += 1;
                writer.write_record([
                    &key.channel.to_string(),
                    &key.thing.to_string(),
                    &key.subtopic,
                    &key.name,
                    &seconds.to_string(),
                    &row.start.to_string(),
                    &numbers.count.to_string(),
                    &row.good.to_string(),
                    &numbers.sum.to_string(),
                    &numbers.min.to_string(),
                    &numbers.max.to_string(),
                    &numbers.first.to_string(),
                    &numbers.last.to_string(),
                ])
            };
            kept.each(level, range, Detail::Values, &mut |rows| {
                rows.iter().try_for_each(&mut write).map_err(cannot)
            })?;
        }
    }
    writer
        .flush()
        .map_err(|error| TelemetryError::Failed(format!("cannot write CSV: {error}")))?;
    Ok(count)
}
