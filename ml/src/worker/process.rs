//! One worker process: frames to its stdin, frames from its stdout, its log from its stderr.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::protocol::{
    Decoder, Failure, Frame, FrameLimits, Reply, ReplyBody, Request, RequestBody, encode,
};

/// How many calls may wait for answers of one worker.
const WAITING_CALLS: usize = 64;
/// The worker keeps deadlines itself; the server gives up only so much later.
const GRACE: Duration = Duration::from_secs(1);
/// A line of a worker's log is cut after this.
const MAX_LOG_LINE: u64 = 4_096;
/// The dynamic linker's exit code when a library is missing.
const EXIT_NO_LIBRARY: i32 = 127;

/// How to start a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// The folder of libtorch, which holds `lib`. `None`: the worker knows where it is.
    pub libtorch: Option<PathBuf>,
}

/// Why a worker did not come up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Starting again changes nothing until somebody installs what is missing.
    #[error("{reason}")]
    Absent { reason: String },
    #[error("{reason}")]
    Failed { reason: String },
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The worker answered that it cannot.
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("the model worker died: {reason}")]
    Died { reason: String },
    /// The worker has been killed: it does one thing at a time, and this one does not end.
    #[error("the model worker did not answer in time")]
    TimedOut,
    #[error("too many calls wait for the model worker")]
    Overloaded,
    #[error("the model worker is not running: {reason}")]
    Unavailable { reason: String },
    #[error("the call cannot be sent: {reason}")]
    Unsendable { reason: String },
}

impl CallError {
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Failed(failure) => failure.code.is_retryable(),
            Self::Died { .. } | Self::TimedOut | Self::Overloaded | Self::Unavailable { .. } => {
                true
            }
            Self::Unsendable { .. } => false,
        }
    }
}

/// A reply and its payload.
type Answer = Result<(ReplyBody, Vec<f32>), CallError>;

/// The calls that wait for answers, by request id; `None` once the worker is gone.
type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>>;

/// A running worker. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    frames: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
    permits: Semaphore,
    next_id: AtomicU64,
    kill: CancellationToken,
    gone: CancellationToken,
    reason: Arc<Mutex<Option<String>>>,
    process_id: Option<u32>,
}

impl Process {
    /// Starts a worker and waits until it has said hello.
    pub async fn start(launch: &Launch, hello: Duration) -> Result<Self, StartError> {
        if !launch.program.is_file() {
            return Err(StartError::Absent {
                reason: format!(
                    "the model worker `{}` is not installed",
                    launch.program.display()
                ),
            });
        }
        let (process, exit) = Self::spawn(launch)?;
        match process.call(RequestBody::Hello {}, &[], hello).await {
            Ok((
                ReplyBody::Hello {
                    code_version,
                    libtorch,
                },
                _,
            )) => {
                tracing::info!(
                    process = process.process_id,
                    code_version,
                    libtorch,
                    "model worker started"
                );
                Ok(process)
            }
            Ok(_) => Err(StartError::Failed {
                reason: "the model worker did not answer hello with hello".to_owned(),
            }),
            Err(error) => {
                process.kill();
                let no_library = exit
                    .await
                    .is_ok_and(|status| status.code() == Some(EXIT_NO_LIBRARY));
                if no_library {
                    let folder = launch.libtorch.as_ref().map_or_else(
                        || "the folders of the system".to_owned(),
                        |folder| format!("`{}`", folder.display()),
                    );
                    return Err(StartError::Absent {
                        reason: format!("libtorch was not found in {folder}"),
                    });
                }
                Err(StartError::Failed {
                    reason: error.to_string(),
                })
            }
        }
    }

    fn spawn(launch: &Launch) -> Result<(Self, oneshot::Receiver<ExitStatus>), StartError> {
        let mut command = Command::new(&launch.program);
        // Nothing of the server's environment, which may hold secrets. One thread each, or oneDNN takes all cores.
        command
            .args(&launch.arguments)
            .env_clear()
            .env("OMP_NUM_THREADS", "1")
            .env("MKL_NUM_THREADS", "1")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // A signal from the terminal is for the server, which then ends the worker.
        #[cfg(unix)]
        command.process_group(0);
        if let Some(libtorch) = &launch.libtorch {
            command.env("LD_LIBRARY_PATH", libtorch.join("lib"));
        }
        let mut child = command.spawn().map_err(|error| StartError::Failed {
            reason: format!("`{}` cannot be started: {error}", launch.program.display()),
        })?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(StartError::Failed {
                reason: "the model worker has no pipes".to_owned(),
            });
        };

