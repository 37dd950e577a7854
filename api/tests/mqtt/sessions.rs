//! Sessions that outlive connections, wills, take-over and revocation.

use super::raw::{Level, Options, Raw};
use super::support::{Server, until};

const PACK: &[u8] = br#"[{"n":"speed","v":1480}]"#;
const BOTH: [Level; 2] = [Level::V3, Level::V5];

#[tokio::test]
async fn messages_wait_for_a_lasting_session() {
    let server = Server::start().await;
    for level in BOTH {
        let mut publisher = Raw::simple(&server, Level::V3, "p").await;
        let options = Options::lasting(level, "c");
        let mut raw = Raw::join(&server, &server.thing, &options).await;
        assert!(!raw.session_present());
        raw.subscribe(&server.topic("#"), 1).await;
        publisher
            .publish_acknowledged(&server.topic("1"), PACK)
            .await;
        let first = raw.next().await;
        assert!(!first.is_duplicate());
        raw.vanish();
        until(|| server.broker.metrics().connected.get() == 1).await;
        publisher.publish(&server.topic("lost"), 0, 0, PACK).await;
        publisher
            .publish_acknowledged(&server.topic("2"), PACK)
            .await;
        let mut raw = Raw::join(&server, &server.thing, &options).await;
        assert!(raw.session_present());
        let again = raw.next().await;
        assert!(again.is_duplicate());
        assert_eq!(again.publish(level).1, first.publish(level).1);
        assert_eq!(raw.next().await.publish(level).0, server.topic("2"));
        raw.leave().await;
        let raw = Raw::join(&server, &server.thing, &Options::new(level, "c")).await;
        assert!(!raw.session_present());
    }
}

#[tokio::test]
async fn a_session_of_5_ends_with_its_connection_unless_it_asks_to_stay() {
    let server = Server::start().await;
    let options = Options {
        clean: false,
        ..Options::new(Level::V5, "c")
    };
    Raw::join(&server, &server.thing, &options)
        .await
        .leave()
        .await;
    let raw = Raw::join(&server, &server.thing, &options).await;
    assert!(!raw.session_present());
    raw.leave().await;
    // Clean start with an expiry: begins anew and stays.
    let options = Options {
        clean: true,
        ..Options::lasting(Level::V5, "c")
    };
    Raw::join(&server, &server.thing, &options)
        .await
        .leave()
        .await;
    let mut raw = Raw::join(&server, &server.thing, &Options::lasting(Level::V5, "c")).await;
    assert!(raw.session_present());
    // DISCONNECT may end it.
    raw.send(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0]).await;
    assert_eq!(raw.try_next().await, None);
    assert!(
        !Raw::join(&server, &server.thing, &options)
            .await
            .session_present()
    );
}

#[tokio::test]
async fn a_session_expires() {
    let server = Server::start().await;
    let options = Options {
        properties: vec![0x11, 0, 0, 0, 1],
        clean: false,
        ..Options::new(Level::V5, "c")
    };
    let mut raw = Raw::join(&server, &server.thing, &options).await;
    raw.subscribe(&server.topic("#"), 1).await;
    raw.vanish();
    until(|| server.broker.metrics().sessions_expired.get() == 1).await;
    assert_eq!(server.broker.metrics().sessions.get(), 0);
    assert!(
        !Raw::join(&server, &server.thing, &options)
            .await
            .session_present()
    );
}

#[tokio::test]
async fn a_second_connection_takes_over_from_the_first_of_the_same_thing_only() {
    let server = Server::start().await;
    let other = server.another_thing();
    for level in BOTH {
        let mut first = Raw::simple(&server, level, "c").await;
        let mut foreign = Raw::join(&server, &other, &Options::new(level, "c")).await;
        let mut second = Raw::simple(&server, level, "c").await;
        first.expect_end(0x8E).await;
        foreign.expect_nothing().await;
        second.expect_nothing().await;
        second.leave().await;
    }
    assert_eq!(server.broker.metrics().sessions_taken_over.get(), 2);
}

#[tokio::test]
async fn what_the_first_connection_sent_is_settled_before_the_second_is_let_in() {
    let server = Server::start().await;
    let options = Options::lasting(Level::V3, "c");
    let mut first = Raw::join(&server, &server.thing, &options).await;
    server.store.shut();
    first.publish(&server.topic(""), 2, 5, PACK).await;
    until(|| server.store.waiting() == 1).await;
    let joining = Raw::join(&server, &server.thing, &options);
    let opening = async {
        until(|| server.broker.metrics().sessions_taken_over.get() == 1).await;
        server.store.open();
    };
    let (mut second, ()) = tokio::join!(joining, opening);
    let again = second.publish_packet(&server.topic(""), 2, 5, 8, PACK);
    second.send(&again).await;
    assert_eq!(second.next().await.first, 0x50);
    assert_eq!(server.store.batches().len(), 1);
}

