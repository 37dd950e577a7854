//! Messages that wait on disk.

use std::path::Path;

use tellee_projections::telemetry::disk::DiskFile;

use super::*;

/// Moves almost everything to disk.
const SMALL_MEMORY: StateLimits = StateLimits {
    channel_memory_bytes: 200,
    node_memory_bytes: 300,
    ..LIMITS
};

/// The same state with all messages in memory.
fn in_memory(state: &State, pieces: &Pieces) -> State {
    let mut all = State::new(LIMITS);
    for entry in state.snapshot() {
        let Entry::Spilled { channel, piece } = &entry else {
            all.apply(&entry);
            continue;
        };
        for logged in pieces.load(piece).unwrap().iter() {
            // What lies before the slowest session is nobody's, though the piece is still there.
            if state.piece_of(*channel, logged.seq).is_none() {
                continue;
            }
            all.apply(&Entry::Message {
                seq: logged.seq,
                logged: true,
                retained: false,
                message: Arc::clone(&logged.message),
                assigned: logged.assigned.to_vec(),
                assigned_only: logged.assigned_only,
            });
        }
    }
    all
}

/// Gives entries the messages that they send, as connections do.
fn with_messages(entry: &Entry, state: &State, pieces: &Pieces) -> Entry {
    let mut entry = entry.clone();
    if let Entry::Sent { session, sending } = &mut entry
        && let Source::Log { channel, seq } = sending.source
        && let Some(piece) = state.piece_of(channel, seq)
    {
        let messages = pieces.load(&piece).unwrap();
        let found = messages.iter().find(|logged| logged.seq == seq);
        sending.groups = found.map_or_else(Vec::new, |logged| logged.groups_of(*session));
        sending.message = found.map(|logged| Arc::clone(&logged.message));
    }
    entry
}

/// As [`write`], with little memory. Answers how many batches were acknowledged, and the state.
fn write_with_little_memory(disk: &SimulatedDisk, batches: &[Vec<Entry>]) -> usize {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let Ok(recovered) = recover(&shared, SMALL_MEMORY, Access::Write) else {
        return 0;
    };
    let mut files = Files::new(shared, &recovered);
    files.set_shortest_log(900);
    let (mut state, mut spill) = (recovered.state, recovered.spill);
    for (count, batch) in batches.iter().enumerate() {
        if files.append(&[payload(batch)], batch.len() as u64).is_err() {
            return count;
        }
        for entry in batch {
            let entry = with_messages(entry, &state, spill.pieces());
            state.apply(&entry);
        }
        if spill.relieve(&mut state).is_err() {
            return count + 1;
        }
        if !files.wants_snapshot() {
            continue;
        }
        let Ok(copied) = spill.condense(&state.pieces()) else {
            return count + 1;
        };
        state.replaced(&copied);
        let (snapshot, job) = (files.rotate(), spill.job(&state.pieces()));
        let written = job
            .sync()
            .and_then(|()| snapshot.write(&state.snapshot()))
            .and_then(|bytes| Ok((bytes, job.remove()?)));
        if let Ok((bytes, done)) = written {
            files.snapshot_written(bytes);
            spill.done(&done);
        }
    }
    batches.len()
}

#[test]
fn messages_on_disk_survive_a_power_cut_at_any_operation() {
    let mut spilled = 0;
    for seed in 0..250 {
        let mut random = Random(seed);
        let history = history(&random.steps(200));
        let batches: Vec<Vec<Entry>> = history.chunks(3).map(<[Entry]>::to_vec).collect();
        let disk = SimulatedDisk::new(seed);
        disk.set_faults(Faults {
            crash_after: Some(random.next() % 300),
            ..Faults::default()
        });
        let acknowledged = write_with_little_memory(&disk, &batches);
        let disk = disk.after_power_cut();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let found = recover(&shared, SMALL_MEMORY, Access::Write).unwrap();
        assert!(found.damages.is_empty(), "seed {seed}: {:?}", found.damages);
        assert!(!found.state.is_swollen(), "seed {seed}");
        spilled += found.state.pieces().len();
        let state = in_memory(&found.state, found.spill.pieces());
        let next = (acknowledged + 1).min(batches.len());
        let count = [next, acknowledged]
            .into_iter()
            .find(|count| state_of(batches[..*count].iter().flatten()) == state)
            .unwrap_or_else(|| panic!("seed {seed}: not the state after {acknowledged} batches"));
        // And it goes on from there.
        drop(found);
        let more = &batches[count..];
        assert_eq!(
            write_with_little_memory(&disk, more),
            more.len(),
            "seed {seed}"
        );
        let shared: Arc<dyn Disk> = Arc::new(disk.after_power_cut());
        let again = recover(&shared, SMALL_MEMORY, Access::Look).unwrap();
        assert!(again.damages.is_empty(), "seed {seed}: {:?}", again.damages);
        let state = in_memory(&again.state, again.spill.pieces());
        assert_eq!(state, state_of(batches.iter().flatten()), "seed {seed}");
    }
    assert!(spilled > 100, "only {spilled} pieces");
}

