//! One walk over the bytes of a body, from its start to its end.

use std::borrow::Cow;

use super::error::{LineError, LineFault, LineLimits};
use super::number::{NumberFault, number};

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue<'a> {
    /// Finite.
    Number(f64),
    Boolean(bool),
    Text(Cow<'a, str>),
}

/// Where the walk stands.
pub(super) struct Scanner<'a, 'l> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
    line_start: usize,
    limits: &'l LineLimits,
}

/// What follows a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Field,
    Time,
    End,
}

impl<'a, 'l> Scanner<'a, 'l> {
    pub(super) const fn new(bytes: &'a [u8], limits: &'l LineLimits) -> Self {
        Self {
            bytes,
            at: 0,
            line: 1,
            line_start: 0,
            limits,
        }
    }

    /// What is wrong, and where.
    #[cold]
    pub(super) const fn wrong(&self, fault: LineFault) -> LineError {
        LineError {
            line: self.line,
            fault,
        }
    }

    /// What is left.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Takes `expected` if it comes next with `end` after it. `end` stays.
    #[inline]
    pub(super) fn take_known(&mut self, expected: &[u8], end: u8) -> bool {
        let rest = self.rest();
        let known = rest.starts_with(expected) && rest.get(expected.len()) == Some(&end);
        if known {
            self.at += expected.len();
        }
        known
    }

    #[inline]
    fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Whether the line ends here: at a line feed, with or without a carriage return before it, or with the body.
    #[inline]
    fn at_line_end(&self) -> bool {
        match self.peek() {
            None | Some(b'\n') => true,
            Some(b'\r') => matches!(self.bytes.get(self.at + 1), None | Some(b'\n')),
            Some(_) => false,
        }
    }

    /// Leaves the line, which ends here.
    #[inline]
    fn leave_line(&mut self) -> Result<(), LineError> {
        if self.at - self.line_start > self.limits.max_line_bytes {
            let limit = self.limits.max_line_bytes;
            return Err(self.wrong(LineFault::LineTooLong { limit }));
        }
        self.next_line();
        Ok(())
    }

    #[inline]
    fn next_line(&mut self) {
        if self.peek() == Some(b'\r') {
            self.at += 1;
        }
        if self.peek() == Some(b'\n') {
            self.at += 1;
        }
        self.line = self.line.saturating_add(1);
        self.line_start = self.at;
    }

    /// Goes to the next line that says something. False: there is none.
    #[inline]
    pub(super) fn enter_line(&mut self) -> bool {
        loop {
            self.skip_spaces();
            match self.peek() {
                None => return false,
                Some(b'#') => {
                    let rest = self.rest();
                    self.at += rest
                        .iter()
                        .position(|byte| *byte == b'\n')
                        .unwrap_or(rest.len());
                    self.next_line();
                }
                Some(_) if self.at_line_end() => self.next_line(),
                Some(_) => return true,
            }
        }
    }