#[tokio::test]
async fn a_will_comes_unless_the_client_leaves_in_order() {
    let server = Server::start().await;
    for level in BOTH {
        let mut watcher = Raw::simple(&server, level, "w").await;
        watcher.subscribe(&server.topic("status"), 1).await;
        let options = Options {
            will: Some((
                server.topic("status"),
                b"offline".to_vec(),
                1,
                false,
                vec![],
            )),
            ..Options::new(level, "c")
        };
        Raw::join(&server, &server.thing, &options)
            .await
            .leave()
            .await;
        watcher.expect_nothing().await;
        Raw::join(&server, &server.thing, &options).await.vanish();
        let (topic, _, payload) = watcher.next().await.publish(level);
        assert_eq!(
            (topic, payload),
            (server.topic("status"), b"offline".to_vec())
        );
        watcher.leave().await;
    }
    // It is a message like any other: stored before it is handed on.
    assert_eq!(server.store.batches().len(), 2);
    let mut watcher = Raw::simple(&server, Level::V5, "w").await;
    watcher.subscribe(&server.topic("status"), 0).await;
    let will = Some((server.topic("status"), b"asked".to_vec(), 1, false, vec![]));
    let mut raw = Raw::join(
        &server,
        &server.thing,
        &Options {
            will,
            ..Options::new(Level::V5, "c")
        },
    )
    .await;
    raw.send(&[0xE0, 1, 4]).await;
    assert_eq!(watcher.next().await.publish(Level::V5).2, b"asked");
}

#[tokio::test]
async fn a_will_to_a_foreign_channel_is_refused_at_connect() {
    let server = Server::start().await;
    let foreign = format!(
        "channels/{}/messages",
        tellee_actors::ids::ChannelId::generate()
    );
    for (level, code) in [(Level::V3, 5), (Level::V5, 0x87)] {
        let mut raw = Raw::open(&server, level).await;
        let will = Some((foreign.clone(), b"x".to_vec(), 0, false, vec![]));
        let options = Options {
            will,
            ..Options::new(level, "c")
        };
        raw.send(&options.connect(&server.thing.id.to_string(), server.thing.key.as_bytes()))
            .await;
        assert_eq!(raw.next().await.body[1], code);
    }
}

#[tokio::test]
async fn a_delayed_will_waits_and_a_return_in_time_cancels_it() {
    let server = Server::start().await;
    let mut watcher = Raw::simple(&server, Level::V5, "w").await;
    watcher.subscribe(&server.topic("status"), 0).await;
    let options = |delay| Options {
        will: Some((
            server.topic("status"),
            b"offline".to_vec(),
            0,
            false,
            vec![0x18, 0, 0, 0, delay],
        )),
        ..Options::lasting(Level::V5, "c")
    };
    Raw::join(&server, &server.thing, &options(60))
        .await
        .vanish();
    until(|| server.broker.metrics().connected.get() == 1).await;
    let raw = Raw::join(&server, &server.thing, &options(1)).await;
    assert!(raw.session_present());
    watcher.expect_nothing().await;
    raw.vanish();
    assert_eq!(watcher.next().await.publish(Level::V5).2, b"offline");
    assert_eq!(server.broker.metrics().wills_published.get(), 1);
}

#[tokio::test]
async fn a_revoked_key_ends_open_sessions() {
    let server = Server::start().await;
    let thing = server.another_thing();
    for level in BOTH {
        let thing = if level == Level::V3 {
            thing.clone()
        } else {
            server.another_thing()
        };
        let mut raw = Raw::join(&server, &thing, &Options::new(level, "c")).await;
        server.access.revoke(&thing);
        raw.expect_end(0x87).await;
    }
    assert_eq!(server.broker.metrics().sessions_revoked.get(), 2);
}

#[tokio::test]
async fn one_thing_has_a_bounded_number_of_sessions() {
    let config = tellee_api::mqtt::MqttConfig {
        max_sessions_per_thing: 2,
        ..Default::default()
    };
    let server = Server::with(config).await;
    let _one = Raw::simple(&server, Level::V5, "1").await;
    let _two = Raw::simple(&server, Level::V5, "2").await;
    let mut raw = Raw::open(&server, Level::V5).await;
    let connect = Options::new(Level::V5, "3")
        .connect(&server.thing.id.to_string(), server.thing.key.as_bytes());
    raw.send(&connect).await;
    assert_eq!(raw.next().await.body[1], 0x97);
}

#[tokio::test]
async fn a_stopping_server_settles_what_it_took_and_says_goodbye() {
    let server = Server::start().await;
    let mut raw = Raw::simple(&server, Level::V5, "c").await;
    server.store.shut();
    raw.publish(&server.topic(""), 1, 1, PACK).await;
    until(|| server.store.waiting() == 1).await;
    server.broker.stop();
    server.store.open();
    assert_eq!(raw.next().await.first, 0x40);
    raw.expect_end(0x8B).await;
    server.stop().await;
}
