//! Turns raw records into resolved ones (RFC 8428 §4.6). Knows nothing of JSON or CBOR.

use std::borrow::Cow;

use crate::error::{SenmlError, SenmlErrorKind};
use crate::limits::Limits;
use crate::number::Number;
use crate::record::{Record, Value};

/// The newest version of the format that this reader understands.
const VERSION: f64 = 10.0;
/// Times below this many seconds count from the present (RFC 8428 §4.5.3): 2^28.
const ABSOLUTE_FROM_NANOSECONDS: i128 = 268_435_456 * 1_000_000_000;

/// SenML's labels (RFC 8428 §4.1 and §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    BaseName,
    BaseTime,
    BaseUnit,
    BaseValue,
    BaseSum,
    BaseVersion,
    Name,
    Unit,
    Value,
    TextValue,
    BooleanValue,
    Sum,
    Time,
    UpdateTime,
    DataValue,
}

impl Label {
    pub(crate) fn from_json(label: &str) -> Option<Self> {
        Some(match label {
            "bn" => Self::BaseName,
            "bt" => Self::BaseTime,
            "bu" => Self::BaseUnit,
            "bv" => Self::BaseValue,
            "bs" => Self::BaseSum,
            "bver" => Self::BaseVersion,
            "n" => Self::Name,
            "u" => Self::Unit,
            "v" => Self::Value,
            "vs" => Self::TextValue,
            "vb" => Self::BooleanValue,
            "s" => Self::Sum,
            "t" => Self::Time,
            "ut" => Self::UpdateTime,
            "vd" => Self::DataValue,
            _ => return None,
        })
    }

    /// RFC 8428 §6, table 4.
    pub(crate) const fn from_cbor(label: i128) -> Option<Self> {
        Some(match label {
            -2 => Self::BaseName,
            -3 => Self::BaseTime,
            -4 => Self::BaseUnit,
            -5 => Self::BaseValue,
            -6 => Self::BaseSum,
            -1 => Self::BaseVersion,
            0 => Self::Name,
            1 => Self::Unit,
            2 => Self::Value,
            3 => Self::TextValue,
            4 => Self::BooleanValue,
            5 => Self::Sum,
            6 => Self::Time,
            7 => Self::UpdateTime,
            8 => Self::DataValue,
            _ => return None,
        })
    }

    pub(crate) const fn as_json(self) -> &'static str {
        match self {
            Self::BaseName => "bn",
            Self::BaseTime => "bt",
            Self::BaseUnit => "bu",
            Self::BaseValue => "bv",
            Self::BaseSum => "bs",
            Self::BaseVersion => "bver",
            Self::Name => "n",
            Self::Unit => "u",
            Self::Value => "v",
            Self::TextValue => "vs",
            Self::BooleanValue => "vb",
            Self::Sum => "s",
            Self::Time => "t",
            Self::UpdateTime => "ut",
            Self::DataValue => "vd",
        }
    }
}

/// One record as it stands in the pack.
#[derive(Debug, Default)]
pub(crate) struct RawRecord<'a> {
    pub(crate) base_name: Option<Cow<'a, str>>,
    pub(crate) base_time: Option<Number<'a>>,
    pub(crate) base_unit: Option<Cow<'a, str>>,
    pub(crate) base_value: Option<Number<'a>>,
    pub(crate) base_sum: Option<Number<'a>>,
    pub(crate) base_version: Option<Number<'a>>,
    pub(crate) name: Option<Cow<'a, str>>,
    pub(crate) unit: Option<Cow<'a, str>>,
    pub(crate) value: Option<Number<'a>>,
    pub(crate) text: Option<Cow<'a, str>>,
    pub(crate) boolean: Option<bool>,
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) sum: Option<Number<'a>>,
    pub(crate) time: Option<Number<'a>>,
    pub(crate) update_time: Option<Number<'a>>,
}

/// Holds the base fields that are in force, and the records so far.
pub(crate) struct Resolver<'l> {
    now: i128,
    limits: &'l Limits,
    /// Of the whole pack, known from its first record on.
    version: Option<f64>,
    base_name: String,
    base_time: Option<i128>,
    base_unit: Option<String>,
    base_value: Option<f64>,
    base_sum: Option<f64>,
    total_bytes: usize,
    records: Vec<Record>,
}

impl<'l> Resolver<'l> {
    pub(crate) fn new(now_ns: i64, limits: &'l Limits) -> Self {
        Self {
            now: i128::from(now_ns),
            limits,
            version: None,
            base_name: String::new(),
            base_time: None,
            base_unit: None,
            base_value: None,
            base_sum: None,
            total_bytes: 0,
            records: Vec::new(),
        }
    }

