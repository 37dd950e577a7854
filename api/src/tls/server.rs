//! The server's end of TLS, whose certificates may change while it runs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::files::{Contents, TlsError, TlsFiles};
use super::thing::CertifiedThing;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// One port's TLS. New connections take the certificates that are in force when they come.
pub struct TlsServer {
    files: TlsFiles,
    protocols: &'static [&'static [u8]],
    config: ArcSwap<ServerConfig>,
    /// Fingerprint of the files as they were last tried, whether they worked or not.
    tried: Mutex<[u8; 32]>,
    look: Notify,
}

impl TlsServer {
    /// `protocols` are offered by ALPN; none: clients may ask for any.
    ///
    /// # Errors
    /// [`TlsError`] names the file.
    pub fn open(
        files: TlsFiles,
        protocols: &'static [&'static [u8]],
    ) -> Result<Arc<Self>, TlsError> {
        let contents = Contents::read(&files)?;
        let tried = Mutex::new(contents.fingerprint());
        let config = contents.into_config(&files, protocols)?;
        Ok(Arc::new(Self {
            files,
            protocols,
            config: ArcSwap::from_pointee(config),
            tried,
            look: Notify::new(),
        }))
    }

    /// Takes the files as they are now. Answers whether they had changed. If they do not work, the former certificates
    /// stay in force, and the same contents are not tried again.
    ///
    /// # Errors
    /// [`TlsError`] names the file.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let contents = Contents::read(&self.files)?;
        let fingerprint = contents.fingerprint();
        if std::mem::replace(&mut *self.tried.lock(), fingerprint) == fingerprint {
            return Ok(false);
        }
        let config = contents.into_config(&self.files, self.protocols)?;
        self.config.store(Arc::new(config));
        Ok(true)
    }

    /// Looks at the files at once, not only at the next turn.
    pub fn look_again(&self) {
        self.look.notify_one();
    }

    /// Takes changed files until `stop`.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut complaint = String::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.look.notified() => {}
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
            let server = Arc::clone(&self);
            let Ok(looked) = tokio::task::spawn_blocking(move || server.reload()).await else {
                continue;
            };
            match looked {
                Ok(false) => {}
                Ok(true) => {
                    complaint.clear();
                    let path = self.files.certificate.display();
                    tracing::info!(certificate = %path, "new certificates are in force");
                }
                Err(error) => {
                    let error = error.to_string();
                    if error != complaint {
                        tracing::warn!(error, "the former certificates stay in force");
                        complaint = error;
                    }
                }
            }
        }
    }

    /// Shakes hands over `stream`. The caller bounds the time.
    ///
    /// # Errors
    /// What went wrong with the stream, the protocol or the client's certificate.
    pub async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        TlsAcceptor::from(self.config.load_full())
            .accept(stream)
            .await
    }

    /// The thing that the client's certificate names.
    pub fn certified_thing<S>(stream: &TlsStream<S>) -> Option<CertifiedThing> {
        let (_, connection) = stream.get_ref();
        CertifiedThing::of_certificate(connection.peer_certificates()?.first()?)
    }
}
