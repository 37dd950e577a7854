//! The catalog: which series there are, and the newest sample of each as of the last flush.
//!
//! A file of frames, each written twice: magic (u32), number (u64), length and length before compression (u32 each),
//! CRC (u32), compressed entries. The CRC covers a salt that only the manifest knows, so that nothing a client sends
//! can pass for a frame. How much of the file counts stands in the manifest.

use std::sync::Arc;

use hashbrown::HashSet;
use tellee_actors::time::Timestamp;

use super::codec::bytes::{Reader, put_bytes, put_signed, put_varint};
use super::codec::{CodecError, block, compression, integers, numbers};
use super::damage::DamageLog;
use super::disk::{Disk, failed, read_all};
use super::log::entry::{put_key, take_key};
use super::manifest::CatalogEntry;
use super::model::{Quality, Sample, SeriesId, SeriesKey, Value};
use super::store::TelemetryError;

const MAGIC: u32 = 0x7e11_ca7a;
const HEADER: usize = 4 + 8 + 4 + 4 + 4;
const MAX_PLAIN: usize = 64 << 20;
/// Entries are cut into frames of about this size before compression.
const FRAME_SIZE: usize = 1 << 20;

const DEFINE: u8 = 1;
const STATE: u8 = 2;
const STATE_WITHOUT_LATEST: u8 = 3;
const NUMBERS: u8 = 4;

pub fn file_name(number: u64) -> String {
    format!("catalog-{number:016x}")
}

/// The newest sample of a series, with what it came with.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest {
    pub sample: Sample,
    pub unit: Arc<str>,
    pub protocol: Arc<str>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    Define {
        id: SeriesId,
        key: Arc<SeriesKey>,
    },
    State {
        id: SeriesId,
        latest: Option<Latest>,
    },
    Numbers(Numbers),
}

/// The newest samples of many series, all of them good numbers with seq 0 and without sum and update time: as columns,
/// they are a fraction of what they would be one by one.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    pub unit: Arc<str>,
    pub protocol: Arc<str>,
    pub ids: Vec<i64>,
    pub times: Vec<i64>,
    pub numbers: Vec<f64>,
    pub received: Vec<i64>,
}

impl Numbers {
    /// More do not go into one entry.
    pub const MOST: usize = 4096;

    pub const fn new(unit: Arc<str>, protocol: Arc<str>) -> Self {
        Self {
            unit,
            protocol,
            ids: Vec::new(),
            times: Vec::new(),
            numbers: Vec::new(),
            received: Vec::new(),
        }
    }

    pub fn push(&mut self, id: SeriesId, time: i64, number: f64, received_at: i64) {
        self.ids.push(id.0 as i64);
        self.times.push(time);
        self.numbers.push(number);
        self.received.push(received_at);
    }

    pub const fn len(&self) -> usize {
        self.ids.len()
    }

    /// Each series with its newest sample.
    pub fn latest(&self) -> impl Iterator<Item = (SeriesId, Latest)> + '_ {
        let stamps = self.times.iter().zip(&self.received);
        let samples = self.ids.iter().zip(stamps).zip(&self.numbers);
        samples.map(|((id, (time, received_at)), number)| {
            let sample = Sample {
                time: Timestamp(*time),
                seq: 0,
                value: Value::Number(*number),
                sum: None,
                update_time: None,
                quality: Quality::GOOD,
                received_at: Timestamp(*received_at),
            };
            let latest = Latest {
                sample,
                unit: Arc::clone(&self.unit),
                protocol: Arc::clone(&self.protocol),
            };
            (SeriesId(*id as u64), latest)
        })
    }
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    match entry {
        Entry::Define { id, key } => {
            out.push(DEFINE);
            put_varint(out, id.0);
            put_key(out, key);
        }
        Entry::State { id, latest: None } => {
            out.push(STATE_WITHOUT_LATEST);
            put_varint(out, id.0);
        }
        Entry::State {
            id,
            latest: Some(latest),
        } => {
            out.push(STATE);
            put_varint(out, id.0);
            put_bytes(out, latest.unit.as_bytes());
            put_bytes(out, latest.protocol.as_bytes());
            put_sample(out, &latest.sample);
        }
        Entry::Numbers(numbers) => put_numbers(out, numbers),
    }
}

fn put_numbers(out: &mut Vec<u8>, entry: &Numbers) {
    out.push(NUMBERS);
    put_varint(out, entry.len() as u64);
    put_bytes(out, entry.unit.as_bytes());
    put_bytes(out, entry.protocol.as_bytes());
    integers::encode(&entry.ids, out);
    integers::encode(&entry.times, out);
    numbers::encode(&entry.numbers, out);
    integers::encode(&entry.received, out);
}

