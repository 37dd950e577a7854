//! Fetches the device's config from the platform and keeps the last good one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use serde::{Deserialize, Serialize};

use crate::config::Credentials;
use crate::connection::{Connection, ConnectionError, connections_from_json};
use crate::endpoint::{Endpoint, EndpointError};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("cannot reach the platform: {0}")]
    Unreachable(String),
    #[error("platform does not know external id `{0}`")]
    UnknownDevice(String),
    #[error("platform refuses the external key of `{0}`")]
    WrongKey(String),
    #[error("platform answered {0}")]
    Status(u16),
    #[error("platform's answer cannot be read: {0}")]
    Unreadable(String),
    #[error("config names no channel")]
    NoChannel,
    #[error("config content: {0}")]
    Content(#[from] ConnectionError),
    #[error("config content: `mqtt`: {0}")]
    Address(#[from] EndpointError),
}

impl BootstrapError {
    /// All but a content that cannot be used may be different next time without anyone touching this device; even
    /// that one is asked for again, since it may be mended at the platform.
    pub const fn is_retryable(&self) -> bool {
        true
    }
}

/// What the platform answers to `GET /things/bootstrap/<external id>`, and what is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootstrapAnswer {
    #[serde(alias = "thing_id")]
    pub mainflux_id: String,
    #[serde(alias = "thing_key")]
    pub mainflux_key: String,
    #[serde(alias = "channels", default)]
    pub mainflux_channels: Vec<BootstrapChannel>,
    #[serde(default)]
    pub content: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootstrapChannel {
    pub id: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub metadata: Option<serde_json::Value>,
}

impl BootstrapChannel {
    fn kind(&self) -> Option<&str> {
        self.metadata.as_ref()?.get("type")?.as_str()
    }
}

/// The config in use.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceConfig {
    pub thing: String,
    pub key: String,
    pub data_channel: String,
    pub control_channel: Option<String>,
    /// From the content.
    pub mqtt: Option<Endpoint>,
    pub connections: Vec<Connection>,
}

/// What is kept on disk: the answer, and who asked whom. A disk that was copied or moved into another device must not
/// make that one work under the first one's name.
#[derive(Debug, Serialize, Deserialize)]
struct Kept<Answer> {
    /// Missing in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<Asked>,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    server: String,
    external_id: String,
}

/// The MQTT address of a content, if it is one that the agent reads at all: with connections of its own it need be none.
fn mqtt_address(content: &str) -> Result<Option<Endpoint>, BootstrapError> {
    let Ok(content) = serde_json::from_str::<serde_json::Value>(content) else {
        return Ok(None);
    };
    match content.get("mqtt") {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::String(address)) => Ok(Some(address.parse()?)),
        Some(_) => {
            let reason = "must be text: HOST:PORT or mqtts://HOST:PORT";
            Err(ConnectionError::field("mqtt", reason).into())
        }
    }
}

impl BootstrapAnswer {
    /// Checks the answer and takes what the agent needs. `local` connections count in place of the content's.
    ///
    /// # Errors
    /// If there is no channel, or the content is faulty.
    pub fn to_config(&self, local: Option<&[Connection]>) -> Result<DeviceConfig, BootstrapError> {
        let channels = &self.mainflux_channels;
        let data = channels
            .iter()
            .find(|channel| channel.kind() == Some("data"))
            .or_else(|| {
                channels
                    .iter()
                    .rfind(|channel| channel.kind() != Some("control"))
            })
            .or_else(|| channels.last())
            .ok_or(BootstrapError::NoChannel)?;
        let control = channels
            .iter()
            .find(|channel| channel.kind() == Some("control") && channel.id != data.id);
        let connections = match local {
            Some(local) => local.to_vec(),
            None => connections_from_json(&self.content)?,
        };
        let mqtt = mqtt_address(&self.content)?;
        Ok(DeviceConfig {
            thing: self.mainflux_id.clone(),
            key: self.mainflux_key.clone(),
            data_channel: data.id.clone(),
            control_channel: control.map(|channel| channel.id.clone()),
            mqtt,
            connections,
        })
    }
}