/// Session 1, which has to get messages of topic `a` in channel 0.
fn reader() -> [Entry; 2] {
    let subscribed = Entry::Subscribed {
        session: 1,
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
    [entry(0, 0, 1, &mut [0; 2]), subscribed]
}

/// A message for it.
fn logged(seq: u64, bytes: usize) -> Entry {
    Entry::Message {
        seq,
        logged: true,
        retained: false,
        message: Arc::new(Message {
            topic: Arc::from("a"),
            payload: Bytes::from(vec![7; bytes]),
            qos: QoS::AtLeastOnce,
            origin: 0,
            expires_at: None,
            ..(*message(2)).clone()
        }),
        assigned: Vec::new(),
        assigned_only: false,
    }
}

#[test]
fn small_pieces_in_a_row_are_joined_and_read_the_same() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    let recovered = recover(&disk, SMALL_MEMORY, Access::Write).unwrap();
    let (mut state, mut spill) = (recovered.state, recovered.spill);
    for entry in reader() {
        state.apply(&entry);
    }
    for seq in 0..20 {
        state.apply(&logged(seq, 10));
        spill.relieve(&mut state).unwrap();
    }
    let (pieces, bytes) = (state.pieces().len(), state.log_bytes());
    assert!(pieces >= 10, "{pieces}");
    let before = in_memory(&state, spill.pieces());
    let joined = spill.condense(&state.pieces()).unwrap();
    state.replaced(&joined);
    assert_eq!((state.pieces().len(), state.log_bytes()), (1, bytes));
    assert_eq!(in_memory(&state, spill.pieces()), before);
    assert!(spill.condense(&state.pieces()).unwrap().is_empty());
    // What no piece needs is gone after a snapshot that does not name it.
    spill.job(&state.pieces()).remove().unwrap();
    assert_eq!(disk.list().unwrap().len(), 1);
    assert_eq!(in_memory(&state, spill.pieces()), before);
}

/// A folder that counts the bytes that are read of it.
struct CountingDisk {
    disk: RealDisk,
    read: Arc<AtomicU64>,
}

struct CountingFile {
    file: Arc<dyn DiskFile>,
    read: Arc<AtomicU64>,
}

impl CountingDisk {
    fn counted(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let read = Arc::clone(&self.read);
        Arc::new(CountingFile { file, read })
    }
}

impl Disk for CountingDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.disk.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.counted(self.disk.open(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.disk.sync_folder()
    }

    fn link_to(&self, name: &str, target: &Path) -> io::Result<()> {
        self.disk.link_to(name, target)
    }
}

impl DiskFile for CountingFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.file.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

#[tokio::test]
async fn a_start_reads_the_log_and_not_what_waits() {
    const MIB: usize = 1 << 20;
    let limits = StateLimits {
        channel_memory_bytes: MIB,
        node_memory_bytes: 8 * MIB,
        ..LIMITS
    };
    let folder = tempfile::tempdir().unwrap();
    let read = Arc::new(AtomicU64::new(0));
    let open = || {
        let disk = CountingDisk {
            disk: RealDisk::open(folder.path()).unwrap(),
            read: Arc::clone(&read),
        };
        Journal::open_on(Arc::new(disk), limits).unwrap()
    };
    let journal = open();
    journal.append(reader().to_vec());
    for _ in 0..130 {
        let position = journal.append((0..10).map(|_| logged(0, 60_000)).collect());
        journal.reached(position).await;
        let memory = journal.read(State::memory_bytes);
        assert!(memory < 2 * MIB, "{memory} bytes in memory");
    }
    let waits = journal.read(State::log_bytes);
    assert!(waits > 70 * MIB);
    journal.close();
    drop(journal);
    read.store(0, Ordering::Relaxed);
    let journal = open();
    let bytes = read.load(Ordering::Relaxed) as usize;
    assert!(bytes < 40 * MIB, "{bytes} bytes read for {waits} that wait");
    assert_eq!(journal.read(State::log_bytes), waits);
    assert!(journal.memory_bytes() <= MIB);
    // A backup is whole without the folder that it is of.
    let backup = tempfile::tempdir().unwrap();
    journal.backup_to(backup.path()).unwrap();
    let report = check(backup.path()).unwrap();
    assert_eq!((report.messages, report.is_whole()), (1_300, true));
    // A piece that is damaged is found.
    let name = std::fs::read_dir(backup.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("messages-")
        })
        .unwrap();
    let mut bytes = std::fs::read(&name).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&name, bytes).unwrap();
    let report = check(backup.path()).unwrap();
    assert_eq!((report.damages.len(), report.is_whole()), (1, false));
}
