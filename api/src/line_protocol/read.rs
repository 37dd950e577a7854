//! A body to columns of samples.

use std::hash::BuildHasher as _;

use hashbrown::HashTable;
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{SampleValues, SeriesId, Value};

use super::error::{LineError, LineFault, LineLimits};
use super::names::series_name;
use super::precision::Precision;
use super::scan::{After, FieldValue, Scanner};
use super::table::{Known, SeriesTable, Unknown};

/// How a body is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    pub precision: Precision,
    /// The time of lines that say none.
    pub now: Timestamp,
    pub limits: &'a LineLimits,
}

/// The samples of a body. Columns of one length.
#[derive(Debug, PartialEq)]
pub struct Lines<'a> {
    /// Where each sample's series stands in the table, once nothing is unknown.
    pub slots: Vec<u32>,
    pub series: Vec<SeriesId>,
    pub times: Vec<Timestamp>,
    pub values: SampleValues,
    /// Series that the table does not know, each once. [`Lines::learn`] gives them their ids.
    pub unknown: Vec<Unknown<'a>>,
}

/// A slot with this bit is a place in `unknown`.
const UNKNOWN: u32 = 1 << 31;
/// A line of a body takes about this many bytes; more lines than expected cost a copy, fewer some memory.
const EXPECTED_LINE_BYTES: usize = 96;

impl<'a> Lines<'a> {
    pub const fn len(&self) -> usize {
        self.slots.len()
    }

    pub const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Puts the ids of the series that were unknown where they belong, and into `table`, the one that the body was read
    /// with.
    pub fn learn(&mut self, table: &SeriesTable, ids: &[SeriesId]) {
        if self.unknown.is_empty() {
            return;
        }
        let learned = table.learn(&self.unknown, ids);
        for (slot, series) in self.slots.iter_mut().zip(&mut self.series) {
            if *slot & UNKNOWN == 0 {
                continue;
            }
            let at = (*slot & !UNKNOWN) as usize;
            if let (Some(learned), Some(id)) = (learned.get(at), ids.get(at)) {
                (*slot, *series) = (*learned, *id);
            }
        }
        self.unknown.clear();
    }
}

/// Reads `body` whole. Series that `table` does not know are listed, each once; see [`Lines::learn`].
///
/// # Errors
/// [`LineError`] for the first line that cannot be read.
pub fn read<'a>(
    body: &'a [u8],
    table: &SeriesTable,
    reading: Reading<'_>,
) -> Result<Lines<'a>, LineError> {
    let known = table.read();
    let expected = (body.len() / EXPECTED_LINE_BYTES + 1).min(reading.limits.max_samples);
    let mut reader = Reader {
        scanner: Scanner::new(body, reading.limits),
        known: &known,
        reading,
        lines: Lines {
            slots: Vec::with_capacity(expected),
            series: Vec::with_capacity(expected),
            times: Vec::with_capacity(expected),
            values: SampleValues::Numbers(Vec::with_capacity(expected)),
            unknown: Vec::new(),
        },
        unknown_index: HashTable::new(),
    };
    let mut head = None;
    while reader.scanner.enter_line() {
        head = reader.line(head)?;
    }
    Ok(reader.lines)
}

struct Reader<'a, 't> {
    scanner: Scanner<'a, 't>,
    known: &'t Known,
    reading: Reading<'t>,
    lines: Lines<'a>,
    unknown_index: HashTable<u32>,
}

/// The beginning of the line at hand.
#[derive(Clone, Copy)]
struct Head<'a> {
    written: &'a [u8],
    /// Its place in the table, if it is known.
    known: Option<u32>,
}

/// A field's key, and where its sample goes.
struct Target<'a> {
    key: &'a [u8],
    slot: u32,
    series: SeriesId,
}

