//! The log over a folder of files: one per segment.

use std::sync::Arc;

use super::frame::{self, SegmentHeader};
use super::writer::LogWriter;
use super::{Log, Remover, segment_name, segment_number};
use crate::telemetry::codec::CodecError;
use crate::telemetry::damage::DamageLog;
use crate::telemetry::disk::{Disk, failed, read_all};
use crate::telemetry::store::TelemetryError;

pub struct FileLog {
    disk: Arc<dyn Disk>,
    damages: Arc<DamageLog>,
    /// Whether the end of a frame that was never acknowledged may be cut off.
    may_write: bool,
    allocation: usize,
    writer: LogWriter,
}

impl FileLog {
    /// `allocation` as in [`LogWriter`]; nothing is changed on the disk unless `may_write`.
    pub fn new(
        disk: Arc<dyn Disk>,
        damages: Arc<DamageLog>,
        may_write: bool,
        allocation: usize,
    ) -> Self {
        Self {
            writer: LogWriter::new(Arc::clone(&disk), 1, allocation),
            disk,
            damages,
            may_write,
            allocation,
        }
    }

    /// Answers the bytes of the segment that count.
    fn replay_segment(
        &self,
        number: u64,
        is_last: bool,
        take: &mut dyn FnMut(&[u8]) -> Result<(), CodecError>,
    ) -> Result<u64, TelemetryError> {
        let name = segment_name(number);
        let cannot = |error: std::io::Error| failed(&format!("cannot read `{name}`"), &error);
        let file = self.disk.open(&name).map_err(cannot)?;
        let bytes = read_all(&*file).map_err(cannot)?;
        let header = match SegmentHeader::decode(&bytes) {
            Ok((header, damaged)) => {
                if damaged && bytes.len() > frame::START {
                    self.damages
                        .report(&name, 0, "a copy of the header is damaged");
                }
                header
            }
            Err(CodecError::Newer { found, known }) => {
                return Err(TelemetryError::Newer { found, known });
            }
            // A frame is written only after the header is durable: without a whole one the segment was being made.
            Err(_) if bytes.len() <= frame::START => return Ok(0),
            Err(error) => {
                self.damages.report(&name, 0, error.to_string());
                return Ok(0);
            }
        };
        let scan = frame::scan(&bytes, header.salt);
        for hole in &scan.holes {
            let lost = hole.to - hole.from;
            let reason = format!("{lost} bytes of acknowledged records are damaged");
            self.damages.report(&name, hole.from as u64, reason);
        }
        for payload in &scan.payloads {
            if let Err(error) = take(payload) {
                self.damages.report(&name, 0, error.to_string());
            }
        }
        if scan.torn && !is_last {
            self.damages
                .report(&name, scan.end as u64, "the end of the segment is damaged");
        } else if scan.torn && self.may_write {
            // It was never acknowledged. Cut off, it cannot be taken for damage when this is no longer the last one.
            let cannot =
                |error: std::io::Error| failed(&format!("cannot cut the end of `{name}`"), &error);
            file.truncate(scan.end as u64).map_err(cannot)?;
            file.sync().map_err(cannot)?;
        }
        Ok(scan.end as u64)
    }
}

impl Log for FileLog {
    fn replay(
        &mut self,
        floor: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<(), CodecError>,
    ) -> Result<u64, TelemetryError> {
        let names = self
            .disk
            .list()
            .map_err(|error| failed("cannot list the folder", &error))?;
        let mut segments: Vec<u64> = names
            .iter()
            .filter_map(|name| segment_number(name))
            .filter(|number| *number >= floor)
            .collect();
        segments.sort_unstable();
        let mut bytes = 0;
        for (index, number) in segments.iter().enumerate() {
            let is_last = index + 1 == segments.len();
            bytes += self.replay_segment(*number, is_last, take)?;
        }
        let next = segments.last().map_or(floor, |last| last + 1);
        self.writer = LogWriter::new(Arc::clone(&self.disk), next, self.allocation);
        Ok(bytes)
    }

    fn append(&mut self, frame: &mut [u8]) -> Result<u64, TelemetryError> {
        self.writer.append(frame)?;
        Ok(frame.len() as u64)
    }

    fn rotate(&mut self) -> Result<u64, TelemetryError> {
        self.writer.rotate()
    }

    fn remover(&self) -> Remover {
        let disk = Arc::clone(&self.disk);
        Box::new(move |floor| remove_before(&*disk, floor))
    }
}

fn remove_before(disk: &dyn Disk, floor: u64) {
    let Ok(names) = disk.list() else {
        return;
    };
    for name in names {
        if segment_number(&name).is_some_and(|number| number < floor)
            && let Err(error) = disk.remove(&name)
        {
            tracing::warn!(file = name, %error, "cannot remove a log segment that is not needed any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::disk::SimulatedDisk;

    fn open(disk: &SimulatedDisk, floor: u64) -> (FileLog, Vec<Vec<u8>>) {
        let damages = Arc::new(DamageLog::default());
        let mut log = FileLog::new(Arc::new(disk.clone()), Arc::clone(&damages), true, 256);
        let mut payloads = Vec::new();
        log.replay(floor, &mut |payload| {
            payloads.push(payload.to_vec());
            Ok(())
        })
        .unwrap();
        assert_eq!(damages.list(), []);
        (log, payloads)
    }

    fn append(log: &mut FileLog, payload: &[u8]) {
        let mut frame = vec![0; frame::FRAME_HEADER];
        frame.extend_from_slice(payload);
        log.append(&mut frame).unwrap();
    }

    #[test]
    fn frames_come_back_in_order_over_segments_and_restarts_until_they_are_removed() {
        let disk = SimulatedDisk::new(3);
        let (mut log, found) = open(&disk, 1);
        assert_eq!(found, Vec::<Vec<u8>>::new());
        append(&mut log, b"one");
        let second = log.rotate().unwrap();
        append(&mut log, b"two");
        drop(log);
        let (mut log, found) = open(&disk.after_power_cut(), 1);
        assert_eq!(found, [b"one", b"two"]);
        append(&mut log, b"three");
        log.remover()(second);
        let after = log.disk;
        let names = after.list().unwrap();
        assert_eq!(names.len(), 2, "{names:?}");
    }
}
