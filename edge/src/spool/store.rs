//! The spool itself, without threads and without a clock of its own.

mod reading;
mod recovery;

use std::collections::VecDeque;
use std::io;

use super::SpoolError;
use super::acks::AckSet;
use super::disk::Disk;
use super::id::{Id, format_id};
use super::message::{Gap, GapReason, StoredRecord};
use super::segment::{SEGMENT_HEAD_BYTES, SegmentHead, Slot, encode_record};
use crate::status::SpoolStatus;

const ACK_FILE: &str = "ack";
const SEGMENT_SUFFIX: &str = ".seg";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Of all segments together. Beyond it the oldest segment goes.
    pub max_bytes: u64,
    pub segment_bytes: u64,
    /// Of records that the disk does not take. Beyond it the oldest record goes.
    pub memory_bytes: usize,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self {
            max_bytes: 1024 * 1024 * 1024,
            segment_bytes: 8 * 1024 * 1024,
            memory_bytes: 16 * 1024 * 1024,
        }
    }
}

struct Segment {
    name: String,
    first_seq: u64,
    /// Below `first_seq` while it has no records.
    last_seq: u64,
    records: u64,
    bytes: u64,
}

/// A record that is not on disk yet.
struct Pending {
    seq: u64,
    bytes: Vec<u8>,
}

/// Single owner; see [`SpoolService`](super::SpoolService) for sharing.
pub struct Spool<D> {
    disk: D,
    limits: SpoolLimits,
    epoch: Id,
    boot: Id,
    /// Oldest first. The last one is written to, unless `must_roll`.
    segments: VecDeque<Segment>,
    /// The last segment takes no more: it is full, or a write to it failed.
    must_roll: bool,
    /// Slots of the segments that were read last, newest last: back-fill and live reading may be in two.
    read_indexes: VecDeque<(u64, Vec<Slot>)>,
    /// Slots of the segment being written.
    write_index: Vec<Slot>,
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    next_seq: u64,
    acks: AckSet,
    acks_dirty: bool,
    disk_error: Option<String>,
    dropped_records: u64,
    refused_records: u64,
    damaged_segments: u64,
    /// Losses that are not written down yet.
    unwritten_gaps: Vec<Gap>,
}

