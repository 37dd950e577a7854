//! How often the uplink has begun anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was read while the platform was away reaches it as history, which moves no latest value and raises no alarm. So
/// with each session of the uplink the pollers tell once more what stands.
#[derive(Debug, Default, Clone)]
pub struct Sessions(Arc<AtomicU64>);

impl Sessions {
    /// To be called once the session has set the mark between the backlog and what is live.
    pub fn begin(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn begun(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
