//! The spool itself, without threads and without a clock of its own.

use std::collections::VecDeque;
use std::io;

use super::SpoolError;
use super::acks::{AckFile, AckSet};
use super::disk::Disk;
use super::message::{Gap, GapReason, StoredRecord};
use super::segment::{
    Id, SEGMENT_HEAD_BYTES, Scan, SegmentHead, Slot, decode_record, encode_record, scan,
};
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

    /// The first record of `from..=upto` that is not acknowledged and can be read. Damaged ones are counted as lost.
    ///
    /// # Errors
    /// If the disk cannot be read; nothing is given up for that.
    pub fn fetch(
        &mut self,
        from: u64,
        upto: u64,
        now_ns: i64,
    ) -> Result<Option<(u64, StoredRecord)>, SpoolError> {
        let mut seq = self.acks.next_missing(from);
        while seq <= upto.min(self.visible_upto()) {
            if let Some(record) = self.read(seq)? {
                return Ok(Some((seq, record)));
            }
            self.lose(seq, seq, GapReason::Damaged, now_ns);
            seq = self.acks.next_missing(seq + 1);
        }
        Ok(None)
    }

    fn read(&mut self, seq: u64) -> Result<Option<StoredRecord>, SpoolError> {
        if let Some(first) = self.pending.front()
            && seq >= first.seq
        {
            let pending = self.pending.iter().find(|pending| pending.seq == seq);
            return Ok(pending
                .and_then(|pending| decode_record(&pending.bytes))
                .map(|(_, record)| record));
        }
        let Some(position) = self
            .segments
            .iter()
            .rposition(|segment| segment.first_seq <= seq)
        else {
            return Ok(None);
        };
        let is_last = position + 1 == self.segments.len();
        let segment = &self.segments[position];
        let fault = |source| SpoolError::Io {
            name: segment.name.clone(),
            source,
        };
        let slot = match find_slot(&self.write_index, seq) {
            Some(slot) if is_last => Some(slot),
            _ => slot_on_disk(&self.disk, &mut self.read_indexes, segment, seq).map_err(fault)?,
        };
        let Some(slot) = slot else {
            return Ok(None);
        };
        let bytes = match self
            .disk
            .read_at(&segment.name, slot.offset, slot.bytes as usize)
        {
            Ok(bytes) => bytes,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(fault(error)),
        };
        Ok(decode_record(&bytes)
            .filter(|&(read, _)| read == seq)
            .map(|(_, record)| record))
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

/// Looks a record up in a segment that is not being written, and remembers the segment's slots.
fn slot_on_disk<D: Disk>(
    disk: &D,
    indexes: &mut VecDeque<(u64, Vec<Slot>)>,
    segment: &Segment,
    seq: u64,
) -> io::Result<Option<Slot>> {
    if let Some((_, slots)) = indexes
        .iter()
        .find(|&&(first_seq, _)| first_seq == segment.first_seq)
    {
        return Ok(find_slot(slots, seq));
    }
    let slots = match disk.read(&segment.name) {
        Ok(bytes) => scan(&bytes, segment.first_seq).slots,
        Err(error) if is_gone(&error) => Vec::new(),
        Err(error) => return Err(error),
    };
    let slot = find_slot(&slots, seq);
    if indexes.len() >= 2 {
        indexes.pop_front();
    }
    indexes.push_back((segment.first_seq, slots));
    Ok(slot)
}

/// The file is missing or shorter than it was: waiting brings nothing back.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
    )
}

fn find_slot(slots: &[Slot], seq: u64) -> Option<Slot> {
    slots
        .binary_search_by_key(&seq, |slot| slot.seq)
        .ok()
        .map(|position| slots[position])
}

fn segment_name(first_seq: u64) -> String {
    format!("{first_seq:020}{SEGMENT_SUFFIX}")
}

fn segment_seq(name: &str) -> Option<u64> {
    name.strip_suffix(SEGMENT_SUFFIX)?
        .parse()
        .ok()
        .filter(|&seq| seq > 0)
}

fn random_id() -> Id {
    let mut id = [0; 16];
    // Without randomness the id is all zero: a weaker name, not a wrong one.
    let _ = getrandom::fill(&mut id);
    id
}

fn format_id(id: Id) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_id(text: &str) -> Option<Id> {
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    let mut id = [0; 16];
    for (index, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(id)
}