/// Asks one platform for one device.
pub struct BootstrapClient {
    http: reqwest::Client,
    url: String,
    credentials: Credentials,
}

impl BootstrapClient {
    /// `tls` is for an https URL.
    ///
    /// # Errors
    /// If the HTTP client cannot be made.
    pub fn new(
        credentials: Credentials,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, BootstrapError> {
        let mut builder = reqwest::Client::builder().timeout(REQUEST_TIMEOUT);
        if let Some(tls) = tls {
            builder = builder.use_preconfigured_tls(ClientConfig::clone(&tls));
        }
        let http = builder
            .build()
            .map_err(|error| BootstrapError::Unreachable(error.to_string()))?;
        let url = format!(
            "{}/things/bootstrap/{}",
            credentials.server,
            percent_encode(&credentials.external_id)
        );
        Ok(Self {
            http,
            url,
            credentials,
        })
    }

    /// # Errors
    /// See [`BootstrapError`].
    pub async fn fetch(&self) -> Result<BootstrapAnswer, BootstrapError> {
        let Credentials {
            external_id,
            external_key,
            ..
        } = &self.credentials;
        let unreachable = |error: reqwest::Error| BootstrapError::Unreachable(with_causes(&error));
        let mut response = self
            .http
            .get(&self.url)
            .header("Authorization", format!("Thing {external_key}"))
            .send()
            .await
            .map_err(unreachable)?;
        match response.status().as_u16() {
            200 => {}
            401 | 403 => return Err(BootstrapError::WrongKey(external_id.clone())),
            404 => return Err(BootstrapError::UnknownDevice(external_id.clone())),
            status => return Err(BootstrapError::Status(status)),
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(unreachable)? {
            if body.len() + part.len() > MAX_BODY_BYTES {
                return Err(BootstrapError::Unreadable(format!(
                    "larger than {MAX_BODY_BYTES} bytes"
                )));
            }
            body.extend_from_slice(&part);
        }
        serde_json::from_slice(&body).map_err(|error| BootstrapError::Unreadable(error.to_string()))
    }
}

/// The error alone often says only that a request failed.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// All but unreserved characters (RFC 3986 §2.3).
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Keeps the last answer that gave a usable config, readable by its owner alone: it holds the thing's key.
#[derive(Debug, Clone)]
pub struct BootstrapCache {
    path: PathBuf,
    asked: Asked,
}

impl BootstrapCache {
    /// Of the device that `credentials` name, in its data folder.
    pub fn in_folder(folder: &Path, credentials: &Credentials) -> Self {
        Self {
            path: folder.join("bootstrap.json"),
            asked: Asked {
                server: credentials.server.clone(),
                external_id: credentials.external_id.clone(),
            },
        }
    }

    /// `None` if there is none, it cannot be read, or it is that of another device or server.
    pub fn load(&self) -> Option<BootstrapAnswer> {
        let kept = self.read()?;
        if let Some(other) = kept.asked.filter(|asked| *asked != self.asked) {
            tracing::warn!(
                external_id = other.external_id,
                server = other.server,
                "the kept config is that of another device or server and is not used"
            );
            return None;
        }
        Some(kept.answer)
    }

    /// The external id that the folder worked for, if that is another one.
    pub fn former_external_id(&self) -> Option<String> {
        let former = self.read()?.asked?.external_id;
        (former != self.asked.external_id).then_some(former)
    }

    fn read(&self) -> Option<Kept<BootstrapAnswer>> {
        serde_json::from_slice(&fs::read(&self.path).ok()?).ok()
    }

    /// # Errors
    /// If it cannot be written; the old one then stays.
    pub fn store(&self, answer: &BootstrapAnswer) -> io::Result<()> {
        let temporary = self.path.with_extension("json.tmp");
        // A leftover may have other permissions; those of an existing file are not changed by opening it.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        let kept = Kept {
            asked: Some(self.asked.clone()),
            answer,
        };
        file.write_all(&serde_json::to_vec_pretty(&kept)?)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn channel(id: &str, kind: Option<&str>) -> BootstrapChannel {
        let metadata = kind.map(|kind| serde_json::json!({ "type": kind }));
        BootstrapChannel {
            id: id.into(),
            name: None,
            metadata,
        }
    }

    fn answer(channels: Vec<BootstrapChannel>) -> BootstrapAnswer {
        BootstrapAnswer {
            mainflux_id: "t".into(),
            mainflux_key: "k".into(),
            mainflux_channels: channels,
            content: r#"{"connections":[],"mqtt":"broker:1884"}"#.into(),
        }
    }

    #[test]
    fn the_data_channel_is_known_by_its_type_or_is_the_last() {
        let chosen = |channels| {
            let config = answer(channels).to_config(None).unwrap();
            (config.data_channel, config.control_channel)
        };
        let (data, control) = (Some("data"), Some("control"));
        assert_eq!(
            chosen(vec![channel("d", data), channel("c", control)]),
            ("d".into(), Some("c".into()))
        );
        assert_eq!(
            chosen(vec![channel("a", None), channel("b", None)]),
            ("b".into(), None)
        );
        assert_eq!(
            chosen(vec![channel("a", None), channel("c", control)]),
            ("a".into(), Some("c".into()))
        );
        assert_eq!(chosen(vec![channel("c", control)]), ("c".into(), None));
        assert!(matches!(
            answer(vec![]).to_config(None),
            Err(BootstrapError::NoChannel)
        ));
    }

    #[test]
    fn the_answer_of_an_older_platform_is_read() {
        let text = r#"{"mainflux_id":"t","mainflux_key":"k","mainflux_channels":[{"id":"1","name":"x","metadata":null}],
            "content":"{\"connections\":[]}","client_cert":"","ca_cert":""}"#;
        let answer: BootstrapAnswer = serde_json::from_str(text).unwrap();
        assert_eq!(answer.to_config(None).unwrap().data_channel, "1");
    }

    #[test]
    fn the_kept_config_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = |external_id: &str, server: &str| Credentials {
            server: server.to_owned(),
            external_id: external_id.to_owned(),
            external_key: "k".to_owned(),
        };
        let of = |credentials: &Credentials| BootstrapCache::in_folder(folder.path(), credentials);
        let cache = of(&credentials("pump-7", "http://a"));
        assert_eq!(cache.load(), None);
        let answer = answer(vec![channel("a", None)]);
        cache.store(&answer).unwrap();
        cache.store(&answer).unwrap();
        assert_eq!(cache.load().as_ref(), Some(&answer));
        assert_eq!(cache.former_external_id(), None);
        let other = of(&credentials("pump-8", "http://a"));
        assert_eq!(other.load(), None);
        assert_eq!(other.former_external_id().as_deref(), Some("pump-7"));
        assert_eq!(of(&credentials("pump-7", "http://b")).load(), None);
        let mode = fs::metadata(folder.path().join("bootstrap.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_config_that_an_earlier_version_kept_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let answer = answer(vec![channel("a", None)]);
        let text = serde_json::to_vec(&answer).unwrap();
        fs::write(folder.path().join("bootstrap.json"), text).unwrap();
        let credentials = Credentials {
            server: "http://a".to_owned(),
            external_id: "pump-7".to_owned(),
            external_key: "k".to_owned(),
        };
        let cache = BootstrapCache::in_folder(folder.path(), &credentials);
        assert_eq!(cache.load(), Some(answer));
    }

    #[test]
    fn an_address_that_is_no_text_is_told_and_not_passed_over() {
        let mut answer = answer(vec![channel("a", None)]);
        answer.content = r#"{"connections":[],"mqtt":{"url":"mqtts://broker"}}"#.into();
        let error = answer.to_config(None).unwrap_err().to_string();
        assert!(error.contains("`mqtt`"), "{error}");
        answer.content = r#"{"connections":[],"mqtt":null}"#.into();
        assert_eq!(answer.to_config(None).unwrap().mqtt, None);
    }

    #[test]
    fn external_ids_cannot_change_the_path() {
        assert_eq!(percent_encode("a/../b c:1"), "a%2F..%2Fb%20c%3A1");
    }
}
