//! Shared subscriptions: what becomes of messages whose member does not acknowledge them (MQTT 5, 4.8.2).

use tellee_api::mqtt::MqttConfig;
use tellee_projections::telemetry::disk::SimulatedDisk;

use super::raw::{Got, Level, Options, Raw};
use super::support::{Server, until};

fn group(server: &Server) -> String {
    format!("$share/workers/{}", server.topic("#"))
}

/// A member of the group that has subscribed at this QoS.
async fn member(server: &Server, options: &Options, qos: u8) -> Raw {
    let mut raw = Raw::join(server, &server.thing, options).await;
    assert_eq!(raw.subscribe(&group(server), qos).await, qos);
    raw
}

fn clean(client_id: &str) -> Options {
    Options::new(Level::V5, client_id)
}

fn lasting(client_id: &str) -> Options {
    Options::lasting(Level::V5, client_id)
}

/// One that takes a single unacknowledged message at a time.
fn one_at_a_time(client_id: &str) -> Options {
    Options {
        properties: vec![0x21, 0, 1],
        ..clean(client_id)
    }
}

async fn publisher(server: &Server) -> Raw {
    Raw::simple(server, Level::V5, "publisher").await
}

/// At this QoS, to its end.
async fn publish(raw: &mut Raw, server: &Server, qos: u8, payload: &str) {
    if qos == 1 {
        let topic = server.topic("a");
        assert_eq!(
            raw.publish_acknowledged(&topic, payload.as_bytes()).await,
            0
        );
        return;
    }
    raw.publish(&server.topic("a"), 2, 9, payload.as_bytes())
        .await;
    assert_eq!(raw.next().await.first, 0x50);
    raw.acknowledge(0x62, 9).await;
    assert_eq!(raw.next().await.first, 0x70);
}

fn payload(got: &Got) -> String {
    String::from_utf8(got.publish(Level::V5).2).unwrap()
}

/// The next message, acknowledged.
async fn take(raw: &mut Raw) -> String {
    let got = raw.next().await;
    let (_, id, payload) = got.publish(Level::V5);
    if got.qos() == 1 {
        raw.acknowledge(0x40, id).await;
    } else {
        raw.acknowledge(0x50, id).await;
        assert_eq!(raw.next().await.first, 0x62);
        raw.acknowledge(0x70, id).await;
    }
    String::from_utf8(payload).unwrap()
}

fn unclaimed(server: &Server) -> u64 {
    server.broker.metrics().dropped_unclaimed.get()
}

fn handed_over(server: &Server) -> u64 {
    server.broker.metrics().handed_over.get()
}

#[tokio::test]
async fn what_a_member_leaves_unacknowledged_goes_to_another() {
    let server = Server::start().await;
    let mut publisher = publisher(&server).await;
    let mut first = member(&server, &clean("first"), 1).await;
    publish(&mut publisher, &server, 1, "1").await;
    publish(&mut publisher, &server, 1, "2").await;
    let got = first.next().await;
    assert_eq!(payload(&got), "1");
    let (_, id, _) = got.publish(Level::V5);
    first.next().await;
    first.acknowledge(0x40, id).await;
    first.expect_nothing().await;
    let mut second = member(&server, &clean("second"), 1).await;
    first.vanish();
    let got = second.next().await;
    assert_eq!((payload(&got).as_str(), got.is_duplicate()), ("2", false));
    second.expect_nothing().await;
    assert_eq!((handed_over(&server), unclaimed(&server)), (1, 0));
}

#[tokio::test]
async fn what_was_sent_at_qos_2_goes_to_nobody_else_and_what_waited_does() {
    let server = Server::start().await;
    let mut publisher = publisher(&server).await;
    let mut first = member(&server, &one_at_a_time("first"), 2).await;
    for payload in ["sent", "waits"] {
        publish(&mut publisher, &server, 2, payload).await;
    }
    assert_eq!(payload(&first.next().await), "sent");
    let mut second = member(&server, &clean("second"), 2).await;
    first.vanish();
    assert_eq!(take(&mut second).await, "waits");
    second.expect_nothing().await;
}

#[tokio::test]
async fn a_member_that_is_back_completes_what_was_sent_at_qos_2() {
    let server = Server::start().await;
    let mut publisher = publisher(&server).await;
    let mut first = member(&server, &lasting("first"), 2).await;
    publish(&mut publisher, &server, 2, "1").await;
    let (_, id, _) = first.next().await.publish(Level::V5);
    let mut second = member(&server, &clean("second"), 2).await;
    first.vanish();
    until(|| server.broker.metrics().connected.get() == 2).await;
    second.expect_nothing().await;
    let mut first = Raw::join(&server, &server.thing, &lasting("first")).await;
    let got = first.next().await;
    assert_eq!((got.publish(Level::V5).1, got.is_duplicate()), (id, true));
    first.acknowledge(0x50, id).await;
    assert_eq!(first.next().await.first, 0x62);
    first.acknowledge(0x70, id).await;
    first.expect_nothing().await;
    second.expect_nothing().await;
}

