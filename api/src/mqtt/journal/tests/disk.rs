//! Power cuts, damage and disks that fail.

use super::*;

#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    for seed in 0..250 {
        let mut random = Random(seed);
        let history = history(&random.steps(60));
        let batches: Vec<Vec<Entry>> = history.chunks(3).map(<[Entry]>::to_vec).collect();
        let disk = SimulatedDisk::new(seed);
        disk.set_faults(Faults {
            crash_after: Some(random.next() % 90),
            ..Faults::default()
        });
        let empty = State::new(LIMITS);
        // The disk may be gone before anything was opened.
        let acknowledged = if disk.list().is_ok() {
            write(&disk, &empty, &batches)
        } else {
            0
        };
        let disk = disk.after_power_cut();
        let found = recovered(&disk, Access::Write);
        assert!(found.damages.is_empty(), "seed {seed}: {:?}", found.damages);
        let next = (acknowledged + 1).min(batches.len());
        let state = [acknowledged, next]
            .into_iter()
            .map(|count| state_of(batches[..count].iter().flatten()))
            .find(|state| *state == found.state)
            .unwrap_or_else(|| panic!("seed {seed}: not the state after {acknowledged} batches"));
        // And it goes on from there.
        let more: Vec<Vec<Entry>> = batches[next..].to_vec();
        assert_eq!(write(&disk, &state, &more), more.len(), "seed {seed}");
        let mut state = state;
        more.iter().flatten().for_each(|entry| {
            state.apply(entry);
        });
        let again = recovered(&disk.after_power_cut(), Access::Look);
        assert!(again.damages.is_empty(), "seed {seed}: {:?}", again.damages);
        assert_eq!(again.state, state, "seed {seed}");
    }
}

#[test]
fn a_flipped_bit_is_reported_and_costs_no_other_frame() {
    let opened = |session| Entry::Opened {
        session,
        owner: Owner {
            thing: ThingId(Uuid::nil()),
            client_id: "c".into(),
            key_hash: None,
        },
        expiry: 9,
    };
    let disk = SimulatedDisk::new(1);
    let batches: Vec<Vec<Entry>> = (1..=3).map(|session| vec![opened(session)]).collect();
    write(&disk, &State::new(LIMITS), &batches);
    let name = disk.list().unwrap().pop().unwrap();
    let second = frame::START + frame::FRAME_HEADER + payload(&batches[0]).len();
    for byte in second..second + frame::FRAME_HEADER {
        disk.flip_bit(&name, byte, 3);
        let found = recovered(&disk, Access::Look);
        assert_eq!(found.damages.len(), 1);
        assert_eq!(found.damages[0].offset, second as u64);
        let mut sessions: Vec<u64> = found.state.sessions().map(|session| session.id).collect();
        sessions.sort_unstable();
        assert_eq!(sessions, [1, 3]);
        disk.flip_bit(&name, byte, 3);
    }
    // The damaged file is put aside once a snapshot stands for it.
    disk.flip_bit(&name, second, 3);
    let found = recovered(&disk, Access::Write);
    let mut files = Files::new(Arc::new(disk.clone()), &found);
    files.rotate().write(&found.state.snapshot()).unwrap();
    assert!(disk.list().unwrap().contains(&format!("damaged-{name}")));
    assert!(recovered(&disk, Access::Look).damages.is_empty());
}

#[tokio::test]
async fn a_disk_that_fails_for_a_while_delays_and_loses_nothing() {
    let disk = SimulatedDisk::new(1);
    let journal = Journal::open_on(Arc::new(disk.clone()), LIMITS).unwrap();
    disk.set_faults(Faults {
        sync_fails: true,
        ..Faults::default()
    });
    let position = journal.append(vec![entry(0, 0, 1, &mut [0; 2])]);
    while journal.failures() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(journal.durable() < position);
    assert_eq!(journal.read(|state| state.sessions().count()), 0);
    disk.set_faults(Faults::default());
    journal.reached(position).await;
    assert_eq!(journal.read(|state| state.sessions().count()), 1);
    journal.close();
    assert_eq!(
        recovered(&disk.after_power_cut(), Access::Look)
            .state
            .sessions()
            .count(),
        1
    );
}

#[tokio::test]
async fn messages_of_a_channel_are_numbered_on_after_a_restart() {
    let disk = SimulatedDisk::new(1);
    let subscribed = |session: u64| Entry::Subscribed {
        session,
        filter: "a".into(),
        held: Held {
            channel: Some(channel(0)),
            subscription: Subscription {
                qos: QoS::AtLeastOnce,
                no_local: false,
                retain_as_published: false,
                identifier: None,
            },
        },
        retained: false,
    };
    let logged = || Entry::Message {
        seq: 0,
        logged: true,
        retained: false,
        // Of channel 0, topic `a` and QoS 1.
        message: Arc::new(Message {
            topic: Arc::from("a"),
            qos: QoS::AtLeastOnce,
            origin: 0,
            ..(*message(2)).clone()
        }),
        assigned: Vec::new(),
        assigned_only: false,
    };
    let read = |journal: &Journal| {
        let ahead = journal.read(|state| state.read(1, &mut Positions::default(), MANY));
        let seqs = ahead.iter().map(|ahead| match ahead.source {
            Source::Log { seq, .. } => seq,
            Source::Backlog { number } => number,
        });
        seqs.collect::<Vec<u64>>()
    };
    let journal = Journal::open_on(Arc::new(disk.clone()), LIMITS).unwrap();
    let opened = entry(0, 0, 1, &mut [0; 2]);
    let position = journal.append(vec![opened, subscribed(1), logged(), logged()]);
    journal.reached(position).await;
    let before = read(&journal);
    assert_eq!(before.len(), 2);
    journal.close();
    let journal = Journal::open_on(Arc::new(disk), LIMITS).unwrap();
    let position = journal.append(vec![logged()]);
    journal.reached(position).await;
    let after = read(&journal);
    assert_eq!(after[..2], before[..]);
    assert_eq!(after[2], before[1] + 1);
}
