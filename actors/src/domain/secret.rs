//! Secrets as the event log may hold them: hashed, or hashed and sealed. Never in clear.

use serde::{Deserialize, Serialize};

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
