//! As much of CBOR (RFC 8949) as SenML needs: a pull reader over a slice, and a writer.

use crate::error::SenmlErrorKind;
use crate::number::Number;

pub(crate) const TAG_DECIMAL_FRACTION: u64 = 4;

/// The head of one data item. For strings, arrays and maps, `None` means of indefinite length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Head {
    Unsigned(u64),
    /// -1 - n.
    Negative(u64),
    Bytes(Option<u64>),
    Text(Option<u64>),
    Array(Option<u64>),
    Map(Option<u64>),
    Tag(u64),
    Boolean(bool),
    Float(f64),
    Float32(f32),
    /// null, undefined and unassigned simple values.
    Simple,
    Break,
}

pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

fn malformed(what: &str, position: usize) -> SenmlErrorKind {
    SenmlErrorKind::Malformed(format!("{what} at byte {position}"))
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.position >= self.bytes.len()
    }

    pub(crate) fn trailing(&self) -> SenmlErrorKind {
        malformed("bytes after the pack", self.position)
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8], SenmlErrorKind> {
        let taken = usize::try_from(count)
            .ok()
            .and_then(|count| self.position.checked_add(count))
            .and_then(|end| self.bytes.get(self.position..end))
            .ok_or_else(|| malformed("input ends inside an item", self.bytes.len()))?;
        self.position += taken.len();
        Ok(taken)
    }

    fn argument(&mut self, size: u64) -> Result<u64, SenmlErrorKind> {
        Ok(self
            .take(size)?
            .iter()
            .fold(0, |value, &byte| (value << 8) | u64::from(byte)))
    }

    pub(crate) fn head(&mut self) -> Result<Head, SenmlErrorKind> {
        let start = self.position;
        let initial = self.take(1)?[0];
        let (major, information) = (initial >> 5, initial & 0x1f);
        if major == 7 {
            return self.simple_or_float(information, start);
        }
        let argument = match information {
            0..=23 => Some(u64::from(information)),
            24 => Some(self.argument(1)?),
            25 => Some(self.argument(2)?),
            26 => Some(self.argument(4)?),
            27 => Some(self.argument(8)?),
            31 if (2..=5).contains(&major) => None,
            _ => return Err(malformed("reserved length", start)),
        };
        Ok(match (major, argument) {
            (0, Some(value)) => Head::Unsigned(value),
            (1, Some(value)) => Head::Negative(value),
            (2, length) => Head::Bytes(length),
            (3, length) => Head::Text(length),
            (4, length) => Head::Array(length),
            (5, length) => Head::Map(length),
            (_, Some(tag)) => Head::Tag(tag),
            (_, None) => return Err(malformed("reserved length", start)),
        })
    }

    fn simple_or_float(&mut self, information: u8, start: usize) -> Result<Head, SenmlErrorKind> {
        Ok(match information {
            20 => Head::Boolean(false),
            21 => Head::Boolean(true),
            0..=23 => Head::Simple,
            24 => {
                if self.argument(1)? < 32 {
                    return Err(malformed("invalid simple value", start));
                }
                Head::Simple
            }
            25 => Head::Float(f64_from_half(self.argument(2)? as u16)),
            26 => Head::Float32(f32::from_bits(self.argument(4)? as u32)),
            27 => Head::Float(f64::from_bits(self.argument(8)?)),
            31 => Head::Break,
            _ => return Err(malformed("reserved simple value", start)),
        })
    }

    pub(crate) fn text(&mut self, length: Option<u64>) -> Result<&'a str, SenmlErrorKind> {
        let start = self.position;
        let length = length.ok_or(SenmlErrorKind::WrongType {
            expected: "a string of definite length",
        })?;
        std::str::from_utf8(self.take(length)?).map_err(|_| malformed("invalid utf-8", start))
    }

    pub(crate) fn bytes(&mut self, length: Option<u64>) -> Result<&'a [u8], SenmlErrorKind> {
        self.take(length.ok_or(SenmlErrorKind::WrongType {
            expected: "bytes of definite length",
        })?)
    }

    /// The number that starts with `head`: integer, float or decimal fraction (tag 4).
    pub(crate) fn number(&mut self, head: Head) -> Result<Number<'a>, SenmlErrorKind> {
        const WRONG: SenmlErrorKind = SenmlErrorKind::WrongType {
            expected: "a number",
        };
        match head {
            Head::Unsigned(_) | Head::Negative(_) => {
                integer(head).map(Number::Integer).ok_or(WRONG)
            }
            Head::Float(number) => Ok(Number::Float(number)),
            Head::Float32(number) => Ok(Number::Float32(number)),
            Head::Tag(TAG_DECIMAL_FRACTION) => {
                if self.head()? != Head::Array(Some(2)) {
                    return Err(WRONG);
                }
                let exponent = integer(self.head()?)
                    .and_then(|value| i32::try_from(value).ok())
                    .ok_or(WRONG)?;
                let mantissa = integer(self.head()?).ok_or(WRONG)?;
                Ok(Number::Decimal { mantissa, exponent })
            }
            _ => Err(WRONG),
        }
    }

    /// Skips the item that starts with `head`, at most `depth` levels deep.
    pub(crate) fn skip(&mut self, head: Head, depth: usize) -> Result<(), SenmlErrorKind> {
        match head {
            Head::Bytes(Some(length)) | Head::Text(Some(length)) => self.take(length).map(|_| ()),
            Head::Bytes(None) | Head::Text(None) => self.skip_chunks(head),
            Head::Tag(_) => {
                let depth = deeper(depth)?;
                let tagged = self.head()?;
                self.skip(tagged, depth)
            }
            Head::Array(length) => self.skip_items(length, 1, deeper(depth)?),
            Head::Map(length) => self.skip_items(length, 2, deeper(depth)?),
            Head::Break => Err(malformed("break outside an item", self.position)),
            _ => Ok(()),
        }
    }

    fn skip_chunks(&mut self, whole: Head) -> Result<(), SenmlErrorKind> {
        loop {
            match (self.head()?, whole) {
                (Head::Break, _) => return Ok(()),
                (Head::Bytes(Some(length)), Head::Bytes(_))
                | (Head::Text(Some(length)), Head::Text(_)) => {
                    self.take(length)?;
                }
                _ => return Err(malformed("wrong chunk", self.position)),
            }
        }
    }

    fn skip_items(
        &mut self,
        length: Option<u64>,
        per_entry: u64,
        depth: usize,
    ) -> Result<(), SenmlErrorKind> {
        let Some(length) = length else {
            loop {
                let first = self.head()?;
                if first == Head::Break {
                    return Ok(());
                }
                self.skip(first, depth)?;
                for _ in 1..per_entry {
                    let next = self.head()?;
                    self.skip(next, depth)?;
                }
            }
        };
        // Each item takes at least a byte, so a huge length ends at the end of the input.
        for _ in 0..length.saturating_mul(per_entry) {
            let item = self.head()?;
            self.skip(item, depth)?;
        }
        Ok(())
    }
}

