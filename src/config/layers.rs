//! Lays file, environment and flags over the defaults, and refuses keys that are not known.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Config;
use super::keys::nearest;

/// The flags of `tellee serve` that are keys of the configuration too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    pub file: Option<PathBuf>,
    pub data_dir: Option<PathBuf>,
    pub http: Option<SocketAddr>,
    pub mqtt: Option<SocketAddr>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("config file `{path}` cannot be read: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    #[error("config file `{path}`: {reason}")]
    Malformed { path: PathBuf, reason: String },
    #[error("unknown config key `{key}` in {origin}{}", hint(.nearest))]
    Unknown {
        key: String,
        origin: String,
        nearest: Option<&'static str>,
    },
    #[error("config key `{key}` {reason}")]
    Invalid { key: String, reason: String },
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

const PREFIX: &str = "TELLEE_";
const EDGE: &str = "EDGE_";

/// The effective configuration.
pub fn load(
    flags: &Flags,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut tree = defaults()?;
    if let Some(path) = &flags.file {
        let file = read(path)?;
        overlay(&mut tree, &file, "", &format!("`{}`", path.display()))?;
    }
    for (name, text) in environment {
        let Some(key) = key_of_variable(&name) else {
            continue;
        };
        set(&mut tree, &key, &text, &name)?;
    }
    if let Some(address) = &flags.http {
        set(&mut tree, "http.listen", &address.to_string(), "--http")?;
    }
    if let Some(address) = &flags.mqtt {
        set(&mut tree, "mqtt.listen", &address.to_string(), "--mqtt")?;
    }
    let mut config = typed(&tree)?;
    if let Some(folder) = &flags.data_dir {
        // Not by way of the tree: a path need not be UTF-8.
        config.data_dir.clone_from(folder);
    }
    config.validate()?;
    Ok(config)
}

/// Those of the variables that name a key. Others are not ours and need not be UTF-8.
pub fn variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut ours = Vec::new();
    for (name, value) in environment {
        let Ok(name) = name.into_string() else {
            continue;
        };
        let Some(key) = key_of_variable(&name) else {
            continue;
        };
        let Ok(value) = value.into_string() else {
            return Err(ConfigError::Invalid {
                key,
                reason: format!("is not UTF-8 in `{name}`"),
            });
        };
        ours.push((name, value));
    }
    Ok(ours)
}

/// `TELLEE_IDENTITY__SELF_REGISTRATION` is `identity.self_registration`. Names without `__` belong to other uses,
/// but for `TELLEE_DATA_DIR`; those of the edge agent are its own.
fn key_of_variable(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    if rest.starts_with(EDGE) {
        return None;
    }
    if rest == "DATA_DIR" {
        return Some("data_dir".to_owned());
    }
    rest.contains("__")
        .then(|| rest.to_lowercase().replace("__", "."))
}

pub(super) fn defaults() -> Result<Table, ConfigError> {
    Table::try_from(Config::default()).map_err(|error| ConfigError::Invalid {
        key: "(default)".to_owned(),
        reason: error.to_string(),
    })
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    text.parse::<Table>()
        .map_err(|error| ConfigError::Malformed {
            path: path.to_owned(),
            reason: error.to_string().trim_end().replace('\n', " "),
        })
}

fn overlay(base: &mut Table, over: &Table, prefix: &str, origin: &str) -> Result<(), ConfigError> {
    for (name, value) in over {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match (base.get_mut(name), value) {
            (None, _) => {
                return Err(ConfigError::Unknown {
                    nearest: nearest(&key),
                    key,
                    origin: origin.to_owned(),
                });
            }
            (Some(Value::Table(inner)), Value::Table(over)) => overlay(inner, over, &key, origin)?,
            (Some(Value::Table(_)), _) => {
                return Err(ConfigError::Invalid {
                    key,
                    reason: "is a section, not a value".to_owned(),
                });
            }
            (Some(slot), value) => *slot = value.clone(),
        }
    }
    Ok(())
}

/// Sets one key from text; the type of the default says how to read it.
fn set(tree: &mut Table, key: &str, text: &str, origin: &str) -> Result<(), ConfigError> {
    let unknown = || ConfigError::Unknown {
        key: key.to_owned(),
        origin: origin.to_owned(),
        nearest: nearest(key),
    };
    let mut parts = key.split('.').peekable();
    let mut table = tree;
    while let Some(part) = parts.next() {
        let slot = table.get_mut(part).ok_or_else(unknown)?;
        if parts.peek().is_none() {
            *slot = read_as(slot, text).map_err(|reason| ConfigError::Invalid {
                key: key.to_owned(),
                reason,
            })?;
            return Ok(());
        }
        let Value::Table(inner) = slot else {
            return Err(unknown());
        };
        table = inner;
    }
    Err(unknown())
}

