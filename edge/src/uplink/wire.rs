//! MQTT 5 packets over TCP, plain or with TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::v5::mqttbytes::Error as PacketError;
use rumqttc::v5::mqttbytes::v5::Packet;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::endpoint::Endpoint;

/// The platform sends us acknowledgements only.
const MAX_INCOMING_BYTES: u32 = 64 * 1024;
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    #[error("platform closed the connection")]
    Closed,
    #[error("platform takes nothing for {0:?}")]
    Stalled(Duration),
    #[error("platform sent an invalid packet: {0}")]
    Packet(PacketError),
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<Stream: AsyncRead + AsyncWrite + Send + Unpin> Duplex for Stream {}

pub(crate) struct Wire {
    stream: Box<dyn Duplex>,
    incoming: BytesMut,
    outgoing: BytesMut,
}

impl Wire {
    pub(crate) async fn connect(
        endpoint: &Endpoint,
        tls: Option<&Arc<ClientConfig>>,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(endpoint.authority()).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: secured(stream, endpoint, tls).await?,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
        })
    }

    /// Puts a packet into the buffer. Fails only for a packet that MQTT cannot express or the platform does not take.
    pub(crate) fn queue(
        &mut self,
        packet: &Packet,
        max_packet_bytes: Option<u32>,
    ) -> Result<(), PacketError> {
        packet
            .write(&mut self.outgoing, max_packet_bytes)
            .map(|_| ())
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.outgoing.len()
    }

    pub(crate) async fn flush(&mut self) -> Result<(), WireError> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        let write = async {
            self.stream.write_all(&self.outgoing).await?;
            self.stream.flush().await
        };
        let written = timeout(WRITE_TIMEOUT, write).await;
        self.outgoing.clear();
        match written {
            Ok(written) => Ok(written?),
            Err(_) => Err(WireError::Stalled(WRITE_TIMEOUT)),
        }
    }

    /// The next packet. Cancel-safe.
    pub(crate) async fn read(&mut self) -> Result<Packet, WireError> {
        loop {
            match Packet::read(&mut self.incoming, Some(MAX_INCOMING_BYTES)) {
                Ok(packet) => return Ok(packet),
                Err(PacketError::InsufficientBytes(_)) => {}
                Err(error) => return Err(WireError::Packet(error)),
            }
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                return Err(WireError::Closed);
            }
        }
    }
}

async fn secured(
    stream: TcpStream,
    endpoint: &Endpoint,
    tls: Option<&Arc<ClientConfig>>,
) -> io::Result<Box<dyn Duplex>> {
    if !endpoint.tls {
        return Ok(Box::new(stream));
    }
    let Some(tls) = tls else {
        return Err(io::Error::other(
            "`tls.ca_file` is missing, and this system keeps no list of authorities",
        ));
    };
    let name = ServerName::try_from(endpoint.name().to_owned()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(Arc::clone(tls))
        .connect(name, stream)
        .await?;
    Ok(Box::new(stream))
}