    /// Index of the record that comes next.
    pub(crate) fn index(&self) -> usize {
        self.records.len()
    }

    pub(crate) const fn limits(&self) -> &Limits {
        self.limits
    }

    /// All records of a pack must be of one version (RFC 8428, section 4.4).
    fn check_version(&mut self, given: Option<Number<'_>>) -> Result<(), SenmlErrorKind> {
        let Some(given) = given else {
            self.version.get_or_insert(VERSION);
            return Ok(());
        };
        let found = known_version(given)?;
        let pack = *self.version.get_or_insert(found);
        if found.total_cmp(&pack).is_ne() {
            return Err(SenmlErrorKind::MixedVersions {
                pack: pack.to_string(),
                found: found.to_string(),
            });
        }
        Ok(())
    }

    /// To be asked before a record is read, so that a too long pack costs no more than its limit.
    pub(crate) fn check_room(&self) -> Result<(), SenmlError> {
        if self.records.len() >= self.limits.max_records {
            return Err(SenmlErrorKind::TooManyRecords {
                limit: self.limits.max_records,
            }
            .whole());
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Vec<Record>, SenmlError> {
        if self.records.is_empty() {
            return Err(SenmlErrorKind::EmptyPack.whole());
        }
        Ok(self.records)
    }

    pub(crate) fn push(&mut self, raw: RawRecord<'_>) -> Result<(), SenmlError> {
        let index = self.index();
        let at = |label: Label| move |kind: SenmlErrorKind| kind.in_field(index, label.as_json());
        self.check_room()?;
        self.check_version(raw.base_version)
            .map_err(at(Label::BaseVersion))?;
        if let Some(base_name) = raw.base_name {
            check_length(&base_name, self.limits.max_name_bytes).map_err(at(Label::BaseName))?;
            self.base_name = base_name.into_owned();
        }
        if let Some(base_time) = raw.base_time {
            self.base_time = Some(base_time.as_nanoseconds().map_err(at(Label::BaseTime))?);
        }
        if let Some(base_unit) = raw.base_unit {
            check_length(&base_unit, self.limits.max_unit_bytes).map_err(at(Label::BaseUnit))?;
            self.base_unit = Some(base_unit.into_owned());
        }
        if let Some(base_value) = raw.base_value {
            self.base_value = Some(base_value.as_f64().map_err(at(Label::BaseValue))?);
        }
        if let Some(base_sum) = raw.base_sum {
            self.base_sum = Some(base_sum.as_f64().map_err(at(Label::BaseSum))?);
        }

        let name = self
            .resolve_name(raw.name.as_deref())
            .map_err(at(Label::Name))?;
        let unit = match raw.unit {
            Some(unit) => {
                check_length(&unit, self.limits.max_unit_bytes).map_err(at(Label::Unit))?;
                Some(unit.into_owned())
            }
            None => self.base_unit.clone(),
        }
        .filter(|unit| !unit.is_empty());

        let own_time = raw
            .time
            .map(Number::as_nanoseconds)
            .transpose()
            .map_err(at(Label::Time))?;
        let time = self.resolve_time(own_time).map_err(at(Label::Time))?;

        let values = usize::from(raw.value.is_some())
            + usize::from(raw.text.is_some())
            + usize::from(raw.boolean.is_some())
            + usize::from(raw.data.is_some());
        if values > 1 {
            return Err(SenmlErrorKind::ManyValues.in_record(index));
        }
        if values == 0 && raw.sum.is_none() {
            return Err(SenmlErrorKind::NoValue.in_record(index));
        }
        let value = if let Some(number) = raw.value {
            let own = number.as_f64().map_err(at(Label::Value))?;
            let number = self.base_value.map_or(own, |base| base + own);
            if !number.is_finite() {
                return Err(at(Label::Value)(SenmlErrorKind::NotFinite));
            }
            Some(Value::Number(number))
        } else if let Some(text) = raw.text {
            check_length(&text, self.limits.max_value_bytes).map_err(at(Label::TextValue))?;
            Some(Value::Text(text.into_owned()))
        } else if let Some(boolean) = raw.boolean {
            Some(Value::Boolean(boolean))
        } else if let Some(data) = raw.data {
            if data.len() > self.limits.max_value_bytes {
                return Err(at(Label::DataValue)(SenmlErrorKind::TooLong {
                    limit: self.limits.max_value_bytes,
                }));
            }
            Some(Value::Data(data))
        } else {
            None
        };

        let own_sum = raw
            .sum
            .map(Number::as_f64)
            .transpose()
            .map_err(at(Label::Sum))?;
        let sum = match (self.base_sum, own_sum) {
            (None, own) => own,
            (Some(base), own) => Some(base + own.unwrap_or(0.0)),
        };
        if sum.is_some_and(|sum| !sum.is_finite()) {
            return Err(at(Label::Sum)(SenmlErrorKind::NotFinite));
        }
        let update_time = raw
            .update_time
            .map(Number::as_f64)
            .transpose()
            .map_err(at(Label::UpdateTime))?;

        self.account(&name, unit.as_deref(), value.as_ref())?;
        self.records.push(Record {
            name,
            unit,
            time,
            value,
            sum,
            update_time,
        });
        Ok(())
    }

    /// Adds a record that needs no resolving but its time.
    pub(crate) fn push_plain(
        &mut self,
        name: &str,
        time: Option<i64>,
        value: Value,
    ) -> Result<(), SenmlError> {
        self.check_room()?;
        self.account(name, None, Some(&value))?;
        self.records.push(Record {
            name: name.to_owned(),
            unit: None,
            time,
            value: Some(value),
            sum: None,
            update_time: None,
        });
        Ok(())
    }

    /// Gives the records from `from` on their time.
    pub(crate) fn stamp_from(&mut self, from: usize, time: i64) {
        for record in self.records.iter_mut().skip(from) {
            record.time = Some(time);
        }
    }

    fn resolve_name(&self, own: Option<&str>) -> Result<String, SenmlErrorKind> {
        let own = own.unwrap_or("");
        let length = self.base_name.len() + own.len();
        if length == 0 {
            return Err(SenmlErrorKind::NoName);
        }
        if length > self.limits.max_name_bytes {
            return Err(SenmlErrorKind::TooLong {
                limit: self.limits.max_name_bytes,
            });
        }
        let mut name = String::with_capacity(length);
        name.push_str(&self.base_name);
        name.push_str(own);
        check_name(&name)?;
        Ok(name)
    }

    fn resolve_time(&self, own: Option<i128>) -> Result<Option<i64>, SenmlErrorKind> {
        if own.is_none() && self.base_time.is_none() {
            return Ok(None);
        }
        let stated = self
            .base_time
            .unwrap_or(0)
            .checked_add(own.unwrap_or(0))
            .ok_or(SenmlErrorKind::TimeOutOfRange)?;
        let absolute = if stated >= ABSOLUTE_FROM_NANOSECONDS {
            stated
        } else {
            stated
                .checked_add(self.now)
                .ok_or(SenmlErrorKind::TimeOutOfRange)?
        };
        i64::try_from(absolute)
            .map(Some)
            .map_err(|_| SenmlErrorKind::TimeOutOfRange)
    }

    fn account(
        &mut self,
        name: &str,
        unit: Option<&str>,
        value: Option<&Value>,
    ) -> Result<(), SenmlError> {
        let value_bytes = match value {
            Some(Value::Text(text)) => text.len(),
            Some(Value::Data(data)) => data.len(),
            _ => 8,
        };
        self.total_bytes += name.len() + unit.map_or(0, str::len) + value_bytes;
        if self.total_bytes > self.limits.max_total_bytes {
            return Err(SenmlErrorKind::TotalTooLarge {
                limit: self.limits.max_total_bytes,
            }
            .whole());
        }
        Ok(())
    }
}

/// Whether `name` is a valid resolved name (RFC 8428 §4.5.1). Its length is not looked at.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), SenmlErrorKind> {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'.' | b'/' | b'_');
    if !name.bytes().all(allowed) {
        let wrong = name
            .chars()
            .find(|&character| !u8::try_from(character).is_ok_and(allowed));
        return Err(SenmlErrorKind::NameCharacter(wrong.unwrap_or_default()));
    }
    match name.bytes().next() {
        None => Err(SenmlErrorKind::NoName),
        Some(first) if first.is_ascii_alphanumeric() => Ok(()),
        Some(_) => Err(SenmlErrorKind::NameStart),
    }
}

/// Whether an absolute time stays absolute when written as SenML.
pub(crate) const fn is_writable_time(nanoseconds: i64) -> bool {
    nanoseconds as i128 >= ABSOLUTE_FROM_NANOSECONDS
}

fn check_length(text: &str, limit: usize) -> Result<(), SenmlErrorKind> {
    if text.len() > limit {
        return Err(SenmlErrorKind::TooLong { limit });
    }
    Ok(())
}

fn known_version(version: Number<'_>) -> Result<f64, SenmlErrorKind> {
    let number = version.as_f64()?;
    if number.fract() != 0.0 || !(1.0..=VERSION).contains(&number) {
        return Err(SenmlErrorKind::UnsupportedVersion(number.to_string()));
    }
    Ok(number)
}