#[tokio::test]
async fn what_a_member_refuses_goes_to_nobody_else() {
    let server = Server::start().await;
    let mut publisher = publisher(&server).await;
    let mut first = member(&server, &clean("first"), 2).await;
    for qos in [1, 2] {
        publish(&mut publisher, &server, qos, "1").await;
        let (_, id, _) = first.next().await.publish(Level::V5);
        let id = id.to_be_bytes();
        let kind = if qos == 1 { 0x40 } else { 0x50 };
        first.send(&[kind, 3, id[0], id[1], 0x83]).await;
    }
    first.expect_nothing().await;
    let mut second = member(&server, &clean("second"), 2).await;
    first.vanish();
    until(|| server.broker.metrics().connected.get() == 2).await;
    second.expect_nothing().await;
    assert_eq!((handed_over(&server), unclaimed(&server)), (0, 0));
}

#[tokio::test]
async fn without_another_member_it_is_dropped_and_counted() {
    let server = Server::start().await;
    let mut publisher = publisher(&server).await;
    let mut only = member(&server, &clean("only"), 1).await;
    publish(&mut publisher, &server, 1, "1").await;
    only.next().await;
    only.vanish();
    until(|| unclaimed(&server) == 1).await;
    assert_eq!(handed_over(&server), 0);
    let mut later = member(&server, &clean("later"), 1).await;
    later.expect_nothing().await;
}

#[tokio::test]
async fn a_member_that_takes_no_more_holds_nothing_up() {
    let server = Server::start().await;
    let mut publisher = publisher(&server).await;
    let mut stuck = member(&server, &one_at_a_time("stuck"), 1).await;
    publish(&mut publisher, &server, 1, "held").await;
    assert_eq!(payload(&stuck.next().await), "held");
    let mut other = member(&server, &clean("other"), 1).await;
    for count in 0..6 {
        publish(&mut publisher, &server, 1, &count.to_string()).await;
        assert_eq!(take(&mut other).await, count.to_string());
    }
    stuck.expect_nothing().await;
}

#[tokio::test]
async fn a_lasting_member_that_starts_clean_leaves_what_waits_to_another() {
    let server = Server::start().await;
    let mut publisher = publisher(&server).await;
    let mut first = member(&server, &lasting("first"), 2).await;
    publish(&mut publisher, &server, 1, "sent").await;
    assert_eq!(payload(&first.next().await), "sent");
    first.vanish();
    until(|| server.broker.metrics().connected.get() == 1).await;
    publish(&mut publisher, &server, 1, "waits 1").await;
    publish(&mut publisher, &server, 2, "waits 2").await;
    let mut second = member(&server, &lasting("second"), 2).await;
    second.expect_nothing().await;
    let again = Options {
        clean: true,
        ..lasting("first")
    };
    let mut first = Raw::join(&server, &server.thing, &again).await;
    for wanted in ["sent", "waits 1", "waits 2"] {
        assert_eq!(take(&mut second).await, wanted);
    }
    second.expect_nothing().await;
    first.expect_nothing().await;
    assert_eq!((handed_over(&server), unclaimed(&server)), (3, 0));
    let journal = server.broker.journal();
    until(|| journal.read(|state| state.remains().count() == 0 && state.logged_messages() == 0))
        .await;
}

#[tokio::test]
async fn who_loses_the_channel_leaves_what_it_has_not_acknowledged_to_another() {
    let server = Server::start().await;
    for (name, options) in [("clean", clean("first")), ("lasting", lasting("first"))] {
        let cut_off = server.another_thing();
        let mut publisher = publisher(&server).await;
        let mut first = Raw::join(&server, &cut_off, &options).await;
        first.subscribe(&group(&server), 1).await;
        publish(&mut publisher, &server, 1, name).await;
        first.next().await;
        let mut second = member(&server, &clean("second"), 1).await;
        server.access.disconnect(&cut_off, server.channel);
        assert_eq!(take(&mut second).await, name);
        // What comes from now on is not offered to it.
        publish(&mut publisher, &server, 1, "later").await;
        assert_eq!(take(&mut second).await, "later");
        first.expect_nothing().await;
    }
    assert_eq!(unclaimed(&server), 0);
}

