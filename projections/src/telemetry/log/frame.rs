//! Frames of a log segment.
//!
//! A segment starts with its header, twice: magic (8 bytes), format (u32), segment number (u64), salt (u64), CRC
//! (u32) of all before it. Frames follow: length (u32), CRC (u32), number (u64), payload; numbers rise by one from
//! zero. The CRC (Castagnoli) covers salt, length, number and payload: with a salt that no client knows, no value
//! that a client sends can pass for a frame when we look for the next whole one behind a damaged one.

use crate::telemetry::codec::CodecError;
use crate::telemetry::codec::bytes::Reader;

const MAGIC: &[u8; 8] = b"tellelog";
/// 2 added entries of samples alone; all older segments are read as before.
pub const FORMAT: u32 = 2;
pub const HEADER: usize = 8 + 4 + 8 + 8 + 4;
/// Where the first frame starts.
pub const START: usize = 2 * HEADER;
pub const FRAME_HEADER: usize = 4 + 4 + 8;
/// No payload is longer.
pub const MAX_PAYLOAD: usize = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    pub number: u64,
    pub salt: u64,
}

impl SegmentHeader {
    /// Both copies.
    pub fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(START);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_within(..);
        bytes
    }

    fn decode_copy(copy: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(copy);
        let covered = reader.take(HEADER - 4)?;
        if reader.u32()? != crc32c::crc32c(covered) {
            return Err(CodecError::Invalid(
                "the header of a log segment has a wrong checksum",
            ));
        }
        let mut reader = Reader::new(covered);
        if reader.array::<8>()? != *MAGIC {
            return Err(CodecError::Invalid("the file is no log segment"));
        }
        let format = reader.u32()?;
        if format > FORMAT {
            return Err(CodecError::Newer {
                found: format,
                known: FORMAT,
            });
        }
        Ok(Self {
            number: reader.u64()?,
            salt: reader.u64()?,
        })
    }

    /// From the start of a segment; one copy stands in where the other is damaged. Answers whether one is.
    pub fn decode(segment: &[u8]) -> Result<(Self, bool), CodecError> {
        let first = Self::decode_copy(segment);
        let second = Self::decode_copy(segment.get(HEADER..).unwrap_or_default());
        match (first, second) {
            (Err(newer @ CodecError::Newer { .. }), _)
            | (_, Err(newer @ CodecError::Newer { .. })) => Err(newer),
            (Ok(header), second) => Ok((header, second.is_err())),
            (Err(_), Ok(header)) => Ok((header, true)),
            (Err(error), Err(_)) => Err(error),
        }
    }
}

fn checksum(salt: u64, length: u32, number: u64, payload: &[u8]) -> u32 {
    let mut head = [0; 20];
    head[..8].copy_from_slice(&salt.to_le_bytes());
    head[8..12].copy_from_slice(&length.to_le_bytes());
    head[12..].copy_from_slice(&number.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&head), payload)
}

/// Fills in the frame header of `frame`, whose first [`FRAME_HEADER`] bytes were left free.
pub fn finish(frame: &mut [u8], salt: u64, number: u64) {
    let (head, payload) = frame.split_at_mut(FRAME_HEADER);
    let length = payload.len() as u32;
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..8].copy_from_slice(&checksum(salt, length, number, payload).to_le_bytes());
    head[8..].copy_from_slice(&number.to_le_bytes());
}

/// A frame at `offset` of `segment` whose number is at least `least`.
fn frame_at(segment: &[u8], offset: usize, salt: u64, least: u64) -> Option<(u64, &[u8])> {
    let mut reader = Reader::new(segment.get(offset..)?);
    let length = reader.u32().ok()?;
    let crc = reader.u32().ok()?;
    let number = reader.u64().ok()?;
    // Each frame takes 16 bytes or more, so a number far ahead of its place is none of ours.
    if length as usize > MAX_PAYLOAD || number < least || number > (offset / FRAME_HEADER) as u64 {
        return None;
    }
    let payload = reader.take(length as usize).ok()?;
    (checksum(salt, length, number, payload) == crc).then_some((number, payload))
}

