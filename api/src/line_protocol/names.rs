//! From a measurement, tags and a field to a name and a subtopic, and what is escaped on the way.
//!
//! Both ways of escaping can be undone: no two lines of different measurement, tags or field become one series.

use std::borrow::Cow;
use std::fmt::Write as _;

use tellee_senml::check_name;

use super::error::{LineFault, LineLimits};
use crate::ingest::{SubtopicError, subtopic};

/// Bytes of a name or a subtopic.
const MAX_NAME_BYTES: usize = subtopic::MAX_SUBTOPIC_BYTES;
/// Begins a name that would otherwise not begin with a letter or digit.
const NAME_START: &str = "0::";

/// Where the samples of one field of lines with one measurement and one set of tags go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeriesName {
    /// Elements `key=value`, sorted by key, joined by `.`; empty without tags.
    pub subtopic: String,
    /// `<measurement>/<field>`
    pub name: String,
}

/// The series of `field` in lines that begin with `head` (`measurement[,tag=value…]`), both as written.
///
/// # Errors
/// [`LineFault`], if the head or the field is malformed or beyond the limits.
pub fn series_name(
    head: &[u8],
    field: &[u8],
    limits: &LineLimits,
) -> Result<SeriesName, LineFault> {
    let head = text(head)?;
    let (measurement, mut rest) = part(head, &[',']);
    if measurement.is_empty() {
        return Err(LineFault::NoMeasurement);
    }
    let mut tags = Vec::new();
    while let Some(after_comma) = rest.strip_prefix(',') {
        let (key, after_key) = part(after_comma, &['=', ',']);
        if key.is_empty() {
            return Err(LineFault::NoTagKey);
        }
        let key = unescaped(key, TAG_SPECIAL, limits)?;
        let Some(value) = after_key.strip_prefix('=') else {
            return Err(LineFault::NoTagValue(key.into_owned()));
        };
        let (value, after_value) = part(value, &[',', '=']);
        if value.is_empty() || after_value.starts_with('=') {
            return Err(LineFault::NoTagValue(key.into_owned()));
        }
        tags.push((key, unescaped(value, TAG_SPECIAL, limits)?));
        rest = after_value;
        if tags.len() > limits.max_tags {
            return Err(LineFault::TooManyTags {
                limit: limits.max_tags,
            });
        }
    }
    tags.sort_unstable();
    if let Some(pair) = tags.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(LineFault::DuplicateTag(pair[0].0.clone().into_owned()));
    }
    let field = text(field)?;
    if field.is_empty() {
        return Err(LineFault::NoFieldKey);
    }
    Ok(SeriesName {
        subtopic: subtopic_of(&tags)?,
        name: name_of(
            &unescaped(measurement, MEASUREMENT_SPECIAL, limits)?,
            &unescaped(field, TAG_SPECIAL, limits)?,
        )?,
    })
}

/// What a backslash may stand before.
const MEASUREMENT_SPECIAL: &[char] = &[',', ' '];
const TAG_SPECIAL: &[char] = &[',', '=', ' '];

fn text(bytes: &[u8]) -> Result<&str, LineFault> {
    std::str::from_utf8(bytes).map_err(|_| LineFault::KeyEncoding)
}

/// `text` up to the first of `ends` that no backslash stands before, and the rest from there.
fn part<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        if !escaped && ends.contains(&character) {
            return text.split_at(at);
        }
        escaped = character == '\\';
    }
    (text, "")
}

/// A backslash before one of `special` is dropped; any other stands for itself.
fn unescaped<'a>(
    written: &'a str,
    special: &[char],
    limits: &LineLimits,
) -> Result<Cow<'a, str>, LineFault> {
    if written.len() > limits.max_key_bytes {
        return Err(LineFault::KeyTooLong {
            limit: limits.max_key_bytes,
        });
    }
    if written.chars().any(char::is_control) {
        return Err(LineFault::ControlCharacter);
    }
    if !written.contains('\\') {
        return Ok(Cow::Borrowed(written));
    }
    let mut plain = String::with_capacity(written.len());
    let mut characters = written.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().filter(|next| special.contains(next));
        match next {
            Some(next) if character == '\\' => {
                plain.push(*next);
                characters.next();
            }
            _ => plain.push(character),
        }
    }
    Ok(Cow::Owned(plain))
}

