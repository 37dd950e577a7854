//! What the platform makes of a subtopic, so that one that it refuses or reads otherwise is told before anything is sent.

/// Longer ones are refused by this agent; the platform takes 1024.
const MAX_BYTES: usize = 256;
/// As many as the platform takes.
const MAX_ELEMENTS: usize = 32;

/// The subtopic as the platform keeps it: elements joined by `.`, empty ones dropped. Two that are equal here are one
/// there.
///
/// # Errors
/// What is wrong, as the end of a sentence that begins with the field.
pub(super) fn normalise(subtopic: &str) -> Result<String, String> {
    if subtopic.len() > MAX_BYTES {
        return Err(format!("is longer than {MAX_BYTES} bytes"));
    }
    if subtopic.split('/').any(str::is_empty) {
        return Err("must be elements joined by `/`, none of them empty".into());
    }
    // `?` begins a query in the topics of older platforms, which is cut off.
    if let Some(character) = subtopic.chars().find(|&other| "+#*>?".contains(other)) {
        return Err(format!("must not hold `{character}`"));
    }
    if subtopic.chars().any(char::is_control) {
        return Err("must not hold control characters".into());
    }
    if let Some(escape) = escape(subtopic) {
        return Err(format!(
            "must not hold `{escape}`: the platform reads that as another character"
        ));
    }
    let elements: Vec<&str> = subtopic
        .split(['/', '.'])
        .filter(|element| !element.is_empty())
        .collect();
    if elements.len() > MAX_ELEMENTS {
        return Err(format!("has more than {MAX_ELEMENTS} elements"));
    }
    Ok(elements.join("."))
}

/// The first `%` with two hexadecimal digits behind it.
fn escape(subtopic: &str) -> Option<&str> {
    subtopic.match_indices('%').find_map(|(at, _)| {
        let escape = subtopic.get(at..at + 3)?;
        let is_hexadecimal = escape[1..].bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hexadecimal.then_some(escape)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_platform_takes_for_one_is_one() {
        for text in ["a/b", "a.b", "a/.b.", ".a.b"] {
            assert_eq!(normalise(text).as_deref(), Ok("a.b"), "{text}");
        }
        assert_eq!(normalise(".").as_deref(), Ok(""));
    }

    #[test]
    fn a_percent_sign_is_one_unless_it_begins_an_escape() {
        for text in ["50%", "%", "%4", "%x1", "%%", "100%/a", "%ж"] {
            assert_eq!(normalise(text).as_deref(), Ok(&*text.replace('/', ".")));
        }
        let told = normalise("a%%2Fb").unwrap_err();
        assert!(told.contains("`%2F`"), "{told}");
    }
}
