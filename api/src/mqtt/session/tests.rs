use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::mqtt::journal::Orphan;

const NOW: Timestamp = Timestamp(1_000_000_000);

fn client(receive_maximum: u16) -> ClientLimits {
    ClientLimits {
        version: Version::V5,
        receive_maximum,
        maximum_packet_size: 1024,
    }
}

fn session(receive_maximum: u16) -> Session {
    let limits = SessionLimits {
        queue_bytes: 10_000,
        queue_messages: 8,
        inflight: 100,
    };
    Session::new(
        limits,
        client(receive_maximum),
        Arc::new(QueueBudget::new(100_000)),
    )
}

fn delivery(qos: QoS, payload: &str) -> Delivery {
    let message = Message {
        channel: ChannelId(uuid::Uuid::nil()),
        topic: Arc::from("t"),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        qos,
        retain: false,
        received_at: NOW,
        expires_at: None,
        properties: None,
        origin: 0,
    };
    Delivery {
        message: Arc::new(message),
        qos,
        retain: false,
        subscription_ids: Vec::new(),
        groups: Vec::new(),
        group_only: false,
    }
}

fn publish(next: Option<Next>) -> (u16, bool, String) {
    match next {
        Some(Next::Publish {
            packet_id,
            duplicate,
            delivery,
            ..
        }) => (
            packet_id,
            duplicate,
            String::from_utf8(delivery.message.payload.to_vec()).unwrap(),
        ),
        other => panic!("no publish: {other:?}"),
    }
}

#[test]
fn no_more_is_sent_than_the_client_can_take() {
    let mut session = session(2);
    for payload in ["1", "2", "3"] {
        session.offer(delivery(QoS::AtLeastOnce, payload));
    }
    let (first, ..) = publish(session.next(NOW));
    publish(session.next(NOW));
    assert_eq!(session.next(NOW), None);
    assert!(session.acknowledged(first));
    assert!(!session.acknowledged(first));
    assert_eq!(publish(session.next(NOW)).2, "3");
}

#[test]
fn the_unacknowledged_goes_out_again_first_and_in_order() {
    let mut session = session(10);
    for (qos, payload) in [
        (QoS::AtLeastOnce, "1"),
        (QoS::ExactlyOnce, "2"),
        (QoS::AtLeastOnce, "3"),
    ] {
        session.offer(delivery(qos, payload));
    }
    let (first, ..) = publish(session.next(NOW));
    let (second, ..) = publish(session.next(NOW));
    assert_eq!(
        session.received(Ack::success(second)),
        Some(Ack::success(second))
    );
    session.resume(client(10));
    assert_eq!(publish(session.next(NOW)), (first, true, "1".into()));
    assert_eq!(session.next(NOW), Some(Next::Release { packet_id: second }));
    let (third, duplicate, payload) = publish(session.next(NOW));
    assert_eq!((duplicate, payload.as_str()), (false, "3"));
    assert!(third != first && third != second);
}

#[test]
fn a_smaller_window_after_the_reconnect_is_kept() {
    let mut session = session(10);
    for payload in ["1", "2", "3"] {
        session.offer(delivery(QoS::AtLeastOnce, payload));
        publish(session.next(NOW));
    }
    session.resume(client(1));
    let (first, ..) = publish(session.next(NOW));
    assert_eq!(session.next(NOW), None);
    assert!(session.acknowledged(first));
    assert_eq!(publish(session.next(NOW)).2, "2");
    assert_eq!(session.next(NOW), None);
}

#[test]
fn a_full_queue_drops_qos_0_and_ends_the_session_at_qos_1() {
    let mut session = session(1);
    for _ in 0..8 {
        assert_eq!(
            session.offer(delivery(QoS::AtMostOnce, "x")),
            Offered::Queued
        );
    }
    assert_eq!(
        session.offer(delivery(QoS::AtMostOnce, "x")),
        Offered::Dropped
    );
    assert_eq!(
        session.offer(delivery(QoS::AtLeastOnce, "x")),
        Offered::Overrun
    );
}

#[test]
fn the_budget_of_the_node_is_given_back() {
    let budget = Arc::new(QueueBudget::with_free(300, 0));
    let limits = SessionLimits {
        queue_bytes: 10_000,
        queue_messages: 8,
        inflight: 10,
    };
    let mut session = Session::new(limits, client(10), Arc::clone(&budget));
    assert_eq!(
        session.offer(delivery(QoS::AtMostOnce, "x")),
        Offered::Queued
    );
    assert_eq!(
        session.offer(delivery(QoS::AtMostOnce, "x")),
        Offered::Queued
    );
    assert_eq!(
        session.offer(delivery(QoS::AtMostOnce, "x")),
        Offered::Dropped
    );
    session.next(NOW);
    assert!(budget.used() > 0);
    drop(session);
    assert_eq!(budget.used(), 0);
}