/// `k=v.k=v`. What a subtopic cannot hold, `%`, and `=` in a key are written as `%XX`, byte by byte.
fn subtopic_of(tags: &[(Cow<'_, str>, Cow<'_, str>)]) -> Result<String, LineFault> {
    let mut subtopic = String::new();
    for (key, value) in tags {
        if !subtopic.is_empty() {
            subtopic.push('.');
        }
        escape_tag(&mut subtopic, key, true);
        subtopic.push('=');
        escape_tag(&mut subtopic, value, false);
    }
    if subtopic.len() > subtopic::MAX_SUBTOPIC_BYTES {
        return Err(LineFault::Subtopic(SubtopicError::TooLong {
            size: subtopic.len(),
            limit: subtopic::MAX_SUBTOPIC_BYTES,
        }));
    }
    if tags.len() > subtopic::MAX_SUBTOPIC_ELEMENTS {
        return Err(LineFault::Subtopic(SubtopicError::TooDeep {
            count: tags.len(),
            limit: subtopic::MAX_SUBTOPIC_ELEMENTS,
        }));
    }
    Ok(subtopic)
}

fn escape_tag(into: &mut String, text: &str, is_key: bool) {
    for character in text.chars() {
        match character {
            '%' | '/' | '.' | '+' | '#' | '*' | '>' => escape(into, '%', character),
            '=' if is_key => escape(into, '%', character),
            _ => into.push(character),
        }
    }
}

fn escape(into: &mut String, mark: char, character: char) {
    let mut bytes = [0; 4];
    for byte in character.encode_utf8(&mut bytes).bytes() {
        into.push(mark);
        // Writing to a string cannot fail.
        let _ = write!(into, "{byte:02X}");
    }
}

/// `measurement/field` in the characters that SenML has for names (RFC 8428 §4.5.1); others are written as `:XX`, byte
/// by byte, and so are `:` itself and, in a measurement, `/`.
fn name_of(measurement: &str, field: &str) -> Result<String, LineFault> {
    let mut name = String::with_capacity(measurement.len() + field.len() + 1);
    escape_name(&mut name, measurement, true);
    name.push('/');
    escape_name(&mut name, field, false);
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        name.insert_str(0, NAME_START);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(LineFault::NameTooLong {
            limit: MAX_NAME_BYTES,
        });
    }
    debug_assert!(check_name(&name).is_ok(), "`{name}` is no SenML name");
    Ok(name)
}

