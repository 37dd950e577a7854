//! Appends frames to the newest segment.

use std::sync::Arc;

use super::frame::{self, SegmentHeader};
use super::segment_name;
use crate::telemetry::disk::{Disk, DiskFile, failed};
use crate::telemetry::store::TelemetryError;

static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

struct Segment {
    file: Arc<dyn DiskFile>,
    salt: u64,
    /// Where the next frame goes.
    end: u64,
    frames: u64,
    /// Zeros are written up to here, so that a sync of a frame has no new length of the file to keep. The greatest
    /// number once there was no room for them.
    allocated: u64,
    /// Something was written behind `end` that could not be taken back yet.
    dirty: bool,
}

pub struct LogWriter {
    disk: Arc<dyn Disk>,
    /// The number of the segment that frames go to.
    number: u64,
    /// Made at the first frame, so that a full disk can still be opened and read.
    segment: Option<Segment>,
    /// Bytes by which a segment is made longer ahead of its frames. 0: not at all.
    allocation: usize,
}

impl LogWriter {
    pub fn new(disk: Arc<dyn Disk>, number: u64, allocation: usize) -> Self {
        Self {
            disk,
            number,
            segment: None,
            allocation,
        }
    }

    /// Bytes in the newest segment.
    #[cfg(test)]
    pub fn length(&self) -> u64 {
        self.segment.as_ref().map_or(0, |segment| segment.end)
    }

    /// Later frames go to the next segment. Answers its number.
    pub fn rotate(&mut self) -> Result<u64, TelemetryError> {
        // What was refused must not be found in a segment that nobody writes to any more.
        if let Some(segment) = &mut self.segment
            && segment.dirty
        {
            segment.take_back()?;
        }
        if self.segment.take().is_some() {
            self.number += 1;
        }
        Ok(self.number)
    }

    /// Writes `frame`, whose first [`frame::FRAME_HEADER`] bytes are free, and returns once it is durable.
    /// If it fails, nothing of the frame is kept.
    pub fn append(&mut self, frame: &mut [u8]) -> Result<(), TelemetryError> {
        if self.segment.is_none() {
            self.segment = Some(self.create_segment()?);
        }
        let Some(segment) = &mut self.segment else {
            return Err(TelemetryError::Failed("the log has no segment".to_owned()));
        };
        if segment.dirty {
            segment.take_back()?;
        }
        frame::finish(frame, segment.salt, segment.frames);
        segment.dirty = true;
        if self.allocation > 0 && segment.end + frame.len() as u64 > segment.allocated {
            segment.allocate(frame.len().max(self.allocation) as u64);
        }
        let written = segment
            .file
            .write_all_at(frame, segment.end)
            .and_then(|()| segment.file.sync());
        if let Err(error) = written {
            // If this fails too, the next append tries again before it writes.
            let _ = segment.take_back();
            return Err(failed("cannot write the log", &error));
        }
        segment.dirty = false;
        segment.end += frame.len() as u64;
        segment.frames += 1;
        Ok(())
    }

    fn create_segment(&self) -> Result<Segment, TelemetryError> {
        let cannot = |error: std::io::Error| failed("cannot make a log segment", &error);
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).map_err(|error| TelemetryError::Failed(error.to_string()))?;
        let salt = u64::from_le_bytes(salt);
        let file = self
            .disk
            .create(&segment_name(self.number))
            .map_err(cannot)?;
        let header = SegmentHeader {
            number: self.number,
            salt,
        }
        .encode();
        file.write_all_at(&header, 0).map_err(cannot)?;
        file.sync().map_err(cannot)?;
        self.disk.sync_folder().map_err(cannot)?;
        Ok(Segment {
            file,
            salt,
            end: header.len() as u64,
            frames: 0,
            allocated: header.len() as u64,
            dirty: false,
        })
    }
}

impl Segment {
    /// Writes zeros ahead of the frames. Where there is no room for them, the frames themselves may still fit, and
    /// this segment is made longer by them alone from then on.
    fn allocate(&mut self, bytes: u64) {
        let from = self.allocated.max(self.end);
        let mut to = from;
        while to < from + bytes {
            let piece = ZEROS.len().min((from + bytes - to) as usize);
            if self.file.write_all_at(&ZEROS[..piece], to).is_err() {
                // Zeros that stay do no harm.
                let _ = self.file.truncate(from);
                self.allocated = u64::MAX;
                return;
            }
            to += piece as u64;
        }
        self.allocated = to;
    }