/// A stretch of a segment that holds no whole frame although whole ones follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    pub from: usize,
    pub to: usize,
}

#[derive(Debug, Default)]
pub struct Scan<'a> {
    pub payloads: Vec<&'a [u8]>,
    /// Frames were here, were acknowledged, and are damaged.
    pub holes: Vec<Hole>,
    /// Where the last whole frame ends.
    pub end: usize,
    /// Whether bytes follow that last frame: a frame that was being written, or damage to the last one.
    pub torn: bool,
}

/// All whole frames of `segment`, after its header.
pub fn scan(segment: &[u8], salt: u64) -> Scan<'_> {
    let mut scan = Scan {
        end: START.min(segment.len()),
        ..Scan::default()
    };
    let mut offset = START;
    let mut least = 0;
    while offset < segment.len() {
        let found = (offset..segment.len()).find_map(|place| {
            frame_at(segment, place, salt, least).map(|(number, payload)| (place, number, payload))
        });
        let Some((place, number, payload)) = found else {
            break;
        };
        if place > offset {
            scan.holes.push(Hole {
                from: offset,
                to: place,
            });
        }
        scan.payloads.push(payload);
        least = number + 1;
        offset = place + FRAME_HEADER + payload.len();
        scan.end = offset;
    }
    // Zeros are written ahead of the frames, so that nothing but zeros is no trace of a frame.
    scan.torn = segment[scan.end..].iter().any(|byte| *byte != 0);
    scan
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u64 = 0x5eed;

    fn segment(payloads: &[&[u8]]) -> Vec<u8> {
        let mut segment = SegmentHeader {
            number: 1,
            salt: SALT,
        }
        .encode();
        for (number, payload) in payloads.iter().enumerate() {
            let mut frame = vec![0; FRAME_HEADER];
            frame.extend_from_slice(payload);
            finish(&mut frame, SALT, number as u64);
            segment.extend_from_slice(&frame);
        }
        segment
    }

    #[test]
    fn whole_frames_come_back() {
        let segment = segment(&[b"one", b"", b"three"]);
        let scan = scan(&segment, SALT);
        assert_eq!(scan.payloads, [b"one".as_slice(), b"", b"three"]);
        assert!(scan.holes.is_empty() && !scan.torn);
        assert_eq!(scan.end, segment.len());
    }

    #[test]
    fn a_torn_tail_is_cut_at_any_length() {
        let whole = segment(&[b"one", b"two"]);
        let last_start = whole.len() - FRAME_HEADER - 3;
        for length in last_start..whole.len() {
            let scan = scan(&whole[..length], SALT);
            assert_eq!(scan.payloads, [b"one".as_slice()]);
            assert_eq!(scan.end, last_start);
            assert!(scan.holes.is_empty());
        }
    }

    #[test]
    fn a_flipped_bit_in_the_middle_costs_one_frame_and_is_seen() {
        let whole = segment(&[b"one", b"two", b"three"]);
        let from = START + FRAME_HEADER + 3;
        let to = from + FRAME_HEADER + 3;
        for byte in from..to {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[byte] ^= 1 << bit;
                let scan = scan(&damaged, SALT);
                assert_eq!(scan.payloads, [b"one".as_slice(), b"three"]);
                assert_eq!(scan.holes, [Hole { from, to }]);
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_the_header_is_made_good_by_its_copy() {
        let whole = segment(&[b"one"]);
        for byte in 0..START {
            let mut damaged = whole.clone();
            damaged[byte] ^= 4;
            assert_eq!(
                SegmentHeader::decode(&damaged),
                Ok((
                    SegmentHeader {
                        number: 1,
                        salt: SALT
                    },
                    true
                ))
            );
        }
    }

    #[test]
    fn a_frame_inside_a_value_does_not_pass_for_one() {
        let mut forged = vec![0; FRAME_HEADER];
        forged.extend_from_slice(b"forged");
        finish(&mut forged, SALT + 1, 1);
        let mut whole = segment(&[&forged, b"two"]);
        whole[START + 4] ^= 1;
        assert_eq!(scan(&whole, SALT).payloads, [b"two".as_slice()]);
    }
}
