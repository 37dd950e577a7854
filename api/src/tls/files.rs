//! The files of a TLS port, and what rustls makes of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};

/// Where the certificates of a port lie, all as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by those between it and the root.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The authorities whose client certificates are taken. Without it clients are not asked for one.
    pub client_ca: Option<PathBuf>,
    /// Revocation lists of those authorities.
    pub client_revocations: Option<PathBuf>,
    /// Refuse clients without a certificate.
    pub require_client_certificate: bool,
}

/// Why a port cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("`{path}` cannot be read: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    #[error("`{path}` is no PEM file of {what}: {reason}")]
    Malformed {
        path: PathBuf,
        what: &'static str,
        reason: String,
    },
    #[error("certificate `{certificate}` and key `{key}` do not work together: {reason}")]
    Unusable {
        certificate: PathBuf,
        key: PathBuf,
        reason: String,
    },
    #[error("client certificates cannot be checked against `{client_ca}`: {reason}")]
    ClientAuthority { client_ca: PathBuf, reason: String },
}

impl TlsError {
    /// Whether the same files may be right a moment later: they are being replaced.
    pub const fn is_retryable(&self) -> bool {
        true
    }
}

/// What lay in the files at one moment.
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
    client_revocations: Option<Vec<u8>>,
}

impl Contents {
    pub fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let optional = |path: &Option<PathBuf>| path.as_deref().map(read).transpose();
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
            client_ca: optional(&files.client_ca)?,
            client_revocations: optional(&files.client_revocations)?,
        })
    }

    /// The same only for the same contents.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [
            Some(&self.certificate),
            Some(&self.key),
            self.client_ca.as_ref(),
            self.client_revocations.as_ref(),
        ] {
            let bytes = part.map(Vec::as_slice).unwrap_or_default();
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
        hash.finalize().into()
    }

    /// `protocols` are offered by ALPN; none: clients may ask for any.
    pub fn into_config(
        self,
        files: &TlsFiles,
        protocols: &[&[u8]],
    ) -> Result<ServerConfig, TlsError> {
        let unusable = |error: rustls::Error| TlsError::Unusable {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            reason: error.to_string(),
        };
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match (&files.client_ca, &self.client_ca) {
            (Some(path), Some(pem)) => {
                let refused = |reason: String| TlsError::ClientAuthority {
                    client_ca: path.clone(),
                    reason,
                };
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path, pem)? {
                    roots
                        .add(certificate)
                        .map_err(|error| refused(error.to_string()))?;
                }
                let mut verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .with_crls(self.revocations(files)?)
                        .only_check_end_entity_revocation()
                        .allow_unknown_revocation_status();
                if !files.require_client_certificate {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier
                    .build()
                    .map_err(|error| refused(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let chain = certificates(&files.certificate, &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| malformed(&files.key, "a private key", &error))?;
        let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        if files.client_ca.is_some() {
            // A resumed session would bring back a certificate that has expired or was revoked since.
            config.session_storage = Arc::new(NoServerSessionStorage {});
        } else {
            config.ticketer = ring::Ticketer::new().map_err(unusable)?;
        }
        config.send_tls13_tickets = 1;
        Ok(config)
    }

    fn revocations(
        &self,
        files: &TlsFiles,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
        let (Some(path), Some(pem)) = (&files.client_revocations, &self.client_revocations) else {
            return Ok(Vec::new());
        };
        CertificateRevocationListDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| malformed(path, "revocation lists", &error))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| malformed(path, "certificates", &error))?;
    if found.is_empty() {
        return Err(malformed(path, "certificates", &"it holds none"));
    }
    Ok(found)
}

fn malformed(path: &Path, what: &'static str, reason: &dyn std::fmt::Display) -> TlsError {
    TlsError::Malformed {
        path: path.to_owned(),
        what,
        reason: reason.to_string(),
    }
}
