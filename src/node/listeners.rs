//! The two ports, bound before anything else is opened.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::config::Config;
use crate::failure::Failure;

pub struct Listeners {
    pub http: TcpListener,
    pub mqtt: TcpListener,
    pub http_address: SocketAddr,
    pub mqtt_address: SocketAddr,
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
        })
    }
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