#[test]
fn whoever_reads_has_room_although_others_have_used_up_the_budget() {
    let budget = Arc::new(QueueBudget::with_free(0, 300));
    let limits = SessionLimits {
        queue_bytes: 10_000,
        queue_messages: 8,
        inflight: 10,
    };
    let mut session = Session::new(limits, client(10), Arc::clone(&budget));
    let offer = |session: &mut Session| session.offer(delivery(QoS::AtMostOnce, "x"));
    while offer(&mut session) == Offered::Queued {}
    assert!(session.waiting() >= 1, "its free bytes");
    session.next(NOW);
    assert_eq!(offer(&mut session), Offered::Queued);
    assert_eq!(offer(&mut session), Offered::Dropped);
    assert_eq!(budget.used(), 0);
}

#[test]
fn expired_and_oversize_messages_are_skipped() {
    let mut session = session(10);
    let mut old = delivery(QoS::AtLeastOnce, "old");
    Arc::make_mut(&mut old.message).expires_at = Some(NOW);
    session.offer(old);
    session.offer(delivery(QoS::AtLeastOnce, &"x".repeat(1100)));
    session.offer(delivery(QoS::AtLeastOnce, "fits"));
    assert_eq!(
        session.next(NOW),
        Some(Next::Skipped(Skipped::Expired, None))
    );
    assert_eq!(
        session.next(NOW),
        Some(Next::Skipped(Skipped::TooLarge, None))
    );
    assert_eq!(publish(session.next(NOW)).2, "fits");
}

#[test]
fn a_refused_qos_2_message_is_settled_and_an_unknown_one_is_told() {
    let mut session = session(1);
    session.offer(delivery(QoS::ExactlyOnce, "1"));
    let (id, ..) = publish(session.next(NOW));
    assert_eq!(
        session.received(Ack {
            packet_id: id,
            reason: Reason::QUOTA_EXCEEDED
        }),
        None
    );
    assert_eq!(session.waiting(), 0);
    let unknown = session.received(Ack::success(77)).unwrap();
    assert_eq!(unknown.reason, Reason::PACKET_ID_NOT_FOUND);
}

#[test]
fn a_duplicate_before_its_release_is_not_taken_twice() {
    let mut session = session(1);
    assert_eq!(session.take(5, NOW), Take::New);
    assert_eq!(session.take(5, NOW), Take::Duplicate);
    assert!(session.release(5));
    assert!(!session.release(5));
    assert_eq!(session.take(5, NOW), Take::New);
}

#[test]
fn a_withdrawn_channel_leaves_the_queue() {
    let mut session = session(10);
    let held = Held {
        channel: Some(ChannelId(uuid::Uuid::nil())),
        subscription: Subscription {
            qos: QoS::AtLeastOnce,
            no_local: false,
            retain_as_published: false,
            identifier: None,
        },
    };
    session.subscribe("t", held);
    session.offer(delivery(QoS::AtLeastOnce, "1"));
    assert_eq!(session.withdraw(|_| false).filters, ["t"]);
    assert_eq!(session.next(NOW), None);
    assert_eq!(session.queued_bytes, 0);
    assert!(session.subscriptions().is_empty());
}

#[derive(Debug, Clone)]
enum Do {
    Offer(u8),
    Next,
    Ack(u16),
    Received(u16),
    Complete(u16),
    Resume(u16),
}

fn any_do() -> impl Strategy<Value = Do> {
    prop_oneof![
        (0_u8..3).prop_map(Do::Offer),
        Just(Do::Next),
        Just(Do::Next),
        (1_u16..12).prop_map(Do::Ack),
        (1_u16..12).prop_map(Do::Received),
        (1_u16..12).prop_map(Do::Complete),
        (1_u16..5).prop_map(Do::Resume),
    ]
}