impl<D: Disk> Spool<D> {
    /// Takes a record; it is durable after the next [`commit`](Self::commit) that succeeds.
    pub fn append(&mut self, record: &StoredRecord, now_ns: i64) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        let bytes = encode_record(seq, record);
        self.pending_bytes += bytes.len();
        self.pending.push_back(Pending { seq, bytes });
        while self.pending_bytes > self.limits.memory_bytes && self.pending.len() > 1 {
            let Some(oldest) = self.pending.pop_front() else {
                break;
            };
            self.pending_bytes -= oldest.bytes.len();
            self.lose(oldest.seq, oldest.seq, GapReason::MemoryFull, now_ns);
        }
        seq
    }

    pub const fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Writes and syncs what is pending. On failure everything stays in memory and the next call tries again.
    ///
    /// # Errors
    /// What the disk said.
    pub fn commit(&mut self, now_ns: i64) -> Result<(), SpoolError> {
        for gap in std::mem::take(&mut self.unwritten_gaps) {
            self.append(&StoredRecord::Gap(gap), now_ns);
        }
        while !self.pending.is_empty() {
            if let Err((name, source)) = self.commit_some() {
                self.must_roll = true;
                self.disk_error = Some(source.to_string());
                return Err(SpoolError::Io { name, source });
            }
        }
        self.disk_error = None;
        self.enforce_size(now_ns);
        Ok(())
    }

    /// Fills one segment as far as it goes.
    fn commit_some(&mut self) -> Result<(), (String, io::Error)> {
        if self.must_roll || self.segments.is_empty() {
            self.roll()?;
        }
        let Some(segment) = self.segments.back_mut() else {
            return Ok(());
        };
        let mut out = Vec::new();
        let mut slots = Vec::new();
        for pending in &self.pending {
            let offset = segment.bytes + out.len() as u64;
            if !slots.is_empty() && offset + pending.bytes.len() as u64 > self.limits.segment_bytes
            {
                break;
            }
            let bytes = u32::try_from(pending.bytes.len()).unwrap_or(u32::MAX);
            slots.push(Slot {
                seq: pending.seq,
                offset,
                bytes,
            });
            out.extend_from_slice(&pending.bytes);
        }
        let written = self
            .disk
            .append(&segment.name, &out)
            .and_then(|()| self.disk.sync(&segment.name));
        if let Err(error) = written {
            // Half a write, or one whose sync failed: neither may be built on.
            let _ = self.disk.truncate(&segment.name, segment.bytes);
            return Err((segment.name.clone(), error));
        }
        segment.bytes += out.len() as u64;
        segment.records += slots.len() as u64;
        segment.last_seq = slots.last().map_or(segment.last_seq, |slot| slot.seq);
        self.must_roll = segment.bytes >= self.limits.segment_bytes;
        for _ in 0..slots.len() {
            if let Some(pending) = self.pending.pop_front() {
                self.pending_bytes -= pending.bytes.len();
            }
        }
        self.write_index.extend(slots);
        Ok(())
    }

    fn roll(&mut self) -> Result<(), (String, io::Error)> {
        if let Some(last) = self.segments.back()
            && last.records == 0
        {
            self.segments.pop_back();
        }
        let first_seq = self
            .pending
            .front()
            .map_or(self.next_seq, |pending| pending.seq);
        let name = segment_name(first_seq);
        let head = SegmentHead {
            first_seq,
            epoch: self.epoch,
            boot: self.boot,
        };
        self.disk
            .create(&name)
            .and_then(|()| self.disk.append(&name, &head.encode()))
            .map_err(|error| (name.clone(), error))?;
        self.segments.push_back(Segment {
            name,
            first_seq,
            last_seq: first_seq - 1,
            records: 0,
            bytes: SEGMENT_HEAD_BYTES as u64,
        });
        self.write_index.clear();
        self.must_roll = false;
        Ok(())
    }

    fn enforce_size(&mut self, now_ns: i64) {
        while self.segments.len() > 1 && self.bytes() > self.limits.max_bytes {
            let Some(oldest) = self.segments.pop_front() else {
                return;
            };
            self.lose(
                oldest.first_seq,
                oldest.last_seq,
                GapReason::SpoolFull,
                now_ns,
            );
            // Best effort: if the position is not written, the missing segment says the same at the next start.
            let _ = self.write_acks();
            let _ = self.disk.remove(&oldest.name);
        }
    }

    fn lose(&mut self, from: u64, to: u64, reason: GapReason, at_ns: i64) {
        let missing = (to + 1).saturating_sub(from) - self.acks.count_within(from, to);
        if missing == 0 {
            return;
        }
        self.acks_dirty |= self.acks.insert(from, to);
        match reason {
            GapReason::Refused => self.refused_records += missing,
            _ => self.dropped_records += missing,
        }
        // Losses one after the other are one gap.
        if let Some(last) = self.unwritten_gaps.last_mut()
            && last.reason == reason
            && last.to + 1 == from
        {
            last.to = to;
            last.records += missing;
            return;
        }
        self.unwritten_gaps.push(Gap {
            from,
            to,
            records: missing,
            reason,
            at_ns,
        });
    }

    /// What may be sent: what is durable, and while the disk fails also what is only in memory.
    pub fn visible_upto(&self) -> u64 {
        match self.pending.front() {
            Some(first) if self.disk_error.is_none() => first.seq - 1,
            _ => self.next_seq - 1,
        }
    }

    pub const fn acknowledged(&self) -> &AckSet {
        &self.acks
    }

    pub fn acknowledge(&mut self, seq: u64) {
        self.acks_dirty |= self.acks.insert(seq, seq);
        if let Some(first) = self.pending.front()
            && first.seq == seq
            && let Some(sent) = self.pending.pop_front()
        {
            self.pending_bytes -= sent.bytes.len();
        }
    }

    /// Gives a record up that the platform will never take.
    pub fn give_up(&mut self, seq: u64, now_ns: i64) {
        self.lose(seq, seq, GapReason::Refused, now_ns);
    }

    /// Makes the acknowledged position durable, then removes segments that nobody needs.
    ///
    /// # Errors
    /// If the position cannot be written; then nothing is removed.
    pub fn trim(&mut self) -> Result<(), SpoolError> {
        if !self.acks_dirty {
            return Ok(());
        }
        self.write_acks()?;
        while self.segments.len() > 1 {
            let Some(oldest) = self.segments.front() else {
                break;
            };
            if !self.acks.covers(oldest.first_seq, oldest.last_seq) {
                break;
            }
            let _ = self.disk.remove(&oldest.name);
            self.segments.pop_front();
        }
        Ok(())
    }

    fn write_acks(&mut self) -> Result<(), SpoolError> {
        let fault = |source| SpoolError::Io {
            name: ACK_FILE.into(),
            source,
        };
        let file = self.acks.to_file(&format_id(self.epoch));
        let bytes = serde_json::to_vec(&file).map_err(|error| fault(io::Error::other(error)))?;
        self.disk.replace(ACK_FILE, &bytes).map_err(fault)?;
        self.acks_dirty = false;
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    pub fn status(&self) -> SpoolStatus {
        let last = self.next_seq - 1;
        SpoolStatus {
            records: last - self.acks.count_within(1, last),
            bytes: self.bytes(),
            memory_records: if self.disk_error.is_some() {
                self.pending.len() as u64
            } else {
                0
            },
            dropped_records: self.dropped_records,
            refused_records: self.refused_records,
            damaged_segments: self.damaged_segments,
            next_seq: self.next_seq,
            acknowledged_upto: self.acks.upto(),
            oldest_age_s: None,
            error: self.disk_error.clone(),
        }
    }

    /// The disk, for tests that make it fail.
    pub const fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// The disk, for tests that pull the plug.
    pub fn into_disk(self) -> D {
        self.disk
    }
}

fn segment_name(first_seq: u64) -> String {
    format!("{first_seq:020}{SEGMENT_SUFFIX}")
}
