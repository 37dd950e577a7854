//! Starting, refusing to start, and stopping: exit codes and the one line that says what to do.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Ended, Options, Server, run, tellee};
use crate::mqtt_client::Mqtt;

#[track_caller]
fn refuses(ended: &Ended, code: i32, says: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    assert_eq!(ended.stdout, "", "stdout is for the ready line");
    let errors: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = errors.last().copied().unwrap_or_default();
    for words in says {
        assert!(
            last.contains(words),
            "`{words}` is not in `{last}`; all: {}",
            ended.stderr
        );
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[test]
fn a_port_in_use_ends_it_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(&mut Options::new(folder.path()).http(&address).command());
    refuses(&ended, 1, &[&address]);
}

#[test]
fn a_data_folder_has_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let ended = run(&mut Options::new(folder.path()).command());
    refuses(&ended, 3, &[&folder.path().display().to_string()]);
    drop(server);
}

#[test]
fn a_data_folder_that_cannot_be_made_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    // A file where a folder is needed stops root as well.
    std::fs::write(folder.path().join("file"), b"").unwrap();
    let ended = run(&mut Options::new(&folder.path().join("file/data")).command());
    refuses(&ended, 3, &["file/data"]);
}

#[test]
fn a_database_from_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _) = Server::start(folder.path()).stop();
    assert_eq!(code, Some(0));
    // The `user_version` of a SQLite file: four bytes, big-endian, at 60.
    let path = folder.path().join("events.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[60..64].copy_from_slice(&9_999_u32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let ended = run(&mut Options::new(folder.path()).command());
    refuses(&ended, 3, &["newer"]);
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "the file was changed");
}

#[test]
fn events_that_no_server_starts_on_are_called_damaged_by_the_check_too() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _) = Server::start(folder.path()).stop();
    assert_eq!(code, Some(0));
    let check = || {
        run(tellee()
            .args(["store", "check", "--data-dir"])
            .arg(folder.path()))
    };
    let whole = check();
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    let path = folder.path().join("events.db");
    let bytes = std::fs::read(&path).unwrap();
    // The header, then the root page of a table.
    for damaged in [6_usize, 4_096] {
        let mut torn = bytes.clone();
        torn[damaged..damaged + 8].fill(0xff);
        std::fs::write(&path, &torn).unwrap();
        let found = check();
        assert_eq!(found.code, Some(3), "{}", found.stdout);
        assert!(
            found.stdout.contains("damaged: `events.db`"),
            "{}",
            found.stdout
        );
        assert!(found.stdout.contains("tellee restore"), "{}", found.stdout);
    }
}

#[tokio::test]
async fn an_export_of_a_damaged_store_says_what_it_lacks_and_does_not_end_well() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let pack: Vec<_> = (0..300)
        .map(|second| json!({ "n": "speed", "t": 1_600_000_000 + second, "v": f64::from(second % 7) }))
        .collect();
    let pack = json!(pack);
    admin.publish(&thing, &channel, &pack).await.expect(202);
    // An orderly stop writes the samples to a block file.
    assert_eq!(server.stop().0, Some(0));
    let export = || {
        run(tellee()
            .args(["store", "export", "--data-dir"])
            .arg(folder.path()))
    };
    let whole = export();
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    let lines = |ended: &Ended| ended.stdout.lines().count();
    assert_eq!(lines(&whole), 301);

    let blocks = std::fs::read_dir(folder.path().join("telemetry"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("blocks-"))
        .unwrap();
    let mut bytes = std::fs::read(&blocks).unwrap();
    // Behind both copies of the header: within the only block.
    bytes[100] ^= 0x10;
    std::fs::write(&blocks, &bytes).unwrap();
    let damaged = export();
    assert_eq!(damaged.code, Some(3), "{}", damaged.stderr);
    assert!(damaged.stderr.contains("blocks-"), "{}", damaged.stderr);
    assert!(lines(&damaged) < 301);
}

#[test]
fn a_folder_that_no_tellee_has_used_is_not_made_by_looking_into_it() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("typo");
    for command in [
        &["store", "check"][..],
        &["store", "export"],
        &["rebuild"],
        &["migrate"],
    ] {
        let ended = run(tellee().args(command).arg("--data-dir").arg(&missing));
        refuses(&ended, 3, &["typo", "--data-dir"]);
        assert!(!missing.exists(), "{command:?} made it");
    }
}

#[test]
fn an_unknown_config_key_is_refused_with_the_nearest_name() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options::new(folder.path());
    let ended = run(&mut options()
        .with("TELLEE_IDENTITY__SELF_REGISTRATON", "true")
        .command());
    refuses(
        &ended,
        2,
        &["identity.self_registraton", "identity.self_registration"],
    );
    let file = folder.path().join("tellee.toml");
    std::fs::write(&file, "[http]\nlissen = \"127.0.0.1:0\"\n").unwrap();
    let ended = run(options().command().arg("--config").arg(&file));
    refuses(&ended, 2, &["http.lissen", "http.listen"]);
    let ended = run(options().command().arg("--no-such-flag"));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}

