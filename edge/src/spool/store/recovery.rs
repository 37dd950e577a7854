//! Opening a spool: what is found on disk, and what is missing between it.

use std::collections::VecDeque;

use super::{ACK_FILE, SEGMENT_SUFFIX, Segment, Spool, SpoolLimits};
use crate::spool::SpoolError;
use crate::spool::acks::{AckFile, AckSet};
use crate::spool::disk::Disk;
use crate::spool::id::{parse_id, random_id};
use crate::spool::message::GapReason;
use crate::spool::segment::{SEGMENT_HEAD_BYTES, Scan, scan};

impl<D: Disk> Spool<D> {
    /// Opens whatever is there. Damage costs the damaged records, never the start.
    ///
    /// # Errors
    /// If the folder cannot be read at all.
    pub fn open(disk: D, limits: SpoolLimits, now_ns: i64) -> Result<Self, SpoolError> {
        let mut names: Vec<(u64, String)> = disk
            .list()
            .map_err(|source| SpoolError::Io {
                name: ".".into(),
                source,
            })?
            .into_iter()
            .filter_map(|name| Some((segment_seq(&name)?, name)))
            .collect();
        names.sort_unstable();
        let stored_acks: Option<AckFile> = disk
            .read(ACK_FILE)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());

        let mut damaged_segments = 0;
        let mut scans = Vec::new();
        for (first_seq, name) in names {
            match disk.read(&name) {
                Ok(bytes) => {
                    let scanned = scan(&bytes, first_seq);
                    scans.push((first_seq, name, bytes.len() as u64, scanned));
                }
                Err(error) => {
                    damaged_segments += 1;
                    tracing::warn!(segment = name, %error, "spool segment cannot be read");
                }
            }
        }
        let epoch_of_segments = scans
            .iter()
            .rev()
            .find_map(|(_, _, _, scanned)| scanned.head.map(|head| head.epoch));
        let epoch_of_acks = stored_acks.as_ref().and_then(|file| parse_id(&file.epoch));
        let epoch = epoch_of_segments
            .or(epoch_of_acks)
            .unwrap_or_else(random_id);
        let acks = match (&stored_acks, epoch_of_acks) {
            (Some(file), Some(acked_epoch)) if acked_epoch == epoch => AckSet::from_file(file),
            _ => AckSet::default(),
        };

        let mut spool = Self {
            disk,
            limits,
            epoch,
            boot: random_id(),
            segments: VecDeque::new(),
            must_roll: true,
            read_indexes: VecDeque::new(),
            write_index: Vec::new(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            next_seq: 1,
            acks,
            acks_dirty: false,
            disk_error: None,
            dropped_records: 0,
            refused_records: 0,
            damaged_segments,
            unwritten_gaps: Vec::new(),
        };
        spool.adopt(scans, now_ns);
        Ok(spool)
    }

    /// Takes over the segments found, and accounts for what is missing between them.
    fn adopt(&mut self, scans: Vec<(u64, String, u64, Scan)>, now_ns: i64) {
        let starts: Vec<u64> = scans.iter().map(|&(first_seq, ..)| first_seq).collect();
        let count = scans.len();
        let mut expected = starts.first().copied();
        for (index, (first_seq, name, size, mut scanned)) in scans.into_iter().enumerate() {
            let is_last = index + 1 == count;
            // A segment whose write failed half-way may repeat what the next one has.
            if let Some(&next_start) = starts.get(index + 1) {
                scanned.slots.retain(|slot| slot.seq < next_start);
            }
            let torn = scanned.good_bytes < size;
            if scanned.has_damage || (torn && !is_last) {
                self.damaged_segments += 1;
            }
            if is_last && torn {
                // What was never acknowledged by the disk was never sent; cutting it loses nothing that was promised.
                tracing::info!(
                    segment = name,
                    bytes = size - scanned.good_bytes,
                    "torn end of the spool cut"
                );
                let _ = self.disk.truncate(&name, scanned.good_bytes);
            }
            for slot in &scanned.slots {
                if let Some(expected) = expected
                    && slot.seq > expected
                {
                    self.lose(expected, slot.seq - 1, GapReason::Damaged, now_ns);
                }
                expected = Some(slot.seq + 1);
            }
            let Some(last) = scanned.slots.last() else {
                self.put_aside(&name, size <= SEGMENT_HEAD_BYTES as u64);
                continue;
            };
            self.next_seq = self.next_seq.max(last.seq + 1);
            self.segments.push_back(Segment {
                first_seq,
                last_seq: last.seq,
                records: scanned.slots.len() as u64,
                bytes: scanned.good_bytes,
                name,
            });
        }
        // Nothing below the oldest segment exists any more, so nothing there is missing.
        if let Some(first) = self.segments.front()
            && first.first_seq > 1
        {
            self.acks.insert(1, first.first_seq - 1);
        }
        // A number that was acknowledged is never given out again, even if its record is gone.
        self.next_seq = self.next_seq.max(self.acks.highest() + 1);
        if self.segments.is_empty() {
            self.acks.insert(1, self.next_seq - 1);
        }
    }

    fn put_aside(&mut self, name: &str, is_merely_empty: bool) {
        if is_merely_empty {
            let _ = self.disk.remove(name);
            return;
        }
        let _ = self.disk.rename(name, &format!("{name}.bad"));
    }
}

fn segment_seq(name: &str) -> Option<u64> {
    name.strip_suffix(SEGMENT_SUFFIX)?
        .parse()
        .ok()
        .filter(|&seq| seq > 0)
}
