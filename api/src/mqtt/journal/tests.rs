mod disk;
mod groups;
mod lag;
mod spilling;

use std::time::Duration;

use ::bytes::Bytes;
use proptest::prelude::*;
use tellee_actors::ids::ThingId;
use tellee_actors::time::Timestamp;
use tellee_projections::telemetry::disk::{Faults, SimulatedDisk};
use uuid::Uuid;

use super::bytes::Cursor;
use super::entry::entries;
use super::*;
use crate::mqtt::codec::{MessageProperties, QoS, Will};
use crate::mqtt::fanout::Subscription;
use crate::mqtt::message::Message;
use crate::mqtt::session::Held;

const LIMITS: StateLimits = StateLimits {
    retained_messages: 3,
    retained_bytes: 10_000,
    backlog_messages: 2,
    channel_memory_bytes: 1 << 20,
    node_memory_bytes: 8 << 20,
};

const MANY: Wanted = Wanted {
    messages: 10,
    bytes: usize::MAX,
};

fn channel(number: u8) -> ChannelId {
    ChannelId(Uuid::from_u128(u128::from(number)))
}

fn qos(number: u8) -> QoS {
    QoS::from_bits(number % 3).unwrap()
}

fn filter(number: u8) -> &'static str {
    ["a", "+", "#", "b/#", "$share/g/a"][usize::from(number) % 5]
}

fn message(seed: u8) -> Arc<Message> {
    let properties = MessageProperties {
        is_text: Some(true),
        content_type: (seed.is_multiple_of(2)).then(|| "text/plain".to_owned()),
        correlation_data: Some(Bytes::from_static(b"id")),
        user_properties: vec![("k".to_owned(), seed.to_string())],
        ..MessageProperties::default()
    };
    Arc::new(Message {
        channel: channel(seed % 2),
        topic: Arc::from(["a", "b", "b/c"][usize::from(seed) % 3]),
        payload: Bytes::copy_from_slice(&vec![seed; usize::from(seed % 4)]),
        qos: qos(seed / 3),
        retain: seed.is_multiple_of(5),
        received_at: Timestamp(i64::from(seed)),
        expires_at: (seed.is_multiple_of(7)).then(|| Timestamp(i64::from(seed) + 50)),
        properties: (seed.is_multiple_of(3)).then(|| Box::new(properties)),
        origin: u64::from(seed % 6),
    })
}

/// One of everything that may happen, by a few small numbers, most of which name something that is there.
fn entry(kind: u8, session: u8, number: u8, seqs: &mut [u64; 2]) -> Entry {
    let session = u64::from(session % 4) + 1;
    let packet_id = u16::from(number % 6) + 1;
    let at = Timestamp(i64::from(number));
    let subscription = Subscription {
        qos: qos(number),
        no_local: number.is_multiple_of(4),
        retain_as_published: number.is_multiple_of(2),
        identifier: (number.is_multiple_of(3)).then_some(u32::from(number) + 1),
    };
    let source = if number.is_multiple_of(5) {
        Source::Backlog {
            number: u64::from(number / 5 % 4),
        }
    } else {
        let which = usize::from(number % 2);
        Source::Log {
            channel: channel(number % 2),
            seq: seqs[which].saturating_sub(u64::from(number / 8 % 4) + 1),
        }
    };
    match kind % 22 {
        0..=1 => Entry::Opened {
            session,
            owner: Owner {
                thing: ThingId(Uuid::from_u128(7)),
                client_id: format!("client {session}").into(),
                key_hash: (number.is_multiple_of(2)).then_some([number; 32]),
            },
            expiry: u32::from(number),
        },
        2 => Entry::Resumed {
            session,
            key_hash: None,
            expiry: 9,
        },
        3 => Entry::Left {
            session,
            expires_at: at,
        },
        4 => Entry::Ended { session },
        5..=7 => Entry::Subscribed {
            session,
            filter: filter(number).into(),
            held: Held {
                channel: Some(channel(number % 2)),
                subscription,
            },
            retained: number.is_multiple_of(2) && !filter(number).starts_with('$'),
        },
        8 => Entry::Unsubscribed {
            session,
            filter: filter(number).into(),
        },
        9 => Entry::Withdrawn {
            session,
            channel: channel(number % 2),
        },
        10..=12 => {
            let message = message(number);
            let seq = &mut seqs[usize::from(number % 2)];
            *seq += 1;
            Entry::Message {
                seq: *seq - 1,
                logged: true,
                retained: message.retain,
                message,
                assigned: (number.is_multiple_of(4))
                    .then(|| Assigned {
                        session,
                        group: filter(number / 4).into(),
                        subscription,
                    })
                    .into_iter()
                    .collect(),
                assigned_only: number.is_multiple_of(12),
            }
        }
        13 => Entry::Sent {
            session,
            sending: Sending {
                packet_id,
                source,
                qos: qos(number % 2 + 1),
                retain: number.is_multiple_of(2),
                subscription_ids: vec![1, u32::from(number)],
                message: None,
                groups: Vec::new(),
            },
        },
        14 => Entry::Passed { session, source },
        15 => Entry::Received { session, packet_id },
        16 => Entry::Acknowledged { session, packet_id },
        17 if number.is_multiple_of(3) => Entry::Taken {
            session,
            packet_id,
            received_at: at,
        },
        17 if number % 3 == 1 => Entry::Settled { session, packet_id },
        17 => Entry::Released { session, packet_id },
        18 if number.is_multiple_of(3) => Entry::WillCleared { session },
        18 if number % 3 == 1 => Entry::WillDue { session, due: at },
        18 => Entry::WillSet {
            session,
            thing: ThingId(Uuid::from_u128(7)),
            will: Arc::new(Will {
                topic: Arc::from("a"),
                payload: Bytes::from_static(b"gone"),
                qos: qos(number),
                retain: false,
                delay: u32::from(number),
                message_expiry: Some(4),
                properties: None,
            }),
        },
        19 => Entry::HandedOver {
            session,
            remains: u64::from(number / 2 % 8) + 1,
            unacknowledged: u32::from(number % 2),
            before: seqs[0].saturating_sub(u64::from(number / 16)),
        },
        20 if number.is_multiple_of(4) => Entry::Rested {
            session,
            remains: u64::from(number / 4 % 8) + 1,
        },
        _ => Entry::Expired { at },
    }
}

