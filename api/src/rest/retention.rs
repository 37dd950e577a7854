//! The retention class of a channel as REST words it.

use tellee_actors::domain::channel::RetentionClass;

use crate::error::ApiError;

const WORDS: [(&str, RetentionClass); 5] = [
    ("days_7", RetentionClass::Days7),
    ("days_30", RetentionClass::Days30),
    ("year_1", RetentionClass::Year1),
    ("years_5", RetentionClass::Years5),
    ("forever", RetentionClass::Forever),
];

/// The class called `word`, which came as `field`.
pub fn class_of(word: &str, field: &str) -> Result<RetentionClass, ApiError> {
    let found = WORDS.iter().find(|(known, _)| *known == word);
    found.map(|(_, class)| *class).ok_or_else(|| {
        let known = WORDS.map(|(known, _)| format!("`{known}`")).join(", ");
        ApiError::invalid(field, format!("must be one of {known}"))
    })
}

/// `None` for the class of channels that name none.
pub fn word_of(class: RetentionClass) -> Option<&'static str> {
    if class == RetentionClass::default() {
        return None;
    }
    let found = WORDS.iter().find(|(_, known)| *known == class);
    found.map(|(word, _)| *word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_is_found_by_its_word() {
        for (word, class) in WORDS {
            assert_eq!(class_of(word, "retention").ok(), Some(class));
            let shown = word_of(class).unwrap_or("year_1");
            assert_eq!(shown, word);
        }
    }

    #[test]
    fn an_unknown_word_is_refused_by_the_name_of_its_field() {
        let refused = class_of("10y", "[3].retention").unwrap_err();
        assert!(refused.to_string().contains("[3].retention"), "{refused}");
    }
}
