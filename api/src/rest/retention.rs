//! The retention of a channel as REST words it.

use tellee_actors::domain::channel::{RetentionClass, RollupRetention};

use crate::error::ApiError;

const WORDS: [(&str, RetentionClass); 5] = [
    ("days_7", RetentionClass::Days7),
    ("days_30", RetentionClass::Days30),
    ("year_1", RetentionClass::Year1),
    ("years_5", RetentionClass::Years5),
    ("forever", RetentionClass::Forever),
];

const ROLLUP_WORDS: [(&str, RollupRetention); 6] = [
    ("as_configured", RollupRetention::AsConfigured),
    ("as_samples", RollupRetention::AsSamples),
    ("days_30", RollupRetention::Days30),
    ("year_1", RollupRetention::Year1),
    ("years_5", RollupRetention::Years5),
    ("forever", RollupRetention::Forever),
];

/// What `word`, which came as `field`, says among `words`.
fn find<T: Copy>(words: &[(&str, T)], word: &str, field: &str) -> Result<T, ApiError> {
    let found = words.iter().find(|(known, _)| *known == word);
    found.map(|(_, class)| *class).ok_or_else(|| {
        let known = words.iter().map(|(known, _)| format!("`{known}`"));
        let known = known.collect::<Vec<_>>().join(", ");
        ApiError::invalid(field, format!("must be one of {known}"))
    })
}

/// The class called `word`, which came as `field`.
pub fn class_of(word: &str, field: &str) -> Result<RetentionClass, ApiError> {
    find(&WORDS, word, field)
}

/// How long rollups are kept where `word`, which came as `field`, says it.
pub fn rollups_of(word: &str, field: &str) -> Result<RollupRetention, ApiError> {
    find(&ROLLUP_WORDS, word, field)
}

/// `None` for what channels have that name nothing.
pub fn rollup_word_of(kept: RollupRetention) -> Option<&'static str> {
    if kept.is_default() {
        return None;
    }
    let found = ROLLUP_WORDS.iter().find(|(_, known)| *known == kept);
    found.map(|(word, _)| *word)
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
    fn each_age_of_rollups_is_found_by_its_word() {
        for (word, kept) in ROLLUP_WORDS {
            assert_eq!(rollups_of(word, "rollup_retention").ok(), Some(kept));
            let shown = rollup_word_of(kept).unwrap_or("as_configured");
            assert_eq!(shown, word);
        }
        assert!(rollups_of("days_7", "rollup_retention").is_err());
    }

    #[test]
    fn an_unknown_word_is_refused_by_the_name_of_its_field() {
        let refused = class_of("10y", "[3].retention").unwrap_err();
        assert!(refused.to_string().contains("[3].retention"), "{refused}");
    }
}
