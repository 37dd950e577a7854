//! Stored records as Mainflux' readers show them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Map;
use serde_json::value::RawValue;
use tellee_actors::ids::{ChannelId, ThingId};
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{StoredMessage, Value};

use crate::error::ApiError;

/// Mainflux 0.10 and later. `time` is decimal seconds, exact to the nanosecond.
#[derive(Debug, Serialize)]
pub struct MessageView {
    channel: ChannelId,
    #[serde(skip_serializing_if = "String::is_empty")]
    subtopic: String,
    publisher: ThingId,
    protocol: String,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    unit: String,
    time: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bool_value: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<f64>,
}

impl MessageView {
    pub fn of(message: StoredMessage) -> Result<Self, ApiError> {
        let StoredMessage {
            key,
            unit,
            protocol,
            sample,
        } = message;
        let mut view = Self {
            channel: key.channel,
            subtopic: key.subtopic,
            publisher: key.thing,
            protocol,
            name: key.name,
            unit,
            time: RawValue::from_string(decimal_seconds(sample.time))
                .map_err(|error| ApiError::internal(&error))?,
            update_time: sample.update_time,
            value: None,
            string_value: None,
            bool_value: None,
            data_value: None,
            sum: sample.sum,
        };
        match sample.value {
            Value::Number(number) => view.value = Some(number),
            Value::Text(text) => view.string_value = Some(text),
            Value::Boolean(flag) => view.bool_value = Some(flag),
            Value::Data(data) => view.data_value = Some(URL_SAFE_NO_PAD.encode(data)),
        }
        Ok(view)
    }
}

/// Nanoseconds as seconds with just the decimals that are needed.
fn decimal_seconds(time: Timestamp) -> String {
    let negative = time.0 < 0;
    let nanoseconds = time.0.unsigned_abs();
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let sign = if negative { "-" } else { "" };
    if rest == 0 {
        return format!("{sign}{seconds}");
    }
    let decimals = format!("{rest:09}");
    format!("{sign}{seconds}.{}", decimals.trim_end_matches('0'))
}

/// Mainflux 0.8: each value in an object that names its type.
pub fn old_shape(message: StoredMessage) -> Result<serde_json::Value, ApiError> {
    let StoredMessage {
        key,
        unit,
        protocol,
        sample,
    } = message;
    let time: serde_json::Value = serde_json::from_str(&decimal_seconds(sample.time))
        .map_err(|error| ApiError::internal(&error))?;
    let value = match sample.value {
        Value::Number(number) => serde_json::json!({ "FloatValue": number }),
        Value::Text(text) => serde_json::json!({ "StringValue": text }),
        Value::Boolean(flag) => serde_json::json!({ "BoolValue": flag }),
        Value::Data(data) => serde_json::json!({ "DataValue": URL_SAFE_NO_PAD.encode(data) }),
    };
    let mut view = Map::new();
    view.insert("channel".to_owned(), key.channel.to_string().into());
    if !key.subtopic.is_empty() {
        view.insert("subtopic".to_owned(), key.subtopic.into());
    }
    view.insert("publisher".to_owned(), key.thing.to_string().into());
    view.insert("protocol".to_owned(), protocol.into());
    view.insert("name".to_owned(), key.name.into());
    if !unit.is_empty() {
        view.insert("unit".to_owned(), unit.into());
    }
    view.insert("Value".to_owned(), value);
    view.insert("time".to_owned(), time);
    if let Some(update_time) = sample.update_time {
        view.insert("updateTime".to_owned(), update_time.into());
    }
    if let Some(sum) = sample.sum {
        view.insert("valueSum".to_owned(), serde_json::json!({ "value": sum }));
    }
    Ok(view.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_written_with_the_decimals_they_need() {
        for (nanoseconds, text) in [
            (0, "0"),
            (1_500_000_000, "1.5"),
            (1_700_000_000_123_456_789, "1700000000.123456789"),
            (-1, "-0.000000001"),
            (-2_000_000_000, "-2"),
        ] {
            assert_eq!(decimal_seconds(Timestamp(nanoseconds)), text);
            assert_eq!(
                super::super::query::exact_seconds(text),
                Some(Timestamp(nanoseconds))
            );
        }
        assert!(RawValue::from_string(decimal_seconds(Timestamp::MIN)).is_ok());
    }
}
