//! The secrets folder: a master key that seals thing keys, and a key that signs tokens.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};
use tellee_actors::domain::secret::{KeyHash, SealedKey};

/// File of the key that seals. Without it nothing that was sealed opens any more.
pub const MASTER_KEY: &str = "master.key";
/// File of the key that signs tokens. Without it everybody has to sign in again.
pub const TOKEN_KEY: &str = "token.key";
const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 24;

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("secret `{path}` cannot be used: {reason}")]
    Unusable { path: PathBuf, reason: String },
    /// Sealed with another master key, for another use, or altered.
    #[error("a sealed secret does not open with this master key")]
    DoesNotOpen,
    #[error("no randomness to be had: {0}")]
    NoRandomness(String),
}

/// Seals and opens secrets with the master key (XChaCha20-Poly1305).
pub struct Vault {
    cipher: XChaCha20Poly1305,
    token_key: [u8; KEY_LENGTH],
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Vault")
    }
}

impl Vault {
    /// Opens the folder (mode 0700) and its keys (mode 0600); makes those that are not there.
    pub fn open(folder: &Path) -> Result<Self, VaultError> {
        let unusable = |error: io::Error| VaultError::Unusable {
            path: folder.to_owned(),
            reason: error.to_string(),
        };
        fs::create_dir_all(folder).map_err(unusable)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(unusable)?;
        let master = load_or_make(&folder.join(MASTER_KEY))?;
        let token_key = load_or_make(&folder.join(TOKEN_KEY))?;
        Ok(Self {
            cipher: XChaCha20Poly1305::new(&master.into()),
            token_key,
        })
    }

    /// The key that signs users' tokens.
    pub const fn token_key(&self) -> &[u8; KEY_LENGTH] {
        &self.token_key
    }

    /// Base64 of nonce and ciphertext. `purpose` is bound to it: it opens with the same one only.
    pub fn seal(&self, secret: &str, purpose: &str) -> Result<String, VaultError> {
        let nonce: [u8; NONCE_LENGTH] = random()?;
        let payload = Payload {
            msg: secret.as_bytes(),
            aad: purpose.as_bytes(),
        };
        let ciphertext = self
            .cipher
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| VaultError::DoesNotOpen)?;
        Ok(STANDARD.encode([nonce.as_slice(), &ciphertext].concat()))
    }

    pub fn unseal(&self, sealed: &str, purpose: &str) -> Result<String, VaultError> {
        let bytes = STANDARD
            .decode(sealed)
            .map_err(|_| VaultError::DoesNotOpen)?;
        let (nonce, ciphertext) = bytes
            .split_at_checked(NONCE_LENGTH)
            .ok_or(VaultError::DoesNotOpen)?;
        let payload = Payload {
            msg: ciphertext,
            aad: purpose.as_bytes(),
        };
        let secret = self
            .cipher
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| VaultError::DoesNotOpen)?;
        String::from_utf8(secret).map_err(|_| VaultError::DoesNotOpen)
    }

    /// `key` as the event log may hold it.
    pub fn seal_thing_key(&self, key: &str) -> Result<SealedKey, VaultError> {
        Ok(SealedKey {
            hash: hash_key(key).0,
            sealed: self.seal(key, "thing key")?,
        })
    }

    pub fn unseal_thing_key(&self, key: &SealedKey) -> Result<String, VaultError> {
        self.unseal(&key.sealed, "thing key")
    }
}

/// Hex SHA-256 of a random key.
pub fn hash_key(key: &str) -> KeyHash {
    KeyHash(hex::encode(Sha256::digest(key.as_bytes())))
}

/// A new key with 122 random bits, in the form that Mainflux gives its things: a UUID of version 4.
pub fn generate_key() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], VaultError> {
    let mut bytes = [0_u8; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| VaultError::NoRandomness(error.to_string()))?;
    Ok(bytes)
}

fn load_or_make(path: &Path) -> Result<[u8; KEY_LENGTH], VaultError> {
    let unusable = |reason: String| VaultError::Unusable {
        path: path.to_owned(),
        reason,
    };
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|bytes: Vec<u8>| {
            unusable(format!("holds {} bytes, not {KEY_LENGTH}", bytes.len()))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key: [u8; KEY_LENGTH] = random()?;
            write_secret(path, &key).map_err(|error| unusable(error.to_string()))?;
            Ok(key)
        }
        Err(error) => Err(unusable(error.to_string())),
    }
}

/// Writes a file of mode 0600 whole or not at all.
pub(super) fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_opens_after_a_restart_and_for_its_purpose_only() {
        let folder = tempfile::tempdir().unwrap();
        let sealed = Vault::open(folder.path())
            .unwrap()
            .seal("key-1", "thing key")
            .unwrap();
        let vault = Vault::open(folder.path()).unwrap();
        assert_eq!(vault.unseal(&sealed, "thing key").unwrap(), "key-1");
        assert!(vault.unseal(&sealed, "certificate").is_err());
        assert!(vault.unseal("AAAA", "thing key").is_err());
        assert!(vault.unseal("not base64!", "thing key").is_err());
        let other = Vault::open(tempfile::tempdir().unwrap().path()).unwrap();
        assert!(other.unseal(&sealed, "thing key").is_err());
    }

    #[test]
    fn keys_are_for_their_owner_only_and_a_short_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Vault::open(folder.path()).unwrap();
        let path = folder.path().join("master.key");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::write(&path, b"short").unwrap();
        let error = Vault::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("holds 5 bytes"), "{error}");
    }
}
