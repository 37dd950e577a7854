//! What a reader asks for.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tellee_actors::ids::ChannelId;
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::{MessageQuery, TimeRange, ValueFilter};

use crate::error::ApiError;
use crate::rest::paging::Query;

/// Messages of one page, at most.
const LARGEST_LIMIT: u32 = 1_000;

pub fn message_query(channel: ChannelId, query: &Query) -> Result<MessageQuery, ApiError> {
    let (offset, limit) = query.window(LARGEST_LIMIT)?;
    match query.get("format") {
        None | Some("" | "messages") => {}
        Some(other) => {
            return Err(ApiError::invalid(
                "format",
                format!("there is no format `{other}`"),
            ));
        }
    }
    let publisher = match query.text("publisher") {
        Some(text) => Some(
            text.parse()
                .map_err(|_| ApiError::invalid("publisher", "is not the id of a thing"))?,
        ),
        None => None,
    };
    Ok(MessageQuery {
        channel,
        range: TimeRange {
            from: seconds(query, "from")?.unwrap_or(Timestamp::MIN),
            to: seconds(query, "to")?.unwrap_or(Timestamp::MAX),
        },
        subtopic: query.text("subtopic").map(|text| text.replace('/', ".")),
        publisher,
        protocol: query.text("protocol"),
        name: query.text("name"),
        value: value_filter(query)?,
        offset,
        limit,
    })
}

/// A time in decimal seconds, read exactly.
fn seconds(query: &Query, name: &'static str) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = query.text(name) else {
        return Ok(None);
    };
    let wrong = || ApiError::invalid(name, format!("`{text}` is no time in seconds since 1970"));
    if let Some(time) = exact_seconds(&text) {
        return Ok(Some(time));
    }
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    let nanoseconds = seconds * 1e9;
    if !nanoseconds.is_finite() || nanoseconds.abs() >= i64::MAX as f64 {
        return Err(wrong());
    }
    Ok(Some(Timestamp(nanoseconds as i64)))
}

/// `1700000000.123` without going through a float; `None` for what is written otherwise.
pub fn exact_seconds(text: &str) -> Option<Timestamp> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() > 9 || !all_digits(whole) || !all_digits(decimals) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanoseconds: i64 = format!("{decimals:0<9}").parse().ok()?;
    let total = seconds
        .checked_mul(1_000_000_000)?
        .checked_add(nanoseconds)?;
    Some(Timestamp(sign * total))
}

fn value_filter(query: &Query) -> Result<Option<ValueFilter>, ApiError> {
    if let Some(number) = query.parsed::<f64>("v", "a number")? {
        if !number.is_finite() {
            return Err(ApiError::invalid("v", "is not a finite number"));
        }
        let filter = match query.get("comparator") {
            None | Some("" | "eq") => ValueFilter::Equal(number),
            Some("lt") => ValueFilter::Less(number),
            Some("le") => ValueFilter::LessOrEqual(number),
            Some("gt") => ValueFilter::Greater(number),
            Some("ge") => ValueFilter::GreaterOrEqual(number),
            Some(other) => {
                return Err(ApiError::invalid(
                    "comparator",
                    format!("`{other}` is not eq, lt, le, gt or ge"),
                ));
            }
        };
        return Ok(Some(filter));
    }
    if let Some(text) = query.text("vs") {
        return Ok(Some(ValueFilter::Text(text)));
    }
    if let Some(flag) = query.flag("vb")? {
        return Ok(Some(ValueFilter::Boolean(flag)));
    }
    match query.text("vd") {
        // As the reader shows bytes, or as SenML carries them.
        Some(text) => STANDARD
            .decode(&text)
            .or_else(|_| URL_SAFE_NO_PAD.decode(&text))
            .map(|data| Some(ValueFilter::Data(data)))
            .map_err(|_| ApiError::invalid("vd", "is not base64")),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;

    use super::*;

    #[test]
    fn a_quote_in_a_filter_is_only_a_character() {
        let uri: Uri = "/channels/x/messages?name=x'%20OR%20channel='y"
            .parse()
            .unwrap();
        let query = message_query(ChannelId::generate(), &Query::of(&uri)).unwrap();
        assert_eq!(query.name.as_deref(), Some("x' OR channel='y"));
    }

    #[test]
    fn filters_that_make_no_sense_name_themselves() {
        for (uri, field) in [
            ("/m?v=abc", "v"),
            ("/m?v=NaN", "v"),
            ("/m?v=1&comparator=near", "comparator"),
            ("/m?vb=maybe", "vb"),
            ("/m?vd=***", "vd"),
            ("/m?from=yesterday", "from"),
            ("/m?to=1e300", "to"),
            ("/m?publisher=x", "publisher"),
            ("/m?limit=1001", "limit"),
            ("/m?format=xml", "format"),
        ] {
            let query = Query::of(&uri.parse::<Uri>().unwrap());
            let error = message_query(ChannelId::generate(), &query).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{uri}");
        }
    }
}