impl<'a> Reader<'a, '_> {
    /// Reads one line; `before` is the head of the one before it. Answers this one's, if it is known.
    #[inline]
    fn line(&mut self, before: Option<u32>) -> Result<Option<u32>, LineError> {
        let head = self.head(before)?;
        self.scanner.enter_fields()?;
        let first = self.lines.slots.len();
        let mut field = None;
        let time = loop {
            let after;
            (field, after) = self.sample(head, field, first)?;
            match after {
                After::Field => {}
                After::End => {
                    self.scanner.end_line()?;
                    break self.reading.now;
                }
                After::Time => {
                    let unit = self.reading.precision.nanoseconds();
                    break Timestamp(self.scanner.take_time(unit)?);
                }
            }
        };
        self.lines.times.resize(self.lines.slots.len(), time);
        Ok(head.known)
    }

    #[inline]
    fn head(&mut self, before: Option<u32>) -> Result<Head<'a>, LineError> {
        let guess = self.known.head_after(before);
        let rest = self.scanner.rest();
        if let Some(head) = self.known.head(guess)
            && self.scanner.take_known(&head.written, b' ')
        {
            return Ok(Head {
                written: &rest[..head.written.len()],
                known: Some(guess),
            });
        }
        let written = self.scanner.take_head()?;
        let known = self.known.find_head(written);
        if let Some(head) = known {
            self.known.note_head_after(before, head);
        }
        Ok(Head { written, known })
    }

    /// Reads a field; `before` is the slot of the one before it in this line, whose samples begin at `first`.
    #[inline]
    fn sample(
        &mut self,
        head: Head<'a>,
        before: Option<u32>,
        first: usize,
    ) -> Result<(Option<u32>, After), LineError> {
        let target = match self.expected_field(head, before) {
            Some(target) => target,
            None => self.other_field(head, before)?,
        };
        self.require_room(first)?;
        let (value, after) = self.scanner.take_value(target.key)?;
        self.lines.slots.push(target.slot);
        self.lines.series.push(target.series);
        self.lines.values.push(match value {
            FieldValue::Number(number) => Value::Number(number),
            FieldValue::Boolean(boolean) => Value::Boolean(boolean),
            FieldValue::Text(text) => Value::Text(text.into_owned()),
        });
        let is_known = target.slot & UNKNOWN == 0;
        Ok((is_known.then_some(target.slot), after))
    }

    /// The field that came next when such a line was read the last time, if it comes next again.
    #[inline]
    fn expected_field(&mut self, head: Head<'a>, before: Option<u32>) -> Option<Target<'a>> {
        let head = head.known?;
        let guess = self.known.field_after(head, before);
        let field = self.known.field(guess).filter(|field| field.is_of(head))?;
        let rest = self.scanner.rest();
        self.scanner
            .take_known(&field.written, b'=')
            .then(|| Target {
                key: &rest[..field.written.len()],
                slot: guess,
                series: field.series,
            })
    }

    fn other_field(
        &mut self,
        head: Head<'a>,
        before: Option<u32>,
    ) -> Result<Target<'a>, LineError> {
        let key = self.scanner.take_field_key()?;
        if let Some(place) = head.known
            && let Some(slot) = self.known.find_field(place, key)
            && let Some(field) = self.known.field(slot)
        {
            self.known.note_field_after(place, before, slot);
            return Ok(Target {
                key,
                slot,
                series: field.series,
            });
        }
        Ok(Target {
            key,
            slot: self.note_unknown(head.written, key)? | UNKNOWN,
            series: SeriesId(0),
        })
    }

    /// The place in `unknown` of a series that the table does not know.
    fn note_unknown(&mut self, head: &'a [u8], field: &'a [u8]) -> Result<u32, LineError> {
        let hashing = self.known.hashing();
        let unknown = &mut self.lines.unknown;
        let hash = hashing.hash_one((head, field));
        let is_it = |at: &u32| {
            let known = &unknown[*at as usize];
            known.field == field && known.head == head
        };
        if let Some(at) = self.unknown_index.find(hash, is_it) {
            return Ok(*at);
        }
        let name = series_name(head, field, self.reading.limits)
            .map_err(|fault| self.scanner.wrong(fault))?;
        // There are no more of them than samples, which are far fewer than 2^31.
        let at = u32::try_from(unknown.len()).unwrap_or_default();
        unknown.push(Unknown { head, field, name });
        self.unknown_index.insert_unique(hash, at, |at| {
            let known = &unknown[*at as usize];
            hashing.hash_one((known.head, known.field))
        });
        Ok(at)
    }

    #[inline]
    fn require_room(&self, first: usize) -> Result<(), LineError> {
        let (limits, count) = (self.reading.limits, self.lines.slots.len());
        if count >= limits.max_samples {
            let limit = limits.max_samples;
            return Err(self.scanner.wrong(LineFault::TooManySamples { limit }));
        }
        if count - first >= limits.max_fields {
            let limit = limits.max_fields;
            return Err(self.scanner.wrong(LineFault::TooManyFields { limit }));
        }
        Ok(())
    }
}
