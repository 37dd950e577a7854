//! Sections `http.tls` and `mqtt.tls`: a port of its own that speaks TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tellee_api::tls::TlsFiles;

use super::ConfigError;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub listen: OptionalAddress,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub client_ca: PathBuf,
    pub client_revocations: PathBuf,
    pub require_client_certificate: bool,
}

/// An address, or none, which is written as an empty text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OptionalAddress(pub Option<SocketAddr>);

impl Serialize for OptionalAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self
            .0
            .map_or_else(String::new, |address| address.to_string());
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for OptionalAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self(None));
        }
        let address = SocketAddr::from_str(&text);
        address.map(|address| Self(Some(address))).map_err(|_| {
            de::Error::custom(format!(
                "`{text}` is no address and port, as in `0.0.0.0:8883`"
            ))
        })
    }
}

impl Tls {
    /// Combinations that do not work. `section` is `http` or `mqtt`.
    pub(super) fn validate(&self, section: &str) -> Result<(), ConfigError> {
        let refuse = |key: &str, reason: &str| {
            Err(ConfigError::Invalid {
                key: format!("{section}.tls.{key}"),
                reason: reason.to_owned(),
            })
        };
        let is_set = |path: &Path| !path.as_os_str().is_empty();
        let others = [
            &self.certificate,
            &self.key,
            &self.client_ca,
            &self.client_revocations,
        ];
        if self.listen.0.is_none() {
            if others.iter().any(|path| is_set(path)) || self.require_client_certificate {
                return refuse("listen", "is missing: without an address there is no TLS");
            }
            return Ok(());
        }
        if !is_set(&self.certificate) {
            return refuse(
                "certificate",
                "is missing: name the PEM file of the certificate chain",
            );
        }
        if !is_set(&self.key) {
            return refuse("key", "is missing: name the PEM file of the private key");
        }
        if self.require_client_certificate && !is_set(&self.client_ca) {
            return refuse(
                "client_ca",
                "is missing: client certificates need an authority",
            );
        }
        if is_set(&self.client_revocations) && !is_set(&self.client_ca) {
            return refuse(
                "client_ca",
                "is missing: revocation lists belong to an authority",
            );
        }
        Ok(())
    }

    /// The files, where there is an address.
    pub fn files(&self) -> Option<(SocketAddr, TlsFiles)> {
        let optional =
            |path: &PathBuf| Some(path.clone()).filter(|path| !path.as_os_str().is_empty());
        let files = TlsFiles {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            client_ca: optional(&self.client_ca),
            client_revocations: optional(&self.client_revocations),
            require_client_certificate: self.require_client_certificate,
        };
        Some((self.listen.0?, files))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(text: &str) -> Result<Tls, String> {
        let whole = toml::Table::try_from(Tls::default()).map_err(|error| error.to_string())?;
        let mut tree = whole;
        tree.extend(
            text.parse::<toml::Table>()
                .map_err(|error| error.to_string())?,
        );
        let tls: Tls = toml::Value::Table(tree)
            .try_into()
            .map_err(|error| error.to_string())?;
        tls.validate("mqtt").map_err(|error| error.to_string())?;
        Ok(tls)
    }

    #[test]
    fn without_an_address_there_is_no_tls() {
        assert_eq!(tls("").unwrap().files(), None);
        assert!(
            tls("certificate = \"c.pem\"")
                .unwrap_err()
                .contains("`mqtt.tls.listen`")
        );
    }

    #[test]
    fn what_belongs_together_must_be_there_together() {
        let with = |more: &str| tls(&format!("listen = \"0.0.0.0:8883\"\n{more}"));
        assert!(with("").unwrap_err().contains("`mqtt.tls.certificate`"));
        assert!(
            with("certificate = \"c.pem\"")
                .unwrap_err()
                .contains("`mqtt.tls.key`")
        );
        let both = "certificate = \"c.pem\"\nkey = \"k.pem\"\n";
        let (address, files) = with(both).unwrap().files().unwrap();
        assert_eq!(address, "0.0.0.0:8883".parse().unwrap());
        assert_eq!(files.client_ca, None);
        let required = format!("{both}require_client_certificate = true");
        assert!(
            with(&required)
                .unwrap_err()
                .contains("`mqtt.tls.client_ca`")
        );
        assert!(with(&format!("{required}\nclient_ca = \"ca.pem\"")).is_ok());
        assert!(tls("listen = \"here\"").unwrap_err().contains("no address"));
    }
}
