//! The agent's own settings: flags, then environment, then file, then defaults.

mod size;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use serde::Deserialize;

use crate::connection::{Connection, ConnectionError, check_connections};
use crate::endpoint::Endpoint;
use crate::spool::{ContentType, SpoolLimits};
use crate::tls::{Tls, TlsError};

const ENVIRONMENT_PREFIX: &str = "TELLEE_EDGE_";

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("config file `{path}`: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("config: {0}")]
    Invalid(String),
    #[error("config: `{0}` is missing")]
    Missing(&'static str),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("config: {0}")]
    Tls(#[from] TlsError),
}

impl ConfigError {
    pub const fn is_retryable(&self) -> bool {
        false
    }
}

/// All settings. See `docs/edge.md`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub data_dir: PathBuf,
    pub bootstrap: Bootstrap,
    pub uplink: Uplink,
    pub tls: Tls,
    pub spool: Spool,
    pub status: StatusOutput,
    /// Where given, they count in place of those in the bootstrap content.
    pub connections: Option<Vec<Connection>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("tellee-edge-data"),
            bootstrap: Bootstrap::default(),
            uplink: Uplink::default(),
            tls: Tls::default(),
            spool: Spool::default(),
            status: StatusOutput::default(),
            connections: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    /// Base URL, such as `http://127.0.0.1:8080` or `https://plant.example:8443`.
    pub server: Option<String>,
    pub external_id: Option<String>,
    pub external_key: Option<String>,
    /// A file that holds the key alone.
    pub external_key_file: Option<PathBuf>,
    /// How often to look for a new config; `0s` never.
    #[serde(with = "crate::connection::duration")]
    pub refresh: Duration,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            server: None,
            external_id: None,
            external_key: None,
            external_key_file: None,
            refresh: Duration::from_secs(300),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Uplink {
    /// By default what the bootstrap content says under `mqtt`, else the server's host and port 1883, or 8883 with TLS
    /// where the server is reached over TLS.
    pub mqtt: Option<Endpoint>,
    pub payload: ContentType,
    pub window: u16,
    #[serde(with = "crate::connection::duration")]
    pub keep_alive: Duration,
    #[serde(with = "crate::connection::duration")]
    pub ack_timeout: Duration,
    /// Of what piled up during an outage.
    pub backfill_kib_per_s: u64,
}

impl Default for Uplink {
    fn default() -> Self {
        Self {
            mqtt: None,
            payload: ContentType::SenmlJson,
            window: 16,
            keep_alive: Duration::from_secs(30),
            ack_timeout: Duration::from_secs(30),
            backfill_kib_per_s: 512,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spool {
    #[serde(deserialize_with = "size::deserialize")]
    pub max_bytes: u64,
    #[serde(deserialize_with = "size::deserialize")]
    pub memory_bytes: usize,
}

impl Default for Spool {
    fn default() -> Self {
        let limits = SpoolLimits::default();
        Self {
            max_bytes: limits.max_bytes,
            memory_bytes: limits.memory_bytes,
        }
    }
}

impl Spool {
    pub fn limits(&self) -> SpoolLimits {
        let segment_bytes = (self.max_bytes / 8).clamp(64 * 1024, 8 * 1024 * 1024);
        SpoolLimits {
            max_bytes: self.max_bytes,
            segment_bytes,
            memory_bytes: self.memory_bytes,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatusOutput {
    #[serde(with = "crate::connection::duration")]
    pub every: Duration,
    /// Replaced whole with each report.
    pub file: Option<PathBuf>,
}

impl Default for StatusOutput {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(60),
            file: None,
        }
    }
}

/// Reads the file, if there is one, and lays the environment over it. Flags are the caller's.
///
/// # Errors
/// If the file cannot be read, or a key is unknown or has a wrong type.
pub fn load_config(
    file: Option<&Path>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let mut table = toml::Table::new();
    if let Some(path) = file {
        let fault = |reason: String| ConfigError::File {
            path: path.to_owned(),
            reason,
        };
        let text = fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
        table = text
            .parse()
            .map_err(|error: toml::de::Error| fault(error.to_string()))?;
        // Alone first, so that a fault in the file is told as one.
        let _: Config = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| fault(error.to_string()))?;
    }
    for (name, value) in environment {
        // No setting has such a name.
        let Some(name) = name.to_str() else { continue };
        if let Some(key) = name.strip_prefix(ENVIRONMENT_PREFIX) {
            let value = value.to_str().ok_or_else(|| {
                ConfigError::Invalid(format!("environment variable `{name}` is no UTF-8"))
            })?;
            table = with_environment(table, name, &key.to_lowercase(), value)?;
        }
    }
    table
        .try_into()
        .map_err(|error: toml::de::Error| ConfigError::Invalid(error.to_string()))
}

/// The value is text where text fits, else a number or boolean.
fn with_environment(
    table: toml::Table,
    name: &str,
    key: &str,
    value: &str,
) -> Result<toml::Table, ConfigError> {
    let mut candidates = vec![toml::Value::String(value.to_owned())];
    candidates.extend(value.parse().ok().map(toml::Value::Integer));
    candidates.extend(value.parse().ok().map(toml::Value::Boolean));
    let mut fault = String::new();
    for candidate in candidates {
        let mut attempt = table.clone();
        match key.split_once("__") {
            None => {
                attempt.insert(key.to_owned(), candidate);
            }
            Some((section, field)) => {
                let section = attempt
                    .entry(section.to_owned())
                    .or_insert_with(|| toml::Value::Table(toml::Table::new()));
                if let toml::Value::Table(section) = section {
                    section.insert(field.to_owned(), candidate);
                }
            }
        }
        match Config::deserialize(attempt.clone()) {
            Ok(_) => return Ok(attempt),
            Err(error) => fault = error.message().to_owned(),
        }
    }
    Err(ConfigError::Invalid(format!(
        "environment variable `{name}`: {fault}"
    )))
}

/// Who the device is to the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub server: String,
    pub external_id: String,
    pub external_key: String,
}

impl Config {
    /// How TLS is spoken. `None` where the system names no authorities and none of these settings needs any; a config from
    /// the platform that does is then told so.
    ///
    /// # Errors
    /// If it is needed and a file is missing or unfit.
    pub fn client_tls(&self) -> Result<Option<Arc<ClientConfig>>, ConfigError> {
        let server = self.bootstrap.server.as_deref();
        let is_needed = self.tls != Tls::default()
            || server.is_some_and(|server| server.starts_with("https://"))
            || self.uplink.mqtt.as_ref().is_some_and(|mqtt| mqtt.tls);
        match self.tls.client_config() {
            Ok(config) => Ok(Some(config)),
            Err(error) if is_needed => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// Checks what the types cannot say, and reads the key.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn credentials(&self) -> Result<Credentials, ConfigError> {
        if let Some(connections) = &self.connections {
            check_connections(connections)?;
        }
        if self.uplink.window == 0 {
            return Err(ConfigError::Invalid(
                "`uplink.window` must be at least 1".into(),
            ));
        }
        if self.uplink.ack_timeout < Duration::from_secs(1) {
            return Err(ConfigError::Invalid(
                "`uplink.ack_timeout` must be at least 1s".into(),
            ));
        }
        if self.spool.max_bytes < 1024 * 1024 || self.spool.memory_bytes < 64 * 1024 {
            return Err(ConfigError::Invalid(
                "`spool.max_bytes` must be at least 1 MiB and `spool.memory_bytes` 64 KiB".into(),
            ));
        }
        if self.status.every.is_zero() {
            return Err(ConfigError::Invalid(
                "`status.every` must be longer than nothing".into(),
            ));
        }
        let bootstrap = &self.bootstrap;
        let server = bootstrap
            .server
            .clone()
            .ok_or(ConfigError::Missing("bootstrap.server"))?;
        let is_http = ["http://", "https://"]
            .iter()
            .filter_map(|scheme| server.strip_prefix(scheme))
            .any(|rest| !rest.trim_matches('/').is_empty());
        if !is_http {
            return Err(ConfigError::Invalid(format!(
                "`bootstrap.server` must be an http:// or https:// URL, not `{server}`"
            )));
        }
        let external_id = bootstrap
            .external_id
            .clone()
            .ok_or(ConfigError::Missing("bootstrap.external_id"))?;
        let external_key = match (&bootstrap.external_key, &bootstrap.external_key_file) {
            (Some(key), _) => key.clone(),
            (None, Some(path)) => fs::read_to_string(path)
                .map_err(|error| ConfigError::File {
                    path: path.clone(),
                    reason: error.to_string(),
                })?
                .trim()
                .to_owned(),
            (None, None) => return Err(ConfigError::Missing("bootstrap.external_key_file")),
        };
        if external_id.is_empty() || external_key.is_empty() {
            return Err(ConfigError::Invalid(
                "external id and key must not be empty".into(),
            ));
        }
        Ok(Credentials {
            server: server.trim_end_matches('/').to_owned(),
            external_id,
            external_key,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> impl Iterator<Item = (OsString, OsString)> {
        pairs
            .iter()
            .map(|&(name, value)| (name.into(), value.into()))
            .collect::<Vec<_>>()
            .into_iter()
    }

    #[test]
    fn the_environment_lies_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.toml");
        fs::write(
            &path,
            "[bootstrap]\nserver = \"http://a\"\nexternal_id = \"x\"\n[uplink]\nwindow = 4\n",
        )
        .unwrap();
        let config = load_config(
            Some(&path),
            environment(&[
                ("TELLEE_EDGE_BOOTSTRAP__EXTERNAL_ID", "0042"),
                ("TELLEE_EDGE_BOOTSTRAP__EXTERNAL_KEY", "7"),
                ("TELLEE_EDGE_SPOOL__MAX_BYTES", "2000000"),
                ("TELLEE_EDGE_DATA_DIR", "/tmp/x"),
                ("PATH", "ignored"),
            ]),
        )
        .unwrap();
        let credentials = config.credentials().unwrap();
        assert_eq!(
            (
                credentials.external_id.as_str(),
                credentials.external_key.as_str()
            ),
            ("0042", "7")
        );
        assert_eq!(
            (config.uplink.window, config.spool.max_bytes),
            (4, 2_000_000)
        );
        assert_eq!(config.data_dir, PathBuf::from("/tmp/x"));
    }

    #[test]
    fn unknown_keys_are_refused_wherever_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.toml");
        fs::write(&path, "[uplink]\nwindw = 4\n").unwrap();
        assert!(
            load_config(Some(&path), environment(&[]))
                .unwrap_err()
                .to_string()
                .contains("windw")
        );
        let error = load_config(None, environment(&[("TELLEE_EDGE_UPLINK__WINDW", "4")]))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("TELLEE_EDGE_UPLINK__WINDW") && error.contains("windw"),
            "{error}"
        );
    }

    #[test]
    fn sizes_have_units() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.toml");
        fs::write(
            &path,
            "[spool]\nmax_bytes = \"2GiB\"\nmemory_bytes = 70000\n",
        )
        .unwrap();
        let memory = [("TELLEE_EDGE_SPOOL__MEMORY_BYTES", "1MiB")];
        for (pairs, memory_bytes) in [(&memory[..0], 70_000), (&memory[..], 1 << 20)] {
            let spool = load_config(Some(&path), environment(pairs)).unwrap().spool;
            assert_eq!(
                (spool.max_bytes, spool.memory_bytes),
                (2 << 30, memory_bytes)
            );
        }
        let odd = [("TELLEE_EDGE_SPOOL__MAX_BYTES", "1GB")];
        let error = load_config(None, environment(&odd)).unwrap_err();
        assert!(
            error.to_string().contains("TELLEE_EDGE_SPOOL__MAX_BYTES"),
            "{error}"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = Config::default().credentials().unwrap_err();
        assert_eq!(error.to_string(), "config: `bootstrap.server` is missing");
    }

    #[test]
    fn an_authority_that_cannot_be_read_ends_the_start_only_where_one_is_named() {
        let mut config = Config::default();
        config.bootstrap.server = Some("http://plant".to_owned());
        assert!(config.client_tls().is_ok(), "whatever the system keeps");
        config.tls.ca_file = Some(PathBuf::from("/no/such/ca.pem"));
        let error = config.client_tls().unwrap_err().to_string();
        assert!(error.contains("`tls.ca_file`"), "{error}");
    }
}
