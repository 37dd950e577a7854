//! Frames of the journal's files.
//!
//! A file starts with its header, twice: magic (8 bytes), format (u32), number (u64), position (u64), salt (u64), CRC
//! (u32) of all before it. Frames follow: length (u32), CRC (u32), number (u64, from 0), payload. The CRC (Castagnoli)
//! covers salt, length, number and payload: what a client sends cannot pass for a frame, because it does not know the
//! salt.

use super::bytes::{CodecError, Cursor, Read};

/// 2 added pieces: files of messages, and their places in snapshots. 3 names the share group that a message was given to
/// a session for, and has entries for what sessions leave to their groups. Older files are read.
const FORMAT: u32 = 3;
const HEADER: usize = 8 + 4 + 8 + 8 + 8 + 4;
/// Where the first frame starts.
pub const START: usize = 2 * HEADER;
pub const FRAME_HEADER: usize = 4 + 4 + 8;
/// No frame is longer.
pub const MAX_PAYLOAD: usize = 512 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Log,
    Snapshot,
    /// Messages that wait longer than memory holds them.
    Messages,
}

impl Kind {
    const fn magic(self) -> [u8; 8] {
        match self {
            Self::Log => *b"tellemql",
            Self::Snapshot => *b"tellemqs",
            Self::Messages => *b"tellemqm",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub number: u64,
    /// How many entries were ever written before this file.
    pub position: u64,
    pub salt: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("it is of format {0}, newer than this version knows")]
    Newer(u32),
    #[error("its header is damaged")]
    Damaged,
}

impl Header {
    /// Both copies.
    pub fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(START);
        bytes.extend_from_slice(&self.kind.magic());
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        for number in [self.number, self.position, self.salt] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_within(..);
        bytes
    }

    /// From the start of a file. One copy stands in where the other is damaged; answers whether one is.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn decode(file: &[u8], kind: Kind) -> Result<(Self, bool), HeaderError> {
        let first = Self::decode_copy(file, kind);
        let second = Self::decode_copy(file.get(HEADER..).unwrap_or_default(), kind);
        match (first, second) {
            (Err(newer @ HeaderError::Newer(_)), _) | (_, Err(newer @ HeaderError::Newer(_))) => {
                Err(newer)
            }
            (Ok(header), second) => Ok((header, second.is_err())),
            (Err(_), second) => second.map(|header| (header, true)),
        }
    }

    fn decode_copy(copy: &[u8], kind: Kind) -> Result<Self, HeaderError> {
        let read = || -> Read<Result<Self, HeaderError>> {
            let mut cursor = Cursor::new(copy);
            let covered = cursor.take(HEADER - 4)?;
            let crc = u32::from_le_bytes(cursor.array()?);
            let mut cursor = Cursor::new(covered);
            if crc != crc32c::crc32c(covered) || cursor.array::<8>()? != kind.magic() {
                return Err(CodecError("a header is damaged"));
            }
            let format = u32::from_le_bytes(cursor.array()?);
            if format > FORMAT {
                return Ok(Err(HeaderError::Newer(format)));
            }
            Ok(Ok(Self {
                kind,
                number: u64::from_le_bytes(cursor.array()?),
                position: u64::from_le_bytes(cursor.array()?),
                salt: u64::from_le_bytes(cursor.array()?),
            }))
        };
        read().unwrap_or(Err(HeaderError::Damaged))
    }
}

fn checksum(salt: u64, length: u32, number: u64, payload: &[u8]) -> u32 {
    let mut head = [0; 20];
    head[..8].copy_from_slice(&salt.to_le_bytes());
    head[8..12].copy_from_slice(&length.to_le_bytes());
    head[12..].copy_from_slice(&number.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&head), payload)
}

/// Appends a frame to `out`.
pub fn put(out: &mut Vec<u8>, salt: u64, number: u64, payload: &[u8]) {
    let length = payload.len() as u32;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(salt, length, number, payload).to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(payload);
}

/// A frame at `offset` whose number is at least `least`.
fn frame_at(file: &[u8], offset: usize, salt: u64, least: u64) -> Option<(u64, &[u8])> {
    let mut cursor = Cursor::new(file.get(offset..)?);
    let length = u32::from_le_bytes(cursor.array().ok()?);
    let crc = u32::from_le_bytes(cursor.array().ok()?);
    let number = u64::from_le_bytes(cursor.array().ok()?);
    // Each frame takes 16 bytes or more, so a number far ahead of its place is none of ours.
    if length as usize > MAX_PAYLOAD || number < least || number > (offset / FRAME_HEADER) as u64 {
        return None;
    }
    let payload = cursor.take(length as usize).ok()?;
    (checksum(salt, length, number, payload) == crc).then_some((number, payload))
}

