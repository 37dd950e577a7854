//! A process that writes as fast as it can is killed with SIGKILL, again and again.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tellee_edge::spool::{
    ContentType, Destination, FileDisk, Spool, SpoolLimits, SpoolMessage, StoredRecord,
};

const FOLDER: &str = "TELLEE_EDGE_TEST_SPOOL_FOLDER";
const ROUNDS: u64 = 8;

fn open(folder: &Path) -> Spool<FileDisk> {
    let limits = SpoolLimits {
        segment_bytes: 64 * 1024,
        ..SpoolLimits::default()
    };
    Spool::open(FileDisk::open(folder.to_owned()).unwrap(), limits, 0).unwrap()
}

/// What record `seq` holds; of varying length, so that kills hit records of every size.
fn body(seq: u64) -> Vec<u8> {
    format!(
        "record {seq} {}",
        "x".repeat(usize::try_from(seq * 37 % 3_000).unwrap())
    )
    .into_bytes()
}

/// The child: tells each number once it is durable. Not a test where nobody asked for it.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut spool = open(&PathBuf::from(folder));
    let mut stdout = std::io::stdout().lock();
    loop {
        for _ in 0..20 {
            let seq = spool.status().next_seq;
            let message = SpoolMessage {
                destination: Destination::Data,
                subtopic: String::new(),
                content_type: ContentType::SenmlJson,
                newest_ns: 0,
                body: body(seq),
            };
            assert_eq!(spool.append(&StoredRecord::Message(message), 0), seq);
        }
        spool.commit(0).unwrap();
        let durable = spool.status().next_seq - 1;
        // Part of the records go, as if acknowledged, so that kills hit trimming too.
        for seq in durable - 19..durable - 10 {
            spool.acknowledge(seq);
        }
        spool.trim().unwrap();
        if writeln!(stdout, "durable {durable}")
            .and_then(|()| stdout.flush())
            .is_err()
        {
            return;
        }
    }
}

#[test]
fn no_kill_loses_a_durable_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut durable = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = 0;
        // Reading on while the child dies sees each number it managed to tell.
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let Some(number) = line.strip_prefix("durable ") {
                durable = durable.max(number.parse::<u64>().unwrap());
                told += 1;
            }
            if told == 5 + round {
                std::thread::sleep(Duration::from_micros(700 * round));
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(told > 0);
    }

    let mut spool = open(folder.path());
    assert!(spool.status().next_seq > durable);
    assert_eq!(spool.status().dropped_records, 0);
    let mut expected = 1;
    while let Some((seq, record)) = spool.fetch(expected, u64::MAX, 0).unwrap() {
        for acknowledged in expected..seq {
            assert!(
                spool.acknowledged().contains(acknowledged),
                "record {acknowledged} is gone"
            );
        }
        let StoredRecord::Message(message) = record else {
            panic!("a gap: {record:?}")
        };
        assert_eq!(message.body, body(seq));
        expected = seq + 1;
    }
    assert!(expected > durable, "{expected} {durable}");
}
