//! Why a body was refused.

use crate::ingest::SubtopicError;

/// Bounds of one body of line protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineLimits {
    /// Samples of a body: the fields of all its lines.
    pub max_samples: usize,
    /// Bytes of a line.
    pub max_line_bytes: usize,
    /// Bytes of a measurement, of a tag's key or value, or of a field's key, as written.
    pub max_key_bytes: usize,
    /// Tags of a line.
    pub max_tags: usize,
    /// Fields of a line.
    pub max_fields: usize,
    /// Bytes of a text value.
    pub max_text_bytes: usize,
}

impl Default for LineLimits {
    fn default() -> Self {
        Self {
            max_samples: 100_000,
            max_line_bytes: 256 * 1024,
            max_key_bytes: 1_024,
            max_tags: 32,
            max_fields: 1_024,
            max_text_bytes: 64 * 1024,
        }
    }
}

/// A line that cannot be read; the body that holds it was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse line {line}: {fault}")]
pub struct LineError {
    /// Counted from 1.
    pub line: u32,
    pub fault: LineFault,
}

impl LineError {
    /// Always false: the same body is refused again.
    pub const fn is_retryable(&self) -> bool {
        false
    }

    /// Whether the sender may get the same samples in by sending fewer at a time.
    pub const fn is_too_large(&self) -> bool {
        matches!(self.fault, LineFault::TooManySamples { .. })
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    #[error("the measurement is missing")]
    NoMeasurement,
    #[error("there is no field")]
    NoField,
    #[error("a tag has no key")]
    NoTagKey,
    #[error("tag `{0}` has no value")]
    NoTagValue(String),
    #[error("tag `{0}` is given twice")]
    DuplicateTag(String),
    #[error("a field has no key")]
    NoFieldKey,
    #[error("field `{0}` has no value")]
    NoFieldValue(String),
    #[error("field `{0}`: the value is no number, text in quotes, or boolean")]
    NotAValue(String),
    #[error("field `{0}`: the number is malformed")]
    NotANumber(String),
    #[error("field `{0}`: the number is out of range")]
    NumberOutOfRange(String),
    #[error("field `{0}`: the text has no closing quote")]
    OpenText(String),
    #[error("field `{0}`: the text is not UTF-8")]
    TextEncoding(String),
    #[error("the time is not a whole number")]
    NotATime,
    #[error("the time is out of range")]
    TimeOutOfRange,
    #[error("something follows the time")]
    AfterTime,
    #[error("measurement, tags and field keys must be UTF-8")]
    KeyEncoding,
    #[error("measurement, tags and field keys must not hold control characters")]
    ControlCharacter,
    #[error("a measurement, tag or field key is longer than {limit} bytes")]
    KeyTooLong { limit: usize },
    #[error("the line is longer than {limit} bytes")]
    LineTooLong { limit: usize },
    #[error("there are more than {limit} tags")]
    TooManyTags { limit: usize },
    #[error("there are more than {limit} fields")]
    TooManyFields { limit: usize },
    #[error("the body holds more than {limit} samples; send fewer at a time")]
    TooManySamples { limit: usize },
    #[error("field `{field}`: the text is longer than {limit} bytes")]
    TextTooLong { field: String, limit: usize },
    #[error("measurement and field together are longer than {limit} bytes")]
    NameTooLong { limit: usize },
    #[error("the tags: {0}")]
    Subtopic(SubtopicError),
}
