//! Secrets as the event log may hold them: hashed, or hashed and sealed. Never in clear.

use serde::{Deserialize, Serialize};

use super::{Rejection, limits, validate};

/// A key that must be shown again: its hash to check it against, and the key sealed (AEAD) with the master key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey {
    /// Lower-case hex of SHA-256 over the key's bytes. Keys are random, so a plain hash is enough.
    pub hash: String,
    /// Base64 of nonce and ciphertext.
    pub sealed: String,
}

/// Hex SHA-256 of a random key. Not for passwords.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHash(pub String);

/// An Argon2id hash in PHC form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl SealedKey {
    pub(super) fn validate(&self, field: &str) -> Result<(), Rejection> {
        validate::sha256_hex(&format!("{field}.hash"), &self.hash)?;
        validate::base64(
            &format!("{field}.sealed"),
            &self.sealed,
            limits::SEALED_KEY_BYTES,
        )
    }
}

impl KeyHash {
    pub(super) fn validate(&self, field: &str) -> Result<(), Rejection> {
        validate::sha256_hex(field, &self.0)
    }
}

impl PasswordHash {
    /// Refuses what is not an Argon2id hash, so that no password in clear ever reaches the log.
    pub(super) fn validate(&self, field: &str) -> Result<(), Rejection> {
        if !self.0.starts_with("$argon2id$") || self.0.contains(char::is_whitespace) {
            return Err(Rejection::invalid(
                field,
                "must be an Argon2id hash in PHC form",
            ));
        }
        validate::at_most_bytes(field, &self.0, 512)
    }
}
