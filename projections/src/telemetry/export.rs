//! All samples as rows, for people and programs that want their data elsewhere.

mod rollups;

use std::io::Write;
use std::sync::Arc;

use super::codec::block::Depth;
use super::engine::Engine;
use super::merge::{Cluster, Loaded, clusters};
use super::model::{SeriesFilter, SeriesId, SeriesKey, StoredMessage, TimeRange, Value};
use super::store::TelemetryError;

pub use rollups::write_rollups_csv;

/// Samples series by series, in the order of their keys, each series in order of (time, seq).
pub struct Rows {
    engine: Arc<Engine>,
    range: TimeRange,
    /// From the end.
    series: Vec<(SeriesId, Arc<SeriesKey>)>,
    key: Option<Arc<SeriesKey>>,
    clusters: std::vec::IntoIter<Cluster>,
    loaded: Option<Loaded>,
}

impl Rows {
    pub(super) fn new(
        engine: Arc<Engine>,
        filter: &SeriesFilter,
        range: TimeRange,
    ) -> Result<Self, TelemetryError> {
        let mut series = engine.keys(filter);
        series.reverse();
        Ok(Self {
            engine,
            range,
            series,
            key: None,
            clusters: Vec::new().into_iter(),
            loaded: None,
        })
    }

    fn advance(&mut self) -> Result<Option<StoredMessage>, TelemetryError> {
        loop {
            if let (Some(loaded), Some(key)) = (&mut self.loaded, &self.key)
                && let Some(index) = loaded.wanted.next()
            {
                let origin = loaded.columns.origin_at(index);
                return Ok(Some(StoredMessage {
                    key: SeriesKey::clone(key),
                    unit: origin.unit.to_string(),
                    protocol: origin.protocol.to_string(),
                    sample: loaded.columns.sample(index),
                }));
            }
            if let Some(cluster) = self.clusters.next() {
                self.loaded = Some(cluster.load(self.range, Depth::All)?);
                continue;
            }
            let Some((id, key)) = self.series.pop() else {
                return Ok(None);
            };
            self.key = Some(key);
            self.clusters = clusters(self.engine.view(id, self.range)?).into_iter();
        }
    }
}

impl Iterator for Rows {
    type Item = Result<StoredMessage, TelemetryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// Writes `rows` as CSV with a heading line. Times are nanoseconds since 1970-01-01T00:00:00Z, data values hexadecimal.
/// Answers the number of rows.
pub fn write_csv(
    rows: impl Iterator<Item = Result<StoredMessage, TelemetryError>>,
    to: impl Write,
) -> Result<u64, TelemetryError> {
    let cannot = |error: csv::Error| TelemetryError::Failed(format!("cannot write CSV: {error}"));
    let mut writer = csv::Writer::from_writer(to);
    writer
        .write_record([
            "channel",
            "thing",
            "subtopic",
            "name",
            "unit",
            "protocol",
            "time",
            "seq",
            "kind",
            "value",
            "sum",
            "update_time",
            "quality",
            "received_at",
        ])
        .map_err(cannot)?;
    let mut count = 0;
    for row in rows {
        let row = row?;
        let (kind, value) = match &row.sample.value {
            Value::Number(number) => ("number", number.to_string()),
            Value::Boolean(boolean) => ("boolean", boolean.to_string()),
            Value::Text(text) => ("text", text.clone()),
            Value::Data(data) => (
                "data",
                data.iter().map(|byte| format!("{byte:02x}")).collect(),
            ),
        };
        let number =
            |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
        writer
            .write_record([
                &row.key.channel.to_string(),
                &row.key.thing.to_string(),
                &row.key.subtopic,
                &row.key.name,
                &row.unit,
                &row.protocol,
                &row.sample.time.0.to_string(),
                &row.sample.seq.to_string(),
                kind,
                &value,
                &number(row.sample.sum),
                &number(row.sample.update_time),
                &row.sample.quality.0.to_string(),
                &row.sample.received_at.0.to_string(),
            ])
            .map_err(cannot)?;
        count += 1;
    }
    writer
        .flush()
        .map_err(|error| TelemetryError::Failed(format!("cannot write CSV: {error}")))?;
    Ok(count)
}
