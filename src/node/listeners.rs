//! The ports, bound before anything else is opened.

use std::net::SocketAddr;
use std::sync::Arc;

use tellee_api::tls::TlsServer;
use tokio::net::TcpListener;

use crate::config::{Config, Tls};
use crate::failure::Failure;

/// What HTTP over TLS offers (RFC 7301).
const HTTP_PROTOCOLS: &[&[u8]] = &[b"http/1.1"];
/// MQTT clients ask for many names or for none.
const MQTT_PROTOCOLS: &[&[u8]] = &[];

pub struct Listeners {
    pub http: TcpListener,
    pub mqtt: TcpListener,
    pub http_address: SocketAddr,
    pub mqtt_address: SocketAddr,
    pub https: Option<SecureListener>,
    pub mqtts: Option<SecureListener>,
}

/// A port that speaks TLS.
pub struct SecureListener {
    pub listener: TcpListener,
    pub address: SocketAddr,
    pub tls: Arc<TlsServer>,
}

impl Listeners {
    pub async fn bind(config: &Config) -> Result<Self, Failure> {
        let (http, http_address) = bind("HTTP", "--http", config.http.listen).await?;
        let (mqtt, mqtt_address) = bind("MQTT", "--mqtt", config.mqtt.listen).await?;
        Ok(Self {
            http,
            mqtt,
            http_address,
            mqtt_address,
            https: bind_tls("HTTP", "http.tls", &config.http.tls, HTTP_PROTOCOLS).await?,
            mqtts: bind_tls("MQTT", "mqtt.tls", &config.mqtt.tls, MQTT_PROTOCOLS).await?,
        })
    }

    /// TLS of all ports that speak it.
    pub fn tls(&self) -> Vec<Arc<TlsServer>> {
        let secure = [&self.https, &self.mqtts];
        let tls = secure.into_iter().flatten();
        tls.map(|secure| Arc::clone(&secure.tls)).collect()
    }
}

/// Reads the certificates of all ports that speak TLS, as the start does.
pub fn check_certificates(config: &Config) -> Result<(), Failure> {
    open_tls("http.tls", &config.http.tls, HTTP_PROTOCOLS)?;
    open_tls("mqtt.tls", &config.mqtt.tls, MQTT_PROTOCOLS)?;
    Ok(())
}

fn open_tls(
    section: &str,
    config: &Tls,
    protocols: &'static [&'static [u8]],
) -> Result<Option<(SocketAddr, Arc<TlsServer>)>, Failure> {
    let Some((address, files)) = config.files() else {
        return Ok(None);
    };
    let tls = TlsServer::open(files, protocols)
        .map_err(|error| Failure::Usage(format!("`{section}`: {error}")))?;
    Ok(Some((address, tls)))
}

async fn bind_tls(
    what: &str,
    section: &str,
    config: &Tls,
    protocols: &'static [&'static [u8]],
) -> Result<Option<SecureListener>, Failure> {
    let Some((address, tls)) = open_tls(section, config, protocols)? else {
        return Ok(None);
    };
    let key = format!("`{section}.listen`");
    let (listener, address) = bind(&format!("{what} over TLS"), &key, address).await?;
    Ok(Some(SecureListener {
        listener,
        address,
        tls,
    }))
}

async fn bind(
    what: &str,
    flag: &str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error: std::io::Error| {
        Failure::Other(format!(
            "cannot listen for {what} on {address}: {error}; give another address with {flag}"
        ))
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
