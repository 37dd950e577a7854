//! SenML JSON (RFC 8428 §5) to records, in one pass and without a tree.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{SenmlError, SenmlErrorKind};
use crate::limits::Limits;
use crate::number::Number;
use crate::record::Record;
use crate::resolve::{Label, RawRecord, Resolver};

/// RFC 8428 omits the padding; some writers do not.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a SenML JSON pack. `now_ns` (nanoseconds since the epoch) is what relative times count from.
///
/// # Errors
/// A [`SenmlError`] that names record and field. Nothing of a faulty pack is returned.
pub fn decode_json(body: &[u8], now_ns: i64, limits: &Limits) -> Result<Vec<Record>, SenmlError> {
    check_body(body, limits)?;
    let mut resolver = Resolver::new(now_ns, limits);
    let mut fault = None;
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let outcome = PackSeed {
        resolver: &mut resolver,
        fault: &mut fault,
    }
    .deserialize(&mut deserializer)
    .and_then(|()| deserializer.end());
    if let Some(fault) = fault {
        return Err(fault);
    }
    if let Err(error) = outcome {
        return Err(SenmlErrorKind::Malformed(error.to_string()).whole());
    }
    resolver.finish()
}

pub(crate) fn check_body(body: &[u8], limits: &Limits) -> Result<(), SenmlError> {
    if body.len() > limits.max_body_bytes {
        let kind = SenmlErrorKind::BodyTooLarge {
            size: body.len(),
            limit: limits.max_body_bytes,
        };
        return Err(kind.whole());
    }
    Ok(())
}

/// Puts the typed error where [`decode_json`] finds it and stops the deserializer.
fn stop<E: de::Error>(fault: &mut Option<SenmlError>, error: SenmlError) -> E {
    *fault = Some(error);
    E::custom("")
}

struct PackSeed<'s, 'l> {
    resolver: &'s mut Resolver<'l>,
    fault: &'s mut Option<SenmlError>,
}

impl<'de> DeserializeSeed<'de> for PackSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Refuses every scalar with one typed error, so that each visitor states only what it accepts.
macro_rules! refuse_scalars {
    ($value:ty, $refuse:ident) => {
        fn visit_bool<E: de::Error>(self, _: bool) -> Result<$value, E> {
            Err(self.$refuse())
        }
        fn visit_i64<E: de::Error>(self, _: i64) -> Result<$value, E> {
            Err(self.$refuse())
        }
        fn visit_u64<E: de::Error>(self, _: u64) -> Result<$value, E> {
            Err(self.$refuse())
        }
        fn visit_f64<E: de::Error>(self, _: f64) -> Result<$value, E> {
            Err(self.$refuse())
        }
        fn visit_str<E: de::Error>(self, _: &str) -> Result<$value, E> {
            Err(self.$refuse())
        }
        fn visit_unit<E: de::Error>(self) -> Result<$value, E> {
            Err(self.$refuse())
        }
    };
}

impl PackSeed<'_, '_> {
    fn refuse<E: de::Error>(self) -> E {
        stop(self.fault, SenmlErrorKind::NotAPack.whole())
    }
}

impl<'de> Visitor<'de> for PackSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of SenML records")
    }

    refuse_scalars!((), refuse);

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.refuse())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<(), A::Error> {
        let Self { resolver, fault } = self;
        while records
            .next_element_seed(RecordSeed {
                resolver: &mut *resolver,
                fault: &mut *fault,
            })?
            .is_some()
        {}
        Ok(())
    }
}

struct RecordSeed<'s, 'l> {
    resolver: &'s mut Resolver<'l>,
    fault: &'s mut Option<SenmlError>,
}

impl RecordSeed<'_, '_> {
    fn refuse<E: de::Error>(self) -> E {
        let index = self.resolver.index();
        stop(self.fault, SenmlErrorKind::NotARecord.in_record(index))
    }
}

impl<'de> DeserializeSeed<'de> for RecordSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a SenML record")
    }

    refuse_scalars!((), refuse);

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.refuse())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Self { resolver, fault } = self;
        if let Err(error) = resolver.check_room() {
            return Err(stop(fault, error));
        }
        let index = resolver.index();
        let mut raw = RawRecord::default();
        while let Some(key) = fields.next_key::<Key<'de>>()? {
            let Some(label) = Label::from_json(&key.0) else {
                if key.0.ends_with('_') {
                    return Err(stop(
                        fault,
                        SenmlErrorKind::MustUnderstand.in_field(index, key.0),
                    ));
                }
                fields.next_value::<IgnoredAny>()?;
                continue;
            };
            let text: &'de RawValue = fields.next_value()?;
            if let Err(kind) = fill(&mut raw, label, text.get()) {
                return Err(stop(fault, kind.in_field(index, label.as_json())));
            }
        }
        resolver.push(raw).map_err(|error| stop(fault, error))
    }
}

fn fill<'a>(raw: &mut RawRecord<'a>, label: Label, text: &'a str) -> Result<(), SenmlErrorKind> {
    match label {
        Label::BaseName => set(&mut raw.base_name, string(text)?),
        Label::BaseTime => set(&mut raw.base_time, number(text)?),
        Label::BaseUnit => set(&mut raw.base_unit, string(text)?),
        Label::BaseValue => set(&mut raw.base_value, number(text)?),
        Label::BaseSum => set(&mut raw.base_sum, number(text)?),
        Label::BaseVersion => set(&mut raw.base_version, number(text)?),
        Label::Name => set(&mut raw.name, string(text)?),
        Label::Unit => set(&mut raw.unit, string(text)?),
        Label::Value => set(&mut raw.value, number(text)?),
        Label::TextValue => set(&mut raw.text, string(text)?),
        Label::BooleanValue => set(&mut raw.boolean, boolean(text)?),
        Label::Sum => set(&mut raw.sum, number(text)?),
        Label::Time => set(&mut raw.time, number(text)?),
        Label::UpdateTime => set(&mut raw.update_time, number(text)?),
        Label::DataValue => {
            let encoded = string(text)?;
            let data = BASE64URL
                .decode(encoded.as_bytes())
                .map_err(|_| SenmlErrorKind::NotBase64)?;
            set(&mut raw.data, data)
        }
    }
}

pub(crate) fn set<T>(slot: &mut Option<T>, value: T) -> Result<(), SenmlErrorKind> {
    if slot.is_some() {
        return Err(SenmlErrorKind::DuplicateField);
    }
    *slot = Some(value);
    Ok(())
}

fn number(text: &str) -> Result<Number<'_>, SenmlErrorKind> {
    match text.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => Ok(Number::Text(text)),
        _ => Err(SenmlErrorKind::WrongType {
            expected: "a number",
        }),
    }
}

fn boolean(text: &str) -> Result<bool, SenmlErrorKind> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(SenmlErrorKind::WrongType {
            expected: "a boolean",
        }),
    }
}

fn string(text: &str) -> Result<Cow<'_, str>, SenmlErrorKind> {
    if !text.starts_with('"') {
        return Err(SenmlErrorKind::WrongType {
            expected: "a string",
        });
    }
    let key: Key<'_> =
        serde_json::from_str(text).map_err(|error| SenmlErrorKind::Malformed(error.to_string()))?;
    Ok(key.0)
}

/// A string, borrowed from the body where it holds no escapes.
pub(crate) struct Key<'a>(pub(crate) Cow<'a, str>);

impl<'de> de::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}
