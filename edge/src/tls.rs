//! Whom the agent trusts, and who it is, where TLS is spoken.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

/// Where systems keep the authorities that they trust: Debian, Fedora, Alpine and the BSDs.
const SYSTEM_BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// The section `tls`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM with the authorities that count, and no others. By default those of the system.
    pub ca_file: Option<PathBuf>,
    /// PEM with the agent's own certificate and those that lead to its authority, for a platform that asks for one.
    pub certificate_file: Option<PathBuf>,
    /// PEM with the key of that certificate.
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("`{field}`: `{path}`: {reason}", path = path.display())]
    File {
        field: &'static str,
        path: PathBuf,
        reason: String,
    },
    #[error("`tls.ca_file` is missing, and this system keeps no list of authorities")]
    NoAuthorities,
    #[error("`{0}` is missing: a certificate and its key go together")]
    Half(&'static str),
    #[error("`tls.certificate_file` and `tls.key_file`: {0}")]
    Pair(rustls::Error),
    #[error("TLS: {0}")]
    Setting(rustls::Error),
}

impl Tls {
    /// # Errors
    /// If a file is missing or unfit.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setting)?
            .with_root_certificates(self.authorities()?);
        let config = match (&self.certificate_file, &self.key_file) {
            (None, None) => builder.with_no_client_auth(),
            (Some(_), None) => return Err(TlsError::Half("tls.key_file")),
            (None, Some(_)) => return Err(TlsError::Half("tls.certificate_file")),
            (Some(certificate), Some(key)) => {
                let chain = certificates("tls.certificate_file", certificate)?;
                let text = read("tls.key_file", key)?;
                let key = PrivateKeyDer::from_pem_slice(&text)
                    .map_err(|error| fault("tls.key_file", key, &error))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(TlsError::Pair)?
            }
        };
        Ok(Arc::new(config))
    }

    fn authorities(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.ca_file {
            for certificate in certificates("tls.ca_file", path)? {
                roots
                    .add(certificate)
                    .map_err(|error| fault("tls.ca_file", path, &error))?;
            }
            return Ok(roots);
        }
        let bundle = SYSTEM_BUNDLES.iter().find_map(|path| fs::read(path).ok());
        let bundle = bundle.ok_or(TlsError::NoAuthorities)?;
        // A system's list may hold some that are too odd for us; the others count.
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle).flatten());
        Ok(roots)
    }
}

fn fault(field: &'static str, path: &Path, error: &dyn std::error::Error) -> TlsError {
    TlsError::File {
        field,
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

fn read(field: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| fault(field, path, &error))
}

fn certificates(
    field: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(field, path)?;
    let found = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fault(field, path, &error))?;
    if found.is_empty() {
        return Err(TlsError::File {
            field,
            path: path.to_owned(),
            reason: "holds no certificate".to_owned(),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_or_holds_no_certificate_is_named_with_its_field() {
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        let tls = Tls {
            ca_file: Some(ca_file.clone()),
            ..Tls::default()
        };
        for content in [None, Some("no certificate")] {
            if let Some(content) = content {
                fs::write(&ca_file, content).unwrap();
            }
            let error = tls.client_config().unwrap_err().to_string();
            assert!(
                error.contains("tls.ca_file") && error.contains("ca.pem"),
                "{error}"
            );
        }
    }

    #[test]
    fn half_a_pair_names_the_other_half() {
        let folder = tempfile::tempdir().unwrap();
        let authority = rcgen::generate_simple_self_signed(vec!["plant".to_owned()]).unwrap();
        let ca_file = folder.path().join("ca.pem");
        fs::write(&ca_file, authority.cert.pem()).unwrap();
        let half = Tls {
            ca_file: Some(ca_file.clone()),
            certificate_file: Some(ca_file),
            key_file: None,
        };
        let error = half.client_config().unwrap_err().to_string();
        assert!(error.contains("`tls.key_file` is missing"), "{error}");
        let whole = Tls {
            certificate_file: None,
            ..half
        };
        assert!(whole.client_config().is_ok());
    }
}
