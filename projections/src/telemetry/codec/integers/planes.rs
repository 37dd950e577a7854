//! Residuals as planes of bytes: all lowest bytes first, then the next. What is too wide for them stands apart.

use crate::telemetry::codec::CodecError;
use crate::telemetry::codec::bytes::{Reader, put_varint, unzigzag};

/// What an exception to the byte width costs, in bytes: its distance, and the value seven bits a byte.
const fn exception_cost(width: usize) -> usize {
    2 + (8 * width).div_ceil(7)
}

const fn byte_width(residual: u64) -> usize {
    ((64 - residual.leading_zeros()) as usize).div_ceil(8)
}

/// How residuals become planes of bytes.
pub struct Layout {
    /// How many.
    width: usize,
    /// Residuals that are too wide for them.
    exceptions: usize,
    /// In bytes, about.
    pub cost: usize,
}

impl Layout {
    /// The planes that cost `residuals` least.
    pub fn of(residuals: &[u64]) -> Self {
        let mut of_width = [0_usize; 9];
        for &residual in residuals {
            of_width[byte_width(residual)] += 1;
        }
        let mut wider = residuals.len();
        let mut cost_of_wider: usize = (0..=8)
            .map(|width| of_width[width] * exception_cost(width))
            .sum();
        let mut best = Self {
            width: 8,
            exceptions: 0,
            cost: usize::MAX,
        };
        for (width, needing) in of_width.into_iter().enumerate() {
            wider -= needing;
            cost_of_wider -= needing * exception_cost(width);
            let cost = width * residuals.len() + cost_of_wider;
            if cost < best.cost {
                best = Self {
                    width,
                    exceptions: wider,
                    cost,
                };
            }
        }
        best
    }

    pub fn put(&self, residuals: &[u64], out: &mut Vec<u8>) {
        out.push(self.width as u8);
        put_varint(out, self.exceptions as u64);
        if self.exceptions > 0 {
            let mut previous = 0;
            for (index, &residual) in residuals.iter().enumerate() {
                if byte_width(residual) > self.width {
                    put_varint(out, (index - previous) as u64);
                    put_varint(out, residual);
                    previous = index;
                }
            }
        }
        for plane in 0..self.width {
            out.extend(
                residuals
                    .iter()
                    .map(|residual| (residual >> (8 * plane)) as u8),
            );
        }
    }
}

/// Residuals as they were written.
pub struct Planes<'a> {
    /// Bytes of a residual, up to 8.
    pub width: usize,
    /// One plane after the other, each of one byte per residual.
    pub bytes: &'a [u8],
    /// Index and value of the residuals that are not as the planes say, in order; the indexes lie within the column.
    pub exceptions: Vec<(usize, i64)>,
}

impl<'a> Planes<'a> {
    /// The planes of `count` residuals.
    pub fn take(reader: &mut Reader<'a>, count: usize) -> Result<Self, CodecError> {
        let width = reader.byte()? as usize;
        if width > 8 {
            return Err(CodecError::Invalid("a residual is wider than eight bytes"));
        }
        let length = reader.length()?;
        if length > count {
            return Err(CodecError::Invalid(
                "a column has more exceptions than values",
            ));
        }
        let mut exceptions = Vec::with_capacity(length);
        let mut index = 0_usize;
        for _ in 0..length {
            index = index.saturating_add(usize::try_from(reader.varint()?).unwrap_or(usize::MAX));
            if index >= count {
                return Err(CodecError::Invalid("an exception lies beyond its column"));
            }
            exceptions.push((index, unzigzag(reader.varint()?)));
        }
        let bytes = reader.take(width.checked_mul(count).ok_or(CodecError::Short)?)?;
        Ok(Self {
            width,
            bytes,
            exceptions,
        })
    }

    /// All `count` residuals.
    pub fn residuals(&self, count: usize) -> Vec<i64> {
        let mut values: Vec<i64> = match self.width {
            0 => vec![0; count],
            1 => self
                .bytes
                .iter()
                .map(|&byte| unzigzag(u64::from(byte)))
                .collect(),
            2 => {
                let (low, high) = self.bytes.split_at(count);
                low.iter()
                    .zip(high)
                    .map(|(&low, &high)| unzigzag(u64::from(low) | u64::from(high) << 8))
                    .collect()
            }
            _ => {
                let mut residuals = vec![0_u64; count];
                for (plane, bytes) in self.bytes.chunks_exact(count).enumerate() {
                    for (residual, &byte) in residuals.iter_mut().zip(bytes) {
                        *residual |= u64::from(byte) << (8 * plane);
                    }
                }
                residuals.into_iter().map(unzigzag).collect()
            }
        };
        for (index, value) in &self.exceptions {
            values[*index] = *value;
        }
        values
    }
}
