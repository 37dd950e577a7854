//! Sessions that stand far behind.

use super::*;

#[test]
fn sessions_far_behind_are_named_and_those_that_need_nothing_go_on() {
    let mut state = State::new(LIMITS);
    let held = |number| Held {
        channel: Some(channel(0)),
        subscription: Subscription {
            qos: qos(number),
            no_local: false,
            retain_as_published: false,
            identifier: None,
        },
    };
    for (session, filter) in [(0, "a"), (1, "b")] {
        state.apply(&entry(0, session, 1, &mut [0; 2]));
        state.apply(&Entry::Subscribed {
            session: u64::from(session) + 1,
            filter: filter.into(),
            held: held(1),
            retained: false,
        });
    }
    for seq in 0..10 {
        state.apply(&Entry::Message {
            seq,
            logged: true,
            retained: false,
            message: Arc::new(Message {
                topic: Arc::from("a"),
                qos: QoS::AtLeastOnce,
                origin: 0,
                expires_at: None,
                received_at: Timestamp(0),
                ..(*message(2)).clone()
            }),
            assigned: Vec::new(),
            assigned_only: false,
        });
    }
    let limits = LagLimits {
        channel_bytes: 1 << 20,
        node_bytes: 1 << 20,
        age: Duration::from_secs(100),
    };
    let now = Timestamp(1);
    let lag = state.lag(limits, &Needs::default(), now);
    let passed = Entry::Passed {
        session: 2,
        source: Source::Log {
            channel: channel(0),
            seq: 9,
        },
    };
    assert_eq!((lag.passed, lag.behind), (vec![passed], vec![]));
    let crowded = LagLimits {
        channel_bytes: state.log_bytes() / 2,
        ..limits
    };
    assert_eq!(state.lag(crowded, &Needs::default(), now).behind, [(1, 10)]);
    let node = LagLimits {
        node_bytes: state.log_bytes() / 2,
        ..limits
    };
    assert_eq!(state.lag(node, &Needs::default(), now).behind, [(1, 10)]);
    let old = Timestamp(Duration::from_secs(200).as_nanos() as i64);
    assert_eq!(state.lag(limits, &Needs::default(), old).behind, [(1, 10)]);
}
