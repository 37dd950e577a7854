//! Lost records, as the platform is told of them.

use tellee_senml::{Record, Value, encode_json};

use crate::spool::{ContentType, Destination, Gap, SpoolMessage};

/// For the control channel.
pub(super) fn gap_message(gap: &Gap) -> Option<SpoolMessage> {
    let record = |name: &str, value| Record {
        name: name.to_owned(),
        unit: None,
        time: Some(gap.at_ns),
        value: Some(value),
        sum: None,
        update_time: None,
    };
    let reason = serde_json::to_value(gap.reason).ok()?;
    let records = [
        record("edge/gap_records", Value::Number(gap.records as f64)),
        record("edge/gap_reason", Value::Text(reason.as_str()?.to_owned())),
    ];
    Some(SpoolMessage {
        destination: Destination::Control,
        subtopic: String::new(),
        content_type: ContentType::SenmlJson,
        newest_ns: gap.at_ns,
        body: encode_json(&records).ok()?,
    })
}
