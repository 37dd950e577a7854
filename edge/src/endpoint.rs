//! Where the platform's MQTT port is, and whether TLS is spoken there.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

const PLAIN_PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;

/// `host:port`, `mqtt://host[:1883]` or `mqtts://host[:8883]`. An IPv6 address stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Endpoint {
    host: String,
    port: u16,
    pub tls: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no MQTT address: `host:port`, `mqtt://host` or `mqtts://host` is wanted")]
pub struct EndpointError(String);

impl Endpoint {
    /// The standard port beside a server whose base URL is `server`: over TLS if that is.
    pub fn beside(server: &str) -> Self {
        let tls = server.starts_with("https://");
        let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or(rest);
        let host = split_port(authority).map_or(authority, |(host, _)| host);
        Self {
            host: host.to_owned(),
            port: if tls { TLS_PORT } else { PLAIN_PORT },
            tls,
        }
    }

    /// Without the brackets of an IPv6 address, as certificates name it.
    pub fn name(&self) -> &str {
        let inner = self.host.strip_prefix('[');
        inner
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(&self.host)
    }

    /// `host:port`.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Host and port, if there is one.
fn split_port(authority: &str) -> Option<(&str, &str)> {
    let (host, port) = authority.rsplit_once(':')?;
    let in_brackets = !host.starts_with('[') || host.ends_with(']');
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (in_brackets && is_port).then_some((host, port))
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let fault = || EndpointError(text.to_owned());
        let (tls, authority, standard) = match text.split_once("://") {
            None => (false, text, None),
            Some(("mqtt", rest)) => (false, rest, Some(PLAIN_PORT)),
            Some(("mqtts", rest)) => (true, rest, Some(TLS_PORT)),
            Some(_) => return Err(fault()),
        };
        let (host, port) = match split_port(authority) {
            Some((host, port)) => (host, port.parse().map_err(|_| fault())?),
            None => (authority, standard.ok_or_else(fault)?),
        };
        let is_bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        let is_odd = host.is_empty() || host.contains(['/', '@', '?', '#', ' ']);
        if is_odd || is_bare_v6 || port == 0 {
            return Err(fault());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            tls,
        })
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts://" } else { "" };
        write!(formatter, "{scheme}{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_whether_tls_is_spoken_and_which_port_is_meant() {
        for (text, shown, name) in [
            ("10.0.0.1:1884", "10.0.0.1:1884", "10.0.0.1"),
            ("mqtt://plant", "plant:1883", "plant"),
            ("mqtts://plant", "mqtts://plant:8883", "plant"),
            ("mqtts://[::1]:9000", "mqtts://[::1]:9000", "::1"),
            ("mqtt://[fe80::1]", "[fe80::1]:1883", "fe80::1"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(
                (endpoint.to_string().as_str(), endpoint.name()),
                (shown, name)
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_told() {
        for text in [
            "",
            "plant",
            ":1883",
            "plant:",
            "plant:70000",
            "plant:0",
            "http://plant",
            "mqtts://",
            "::1:1883",
            "mqtt://a/b",
            "mqtt://u@h",
            "[::1",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn beside_a_server_it_is_the_standard_port_and_tls_where_the_server_speaks_it() {
        for (server, shown) in [
            ("http://10.0.0.1:8080", "10.0.0.1:1883"),
            ("http://plant/base", "plant:1883"),
            ("http://[::1]:8080", "[::1]:1883"),
            ("http://[::1]", "[::1]:1883"),
            ("https://plant:8443", "mqtts://plant:8883"),
        ] {
            assert_eq!(Endpoint::beside(server).to_string(), shown);
        }
    }
}
