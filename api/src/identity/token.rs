//! Users' tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256. Only that algorithm is taken.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tellee_actors::ids::UserId;
use tellee_actors::time::{SharedClock, Timestamp};

const ISSUER: &str = "tellee";
/// `{"alg":"HS256","typ":"JWT"}`, the only header that we write or take.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
const LONGEST: usize = 1024;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub sub: UserId,
    /// Seconds since 1970.
    pub iat: i64,
    pub exp: i64,
    /// The user's session epoch at issue; a token of an older epoch is void.
    pub epoch: u64,
    pub jti: uuid::Uuid,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is no token of ours")]
    Invalid,
    #[error("the token has expired")]
    Expired,
    #[error("a token could not be made: {0}")]
    Failed(String),
}

/// Issues and checks tokens.
#[derive(Clone)]
pub struct Tokens {
    key: [u8; 32],
    lifetime: Duration,
    clock: SharedClock,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tokens")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    pub fn new(key: [u8; 32], lifetime: Duration, clock: SharedClock) -> Self {
        Self {
            key,
            lifetime,
            clock,
        }
    }

    /// A token for `user`, and the second at which it expires.
    pub fn issue(&self, user: UserId, epoch: u64) -> Result<(String, i64), TokenError> {
        let now = seconds(self.clock.now());
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user,
            iat: now,
            exp: now.saturating_add(lifetime),
            epoch,
            jti: uuid::Uuid::new_v4(),
        };
        let body =
            serde_json::to_vec(&claims).map_err(|error| TokenError::Failed(error.to_string()))?;
        let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(body));
        let signature =
            URL_SAFE_NO_PAD.encode(self.mac(signed.as_bytes())?.finalize().into_bytes());
        Ok((format!("{signed}.{signature}"), claims.exp))
    }

    /// What `token` says, if we signed it and it has not expired.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Invalid);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Invalid)?;
        let (header, body) = signed.split_once('.').ok_or(TokenError::Invalid)?;
        if header != HEADER {
            return Err(TokenError::Invalid);
        }
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TokenError::Invalid)?;
        self.mac(signed.as_bytes())?
            .verify_slice(&signature)
            .map_err(|_| TokenError::Invalid)?;
        let body = URL_SAFE_NO_PAD
            .decode(body)
            .map_err(|_| TokenError::Invalid)?;
        let claims: Claims = serde_json::from_slice(&body).map_err(|_| TokenError::Invalid)?;
        if claims.iss != ISSUER {
            return Err(TokenError::Invalid);
        }
        if seconds(self.clock.now()) >= claims.exp {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }

    /// Whether `text` has the shape of a token and not of a thing's key.
    pub fn looks_like(text: &str) -> bool {
        text.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    fn mac(&self, signed: &[u8]) -> Result<Hmac<Sha256>, TokenError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key)
            .map_err(|error| TokenError::Failed(error.to_string()))?;
        mac.update(signed);
        Ok(mac)
    }
}

const fn seconds(time: Timestamp) -> i64 {
    time.0.div_euclid(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tellee_actors::time::ManualClock;

    use super::*;

    fn tokens() -> (Tokens, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_700_000_000_000)));
        (
            Tokens::new(
                [7; 32],
                Duration::from_secs(60),
                Arc::clone(&clock) as SharedClock,
            ),
            clock,
        )
    }

    #[test]
    fn a_token_says_who_until_it_expires() {
        let (tokens, clock) = tokens();
        let user = UserId::generate();
        let (token, expires) = tokens.issue(user, 3).unwrap();
        let claims = tokens.verify(&token).unwrap();
        assert_eq!((claims.sub, claims.epoch, claims.exp), (user, 3, expires));
        clock.advance(Duration::from_secs(59));
        assert!(tokens.verify(&token).is_ok());
        clock.advance(Duration::from_secs(1));
        assert_eq!(tokens.verify(&token), Err(TokenError::Expired));
    }

    #[test]
    fn an_altered_token_or_another_algorithm_is_refused() {
        let (tokens, _) = tokens();
        let (token, _) = tokens.issue(UserId::generate(), 0).unwrap();
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(bytes).unwrap();
            // The last character of base64 may carry bits that mean nothing; those must not open either.
            assert!(tokens.verify(&altered).is_err(), "altered at {place}");
        }
        let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none"}"#);
        let body = token.split('.').nth(1).unwrap();
        assert_eq!(
            tokens.verify(&format!("{none}.{body}.")),
            Err(TokenError::Invalid)
        );
        let other = Tokens::new(
            [8; 32],
            Duration::from_secs(60),
            Arc::new(ManualClock::at(Timestamp(0))),
        );
        assert_eq!(other.verify(&token), Err(TokenError::Invalid));
        for text in ["", ".", "..", "a.b.c", "no token"] {
            assert_eq!(tokens.verify(text), Err(TokenError::Invalid));
        }
    }
}
