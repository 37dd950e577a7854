//! A block file: blocks of many series, each in a checked frame, and an index with their summaries at the end.
//!
//! Header, twice: magic (8 bytes), format (u32), number (u64), order (u64), CRC (u32). Frames: length (u32), CRC (u32)
//! over place, length and block or chunk of a rollup. Then the index, compressed, and the trailer: place, length,
//! length before compression and CRC of the index, and the trailer's own CRC. Where the index is damaged, it is made
//! anew from the blocks, and the rollups rest until the file is merged.

mod index;
mod write;

use std::io;
use std::sync::Arc;

use super::blocks::{BlockEntry, BlockSet, Contents, Frames, Opened, RollupEntry};
use super::codec::CodecError;
use super::codec::bytes::Reader;
use super::codec::{block, compression, rollup};
use super::damage::DamageLog;
use super::disk::{Disk, DiskFile, failed};
use super::manifest::SetEntry;
use super::store::TelemetryError;
use super::summary::Summary;

pub use write::BlockFileWriter;

const MAGIC: &[u8; 8] = b"telleblk";
/// 1 had no rollups, 2 statistics of every block, 3 no packed columns.
const FORMAT: u32 = 4;
const HEADER: usize = 8 + 4 + 8 + 8 + 4;
const START: u64 = 2 * HEADER as u64;
const FRAME_HEADER: usize = 8;
const TRAILER: usize = 8 + 8 + 8 + 4 + 4;

pub fn file_name(number: u64) -> String {
    format!("blocks-{number:016x}")
}

/// The frames of an open block file. It stays readable after its name is gone.
struct FrameFile {
    name: String,
    file: Arc<dyn DiskFile>,
    length: u64,
    damages: Arc<DamageLog>,
}

fn checksum(offset: u64, block: &[u8]) -> u32 {
    let mut head = [0; 12];
    head[..8].copy_from_slice(&offset.to_le_bytes());
    head[8..].copy_from_slice(&(block.len() as u32).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&head), block)
}

fn header(entry: SetEntry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(2 * HEADER);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&entry.number.to_le_bytes());
    bytes.extend_from_slice(&entry.order.to_le_bytes());
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_within(..);
    bytes
}

/// The format of the file.
fn check_header(copy: &[u8], entry: SetEntry) -> Result<u32, CodecError> {
    let mut reader = Reader::new(copy);
    let covered = reader.take(HEADER - 4)?;
    if reader.u32()? != crc32c::crc32c(covered) {
        return Err(CodecError::Invalid("the header has a wrong checksum"));
    }
    let mut reader = Reader::new(covered);
    if reader.array::<8>()? != *MAGIC {
        return Err(CodecError::Invalid("the file is no block file"));
    }
    let format = reader.u32()?;
    if format > FORMAT {
        return Err(CodecError::Newer {
            found: format,
            known: FORMAT,
        });
    }
    if (reader.u64()?, reader.u64()?) != (entry.number, entry.order) {
        return Err(CodecError::Invalid("the file bears the name of another"));
    }
    Ok(format)
}

/// Opens the file of `entry` and reads its index. Damage is reported to `damages`; what is whole is given.
pub fn open(
    disk: &dyn Disk,
    entry: SetEntry,
    damages: &Arc<DamageLog>,
) -> Result<Opened, TelemetryError> {
    let name = file_name(entry.number);
    let cannot = |error: io::Error| failed(&format!("cannot read `{name}`"), &error);
    let file = disk.open(&name).map_err(cannot)?;
    let length = file.length().map_err(cannot)?;
    let frames = FrameFile {
        name: name.clone(),
        file,
        length,
        damages: Arc::clone(damages),
    };
    let index = frames
        .format(entry)?
        .and_then(|format| frames.read_index(format));
    let (blocks, rollups) = index.unwrap_or_else(|error| {
        damages.report(
            &name,
            length.saturating_sub(TRAILER as u64),
            format!("the index is damaged: {error}"),
        );
        frames.rebuild_index()
    });
    Ok(BlockSet::opened(
        entry,
        name,
        length,
        Box::new(frames),
        Contents { blocks, rollups },
        Arc::clone(damages),
    ))
}

/// What the index said of the chunk `bytes` of a rollup.
fn rollup_entry(bytes: &[u8], offset: u64) -> Option<RollupEntry> {
    let (series, level) = rollup::decode_heading(bytes).ok()?;
    let rows = rollup::decode(bytes, series, level, rollup::Detail::Sums).ok()?;
    Some(RollupEntry {
        series,
        level,
        offset,
        length: bytes.len() as u32,
        first: rows.first()?.start,
        last: rows.last()?.start,
    })
}

impl FrameFile {
    /// The format that the header tells. Without a header there is no telling how to read the index.
    fn format(&self, entry: SetEntry) -> Result<Result<u32, CodecError>, TelemetryError> {
        let mut head = vec![0; START as usize];
        let copies = match self.file.read_exact_at(&mut head, 0) {
            Err(_) => [Err(CodecError::Short); 2],
            Ok(()) => [
                check_header(&head[..HEADER], entry),
                check_header(&head[HEADER..], entry),
            ],
        };
        let mut format = Err(CodecError::Invalid("both copies of the header are damaged"));
        for copy in copies {
            match copy {
                Ok(found) => format = Ok(found),
                Err(CodecError::Newer { found, known }) => {
                    return Err(TelemetryError::Newer { found, known });
                }
                Err(error) => self.damages.report(
                    &self.name,
                    0,
                    format!("a copy of the header is damaged: {error}"),
                ),
            }
        }
        Ok(format)
    }