fn take_numbers(reader: &mut Reader<'_>, count: u64) -> Result<Numbers, CodecError> {
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= Numbers::MOST)
        .ok_or(CodecError::Invalid(
            "a catalog entry holds too many samples",
        ))?;
    Ok(Numbers {
        unit: block::shared_text(reader.text()?),
        protocol: block::shared_text(reader.text()?),
        ids: integers::decode(reader, count)?,
        times: integers::decode(reader, count)?,
        numbers: numbers::decode(reader, count)?,
        received: integers::decode(reader, count)?,
    })
}

fn put_sample(out: &mut Vec<u8>, sample: &Sample) {
    put_signed(out, sample.time.0);
    put_varint(out, u64::from(sample.seq));
    match &sample.value {
        Value::Number(number) => {
            out.push(0);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Boolean(boolean) => out.extend_from_slice(&[1, u8::from(*boolean)]),
        Value::Text(text) => {
            out.push(2);
            put_bytes(out, text.as_bytes());
        }
        Value::Data(data) => {
            out.push(3);
            put_bytes(out, data);
        }
    }
    for number in [sample.sum, sample.update_time] {
        out.push(u8::from(number.is_some()));
        out.extend_from_slice(&number.unwrap_or(0.0).to_le_bytes());
    }
    out.push(sample.quality.0);
    put_signed(out, sample.received_at.0);
}

fn take_sample(reader: &mut Reader<'_>) -> Result<Sample, CodecError> {
    let time = Timestamp(reader.signed()?);
    let seq = reader.varint_u32()?;
    let value = match reader.byte()? {
        0 => Value::Number(reader.f64()?),
        1 => Value::Boolean(reader.byte()? != 0),
        2 => Value::Text(reader.text()?.to_owned()),
        3 => Value::Data(reader.bytes()?.to_vec()),
        _ => return Err(CodecError::Invalid("a value is of unknown kind")),
    };
    let mut numbers = [None; 2];
    for number in &mut numbers {
        let present = reader.byte()? != 0;
        *number = Some(reader.f64()?).filter(|_| present);
    }
    let quality = Quality(reader.byte()?);
    let received_at = Timestamp(reader.signed()?);
    Ok(Sample {
        time,
        seq,
        value,
        sum: numbers[0],
        update_time: numbers[1],
        quality,
        received_at,
    })
}

fn take_entry(reader: &mut Reader<'_>) -> Result<Entry, CodecError> {
    let kind = reader.byte()?;
    let number = reader.varint()?;
    let id = SeriesId(number);
    match kind {
        DEFINE => Ok(Entry::Define {
            id,
            key: Arc::new(take_key(reader)?),
        }),
        STATE_WITHOUT_LATEST => Ok(Entry::State { id, latest: None }),
        STATE => {
            let unit = block::shared_text(reader.text()?);
            let protocol = block::shared_text(reader.text()?);
            Ok(Entry::State {
                id,
                latest: Some(Latest {
                    sample: take_sample(reader)?,
                    unit,
                    protocol,
                }),
            })
        }
        NUMBERS => Ok(Entry::Numbers(take_numbers(reader, number)?)),
        _ => Err(CodecError::Invalid("a catalog entry is of unknown kind")),
    }
}

fn checksum(salt: u64, header: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(
        crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), header),
        body,
    )
}

fn put_frame(
    out: &mut Vec<u8>,
    salt: u64,
    number: u64,
    plain: &[u8],
) -> Result<(), TelemetryError> {
    let body = zstd::bulk::compress(plain, 1)
        .map_err(|error| failed("cannot compress the catalog", &error))?;
    let start = out.len();
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&(plain.len() as u32).to_le_bytes());
    let crc = checksum(salt, &out[start..], &body);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&body);
    out.extend_from_within(start..);
    Ok(())
}

/// A frame at the start of `bytes`: number, entries as bytes, length of the frame.
fn frame_at(bytes: &[u8], salt: u64) -> Option<(u64, Vec<u8>, usize)> {
    let mut reader = Reader::new(bytes);
    if reader.u32().ok()? != MAGIC {
        return None;
    }
    let number = reader.u64().ok()?;
    let length = reader.u32().ok()? as usize;
    let plain = reader.u32().ok()? as usize;
    let crc = reader.u32().ok()?;
    let body = reader.take(length).ok()?;
    if plain > MAX_PLAIN || checksum(salt, &bytes[..HEADER - 4], body) != crc {
        return None;
    }
    let plain = compression::decompress(body, plain).ok()?;
    Some((number, plain, HEADER + length))
}