/// The payload of the one frame that `bytes` are.
pub fn single(bytes: &[u8], salt: u64) -> Option<&[u8]> {
    let mut cursor = Cursor::new(bytes);
    let length = u32::from_le_bytes(cursor.array().ok()?);
    let crc = u32::from_le_bytes(cursor.array().ok()?);
    let number = u64::from_le_bytes(cursor.array().ok()?);
    let payload = cursor.take(length as usize).ok()?;
    (cursor.is_empty() && checksum(salt, length, number, payload) == crc).then_some(payload)
}

#[derive(Debug, Default)]
pub struct Scan<'a> {
    /// Whole frames, and where each starts.
    pub frames: Vec<(usize, &'a [u8])>,
    /// Where frames were that are damaged.
    pub holes: Vec<usize>,
    /// Where the last whole frame ends.
    pub end: usize,
    /// Whether bytes follow that last frame: a frame that was being written, or damage to the last one.
    pub torn: bool,
}

/// All whole frames of `file`, after its header.
pub fn scan(file: &[u8], salt: u64) -> Scan<'_> {
    let mut scan = Scan {
        end: START.min(file.len()),
        ..Scan::default()
    };
    let (mut offset, mut least) = (START, 0);
    while offset < file.len() {
        let found = (offset..file.len()).find_map(|place| {
            frame_at(file, place, salt, least).map(|(number, payload)| (place, number, payload))
        });
        let Some((place, number, payload)) = found else {
            break;
        };
        if place > offset {
            scan.holes.push(offset);
        }
        scan.frames.push((place, payload));
        least = number + 1;
        offset = place + FRAME_HEADER + payload.len();
        scan.end = offset;
    }
    scan.torn = scan.end < file.len();
    scan
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u64 = 0x5eed;

    fn file(payloads: &[&[u8]]) -> Vec<u8> {
        let header = Header {
            kind: Kind::Log,
            number: 1,
            position: 0,
            salt: SALT,
        };
        let mut file = header.encode();
        for (number, payload) in (0..).zip(payloads) {
            put(&mut file, SALT, number, payload);
        }
        file
    }

    fn payloads<'a>(scan: &Scan<'a>) -> Vec<&'a [u8]> {
        scan.frames.iter().map(|(_, payload)| *payload).collect()
    }

    #[test]
    fn a_torn_tail_is_cut_at_any_length() {
        let whole = file(&[b"one", b"two"]);
        let last = whole.len() - FRAME_HEADER - 3;
        for length in last..whole.len() {
            let scan = scan(&whole[..length], SALT);
            assert_eq!(payloads(&scan), [b"one"]);
            assert_eq!((scan.end, scan.holes.len()), (last, 0));
        }
    }

    #[test]
    fn a_flipped_bit_costs_one_frame_and_is_seen() {
        let whole = file(&[b"one", b"two", b"three"]);
        let from = START + FRAME_HEADER + 3;
        for byte in from..from + FRAME_HEADER + 3 {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[byte] ^= 1 << bit;
                let scan = scan(&damaged, SALT);
                assert_eq!(payloads(&scan), [b"one".as_slice(), b"three"]);
                assert_eq!(scan.holes, [from]);
            }
        }
    }

    #[test]
    fn a_damaged_header_is_made_good_by_its_copy_and_a_newer_format_is_refused() {
        let whole = file(&[]);
        for byte in 0..START {
            let mut damaged = whole.clone();
            damaged[byte] ^= 4;
            let (header, mended) = Header::decode(&damaged, Kind::Log).unwrap();
            assert_eq!((header.number, mended), (1, true));
        }
        assert_eq!(
            Header::decode(&whole, Kind::Snapshot),
            Err(HeaderError::Damaged)
        );
        let mut newer = whole[..HEADER - 4].to_vec();
        newer[8..12].copy_from_slice(&4_u32.to_le_bytes());
        let crc = crc32c::crc32c(&newer);
        newer.extend_from_slice(&crc.to_le_bytes());
        assert_eq!(
            Header::decode(&newer, Kind::Log),
            Err(HeaderError::Newer(4))
        );
    }
}