fn history(steps: &[(u8, u8, u8)]) -> Vec<Entry> {
    let mut seqs = [0; 2];
    steps
        .iter()
        .map(|(kind, session, number)| entry(*kind, *session, *number, &mut seqs))
        .collect()
}

fn state_of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> State {
    let mut state = State::new(LIMITS);
    for entry in entries {
        state.apply(entry);
    }
    state
}

fn payload(entries: &[Entry]) -> Vec<u8> {
    let mut payload = Vec::new();
    for entry in entries {
        entry.put(&mut payload);
    }
    payload
}

proptest! {
    #[test]
    fn replay_gives_the_state(steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..80)) {
        let history = history(&steps);
        let state = state_of(&history);
        let read = entries(&payload(&history)).unwrap();
        prop_assert_eq!(&read, &history);
        prop_assert_eq!(&state_of(&read), &state);
    }

    #[test]
    fn a_snapshot_gives_the_state_at_any_point(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..80),
        cut in any::<prop::sample::Index>(),
    ) {
        let history = history(&steps);
        let (before, after) = history.split_at(cut.index(history.len() + 1));
        let snapshot = entries(&payload(&state_of(before).snapshot())).unwrap();
        prop_assert_eq!(&state_of(&snapshot), &state_of(before));
        prop_assert_eq!(state_of(snapshot.iter().chain(after)), state_of(&history));
    }

    #[test]
    fn arbitrary_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Entry::get(&mut Cursor::new(&bytes));
    }

    #[test]
    fn what_no_session_has_to_get_is_not_kept(
        steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..80),
    ) {
        let mut state = state_of(&history(&steps));
        for session in 1..=4 {
            state.apply(&Entry::Ended { session });
        }
        let remains: Vec<(RemainsId, SessionId)> = state
            .remains()
            .map(|(number, remains)| (number, remains.session))
            .collect();
        for (remains, session) in remains {
            state.apply(&Entry::Rested { session, remains });
        }
        prop_assert_eq!((state.logged_messages(), state.log_bytes()), (0, 0));
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn steps(&mut self, count: usize) -> Vec<(u8, u8, u8)> {
        (0..count)
            .map(|_| {
                let bits = self.next();
                (bits as u8, (bits >> 8) as u8, (bits >> 16) as u8)
            })
            .collect()
    }
}

fn recovered(disk: &SimulatedDisk, access: Access) -> files::Recovered {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    recover(&disk, LIMITS, access).unwrap()
}

/// Writes batches as the committer does, with a snapshot after every few. Answers how many were acknowledged.
fn write(disk: &SimulatedDisk, known: &State, batches: &[Vec<Entry>]) -> usize {
    let recovered = recovered(disk, Access::Write);
    let mut files = Files::new(Arc::new(disk.clone()), &recovered);
    files.set_shortest_log(900);
    let mut state = state_of(&known.snapshot());
    for (count, batch) in batches.iter().enumerate() {
        if files.append(&[payload(batch)], batch.len() as u64).is_err() {
            return count;
        }
        for entry in batch {
            state.apply(entry);
        }
        if files.wants_snapshot()
            && let Ok(bytes) = files.rotate().write(&state.snapshot())
        {
            files.snapshot_written(bytes);
        }
    }
    batches.len()
}