#[test]
fn an_address_of_the_network_needs_leave() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(&mut Options::new(folder.path()).http("0.0.0.0:0").command());
    refuses(&ended, 2, &["http.allow_remote"]);
}

#[test]
fn config_show_reads_back_as_config() {
    let folder = tempfile::tempdir().unwrap();
    let shown = run(tellee().args(["config", "show"]));
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(shown.stdout.contains("# "), "each key has its meaning");
    let file = folder.path().join("tellee.toml");
    std::fs::write(&file, &shown.stdout).unwrap();
    let checked = run(tellee().args(["config", "check", "--config"]).arg(&file));
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    std::fs::write(&file, "[http]\nmax_body = \"many\"\n").unwrap();
    let checked = run(tellee().args(["config", "check", "--config"]).arg(&file));
    assert_eq!(checked.code, Some(2), "{}", checked.stderr);
}

#[tokio::test]
async fn the_first_administrator_is_made_with_the_one_time_code() {
    let folder = tempfile::tempdir().unwrap();
    let server = Options::new(folder.path())
        .without("TELLEE_ADMIN_EMAIL")
        .without("TELLEE_ADMIN_PASSWORD")
        .start();
    let anonymous = server.anonymous();
    assert_eq!(
        anonymous.get("/ui/setup").await.expect(200).json(),
        json!({ "needed": true })
    );
    let code = std::fs::read_to_string(folder.path().join("setup-code"))
        .unwrap()
        .trim()
        .to_owned();
    assert!(server.log().contains(&code), "the log names the code");
    let body = |code: &str| json!({ "code": code, "email": "first@plant.example", "password": "a long pass phrase" });
    anonymous
        .post("/setup", &body("AAAA-AAAA-AAAA-AAAA"))
        .await
        .expect(403);
    let named = |name: &str| {
        let mut named = body(&code);
        named["organisation"] = json!(name);
        named
    };
    // No user may be left without an organisation.
    let nameless = anonymous.post("/setup", &named(" ")).await.expect(400);
    assert_eq!(nameless.json()["field"], "organisation");
    anonymous
        .post("/setup", &named("Karaton station"))
        .await
        .expect(201);
    assert!(!folder.path().join("setup-code").exists());
    anonymous.post("/setup", &body(&code)).await.expect(409);
    let first = anonymous
        .sign_in("first@plant.example", "a long pass phrase")
        .await;
    let session = first.get("/ui/session").await.expect(200).json();
    assert_eq!(session["organisation"]["name"], "Karaton station");
    assert_eq!(
        anonymous.get("/ui/setup").await.expect(200).json(),
        json!({ "needed": false })
    );
}

#[tokio::test]
async fn a_stop_on_request_keeps_everything_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    let (thing, channel) = admin.provision("pump").await;
    let mut mqtt = Mqtt::of(server.mqtt, "pump", &thing).await;
    for number in 0..200 {
        let payload = format!(
            r#"[{{"n":"a","t":{},"v":{number}}}]"#,
            1_700_000_000 + number
        );
        assert!(
            mqtt.publish(&format!("channels/{channel}/messages"), payload.as_bytes())
                .await
        );
    }
    let (code, took) = server.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    let server = Server::start(folder.path());
    let admin = server.administrator().await;
    assert_eq!(admin.messages(&channel).await.len(), 200);
    let view = admin
        .get(&format!("/things/{}", thing.id))
        .await
        .expect(200)
        .json();
    assert_eq!(view["key"], json!(thing.key));
}

#[tokio::test]
async fn without_libtorch_it_runs_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no-libtorch").display().to_string();
    let server = Options::new(&folder.path().join("data"))
        .with("TELLEE_ML__ENABLED", "true")
        .with("TELLEE_ML__LIBTORCH", &nowhere)
        .with(
            "TELLEE_ML__WORKER",
            &folder.path().join("no-worker").display().to_string(),
        )
        .start();
    let admin = server.administrator().await;
    let answer = admin
        .graphql("{ server { ml { state reason } } }", json!({}))
        .await;
    let ml = &crate::client::Client::data(&answer)["server"]["ml"];
    assert_eq!(ml["state"], "ABSENT", "{ml}");
    assert!(
        ml["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty()),
        "{ml}"
    );
    let (thing, channel) = admin.provision("pump").await;
    admin
        .publish(&thing, &channel, &json!([{ "n": "a", "v": 1 }]))
        .await
        .expect(202);
}