/// Appends `entries` to the catalog `at`, or starts a new one called `at.number` if its length is 0.
/// What it answers counts once a manifest says so.
pub fn append(
    disk: &dyn Disk,
    at: CatalogEntry,
    entries: &[Entry],
) -> Result<CatalogEntry, TelemetryError> {
    let name = file_name(at.number);
    let cannot = |error: std::io::Error| failed(&format!("cannot write `{name}`"), &error);
    let mut bytes = Vec::new();
    let mut frames = at.frames;
    let mut plain = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        put_entry(&mut plain, entry);
        if plain.len() >= FRAME_SIZE || index + 1 == entries.len() {
            put_frame(&mut bytes, at.salt, frames, &plain)?;
            frames += 1;
            plain.clear();
        }
    }
    let file = if at.length == 0 {
        disk.create(&name)
    } else {
        disk.open(&name)
    }
    .map_err(cannot)?;
    file.write_all_at(&bytes, at.length).map_err(cannot)?;
    file.sync().map_err(cannot)?;
    Ok(CatalogEntry {
        length: at.length + bytes.len() as u64,
        frames,
        ..at
    })
}

/// All entries of the catalog `at`, in order. Damage is reported; whatever one whole copy tells is given.
pub fn read(
    disk: &dyn Disk,
    at: CatalogEntry,
    damages: &Arc<DamageLog>,
) -> Result<Vec<Entry>, TelemetryError> {
    if at.length == 0 {
        return Ok(Vec::new());
    }
    let name = file_name(at.number);
    let mut bytes = match disk.open(&name).and_then(|file| read_all(&*file)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            damages.report(&name, 0, "the file is missing");
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(&format!("cannot read `{name}`"), &error)),
    };
    bytes.truncate(usize::try_from(at.length).unwrap_or(usize::MAX));

    let mut entries = Vec::new();
    let mut seen = HashSet::new();
    let mut offset = 0;
    while offset < bytes.len() {
        let Some((number, plain, length)) = frame_at(&bytes[offset..], at.salt) else {
            damages.report(&name, 0, "a copy of a frame is damaged");
            offset += 1;
            continue;
        };
        if seen.insert(number) {
            let mut reader = Reader::new(&plain);
            while !reader.is_empty() {
                match take_entry(&mut reader) {
                    Ok(entry) => entries.push(entry),
                    Err(error) => {
                        damages.report(&name, offset as u64, error.to_string());
                        break;
                    }
                }
            }
        }
        offset += length;
    }
    let missing = at.frames.saturating_sub(seen.len() as u64);
    if missing > 0 {
        damages.report(
            &name,
            at.length,
            format!("{missing} frames are lost with the series that they define"),
        );
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use tellee_actors::ids::{ChannelId, ThingId};
    use uuid::Uuid;

    use super::*;
    use crate::telemetry::disk::SimulatedDisk;

    fn entries() -> Vec<Entry> {
        let key = SeriesKey {
            channel: ChannelId(Uuid::from_u128(1)),
            thing: ThingId(Uuid::from_u128(2)),
            subtopic: "a.b".to_owned(),
            name: "pressure".to_owned(),
        };
        let sample = Sample {
            time: Timestamp(-3),
            seq: 2,
            value: Value::Text("off".to_owned()),
            sum: None,
            update_time: Some(0.5),
            quality: Quality::BAD,
            received_at: Timestamp(9),
        };
        vec![
            Entry::Define {
                id: SeriesId(4),
                key: Arc::new(key),
            },
            Entry::State {
                id: SeriesId(4),
                latest: Some(Latest {
                    sample,
                    unit: Arc::from("bar"),
                    protocol: Arc::from("mqtt"),
                }),
            },
            Entry::State {
                id: SeriesId(5),
                latest: None,
            },
            Entry::Numbers(Numbers {
                unit: Arc::from(""),
                protocol: Arc::from("influx"),
                ids: vec![7, 9, 12],
                times: vec![5, 5, -4],
                numbers: vec![1.25, -0.0, f64::MAX],
                received: vec![6, 6, 6],
            }),
        ]
    }

    #[test]
    fn entries_come_back_though_any_bit_is_flipped() {
        let start = CatalogEntry {
            number: 3,
            length: 0,
            frames: 0,
            salt: 77,
        };
        let disk = SimulatedDisk::new(1);
        let first = append(&disk, start, &entries()[..1]).unwrap();
        let at = append(&disk, first, &entries()[1..]).unwrap();
        for byte in 0..at.length as usize {
            let damages = Arc::new(DamageLog::default());
            disk.flip_bit(&file_name(3), byte, 3);
            assert_eq!(read(&disk, at, &damages).unwrap(), entries());
            assert!(!damages.list().is_empty());
            disk.flip_bit(&file_name(3), byte, 3);
        }
        let damages = Arc::new(DamageLog::default());
        assert_eq!(read(&disk, at, &damages).unwrap(), entries());
        assert!(damages.list().is_empty());
    }
}
