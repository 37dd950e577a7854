//! Passwords: Argon2id (RFC 9106) with 19 MiB, two passes, one lane, on at most two threads, so that sign-ins cannot
//! starve ingest.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash as Phc, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tellee_actors::domain::secret::PasswordHash;
use tokio::sync::Semaphore;

/// Fewest and most characters of a password. Mainflux asks for 8.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=256;
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const PARALLEL_HASHES: usize = 2;

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("`password`: must have between {} and {} characters", LENGTH.start(), LENGTH.end())]
    Length,
    #[error("a password could not be hashed: {0}")]
    Failed(String),
}

/// Hashes and checks passwords.
#[derive(Debug, Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(PARALLEL_HASHES)),
        }
    }
}

impl Passwords {
    /// The hash of `password` in PHC form.
    pub async fn hash(&self, password: &str) -> Result<PasswordHash, PasswordError> {
        if !LENGTH.contains(&password.chars().count()) {
            return Err(PasswordError::Length);
        }
        let password = password.to_owned();
        self.run(move || {
            let salt = salt()?;
            let hash = hasher()?
                .hash_password(password.as_bytes(), &salt)
                .map_err(|error| PasswordError::Failed(error.to_string()))?;
            Ok(PasswordHash(hash.to_string()))
        })
        .await
    }

    /// Whether `password` is the one behind `hash`. Without a hash it takes as long and is false, so that nobody can
    /// tell by the time which e-mail addresses are known.
    pub async fn verify(
        &self,
        password: &str,
        hash: Option<PasswordHash>,
    ) -> Result<bool, PasswordError> {
        if password.chars().count() > *LENGTH.end() {
            return Ok(false);
        }
        let password = password.to_owned();
        self.run(move || {
            let Some(PasswordHash(text)) = hash else {
                hasher()?
                    .hash_password(password.as_bytes(), &salt()?)
                    .map_err(|error| PasswordError::Failed(error.to_string()))?;
                return Ok(false);
            };
            let parsed =
                Phc::new(&text).map_err(|error| PasswordError::Failed(error.to_string()))?;
            Ok(hasher()?
                .verify_password(password.as_bytes(), &parsed)
                .is_ok())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let failed = |error: &dyn std::fmt::Display| PasswordError::Failed(error.to_string());
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|error| failed(&error))?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| failed(&error))?
    }
}

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| PasswordError::Failed(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn salt() -> Result<SaltString, PasswordError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| PasswordError::Failed(error.to_string()))?;
    SaltString::from_b64(&STANDARD_NO_PAD.encode(bytes))
        .map_err(|error| PasswordError::Failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_same_password_opens() {
        let passwords = Passwords::default();
        let hash = passwords.hash("grease monkey").await.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(
            passwords
                .verify("grease monkey", Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!passwords.verify("grease donkey", Some(hash)).await.unwrap());
        assert!(!passwords.verify("grease monkey", None).await.unwrap());
    }

    #[tokio::test]
    async fn a_password_too_short_or_too_long_is_refused() {
        let passwords = Passwords::default();
        assert!(matches!(
            passwords.hash("1234567").await,
            Err(PasswordError::Length)
        ));
        assert!(matches!(
            passwords.hash(&"x".repeat(257)).await,
            Err(PasswordError::Length)
        ));
    }
}
