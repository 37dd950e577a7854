//! A log that nobody takes, and an answer that has no room, harm nothing else.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::harness::{Options, run, signal, tellee};

/// Its stderr is a pipe that nobody reads from any more. Answers once the ready line came.
fn start_without_a_log(data: &Path) -> Child {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut server = Options::new(data)
        .command()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(writer)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("\"ready\""), "{line}");
    server
}

#[test]
fn a_server_whose_log_is_cut_off_goes_on_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = start_without_a_log(&data);
    for name in ["first", "second"] {
        // Each one is logged by the task that serves the control socket.
        let backup = run(tellee()
            .args(["backup", "--data-dir"])
            .arg(&data)
            .arg(folder.path().join(name)));
        assert_eq!(backup.code, Some(0), "{}", backup.stderr);
    }
    signal("TERM", server.id());
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

fn with_a_full_disk_behind_stdout(command: &mut Command) -> (Option<i32>, String) {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = command
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    (ended.status.code(), stderr)
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error_and_no_panic() {
    for words in [&["config", "show"][..], &["config", "check"], &["version"]] {
        let (code, stderr) = with_a_full_disk_behind_stdout(tellee().args(words));
        assert_eq!(code, Some(1), "{words:?}: {stderr}");
        assert!(stderr.contains("stdout cannot be written"), "{stderr}");
    }
}

#[test]
fn a_server_whose_ready_line_is_lost_serves_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut server = Options::new(folder.path())
        .command()
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = BufReader::new(server.stderr.take().unwrap());
    let mut lines = log.lines().map_while(Result::ok);
    let mut said = |words: &str| lines.any(|line| line.contains(words));
    assert!(said("the ready line is lost"));
    assert!(said("tellee answers"));
    signal("TERM", server.id());
    assert!(said("tellee stops"));
    assert_eq!(server.wait().unwrap().code(), Some(0));
}