        // As many places as calls: a sender never waits for long.
        let (frames, to_write) = mpsc::channel(WAITING_CALLS);
        let process = Self {
            frames,
            waiting: Arc::new(Mutex::new(Some(HashMap::new()))),
            permits: Semaphore::new(WAITING_CALLS),
            next_id: AtomicU64::new(1),
            kill: CancellationToken::new(),
            gone: CancellationToken::new(),
            reason: Arc::default(),
            process_id: child.id(),
        };
        let (exited, exit) = oneshot::channel();
        tokio::spawn(log_lines(stderr, process.process_id));
        let writing = tokio::spawn(write_frames(stdin, to_write, process.kill.clone()));
        let reading = read_replies(stdout, Arc::clone(&process.waiting));
        let (waiting, kill, gone, reason) = (
            Arc::clone(&process.waiting),
            process.kill.clone(),
            process.gone.clone(),
            Arc::clone(&process.reason),
        );
        tokio::spawn(async move {
            let why = tokio::select! {
                why = reading => Some(why),
                () = kill.cancelled() => None,
            };
            kill.cancel();
            writing.abort();
            let why = end(child, why, exited).await;
            *reason.lock() = Some(why.clone());
            let calls = waiting.lock().take().unwrap_or_default();
            for call in calls.into_values() {
                let _ = call.send(Err(CallError::Died {
                    reason: why.clone(),
                }));
            }
            gone.cancel();
        });
        Ok((process, exit))
    }

    /// Asks the worker. After `deadline` and a little grace without an answer it is killed: it does one thing at a time.
    pub async fn call(&self, body: RequestBody, payload: &[f32], deadline: Duration) -> Answer {
        let _permit = self
            .permits
            .try_acquire()
            .map_err(|_| CallError::Overloaded)?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        let frame = encode(
            &Request {
                id,
                deadline_ms,
                body,
            },
            payload,
            &FrameLimits::default(),
        )
        .map_err(|error| CallError::Unsendable {
            reason: error.to_string(),
        })?;
        let (sender, answer) = oneshot::channel();
        match self.waiting.lock().as_mut() {
            Some(waiting) => waiting.insert(id, sender),
            None => return Err(self.death()),
        };
        let _forget = Forget {
            waiting: &self.waiting,
            id,
        };
        let exchange = async {
            if self.frames.send(frame).await.is_err() {
                return Err(self.death());
            }
            answer.await.unwrap_or_else(|_| Err(self.death()))
        };
        timeout(deadline.saturating_add(GRACE), exchange)
            .await
            .unwrap_or_else(|_| {
                self.kill();
                Err(CallError::TimedOut)
            })
    }

    /// Ends the process at once.
    pub fn kill(&self) {
        self.kill.cancel();
    }

    /// Waits until the process is gone and says why.
    pub async fn gone(&self) -> String {
        self.gone.cancelled().await;
        self.reason.lock().clone().unwrap_or_default()
    }

    /// The operating system's number of the process.
    pub const fn process_id(&self) -> Option<u32> {
        self.process_id
    }

    fn death(&self) -> CallError {
        let reason = self
            .reason
            .lock()
            .clone()
            .unwrap_or_else(|| "it is ending".to_owned());
        CallError::Died { reason }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}

/// Takes a call off the list however it ends.
struct Forget<'a> {
    waiting: &'a Waiting,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.lock().as_mut() {
            waiting.remove(&self.id);
        }
    }
}

async fn write_frames(
    mut stdin: ChildStdin,
    mut frames: mpsc::Receiver<Vec<u8>>,
    kill: CancellationToken,
) {
    while let Some(frame) = frames.recv().await {
        let written = async {
            stdin.write_all(&frame).await?;
            stdin.flush().await
        };
        if written.await.is_err() {
            kill.cancel();
            return;
        }
    }
}

/// Hands replies to their calls until the stream ends or cannot be read; says why it ended.
async fn read_replies(mut stdout: ChildStdout, waiting: Waiting) -> String {
    let mut decoder = Decoder::new(FrameLimits::default());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stdout.read(&mut buffer).await {
            Ok(0) if decoder.is_within_frame() => {
                return "its answer ended in the middle".to_owned();
            }
            Ok(0) => return "it closed its output".to_owned(),
            Ok(count) => decoder.feed(&buffer[..count]),
            Err(error) => return error.to_string(),
        }
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    if let Err(error) = hand_over(frame, &waiting) {
                        return error;
                    }
                }
                Ok(None) => break,
                Err(error) => return error.to_string(),
            }
        }
    }
}

fn hand_over(frame: Frame, waiting: &Waiting) -> Result<(), String> {
    let reply: Reply = frame.parse().map_err(|error| error.to_string())?;
    let call = waiting
        .lock()
        .as_mut()
        .and_then(|waiting| waiting.remove(&reply.id));
    // Nobody waits: the caller gave up before.
    let Some(call) = call else { return Ok(()) };
    let answer = match reply.body {
        ReplyBody::Failed(failure) => Err(CallError::Failed(failure)),
        body => Ok((body, frame.payload)),
    };
    let _ = call.send(answer);
    Ok(())
}

/// Kills what still runs, waits for its end and puts together why.
async fn end(mut child: Child, why: Option<String>, exited: oneshot::Sender<ExitStatus>) -> String {
    // A worker that ends by itself closes its output first; its exit code is worth a moment.
    if why.is_some()
        && timeout(Duration::from_millis(200), child.wait())
            .await
            .is_err()
    {
        let _ = child.start_kill();
    }
    if why.is_none() {
        let _ = child.start_kill();
    }
    let why = why.unwrap_or_else(|| "it was ended by the server".to_owned());
    match child.wait().await {
        Ok(status) => {
            let _ = exited.send(status);
            format!("{why} ({status})")
        }
        Err(error) => format!("{why} ({error})"),
    }
}

async fn log_lines(stderr: ChildStderr, process: Option<u32>) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader)
            .take(MAX_LOG_LINE)
            .read_until(b'\n', &mut line)
            .await
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if !text.is_empty() {
            tracing::warn!(process, "model worker: {text}");
        }
    }
}
