//! Frames, sans-IO: bytes in, frames out.
//!
//! ```text
//! magic "TLM" 0x01 | header length u32 LE | payload length u32 LE | header (JSON) | payload (f32 LE)
//! ```
//! Lengths are in bytes. The fourth byte of the magic is the version of the protocol.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{MAX_TRAINING_VALUES, PROTOCOL_VERSION};

const MAGIC: [u8; 3] = *b"TLM";
const PREFIX_BYTES: usize = 12;

/// How large a frame may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    pub max_header_bytes: usize,
    pub max_payload_bytes: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self {
            max_header_bytes: 256 * 1024,
            max_payload_bytes: MAX_TRAINING_VALUES * size_of::<f32>(),
        }
    }
}

/// One message as it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub header: Vec<u8>,
    pub payload: Vec<f32>,
}

impl Frame {
    /// The header as a message.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, FrameError> {
        serde_json::from_slice(&self.header).map_err(|error| FrameError::Header(error.to_string()))
    }
}

/// The bytes are no frame. The stream cannot be used any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the stream holds bytes that are no frame")]
    Garbage,
    #[error("protocol version {found} was found, {known} is known")]
    Version { found: u8, known: u8 },
    #[error("a header of {found} bytes is larger than the limit of {limit}")]
    HeaderTooLarge { found: usize, limit: usize },
    #[error("a payload of {found} bytes is larger than the limit of {limit}")]
    PayloadTooLarge { found: usize, limit: usize },
    #[error("a payload of {found} bytes holds no whole number of values")]
    PayloadTorn { found: usize },
    #[error("the header is not the message that was expected: {0}")]
    Header(String),
}

