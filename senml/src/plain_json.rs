//! Plain JSON to records, in the manner of Mainflux' JSON transformer: nested objects are flattened with `/`, each
//! object of an outermost array is a message of its own.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{SenmlError, SenmlErrorKind};
use crate::json_decode::{Key, check_body};
use crate::limits::Limits;
use crate::number::Number;
use crate::record::{Record, Value};
use crate::resolve::Resolver;
use crate::rfc3339::nanoseconds_from_rfc3339;

const SEPARATOR: char = '/';

/// How the time of a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFormat {
    UnixSeconds,
    UnixMilliseconds,
    UnixMicroseconds,
    UnixNanoseconds,
    Rfc3339,
}

/// The field of each outermost object that holds its time. It becomes no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeField {
    pub name: String,
    pub format: TimeFormat,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlainJsonOptions {
    /// `None`: records have no time.
    pub time_field: Option<TimeField>,
}

/// Reads an object, or an array of objects, as records: `{"pump": {"speed": 1480, "on": true}}` gives `pump/speed` and
/// `pump/on`. Items of an inner array are named by their index, null is no record. Names may hold any character but
/// control characters; a key with `/` is refused, because its name could not be told from a nested one.
///
/// # Errors
/// A [`SenmlError`] whose field is the path of the value. Nothing of a faulty message is returned.
pub fn decode_plain_json(
    body: &[u8],
    options: &PlainJsonOptions,
    limits: &Limits,
) -> Result<Vec<Record>, SenmlError> {
    check_body(body, limits)?;
    let whole: &RawValue =
        serde_json::from_slice(body).map_err(|error| malformed(&error).whole())?;
    let mut flattener = Flattener {
        resolver: Resolver::new(0, limits),
        path: String::new(),
        options,
        message_time: None,
    };
    if !whole.get().starts_with('[') {
        flattener.message(whole)?;
        return flattener.resolver.finish();
    }
    let messages: Vec<&RawValue> =
        serde_json::from_str(whole.get()).map_err(|error| malformed(&error).whole())?;
    for message in messages {
        flattener.message(message)?;
    }
    flattener.resolver.finish()
}

fn malformed(error: &serde_json::Error) -> SenmlErrorKind {
    SenmlErrorKind::Malformed(error.to_string())
}

struct Flattener<'o, 'l> {
    resolver: Resolver<'l>,
    /// Of the value at hand.
    path: String,
    options: &'o PlainJsonOptions,
    /// Of the message at hand, once its field was seen.
    message_time: Option<i64>,
}

impl Flattener<'_, '_> {
    fn fault(&self, kind: SenmlErrorKind) -> SenmlError {
        kind.in_field(self.resolver.index(), self.path.clone())
    }

    fn message(&mut self, message: &RawValue) -> Result<(), SenmlError> {
        let first = self.resolver.index();
        if !message.get().starts_with('{') {
            return Err(SenmlErrorKind::NotARecord.in_record(first));
        }
        self.message_time = None;
        self.path.clear();
        self.object(message, 1)?;
        if let Some(time) = self.message_time {
            self.resolver.stamp_from(first, time);
        }
        Ok(())
    }

    fn object(&mut self, object: &RawValue, depth: usize) -> Result<(), SenmlError> {
        let Entries(entries) =
            serde_json::from_str(object.get()).map_err(|error| self.fault(malformed(&error)))?;
        for (key, value) in entries {
            if depth == 1
                && let Some(time_field) = self
                    .options
                    .time_field
                    .as_ref()
                    .filter(|field| field.name == key.0)
            {
                let time = read_time(value.get(), time_field.format)
                    .map_err(|kind| kind.in_field(self.resolver.index(), key.0))?;
                self.message_time = Some(time);
                continue;
            }
            if let Some(wrong) = key
                .0
                .chars()
                .find(|&character| character == SEPARATOR || character.is_control())
            {
                return Err(
                    SenmlErrorKind::NameCharacter(wrong).in_field(self.resolver.index(), key.0)
                );
            }
            self.nested(&key.0, value, depth)?;
        }
        Ok(())
    }

    fn nested(&mut self, element: &str, value: &RawValue, depth: usize) -> Result<(), SenmlError> {
        let parent = self.path.len();
        if parent > 0 {
            self.path.push(SEPARATOR);
        }
        self.path.push_str(element);
        self.value(value, depth)?;
        self.path.truncate(parent);
        Ok(())
    }