fn deeper(depth: usize) -> Result<usize, SenmlErrorKind> {
    depth
        .checked_sub(1)
        .ok_or(SenmlErrorKind::TooDeep { limit: 0 })
}

pub(crate) fn integer(head: Head) -> Option<i128> {
    match head {
        Head::Unsigned(value) => Some(i128::from(value)),
        Head::Negative(value) => Some(-1 - i128::from(value)),
        _ => None,
    }
}

/// RFC 8949, appendix D.
fn f64_from_half(half: u16) -> f64 {
    let exponent = i32::from((half >> 10) & 0x1f);
    let mantissa = f64::from(half & 0x3ff);
    let magnitude = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if half & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// Writes definite-length items in their shortest form.
#[derive(Default)]
pub(crate) struct Writer {
    pub(crate) out: Vec<u8>,
}

impl Writer {
    fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        let bytes = argument.to_be_bytes();
        match argument {
            0..=23 => self.out.push(major | bytes[7]),
            24..=0xff => self.out.extend_from_slice(&[major | 24, bytes[7]]),
            0x100..=0xffff => {
                self.out.push(major | 25);
                self.out.extend_from_slice(&bytes[6..]);
            }
            0x1_0000..=0xffff_ffff => {
                self.out.push(major | 26);
                self.out.extend_from_slice(&bytes[4..]);
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend_from_slice(&bytes);
            }
        }
    }

    pub(crate) fn array(&mut self, length: usize) {
        self.head(4, length as u64);
    }

    pub(crate) fn map(&mut self, length: usize) {
        self.head(5, length as u64);
    }

    pub(crate) fn tag(&mut self, tag: u64) {
        self.head(6, tag);
    }

    pub(crate) fn integer(&mut self, value: i64) {
        if value >= 0 {
            self.head(0, value.unsigned_abs());
        } else {
            self.head(1, !value as u64);
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.head(3, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.head(2, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.out.push(if value { 0xf5 } else { 0xf4 });
    }

    /// As a 32-bit float where that loses nothing.
    pub(crate) fn float(&mut self, number: f64) {
        let narrow = number as f32;
        if f64::from(narrow).to_bits() == number.to_bits() {
            self.out.push(0xfa);
            self.out.extend_from_slice(&narrow.to_bits().to_be_bytes());
        } else {
            self.out.push(0xfb);
            self.out.extend_from_slice(&number.to_bits().to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_floats_have_their_values() {
        let cases = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_477_539_063e-8),
        ];
        for (half, expected) in cases {
            assert_eq!(f64_from_half(half), expected);
        }
        assert!(f64_from_half(0x7e00).is_nan());
        assert_eq!(f64_from_half(0xfc00), f64::NEG_INFINITY);
    }

    #[test]
    fn a_length_that_lies_ends_at_the_end_of_input() {
        let mut reader = Reader::new(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]);
        let head = reader.head().unwrap();
        assert!(matches!(
            reader.skip(head, 4),
            Err(SenmlErrorKind::Malformed(_))
        ));
    }

    #[test]
    fn nesting_is_bounded() {
        let bytes = vec![0x81; 10_000];
        let mut reader = Reader::new(&bytes);
        let head = reader.head().unwrap();
        assert!(matches!(
            reader.skip(head, 16),
            Err(SenmlErrorKind::TooDeep { .. })
        ));
    }
}
