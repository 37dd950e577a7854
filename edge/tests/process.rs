//! The program as its surroundings see it.

#![allow(clippy::unwrap_used)]

#[path = "support/platform.rs"]
// Each test uses its part of it.
#[allow(dead_code)]
mod platform;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use platform::{EXTERNAL_ID, EXTERNAL_KEY, Platform};
use tokio::time::timeout;

fn agent(platform: &Platform, folder: &Path) -> Command {
    let key_file = folder.join("key");
    std::fs::write(&key_file, EXTERNAL_KEY).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tellee-edge"));
    command
        .args(["--server", &platform.server(), "--external-id", EXTERNAL_ID])
        .arg("--external-key-file")
        .arg(&key_file)
        .arg("--data-dir")
        .arg(folder.join("data"))
        .args(["--mqtt", &platform.mqtt.to_string()])
        .stdin(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_whose_stderr_is_gone_works_and_ends_as_asked() {
    let platform = Platform::start(r#"{"connections":[]}"#.into()).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = agent(&platform, folder.path());
    command
        .env("TELLEE_EDGE_STATUS__EVERY", "200ms")
        .stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    platform
        .until("figures", |state| state.messages.len() >= 2)
        .await;
    // Another uplink, so that its end is logged.
    platform.online.send_replace(false);
    platform.online.send_replace(true);
    let wanted = platform.state.lock().messages.len() + 2;
    platform
        .until("figures after a cut", |state| {
            state.messages.len() >= wanted
        })
        .await;
    let terminated = Command::new("kill")
        .arg(child.id().unwrap().to_string())
        .status()
        .unwrap();
    assert!(terminated.success());
    let ended = timeout(Duration::from_secs(5), child.wait()).await;
    assert_eq!(ended.unwrap().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_cannot_be_told_still_has_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_tellee-edge"))
        .arg("--config")
        .arg(folder.path().join("none.toml"))
        .stderr(full)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn variables_that_are_no_text_are_left_alone_or_named() {
    let run = |name: &[u8]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tellee-edge"))
            .env(OsStr::from_bytes(name), OsStr::from_bytes(b"\xff"))
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for name in [&b"ODD"[..], b"ODD\xff"] {
        let (code, told) = run(name);
        assert_eq!(code, Some(2));
        assert!(told.contains("`bootstrap.server` is missing"), "{told}");
    }
    let (code, told) = run(b"TELLEE_EDGE_DATA_DIR");
    assert_eq!(code, Some(2));
    assert!(told.contains("`TELLEE_EDGE_DATA_DIR`"), "{told}");
}