    fn value(&mut self, value: &RawValue, depth: usize) -> Result<(), SenmlError> {
        let text = value.get();
        let limits = self.resolver.limits();
        if self.path.len() > limits.max_name_bytes {
            let limit = limits.max_name_bytes;
            return Err(SenmlErrorKind::TooLong { limit }.in_record(self.resolver.index()));
        }
        if text.starts_with(['{', '[']) && depth >= limits.max_depth {
            return Err(self.fault(SenmlErrorKind::TooDeep {
                limit: limits.max_depth,
            }));
        }
        let leaf = match text.as_bytes().first() {
            Some(b'{') => return self.object(value, depth + 1),
            Some(b'[') => return self.array(value, depth + 1),
            Some(b'n') => return Ok(()),
            Some(b't') => Value::Boolean(true),
            Some(b'f') => Value::Boolean(false),
            Some(b'"') => {
                let text: String =
                    serde_json::from_str(text).map_err(|error| self.fault(malformed(&error)))?;
                let limit = limits.max_value_bytes;
                if text.len() > limit {
                    return Err(self.fault(SenmlErrorKind::TooLong { limit }));
                }
                Value::Text(text)
            }
            _ => Value::Number(
                Number::Text(text)
                    .as_f64()
                    .map_err(|kind| self.fault(kind))?,
            ),
        };
        if self.path.is_empty() {
            return Err(self.fault(SenmlErrorKind::NoName));
        }
        self.resolver.push_plain(&self.path, None, leaf)
    }

    fn array(&mut self, array: &RawValue, depth: usize) -> Result<(), SenmlError> {
        let items: Vec<&RawValue> =
            serde_json::from_str(array.get()).map_err(|error| self.fault(malformed(&error)))?;
        for (index, item) in items.into_iter().enumerate() {
            self.nested(&index.to_string(), item, depth)?;
        }
        Ok(())
    }
}

fn read_time(text: &str, format: TimeFormat) -> Result<i64, SenmlErrorKind> {
    let (power, name) = match format {
        TimeFormat::UnixSeconds => (0, "unix"),
        TimeFormat::UnixMilliseconds => (-3, "unix_ms"),
        TimeFormat::UnixMicroseconds => (-6, "unix_us"),
        TimeFormat::UnixNanoseconds => (-9, "unix_ns"),
        TimeFormat::Rfc3339 => {
            const WRONG: SenmlErrorKind = SenmlErrorKind::TimeFormat("rfc3339");
            let text: String = serde_json::from_str(text).map_err(|_| WRONG)?;
            return nanoseconds_from_rfc3339(&text).ok_or(WRONG);
        }
    };
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(SenmlErrorKind::TimeFormat(name));
    }
    let nanoseconds = crate::number::nanoseconds_of_text(text, power)?;
    i64::try_from(nanoseconds).map_err(|_| SenmlErrorKind::TimeOutOfRange)
}

/// The entries of an object in their order.
struct Entries<'a>(Vec<(Key<'a>, &'a RawValue)>);

impl<'de> de::Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(body: &str) -> Result<Vec<Record>, SenmlError> {
        decode_plain_json(
            body.as_bytes(),
            &PlainJsonOptions::default(),
            &Limits::default(),
        )
    }

    fn names(records: &[Record]) -> Vec<&str> {
        records.iter().map(|record| record.name.as_str()).collect()
    }

    #[test]
    fn nested_objects_become_paths() {
        let records = decode(
            r#"{"pump":{"speed":1480.1,"on":true,"none":null},"state":"run","a":[1,{"b":2}]}"#,
        )
        .unwrap();
        assert_eq!(
            names(&records),
            ["pump/speed", "pump/on", "state", "a/0", "a/1/b"]
        );
        assert_eq!(records[0].value, Some(Value::Number(1480.1)));
        assert_eq!(records[2].value, Some(Value::Text("run".into())));
    }

    #[test]
    fn each_object_of_the_outermost_array_has_its_own_time() {
        let options = PlainJsonOptions {
            time_field: Some(TimeField {
                name: "at".into(),
                format: TimeFormat::UnixMilliseconds,
            }),
        };
        let body = br#"[{"v":1,"at":1600000000123},{"v":2},{"at":1600000001000.5,"v":3}]"#;
        let records = decode_plain_json(body, &options, &Limits::default()).unwrap();
        let times: Vec<_> = records.iter().map(|record| record.time).collect();
        assert_eq!(
            times,
            [
                Some(1_600_000_000_123_000_000),
                None,
                Some(1_600_000_001_000_500_000)
            ]
        );
    }

    #[test]
    fn a_fault_names_the_path() {
        let error = decode(r#"{"a":{"b":1e999}}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "record 0: field `a/b`: not a finite number"
        );
        assert_eq!(
            decode(r#"{"a/b":1}"#).unwrap_err().kind,
            SenmlErrorKind::NameCharacter('/')
        );
        assert_eq!(decode("3").unwrap_err().kind, SenmlErrorKind::NotARecord);
        assert_eq!(decode("{}").unwrap_err().kind, SenmlErrorKind::EmptyPack);
        assert!(matches!(
            decode(r#"{"a":NaN}"#).unwrap_err().kind,
            SenmlErrorKind::Malformed(_)
        ));
    }

    #[test]
    fn nesting_is_bounded() {
        let body = format!("{}1{}", r#"{"a":"#.repeat(17), "}".repeat(17));
        assert_eq!(
            decode(&body).unwrap_err().kind,
            SenmlErrorKind::TooDeep { limit: 16 }
        );
        let very_deep = format!(r#"{{"a":{}"#, "[".repeat(200_000));
        assert!(decode(&very_deep).is_err());
    }
}
