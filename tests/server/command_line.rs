//! Commands beside `serve`: what they refuse, and what they say.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::{EMAIL, Options, Server, run, tellee};

/// Exit code and stderr of a command that reads `input`.
fn run_with(input: &str, command: &mut Command) -> (Option<i32>, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it reads.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let ended = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    (ended.status.code(), stderr)
}

fn user(action: &str, data: &Path, email: &str) -> Command {
    let mut command = tellee();
    command
        .args(["user", action, "--data-dir"])
        .arg(data)
        .arg(email);
    command
}

#[tokio::test]
async fn who_is_locked_out_is_given_a_new_password() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let before = server.administrator().await;
    server.stop();
    let new = "another pass phrase";
    let (code, stderr) = run_with(new, &mut user("add", folder.path(), EMAIL));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("tellee user password"), "{stderr}");
    let (code, stderr) = run_with(new, &mut user("password", folder.path(), "x@plant.example"));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("no user `x@plant.example`"), "{stderr}");
    let (code, stderr) = run_with(
        new,
        &mut user("password", folder.path(), "Admin@plant.example"),
    );
    assert_eq!(code, Some(0), "{stderr}");
    let (code, stderr) = run_with(new, &mut user("add", folder.path(), "second@plant.example"));
    assert_eq!(code, Some(0), "{stderr}");
    let server = Server::start(folder.path());
    for email in [EMAIL, "second@plant.example"] {
        let admin = server.anonymous().sign_in(email, new).await;
        admin.get("/things").await.expect(200);
    }
    let old = server
        .anonymous()
        .as_who(&format!("Bearer {}", before.token()));
    // Its session has ended.
    old.get("/things").await.expect(401);
}

#[test]
fn a_user_is_made_in_a_folder_that_is_there_only() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stderr) = run_with("a long pass phrase", &mut user("add", folder.path(), EMAIL));
    assert_eq!(code, Some(3), "{stderr}");
    let data = folder.path().join("none");
    let (code, _) = run_with("a long pass phrase", &mut user("add", &data, EMAIL));
    assert_eq!(code, Some(3));
    assert!(!data.exists());
}

#[test]
fn the_environment_of_others_is_theirs() {
    let ended = run(tellee()
        .args(["config", "check"])
        .env("X", OsStr::from_bytes(b"\xff"))
        .env("TELLEE_EDGE_UPLINK__WINDOW", "5"));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let ended = run(tellee()
        .args(["config", "check"])
        .env("TELLEE_CLUSTER__NODE", OsStr::from_bytes(b"\xff")));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("cluster.node"), "{}", ended.stderr);
}

#[test]
fn the_check_of_a_configuration_reads_its_certificates() {
    let ended = run(tellee()
        .args(["config", "check"])
        .env("TELLEE_MQTT__TLS__LISTEN", "127.0.0.1:0")
        .env("TELLEE_MQTT__TLS__CERTIFICATE", "/no/such/server.pem")
        .env("TELLEE_MQTT__TLS__KEY", "/no/such/server.key"));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("/no/such/server."),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn an_export_that_cannot_be_written_says_nothing_against_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let server = Options::new(folder.path()).start();
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    admin
        .publish(&thing, &channel, &json!([{ "n": "a", "v": 1 }]))
        .await
        .expect(202);
    server.stop();
    for format in ["csv", "parquet"] {
        let ended = run(tellee()
            .args([
                "store",
                "export",
                "--output",
                "/dev/full",
                "--format",
                format,
            ])
            .arg("--data-dir")
            .arg(folder.path()));
        assert_eq!(ended.code, Some(1), "{format}: {}", ended.stderr);
        let says = "the export cannot be written";
        assert!(ended.stderr.contains(says), "{format}: {}", ended.stderr);
    }
}
