//! The control socket in the data folder: what the command line asks of a server that runs. For the folder's owner only.

mod frames;
mod path;

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use self::frames::{Frames, copy_frames};
use self::path::SocketPath;
use super::{Stores, backup};
use crate::failure::Failure;
use crate::folder::DataFolder;

const LINE_LIMIT: u64 = 16 * 1024;
/// A command line that takes nothing for so long is given up.
const STALL: Duration = Duration::from_secs(60);

/// One line of JSON from the command line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
enum Ask {
    /// The archive in frames, then one line of [`Answer`]. It goes over the socket, since the server may see other
    /// folders than who asks, or may write in none but its own.
    Backup,
}

/// One line of JSON back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Done,
    Failed { reason: String },
}

pub fn bind(folder: &DataFolder) -> Result<UnixListener, Failure> {
    let unusable = |error: std::io::Error| {
        Failure::DataFolder(format!(
            "the control socket in `{}` cannot be made: {error}",
            folder.path().display()
        ))
    };
    let socket = SocketPath::of(folder.path()).map_err(unusable)?;
    // We hold the lock, so a socket that is there is a dead server's.
    match std::fs::remove_file(socket.path()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(error)),
        _ => {}
    }
    let listener = UnixListener::bind(socket.path()).map_err(unusable)?;
    std::fs::set_permissions(socket.path(), std::fs::Permissions::from_mode(0o600))
        .map_err(unusable)?;
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
                    tracing::warn!(%error, "a request on the control socket was broken off");
                }
            }
        }
    }
    let _ = std::fs::remove_file(data_dir.join(path::NAME));
}

async fn answer(mut stream: UnixStream, stores: &Stores, data_dir: &Path) -> std::io::Result<()> {
    let mut line = String::new();
    let (reader, _) = stream.split();
    let mut reader = tokio::io::BufReader::new(reader.take(LINE_LIMIT));
    tokio::time::timeout(STALL, reader.read_line(&mut line)).await??;
    let staged = match serde_json::from_str::<Ask>(&line) {
        Err(error) => Err(Failure::other("the request is malformed", &error)),
        Ok(Ask::Backup) => backup::stage(stores, data_dir).await,
    };
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(STALL))?;
    let _hang_up = HangUp(stream.try_clone()?);
    tokio::task::spawn_blocking(move || send(&stream, staged)).await?
}

/// Ends the writing of a request that is no longer waited for.
struct HangUp(BlockingStream);

impl Drop for HangUp {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

fn send(stream: &BlockingStream, staged: Result<backup::Staged, Failure>) -> std::io::Result<()> {
    let mut frames = Frames::new(stream);
    let packed = staged.and_then(|staged| {
        let packed = staged.pack(&mut frames);
        packed.map_err(|error| Failure::other("the backup cannot be made", &error))
    });
    let bytes = frames.end()?;
    let answer = match packed {
        Ok(()) => {
            tracing::info!(bytes, "a backup was made");
            Answer::Done
        }
        Err(failure) => {
            tracing::warn!(%failure, "a backup failed");
            Answer::Failed {
                reason: failure.to_string(),
            }
        }
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    let mut stream = stream;
    stream.write_all(&text)
}

/// Has the server that holds `data_dir` write a backup of it to `to`.
pub fn ask_backup(data_dir: &Path, to: &mut impl Write) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::Other(format!(
            "no backup comes from the server that holds `{}`: {error}",
            data_dir.display()
        ))
    };
    let socket = SocketPath::of(data_dir).map_err(failed)?;
    let mut stream = BlockingStream::connect(socket.path()).map_err(failed)?;
    let mut text = serde_json::to_vec(&Ask::Backup)
        .map_err(|error| Failure::other("the request cannot be written", &error))?;
    text.push(b'\n');
    stream.write_all(&text).map_err(failed)?;
    let mut reader = BufReader::new(stream);
    copy_frames(&mut reader, to).map_err(failed)?;
    let mut line = String::new();
    reader
        .take(LINE_LIMIT)
        .read_line(&mut line)
        .map_err(failed)?;
    match serde_json::from_str(&line) {
        Ok(Answer::Done) => Ok(()),
        Ok(Answer::Failed { reason }) => Err(Failure::Other(reason)),
        Err(error) => Err(Failure::other("the server's answer is malformed", &error)),
    }
}
