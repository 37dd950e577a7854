//! The control socket in the data folder: what the command line asks of a server that runs. For the folder's owner only.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::{Stores, backup};
use crate::failure::Failure;
use crate::folder::DataFolder;

const SOCKET: &str = "control.sock";
const LINE_LIMIT: u64 = 16 * 1024;

/// One line of JSON from the command line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    Backup { to: PathBuf },
}

/// One line of JSON back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Done { bytes: u64 },
    Failed { reason: String },
}

pub fn bind(folder: &DataFolder) -> Result<UnixListener, Failure> {
    let path = folder.path().join(SOCKET);
    let unusable = |error: std::io::Error| {
        Failure::DataFolder(format!(
            "control socket `{}` cannot be made: {error}",
            path.display()
        ))
    };
    // We hold the lock, so a socket that is there is a dead server's.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(unusable)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(unusable)?;
    Ok(listener)
}

/// Answers one request after the other until `stop`.
pub async fn serve(
    listener: UnixListener,
    stores: Stores,
    data_dir: PathBuf,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        tokio::select! {
            () = stop.cancelled() => break,
            answered = answer(stream, &stores, &data_dir) => {
                if let Err(error) = answered {
                    tracing::debug!(%error, "a request on the control socket was broken off");
                }
            }
        }
    }
    let _ = std::fs::remove_file(data_dir.join(SOCKET));
}

async fn answer(mut stream: UnixStream, stores: &Stores, data_dir: &Path) -> std::io::Result<()> {
    let mut line = String::new();
    let (reader, _) = stream.split();
    BufReader::new(reader.take(LINE_LIMIT))
        .read_line(&mut line)
        .await?;
    let answer = match serde_json::from_str::<Ask>(&line) {
        Err(error) => Answer::Failed {
            reason: format!("the request is malformed: {error}"),
        },
        Ok(Ask::Backup { to }) => match backup::write(stores, data_dir, &to).await {
            Ok(bytes) => {
                tracing::info!(file = %to.display(), bytes, "a backup was written");
                Answer::Done { bytes }
            }
            Err(failure) => Answer::Failed {
                reason: failure.to_string(),
            },
        },
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    stream.write_all(&text).await
}

/// Asks the server that holds `data_dir`.
pub async fn ask(data_dir: &Path, ask: &Ask) -> Result<Answer, Failure> {
    let failed = |error: std::io::Error| {
        Failure::Other(format!(
            "the server that holds `{}` does not answer: {error}",
            data_dir.display()
        ))
    };
    let mut stream = UnixStream::connect(data_dir.join(SOCKET))
        .await
        .map_err(failed)?;
    let mut text = serde_json::to_vec(ask)
        .map_err(|error| Failure::other("the request cannot be written", &error))?;
    text.push(b'\n');
    stream.write_all(&text).await.map_err(failed)?;
    let mut line = String::new();
    BufReader::new(stream)
        .read_line(&mut line)
        .await
        .map_err(failed)?;
    serde_json::from_str(&line)
        .map_err(|error| Failure::other("the server's answer is malformed", &error))
}