proptest! {
    #[test]
    fn packet_ids_in_flight_are_unique_and_bounded_whatever_the_client_does(
        steps in prop::collection::vec(any_do(), 1..200),
    ) {
        let mut session = session(4);
        let mut window = 4;
        let mut most = 4;
        for step in steps {
            match step {
                Do::Offer(qos) => {
                    session.offer(delivery(QoS::from_bits(qos).unwrap(), "x"));
                }
                Do::Next => {
                    session.next(NOW);
                }
                Do::Ack(id) => {
                    session.acknowledged(id);
                }
                Do::Received(id) => {
                    session.received(Ack::success(id));
                }
                Do::Complete(id) => {
                    session.completed(id);
                }
                Do::Resume(receive_maximum) => {
                    window = usize::from(receive_maximum);
                    most = most.max(window);
                    session.resume(client(receive_maximum));
                }
            }
            let mut ids: Vec<u16> = session.inflight.iter().map(|inflight| inflight.packet_id).collect();
            ids.sort_unstable();
            let count = ids.len();
            ids.dedup();
            prop_assert_eq!(ids.len(), count);
            prop_assert!(!ids.contains(&0));
            prop_assert!(session.sent <= session.inflight.len());
            prop_assert!(session.sent <= window);
            prop_assert!(session.inflight.len() <= most);
            let bytes: usize = session.queue.iter().map(|delivery| delivery.message.weight()).sum();
            prop_assert_eq!(session.queued_bytes, bytes);
        }
    }
}

/// A delivery for share group `g`; `own`: a subscription of the session's own asked for it too.
fn shared(qos: QoS, payload: &str, own: bool) -> Delivery {
    Delivery {
        groups: vec![Arc::from("g")],
        group_only: !own,
        ..delivery(qos, payload)
    }
}

fn payloads(orphans: &[Orphan]) -> Vec<&[u8]> {
    let payloads = orphans.iter().map(|orphan| &orphan.message.payload[..]);
    payloads.collect()
}

#[test]
fn a_session_that_ends_leaves_to_its_groups_what_it_has_not_acknowledged() {
    let mut session = session(4);
    session.offer(shared(QoS::AtLeastOnce, "acknowledged", false));
    session.offer(shared(QoS::AtLeastOnce, "sent", false));
    session.offer(shared(QoS::ExactlyOnce, "sent at QoS 2", false));
    session.offer(delivery(QoS::AtLeastOnce, "not shared"));
    session.offer(shared(QoS::ExactlyOnce, "waits", true));
    session.offer(shared(QoS::AtMostOnce, "QoS 0", false));
    let (first, ..) = publish(session.next(NOW));
    for _ in 0..3 {
        publish(session.next(NOW));
    }
    session.acknowledged(first);
    let released = session.end();
    assert_eq!(payloads(&released.orphans), [b"sent".as_slice(), b"waits"]);
    assert_eq!(released.orphans[0].groups, [Arc::from("g")]);
    assert_eq!((session.waiting(), session.queued_bytes), (0, 0));
    assert_eq!(session.inflight_bytes, 0);
    assert_eq!(session.end(), Released::default());
}

#[test]
fn who_leaves_a_group_gets_no_more_for_it_and_keeps_what_is_its_own() {
    let mut session = session(1);
    for own in [false, false, true] {
        session.offer(shared(
            QoS::AtLeastOnce,
            if own { "own" } else { "given" },
            own,
        ));
    }
    let (first, ..) = publish(session.next(NOW));
    let left = session.leave_group("g");
    assert_eq!(payloads(&left), [b"given".as_slice(), b"own"]);
    assert_eq!(session.leave_group("g"), []);
    session.acknowledged(first);
    assert_eq!(publish(session.next(NOW)).2, "own");
    assert_eq!(session.next(NOW), None);
}

#[test]
fn what_a_withdrawn_channel_leaves_is_left_once_though_its_client_may_still_acknowledge_it() {
    let mut session = session(4);
    session.offer(shared(QoS::AtLeastOnce, "sent", false));
    let (first, ..) = publish(session.next(NOW));
    assert_eq!(payloads(&session.withdraw(|_| false).orphans), [b"sent"]);
    assert_eq!(session.withdraw(|_| false).orphans, []);
    assert!(session.acknowledged(first));
    assert_eq!(session.end().orphans, []);
}

#[test]
fn a_session_that_ends_gives_up_all_its_filters_those_across_channels_too() {
    let mut session = session(4);
    let subscription = Subscription {
        qos: QoS::AtLeastOnce,
        no_local: false,
        retain_as_published: false,
        identifier: None,
    };
    for (filter, channel) in [("#", None), ("t", Some(ChannelId(uuid::Uuid::nil())))] {
        session.subscribe(
            filter,
            Held {
                channel,
                subscription,
            },
        );
    }
    assert_eq!(session.withdraw(|_| true), Released::default());
    let mut filters = session.end().filters;
    filters.sort_unstable();
    assert_eq!(filters, ["#", "t"]);
}
