//! Residuals of short columns, bit by bit: an entropy coder gains nothing on them, and a byte each is too much.

use crate::telemetry::codec::CodecError;
use crate::telemetry::codec::bytes::{Reader, unzigzag};

/// From here on planes of bytes are shorter, once they are compressed.
pub const TOO_LONG: usize = 512;

/// Bits that the widest of `residuals` needs.
pub fn width_of(residuals: &[u64]) -> u32 {
    let all = residuals.iter().fold(0, |all, residual| all | residual);
    64 - all.leading_zeros()
}

/// Bytes that `count` residuals of `width` bits take.
pub const fn length(count: usize, width: u32) -> Option<usize> {
    match count.checked_mul(width as usize) {
        Some(bits) => Some(bits.div_ceil(8)),
        None => None,
    }
}

/// Appends the lowest `width` bits of each residual, lowest bit first.
pub fn put(residuals: &[u64], width: u32, out: &mut Vec<u8>) {
    out.push(width as u8);
    let (mut bits, mut held) = (0_u128, 0);
    for residual in residuals {
        bits |= u128::from(*residual) << held;
        held += width;
        while held >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            held -= 8;
        }
    }
    if held > 0 {
        out.push(bits as u8);
    }
}

/// Reads `count` residuals that [`put`] wrote.
pub fn take(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, CodecError> {
    let width = u32::from(reader.byte()?);
    if width == 0 || width > 64 {
        return Err(CodecError::Invalid(
            "a residual has no bits or more than 64",
        ));
    }
    let bytes = reader.take(length(count, width).ok_or(CodecError::Short)?)?;
    let mut bytes = bytes.iter();
    let mask = u64::MAX >> (64 - width);
    let (mut bits, mut held) = (0_u128, 0);
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        while held < width {
            let byte = bytes.next().copied().unwrap_or(0);
            bits |= u128::from(byte) << held;
            held += 8;
        }
        values.push(unzigzag(bits as u64 & mask));
        bits >>= width;
        held -= width;
    }
    Ok(values)
}
