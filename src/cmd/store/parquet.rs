//! Samples as a Parquet file. Memory holds one group of rows and no more, however long the file gets.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use tellee_projections::telemetry::{StoredMessage, TelemetryError, Value};

/// One column per field; of the four values of a sample one is given.
const SCHEMA: &str = "message telemetry {
    required binary channel (STRING);
    required binary thing (STRING);
    required binary subtopic (STRING);
    required binary name (STRING);
    required binary unit (STRING);
    required binary protocol (STRING);
    required int64 time (TIMESTAMP(NANOS, true));
    required int64 seq;
    optional double number;
    optional boolean boolean;
    optional binary text (STRING);
    optional binary data;
    optional double sum;
    optional double update_time;
    required int32 quality;
    required int64 received_at (TIMESTAMP(NANOS, true));
}";
const GROUP_ROWS: usize = 1 << 17;
const GROUP_BYTES: usize = 32 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] TelemetryError),
    #[error("the export cannot be written: {0}")]
    Parquet(#[from] ParquetError),
}

/// A column in which rows may have nothing.
struct Optional<T> {
    values: Vec<T>,
    /// 1 for each row that has a value, 0 for others.
    levels: Vec<i16>,
}

impl<T> Default for Optional<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            levels: Vec::new(),
        }
    }
}

impl<T> Optional<T> {
    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }
}

#[derive(Default)]
struct Group {
    keys: [Vec<ByteArray>; 6],
    times: Vec<i64>,
    seqs: Vec<i64>,
    numbers: Optional<f64>,
    booleans: Optional<bool>,
    texts: Optional<ByteArray>,
    data: Optional<ByteArray>,
    sums: Optional<f64>,
    update_times: Optional<f64>,
    qualities: Vec<i32>,
    received: Vec<i64>,
    /// Of texts and data.
    bytes: usize,
    /// What `keys` ended with, to be shared by the rows of one series.
    last: Option<StoredMessage>,
}

impl Group {
    fn push(&mut self, row: StoredMessage) {
        let is_same = self.last.as_ref().is_some_and(|last| {
            last.key == row.key && last.unit == row.unit && last.protocol == row.protocol
        });
        if is_same {
            for column in &mut self.keys {
                column.extend(column.last().cloned());
            }
        } else {
            let text = |text: &str| ByteArray::from(text.as_bytes().to_vec());
            let texts = [
                text(&row.key.channel.to_string()),
                text(&row.key.thing.to_string()),
                text(&row.key.subtopic),
                text(&row.key.name),
                text(&row.unit),
                text(&row.protocol),
            ];
            for (column, text) in self.keys.iter_mut().zip(texts) {
                self.bytes += text.len();
                column.push(text);
            }
        }
        let sample = &row.sample;
        self.times.push(sample.time.0);
        self.seqs.push(i64::from(sample.seq));
        let (mut number, mut boolean, mut text, mut data) = (None, None, None, None);
        match &sample.value {
            Value::Number(given) => number = Some(*given),
            Value::Boolean(given) => boolean = Some(*given),
            Value::Text(given) => text = Some(ByteArray::from(given.as_bytes().to_vec())),
            Value::Data(given) => data = Some(ByteArray::from(given.clone())),
        }
        self.bytes += text.as_ref().or(data.as_ref()).map_or(0, ByteArray::len);
        self.numbers.push(number);
        self.booleans.push(boolean);
        self.texts.push(text);
        self.data.push(data);
        self.sums.push(sample.sum);
        self.update_times.push(sample.update_time);
        self.qualities.push(i32::from(sample.quality.0));
        self.received.push(sample.received_at.0);
        self.last = Some(row);
    }

    fn is_full(&self) -> bool {
        self.times.len() >= GROUP_ROWS || self.bytes >= GROUP_BYTES
    }

    fn write<W: Write + Send>(
        &self,
        writer: &mut SerializedFileWriter<W>,
    ) -> Result<(), ParquetError> {
        let mut group = writer.next_row_group()?;
        for column in &self.keys {
            put::<ByteArrayType, W>(&mut group, column, None)?;
        }
        put::<Int64Type, W>(&mut group, &self.times, None)?;
        put::<Int64Type, W>(&mut group, &self.seqs, None)?;
        put_optional::<DoubleType, W>(&mut group, &self.numbers)?;
        put_optional::<BoolType, W>(&mut group, &self.booleans)?;
        put_optional::<ByteArrayType, W>(&mut group, &self.texts)?;
        put_optional::<ByteArrayType, W>(&mut group, &self.data)?;
        put_optional::<DoubleType, W>(&mut group, &self.sums)?;
        put_optional::<DoubleType, W>(&mut group, &self.update_times)?;
        put::<Int32Type, W>(&mut group, &self.qualities, None)?;
        put::<Int64Type, W>(&mut group, &self.received, None)?;
        group.close().map(drop)
    }
}

