//! RFC 3339 times to nanoseconds.

/// Reads `2024-02-29T12:34:56.789Z`, also with an offset, with a space for the `T`, and without an offset (then UTC).
/// `None` if it is no such time or lies outside the years 1677 to 2262. A leap second counts as the second after it.
pub fn nanoseconds_from_rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 19 || !text.is_ascii() {
        return None;
    }
    let separators = [(4, b"-"), (7, b"-"), (13, b":"), (16, b":")];
    if separators
        .iter()
        .any(|&(at, expected)| bytes[at] != expected[0])
        || !matches!(bytes[10], b'T' | b't' | b' ')
    {
        return None;
    }
    let (year, month, day) = (
        digits(&text[0..4])?,
        digits(&text[5..7])?,
        digits(&text[8..10])?,
    );
    let (hour, minute, second) = (
        digits(&text[11..13])?,
        digits(&text[14..16])?,
        digits(&text[17..19])?,
    );
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, offset_text) = split_fraction(&text[19..])?;
    let offset = offset_seconds(offset_text)?;
    let days = days_from_civil(year, month, day);
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    let nanoseconds = i128::from(seconds) * 1_000_000_000 + i128::from(fraction);
    i64::try_from(nanoseconds).ok()
}

fn digits(text: &str) -> Option<i64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Nanoseconds of the fraction, digits beyond the ninth cut, and what follows it.
fn split_fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return None;
    }
    let kept = &rest[..count.min(9)];
    let scale = 10_i64.pow(9 - u32::try_from(kept.len()).ok()?);
    Some((digits(kept)? * scale, &rest[count..]))
}

fn offset_seconds(text: &str) -> Option<i64> {
    if text.is_empty() || text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match text.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    if text.len() != 6 || text.as_bytes()[3] != b':' {
        return None;
    }
    let (hours, minutes) = (digits(&text[1..3])?, digits(&text[4..6])?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some(sign * (hours * 3_600 + minutes * 60))
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Years begin in March, so that the leap day is the last.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_have_their_seconds() {
        let cases = [
            ("1970-01-01T00:00:00Z", 0),
            ("2020-03-09 10:14:33", 1_583_748_873_000_000_000),
            ("2024-02-29T12:00:00.5+02:00", 1_709_200_800_500_000_000),
            ("1969-12-31T23:59:59.999999999Z", -1),
            ("2000-03-01T00:00:00z", 951_868_800_000_000_000),
        ];
        for (text, expected) in cases {
            assert_eq!(nanoseconds_from_rfc3339(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:00:00.Z",
            "2023-01-01T00:00:00+2:00",
            "2023-01-01",
            "9999-01-01T00:00:00Z",
            "2023-01-01T00:00:0é",
            "+023-01-01T00:00:00Z",
        ] {
            assert_eq!(nanoseconds_from_rfc3339(text), None, "{text}");
        }
    }
}