    /// Takes measurement and tags, as written, up to the space before the fields.
    pub(super) fn take_head(&mut self) -> Result<&'a [u8], LineError> {
        let start = self.at;
        self.at += unescaped_end(self.rest(), |byte| byte == b' ');
        let head = &self.bytes[start..self.at];
        match self.peek() {
            Some(b' ') => Ok(head),
            _ => Err(self.wrong(LineFault::NoField)),
        }
    }

    /// Goes from the end of the head to the first field.
    #[inline]
    pub(super) fn enter_fields(&mut self) -> Result<(), LineError> {
        self.skip_spaces();
        if self.at_line_end() {
            return Err(self.wrong(LineFault::NoField));
        }
        Ok(())
    }

    /// Takes a field's key, as written, up to the `=` after it.
    pub(super) fn take_field_key(&mut self) -> Result<&'a [u8], LineError> {
        let start = self.at;
        self.at += unescaped_end(self.rest(), |byte| matches!(byte, b'=' | b',' | b' '));
        let key = &self.bytes[start..self.at];
        if key.len() > self.limits.max_key_bytes {
            let limit = self.limits.max_key_bytes;
            return Err(self.wrong(LineFault::KeyTooLong { limit }));
        }
        match self.peek() {
            Some(b'=') if key.is_empty() => Err(self.wrong(LineFault::NoFieldKey)),
            Some(b'=') => Ok(key),
            _ if key.is_empty() => Err(self.wrong(LineFault::NoFieldKey)),
            _ => Err(self.wrong(LineFault::NoFieldValue(shown(key)))),
        }
    }

    /// Takes `=` and the value of field `key`, and what stands between it and what comes next.
    #[inline]
    pub(super) fn take_value(&mut self, key: &[u8]) -> Result<(FieldValue<'a>, After), LineError> {
        self.at += 1;
        let rest = self.rest();
        let value = match rest.first() {
            Some(b'0'..=b'9' | b'-' | b'.') => match number(rest) {
                Ok((number, length)) => {
                    self.at += length;
                    FieldValue::Number(number)
                }
                Err(NumberFault::OutOfRange) => {
                    return Err(self.wrong(LineFault::NumberOutOfRange(shown(key))));
                }
                Err(NumberFault::Malformed) => {
                    return Err(self.wrong(LineFault::NotANumber(shown(key))));
                }
            },
            Some(b'"') => self.take_text(key)?,
            Some(b't' | b'T' | b'f' | b'F') => self.take_boolean(key)?,
            None | Some(b' ' | b',' | b'\n' | b'\r') => {
                return Err(self.wrong(LineFault::NoFieldValue(shown(key))));
            }
            Some(_) => return Err(self.wrong(LineFault::NotAValue(shown(key)))),
        };
        let after = match self.peek() {
            Some(b',') => {
                self.at += 1;
                After::Field
            }
            Some(b' ') => {
                self.skip_spaces();
                if self.at_line_end() {
                    After::End
                } else {
                    After::Time
                }
            }
            _ if self.at_line_end() => After::End,
            _ => {
                let fault = match value {
                    FieldValue::Number(_) => LineFault::NotANumber(shown(key)),
                    _ => LineFault::NotAValue(shown(key)),
                };
                return Err(self.wrong(fault));
            }
        };
        Ok((value, after))
    }

    fn take_boolean(&mut self, key: &[u8]) -> Result<FieldValue<'a>, LineError> {
        let rest = self.rest();
        let length = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let value = match &rest[..length] {
            b"t" | b"T" | b"true" | b"True" | b"TRUE" => true,
            b"f" | b"F" | b"false" | b"False" | b"FALSE" => false,
            _ => return Err(self.wrong(LineFault::NotAValue(shown(key)))),
        };
        self.at += length;
        Ok(FieldValue::Boolean(value))
    }

    /// A text in quotes. `\"` and `\\` stand for `"` and `\`; it may go over several lines.
    fn take_text(&mut self, key: &[u8]) -> Result<FieldValue<'a>, LineError> {
        let inside = self.rest().get(1..).unwrap_or_default();
        let mut length = 0;
        let mut has_escapes = false;
        let mut line_feeds = 0_u32;
        loop {
            match inside.get(length) {
                None => return Err(self.wrong(LineFault::OpenText(shown(key)))),
                Some(b'"') => break,
                Some(b'\\') if matches!(inside.get(length + 1), Some(b'"' | b'\\')) => {
                    has_escapes = true;
                    length += 2;
                }
                Some(byte) => {
                    line_feeds += u32::from(*byte == b'\n');
                    length += 1;
                }
            }
            if length > self.limits.max_text_bytes {
                let (field, limit) = (shown(key), self.limits.max_text_bytes);
                return Err(self.wrong(LineFault::TextTooLong { field, limit }));
            }
        }
        let text = std::str::from_utf8(&inside[..length])
            .map_err(|_| self.wrong(LineFault::TextEncoding(shown(key))))?;
        self.at += length + 2;
        self.line = self.line.saturating_add(line_feeds);
        Ok(FieldValue::Text(if has_escapes {
            Cow::Owned(plain_text(text))
        } else {
            Cow::Borrowed(text)
        }))
    }

    /// Leaves a line that says no time.
    #[inline]
    pub(super) fn end_line(&mut self) -> Result<(), LineError> {
        self.leave_line()
    }

    /// Takes the time, in nanoseconds since 1970, and leaves the line.
    #[inline]
    pub(super) fn take_time(&mut self, unit_nanoseconds: i64) -> Result<i64, LineError> {
        let rest = self.rest();
        let negative = rest.first() == Some(&b'-');
        let digits = rest.get(usize::from(negative)..).unwrap_or_default();
        let mut count: i64 = 0;
        let mut length = 0;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            // Counted downwards: the least stamp has no positive twin.
            count = count
                .checked_mul(10)
                .and_then(|count| count.checked_sub(i64::from(digit)))
                .ok_or_else(|| self.wrong(LineFault::TimeOutOfRange))?;
            length += 1;
        }
        if length == 0 {
            return Err(self.wrong(LineFault::NotATime));
        }
        self.at += length + usize::from(negative);
        if !self.at_line_end() {
            if self.peek() != Some(b' ') {
                return Err(self.wrong(LineFault::NotATime));
            }
            self.skip_spaces();
            if !self.at_line_end() {
                return Err(self.wrong(LineFault::AfterTime));
            }
        }
        let count = if negative {
            Some(count)
        } else {
            count.checked_neg()
        };
        let time = count
            .and_then(|count| count.checked_mul(unit_nanoseconds))
            // The store's ranges exclude their end, so the last stamp of all could never be read.
            .filter(|time| *time != i64::MAX)
            .ok_or_else(|| self.wrong(LineFault::TimeOutOfRange))?;
        self.leave_line()?;
        Ok(time)
    }
}

/// How many bytes come before the first that `ends` and that no backslash stands before, or before the line's end.
fn unescaped_end(bytes: &[u8], ends: impl Fn(u8) -> bool) -> usize {
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' || (!escaped && ends(*byte)) {
            return at;
        }
        escaped = *byte == b'\\';
    }
    bytes.len()
}

fn plain_text(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(next @ ('"' | '\\')) if character == '\\' => {
                plain.push(*next);
                characters.next();
            }
            _ => plain.push(character),
        }
    }
    plain
}

/// Longest part of a key that is repeated in an error.
const SHOWN_CHARACTERS: usize = 64;

/// A key in an error: readable and short.
#[cold]
fn shown(key: &[u8]) -> String {
    String::from_utf8_lossy(key)
        .chars()
        .take(SHOWN_CHARACTERS)
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}