#[tokio::test]
async fn a_lasting_member_that_expires_or_is_revoked_leaves_what_waits_to_a_clean_one() {
    let server = Server::start().await;
    for revoked in [true, false] {
        let thing = server.another_thing();
        let options = Options {
            properties: vec![0x11, 0, 0, 0, if revoked { 100 } else { 1 }],
            ..lasting("first")
        };
        let mut publisher = publisher(&server).await;
        let mut first = Raw::join(&server, &thing, &options).await;
        first.subscribe(&group(&server), 1).await;
        publish(&mut publisher, &server, 1, "sent").await;
        assert_eq!(payload(&first.next().await), "sent");
        let sessions = server.broker.metrics().sessions.get();
        first.vanish();
        until(|| server.broker.metrics().connected.get() == 1).await;
        publish(&mut publisher, &server, 1, "waits").await;
        let mut second = member(&server, &clean("second"), 1).await;
        if revoked {
            server.access.revoke(&thing);
        }
        for wanted in ["sent", "waits"] {
            assert_eq!(take(&mut second).await, wanted);
        }
        second.expect_nothing().await;
        assert_eq!(server.broker.metrics().sessions.get(), sessions);
        second.leave().await;
    }
    assert_eq!((handed_over(&server), unclaimed(&server)), (4, 0));
}

#[tokio::test]
async fn nobody_ends_for_what_another_member_left() {
    let server = Server::with(MqttConfig {
        session_queue_messages: 5,
        ..MqttConfig::default()
    })
    .await;
    let mut publisher = publisher(&server).await;
    let mut first = member(&server, &lasting("first"), 1).await;
    first.expect_nothing().await;
    first.vanish();
    until(|| server.broker.metrics().connected.get() == 1).await;
    for count in 0..20 {
        publish(&mut publisher, &server, 1, &count.to_string()).await;
    }
    // Takes one at a time, and five wait for it at most.
    let mut second = member(&server, &one_at_a_time("second"), 1).await;
    let again = Options {
        properties: Vec::new(),
        ..clean("first")
    };
    let mut first = Raw::join(&server, &server.thing, &again).await;
    until(|| handed_over(&server) + unclaimed(&server) == 20).await;
    let given = handed_over(&server);
    assert!((5..20).contains(&given), "{given}");
    for count in 0..given {
        assert_eq!(take(&mut second).await, count.to_string());
    }
    second.expect_nothing().await;
    first.expect_nothing().await;
    assert_eq!(server.broker.metrics().sessions_overrun.get(), 0);
}

#[tokio::test]
async fn who_unsubscribes_leaves_what_waits_and_completes_what_was_sent() {
    let server = Server::start().await;
    for options in [clean("first"), lasting("first")] {
        let options = Options {
            properties: [vec![0x21, 0, 1], options.properties.clone()].concat(),
            ..options
        };
        let mut publisher = publisher(&server).await;
        let mut first = member(&server, &options, 1).await;
        for payload in ["sent", "waits"] {
            publish(&mut publisher, &server, 1, payload).await;
        }
        let (_, id, _) = first.next().await.publish(Level::V5);
        let mut second = member(&server, &clean("second"), 1).await;
        assert_eq!(first.unsubscribe(&group(&server)).await.body[3], 0);
        assert_eq!(take(&mut second).await, "waits");
        first.acknowledge(0x40, id).await;
        first.expect_nothing().await;
        first.leave().await;
        second.expect_nothing().await;
    }
}

/// Little memory, so that what waits lies on disk.
fn little_memory() -> MqttConfig {
    MqttConfig {
        channel_memory_bytes: 10_000,
        node_memory_bytes: 20_000,
        ..MqttConfig::default()
    }
}

#[tokio::test]
async fn a_power_cut_takes_nothing_from_the_group_of_a_member_that_has_ended() {
    let disk = SimulatedDisk::new(5);
    let server = Server::journaled_on(little_memory(), &disk).await;
    let mut publisher = publisher(&server).await;
    let mut first = member(&server, &lasting("first"), 1).await;
    publish(&mut publisher, &server, 1, "sent").await;
    first.next().await;
    first.vanish();
    until(|| server.broker.metrics().connected.get() == 1).await;
    let text = "x".repeat(3_000);
    for count in 0..30 {
        publish(&mut publisher, &server, 1, &format!("{count} {text}")).await;
    }
    let mut second = member(&server, &lasting("second"), 1).await;
    second.expect_nothing().await;
    second.vanish();
    until(|| server.broker.metrics().connected.get() == 1).await;
    let journal = server.broker.journal();
    assert!(journal.read(|state| state.disk_bytes()) > 30_000);
    // It ends, and the power goes before the other has anything.
    let again = Options {
        properties: Vec::new(),
        ..clean("first")
    };
    Raw::join(&server, &server.thing, &again).await.vanish();
    let server = server.after_power_cut(&disk).await;
    let mut second = Raw::join(&server, &server.thing, &lasting("second")).await;
    assert!(second.session_present());
    let mut got = Vec::new();
    for _ in 0..31 {
        let text = take(&mut second).await;
        got.push(text.split(' ').next().unwrap().to_owned());
    }
    second.expect_nothing().await;
    let numbers = (0..30).map(|count| count.to_string());
    let wanted: Vec<String> = std::iter::once("sent".to_owned()).chain(numbers).collect();
    assert_eq!(got, wanted);
    let journal = server.broker.journal();
    until(|| journal.read(|state| state.remains().count() == 0 && state.logged_messages() == 0))
        .await;
    assert_eq!(unclaimed(&server), 0);
}
