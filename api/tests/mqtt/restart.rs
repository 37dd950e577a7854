//! What goes on after a restart of the server, and what access and time did to it meanwhile.

use tellee_api::mqtt::MqttConfig;

use super::raw::{Level, Options, Raw};
use super::support::{Server, until};

const PACK: &[u8] = br#"[{"n":"speed","v":1480}]"#;

/// A session that stays for so many seconds.
fn staying(client_id: &str, seconds: u8) -> Options {
    Options {
        properties: vec![0x11, 0, 0, 0, seconds],
        clean: false,
        ..Options::new(Level::V5, client_id)
    }
}

fn eager() -> MqttConfig {
    MqttConfig {
        will_grace_seconds: 1,
        ..MqttConfig::default()
    }
}

#[tokio::test]
async fn a_session_goes_on_and_gets_what_came_while_it_was_away() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::journaled(eager(), folder.path()).await;
    let mut raw = Raw::join(&server, &server.thing, &Options::lasting(Level::V3, "c")).await;
    assert_eq!(raw.subscribe(&server.topic("#"), 2).await, 2);
    raw.leave().await;
    let mut publisher = Raw::simple(&server, Level::V5, "p").await;
    for _ in 0..2 {
        publisher
            .publish_acknowledged(&server.topic("1"), PACK)
            .await;
    }
    publisher.leave().await;
    let server = server.again(folder.path(), |_| {}).await;
    assert_eq!(server.broker.metrics().sessions.get(), 1);
    let mut publisher = Raw::simple(&server, Level::V5, "p").await;
    publisher
        .publish_acknowledged(&server.topic("2"), PACK)
        .await;
    let mut raw = Raw::join(&server, &server.thing, &Options::lasting(Level::V5, "c")).await;
    assert!(raw.session_present());
    for subtopic in ["1", "1", "2"] {
        let (topic, id, _) = raw.next().await.publish(Level::V5);
        assert_eq!(topic, server.topic(subtopic));
        raw.acknowledge(0x40, id).await;
    }
    raw.expect_nothing().await;
    until(|| {
        server
            .broker
            .journal()
            .read(|state| state.logged_messages())
            == 0
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn time_goes_on_while_the_server_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::journaled(eager(), folder.path()).await;
    Raw::join(&server, &server.thing, &staying("short", 1))
        .await
        .vanish();
    // The expiry of DISCONNECT counts, not that of CONNECT.
    let mut changed = Raw::join(&server, &server.thing, &staying("changed", 200)).await;
    changed.send(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 1]).await;
    assert_eq!(changed.try_next().await, None);
    Raw::join(&server, &server.thing, &staying("long", 200))
        .await
        .vanish();
    until(|| server.broker.metrics().connected.get() == 0).await;
    let server = server.again(folder.path(), |_| {}).await;
    until(|| server.broker.metrics().sessions.get() == 1).await;
    let raw = Raw::join(&server, &server.thing, &staying("long", 200)).await;
    assert!(raw.session_present());
    let server = server.again(folder.path(), |_| {}).await;
    assert_eq!(server.broker.metrics().sessions.get(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_delayed_will_comes_after_the_restart_and_one_of_a_client_that_returned_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::journaled(eager(), folder.path()).await;
    let mut watcher = Raw::join(&server, &server.thing, &Options::lasting(Level::V5, "w")).await;
    watcher.subscribe(&server.topic("status"), 1).await;
    let with_will = |client_id: &str, delay| Options {
        will: Some((
            server.topic("status"),
            client_id.as_bytes().to_vec(),
            1,
            false,
            vec![0x18, 0, 0, 0, delay],
        )),
        ..Options::lasting(Level::V5, client_id)
    };
    let (gone, back) = (with_will("gone", 1), with_will("back", 60));
    Raw::join(&server, &server.thing, &gone).await.vanish();
    Raw::join(&server, &server.thing, &back).await.vanish();
    until(|| server.broker.metrics().connected.get() == 1).await;
    let server = server.again(folder.path(), |_| {}).await;
    let _back = Raw::join(&server, &server.thing, &Options::lasting(Level::V5, "back")).await;
    let mut watcher = Raw::join(&server, &server.thing, &Options::lasting(Level::V5, "w")).await;
    assert_eq!(watcher.next().await.publish(Level::V5).2, b"gone");
    until(|| {
        let journal = server.broker.journal();
        journal.read(|state| state.wills().is_empty())
    })
    .await;
    watcher.expect_nothing().await;
    assert_eq!(server.broker.metrics().wills_published.get(), 1);
    server.stop().await;
}

#[tokio::test]
async fn grants_and_keys_that_are_gone_take_their_state_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::journaled(eager(), folder.path()).await;
    let (cut_off, revoked) = (server.another_thing(), server.another_thing());
    for thing in [&cut_off, &revoked] {
        let mut raw = Raw::join(&server, thing, &Options::lasting(Level::V5, "c")).await;
        raw.subscribe(&server.topic("#"), 1).await;
        raw.leave().await;
    }
    let mut publisher = Raw::simple(&server, Level::V5, "p").await;
    publisher
        .publish_acknowledged(&server.topic("1"), PACK)
        .await;
    publisher.leave().await;
    let server = server
        .again(folder.path(), |server| {
            server.access.disconnect(&cut_off, server.channel);
            server.access.revoke(&revoked);
        })
        .await;
    until(|| server.broker.metrics().sessions.get() == 1).await;
    until(|| {
        server
            .broker
            .journal()
            .read(|state| state.logged_messages())
            == 0
    })
    .await;
    server.access.connect(&cut_off, server.channel);
    let mut raw = Raw::join(&server, &cut_off, &Options::lasting(Level::V5, "c")).await;
    assert!(raw.session_present());
    raw.expect_nothing().await;
    server.stop().await;
}

#[tokio::test]
async fn a_lasting_session_gets_retained_messages_at_qos_1_even_if_the_server_restarts_before() {
    let folder = tempfile::tempdir().unwrap();
    let config = MqttConfig {
        inflight_maximum: 1,
        ..eager()
    };
    let server = Server::journaled(config, folder.path()).await;
    let mut publisher = Raw::simple(&server, Level::V5, "p").await;
    for subtopic in ["a", "b", "c"] {
        publisher.retain(&server.topic(subtopic), PACK).await;
    }
    publisher.leave().await;
    assert_eq!(server.broker.retained_messages(), 3);
    let mut raw = Raw::join(&server, &server.thing, &Options::lasting(Level::V5, "c")).await;
    raw.subscribe(&server.topic("#"), 1).await;
    assert!(raw.next().await.is_retained());
    raw.vanish();
    let server = server.again(folder.path(), |_| {}).await;
    let mut raw = Raw::join(&server, &server.thing, &Options::lasting(Level::V5, "c")).await;
    for (subtopic, duplicate) in [("a", true), ("b", false), ("c", false)] {
        let got = raw.next().await;
        assert!(got.is_retained());
        assert_eq!(got.is_duplicate(), duplicate);
        let (topic, id, _) = got.publish(Level::V5);
        assert_eq!(topic, server.topic(subtopic));
        raw.acknowledge(0x40, id).await;
    }
    raw.expect_nothing().await;
    server.stop().await;
}
