//! The data folder over its life: what is missing, half or at an odd place is said before anything is served.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::{Ended, Options, PATIENCE, Server, run, signal, tellee, until};
use crate::mqtt_client::Mqtt;

fn backup(data: &Path, to: &Path) -> Ended {
    run(tellee().args(["backup", "--data-dir"]).arg(data).arg(to))
}

fn restore(data: &Path, from: &Path) -> Ended {
    run(tellee().args(["restore", "--data-dir"]).arg(data).arg(from))
}

#[track_caller]
fn refuses(ended: &Ended, code: i32, says: &str) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert!(ended.stderr.contains(says), "{}", ended.stderr);
}

#[tokio::test]
async fn a_restore_that_was_killed_is_no_server_until_it_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let samples: Vec<_> = (0..500)
        .map(|number| json!({ "n": "a", "t": 1_700_000_000 + number, "v": number }))
        .collect();
    admin
        .publish(&thing, &channel, &json!(samples))
        .await
        .expect(202);
    let archive = folder.path().join("archive");
    let made = backup(&server.data, &archive);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    server.kill();

    let pipe = folder.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let data = folder.path().join("restored");
    let mut restoring = tellee()
        .args(["restore", "--data-dir"])
        .arg(&data)
        .arg(&pipe)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let bytes = std::fs::read(&archive).unwrap();
    let mut pipe = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    pipe.write_all(&bytes[..bytes.len() / 2]).unwrap();
    until("the restore begins", async || {
        data.join("restoring").exists().then_some(())
    })
    .await;
    restoring.kill().unwrap();
    restoring.wait().unwrap();

    refuses(&run(&mut Options::new(&data).command()), 3, "broken off");
    refuses(
        &backup(&data, &folder.path().join("b")),
        3,
        "nothing to back up",
    );
    let again = restore(&data, &archive);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    refuses(&restore(&data, &archive), 3, "is not empty");
    let server = Server::start(&data);
    let admin = server.administrator().await;
    assert_eq!(admin.messages(&channel).await.len(), 500);
}

#[test]
fn a_backup_that_is_not_there_makes_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    refuses(&restore(&data, &folder.path().join("none")), 1, "none");
    assert!(!data.exists());
}

#[tokio::test]
async fn a_backup_takes_the_place_of_files_only() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    refuses(&backup(&server.data, Path::new("/dev/null")), 2, "no file");
    let missing = folder.path().join("missing/archive");
    refuses(&backup(&server.data, &missing), 1, "missing/archive");
    assert!(!missing.parent().unwrap().exists());
    let full = backup(&server.data, Path::new("/dev/full"));
    assert_eq!(full.code, Some(2), "{}", full.stderr);
    let archive = folder.path().join("archive");
    for _ in 0..2 {
        let made = backup(&server.data, &archive);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
    }
    assert!(!server.data.join("backup-staging").exists());
    // Nothing but the data and the archive.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn lost_secrets_are_not_made_anew_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, _) = admin.provision("pump").await;
    server.stop();
    let key = folder.path().join("secrets/master.key");
    std::fs::remove_dir_all(folder.path().join("secrets")).unwrap();
    let ended = run(&mut Options::new(folder.path()).command());
    refuses(&ended, 3, "secrets/master.key");
    assert!(!key.exists());

    // Who has no backup puts another key there, and gives the things new keys.
    std::fs::create_dir(folder.path().join("secrets")).unwrap();
    std::fs::write(&key, [7; 32]).unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let fresh = admin.create_thing("fresh").await;
    let things = admin.get("/things").await.expect(200).json();
    let key_of = |id: &str| {
        let things = things["things"].as_array().unwrap();
        let view = things.iter().find(|view| view["id"] == id).unwrap();
        view["key"].as_str().unwrap().to_owned()
    };
    assert_eq!(key_of(&thing.id), "");
    assert_eq!(key_of(&fresh.id), fresh.key);
    // The old key still signs its thing in.
    Mqtt::of(server.mqtt, "pump", &thing).await;
}

#[tokio::test]
async fn the_name_of_the_data_folder_may_be_long() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("long/".repeat(40));
    let server = Server::start(&data);
    let archive = folder.path().join("archive");
    let made = backup(&data, &archive);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert!(archive.is_file());
    assert_eq!(server.stop().0, Some(0));
    assert!(!data.join("control.sock").exists());
}

#[test]
fn half_of_the_first_administrator_is_refused_while_there_is_no_user() {
    let folder = tempfile::tempdir().unwrap();
    for missing in ["TELLEE_ADMIN_EMAIL", "TELLEE_ADMIN_PASSWORD"] {
        let ended = run(&mut Options::new(folder.path()).without(missing).command());
        refuses(&ended, 2, "set both or none");
    }
    Server::start(folder.path()).stop();
    // With a user they are not looked at: the password may be taken away.
    let later = Options::new(folder.path()).without("TELLEE_ADMIN_PASSWORD");
    assert_eq!(later.start().stop().0, Some(0));
}

#[tokio::test]
async fn a_hangup_ends_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    signal("HUP", server.pid());
    until("the log names it", async || {
        server
            .log()
            .contains("SIGHUP changes nothing")
            .then_some(())
    })
    .await;
    assert!(server.is_alive());
    assert_eq!(server.stop().0, Some(0));
}

#[tokio::test]
async fn idle_strangers_leave_files_to_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new(folder.path());
    // A limit of 200 files, which it cannot raise.
    let server = options.start_within("ulimit -n 200");
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let mut device = Mqtt::of(server.mqtt, "pump", &thing).await;
    let strangers: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect_timeout(&server.http, PATIENCE).unwrap())
        .collect();
    let topic = format!("channels/{channel}/messages");
    assert!(device.publish(&topic, br#"[{"n":"a","v":1}]"#).await);
    admin
        .publish(&thing, &channel, &json!([{ "n": "a", "v": 2 }]))
        .await
        .expect(202);
    let made = backup(&server.data, &folder.path().join("archive"));
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let log = server.log();
    assert!(log.contains("the limit of open files holds fewer"), "{log}");
    assert!(!log.contains("Too many open files"), "{log}");
    drop(strangers);
}

#[test]
fn a_soft_limit_of_files_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    let server = Options::new(folder.path()).start_within("ulimit -Sn 64");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.contains("open files"))
        .unwrap();
    let files: Vec<&str> = files.split_whitespace().collect();
    assert_eq!(files[3], files[4], "soft and hard: {files:?}");
}
