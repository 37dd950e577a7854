//! `tellee config show`: the whole effective configuration, each key with its meaning.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::keys::meaning;
use super::{Config, ConfigError};

/// TOML text that `--config` reads back to the same configuration. Secrets are left out.
pub fn show(config: &Config) -> Result<String, ConfigError> {
    let tree = Table::try_from(config).map_err(|error| ConfigError::Invalid {
        key: "(config)".to_owned(),
        reason: error.to_string(),
    })?;
    let mut text = String::new();
    section(&mut text, &tree, "");
    Ok(text)
}

fn section(text: &mut String, table: &Table, prefix: &str) {
    let path = |name: &str| {
        if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}.{name}")
        }
    };
    for (name, value) in table.iter().filter(|(_, value)| !value.is_table()) {
        let key = path(name);
        if let Some(meaning) = meaning(&key) {
            let _ = writeln!(text, "# {meaning}");
        }
        let hidden =
            key == "cluster.secret" && value.as_str().is_some_and(|secret| !secret.is_empty());
        if hidden {
            let _ = writeln!(text, "# {name} is set and not shown");
        } else {
            let _ = writeln!(text, "{name} = {value}");
        }
    }
    for (name, value) in table {
        let Value::Table(inner) = value else { continue };
        let key = path(name);
        let _ = writeln!(text, "\n[{key}]");
        section(text, inner, &key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::KEYS;
    use crate::config::layers::{defaults, find};

    #[test]
    fn what_is_shown_reads_back_to_the_same_configuration() {
        let config = Config::default();
        let tree: Table = show(&config).unwrap().parse().unwrap();
        let back: Config = Value::Table(tree).try_into().unwrap();
        assert_eq!(back, config);
    }

    #[test]
    fn every_key_has_a_meaning_and_every_meaning_a_key() {
        fn leaves(table: &Table, prefix: &str, into: &mut Vec<String>) {
            for (name, value) in table {
                let key = if prefix.is_empty() {
                    name.clone()
                } else {
                    format!("{prefix}.{name}")
                };
                match value {
                    Value::Table(inner) => leaves(inner, &key, into),
                    _ => into.push(key),
                }
            }
        }
        let tree = defaults().unwrap();
        let mut keys = Vec::new();
        leaves(&tree, "", &mut keys);
        for key in &keys {
            assert!(meaning(key).is_some(), "`{key}` has no meaning");
        }
        for key in KEYS {
            assert!(find(&tree, key.path).is_some(), "`{}` is no key", key.path);
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let mut config = Config::default();
        config.cluster.secret = "correct horse".to_owned();
        assert!(!show(&config).unwrap().contains("correct horse"));
    }

    #[test]
    fn the_reference_in_the_docs_names_only_keys_that_are() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
        let text = std::fs::read_to_string(page).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        let named: Vec<&str> = cells
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .filter(|name| {
                KEYS.iter()
                    .any(|key| key.path.split('.').next() == name.split('.').next())
            })
            .collect();
        assert!(named.len() > 10, "the table is not found: {named:?}");
        for name in named {
            assert!(meaning(name).is_some(), "`{name}` is no key");
        }
    }
}
