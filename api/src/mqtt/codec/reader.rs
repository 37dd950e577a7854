//! The data types of MQTT (MQTT 5, 1.5).

use bytes::{Buf, Bytes};

use super::error::DecodeError;

const TRUNCATED: DecodeError = DecodeError::malformed("the packet ends before its fields do");

/// Reads fields off the front of a packet's body. Slices share the body's memory.
pub(super) struct Reader {
    rest: Bytes,
}

impl Reader {
    pub(super) const fn new(body: Bytes) -> Self {
        Self { rest: body }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn rest(self) -> Bytes {
        self.rest
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.rest.try_get_u8().map_err(|_| TRUNCATED)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.rest.try_get_u16().map_err(|_| TRUNCATED)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.rest.try_get_u32().map_err(|_| TRUNCATED)
    }

    /// A byte that must be 0 or 1.
    pub(super) fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::protocol("a flag is neither 0 nor 1")),
        }
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<Bytes, DecodeError> {
        if self.rest.len() < count {
            return Err(TRUNCATED);
        }
        Ok(self.rest.split_to(count))
    }

    pub(super) fn binary(&mut self) -> Result<Bytes, DecodeError> {
        let count = self.u16()?;
        self.bytes(usize::from(count))
    }

    /// A UTF-8 string: well-formed and without U+0000 (MQTT-1.5.4-1, -2).
    pub(super) fn text(&mut self) -> Result<String, DecodeError> {
        let bytes = self.binary()?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| DecodeError::malformed("a string is no UTF-8"))?;
        if bytes.contains(&0) {
            return Err(DecodeError::malformed("a string holds U+0000"));
        }
        Ok(text.to_owned())
    }

    /// A variable byte integer in its shortest form (MQTT-1.5.5-1).
    pub(super) fn variable_integer(&mut self) -> Result<u32, DecodeError> {
        match variable_integer(&self.rest)? {
            Some((value, size)) => {
                self.rest.advance(size);
                Ok(value)
            }
            None => Err(TRUNCATED),
        }
    }
}

/// The variable byte integer at the front of `bytes` and its size; `None` if bytes are missing.
pub(super) fn variable_integer(bytes: &[u8]) -> Result<Option<(u32, usize)>, DecodeError> {
    let mut value = 0_u32;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 != 0 {
            continue;
        }
        if index > 0 && *byte == 0 {
            return Err(DecodeError::malformed(
                "a variable byte integer is longer than needed",
            ));
        }
        return Ok(Some((value, index + 1)));
    }
    if bytes.len() >= 4 {
        return Err(DecodeError::malformed(
            "a variable byte integer has more than four bytes",
        ));
    }
    Ok(None)
}
