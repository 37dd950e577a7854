//! A log that ends with the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::frame::FRAME_HEADER;
use super::{Log, Remover};
use crate::telemetry::codec::CodecError;
use crate::telemetry::store::TelemetryError;

#[derive(Default)]
struct Kept {
    segment: u64,
    /// Payloads by segment.
    segments: BTreeMap<u64, Vec<Vec<u8>>>,
}

#[derive(Clone, Default)]
pub struct MemoryLog {
    kept: Arc<Mutex<Kept>>,
}

impl Log for MemoryLog {
    fn replay(
        &mut self,
        floor: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<(), CodecError>,
    ) -> Result<u64, TelemetryError> {
        let mut kept = self.kept.lock();
        let last = kept.segments.keys().next_back().copied();
        // As a log of files does: what comes now is in a segment of its own.
        kept.segment = last.map_or(floor, |last| floor.max(last + 1));
        let mut bytes = 0;
        for payload in kept.segments.range(floor..).flat_map(|(_, frames)| frames) {
            bytes += payload.len() as u64;
            take(payload).map_err(|error| TelemetryError::Failed(error.to_string()))?;
        }
        Ok(bytes)
    }

    fn append(&mut self, frame: &mut [u8]) -> Result<u64, TelemetryError> {
        let mut kept = self.kept.lock();
        let segment = kept.segment;
        let payload = frame.get(FRAME_HEADER..).unwrap_or_default().to_vec();
        kept.segments.entry(segment).or_default().push(payload);
        Ok(frame.len() as u64)
    }

    fn rotate(&mut self) -> Result<u64, TelemetryError> {
        let mut kept = self.kept.lock();
        kept.segment += 1;
        Ok(kept.segment)
    }

    fn remover(&self) -> Remover {
        let kept = Arc::clone(&self.kept);
        Box::new(move |floor| {
            let mut kept = kept.lock();
            kept.segments = kept.segments.split_off(&floor);
        })
    }
}