    fn take_back(&mut self) -> Result<(), TelemetryError> {
        let cannot =
            |error: std::io::Error| failed("cannot take back an unfinished log frame", &error);
        self.file.truncate(self.end).map_err(cannot)?;
        self.file.sync().map_err(cannot)?;
        if self.allocated != u64::MAX {
            self.allocated = self.end;
        }
        self.dirty = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::disk::{Faults, SimulatedDisk, read_all};

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; frame::FRAME_HEADER];
        frame.extend_from_slice(payload);
        frame
    }

    fn payloads(disk: &SimulatedDisk) -> Vec<Vec<u8>> {
        let bytes = read_all(&*disk.open(&segment_name(1)).unwrap()).unwrap();
        let (header, _) = SegmentHeader::decode(&bytes).unwrap();
        let scan = frame::scan(&bytes, header.salt);
        assert!(!scan.torn && scan.holes.is_empty());
        scan.payloads.into_iter().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn a_full_disk_keeps_nothing_partial_and_recovers_by_itself() {
        let disk = SimulatedDisk::new(1);
        let mut log = LogWriter::new(Arc::new(disk.clone()), 1, 0);
        log.append(&mut frame(b"one")).unwrap();
        disk.set_faults(Faults {
            capacity: Some(log.length() + 10),
            ..Faults::default()
        });
        assert!(matches!(
            log.append(&mut frame(&[7; 100])),
            Err(TelemetryError::DiskFull)
        ));
        assert_eq!(payloads(&disk), [b"one"]);
        disk.set_faults(Faults::default());
        log.append(&mut frame(b"two")).unwrap();
        assert_eq!(payloads(&disk), [b"one", b"two"]);
    }

    #[test]
    fn a_frame_whose_sync_failed_is_taken_back_before_the_next_one() {
        let disk = SimulatedDisk::new(1);
        let mut log = LogWriter::new(Arc::new(disk.clone()), 1, 0);
        log.append(&mut frame(b"one")).unwrap();
        disk.set_faults(Faults {
            sync_fails: true,
            ..Faults::default()
        });
        assert!(log.append(&mut frame(b"lost")).is_err());
        disk.set_faults(Faults::default());
        log.append(&mut frame(b"two")).unwrap();
        assert_eq!(payloads(&disk), [b"one", b"two"]);
    }

    #[test]
    fn a_segment_is_left_only_once_what_was_refused_is_taken_back() {
        let disk = SimulatedDisk::new(1);
        let mut log = LogWriter::new(Arc::new(disk.clone()), 1, 0);
        log.append(&mut frame(b"one")).unwrap();
        disk.set_faults(Faults {
            sync_fails: true,
            ..Faults::default()
        });
        assert!(log.append(&mut frame(b"lost")).is_err());
        assert!(log.rotate().is_err());
        disk.set_faults(Faults::default());
        assert_eq!(log.rotate().unwrap(), 2);
        assert_eq!(payloads(&disk), [b"one"]);
    }

    #[test]
    fn without_room_for_zeros_frames_still_fit() {
        let disk = SimulatedDisk::new(1);
        disk.set_faults(Faults {
            capacity: Some(frame::START as u64 + 60),
            ..Faults::default()
        });
        let mut log = LogWriter::new(Arc::new(disk.clone()), 1, 4096);
        log.append(&mut frame(b"one")).unwrap();
        log.append(&mut frame(b"two")).unwrap();
        assert!(matches!(
            log.append(&mut frame(&[7; 100])),
            Err(TelemetryError::DiskFull)
        ));
        assert_eq!(payloads(&disk), [b"one", b"two"]);
    }

    #[test]
    fn zeros_ahead_of_the_frames_are_no_damage() {
        let disk = SimulatedDisk::new(1);
        let mut log = LogWriter::new(Arc::new(disk.clone()), 1, 100);
        for payload in [&[1; 30][..], &[2; 300], &[3; 5]] {
            log.append(&mut frame(payload)).unwrap();
        }
        assert!(disk.open(&segment_name(1)).unwrap().length().unwrap() > log.length());
        assert_eq!(payloads(&disk), [vec![1; 30], vec![2; 300], vec![3; 5]]);
    }
}