fn read_as(like: &Value, text: &str) -> Result<Value, String> {
    match like {
        Value::Boolean(_) => text
            .parse()
            .map(Value::Boolean)
            .map_err(|_| format!("`{text}` is not true or false")),
        Value::Integer(_) => text
            .parse()
            .map(Value::Integer)
            .map_err(|_| format!("`{text}` is no whole number")),
        Value::Array(_) => {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            Ok(Value::Array(
                items.map(|item| Value::String(item.to_owned())).collect(),
            ))
        }
        Value::Table(_) => Err("is a section, not a value".to_owned()),
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// The tree as a [`Config`]; an error names the first key that is wrong.
fn typed(tree: &Table) -> Result<Config, ConfigError> {
    Config::deserialize_tree(tree)
        .map_err(|error| first_wrong(tree).unwrap_or_else(|| wrong("(config)".to_owned(), &error)))
}

impl Config {
    fn deserialize_tree(tree: &Table) -> Result<Self, toml::de::Error> {
        Value::Table(tree.clone()).try_into()
    }
}

fn wrong(key: String, error: &toml::de::Error) -> ConfigError {
    ConfigError::Invalid {
        key,
        reason: format!("is wrong: {}", error.message().trim_end()),
    }
}

/// The first key whose value alone, among defaults, the configuration does not take.
fn first_wrong(tree: &Table) -> Option<ConfigError> {
    let defaults = defaults().ok()?;
    for key in super::keys::KEYS {
        let mut trial = defaults.clone();
        find(tree, key.path)?.clone_into(find_mut(&mut trial, key.path)?);
        if let Err(error) = Config::deserialize_tree(&trial) {
            return Some(wrong(key.path.to_owned(), &error));
        }
    }
    None
}

pub(super) fn find<'tree>(tree: &'tree Table, path: &str) -> Option<&'tree Value> {
    let mut parts = path.split('.');
    let mut value = tree.get(parts.next()?)?;
    for part in parts {
        value = value.as_table()?.get(part)?;
    }
    Some(value)
}

fn find_mut<'tree>(tree: &'tree mut Table, path: &str) -> Option<&'tree mut Value> {
    let mut parts = path.split('.');
    let mut value = tree.get_mut(parts.next()?)?;
    for part in parts {
        value = value.as_table_mut()?.get_mut(part)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ByteSize, Span};

    fn with_file(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        load(
            &Flags {
                file: Some(file.path().to_owned()),
                ..Flags::default()
            },
            [],
        )
    }

    fn pairs<'text>(
        given: &'text [(&'text str, &'text str)],
    ) -> impl Iterator<Item = (String, String)> + 'text {
        given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    }

    #[test]
    fn without_anything_the_defaults_hold() {
        assert_eq!(load(&Flags::default(), []).unwrap(), Config::default());
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "[http]\nlisten = \"127.0.0.1:1\"\nmax_body = \"2KiB\"\n[mqtt]\nlisten = \"127.0.0.1:2\"\n[identity]\ntoken_lifetime = \"2h\"",
        )
        .unwrap();
        let flags = Flags {
            file: Some(file.path().to_owned()),
            http: Some("127.0.0.1:9".parse().unwrap()),
            ..Flags::default()
        };
        let environment = pairs(&[
            ("TELLEE_HTTP__LISTEN", "127.0.0.1:5"),
            ("TELLEE_MQTT__LISTEN", "127.0.0.1:6"),
        ]);
        let config = load(&flags, environment).unwrap();
        assert_eq!(config.http.listen.port(), 9);
        assert_eq!(config.mqtt.listen.port(), 6);
        assert_eq!(config.http.max_body, ByteSize::kibibytes(2));
        assert_eq!(config.identity.token_lifetime, Span::hours(2));
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_name() {
        let error = with_file("[identity]\nself_registraton = true")
            .unwrap_err()
            .to_string();
        assert!(error.contains("`identity.self_registraton`"), "{error}");
        assert!(
            error.contains("did you mean `identity.self_registration`?"),
            "{error}"
        );
        let error = load(&Flags::default(), pairs(&[("TELLEE_HTTP__LISTN", "x")]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("did you mean `http.listen`?"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_shape_names_its_key() {
        let error = with_file("[identity]\ntoken_lifetime = \"soon\"")
            .unwrap_err()
            .to_string();
        assert!(error.contains("`identity.token_lifetime`"), "{error}");
        let error = with_file("[http]\nmax_connections = -1")
            .unwrap_err()
            .to_string();
        assert!(error.contains("`http.max_connections`"), "{error}");
        // Each of several is looked at on its own.
        let error =
            with_file("[http]\nmax_connections = -1\n[identity]\ntoken_lifetime = \"soon\"")
                .unwrap_err()
                .to_string();
        assert!(error.contains("`http.max_connections`"), "{error}");
        let error = with_file("http = 3").unwrap_err().to_string();
        assert!(error.contains("`http` is a section"), "{error}");
    }

    #[test]
    fn an_open_address_needs_an_explicit_word() {
        assert!(with_file("[http]\nlisten = \"0.0.0.0:80\"").is_err());
        assert!(with_file("[http]\nlisten = \"0.0.0.0:80\"\nallow_remote = true").is_ok());
    }

    #[test]
    fn ports_that_nobody_could_use_are_refused() {
        for section in ["http", "mqtt"] {
            let error = with_file(&format!("[{section}]\nmax_connections = 0"))
                .unwrap_err()
                .to_string();
            let key = format!("`{section}.max_connections`");
            assert!(error.contains(&key), "{error}");
        }
    }

    #[test]
    fn variables_that_are_not_utf_8_matter_only_where_they_name_a_key() {
        use std::os::unix::ffi::OsStringExt as _;
        let latin = || OsString::from_vec(vec![0xff]);
        let others = [
            ("X".into(), latin()),
            (latin(), "x".into()),
            ("TELLEE_CACHE".into(), latin()),
        ];
        assert_eq!(variables(others).unwrap(), []);
        let ours = [("TELLEE_HTTP__LISTEN".into(), latin())];
        let error = variables(ours).unwrap_err().to_string();
        assert!(error.contains("`http.listen` is not UTF-8"), "{error}");
    }

    #[test]
    fn other_variables_of_tellee_are_left_alone() {
        let environment = pairs(&[
            ("TELLEE_ADMIN_EMAIL", "a@b.c"),
            ("TELLEE_EDGE_UPLINK__WINDOW", "5"),
            ("TELLEE_CACHE", "/x"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(
            load(&Flags::default(), environment).unwrap(),
            Config::default()
        );
    }
}