fn put_optional<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: &Optional<T::T>,
) -> Result<(), ParquetError> {
    put::<T, W>(group, &column.values, Some(&column.levels))
}

fn put<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General(
            "the schema has fewer columns than the rows".to_owned(),
        ));
    };
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

/// Answers the number of rows.
pub fn write_parquet(
    rows: impl Iterator<Item = Result<StoredMessage, TelemetryError>>,
    to: impl Write + Send,
) -> Result<u64, ExportError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let mut writer = SerializedFileWriter::new(to, schema, Arc::new(properties.build()))?;
    let mut group = Group::default();
    let mut count = 0;
    for row in rows {
        group.push(row?);
        count += 1;
        if group.is_full() {
            group.write(&mut writer)?;
            group = Group::default();
        }
    }
    if !group.times.is_empty() {
        group.write(&mut writer)?;
    }
    writer.close()?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail")]

    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    use tellee_actors::ids::{ChannelId, ThingId};
    use tellee_actors::time::Timestamp;
    use tellee_projections::telemetry::{Quality, Sample, SeriesKey};

    use super::*;

    fn row(index: i64, value: Value) -> StoredMessage {
        StoredMessage {
            key: SeriesKey {
                channel: ChannelId(uuid::Uuid::from_u128(1)),
                thing: ThingId(uuid::Uuid::from_u128(2)),
                subtopic: "a.b".to_owned(),
                name: format!("n{}", index / 100),
            },
            unit: "bar".to_owned(),
            protocol: "mqtt".to_owned(),
            sample: Sample {
                time: Timestamp(index * 1_000_000_007),
                seq: index as u32 % 3,
                value,
                sum: (index % 2 == 0).then_some(index as f64 / 2.0),
                update_time: None,
                quality: Quality(192),
                received_at: Timestamp(index * 1_000_000),
            },
        }
    }

    fn value(index: i64) -> Value {
        match index % 4 {
            0 => Value::Number(index as f64 / 8.0),
            1 => Value::Boolean(index % 3 == 0),
            2 => Value::Text(format!("läuft {index}")),
            _ => Value::Data(vec![index as u8, 255]),
        }
    }

    #[test]
    fn rows_are_read_back_as_they_were_written() {
        let count = GROUP_ROWS as i64 + 1000;
        let rows: Vec<StoredMessage> = (0..count).map(|index| row(index, value(index))).collect();
        let file = tempfile::tempfile().unwrap();
        let written = write_parquet(rows.iter().cloned().map(Ok), file.try_clone().unwrap());
        assert_eq!(written.unwrap(), count as u64);
        let reader = SerializedFileReader::new(file).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 2);
        let mut read = 0;
        for (found, row) in reader.get_row_iter(None).unwrap().zip(&rows) {
            let found = found.unwrap();
            assert_eq!(found.get_string(0).unwrap(), &row.key.channel.to_string());
            assert_eq!(found.get_string(3).unwrap(), &row.key.name);
            assert_eq!(found.get_string(4).unwrap(), "bar");
            assert_eq!(found.get_long(7).unwrap(), i64::from(row.sample.seq));
            match &row.sample.value {
                Value::Number(number) => assert_eq!(found.get_double(8).unwrap(), *number),
                Value::Boolean(boolean) => assert_eq!(found.get_bool(9).unwrap(), *boolean),
                Value::Text(text) => assert_eq!(found.get_string(10).unwrap(), text),
                Value::Data(data) => assert_eq!(found.get_bytes(11).unwrap().data(), data),
            }
            assert_eq!(found.get_double(12).ok(), row.sample.sum);
            assert_eq!(found.get_int(14).unwrap(), 192);
            read += 1;
        }
        assert_eq!(read, count);
    }

    #[test]
    fn no_rows_make_a_file_without_rows() {
        let file = tempfile::tempfile().unwrap();
        let written = write_parquet(std::iter::empty(), file.try_clone().unwrap());
        assert_eq!(written.unwrap(), 0);
        let reader = SerializedFileReader::new(file).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
    }
}
