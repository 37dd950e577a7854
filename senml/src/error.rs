//! What is wrong with a message, and where.

use std::fmt;

/// Why a message was refused or a record cannot be encoded. None of these is retryable: the same bytes fail again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenmlError {
    /// Index of the record, from 0. Absent if the fault is not inside a record.
    pub record: Option<usize>,
    /// The field's SenML label, or the path of a plain JSON value.
    pub field: Option<String>,
    pub kind: SenmlErrorKind,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SenmlErrorKind {
    #[error("body of {size} bytes is larger than {limit}")]
    BodyTooLarge { size: usize, limit: usize },
    #[error("more than {limit} records")]
    TooManyRecords { limit: usize },
    #[error("decoded records take more than {limit} bytes")]
    TotalTooLarge { limit: usize },
    #[error("nested deeper than {limit} levels")]
    TooDeep { limit: usize },
    #[error("not well-formed: {0}")]
    Malformed(String),
    #[error("not an array of records")]
    NotAPack,
    #[error("no records")]
    EmptyPack,
    #[error("not an object")]
    NotARecord,
    #[error("field given twice")]
    DuplicateField,
    #[error("wrong type: expected {expected}")]
    WrongType { expected: &'static str },
    #[error("not a finite number")]
    NotFinite,
    #[error("time is outside the years 1677 to 2262")]
    TimeOutOfRange,
    #[error("time cannot be written as an absolute SenML time")]
    TimeNotAbsolute,
    #[error("time is not in the format `{0}`")]
    TimeFormat(&'static str),
    #[error("version {0} is not understood")]
    UnsupportedVersion(String),
    #[error("version {found} in a pack of version {pack}")]
    MixedVersions { pack: String, found: String },
    #[error("field must be understood and is not")]
    MustUnderstand,
    #[error("label is not one of SenML's")]
    UnknownLabel,
    #[error("label must be an integer in CBOR")]
    TextLabel,
    #[error("no value and no sum")]
    NoValue,
    #[error("more than one value")]
    ManyValues,
    #[error("no name")]
    NoName,
    #[error("name must start with a letter or digit")]
    NameStart,
    #[error("name holds a character that is not allowed: {0:?}")]
    NameCharacter(char),
    #[error("longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("not base64url")]
    NotBase64,
}

impl SenmlErrorKind {
    pub(crate) const fn whole(self) -> SenmlError {
        SenmlError {
            record: None,
            field: None,
            kind: self,
        }
    }

    pub(crate) const fn in_record(self, record: usize) -> SenmlError {
        SenmlError {
            record: Some(record),
            field: None,
            kind: self,
        }
    }

    pub(crate) fn in_field(self, record: usize, field: impl Into<String>) -> SenmlError {
        SenmlError {
            record: Some(record),
            field: Some(field.into()),
            kind: self,
        }
    }
}

impl std::error::Error for SenmlError {}

impl SenmlError {
    /// Always false: the same bytes fail again.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

impl fmt::Display for SenmlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(record) = self.record {
            write!(formatter, "record {record}: ")?;
        }
        if let Some(field) = &self.field {
            write!(formatter, "field `{field}`: ")?;
        }
        write!(formatter, "{}", self.kind)
    }
}