    fn read_index(&self, format: u32) -> Result<index::Index, CodecError> {
        let at = self
            .length
            .checked_sub(TRAILER as u64)
            .filter(|at| *at >= START)
            .ok_or(CodecError::Short)?;
        let mut trailer = [0; TRAILER];
        self.file
            .read_exact_at(&mut trailer, at)
            .map_err(|_| CodecError::Short)?;
        let mut reader = Reader::new(&trailer);
        let covered = reader.take(TRAILER - 4)?;
        if reader.u32()? != crc32c::crc32c(covered) {
            return Err(CodecError::Invalid("the trailer has a wrong checksum"));
        }
        let mut reader = Reader::new(covered);
        let (offset, length, plain, crc) =
            (reader.u64()?, reader.u64()?, reader.u64()?, reader.u32()?);
        if offset.checked_add(length) != Some(at) {
            return Err(CodecError::Invalid("the trailer points elsewhere"));
        }
        let mut bytes = vec![0; length as usize];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|_| CodecError::Short)?;
        if crc32c::crc32c(&bytes) != crc {
            return Err(CodecError::Invalid("it has a wrong checksum"));
        }
        index::decode(
            &compression::decompress(&bytes, plain as usize)?,
            START,
            format,
        )
    }

    /// Walks the frames from the start. Stops where a damaged frame does not even lead to the next one.
    ///
    /// Rollups of a file with blocks rest: one of them may be missing. Where there are no blocks, rollups are all there
    /// is.
    fn rebuild_index(&self) -> index::Index {
        let mut entries = Vec::new();
        let mut rollups = Vec::new();
        let mut offset = START;
        while let Some(length) = self.length_at(offset) {
            let whole = self.check(offset, length);
            let is_rollup = whole.as_ref().is_some_and(|bytes| rollup::is_rollup(bytes));
            if is_rollup {
                rollups.extend(whole.and_then(|bytes| rollup_entry(&bytes, offset)));
                offset += FRAME_HEADER as u64 + u64::from(length);
                continue;
            }
            if let Some(bytes) = whole
                && let Ok(columns) = block::decode(&bytes, block::Depth::All)
                && let Ok(heading) = block::decode_heading(&bytes)
            {
                entries.push(BlockEntry {
                    series: heading.series,
                    offset,
                    length,
                    summary: Summary::of(&columns),
                });
            } else {
                let next = offset + FRAME_HEADER as u64 + u64::from(length);
                let leads_on = self
                    .length_at(next)
                    .is_some_and(|length| self.check(next, length).is_some());
                if !leads_on {
                    break;
                }
                self.damages
                    .report(&self.name, offset, "a block is damaged");
            }
            offset += FRAME_HEADER as u64 + u64::from(length);
        }
        if !entries.is_empty() {
            rollups.clear();
        }
        (entries, rollups)
    }

    fn length_at(&self, offset: u64) -> Option<u32> {
        let mut length = [0; 4];
        self.file.read_exact_at(&mut length, offset).ok()?;
        let length = u32::from_le_bytes(length);
        (offset + FRAME_HEADER as u64 + u64::from(length) <= self.length).then_some(length)
    }

    fn check(&self, offset: u64, length: u32) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length as usize];
        let mut head = [0; FRAME_HEADER];
        self.file.read_exact_at(&mut head, offset).ok()?;
        self.file
            .read_exact_at(&mut bytes, offset + FRAME_HEADER as u64)
            .ok()?;
        let whole = head[..4] == length.to_le_bytes()
            && head[4..] == checksum(offset, &bytes).to_le_bytes();
        whole.then_some(bytes)
    }
}

impl Frames for FrameFile {
    fn read(
        &self,
        offset: u64,
        length: u32,
        what: &str,
    ) -> Result<Option<Vec<u8>>, TelemetryError> {
        let mut frame = vec![0; FRAME_HEADER + length as usize];
        match self.file.read_exact_at(&mut frame, offset) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.damages
                    .report(&self.name, offset, format!("the file ends within {what}"));
                return Ok(None);
            }
            Err(error) => return Err(failed(&format!("cannot read `{}`", self.name), &error)),
        }
        let whole = frame[..4] == length.to_le_bytes()
            && frame[4..FRAME_HEADER] == checksum(offset, &frame[FRAME_HEADER..]).to_le_bytes();
        if !whole {
            self.damages
                .report(&self.name, offset, format!("{what} has a wrong checksum"));
            return Ok(None);
        }
        frame.drain(..FRAME_HEADER);
        Ok(Some(frame))
    }

    fn read_raw(&self, offset: u64, length: u32) -> Option<Vec<u8>> {
        let mut frame = vec![0; FRAME_HEADER + length as usize];
        self.file.read_exact_at(&mut frame, offset).ok()?;
        Some(frame)
    }
}
