//! Credentials as Mainflux' clients send them, in every form.

use axum::http::{HeaderMap, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::ApiError;
use crate::identity::Tokens;

/// The dashboard's session.
pub const SESSION_COOKIE: &str = "tellee_session";

/// What a request shows for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user's token: raw, `Bearer`, or in the dashboard's cookie.
    User(String),
    /// A thing's key (or an external key): raw or `Thing`, or the password of `Basic`.
    Thing(String),
}

/// The credential of a request: `Authorization: <raw>`, `Bearer <token>`, `Thing <key>`, `Basic <base64>`; else the
/// query's `authorization`; else the session cookie. A raw one is a token if it has the shape of one.
pub fn credential(headers: &HeaderMap, uri: &Uri) -> Result<Credential, ApiError> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        return from_header(value.to_str().map_err(|_| ApiError::unauthenticated())?);
    }
    if let Some(text) = query_value(uri, "authorization") {
        return from_header(&text);
    }
    cookie_token(headers)
        .map(Credential::User)
        .ok_or_else(ApiError::unauthenticated)
}

/// Whether the credential of a request can only be the session cookie, which browsers send by themselves.
pub fn is_by_cookie(headers: &HeaderMap, uri: &Uri) -> bool {
    !headers.contains_key(header::AUTHORIZATION) && query_value(uri, "authorization").is_none()
}

fn from_header(value: &str) -> Result<Credential, ApiError> {
    let value = value.trim();
    let (scheme, rest) = value.split_once(' ').unwrap_or(("", value));
    let rest = rest.trim();
    let schemes = ["bearer", "thing", "basic"];
    let is_scheme_alone =
        scheme.is_empty() && schemes.iter().any(|known| rest.eq_ignore_ascii_case(known));
    if rest.is_empty() || is_scheme_alone {
        return Err(ApiError::unauthenticated());
    }
    match scheme.to_ascii_lowercase().as_str() {
        "" if Tokens::looks_like(rest) => Ok(Credential::User(rest.to_owned())),
        "" | "thing" => Ok(Credential::Thing(rest.to_owned())),
        "bearer" => Ok(Credential::User(rest.to_owned())),
        "basic" => basic(rest),
        _ => Err(ApiError::unauthenticated()),
    }
}

/// RFC 7617; the password is the thing's key.
fn basic(encoded: &str) -> Result<Credential, ApiError> {
    let decoded = STANDARD
        .decode(encoded)
        .map_err(|_| ApiError::unauthenticated())?;
    let text = String::from_utf8(decoded).map_err(|_| ApiError::unauthenticated())?;
    let (_, password) = text.split_once(':').ok_or_else(ApiError::unauthenticated)?;
    Ok(Credential::Thing(password.to_owned()))
}

fn query_value(uri: &Uri, name: &str) -> Option<String> {
    let query = uri.query()?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The token in the dashboard's cookie.
pub fn cookie_token(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == SESSION_COOKIE)
        .map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> Result<Credential, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, header.parse().unwrap());
        credential(&headers, &Uri::from_static("/things"))
    }

    #[test]
    fn every_form_of_mainflux_is_taken() {
        let key = || {
            Ok(Credential::Thing(
                "6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned(),
            ))
        };
        assert_eq!(of("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), key());
        assert_eq!(of("Thing 6ba7b810-9dad-11d1-80b4-00c04fd430c8"), key());
        assert_eq!(
            of(&format!(
                "Basic {}",
                STANDARD.encode("any:6ba7b810-9dad-11d1-80b4-00c04fd430c8")
            )),
            key()
        );
        assert_eq!(of("a.b.c"), Ok(Credential::User("a.b.c".to_owned())));
        assert_eq!(of("Bearer a.b.c"), Ok(Credential::User("a.b.c".to_owned())));
        assert_eq!(
            of("bearer  a.b.c"),
            Ok(Credential::User("a.b.c".to_owned()))
        );
    }

    #[test]
    fn what_is_no_credential_is_refused() {
        for header in ["", "Bearer ", "Basic !!!", "Basic bm9jb2xvbg==", "Digest x"] {
            assert!(of(header).is_err(), "{header}");
        }
        assert!(credential(&HeaderMap::new(), &Uri::from_static("/things")).is_err());
    }

    #[test]
    fn the_query_and_the_cookie_are_asked_in_that_order() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::COOKIE,
            "theme=night; tellee_session=a.b.c".parse().unwrap(),
        );
        assert_eq!(
            credential(&headers, &Uri::from_static("/things")),
            Ok(Credential::User("a.b.c".to_owned()))
        );
        assert_eq!(
            credential(&headers, &Uri::from_static("/ws?authorization=key-1")),
            Ok(Credential::Thing("key-1".to_owned()))
        );
    }
}
