//! Starts `tellee serve` on free ports and waits for its ready line, never for a time.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::Client;

pub const EMAIL: &str = "admin@plant.example";
pub const PASSWORD: &str = "a long pass phrase";

/// Longest wait for anything that a healthy server does at once.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test with a clean environment: no `TELLEE_` variable of the caller's.
pub fn tellee() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tellee"));
    for (name, _) in std::env::vars() {
        if name.starts_with("TELLEE_") || name == "LIBTORCH" {
            command.env_remove(name);
        }
    }
    command
}

/// What a program that ended left behind.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `command` to its end, which must come within [`PATIENCE`].
pub fn run(command: &mut Command) -> Ended {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdout = child.stdout.take().expect("stdout is piped");
    let mut stderr = child.stderr.take().expect("stderr is piped");
    let out = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stdout.read_to_string(&mut text);
        text
    });
    let err = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let status = wait(&mut child, PATIENCE);
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let (stdout, stderr) = (
        out.join().unwrap_or_default(),
        err.join().unwrap_or_default(),
    );
    let status = status.unwrap_or_else(|| panic!("`{command:?}` did not end; stderr: {stderr}"));
    Ended {
        code: status.code(),
        stdout,
        stderr,
    }
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            return Some(status);
        }
        if Instant::now() >= until {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How a server is to be started.
pub struct Options {
    data: PathBuf,
    environment: Vec<(String, String)>,
    http: String,
    mqtt: String,
}

impl Options {
    pub fn new(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            environment: vec![
                ("TELLEE_ADMIN_EMAIL".to_owned(), EMAIL.to_owned()),
                ("TELLEE_ADMIN_PASSWORD".to_owned(), PASSWORD.to_owned()),
                // Only the test about models wants one.
                ("TELLEE_ML__ENABLED".to_owned(), "false".to_owned()),
            ],
            http: "127.0.0.1:0".to_owned(),
            mqtt: "127.0.0.1:0".to_owned(),
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    pub fn http(mut self, address: &str) -> Self {
        address.clone_into(&mut self.http);
        self
    }

    pub fn command(&self) -> Command {
        let mut command = tellee();
        command
            .args([
                "serve",
                "--http",
                &self.http,
                "--mqtt",
                &self.mqtt,
                "--data-dir",
            ])
            .arg(&self.data)
            .envs(self.environment.iter().cloned());
        command
    }

    /// Starts it and waits until it answers.
    pub fn start(self) -> Server {
        let command = self.command();
        self.start_as(command)
    }

    /// As [`Self::start`], after a line of shell that sets limits.
    pub fn start_within(self, limits: &str) -> Server {
        let plain = self.command();
        let mut command = Command::new("bash");
        command
            .args(["-c", &format!("{limits} && exec \"$@\""), "bash"])
            .arg(plain.get_program())
            .args(plain.get_args());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.start_as(command)
    }

    fn start_as(self, mut command: Command) -> Server {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut kept = kept.lock().expect("the log's lock");
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        let (send, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let line = match lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(_) => {
                let _ = child.kill();
                let status = child.wait();
                let log = log.lock().expect("the log's lock").clone();
                panic!("no ready line; {status:?}; stderr: {log}");
            }
        };
        let ready: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: `{line}`"));
        let address = |name: &str| -> SocketAddr {
            let text = ready[name].as_str().unwrap_or_default();
            text.parse()
                .unwrap_or_else(|_| panic!("`{name}` is no address in `{line}`"))
        };
        Server {
            http: address("http"),
            mqtt: address("mqtt"),
            ready,
            child,
            log,
            lines,
            data: self.data,
        }
    }
}

/// A running server; dropped, it is killed.
pub struct Server {
    pub http: SocketAddr,
    pub mqtt: SocketAddr,
    pub ready: Value,
    pub data: PathBuf,
    child: Child,
    log: Arc<Mutex<String>>,
    lines: mpsc::Receiver<String>,
}

impl Server {
    pub fn start(data: &Path) -> Self {
        Options::new(data).start()
    }

    /// Nobody is signed in.
    pub fn anonymous(&self) -> Client {
        Client::new(self.http)
    }

    /// Signed in as the administrator of the environment.
    pub async fn administrator(&self) -> Client {
        self.anonymous().sign_in(EMAIL, PASSWORD).await
    }

    pub fn log(&self) -> String {
        self.log.lock().expect("the log's lock").clone()
    }

    /// What it printed on stdout after the ready line.
    pub fn further_lines(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, as a power cut for the process.
    pub fn kill(mut self) -> PathBuf {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
        self.data.clone()
    }

    /// SIGTERM; the exit status, and how long it took.
    pub fn stop(mut self) -> (Option<i32>, Duration) {
        let begin = Instant::now();
        signal("TERM", self.child.id());
        let status = wait(&mut self.child, PATIENCE).expect("it ends after SIGTERM");
        (status.code(), begin.elapsed())
    }

    /// Whether the process runs still.
    pub fn is_alive(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("the child can be asked")
            .is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("log of the server:\n{}", self.log());
        }
    }
}

/// Sends a signal by `kill`, since this workspace has no unsafe code.
pub fn signal(name: &str, pid: u32) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "kill -{name} {pid}"
    );
}

/// Asks `probe` until it answers, at most [`PATIENCE`] long.
pub async fn until<T, Answer: Future<Output = Option<T>>>(
    what: &str,
    mut probe: impl FnMut() -> Answer,
) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(Instant::now() < end, "this did not come: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
