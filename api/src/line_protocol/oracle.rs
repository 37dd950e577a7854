//! Line protocol read the slow and plain way, character by character into owned texts: what the walk is tested against.

use tellee_actors::time::Timestamp;

use super::{FieldValue, LineLimits, Point, Precision, series_name};

/// The points of `body`, or the number of the line that is wrong.
pub fn points(
    body: &[u8],
    precision: Precision,
    now: Timestamp,
    limits: &LineLimits,
) -> Result<Vec<Point>, u32> {
    let mut all = Vec::new();
    let mut line = 1;
    for statement in statements(body) {
        let text = statement.strip_suffix(b"\r").unwrap_or(&statement);
        let text: Vec<u8> = text
            .iter()
            .copied()
            .skip_while(|byte| *byte == b' ')
            .collect();
        if !text.is_empty() && !text.starts_with(b"#") {
            let wrong = |inside: u32| line + inside;
            let found = statement_points(&text, precision, now, limits).map_err(wrong)?;
            all.extend(found);
            if all.len() > limits.max_samples {
                return Err(line);
            }
        }
        line += 1 + statement.iter().filter(|byte| **byte == b'\n').count() as u32;
    }
    Ok(all)
}

/// The body cut at line feeds that stand in no quoted value.
fn statements(body: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    let mut place = Place::Start;
    let mut before = 0;
    let mut bytes = body.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\n' && place != Place::Text {
            all.push(Vec::new());
            place = Place::Start;
            before = 0;
            continue;
        }
        all.last_mut().unwrap().push(byte);
        let escaped = before == b'\\';
        place = match place {
            Place::Start if byte == b' ' => Place::Start,
            Place::Start if byte == b'#' => Place::Comment,
            Place::Start | Place::Head if byte == b' ' && !escaped => Place::Key,
            Place::Start | Place::Head => Place::Head,
            Place::Key if byte == b'=' && !escaped => Place::Value,
            Place::Value if byte == b'"' => Place::Text,
            Place::Value | Place::After if byte == b',' => Place::Key,
            Place::Value | Place::After => Place::After,
            Place::Text if byte == b'"' => Place::After,
            Place::Text if byte == b'\\' && matches!(bytes.peek(), Some(b'"' | b'\\')) => {
                all.last_mut().unwrap().push(bytes.next().unwrap());
                Place::Text
            }
            other => other,
        };
        before = byte;
    }
    all
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Start,
    Comment,
    Head,
    Key,
    Value,
    Text,
    After,
}

/// Err: how many lines below its first the fault lies.
fn statement_points(
    text: &[u8],
    precision: Precision,
    now: Timestamp,
    limits: &LineLimits,
) -> Result<Vec<Point>, u32> {
    let fields_at = unescaped(text, b" ").ok_or(0_u32)?;
    let head = &text[..fields_at];
    let mut rest = trim(&text[fields_at..]);
    let mut points = Vec::new();
    let mut below = 0;
    let time = loop {
        let equals = unescaped(rest, b"=, ").ok_or(below)?;
        let key = &rest[..equals];
        if rest[equals] != b'=' || key.is_empty() {
            return Err(below);
        }
        let series = series_name(head, key, limits).map_err(|_| below)?;
        let (value, after) = value(&rest[equals + 1..], limits).ok_or(below)?;
        below += rest[..rest.len() - after.len()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count() as u32;
        points.push(Point {
            series,
            time: now,
            value,
        });
        if points.len() > limits.max_fields {
            return Err(below);
        }
        match after.first() {
            None => break now,
            Some(b',') => rest = &after[1..],
            Some(b' ') => {
                let stamp = String::from_utf8(trim(after).to_vec()).map_err(|_| below)?;
                let stamp = stamp.trim_end_matches(' ');
                if stamp.is_empty() {
                    break now;
                }
                let digits = stamp.strip_prefix('-').unwrap_or(stamp);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(below);
                }
                let count: i128 = stamp.parse().map_err(|_| below)?;
                let time = count
                    .checked_mul(i128::from(precision.nanoseconds()))
                    .ok_or(below)?;
                let time = i64::try_from(time).map_err(|_| below)?;
                if time == i64::MAX {
                    return Err(below);
                }
                break Timestamp(time);
            }
            Some(_) => return Err(below),
        }
    };
    if text.len() > limits.max_line_bytes {
        return Err(below);
    }
    for point in &mut points {
        point.time = time;
    }
    Ok(points)
}

fn trim(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| **byte == b' ').count();
    &text[spaces..]
}

/// Where the first of `ends` stands that no backslash stands before.
fn unescaped(text: &[u8], ends: &[u8]) -> Option<usize> {
    (0..text.len()).find(|at| ends.contains(&text[*at]) && (*at == 0 || text[at - 1] != b'\\'))
}

fn value<'a>(text: &'a [u8], limits: &LineLimits) -> Option<(FieldValue<'static>, &'a [u8])> {
    if let Some(inside) = text.strip_prefix(b"\"") {
        let mut plain = Vec::new();
        let mut at = 0;
        loop {
            if at > limits.max_text_bytes {
                return None;
            }
            match (inside.get(at)?, inside.get(at + 1)) {
                (b'"', _) => break,
                (b'\\', Some(next @ (b'"' | b'\\'))) => {
                    plain.push(*next);
                    at += 2;
                }
                (byte, _) => {
                    plain.push(*byte);
                    at += 1;
                }
            }
        }
        let plain = String::from_utf8(plain).ok()?;
        return Some((FieldValue::Text(plain.into()), &inside[at + 1..]));
    }
    let end = text
        .iter()
        .position(|byte| matches!(byte, b',' | b' '))
        .unwrap_or(text.len());
    let (token, after) = text.split_at(end);
    let token = std::str::from_utf8(token).ok()?;
    Some((plain_value(token)?, after))
}

fn plain_value(token: &str) -> Option<FieldValue<'static>> {
    match token {
        "t" | "T" | "true" | "True" | "TRUE" => return Some(FieldValue::Boolean(true)),
        "f" | "F" | "false" | "False" | "FALSE" => return Some(FieldValue::Boolean(false)),
        _ => {}
    }
    let all_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(whole) = token.strip_suffix('i') {
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        return all_digits(digits)
            .then(|| whole.parse::<i64>().ok())
            .flatten()
            .map(|n| FieldValue::Number(n as f64));
    }
    if let Some(whole) = token.strip_suffix('u') {
        return all_digits(whole)
            .then(|| whole.parse::<u64>().ok())
            .flatten()
            .map(|n| FieldValue::Number(n as f64));
    }
    let plain = token.strip_prefix('-').unwrap_or(token);
    if !plain.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let number: f64 = token.parse().ok()?;
    number.is_finite().then_some(FieldValue::Number(number))
}
