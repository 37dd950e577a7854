//! The write-ahead log: what was acknowledged and does not lie in a block yet.

pub mod entry;
pub mod files;
pub mod frame;
pub mod memory;
pub mod writer;

use super::codec::CodecError;
use super::store::TelemetryError;

/// What keeps frames of records from their acknowledgement until their samples lie in blocks. Frames belong to
/// segments, which are numbered in the order of writing and go as a whole.
pub trait Log: Send {
    /// Hands the payload of each frame from segment `floor` on to `take`, in the order of writing. Called once, before
    /// anything else. Damaged frames are reported and left out; the last one may never have been acknowledged.
    /// Answers how many bytes there were.
    fn replay(
        &mut self,
        floor: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<(), CodecError>,
    ) -> Result<u64, TelemetryError>;

    /// Keeps `frame`, whose first [`frame::FRAME_HEADER`] bytes are left to the back end. It is durable on return, or,
    /// if this fails, nothing of it stays once something else is appended or the segment is left. Answers how many
    /// bytes it takes.
    fn append(&mut self, frame: &mut [u8]) -> Result<u64, TelemetryError>;

    /// Later frames go to the next segment. Answers its number.
    fn rotate(&mut self) -> Result<u64, TelemetryError>;

    /// What removes the segments before a number while others append. What fails is tried again when the log is opened.
    fn remover(&self) -> Remover;
}

pub type Remover = Box<dyn Fn(u64) + Send + Sync>;

/// The name of segment `number`.
pub fn segment_name(number: u64) -> String {
    format!("log-{number:016x}")
}

/// The number of the segment called `name`.
pub fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("log-")?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}
