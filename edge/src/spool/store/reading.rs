//! Finding a record again.

use std::collections::VecDeque;
use std::io;

use super::{Segment, Spool};
use crate::spool::SpoolError;
use crate::spool::disk::Disk;
use crate::spool::message::{GapReason, StoredRecord};
use crate::spool::segment::{Slot, decode_record, scan};

impl<D: Disk> Spool<D> {
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