fn escape_name(into: &mut String, text: &str, is_measurement: bool) {
    for character in text.chars() {
        let plain = character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_');
        if plain || (character == '/' && !is_measurement) {
            into.push(character);
        } else {
            escape(into, ':', character);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn of(head: &str, field: &str) -> Result<(String, String), LineFault> {
        let found = series_name(head.as_bytes(), field.as_bytes(), &LineLimits::default())?;
        Ok((found.subtopic, found.name))
    }

    fn pair(subtopic: &str, name: &str) -> Result<(String, String), LineFault> {
        Ok((subtopic.to_owned(), name.to_owned()))
    }

    #[test]
    fn tags_are_sorted_and_names_joined() {
        assert_eq!(of("cpu", "user"), pair("", "cpu/user"));
        assert_eq!(
            of("cpu,host=a,core=0", "user"),
            pair("core=0.host=a", "cpu/user")
        );
    }

    #[test]
    fn escapes_are_undone_before_ours_are_made() {
        assert_eq!(
            of(r"win\ cpu,path=C:\\x\,\ y\=z,v=1.5", r"% used"),
            pair(r"path=C:\\x, y=z.v=1%2E5", "win:20cpu/:25:20used")
        );
        assert_eq!(of(r"a,k\=ey=v", "f"), pair("k%3Dey=v", "a/f"));
        assert_eq!(of(r"a\b", r"c\d"), pair("", "a:5Cb/c:5Cd"));
        assert_eq!(of("a/b", "c/d"), pair("", "a:2Fb/c/d"));
        assert_eq!(of("_a", "b"), pair("", "0::_a/b"));
        assert_eq!(
            of("насос", "t"),
            pair("", "0:::D0:BD:D0:B0:D1:81:D0:BE:D1:81/t")
        );
        assert_eq!(of("a,цех=литьё", "t"), pair("цех=литьё", "a/t"));
    }

    #[test]
    fn what_is_missing_or_doubled_is_named() {
        assert_eq!(of("", "f"), Err(LineFault::NoMeasurement));
        assert_eq!(of(",a=b", "f"), Err(LineFault::NoMeasurement));
        assert_eq!(of("m,", "f"), Err(LineFault::NoTagKey));
        assert_eq!(of("m,=b", "f"), Err(LineFault::NoTagKey));
        assert_eq!(of("m,a", "f"), Err(LineFault::NoTagValue("a".to_owned())));
        assert_eq!(of("m,a=", "f"), Err(LineFault::NoTagValue("a".to_owned())));
        assert_eq!(
            of("m,a=,b=c", "f"),
            Err(LineFault::NoTagValue("a".to_owned()))
        );
        assert_eq!(
            of("m,a=b=c", "f"),
            Err(LineFault::NoTagValue("a".to_owned()))
        );
        assert_eq!(
            of("m,a=1,b=2,a=3", "f"),
            Err(LineFault::DuplicateTag("a".to_owned()))
        );
        assert_eq!(of("m", ""), Err(LineFault::NoFieldKey));
        assert_eq!(of("m\u{7}", "f"), Err(LineFault::ControlCharacter));
    }

    #[test]
    fn sizes_are_bounded() {
        let many: String = (0..33).map(|n| format!(",t{n}=1")).collect();
        assert_eq!(
            of(&format!("m{many}"), "f"),
            Err(LineFault::TooManyTags { limit: 32 })
        );
        let long = "x".repeat(1_025);
        assert_eq!(of(&long, "f"), Err(LineFault::KeyTooLong { limit: 1_024 }));
        let half = "x".repeat(600);
        assert_eq!(
            of(&half, &half),
            Err(LineFault::NameTooLong { limit: 1_024 })
        );
        assert!(matches!(
            of(&format!("m,a={half},b={half}"), "f"),
            Err(LineFault::Subtopic(SubtopicError::TooLong { .. }))
        ));
    }

    /// A tag's key or value, a measurement, a field key: with all that might be taken for something else.
    fn word() -> impl Strategy<Value = String> {
        "[a:/.%_=0 \u{e9}-]{1,3}"
    }

    fn written(word: &str) -> String {
        word.replace(',', "\\,")
            .replace('=', "\\=")
            .replace(' ', "\\ ")
    }

    proptest! {
        #[test]
        fn every_name_is_one_that_senml_and_topics_take(measurement in word(), key in word(), value in word(), field in word()) {
            let head = format!("{},{}={}", measurement.replace(' ', "\\ "), written(&key), written(&value));
            let found = series_name(head.as_bytes(), written(&field).as_bytes(), &LineLimits::default()).unwrap();
            prop_assert!(check_name(&found.name).is_ok(), "{}", found.name);
            prop_assert_eq!(subtopic::normalise(&found.subtopic).unwrap(), found.subtopic);
        }

        #[test]
        fn different_words_never_become_one_series(words in prop::collection::vec((word(), word(), word(), word()), 2..20)) {
            let mut seen = HashMap::new();
            for (measurement, key, value, field) in words {
                let head = format!("{},{}={}", measurement.replace(' ', "\\ "), written(&key), written(&value));
                let found = series_name(head.as_bytes(), written(&field).as_bytes(), &LineLimits::default()).unwrap();
                let words = (measurement, key, value, field);
                let before = seen.insert(found, words.clone());
                prop_assert!(before.is_none_or(|before| before == words));
            }
        }
    }
}
