//! Subtopics: the part of a topic after `messages`, in the form that the store keeps.

/// Why a subtopic was refused. The same text is refused again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubtopicError {
    #[error("a subtopic must not hold the wildcard character `{0}`")]
    Wildcard(char),
    #[error("a subtopic must not hold control characters")]
    ControlCharacter,
    #[error("a subtopic of {size} bytes is longer than {limit}")]
    TooLong { size: usize, limit: usize },
    #[error("a subtopic of {count} elements is deeper than {limit}")]
    TooDeep { count: usize, limit: usize },
    #[error("a subtopic's percent encoding must spell UTF-8")]
    Encoding,
}

impl SubtopicError {
    /// Always false.
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// Bytes of a subtopic.
pub const MAX_SUBTOPIC_BYTES: usize = 1024;
/// Elements of a subtopic.
pub const MAX_SUBTOPIC_ELEMENTS: usize = 32;

/// The subtopic as kept: elements joined by `.`, empty ones dropped, so that `a///b`, `/a/b/` and `a.b` are one.
///
/// # Errors
/// [`SubtopicError`] if it holds a wildcard of MQTT or of subjects (`+`, `#`, `*`, `>`), a control character, or more
/// than the limits allow.
pub fn normalise(text: &str) -> Result<String, SubtopicError> {
    if text.len() > MAX_SUBTOPIC_BYTES {
        return Err(SubtopicError::TooLong {
            size: text.len(),
            limit: MAX_SUBTOPIC_BYTES,
        });
    }
    let mut normalised = String::with_capacity(text.len());
    let mut count = 0;
    for element in text.split(['/', '.']).filter(|element| !element.is_empty()) {
        count += 1;
        if !normalised.is_empty() {
            normalised.push('.');
        }
        for character in element.chars() {
            match character {
                '+' | '#' | '*' | '>' => return Err(SubtopicError::Wildcard(character)),
                _ if character.is_control() => return Err(SubtopicError::ControlCharacter),
                _ => normalised.push(character),
            }
        }
    }
    if count > MAX_SUBTOPIC_ELEMENTS {
        return Err(SubtopicError::TooDeep {
            count,
            limit: MAX_SUBTOPIC_ELEMENTS,
        });
    }
    Ok(normalised)
}

/// As [`normalise`], after undoing the percent encoding that Mainflux' clients put into topics and paths.
///
/// # Errors
/// As [`normalise`]; [`SubtopicError::Encoding`] if the decoded bytes are no UTF-8. A `%` that starts no escape stands
/// for itself.
pub fn normalise_encoded(text: &str) -> Result<String, SubtopicError> {
    if !text.contains('%') {
        return normalise(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = (*byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        match escape.and_then(hex_byte) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    let text = String::from_utf8(decoded).map_err(|_| SubtopicError::Encoding)?;
    normalise(&text)
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn empty_elements_are_dropped_and_the_rest_joined() {
        for text in ["a/b", "a///b", "/a/b/", "a.b", ".a/.b."] {
            assert_eq!(normalise(text).unwrap(), "a.b", "{text}");
        }
        assert_eq!(normalise("").unwrap(), "");
        assert_eq!(normalise("///").unwrap(), "");
        assert_eq!(normalise("насос/подшипник").unwrap(), "насос.подшипник");
    }

    #[test]
    fn wildcards_and_control_characters_are_refused() {
        for wildcard in ['+', '#', '*', '>'] {
            assert_eq!(
                normalise(&format!("a/x{wildcard}")),
                Err(SubtopicError::Wildcard(wildcard))
            );
        }
        assert_eq!(normalise("a\u{7}"), Err(SubtopicError::ControlCharacter));
    }

    #[test]
    fn escapes_are_undone_before_the_rules_apply() {
        assert_eq!(normalise_encoded("a%2Fb").unwrap(), "a.b");
        assert_eq!(normalise_encoded("%D0%BD").unwrap(), "н");
        assert_eq!(normalise_encoded("100%").unwrap(), "100%");
        assert_eq!(
            normalise_encoded("%zz%+1").unwrap_err(),
            SubtopicError::Wildcard('+')
        );
        assert_eq!(normalise_encoded("%2a"), Err(SubtopicError::Wildcard('*')));
        assert_eq!(normalise_encoded("%FF"), Err(SubtopicError::Encoding));
    }

    #[test]
    fn size_and_depth_are_bounded() {
        assert!(matches!(
            normalise(&"a".repeat(1025)),
            Err(SubtopicError::TooLong { .. })
        ));
        assert!(matches!(
            normalise(&"a/".repeat(33)),
            Err(SubtopicError::TooDeep { count: 33, .. })
        ));
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in "[a-c/.%2F]{0,40}") {
            let once = normalise(&text).unwrap();
            prop_assert_eq!(normalise(&once).unwrap(), once);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = normalise_encoded(&text);
        }
    }
}
