//! What members of share groups leave to them.

use super::*;
use crate::mqtt::session::Awaiting;

const GROUP: &str = "$share/g/a";

fn opened(session: SessionId) -> Entry {
    Entry::Opened {
        session,
        owner: Owner {
            thing: ThingId(Uuid::from_u128(7)),
            client_id: format!("client {session}").into(),
            key_hash: None,
        },
        expiry: 9,
    }
}

const fn subscription(qos: QoS) -> Subscription {
    Subscription {
        qos,
        no_local: false,
        retain_as_published: false,
        identifier: None,
    }
}

fn subscribed(session: SessionId, filter: &str) -> Entry {
    Entry::Subscribed {
        session,
        filter: filter.into(),
        held: Held {
            channel: Some(channel(0)),
            subscription: subscription(QoS::ExactlyOnce),
        },
        retained: false,
    }
}

/// A message of topic `a` that the group gave to this session.
fn given(seq: u64, qos: QoS, session: SessionId, group: &str) -> Entry {
    Entry::Message {
        seq,
        logged: true,
        retained: false,
        message: Arc::new(Message {
            channel: channel(0),
            topic: Arc::from("a"),
            payload: Bytes::from(seq.to_string()),
            qos,
            retain: false,
            received_at: Timestamp(0),
            expires_at: None,
            properties: None,
            origin: 0,
        }),
        assigned: vec![Assigned {
            session,
            group: group.into(),
            subscription: subscription(qos),
        }],
        assigned_only: false,
    }
}

fn sent(session: SessionId, seq: u64, packet_id: u16, qos: QoS) -> Entry {
    Entry::Sent {
        session,
        sending: Sending {
            packet_id,
            source: Source::Log {
                channel: channel(0),
                seq,
            },
            qos,
            retain: false,
            subscription_ids: Vec::new(),
            message: None,
            groups: Vec::new(),
        },
    }
}

/// Takes all that is left, as the broker does. Answers payloads and groups.
fn take_all(state: &mut State, remains: RemainsId) -> Vec<(String, Vec<String>)> {
    let found = state.remains().find(|(number, _)| *number == remains);
    let session = found.map(|(_, remains)| remains.session).unwrap();
    let one = Wanted {
        messages: 1,
        bytes: 1,
    };
    let mut taken = Vec::new();
    loop {
        let Left::Messages {
            orphans,
            unacknowledged,
            before,
        } = state.left(remains, one)
        else {
            return taken;
        };
        taken.extend(orphans.iter().map(|orphan| {
            let payload = String::from_utf8(orphan.message.payload.to_vec()).unwrap();
            let groups = orphan.groups.iter().map(ToString::to_string);
            (payload, groups.collect())
        }));
        state.apply(&Entry::HandedOver {
            session,
            remains,
            unacknowledged,
            before,
        });
    }
}

fn of_group(payloads: &[&str]) -> Vec<(String, Vec<String>)> {
    let one = |payload: &&str| ((*payload).to_owned(), vec![GROUP.to_owned()]);
    payloads.iter().map(one).collect()
}

/// Session 1 has been given messages 0 to 5, and sent 0 to 3: 0 is acknowledged, 1 is not, 2 and 3 are of QoS 2, of
/// which 3 was received.
fn member() -> Vec<Entry> {
    let (once, twice) = (QoS::AtLeastOnce, QoS::ExactlyOnce);
    let mut entries = vec![
        opened(1),
        subscribed(1, GROUP),
        opened(2),
        subscribed(2, GROUP),
    ];
    let qos = [once, once, twice, twice, once, twice];
    entries.extend((0..).zip(qos).map(|(seq, qos)| given(seq, qos, 1, GROUP)));
    entries.push(given(6, once, 2, GROUP));
    entries.extend((0..4).map(|seq| sent(1, seq, seq as u16 + 1, qos[seq as usize])));
    entries.extend([
        Entry::Acknowledged {
            session: 1,
            packet_id: 1,
        },
        Entry::Received {
            session: 1,
            packet_id: 4,
        },
    ]);
    entries
}

/// The state of a folder that says this, and that of a snapshot of it: they must not differ.
fn recovered_state(entries: &[Entry]) -> State {
    let state = state_of(entries);
    assert_eq!(state_of(&state.snapshot()), state);
    state
}

#[test]
fn an_ended_member_leaves_what_it_has_not_acknowledged_but_nothing_that_was_sent_at_qos_2() {
    let mut entries = member();
    entries.push(Entry::Ended { session: 1 });
    let mut state = recovered_state(&entries);
    assert_eq!(take_all(&mut state, 1), of_group(&["1", "4", "5"]));
    assert_eq!(state.left(1, MANY), Left::Nothing);
    state.apply(&Entry::Rested {
        session: 1,
        remains: 1,
    });
    assert_eq!(state.remains().count(), 0);
    let record = state.session(2).unwrap();
    assert_eq!(
        record.cursors[&channel(0)],
        0,
        "the other stands where it stood"
    );
}

#[test]
fn remains_are_taken_once_also_over_a_restart_in_between() {
    let mut entries = member();
    entries.push(Entry::Ended { session: 1 });
    entries.push(Entry::HandedOver {
        session: 1,
        remains: 1,
        unacknowledged: 1,
        before: 5,
    });
    // Numbers that name the remains of another session, as after damage, change nothing.
    entries.push(Entry::HandedOver {
        session: 2,
        remains: 1,
        unacknowledged: 1,
        before: 6,
    });
    entries.push(Entry::Rested {
        session: 2,
        remains: 1,
    });
    let mut state = recovered_state(&entries);
    assert_eq!(take_all(&mut state, 1), of_group(&["5"]));
    // Numbers are not given twice.
    state.apply(&Entry::Rested {
        session: 1,
        remains: 1,
    });
    let mut state = state_of(&state.snapshot());
    state.apply(&Entry::Ended { session: 2 });
    assert_eq!(state.remains().next().unwrap().0, 2);
    assert_eq!(take_all(&mut state, 2), of_group(&["6"]));
}

