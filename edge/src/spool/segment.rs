//! The bytes of a segment file: a head of 64 bytes, then records. All numbers are little-endian.
//!
//! Head: magic 8, version u32, zero u32, first seq u64, epoch 16, boot 16, crc32c u32 of the 56 before, zero u32.
//! Record: payload length u32, crc32c u32 of all but these four bytes, seq u64, kind u8, payload.

use super::id::Id;
use super::message::StoredRecord;

pub const SEGMENT_HEAD_BYTES: usize = 64;
pub const RECORD_HEAD_BYTES: usize = 17;
/// Larger than any message that is written; a length beyond it is damage.
const MAX_PAYLOAD_BYTES: usize = 4 * 1024 * 1024;
/// How far a record found behind damage may lie from the one before it.
const MAX_SEQ_JUMP: u64 = 10_000_000;
const MAGIC: &[u8; 8] = b"TELLSPL\n";
const VERSION: u32 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) first_seq: u64,
    /// Made when the spool was created.
    pub(crate) epoch: Id,
    /// Made at each start.
    pub(crate) boot: Id,
}

impl SegmentHead {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEAD_BYTES] {
        let mut head = [0; SEGMENT_HEAD_BYTES];
        head[..8].copy_from_slice(MAGIC);
        head[8..12].copy_from_slice(&VERSION.to_le_bytes());
        head[16..24].copy_from_slice(&self.first_seq.to_le_bytes());
        head[24..40].copy_from_slice(&self.epoch);
        head[40..56].copy_from_slice(&self.boot);
        let crc = crc32c::crc32c(&head[..56]);
        head[56..60].copy_from_slice(&crc.to_le_bytes());
        head
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..SEGMENT_HEAD_BYTES)?;
        let crc = u32::from_le_bytes(head[56..60].try_into().ok()?);
        if &head[..8] != MAGIC
            || head[8..12] != VERSION.to_le_bytes()
            || crc32c::crc32c(&head[..56]) != crc
        {
            return None;
        }
        Some(Self {
            first_seq: u64::from_le_bytes(head[16..24].try_into().ok()?),
            epoch: head[24..40].try_into().ok()?,
            boot: head[40..56].try_into().ok()?,
        })
    }
}

/// Where a record lies in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) seq: u64,
    pub(crate) offset: u64,
    /// Of the whole record.
    pub(crate) bytes: u32,
}

pub(crate) fn encode_record(seq: u64, record: &StoredRecord) -> Vec<u8> {
    let (kind, payload) = record.encode();
    let mut out = Vec::with_capacity(RECORD_HEAD_BYTES + payload.len());
    out.extend_from_slice(
        &u32::try_from(payload.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&seq.to_le_bytes());
    out.push(kind);
    out.extend_from_slice(&payload);
    let crc = record_crc(&out);
    out[4..8].copy_from_slice(&crc.to_le_bytes());
    out
}

fn record_crc(record: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&record[..4]), &record[8..])
}

/// The record at the start of `bytes`, if it is whole and unharmed: its seq, kind, and length.
fn parse(bytes: &[u8]) -> Option<(u64, u8, usize)> {
    let head = bytes.get(..RECORD_HEAD_BYTES)?;
    let payload = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    if payload > MAX_PAYLOAD_BYTES || !StoredRecord::is_kind(head[16]) {
        return None;
    }
    let record = bytes.get(..RECORD_HEAD_BYTES + payload)?;
    let crc = u32::from_le_bytes(head[4..8].try_into().ok()?);
    if record_crc(record) != crc {
        return None;
    }
    Some((
        u64::from_le_bytes(head[8..16].try_into().ok()?),
        head[16],
        record.len(),
    ))
}

pub(crate) fn decode_record(bytes: &[u8]) -> Option<(u64, StoredRecord)> {
    let (seq, kind, length) = parse(bytes)?;
    Some((
        seq,
        StoredRecord::decode(kind, &bytes[RECORD_HEAD_BYTES..length])?,
    ))
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) head: Option<SegmentHead>,
    pub(crate) slots: Vec<Slot>,
    /// Bytes up to the end of the last good record. What follows is torn or damaged.
    pub(crate) good_bytes: u64,
    /// Damage with good records behind it.
    pub(crate) has_damage: bool,
}

/// Finds every good record, also behind damage.
pub(crate) fn scan(bytes: &[u8], first_seq: u64) -> Scan {
    let head = SegmentHead::decode(bytes);
    let mut slots: Vec<Slot> = Vec::new();
    let mut has_damage = head.is_none() && bytes.len() >= SEGMENT_HEAD_BYTES;
    let mut position = SEGMENT_HEAD_BYTES.min(bytes.len());
    let mut good_bytes = position;
    while position < bytes.len() {
        let expected = slots.last().map_or(first_seq, |slot| slot.seq + 1);
        let found = (position..bytes.len()).find_map(|at| {
            let seq_bytes = bytes.get(at + 8..at + 16)?;
            let seq = u64::from_le_bytes(seq_bytes.try_into().ok()?);
            if !(expected..expected.saturating_add(MAX_SEQ_JUMP)).contains(&seq) {
                return None;
            }
            parse(&bytes[at..]).map(|(seq, _, length)| (at, seq, length))
        });
        let Some((at, seq, length)) = found else {
            break;
        };
        has_damage |= at != position;
        slots.push(Slot {
            seq,
            offset: at as u64,
            bytes: u32::try_from(length).unwrap_or(u32::MAX),
        });
        position = at + length;
        good_bytes = position;
    }
    Scan {
        head,
        slots,
        good_bytes: good_bytes as u64,
        has_damage,
    }
}