/// Writes one frame.
pub fn encode<T: Serialize>(
    message: &T,
    payload: &[f32],
    limits: &FrameLimits,
) -> Result<Vec<u8>, FrameError> {
    let header =
        serde_json::to_vec(message).map_err(|error| FrameError::Header(error.to_string()))?;
    let payload_bytes = size_of_val(payload);
    let (header_length, payload_length) = checked_lengths(header.len(), payload_bytes, limits)?;

    let mut bytes = Vec::with_capacity(PREFIX_BYTES + header.len() + payload_bytes);
    bytes.extend_from_slice(&MAGIC);
    bytes.push(PROTOCOL_VERSION);
    bytes.extend_from_slice(&header_length.to_le_bytes());
    bytes.extend_from_slice(&payload_length.to_le_bytes());
    bytes.extend_from_slice(&header);
    for value in payload {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    Ok(bytes)
}

fn checked_lengths(
    header: usize,
    payload: usize,
    limits: &FrameLimits,
) -> Result<(u32, u32), FrameError> {
    let too_long_header = FrameError::HeaderTooLarge {
        found: header,
        limit: limits.max_header_bytes,
    };
    let too_long_payload = FrameError::PayloadTooLarge {
        found: payload,
        limit: limits.max_payload_bytes,
    };
    if header > limits.max_header_bytes {
        return Err(too_long_header);
    }
    if payload > limits.max_payload_bytes {
        return Err(too_long_payload);
    }
    Ok((
        u32::try_from(header).map_err(|_| too_long_header)?,
        u32::try_from(payload).map_err(|_| too_long_payload)?,
    ))
}

/// Cuts a stream of bytes into frames. Holds no more than what was fed and not yet taken.
#[derive(Debug)]
pub struct Decoder {
    limits: FrameLimits,
    buffer: Vec<u8>,
    /// What of `buffer` has been taken already.
    taken: usize,
}

impl Decoder {
    pub const fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            taken: 0,
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame; `None` until more bytes are fed. After an error the stream is lost.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some((header_length, payload_length)) = self.lengths()? else {
            return Ok(None);
        };
        let start = self.taken + PREFIX_BYTES;
        let end = start + header_length + payload_length;
        let Some(body) = self.buffer.get(start..end) else {
            return Ok(None);
        };

        let (header, payload) = body.split_at(header_length);
        let payload = payload
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        let frame = Frame {
            header: header.to_vec(),
            payload,
        };
        self.taken = end;
        Ok(Some(frame))
    }

    /// Whether a frame has begun and is not complete.
    pub const fn is_within_frame(&self) -> bool {
        self.buffer.len() > self.taken
    }

    fn lengths(&self) -> Result<Option<(usize, usize)>, FrameError> {
        let unread = self.buffer.get(self.taken..).unwrap_or_default();
        let known = unread.len().min(MAGIC.len());
        if unread[..known] != MAGIC[..known] {
            return Err(FrameError::Garbage);
        }
        if let Some(&version) = unread.get(MAGIC.len())
            && version != PROTOCOL_VERSION
        {
            return Err(FrameError::Version {
                found: version,
                known: PROTOCOL_VERSION,
            });
        }
        let Some(&[_, _, _, _, h0, h1, h2, h3, p0, p1, p2, p3]) =
            unread.first_chunk::<PREFIX_BYTES>()
        else {
            return Ok(None);
        };
        let header = u32::from_le_bytes([h0, h1, h2, h3]) as usize;
        let payload = u32::from_le_bytes([p0, p1, p2, p3]) as usize;
        checked_lengths(header, payload, &self.limits)?;
        if !payload.is_multiple_of(size_of::<f32>()) {
            return Err(FrameError::PayloadTorn { found: payload });
        }
        Ok(Some((header, payload)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: FrameLimits = FrameLimits {
        max_header_bytes: 64,
        max_payload_bytes: 64,
    };

    fn decode_all(decoder: &mut Decoder) -> Result<Vec<Frame>, FrameError> {
        let mut frames = Vec::new();
        while let Some(frame) = decoder.next_frame()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn another_version_is_named_and_refused() {
        let mut decoder = Decoder::new(SMALL);
        decoder.feed(b"TLM\x02");
        assert_eq!(
            decoder.next_frame(),
            Err(FrameError::Version {
                found: 2,
                known: PROTOCOL_VERSION
            })
        );
    }

    #[test]
    fn a_line_of_log_is_garbage_from_its_first_byte() {
        let mut decoder = Decoder::new(SMALL);
        decoder.feed(b"w");
        assert_eq!(decoder.next_frame(), Err(FrameError::Garbage));
    }

    #[test]
    fn a_claimed_length_over_the_limit_is_refused_before_its_bytes_come() {
        let mut decoder = Decoder::new(SMALL);
        decoder.feed(b"TLM\x01\xff\xff\xff\xff\x00\x00\x00\x00");
        assert_eq!(
            decoder.next_frame(),
            Err(FrameError::HeaderTooLarge {
                found: u32::MAX as usize,
                limit: SMALL.max_header_bytes
            })
        );
        let mut decoder = Decoder::new(SMALL);
        decoder.feed(b"TLM\x01\x02\x00\x00\x00\x48\x00\x00\x00");
        assert_eq!(
            decoder.next_frame(),
            Err(FrameError::PayloadTooLarge {
                found: 72,
                limit: 64
            })
        );
        let mut decoder = Decoder::new(SMALL);
        decoder.feed(b"TLM\x01\x02\x00\x00\x00\x05\x00\x00\x00");
        assert_eq!(
            decoder.next_frame(),
            Err(FrameError::PayloadTorn { found: 5 })
        );
    }

    #[test]
    fn what_is_too_large_is_not_written() {
        let payload = [0.0; 17];
        assert_eq!(
            encode(&1, &payload, &SMALL),
            Err(FrameError::PayloadTooLarge {
                found: 68,
                limit: 64
            })
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn frames_cut_anywhere_come_out_as_they_went_in(
            messages in proptest::collection::vec((any::<Option<u64>>(), proptest::collection::vec(any::<u32>(), 0..16)), 0..6),
            cuts in proptest::collection::vec(1_usize..40, 1..40),
        ) {
            let mut stream = Vec::new();
            for (header, payload) in &messages {
                // Any bit pattern, NaN too.
                let payload: Vec<f32> = payload.iter().map(|bits| f32::from_bits(*bits)).collect();
                stream.extend(encode(header, &payload, &SMALL).unwrap());
            }
            let mut decoder = Decoder::new(SMALL);
            let mut frames = Vec::new();
            let mut rest = stream.as_slice();
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let cut = (*cuts.next().unwrap()).min(rest.len());
                decoder.feed(&rest[..cut]);
                rest = &rest[cut..];
                frames.extend(decode_all(&mut decoder).unwrap());
            }
            prop_assert!(!decoder.is_within_frame());
            let got: Vec<(Option<u64>, Vec<u32>)> = frames
                .iter()
                .map(|frame| (frame.parse().unwrap(), frame.payload.iter().map(|value| value.to_bits()).collect()))
                .collect();
            prop_assert_eq!(got, messages);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            prefixed in any::<bool>(),
        ) {
            let mut decoder = Decoder::new(SMALL);
            if prefixed {
                decoder.feed(b"TLM\x01");
            }
            decoder.feed(&bytes);
            if let Ok(frames) = decode_all(&mut decoder) {
                for frame in frames {
                    let _ = frame.parse::<super::super::Request>();
                }
            }
        }

        #[test]
        fn one_flipped_bit_never_panics(at in 0_usize..400, bit in 0_u8..8) {
            let mut stream = encode(&"a header", &[1.0, 2.0], &SMALL).unwrap();
            let at = at % stream.len();
            stream[at] ^= 1 << bit;
            let mut decoder = Decoder::new(SMALL);
            decoder.feed(&stream);
            let _ = decode_all(&mut decoder);
        }
    }
}