#[test]
fn a_withdrawn_channel_leaves_what_is_unacknowledged_and_an_unsubscribed_group_only_what_waits() {
    let mut entries = member();
    entries.push(Entry::Withdrawn {
        session: 1,
        channel: channel(0),
    });
    let mut state = recovered_state(&entries);
    assert_eq!(take_all(&mut state, 1), of_group(&["1", "4", "5"]));
    let inflight = &state.session(1).unwrap().inflight;
    assert_eq!(inflight.len(), 1);
    assert_eq!(inflight[0].awaiting, Awaiting::Complete);

    let mut entries = member();
    entries.push(Entry::Unsubscribed {
        session: 1,
        filter: GROUP.into(),
    });
    let mut state = recovered_state(&entries);
    assert_eq!(take_all(&mut state, 1), of_group(&["4", "5"]));
    assert_eq!(state.session(1).unwrap().inflight.len(), 3);
    // And what was on its way still, if it is not acknowledged before the end.
    state.apply(&Entry::Ended { session: 1 });
    assert_eq!(take_all(&mut state, 2), of_group(&["1"]));
}

#[test]
fn a_member_that_joins_again_gets_what_came_since_and_its_group_the_rest() {
    let mut entries = member();
    entries.extend([
        // Holds the channel's log open, and gets nothing of it.
        subscribed(1, "b"),
        Entry::Unsubscribed {
            session: 1,
            filter: GROUP.into(),
        },
        subscribed(1, GROUP),
        given(7, QoS::AtLeastOnce, 1, GROUP),
    ]);
    let mut state = recovered_state(&entries);
    let ahead = state.read(1, &mut Positions::default(), MANY);
    let payloads: Vec<&[u8]> = ahead
        .iter()
        .map(|ahead| &ahead.delivery.message.payload[..])
        .collect();
    assert_eq!(payloads, [b"7"]);
    assert_eq!(take_all(&mut state, 1), of_group(&["4", "5"]));
}

#[test]
fn a_message_that_is_logged_again_is_for_its_new_member_alone() {
    let mut entries = vec![
        opened(1),
        subscribed(1, "a"),
        opened(2),
        subscribed(2, GROUP),
    ];
    let again = given(0, QoS::AtLeastOnce, 2, GROUP);
    let Entry::Message {
        seq,
        logged,
        retained,
        message,
        assigned,
        ..
    } = again
    else {
        panic!()
    };
    entries.push(Entry::Message {
        seq,
        logged,
        retained,
        message,
        assigned,
        assigned_only: true,
    });
    let state = recovered_state(&entries);
    let count = |session| state.read(session, &mut Positions::default(), MANY).len();
    assert_eq!((count(1), count(2)), (0, 1));
}

#[test]
fn what_is_sent_after_a_group_was_left_is_not_for_the_group() {
    let mut entries = vec![opened(1), subscribed(1, "a"), subscribed(1, GROUP)];
    entries.push(given(0, QoS::AtLeastOnce, 1, GROUP));
    entries.push(Entry::Unsubscribed {
        session: 1,
        filter: GROUP.into(),
    });
    entries.push(sent(1, 0, 1, QoS::AtLeastOnce));
    entries.push(Entry::Ended { session: 1 });
    let state = recovered_state(&entries);
    // Those of the unsubscribing alone.
    assert_eq!(state.remains().count(), 1);
}

/// A message with a member, and a session with it in flight, as formats 1 and 2 had them.
fn old_bytes() -> Vec<u8> {
    let mut bytes = payload(&[
        opened(1),
        subscribed(1, GROUP),
        opened(2),
        subscribed(2, GROUP),
    ]);
    for seq in 0..2 {
        let plain = Entry::Message {
            seq,
            logged: true,
            retained: false,
            message: Arc::new(Message {
                topic: Arc::from("a"),
                channel: channel(0),
                qos: QoS::AtLeastOnce,
                origin: 0,
                ..(*message(2)).clone()
            }),
            assigned: Vec::new(),
            assigned_only: false,
        };
        plain.put(&mut bytes);
        // One member, session 1, at QoS 1, without a subscription identifier, instead of none.
        assert_eq!(bytes.pop(), Some(0));
        bytes.extend_from_slice(&[1, 1, 1, 0]);
    }
    bytes
}

#[test]
fn files_of_format_2_are_read_and_their_members_leave_what_waits_too() {
    let mut state = state_of(&entries(&old_bytes()).unwrap());
    assert_eq!(state.read(1, &mut Positions::default(), MANY).len(), 2);
    assert_eq!(state.read(2, &mut Positions::default(), MANY).len(), 0);
    state.apply(&sent(1, 0, 1, QoS::AtLeastOnce));
    state.apply(&Entry::Ended { session: 1 });
    let left: Vec<Vec<String>> = take_all(&mut state, 1)
        .into_iter()
        .map(|(_, groups)| groups)
        .collect();
    // Which group it was is told by the topic.
    assert_eq!(left, [[GROUP.to_owned()], [GROUP.to_owned()]]);
}
