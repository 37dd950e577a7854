//! The spool on a disk that loses what was not synced, runs full, and rots.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use proptest::prelude::*;
use tellee_edge::spool::{
    ContentType, Destination, Disk, GapReason, Spool, SpoolLimits, SpoolMessage, StoredRecord,
};

/// Keeps apart what is durable and what a power cut may take.
#[derive(Debug, Default)]
struct FaultyDisk {
    files: BTreeMap<String, FaultyFile>,
    /// Writes beyond this many bytes in all fail, after a part was written.
    capacity: Option<usize>,
    fail_sync: bool,
}

#[derive(Debug, Default, Clone)]
struct FaultyFile {
    durable: Vec<u8>,
    current: Vec<u8>,
}

impl FaultyDisk {
    /// Power goes: of each file's unsynced end a part survives.
    fn cut_power(&mut self, keep: usize) {
        for file in self.files.values_mut() {
            if file.current.len() > file.durable.len() {
                let survivors = (file.durable.len() + keep).min(file.current.len());
                file.durable = file.current[..survivors].to_vec();
            }
            file.current.clone_from(&file.durable);
        }
    }

    fn used(&self) -> usize {
        self.files.values().map(|file| file.current.len()).sum()
    }

    fn file(&self, name: &str) -> io::Result<&FaultyFile> {
        self.files
            .get(name)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file_mut(&mut self, name: &str) -> io::Result<&mut FaultyFile> {
        self.files
            .get_mut(name)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for FaultyDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.file(name)?.current.clone())
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let offset = usize::try_from(offset).unwrap();
        let bytes = self.file(name)?.current.get(offset..offset + length);
        bytes
            .map(<[u8]>::to_vec)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.files.insert(name.to_owned(), FaultyFile::default());
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let room = self
            .capacity
            .map_or(usize::MAX, |capacity| capacity.saturating_sub(self.used()));
        let written = bytes.len().min(room);
        self.file_mut(name)?
            .current
            .extend_from_slice(&bytes[..written]);
        if written < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn truncate(&mut self, name: &str, length: u64) -> io::Result<()> {
        let file = self.file_mut(name)?;
        file.current.truncate(usize::try_from(length).unwrap());
        file.durable.clone_from(&file.current);
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        if self.fail_sync {
            return Err(io::ErrorKind::Other.into());
        }
        let file = self.file_mut(name)?;
        file.durable.clone_from(&file.current);
        Ok(())
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self
            .capacity
            .is_some_and(|capacity| self.used() + bytes.len() > capacity)
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.files.insert(
            name.to_owned(),
            FaultyFile {
                durable: bytes.to_vec(),
                current: bytes.to_vec(),
            },
        );
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let file = self.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.files
            .remove(name)
            .map(|_| ())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

const LIMITS: SpoolLimits = SpoolLimits {
    max_bytes: 1 << 30,
    segment_bytes: 400,
    memory_bytes: 1 << 20,
};

fn message(text: &str) -> StoredRecord {
    StoredRecord::Message(SpoolMessage {
        destination: Destination::Data,
        subtopic: "pump".into(),
        content_type: ContentType::SenmlJson,
        newest_ns: 7,
        body: text.as_bytes().to_vec(),
    })
}

fn open(disk: FaultyDisk, limits: &SpoolLimits) -> Spool<FaultyDisk> {
    Spool::open(disk, limits.clone(), 0).unwrap()
}

/// Everything that would be sent now.
fn contents(spool: &mut Spool<FaultyDisk>) -> BTreeMap<u64, StoredRecord> {
    let mut found = BTreeMap::new();
    let mut from = 1;
    while let Some((seq, record)) = spool.fetch(from, u64::MAX, 0).unwrap() {
        found.insert(seq, record);
        from = seq + 1;
    }
    found
}

fn gaps(records: &BTreeMap<u64, StoredRecord>) -> Vec<(u64, u64, u64, GapReason)> {
    records
        .values()
        .filter_map(|record| match record {
            StoredRecord::Gap(gap) => Some((gap.from, gap.to, gap.records, gap.reason)),
            StoredRecord::Message(_) => None,
        })
        .collect()
}

#[test]
fn what_was_committed_survives_a_power_cut_and_what_was_not_is_cut_clean() {
    let mut spool = open(FaultyDisk::default(), &LIMITS);
    for index in 0..20 {
        spool.append(&message(&format!("kept {index}")), 0);
    }
    spool.commit(0).unwrap();
    let expected = contents(&mut spool);
    spool.append(&message("never synced"), 0);
    let mut disk = spool.into_disk();
    let newest = disk.files.keys().next_back().unwrap().clone();
    disk.append(&newest, b"half a rec").unwrap();
    disk.cut_power(5);

    let mut spool = open(disk, &LIMITS);
    assert_eq!(contents(&mut spool), expected);
    assert_eq!(spool.append(&message("next"), 0), 21);
    spool.commit(0).unwrap();
    assert_eq!(contents(&mut spool).len(), 21);
}

#[test]
fn trimming_keeps_what_is_not_acknowledged_and_frees_the_rest() {
    let mut spool = open(FaultyDisk::default(), &LIMITS);
    for index in 0..50 {
        spool.append(&message(&format!("number {index}")), 0);
        spool.commit(0).unwrap();
    }
    let before = spool.status().bytes;
    for seq in (1..=40).filter(|seq| *seq != 33) {
        spool.acknowledge(seq);
    }
    spool.trim().unwrap();
    assert!(spool.status().bytes < before / 2);
    let left: Vec<u64> = contents(&mut spool).into_keys().collect();
    let expected: Vec<u64> = std::iter::once(33).chain(41..=50).collect();
    assert_eq!(left, expected);
    let mut spool = open(spool.into_disk(), &LIMITS);
    assert_eq!(
        contents(&mut spool).into_keys().collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn a_lost_or_ruined_position_costs_repetition_only() {
    let mut spool = open(FaultyDisk::default(), &LIMITS);
    for index in 0..3 {
        spool.append(&message(&format!("{index}")), 0);
    }
    spool.commit(0).unwrap();
    spool.acknowledge(1);
    spool.trim().unwrap();
    let mut disk = spool.into_disk();
    disk.replace("ack", b"").unwrap();
    assert_eq!(contents(&mut open(disk, &LIMITS)).len(), 3);
}

#[test]
fn a_full_disk_keeps_records_in_memory_and_writes_them_once_there_is_room() {
    let mut spool = open(
        FaultyDisk {
            capacity: Some(500),
            ..FaultyDisk::default()
        },
        &LIMITS,
    );
    for index in 0..20 {
        spool.append(&message(&format!("record {index}")), 0);
        let _ = spool.commit(0);
    }
    assert!(spool.status().error.is_some());
    assert_eq!(
        contents(&mut spool).len(),
        20,
        "also what is only in memory can be sent"
    );

    let mut disk = spool.into_disk();
    disk.capacity = None;
    let mut survivors = open(disk, &LIMITS);
    let on_disk = contents(&mut survivors).len();
    assert!((1..20).contains(&on_disk));
}

#[test]
fn after_the_disk_has_room_again_everything_is_durable() {
    let disk = FaultyDisk {
        fail_sync: true,
        ..FaultyDisk::default()
    };
    let mut spool = open(disk, &LIMITS);
    for index in 0..5 {
        spool.append(&message(&format!("{index}")), 0);
        assert!(spool.commit(0).is_err());
    }
    spool.disk_mut().fail_sync = false;
    spool.commit(0).unwrap();
    let expected = contents(&mut spool);
    let mut disk = spool.into_disk();
    disk.cut_power(0);
    assert_eq!(contents(&mut open(disk, &LIMITS)), expected);
}

#[test]
fn memory_is_bounded_and_what_it_drops_becomes_a_gap() {
    let limits = SpoolLimits {
        memory_bytes: 300,
        ..LIMITS
    };
    let mut spool = open(
        FaultyDisk {
            capacity: Some(0),
            ..FaultyDisk::default()
        },
        &limits,
    );
    for index in 0..30 {
        spool.append(&message(&format!("record {index:02}")), 0);
        assert!(spool.commit(0).is_err());
    }
    assert!(spool.pending_bytes() <= 300);
    assert!(spool.status().dropped_records > 20);
}

#[test]
fn the_size_limit_drops_the_oldest_and_says_so() {
    let limits = SpoolLimits {
        max_bytes: 1_500,
        ..LIMITS
    };
    let mut spool = open(FaultyDisk::default(), &limits);
    for index in 0..60 {
        spool.append(&message(&format!("record {index:03}")), 0);
        spool.commit(0).unwrap();
    }
    assert!(spool.status().bytes <= 1_500 + 400);
    let left = contents(&mut spool);
    let lost = spool.status().dropped_records;
    assert!(lost > 0);
    let told: u64 = gaps(&left).iter().map(|&(_, _, records, _)| records).sum();
    assert!(told > 0 && gaps(&left).iter().all(|gap| gap.3 == GapReason::SpoolFull));
    assert!(left.len() as u64 + lost <= spool.status().next_seq);
}

#[test]
fn damage_costs_the_damaged_record_and_leaves_a_gap() {
    let mut spool = open(FaultyDisk::default(), &LIMITS);
    for index in 0..30 {
        spool.append(&message(&format!("record {index:03}")), 0);
    }
    spool.commit(0).unwrap();
    let mut disk = spool.into_disk();
    let first = disk.files.keys().next().unwrap().clone();
    let file = disk.files.get_mut(&first).unwrap();
    file.current[64 + 20] ^= 0xff;

    let mut spool = open(disk, &LIMITS);
    spool.commit(1).unwrap();
    let left = contents(&mut spool);
    assert_eq!(gaps(&left), [(1, 1, 1, GapReason::Damaged)]);
    assert_eq!(left.len(), 30, "29 messages and the gap");
    assert_eq!(spool.status().damaged_segments, 1);
}

#[test]
fn a_wholly_ruined_segment_is_put_aside() {
    let mut spool = open(FaultyDisk::default(), &LIMITS);
    for index in 0..30 {
        spool.append(&message(&format!("record {index:03}")), 0);
    }
    spool.commit(0).unwrap();
    let mut disk = spool.into_disk();
    let first = disk.files.keys().next().unwrap().clone();
    disk.files.get_mut(&first).unwrap().current.fill(0);
    let mut spool = open(disk, &LIMITS);
    spool.commit(1).unwrap();
    let gap = gaps(&contents(&mut spool))[0];
    assert_eq!((gap.0, gap.3), (1, GapReason::Damaged));
    assert!(
        spool
            .into_disk()
            .files
            .contains_key(&format!("{first}.bad"))
    );
}

#[test]
fn an_acknowledged_number_is_never_given_out_again() {
    let mut spool = open(FaultyDisk::default(), &LIMITS);
    for index in 0..5 {
        spool.append(&message(&format!("{index}")), 0);
    }
    spool.commit(0).unwrap();
    for seq in 1..=5 {
        spool.acknowledge(seq);
    }
    spool.trim().unwrap();
    let mut disk = spool.into_disk();
    disk.files.retain(|name, _| name == "ack");
    let mut spool = open(disk, &LIMITS);
    assert_eq!(spool.append(&message("new"), 0), 6);
    spool.commit(0).unwrap();
    assert_eq!(contents(&mut spool).into_keys().collect::<Vec<_>>(), [6]);
}

#[test]
fn a_refused_message_becomes_a_gap() {
    let mut spool = open(FaultyDisk::default(), &LIMITS);
    let seq = spool.append(&message("poison"), 0);
    spool.commit(0).unwrap();
    spool.give_up(seq, 0);
    spool.commit(0).unwrap();
    assert_eq!(gaps(&contents(&mut spool)), [(1, 1, 1, GapReason::Refused)]);
}

#[derive(Debug, Clone)]
enum Step {
    Append(u8),
    Commit,
    Acknowledge(u8),
    Trim,
    PowerCut(usize),
    DiskFull(bool),
    FailSync(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<u8>().prop_map(Step::Append),
        4 => Just(Step::Commit),
        3 => any::<u8>().prop_map(Step::Acknowledge),
        2 => Just(Step::Trim),
        1 => (0..200_usize).prop_map(Step::PowerCut),
        1 => any::<bool>().prop_map(Step::DiskFull),
        1 => any::<bool>().prop_map(Step::FailSync),
    ]
}

proptest! {
    #[test]
    fn nothing_durable_is_lost_and_nothing_is_changed(steps in prop::collection::vec(step(), 1..120)) {
        let mut spool = open(FaultyDisk::default(), &LIMITS);
        // All that was ever written, by number; what the spool called durable; what was acknowledged.
        let mut bodies: BTreeMap<u64, Vec<StoredRecord>> = BTreeMap::new();
        let mut durable: BTreeSet<u64> = BTreeSet::new();
        let mut acknowledged: BTreeSet<u64> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Append(text) => {
                    let record = message(&format!("{text} {}", "x".repeat(usize::from(text % 60))));
                    let seq = spool.append(&record, 0);
                    bodies.entry(seq).or_default().push(record);
                }
                Step::Commit => {
                    if spool.commit(0).is_ok() {
                        durable.extend(bodies.keys().copied());
                    }
                }
                Step::Acknowledge(pick) => {
                    let sendable: Vec<u64> = contents(&mut spool).into_keys().collect();
                    if let Some(&seq) = sendable.get(usize::from(pick) % sendable.len().max(1)) {
                        spool.acknowledge(seq);
                        acknowledged.insert(seq);
                    }
                }
                Step::Trim => {
                    let _ = spool.trim();
                }
                Step::PowerCut(keep) => {
                    let mut disk = spool.into_disk();
                    disk.cut_power(keep);
                    disk.capacity = None;
                    disk.fail_sync = false;
                    spool = open(disk, &LIMITS);
                    // What was never durable may be gone; what survived by luck counts on.
                    let survivors = contents(&mut spool);
                    bodies.retain(|seq, _| durable.contains(seq) || survivors.contains_key(seq));
                }
                Step::DiskFull(full) => spool.disk_mut().capacity = full.then_some(600),
                Step::FailSync(fail) => spool.disk_mut().fail_sync = fail,
            }
            let found = contents(&mut spool);
            for (seq, record) in &found {
                if let Some(known) = bodies.get(seq) {
                    prop_assert!(known.contains(record), "record {} changed", seq);
                }
            }
            for seq in &durable {
                prop_assert!(acknowledged.contains(seq) || found.contains_key(seq), "record {} lost", seq);
            }
        }
    }
}
