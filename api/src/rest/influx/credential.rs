//! Credentials in all the forms that InfluxDB's clients have for them.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tellee_actors::ids::ThingId;
use tellee_projections::access::ThingAccess;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::identity::{Tokens, hash_key};
use crate::rest::Rest;
use crate::rest::identify::thing_of;
use crate::rest::paging::Query;

/// A name, where the form has one, and a secret: a thing's key or a user's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub name: Option<String>,
    pub secret: String,
}

/// Whose secret it is.
#[derive(Debug, Clone, Copy)]
pub enum Verified {
    Thing(ThingAccess),
    User(Caller),
}

/// The header `Authorization` (`Basic <base64 of name:secret>`, `Token <secret>`, `Token <thing id>:<secret>`,
/// `Bearer <secret>`, `Thing <secret>`), else `u` and `p` of the query. A session cookie opens nothing here.
pub fn credential(headers: &HeaderMap, query: &Query) -> Result<Shown, ApiError> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.to_str().map_err(|_| ApiError::unauthenticated())?;
        return from_header(value).ok_or_else(ApiError::unauthenticated);
    }
    let secret = query.text("p").ok_or_else(ApiError::unauthenticated)?;
    Ok(Shown {
        name: query.text("u"),
        secret,
    })
}

fn from_header(value: &str) -> Option<Shown> {
    let (scheme, rest) = value.trim().split_once(' ')?;
    let rest = rest.trim();
    if rest.is_empty() {
        return None;
    }
    let unnamed = |secret: &str| Shown {
        name: None,
        secret: secret.to_owned(),
    };
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => {
            let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
            let (name, secret) = text.split_once(':')?;
            Some(Shown {
                name: Some(name.to_owned()).filter(|name| !name.is_empty()),
                secret: secret.to_owned(),
            })
        }
        // InfluxDB 1.8 takes name and secret so from clients of 2.x. A key may hold a colon too.
        "token" => Some(match rest.split_once(':') {
            Some((name, secret)) if name.parse::<ThingId>().is_ok() => Shown {
                name: Some(name.to_owned()),
                secret: secret.to_owned(),
            },
            _ => unnamed(rest),
        }),
        "bearer" | "thing" => Some(unnamed(rest)),
        _ => None,
    }
}

impl Shown {
    /// Whose it is. A name beside a thing's key must be the id of that thing.
    pub fn verify(&self, rest: &Rest) -> Result<Verified, ApiError> {
        if Tokens::looks_like(&self.secret) {
            return rest.platform.caller(&self.secret).map(Verified::User);
        }
        let Some(name) = &self.name else {
            return thing_of(rest, &self.secret).map(Verified::Thing);
        };
        let thing: ThingId = name.parse().map_err(|_| ApiError::unauthenticated())?;
        let mut sha256 = [0_u8; 32];
        hex::decode_to_slice(hash_key(&self.secret).0, &mut sha256)
            .map_err(|error| ApiError::internal(&error))?;
        let access = rest.platform.projections.access();
        if !access.is_key_of(thing, &sha256) {
            return Err(ApiError::unauthenticated());
        }
        access
            .thing(thing)
            .map(Verified::Thing)
            .ok_or_else(ApiError::unauthenticated)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;

    use super::*;

    const THING: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

    fn of(header: &str, query: &str) -> Option<(Option<String>, String)> {
        let mut headers = HeaderMap::new();
        if !header.is_empty() {
            headers.insert(header::AUTHORIZATION, header.parse().unwrap());
        }
        let uri: Uri = format!("/write?{query}").parse().unwrap();
        let shown = credential(&headers, &Query::of(&uri)).ok()?;
        Some((shown.name, shown.secret))
    }

    fn shown(name: Option<&str>, secret: &str) -> Option<(Option<String>, String)> {
        Some((name.map(str::to_owned), secret.to_owned()))
    }

    #[test]
    fn every_form_of_the_clients_is_taken() {
        assert_eq!(of("Token key-1", ""), shown(None, "key-1"));
        assert_eq!(of("Token a:b", ""), shown(None, "a:b"));
        assert_eq!(of(&format!("token {THING}:b"), ""), shown(Some(THING), "b"));
        assert_eq!(of("Bearer a.b.c", ""), shown(None, "a.b.c"));
        assert_eq!(
            of("Basic bmFtZTprZXk6MQ==", ""),
            shown(Some("name"), "key:1")
        );
        assert_eq!(of("Basic OmtleQ==", ""), shown(None, "key"));
        assert_eq!(of("", "u=n&p=k%20y"), shown(Some("n"), "k y"));
        assert_eq!(of("", "p=k"), shown(None, "k"));
        // The header goes before the query.
        assert_eq!(of("Token key-1", "u=n&p=k"), shown(None, "key-1"));
    }

    #[test]
    fn what_is_no_credential_is_refused() {
        for header in [
            "Token",
            "Token ",
            "key-1",
            "Digest x",
            "Basic !",
            "Basic bm9jb2xvbg==",
        ] {
            assert_eq!(of(header, "u=n&p=k"), None, "{header}");
        }
        assert_eq!(of("", "u=n"), None);
        assert_eq!(of("", ""), None);
    }
}
