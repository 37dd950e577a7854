//! The demo's processes: started, waited for, stopped.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::failure::Failure;

const READY_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(12);

pub struct Process {
    name: &'static str,
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Process {
    /// Starts it with stderr into `log`.
    pub async fn start(
        name: &'static str,
        command: &mut Command,
        log: &Path,
    ) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::Other(format!("the {name} cannot be started: {error}"))
        };
        let stderr = std::fs::File::create(log).map_err(failed)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            // Not reached by the terminal's Ctrl-C: the demo stops its processes in order.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| failed(std::io::Error::other("it has no stdout")))?;
        Ok(Self {
            name,
            child,
            stdout: BufReader::new(stdout).lines(),
            log: log.to_owned(),
        })
    }

    /// The JSON line that says where it listens.
    pub async fn ready_line(&mut self) -> Result<Value, Failure> {
        let line = tokio::time::timeout(READY_TIMEOUT, self.stdout.next_line()).await;
        let line = match line {
            Ok(Ok(Some(line))) => line,
            Ok(_) => return Err(self.ended()),
            Err(_) => {
                return Err(Failure::Other(format!(
                    "the {} is not ready in time{}",
                    self.name,
                    self.last_words()
                )));
            }
        };
        serde_json::from_str(&line).map_err(|error| {
            Failure::Other(format!(
                "the {} is not understood: {error}: {line}",
                self.name
            ))
        })
    }

    fn ended(&self) -> Failure {
        Failure::Other(format!("the {} ended{}", self.name, self.last_words()))
    }

    /// The end of its log.
    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last = text
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        if last.is_empty() {
            String::new()
        } else {
            format!(": {last}")
        }
    }

    /// SIGTERM, then SIGKILL for one that does not heed it.
    pub async fn stop(mut self) {
        if let Some(pid) = self.child.id() {
            let _ = Command::new("kill")
                .args(["-TERM", &pid.to_string()])
                .status()
                .await;
        }
        if tokio::time::timeout(STOP_TIMEOUT, self.child.wait())
            .await
            .is_err()
        {
            let _ = self.child.kill().await;
        }
    }
}

/// Waits until one of the processes has ended, and says which.
pub async fn first_end(processes: &mut [Process]) -> Failure {
    loop {
        for process in processes.iter_mut() {
            if !matches!(process.child.try_wait(), Ok(None)) {
                return process.ended();
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
